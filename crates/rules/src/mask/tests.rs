//! What looks like a secret, and what only seems to.

use super::*;

fn masked(text: &str) -> String {
    Masker::new(&[], |_| Digest([0; 32])).unwrap().mask_text(text).0
}

#[track_caller]
fn check(table: &[(&str, &str)]) {
    let wrong: Vec<String> = table
        .iter()
        .map(|(text, expected)| (text, masked(text), expected))
        .filter(|(_text, found, expected)| found != *expected)
        .map(|(text, found, expected)| format!("{text}\n  gives {found}\n  not   {expected}"))
        .collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// TLW-34
#[test]
fn a_bare_value_ends_at_white_space_and_what_surrounds_it_stays() {
    check(&[
        ("password=correct,horse;battery staple", "password=<masked> staple"),
        ("password=it'smysecret\n", "password=<masked>\n"),
        ("token=abc&def", "token=<masked>"),
        ("GET /?token=abc&user=bob HTTP/1.1", "GET /?token=<masked> HTTP/1.1"),
        ("password=abc, user=bob", "password=<masked>, user=bob"),
        ("password=abc; ls", "password=<masked>; ls"),
        (r"password=two\ words end", "password=<masked> end"),
        ("password=a\"b end", "password=<masked> end"),
        ("{password=abc}", "{password=<masked>}"),
        ("f(password=abc)", "f(password=<masked>)"),
        ("[token=abc]", "[token=<masked>]"),
        (r#"{"log": "token=abc"}"#, r#"{"log": "token=<masked>"}"#),
        (r#"{"log":"token=abc","user":"bob"}"#, r#"{"log":"token=<masked>","user":"bob"}"#),
        (r#"{"password":12345,"user":"bob"}"#, r#"{"password":<masked>,"user":"bob"}"#),
        ("password=}abc end", "password=<masked> end"),
        ("{password=}", "{password=}"),
        ("password = ", "password = "),
        ("password=\nuser=bob", "password=\nuser=bob"),
    ]);
}

/// TLW-34
#[test]
fn a_value_in_quotes_ends_where_they_do() {
    check(&[
        (r#"{"password": "ab\"cdefgh"}"#, r#"{"password": <masked>}"#),
        (r#"{"password": "ab\\", "user": "bob"}"#, r#"{"password": <masked>, "user": "bob"}"#),
        (r#"{"password":"a b","user":"bob"}"#, r#"{"password":<masked>,"user":"bob"}"#),
        (r"password='it\'s mine' user=bob", "password=<masked> user=bob"),
        // sh(1) joins what stands side by side; YAML doubles the quote.
        (r"password='it'\''s mine' user=bob", "password=<masked> user=bob"),
        (r#"password='it'"'"'s mine' user=bob"#, "password=<masked> user=bob"),
        ("password: 'it''s mine' # old", "password: <masked> # old"),
        ("password=\"abc def\nuser=bob", "password=<masked>\nuser=bob"),
        (
            r#""{\"password\": \"ab cd\", \"user\": \"bob\"}""#,
            r#""{\"password\": <masked>, \"user\": \"bob\"}""#,
        ),
        (r#""{\"run\": \"x password='y'\"}""#, r#""{\"run\": \"x password=<masked>\"}""#),
        (r#"<login password="abc"/>"#, "<login password=<masked>/>"),
        (r#"{"args":"password="}"#, r#"{"args":"password="}"#),
    ]);
}

/// TLW-34
#[test]
fn passwd_is_a_name_of_a_secret_where_it_is_no_file_program_map_or_tag() {
    check(&[
        ("passwd: colonpasswd", "passwd: <masked>"),
        ("  db_passwd: colonpasswd\n", "  db_passwd: <masked>\n"),
        ("passwd: filesystem", "passwd: <masked>"),
        ("passwd: files2go", "passwd: <masked>"),
        ("passwd: usertoken", "passwd: <masked>"),
        (r#"{"passwd": "files sss"}"#, r#"{"passwd": <masked>}"#),
        ("db.passwd=x,y", "db.passwd=<masked>"),
        ("password: secret1", "password: <masked>"),
        ("DB_PASSWD: colonpasswd", "DB_PASSWD: <masked>"),
    ]);
    for plain in [
        // nsswitch.conf(5)
        "passwd: files sss\n",
        "passwd:         files systemd\ngroup: files",
        "passwd:\tfiles [NOTFOUND=return] ldap # as it was\r\n",
        "passwd: compat",
        "passwd_compat: nis",
        // Paths, and what is said of files and programs.
        "/etc/passwd: 0644 root root",
        "/etc/passwd:root:x:0:0",
        "/etc/pam.d/passwd: not there",
        "passwd: password updated successfully",
        "passwd: user 'ann' does not exist",
        "passwd: Authentication token manipulation error",
        "sh: 1: passwd: not found",
        // sudoers(5)
        "ann ALL=(ALL) NOPASSWD: ALL",
        "ann ALL=(ALL) PASSWD: ALL",
        "%wheel ALL=(ALL:ALL) NOPASSWD:/usr/bin/id",
        "root:x:0:0:root:/root:/bin/bash",
    ] {
        assert_eq!(masked(plain), plain);
    }
}

/// TLW-34: one secret behind another without a blank, and quotes that close more than a value.
#[test]
fn no_secret_behind_another_is_left_and_documents_stay_whole() {
    check(&[
        ("user=bob,token=abc,password=\"x y\"", "user=bob,token=<masked>"),
        ("db?user=bob&token=abc;password='p q r'", "db?user=bob&token=<masked>"),
        ("curl --data 'token=abc&password=\"two words\"'", "curl --data 'token=<masked>'"),
        ("{token: abc,password: 'two words'}", "{token: <masked> <masked>}"),
        (
            r#"{"cmd":"run --password='x'","token":"abc def"}"#,
            r#"{"cmd":"run --password=<masked>","token":<masked>}"#,
        ),
        (
            r#"{"cmd":"run --password='x'","token":"s3cr,et"}"#,
            r#"{"cmd":"run --password=<masked>","token":<masked>}"#,
        ),
        (r#"["--password='x'","https://u:pw@h"]"#, r#"["--password=<masked>","https://u:pw@h"]"#),
        (r#"{"log":"{\"authorization\":\"Bearer abc\"}"}"#, r#"{"log":"{\"authorization\":<masked>"#),
    ]);
}
