//! Tests of entries: the written form, the limits, and what is refused.

use super::{ENTRY_BYTES_MAX, Entry, EntryError, EntryKind, is_instant};

fn entry() -> Entry {
    Entry {
        log: "0190b2e5-0000-7000-8000-000000000001".to_owned(),
        index: 7,
        at: "2026-03-01T10:00:00.000001Z".to_owned(),
        kind: EntryKind::FindingChanged,
        table: "transactions".to_owned(),
        row: "0190b2e5-0000-7000-8000-000000000002".to_owned(),
        actor: "local:ada".to_owned(),
        body_sha256: [0xab; 32],
        body_len: 262_144,
    }
}

fn edited(from: &str, to: &str) -> Vec<u8> {
    let text = String::from_utf8(entry().to_bytes().unwrap()).unwrap();
    assert!(text.contains(from), "{from}");
    text.replacen(from, to, 1).into_bytes()
}

#[test]
fn led_08_an_entry_is_one_canonical_object_with_ten_members() {
    let expected = concat!(
        r#"{"actor":"local:ada","at":"2026-03-01T10:00:00.000001Z","body_len":262144,"body_sha256":""#,
        "abababababababababababababababababababababababababababababababab",
        r#"","index":7,"kind":"finding.changed","log":"0190b2e5-0000-7000-8000-000000000001","#,
        r#""row":"0190b2e5-0000-7000-8000-000000000002","table":"transactions","v":1}"#,
    );
    assert_eq!(String::from_utf8(entry().to_bytes().unwrap()).unwrap(), expected);
    assert_eq!(Entry::parse(expected.as_bytes()), Ok(entry()));
}

#[test]
fn led_08_every_kind_is_written_by_its_name_and_read_back() {
    let names: Vec<&str> = EntryKind::ALL.iter().map(|kind| kind.as_str()).collect();
    let expected = [
        "finding.changed",
        "scan.manifest",
        "host.changed",
        "host_key.changed",
        "fact.put",
        "fact.retired",
        "edge.put",
        "edge.retired",
        "change.step",
        "memory.op",
        "audit.record",
        "log.genesis",
        "log.started",
        "log.config",
        "key.rotated",
        "segment.sealed",
        "segment.pruned",
        "body.erased",
        "hold.changed",
        "seam",
    ];
    assert_eq!(names, expected);
    for kind in EntryKind::ALL {
        let entry = Entry { kind: *kind, ..entry() };
        assert_eq!(Entry::parse(&entry.to_bytes().unwrap()), Ok(entry));
        assert_eq!(serde_json::to_value(kind).unwrap(), kind.as_str());
    }
}

