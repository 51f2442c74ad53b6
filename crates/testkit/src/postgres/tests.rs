use std::fs;

use super::newest;
use crate::postgres::PostgresError;

#[test]
fn the_newest_version_is_the_greatest_number_that_has_a_server() {
    let folder = tempfile::tempdir().unwrap();
    for (version, programs) in
        [("9", &["postgres", "initdb"][..]), ("15", &["postgres", "initdb"]), ("17", &["psql"]), ("x", &[])]
    {
        let bin = folder.path().join(version).join("bin");
        fs::create_dir_all(&bin).unwrap();
        for program in programs {
            fs::write(bin.join(program), "").unwrap();
        }
    }
    assert_eq!(newest(folder.path()).unwrap(), folder.path().join("15/bin"));
}

#[test]
fn a_machine_without_a_server_is_an_error_that_names_the_package() {
    let folder = tempfile::tempdir().unwrap();
    let err = newest(&folder.path().join("postgresql")).unwrap_err();
    assert!(matches!(err, PostgresError::NotInstalled { .. }));
    assert!(err.to_string().contains("install the package postgresql"), "{err}");
}
