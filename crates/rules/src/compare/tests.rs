use super::{Case, Comparator, Seen};

fn list(items: &[&str]) -> Vec<String> {
    items.iter().map(|&item| item.to_owned()).collect()
}

/// `want` is T, F or E (cannot be compared).
fn check(comparator: &Comparator, case: Case, separator: Option<&str>, values: &[&str], want: char) {
    let values = list(values);
    let got = match comparator.judge(&Seen { values: &values, separator, case }) {
        Ok(true) => 'T',
        Ok(false) => 'F',
        Err(_) => 'E',
    };
    assert_eq!(got, want, "{} against {values:?}", comparator.describe());
}

#[test]
fn text_comparators_judge_every_value() {
    let regex = regex::Regex::new("^a.c$").unwrap();
    let table: &[(Comparator, &[&str], char)] = &[
        (Comparator::Equal("no".to_owned()), &["no"], 'T'),
        (Comparator::Equal("no".to_owned()), &["No"], 'F'),
        (Comparator::Equal("no".to_owned()), &["no", "yes"], 'F'),
        (Comparator::Equal("no".to_owned()), &[], 'F'),
        (Comparator::Equal(String::new()), &[""], 'T'),
        (Comparator::NotEqual("no".to_owned()), &["yes"], 'T'),
        (Comparator::NotEqual("no".to_owned()), &["yes", "no"], 'F'),
        (Comparator::NotEqual("no".to_owned()), &[], 'F'),
        (Comparator::OneOf(list(&["a", "b"])), &["b"], 'T'),
        (Comparator::OneOf(list(&["a", "b"])), &["c"], 'F'),
        (Comparator::NoneOf(list(&["a", "b"])), &["c"], 'T'),
        (Comparator::NoneOf(list(&["a", "b"])), &["c", "a"], 'F'),
        (Comparator::Matches(regex.clone()), &["abc"], 'T'),
        (Comparator::Matches(regex.clone()), &["xabc"], 'F'),
        (Comparator::NotMatches(regex.clone()), &["xabc"], 'T'),
        (Comparator::NotMatches(regex), &["abc"], 'F'),
        (Comparator::Present, &["x"], 'T'),
        (Comparator::Present, &[], 'F'),
        (Comparator::Absent, &["x"], 'F'),
        (Comparator::Absent, &[], 'T'),
    ];
    for (comparator, values, want) in table {
        check(comparator, Case::Exact, None, values, *want);
    }
    check(&Comparator::Equal("no".to_owned()), Case::Fold, None, &["NO"], 'T');
}

#[test]
fn number_comparators_refuse_what_is_no_number() {
    for (comparator, value, want) in [
        (Comparator::AtLeast(4), "4", 'T'),
        (Comparator::AtLeast(4), "3", 'F'),
        (Comparator::AtLeast(4), "-5", 'F'),
        (Comparator::AtMost(4), "4", 'T'),
        (Comparator::AtMost(4), "5", 'F'),
        // As text "10" comes before "4".
        (Comparator::AtMost(4), "10", 'F'),
        (Comparator::AtMost(4), "four", 'E'),
        (Comparator::AtMost(4), "", 'E'),
        (Comparator::AtMost(4), "99999999999999999999", 'E'),
    ] {
        check(&comparator, Case::Exact, None, &[value], want);
    }
}

#[test]
fn list_comparators_see_the_items_of_all_values() {
    for (comparator, values, want) in [
        (Comparator::Includes(list(&["a", "b"])), &["b,c", "a"][..], 'T'),
        (Comparator::Includes(list(&["a", "d"])), &["b,c", "a"], 'F'),
        (Comparator::Excludes(list(&["d"])), &["b,c", "a"], 'T'),
        (Comparator::Excludes(list(&["c"])), &["b, c"], 'F'),
        (Comparator::SubsetOf(list(&["a", "b", "c"])), &["c,b"], 'T'),
        (Comparator::SubsetOf(list(&["a", "b"])), &["c,b"], 'F'),
        (Comparator::SubsetOf(list(&["a"])), &["a,,a,"], 'T'),
    ] {
        check(&comparator, Case::Exact, Some(","), values, want);
    }
}