#[test]
fn led_29_a_version_or_kind_of_the_future_is_unsupported() {
    let future = |bytes: &[u8], expected| match Entry::parse(bytes) {
        Err(EntryError::Unsupported { what, .. }) => assert_eq!(what, expected),
        other => panic!("{other:?}"),
    };
    future(&edited("\"v\":1", "\"v\":2"), "version");
    future(&edited("\"v\":1", "\"v\":\"1\""), "version");
    future(&edited("finding.changed", "finding.vanished"), "kind");
    // A later version may have more members; it is still unsupported, not malformed.
    future(br#"{"v":2,"x":0}"#, "version");
}

#[test]
fn led_60_other_spellings_of_an_entry_are_not_canonical() {
    let cases = [
        edited("{", "{ "),
        edited("\"index\":7", "\"index\":7.0"),
        edited("local:ada", "local:\\u0061da"),
        edited("{\"actor\":\"local:ada\",", "{\"actor\":\"local:ada\",\"actor\":\"local:ada\","),
        edited("\"table\":\"transactions\",\"v\":1", "\"v\":1,\"table\":\"transactions\""),
    ];
    for bytes in cases {
        let parsed = Entry::parse(&bytes);
        assert!(matches!(parsed, Err(EntryError::NotCanonical { .. })), "{parsed:?}");
    }
}

#[test]
fn led_76_bytes_that_are_no_entry_are_malformed_with_the_offset() {
    for (bytes, place) in [(b"\xff".as_slice(), 0), (b"[]", 0), (b"{\"v\":", 5), (b"{\"v\":1} ", 7)] {
        match Entry::parse(bytes) {
            Err(EntryError::Malformed { offset, .. }) => assert_eq!(offset, place),
            Err(EntryError::NotCanonical { offset }) => assert_eq!(offset, place),
            other => panic!("{other:?}"),
        }
    }
}

#[test]
fn members_that_are_missing_wrong_or_unknown_are_refused() {
    let cases = [
        (edited("\"index\":7", "\"index\":-7"), "index"),
        (edited("\"index\":7", "\"index\":\"7\""), "index"),
        (edited("\"body_len\":262144,", ""), "body_len"),
        (edited("\"local:ada\"", "\"  \""), "actor"),
        (edited("\"local:ada\"", "null"), "actor"),
        (edited("abab", "ABAB"), "body_sha256"),
        (edited("000001Z", "000001+00:00"), "at"),
    ];
    for (bytes, member) in cases {
        assert_eq!(Entry::parse(&bytes), Err(EntryError::Member { member }));
    }
    assert_eq!(Entry::parse(&edited("\"v\":1", "\"v\":1,\"x\":0")), Err(EntryError::ExtraMember));
}

#[test]
fn led_08_an_entry_longer_than_65_535_bytes_is_neither_written_nor_read() {
    assert!(Entry { row: "r".repeat(1_025), ..entry() }.to_bytes().is_err());
    assert!(Entry { row: "\u{1}".repeat(1_024), ..entry() }.to_bytes().unwrap().len() <= ENTRY_BYTES_MAX);
    let long = vec![b' '; ENTRY_BYTES_MAX + 1];
    assert_eq!(Entry::parse(&long), Err(EntryError::TooLong { len: ENTRY_BYTES_MAX + 1 }));
}

#[test]
fn only_instants_with_six_decimals_in_utc_are_times() {
    for good in ["2026-02-28T23:59:59.999999Z", "2024-02-29T00:00:00.000000Z", "0001-01-01T00:00:00.000000Z"]
    {
        assert!(is_instant(good), "{good}");
    }
    let wrong = [
        "2026-02-29T00:00:00.000000Z",
        "2100-02-29T00:00:00.000000Z",
        "2026-13-01T00:00:00.000000Z",
        "2026-00-01T00:00:00.000000Z",
        "2026-01-00T00:00:00.000000Z",
        "2026-04-31T00:00:00.000000Z",
        "2026-01-01T24:00:00.000000Z",
        "2026-01-01T00:60:00.000000Z",
        "2026-01-01T00:00:60.000000Z",
        "2026-01-01T00:00:00Z",
        "2026-01-01T00:00:00.000Z",
        "2026-01-01 00:00:00.000000Z",
        "2026-01-01T00:00:00.000000z",
        "+2026-1-01T00:00:00.000000Z",
        "0000-01-01T00:00:00.000000Z",
        "",
    ];
    for text in wrong {
        assert!(!is_instant(text), "{text}");
    }
}

#[test]
fn seconds_of_instants_are_those_of_posix() {
    // `date -u -d ... +%s` of GNU coreutils.
    for (text, seconds) in [
        ("1970-01-01T00:00:00.000000Z", Some(0)),
        ("1970-01-01T00:00:59.999999Z", Some(59)),
        ("2000-02-29T12:00:00.000000Z", Some(951_825_600)),
        ("2000-03-01T00:00:00.000000Z", Some(951_868_800)),
        ("2026-11-22T08:00:00.000000Z", Some(1_795_334_400)),
        ("2100-02-28T23:59:59.000000Z", Some(4_107_542_399)),
        ("2100-03-01T00:00:00.000000Z", Some(4_107_542_400)),
        ("9999-12-31T23:59:59.999999Z", Some(253_402_300_799)),
        ("1969-12-31T23:59:59.000000Z", None),
        ("0001-01-01T00:00:00.000000Z", None),
        ("2026-02-29T00:00:00.000000Z", None),
        ("yesterday", None),
    ] {
        assert_eq!(super::instant_seconds(text), seconds, "{text}");
    }
}
