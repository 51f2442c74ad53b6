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
