//! Targets as people type them.

use super::parse;

fn check(text: &str, user: Option<&str>, host: &str, port: Option<u16>) {
    let typed = parse(text).unwrap();
    assert_eq!((typed.user.as_deref(), typed.host.as_str(), typed.port), (user, host, port), "{text}");
}

/// SSH-03.
#[test]
fn a_target_is_a_host_with_an_optional_user_and_port() {
    check("localhost", None, "localhost", None);
    check("web-1", None, "web-1", None);
    check("root@web-1", Some("root"), "web-1", None);
    check("root@10.0.0.1:2222", Some("root"), "10.0.0.1", Some(2222));
    check("::1", None, "::1", None);
    check("[::1]", None, "::1", None);
    check("admin@[fe80::1]:2222", Some("admin"), "fe80::1", Some(2222));
    check("user@realm@host", Some("user@realm"), "host", None);
}

/// SSH-03: a prefix length is refused.
#[test]
fn what_is_not_a_target_is_refused_with_a_reason() {
    let cases = [
        ("192.0.2.1/32", "prefix length"),
        ("", "empty"),
        ("@web", "user name is empty"),
        ("web:0", "1 to 65535"),
        ("web:99999", "1 to 65535"),
        ("web:ssh", "1 to 65535"),
        ("[::1", "bracket"),
        ("[::1]x", "bracket"),
        ("a b", "white space"),
        ("we\u{1b}b", "white space"),
    ];
    for (text, reason) in cases {
        let err = parse(text).unwrap_err();
        assert!(err.message.contains(reason), "{text:?}: {}", err.message);
        assert!(!err.message.chars().any(char::is_control), "{text:?} reaches the terminal raw");
    }
}
