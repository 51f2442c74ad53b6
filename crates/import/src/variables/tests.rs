use super::*;

fn variables(list: &[(&str, &str)]) -> Variables {
    Variables(list.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect())
}

#[test]
fn a_value_is_put_in_once_and_unknown_names_are_told() {
    let known = variables(&[("a", "{{ b }}"), ("b", "2")]);
    let table: [(&str, &str, &[&str]); 6] = [
        ("x {{ a }} {{b}}", "x {{ b }} 2", &[]),
        ("{{ missing }}{{ b }}{{ other }}", "2", &["missing", "other"]),
        ("{{.Names}} {{ }} {{ 1a }} {{", "{{.Names}} {{ }} {{ 1a }} {{", &[]),
        ("{{{ b }}}", "{2}", &[]),
        ("no braces", "no braces", &[]),
        ("{{ B }}", "", &["B"]),
    ];
    for (text, wanted, missing) in table {
        let (out, unknown) = known.render(text);
        assert_eq!(
            (out.as_str(), unknown),
            (wanted, missing.iter().map(|&m| m.to_owned()).collect()),
            "{text}"
        );
    }
}

#[test]
fn a_value_cannot_change_the_structure_of_a_file() {
    let known = variables(&[("evil", "no\nmethod: command")]);
    let mut node: Node = rules::parse_yaml("x", "check: {expected: '{{ evil }}'}").unwrap();
    assert!(known.substitute(&mut node).is_empty());
    let check = node.find("check").unwrap();
    assert_eq!(check.entries("check").unwrap().len(), 1);
    assert_eq!(check.find("expected").unwrap().text("expected").unwrap(), "no\nmethod: command");
    let at = At { line: 1, column: 19 };
    assert_eq!(check.find("expected").unwrap().at, at);
}
