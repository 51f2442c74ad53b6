use std::path::Path;

use secrecy::SecretString;

use super::{Database, Place};

fn url(text: &str) -> Database {
    Database { url: Some(SecretString::from(text)), ..Database::default() }
}

/// What a database is, or why not.
fn said(database: &Database) -> String {
    match database.place(Path::new("/data")) {
        Ok(Place::File(path)) => path.display().to_string(),
        Ok(Place::Server(server)) => server.place().to_owned(),
        Err(err) => format!("refused: {err}"),
    }
}

/// DBS-14: what is out of range is named with its range.
#[test]
fn dbs_14_numbers_of_connections_and_times_have_a_range() {
    type With = fn(&mut Database, String);
    let settings: [(&str, With, [&str; 2], [&str; 2]); 6] = [
        ("CONNECTIONS", |to, text| to.connections = Some(text), ["1", "100"], ["0", "101"]),
        ("OVERFLOW", |to, text| to.overflow = Some(text), ["0", "100"], ["-2", "101"]),
        ("REPLICAS", |to, text| to.replicas = Some(text), ["1", "100"], ["0", "101"]),
        ("ACQUIRE_SECONDS", |to, text| to.acquire_seconds = Some(text), ["1", "300"], ["0", "301"]),
        ("ANSWER_SECONDS", |to, text| to.answer_seconds = Some(text), ["10", "86400"], ["9", "86401"]),
        ("RECYCLE_SECONDS", |to, text| to.recycle_seconds = Some(text), ["60", "86400"], ["59", "86401"]),
    ];
    for (name, set, good, bad) in settings {
        let with = |text: &str| {
            let mut database = url("postgres://ann@db/plumb");
            set(&mut database, text.to_owned());
            said(&database)
        };
        for good in good {
            assert_eq!(with(good), "plumb on db:5432 as ann", "{name}");
        }
        let range = format!("from {} to {}", good[0], good[1]);
        for bad in bad.into_iter().chain(["abc", "-1", ""]) {
            let why = with(bad);
            assert!(
                why.contains(&format!("PLUMB_DATABASE_{name} is {bad:?}")) && why.contains(&range),
                "{why}"
            );
        }
    }
}

#[test]
fn dbs_24_addresses_and_single_settings_come_together_and_single_ones_win() {
    let host = |url: Database| Database { host: Some("db2".to_owned()), ..url };
    for (database, wanted) in [
        (Database::default(), "/data/plumb.db"),
        (url("sqlite:///tmp/x.db"), "/tmp/x.db"),
        (url("postgres://ann@db/plumb"), "plumb on db:5432 as ann"),
        (url("postgresql://ann:p%40ss@db:99/plumb?sslmode=require"), "plumb on db:99 as ann"),
        (url("postgres://ann@[::1]:99/plumb"), "plumb on [::1]:99 as ann"),
        (url("postgres://ann@localhost/plumb?host=/run/pg"), "plumb on /run/pg:5432 as ann"),
        (host(url("postgres://ann@db/plumb")), "plumb on db2:5432 as ann"),
    ] {
        assert_eq!(said(&database), wanted);
    }
    let single = Database {
        host: Some("db".to_owned()),
        port: Some("7".to_owned()),
        name: Some("n".to_owned()),
        user: Some("u".to_owned()),
        ..Database::default()
    };
    assert_eq!(said(&single), "n on db:7 as u");
}

#[test]
fn dbs_24_what_is_missing_unknown_or_out_of_range_is_named() {
    for (text, words) in [
        ("postgres://", "names no host, no database name, no user"),
        ("postgres://ann@/plumb", "names no host"),
        ("postgres://ann@:5432/plumb", "names no host"),
        ("postgres://db/plumb", "names no user"),
        ("postgres://ann@db", "names no database name"),
        ("postgres://ann@db:99999/plumb", "invalid port number"),
        (
            "postgres://ann@db:0/plumb",
            "port of the database's address is \"0\", which is no port from 1 to 65535",
        ),
        ("sqlite:///nowhere/at/all/x.db", "there is no folder /nowhere/at/all for the database"),
        ("postgres://ann@db/plumb?sslmode=perhaps", "sslmode is \"perhaps\""),
        ("postgres://ann@db/plumb?ssl=on", "unknown option \"ssl\""),
        ("mysql://ann@db/plumb", "unknown scheme \"mysql\""),
        ("sqlite:", "names no file"),
        ("sqlite::memory:", "names a database in memory"),
        ("sqlite:///x.db?mode=memory", "names a database in memory"),
        ("sqlite:///x.db?cache=shared", "has options"),
    ] {
        let said = said(&url(text));
        assert!(said.starts_with("refused: ") && said.contains(words), "{text}: {said}");
    }
    for port in ["0", "65536", "99999", "abc", "-1"] {
        let database = Database { port: Some(port.to_owned()), ..url("postgres://ann@db/plumb") };
        let said = said(&database);
        assert!(said.contains("PLUMB_DATABASE_PORT") && said.contains("1 to 65535"), "{port}: {said}");
    }
    let mixed = Database { host: Some("db".to_owned()), ..url("sqlite:///x") };
    assert!(said(&mixed).contains("PLUMB_DATABASE_HOST is for PostgreSQL"));
}

/// Where the address alone would be refused, and the setting says it.
#[test]
fn dbs_24_a_single_setting_stands_in_for_a_part_that_the_address_lacks_or_has_wrong() {
    let host = |text: &str| Database { host: Some("/run/x".to_owned()), ..url(text) };
    let port = |text: &str| Database { port: Some("5433".to_owned()), ..url(text) };
    for (database, wanted) in [
        (host("postgres://pa@/d1"), "d1 on /run/x:5432 as pa"),
        (host("postgres://pa@:6000/d1"), "d1 on /run/x:6000 as pa"),
        (host("postgres://pa:s%2Fw@/d1?sslmode=disable"), "d1 on /run/x:5432 as pa"),
        (url("postgres://pa@/d1?host=/run/y"), "d1 on /run/y:5432 as pa"),
        (port("postgres://pa@h:99999/d1"), "d1 on h:5433 as pa"),
        (port("postgres://pa@h:0/d1"), "d1 on h:5433 as pa"),
        (port("postgres://pa@[2001:db8::1]:99999/d1"), "d1 on [2001:db8::1]:5433 as pa"),
        (port("postgres://pa@[2001:db8::1]/d1"), "d1 on [2001:db8::1]:5433 as pa"),
        (Database { host: Some("h2".to_owned()), ..port("postgres://pa@:99999/d1") }, "d1 on h2:5433 as pa"),
    ] {
        assert_eq!(said(&database), wanted);
    }
    // A password with a slash is no port, and is not shown as a path.
    for database in [port("postgres://pa:hush/hush@h/d1"), host("postgres://pa:hush/hush@h/d1")] {
        let said = said(&database);
        assert!(said.contains("invalid port number") && !said.contains("hush"), "{said}");
    }
}

#[test]
fn dbs_25_nothing_shows_a_password() {
    let planted = "hush-hush";
    let single = Database { password: Some(SecretString::from(planted)), ..url("postgres://ann@db/plumb") };
    for database in [
        single,
        url("postgres://ann:hush-hush@db/plumb"),
        url("postgres://ann:hush-hush@db:99999/plumb"),
        url("postgres://ann:hush-hush@db/plumb?sslmode=x"),
        url("postgres://ann:hush-hush@/plumb"),
    ] {
        let place = database.place(Path::new("/data"));
        let shown = format!("{database:?} {place:?} {}", said(&database));
        assert!(!shown.contains(planted), "{shown}");
    }
}
