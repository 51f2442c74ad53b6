use super::{FILE_SHA256, digest, first_difference, fresh_file, wrong_right};
use crate::privileges::Role;

/// FCT-24: the digest that is compiled in is that of the migrations.
#[tokio::test]
async fn fct_24_the_digest_of_a_file_is_that_of_its_migrations() {
    let made = digest(&fresh_file().await.unwrap());
    assert_eq!(FILE_SHA256, made, "write the right-hand one to FILE_SHA256");
}

#[test]
fn fct_24_the_first_object_that_differs_is_named() {
    let wanted = "index a on t x\ntable t on t y\ntrigger g on t z";
    for (found, named) in [
        (wanted, None),
        ("index a on t x\ntable t on t y", Some("trigger g is missing")),
        (
            "index a on t x\ntable t on t y\ntrigger g on t w",
            Some("trigger g is not as this program made it"),
        ),
        (
            "index a on t x\ntable t on t y\ntrigger g on t z\ntrigger h on t z",
            Some("trigger h is not of this program"),
        ),
        ("", Some("index a is missing")),
    ] {
        assert_eq!(first_difference(wanted, found).as_deref(), named);
    }
}

#[test]
fn fct_24_a_right_that_no_part_has_is_named() {
    let rights = |role: &str, part: Role| -> Vec<String> {
        let rights = part.rights().into_iter().filter(|right| !right.starts_with("database "));
        rights.map(|right| format!("{role} {right}")).collect()
    };
    let mut all = rights("one", Role::App);
    all.extend(rights("two", Role::Verify));
    assert_eq!(wrong_right(&all.join("\n")), None);
    let more = format!("{}\none table facts DELETE", all.join("\n"));
    assert!(wrong_right(&more).unwrap().contains("one has the right \"table facts DELETE\""));
    let less = all.join("\n").replace("two table facts SELECT\n", "");
    assert!(wrong_right(&less).unwrap().contains("two lacks the right \"table facts SELECT\""));
    assert!(wrong_right("PUBLIC schema public USAGE").unwrap().contains("PUBLIC has the right"));
}
