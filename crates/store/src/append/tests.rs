use std::collections::BTreeSet;

use super::nonces;

/// LED-09: what hides a value is never used for another one, over several fillings of the source.
#[test]
fn led_09_no_nonce_is_given_twice() {
    let mut filled = 0_u8;
    let mut next = nonces(|bytes| {
        for byte in bytes.chunks_mut(16) {
            filled += 1;
            byte.fill(filled);
        }
    });
    let given: BTreeSet<[u8; 16]> = (0..200).map(|_nth| next()).collect();
    assert_eq!(given.len(), 200);
    assert!(!given.contains(&[0; 16]), "a nonce that nobody filled");
}
