//! Lines as OpenSSH writes them; the hashed one was made by `ssh-keygen -H` for `[127.0.0.1]:2222`.

use super::{Line, Skipped};

const KEY: &str = "AAAAC3NzaC1lZDI1NTE5AAAAIDfhY3O26sKAHKTzwGF5WsVcZoFwoF6SXbV6G2eERTmM";

fn parse(text: &str) -> (Vec<Line>, Vec<Skipped>) {
    super::parse(text).unwrap()
}

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

/// SSH-03: RFC 5952 gives `::1` and `2001:db8::1` for these.
#[test]
fn an_address_is_kept_as_it_is_dialled() {
    let hosts = "[0:0:0:0:0:0:0:1]:2201,2001:DB8::0001,Web-1.Example.ORG.";
    let (lines, skipped) = parse(&format!("{hosts} ssh-ed25519 {KEY}"));
    assert!(skipped.is_empty());
    assert!(lines[0].matches("::1", 2201));
    assert!(lines[0].matches("2001:db8::1", 22));
    assert!(lines[0].matches("web-1.example.org", 22));
    let expected = [("::1", 2201), ("2001:db8::1", 22), ("web-1.example.org", 22)];
    assert_eq!(lines[0].endpoints(), expected.map(|(address, port)| (address.to_owned(), port)));
}

/// Only the host that no connection goes to is left out of a line; one whose exception is not understood is left out.
#[test]
fn a_host_that_cannot_be_dialled_is_named_and_hides_no_other() {
    for host in ["[web-1]:0", "[web-1]:65536", "[web-1]:x", "[web-1]", "[]:22", "192.0.2.256", "web_$", ""] {
        let (lines, skipped) = parse(&format!("{host},web-2 ssh-ed25519 {KEY}\n{host} ssh-ed25519 {KEY}"));
        let numbers: Vec<usize> = skipped.iter().map(|line| line.number).collect();
        // A line without any host begins with its key type, and is none.
        assert_eq!((lines.len(), numbers), (1, vec![1, 2]), "{host:?}");
        assert_eq!(lines[0].endpoints(), [("web-2".to_owned(), 22)]);
    }
    let (lines, skipped) = parse(&format!("*.example.org,![x]:0 ssh-ed25519 {KEY}"));
    assert_eq!((lines.len(), skipped.len()), (0, 1));
}

#[test]
fn a_file_is_read_whole_or_not_at_all() {
    let line = format!("web-1 ssh-ed25519 {KEY}\n");
    let comments = "#\n".repeat(99_999);
    assert_eq!(parse(&format!("{comments}{line}")).0.len(), 1);
    assert!(super::parse(&format!("{comments}#\n{line}")).is_err());
}
