use super::{Grant, Identifier, MATRIX, Role};
use crate::registry::{Guard, TABLES};

/// DBS-01: what is no plain name reaches no statement.
#[test]
fn dbs_01_only_plain_names_are_names_of_roles() {
    let long = "a".repeat(64);
    for bad in
        ["", "a;b", "a\"b", "a b", "Plumb", "a-b", "1a", long.as_str(), "a\0b", "plumb\n", "é", "public."]
    {
        let why = Identifier::parse(bad).unwrap_err().to_string();
        assert!(why.contains("is no name of a role"), "{bad:?}: {why}");
    }
    for good in ["user", "_", "a1_", &long[1..]] {
        assert_eq!(Identifier::parse(good).unwrap().to_string(), format!("\"{good}\""));
    }
}

#[test]
fn a_grant_names_a_part_and_a_role() {
    let grant: Grant = "auth_lookup=keys".parse().unwrap();
    assert_eq!((grant.role, grant.to.as_str()), (Role::AuthLookup, "keys"));
    for (bad, word) in [("plumb", "app=plumb_app"), ("boss=plumb", "\"boss\""), ("app=", "no name of a role")]
    {
        let why = bad.parse::<Grant>().unwrap_err().to_string();
        assert!(why.contains(word), "{why}");
    }
}

/// FCT-25: every line is of a known part and kind, and no part but the owner takes anything away from what is recorded.
#[test]
fn fct_25_no_role_deletes_truncates_or_rewrites_what_is_recorded() {
    for line in MATRIX.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let words: Vec<&str> = line.split_whitespace().collect();
        assert!(words.len() > 3, "{line}");
        assert!(Role::ALL.iter().any(|(name, _)| *name == words[0]), "{line}");
        assert!(["database", "schema", "function", "table"].contains(&words[1]), "{line}");
        for right in &words[3..] {
            for bad in ["DELETE", "TRUNCATE", "REFERENCES", "TRIGGER", "CREATE", "TEMPORARY", "ALL"] {
                assert!(!right.starts_with(bad), "{line}");
            }
        }
        let recorded = TABLES.iter().any(|table| {
            table.name == words[2]
                && matches!(table.guard, Guard::AppendOnly | Guard::AppendOnlyWhere(_) | Guard::ClosedOnce)
        });
        assert!(!(recorded && words.contains(&"UPDATE")), "{line}: only columns that close a row");
        if words[1] == "table" && recorded && words[0] != "app" {
            assert_eq!(words[3..], ["SELECT"], "{line}");
        }
    }
}
