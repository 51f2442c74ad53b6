//! Witnesses elsewhere: https, under a certificate that the system's roots vouch for, or not at all.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use super::client::{begun, written};
use super::{Served, serve_words};
use crate::support::{World, assert_code, assert_refused, world};

/// Makes a certificate for the loopback address, `NAME.pem`, and its key, `NAME.key`.
fn certificate(world: &World, name: &str) {
    let made = rcgen::generate_simple_self_signed(["127.0.0.1".to_owned()]).unwrap();
    let key = world.path(&format!("{name}.key"));
    fs::write(world.path(&format!("{name}.pem")), made.cert.pem()).unwrap();
    fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    fs::set_permissions(&key, fs::Permissions::from_mode(0o600)).unwrap();
}

/// Returns the words that start the witness of a folder under a certificate and a key.
fn words(world: &World, folder: &str, log: &str, [certificate, key]: [&str; 2]) -> Vec<String> {
    let file = |name| world.path(name).to_str().unwrap().to_owned();
    let mut words = serve_words(&world.path(folder));
    words.extend(["--log", log, "--tls-cert"].map(str::to_owned));
    words.extend([file(certificate), "--tls-key".to_owned(), file(key)]);
    words
}

#[test]
fn led_32_a_witness_is_asked_over_https_and_its_certificate_is_checked() {
    let world = world();
    certificate(&world, "known");
    certificate(&world, "foreign");
    let roots = world.path("known.pem");
    let world = world.env("SSL_CERT_FILE", roots.to_str().unwrap());
    let log = begun(&world);
    let known = Served::start_with(&world, &words(&world, "w1", &log, ["known.pem", "known.key"]));
    let foreign = Served::start_with(&world, &words(&world, "w2", &log, ["foreign.pem", "foreign.key"]));
    assert!(known.as_line("w1").contains(" https://127.0.0.1:"), "{}", known.as_line("w1"));

    let lines = [known.as_line("w1"), foreign.as_line("w2")].concat();
    let policy = written(&world, &format!("log {log}\n{lines}group g 1 w1 w2\nquorum g\n"));
    let done = world.plumb(&["--ledger-policy", &policy, "ledger", "checkpoint"]);
    assert_code(&done, 0);
    let cosigned = done.stdout.lines().filter(|line| line.starts_with("\u{2014} witness.local/")).count();
    assert_eq!(cosigned, 1, "{done:#?}");
    assert_eq!(done.stderr.lines().count(), 1, "{done:#?}");
    assert!(done.stderr.starts_with("warning: witness w2 did not cosign"), "{done:#?}");
    assert!(done.stderr.contains("no TLS with 127.0.0.1: invalid peer certificate"), "{done:#?}");

    // Without roots nobody can be checked, and it says why there are none.
    let absent = world.path("absent.pem");
    let without = world.env("SSL_CERT_FILE", absent.to_str().unwrap());
    let done = without.plumb(&["--ledger-policy", &policy, "host", "add", "root@127.0.0.1:2"]);
    assert_code(&done, 0);
    assert!(done.stderr.contains("no root certificates") && done.stderr.contains("absent.pem"), "{done:#?}");
    let world = without.env("SSL_CERT_FILE", roots.to_str().unwrap());

    // Who speaks no TLS gets no answer, and the others still do.
    let plain = known.raw(b"GET /x/checkpoint HTTP/1.1\r\nHost: w\r\n\r\n");
    assert!(!plain.starts_with(b"HTTP/"), "{plain:?}");
    let done = world.plumb(&["--ledger-policy", &policy, "host", "add", "root@127.0.0.1:1"]);
    assert_code(&done, 0);
    assert_eq!(done.stderr.lines().filter(|line| line.contains("witness w1")).count(), 0, "{done:#?}");
    assert_code(&known.end("TERM"), 0);
}

#[test]
fn a_witness_with_a_certificate_that_cannot_be_used_does_not_start() {
    let world = world();
    certificate(&world, "one");
    certificate(&world, "other");
    for (name, like, mode) in [("open.key", "one.key", 0o644), ("no.key", "one.pem", 0o600)] {
        fs::copy(world.path(like), world.path(name)).unwrap();
        fs::set_permissions(world.path(name), fs::Permissions::from_mode(mode)).unwrap();
    }
    fs::write(world.path("empty"), "").unwrap();
    let log = begun(&world);
    for (files, said) in [
        (["one.pem", "open.key"], "can be read by everybody"),
        (["one.pem", "other.key"], "does not serve"),
        (["one.pem", "no.key"], "is not the file of a private key"),
        (["empty", "one.key"], "holds no certificate"),
        (["absent", "one.key"], "is not a file of certificates"),
    ] {
        let words = words(&world, "w", &log, files);
        let done = world.plumb(&words.iter().map(String::as_str).collect::<Vec<_>>());
        assert_refused(&done, 78, said);
        assert!(!world.path("w").exists(), "{files:?}: nothing is made before the files are right");
    }
}
