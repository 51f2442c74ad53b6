//! Tests of anchor lines: what is written reads back, whatever is changed does not.

use super::{Line, LineError, Tail, What};
use crate::sha256;

const AT: &str = "2026-03-01T10:00:00.000001Z";

fn head(tail: Tail) -> Vec<u8> {
    Line::after(tail, AT, What::Head { note: "log.example/1\n0\n47DEQ=\n\n\u{2014} k x\n".to_owned() })
        .unwrap()
}

#[test]
fn led_07_a_line_has_its_documented_bytes_and_names_the_one_before() {
    let first = head(Tail::default());
    let expected = "{\"at\":\"2026-03-01T10:00:00.000001Z\",\"checkpoint\":\"log.example/1\\n0\\n47DEQ=\\n\\n\u{2014} \
                    k x\\n\",\"n\":1,\"prev\":null,\"v\":1}\n";
    assert_eq!(String::from_utf8(first.clone()).unwrap(), expected);
    let line = Line::parse(Tail::default(), &first).unwrap();
    let tail = Tail::behind(&line, &first);
    assert_eq!(tail, Tail { number: 1, sha256: Some(sha256(&first)) });
    let seam = Line::after(tail, AT, What::Seam { quarantined: [7; 32] }).unwrap();
    let line = Line::parse(tail, &seam).unwrap();
    assert_eq!((line.number, line.what), (2, What::Seam { quarantined: [7; 32] }));
}

#[test]
fn led_07_a_line_out_of_place_a_torn_one_and_every_changed_byte_are_refused() {
    let first = head(Tail::default());
    let tail = Tail::behind(&Line::parse(Tail::default(), &first).unwrap(), &first);
    let second = head(tail);
    assert_eq!(Line::parse(Tail::default(), &second), Err(LineError::Number { expected: 1, found: 2 }));
    let other = Tail { sha256: Some([1; 32]), ..tail };
    assert_eq!(Line::parse(other, &second), Err(LineError::Chain));
    for end in 0..second.len() {
        assert_eq!(Line::parse(tail, &second[..end]), Err(LineError::Torn), "cut at {end}");
    }
    for at in 0..second.len() {
        let mut changed = second.clone();
        changed[at] ^= 1;
        let same = Line::parse(tail, &changed).is_ok();
        // Inside the checkpoint and the time a change is another checkpoint or time: signatures tell those.
        let text = String::from_utf8_lossy(&second);
        let inside = |from: &str, to: &str| {
            text.find(from).is_some_and(|start| start + from.len() <= at && at < text.find(to).unwrap())
        };
        assert!(
            !same || inside("\"checkpoint\":\"", "\",\"n\"") || inside("\"at\":\"", "\",\"ch"),
            "byte {at}"
        );
    }
}
