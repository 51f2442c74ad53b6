use std::collections::BTreeMap;

use super::{Known, Told, changes, family};

fn check(known: &[(&str, &str)], told: &[(&str, &[(&str, &str)])], wanted: &str) {
    let known: BTreeMap<String, Known> = known
        .iter()
        .zip(0_u64..)
        .map(|((predicate, value), seq)| {
            // One that begins with a mark was put by somebody.
            let name = predicate.trim_start_matches('!');
            let family = Some(family(name).to_owned()).filter(|_family| name == *predicate);
            (name.to_owned(), Known { value: (*value).to_owned(), seq, family })
        })
        .collect();
    let pairs =
        |pairs: &[(&str, &str)]| pairs.iter().map(|(p, v)| ((*p).to_owned(), (*v).to_owned())).collect();
    let told: Told<String> =
        told.iter().map(|(family, items)| ((*family).to_owned(), pairs(items))).collect();
    let said: Vec<String> = changes(&known, &told)
        .iter()
        .map(|change| {
            let value = change.value.as_deref().unwrap_or("over");
            let replaces = change.replaces.map_or_else(|| "new".to_owned(), |seq| seq.to_string());
            format!("{} {value} {replaces}", change.key)
        })
        .collect();
    assert_eq!(said.join(", "), wanted);
}

#[test]
fn only_what_differs_is_a_change() {
    let known = [("os", "1"), ("package/a", "1"), ("package/b", "1")];
    check(
        &known,
        &[("os", &[("os", "1")]), ("package", &[("package/a", "1"), ("package/b", "2")])],
        "package/b 2 2",
    );
    check(&[], &[("package", &[("package/b", "1"), ("package/a", "1")])], "package/a 1 new, package/b 1 new");
}

#[test]
fn what_is_missing_from_a_family_that_was_told_is_over() {
    let known = [("package/a", "1"), ("package/b", "1"), ("user/a", "1")];
    check(&known, &[("package", &[("package/a", "1")])], "package/b over 1");
    check(&known, &[("package", &[])], "package/a over 0, package/b over 1");
}

#[test]
fn a_family_that_was_not_told_stays_as_it_is() {
    check(&[("package/a", "1"), ("packages", "1")], &[("user", &[])], "");
    check(&[("packages", "1"), ("owner", "1")], &[("package", &[])], "");
}

#[test]
fn what_somebody_put_is_neither_replaced_nor_ended() {
    check(
        &[("!package/a", "1"), ("!package/b", "1"), ("package/c", "1")],
        &[("package", &[("package/a", "2")])],
        "package/c over 2",
    );
}

#[test]
fn what_another_family_tells_now_goes_on() {
    let known = [("package/a", "1")];
    check(&known, &[("package", &[]), ("service", &[("package/a", "1")])], "");
    check(&known, &[("package", &[]), ("service", &[("package/a", "2")])], "package/a 2 0");
}
