//! Lines as OpenSSH writes them; the hashed one was made by `ssh-keygen -H` for `[127.0.0.1]:2222`.

use super::parse;

const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIDfhY3O26sKAHKTzwGF5WsVcZoFwoF6SXbV6G2eERTmM";

#[test]
fn a_plain_line_matches_its_host_and_port_only() {
    let (lines, skipped) =
        parse(&format!("web-1,[10.0.0.1]:2222 ssh-ed25519 {KEY} comment here\n# note\n\n"));
    assert!(skipped.is_empty());
    assert!(lines[0].matches("web-1", 22));
    assert!(lines[0].matches("10.0.0.1", 2222));
    assert!(!lines[0].matches("10.0.0.1", 22));
    assert!(!lines[0].matches("web-1", 2222));
    assert_eq!(lines[0].endpoints(), [("web-1".to_owned(), 22), ("10.0.0.1".to_owned(), 2222)]);
}

#[test]
fn wildcards_match_and_a_negation_wins() {
    let (lines, _) = parse(&format!("*.example.org,!bad.example.org ssh-ed25519 {KEY}"));
    assert!(lines[0].matches("a.example.org", 22));
    assert!(!lines[0].matches("bad.example.org", 22));
    assert!(lines[0].endpoints().is_empty());
}

#[test]
fn revoked_lines_say_so_and_what_is_not_understood_is_named() {
    let text = format!(
        "@revoked h ssh-ed25519 {KEY}\n@cert-authority * ssh-ed25519 {KEY}\nh ssh-rsa {KEY}\nh ssh-ed25519 !!\nh"
    );
    let (lines, skipped) = parse(&text);
    assert_eq!(lines.len(), 1);
    assert!(lines[0].revoked);
    assert_eq!(skipped.iter().map(|line| line.number).collect::<Vec<_>>(), [2, 3, 4, 5]);
}

/// The example of HMAC-SHA1 host hashing is worked with another program (`ssh-keygen -H`).
#[test]
fn a_hashed_line_matches_the_host_it_was_made_for() {
    let line = include_str!("hashed_line.txt");
    let (lines, skipped) = parse(line);
    assert!(skipped.is_empty());
    assert!(lines[0].is_hashed());
    assert!(lines[0].matches("127.0.0.1", 2222));
    assert!(!lines[0].matches("127.0.0.1", 22));
}
