//! Keys made by OpenSSH's own `ssh-keygen` and by OpenSSL, accepted or refused with the right reason.

use std::process::Command as Process;

use super::*;

fn keygen(arguments: &[&str]) -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("key");
    let made = Process::new("ssh-keygen").args(["-q", "-f"]).arg(&path).args(arguments).output().unwrap();
    assert!(made.status.success(), "{made:?}");
    std::fs::read(path).unwrap()
}

fn passphrase(text: &str) -> SecretString {
    SecretString::from(text.to_owned())
}

#[test]
fn ed25519_ecdsa_and_rsa_keys_are_accepted_in_every_form() {
    for (arguments, kind) in [
        (&["-t", "ed25519", "-N", ""][..], "ssh-ed25519"),
        (&["-t", "ecdsa", "-b", "256", "-N", ""], "ecdsa-sha2-nistp256"),
        (&["-t", "ecdsa", "-b", "521", "-N", ""], "ecdsa-sha2-nistp521"),
        (&["-t", "rsa", "-b", "2048", "-N", ""], "ssh-rsa"),
        (&["-t", "rsa", "-b", "2048", "-N", "", "-m", "PEM"], "ssh-rsa"),
        (&["-t", "rsa", "-b", "2048", "-N", "", "-m", "PKCS8"], "ssh-rsa"),
        (&["-t", "ecdsa", "-b", "256", "-N", "", "-m", "PKCS8"], "ecdsa-sha2-nistp256"),
    ] {
        let key = load_private_key(&keygen(arguments), None).unwrap_or_else(|e| panic!("{arguments:?}: {e}"));
        assert_eq!(key.algorithm(), kind);
        assert!(key.fingerprint().starts_with("SHA256:"));
        assert!(!format!("{key:?}").contains("private"));
    }
}

#[test]
fn an_encrypted_key_needs_its_own_passphrase() {
    for form in [&[][..], &["-m", "PKCS8"]] {
        let arguments = [&["-t", "rsa", "-b", "2048", "-N", "correct horse"], form].concat();
        let bytes = keygen(&arguments);
        assert_eq!(load_private_key(&bytes, None).unwrap_err(), KeyError::Encrypted);
        let wrong = load_private_key(&bytes, Some(&passphrase("battery staple")));
        assert_eq!(wrong.unwrap_err(), KeyError::WrongPassphrase);
        assert!(load_private_key(&bytes, Some(&passphrase("correct horse"))).is_ok());
    }
    let bytes = keygen(&["-t", "ed25519", "-N", "correct horse"]);
    assert_eq!(load_private_key(&bytes, None).unwrap_err(), KeyError::Encrypted);
    assert!(load_private_key(&bytes, Some(&passphrase("correct horse"))).is_ok());
}

#[test]
fn an_rsa_key_shorter_than_2048_bits_is_refused() {
    let bytes = keygen(&["-t", "rsa", "-b", "1024", "-N", ""]);
    assert_eq!(load_private_key(&bytes, None).unwrap_err(), KeyError::TooShort { bits: 1024 });
}

#[test]
fn what_is_no_private_key_is_malformed() {
    let good = keygen(&["-t", "ed25519", "-N", ""]);
    let half = &good[..good.len() / 2];
    let public =
        b"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJx7o9P4yJ1K8Gx1TqQk4pSLJx1bS9m0Q2xZl4y2d5sY me".to_vec();
    for bytes in [
        b"".as_slice(),
        b"\xff\xfe",
        b"-----BEGIN OPENSSH PRIVATE KEY-----\n",
        half,
        &public,
        &[b'a'; 70_000],
    ] {
        let err = load_private_key(bytes, None).unwrap_err();
        assert_eq!(err, KeyError::Malformed, "{}", String::from_utf8_lossy(&bytes[..bytes.len().min(40)]));
    }
}
