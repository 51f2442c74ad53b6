//! What errors show of foreign bytes.

use super::*;

#[test]
fn an_excerpt_is_one_printable_line() {
    assert_eq!(excerpt(b"\n Welcome\r\nto \x1b[2Jhost\xff\0 \n"), "Welcome | to \\x1b[2Jhost\\xff\\x00");
    assert_eq!(excerpt(b" \n\t"), "");
    let long = excerpt(&[b'a'; 1_000]);
    assert_eq!(long.len(), EXCERPT_BYTES_MAX + 3);
    assert!(long.ends_with("a..."));
}

#[test]
fn every_refusal_of_a_host_key_has_its_own_reason() {
    let text = || "SHA256:x".to_owned();
    for (refusal, reason) in [
        (HostKeyRefusal::Unknown(text()), FailureReason::HostKeyUnknown),
        (HostKeyRefusal::Mismatch(text()), FailureReason::HostKeyMismatch),
        (HostKeyRefusal::Revoked(text()), FailureReason::HostKeyRevoked),
        (HostKeyRefusal::Undecided(text()), FailureReason::StoreError),
    ] {
        assert_eq!(TransportError::HostKey(refusal).reason(), reason);
    }
    assert_eq!(TransportError::Key(KeyError::Malformed).reason(), FailureReason::InvalidKey);
}

#[test]
fn the_end_of_foreign_bytes_is_their_last_lines() {
    let lecture = "be careful\n".repeat(40);
    let shown =
        excerpt_of_end(format!("{lecture}\n    #1) Think.\r\n\nann may not\x1b run sh\n\n").as_bytes());
    assert!(shown.ends_with("be careful | #1) Think. | ann may not\\x1b run sh"), "{shown}");
    assert!(shown.starts_with("be careful | ") && !shown.contains("..."), "{shown}");
    // A last line that is too long keeps its start.
    let long = excerpt_of_end(format!("first\n{}", "x".repeat(300)).as_bytes());
    assert_eq!(long, format!("{}...", "x".repeat(200)));
    assert_eq!(excerpt_of_end(b"\n \n"), "");
    assert_eq!(excerpt_of_end(b""), "");
}
