//! `plumb verify --policy`: how many cosignatures a bundle and a proof need, decided by a file (LED-34).

use testkit::process::Output;

use super::Served;
use super::client::{begun, grown, written};
use crate::support::{self, World, assert_code, assert_refused, json, shell_rule, world};

/// A log whose checkpoint has been cosigned by the first two of three witnesses, and its bundle.
struct Witnessed {
    world: World,
    log: String,
    /// Lines of a policy file that define the witnesses w1, w2 and w3.
    lines: String,
}

fn witnessed() -> Witnessed {
    let world = world();
    let log = begun(&world);
    let served = ["w1", "w2", "w3"].map(|name| (name, Served::start(&world, name, &[&log])));
    let lines = served.iter().map(|(name, served)| served.as_line(name)).collect();
    let witnessed = Witnessed { world, log, lines };
    // The third has a vkey and is gone.
    let [_first, _second, (_name, third)] = served;
    third.end("KILL");
    let policy = witnessed.policy("quorum none\n");
    let bundle = witnessed.world.path("bundle");
    let words = ["--ledger-policy", &policy, "ledger", "export", "-o", bundle.to_str().unwrap()];
    let done = witnessed.world.plumb(&words);
    assert_code(&done, 0);
    assert_eq!(done.stderr.matches("warning: witness w3 did not cosign").count(), 1, "{done:#?}");
    witnessed
}

impl Witnessed {
    /// Writes a policy that knows the log and the witnesses, and ends as given.
    fn policy(&self, end: &str) -> String {
        written(&self.world, &format!("log {}\n{}{end}", self.log, self.lines))
    }

    /// Verifies a file or folder by a policy that ends as given.
    fn verified(&self, name: &str, end: &str) -> Output {
        let (path, policy) = (self.world.path(name), self.policy(end));
        self.world.plumb(&["verify", path.to_str().unwrap(), "--policy", &policy, "--format", "json"])
    }

    fn decides(&self, name: &str, end: &str, enough: bool) {
        let done = self.verified(name, end);
        assert_code(&done, if enough { 0 } else { 2 });
        let report = json(&done);
        let codes: Vec<_> = report["findings"]
            .as_array()
            .unwrap()
            .iter()
            .map(|finding| finding["code"].as_str().unwrap())
            .collect();
        let expected: &[&str] = if enough { &[] } else { &["witness_quorum"] };
        assert_eq!(codes, expected, "{end}");
        assert_eq!(report["witness"], if enough { "verified" } else { "failed" }, "{end}");
    }
}

#[test]
fn led_34_a_policy_decides_about_bundles_and_proofs() {
    let witnessed = witnessed();
    let world = &witnessed.world;
    let proof = world.path("proof");
    let words = ["ledger", "prove", "--index", "0", "-o", proof.to_str().unwrap()];
    assert_code(&world.plumb(&words), 0);
    for name in ["bundle", "proof"] {
        for (end, enough) in [
            ("quorum none\n", true),
            ("quorum w1\n", true),
            ("quorum w3\n", false),
            ("group g any w1 w2 w3\nquorum g\n", true),
            ("group g 2 w1 w2 w3\nquorum g\n", true),
            ("group g all w1 w2 w3\nquorum g\n", false),
            ("group a 1 w1 w3\ngroup b all a w2\nquorum b\n", true),
            ("group a all w1 w3\ngroup b any a w2\nquorum b\n", true),
            ("group a all w1 w3\ngroup b all a w2\nquorum b\n", false),
        ] {
            witnessed.decides(name, end, enough);
        }
    }
    let text =
        world.plumb(&["verify", proof.to_str().unwrap(), "--policy", &witnessed.policy("quorum w3\n")]);
    assert!(
        text.stdout.contains("witness_quorum") && text.stdout.contains("who cosigned: w1, w2"),
        "{text:#?}"
    );
    assert!(text.stdout.contains("witnesses NOT VERIFIED"), "{text:#?}");
}

#[test]
fn led_34_a_head_that_no_witness_has_seen_is_below_quorum() {
    let witnessed = witnessed();
    let world = &witnessed.world;
    // The owner signs a head that no witness has seen.
    assert_code(&world.plumb(&["host", "add", "127.0.0.1"]), 0);
    let bundle = world.path("later");
    assert_code(&world.plumb(&["ledger", "export", "-o", bundle.to_str().unwrap()]), 0);
    witnessed.decides("later", "quorum w1\n", false);
    let with_key = ["verify", bundle.to_str().unwrap(), "--vkey", &witnessed.log];
    assert_code(&world.plumb(&with_key), 0);
}

#[test]
fn what_a_bundle_cannot_be_verified_by_is_refused() {
    let witnessed = witnessed();
    let world = &witnessed.world;
    let bundle = world.path("bundle");
    let verify = |text: &str| {
        let policy = written(world, text);
        world.plumb(&["verify", bundle.to_str().unwrap(), "--policy", &policy])
    };
    assert_refused(&verify("quorum w\n"), 64, "line 1: \"w\" is not defined");
    assert_refused(&verify("quorum none\n"), 64, "the policy names no log");
    assert_refused(&world.plumb(&["verify", "b", "--policy", "/nowhere"]), 69, "could not read the policy");
    assert_code(&world.plumb(&["verify", bundle.to_str().unwrap()]), 64);
    // Another log's key: the checkpoint is by nobody known.
    let other = super::log::MadeUp::new("log.example/1").vkey();
    let done = verify(&format!("log {other}\nquorum none\n"));
    assert_code(&done, 2);
    assert!(done.stdout.contains("key_unknown"), "{done:#?}");
    // A cosignature that was touched is bad, whatever the quorum.
    let checkpoint = bundle.join("checkpoint");
    let text = std::fs::read_to_string(&checkpoint).unwrap();
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    let end = lines[5].len() - 6;
    let flipped = if lines[5].as_bytes()[end] == b'A' { "B" } else { "A" };
    lines[5].replace_range(end..=end, flipped);
    std::fs::write(&checkpoint, lines.join("\n") + "\n").unwrap();
    let done = witnessed.verified("bundle", "quorum none\n");
    assert_code(&done, 2);
    assert!(done.stdout.contains("checkpoint_signature"), "{done:#?}");
    // Nothing above needed a server: the witnesses have ended with their fixtures.
    assert_code(&grown(world, &witnessed.policy("quorum none\n"), 9), 0);
}

#[test]
fn led_37_a_sealed_segment_carries_the_cosignatures_of_its_checkpoint() {
    let world = world();
    let log = begun(&world);
    let served = Served::start(&world, "w", &[&log]);
    let policy = written(&world, &format!("log {log}\n{}quorum w\n", served.as_line("w")));
    let rules: Vec<_> = (0..260).map(|n| shell_rule(&format!("rule_{n}"), "echo yes")).collect();
    let host = support::host();
    assert_code(&world.scan(&host, &["--content", &world.content(&rules), "--quiet"]), 0);
    let archive = world.path("archive");
    let seal = ["--ledger-policy", &policy, "ledger", "seal", "--output", archive.to_str().unwrap()];
    let done = world.plumb(&seal);
    assert_eq!((done.code, done.stderr.contains("warning")), (Some(0), false), "{done:#?}");
    let segment = archive.join("0-256");
    let checkpoint = std::fs::read_to_string(segment.join("checkpoint")).unwrap();
    assert_eq!(checkpoint.matches('\u{2014}').count(), 2, "{checkpoint}");
    // The range ends before the checkpoint: whether it was cosigned in time does not show in it, and in the whole log.
    let segment = segment.to_str().unwrap();
    assert_code(&world.plumb(&["verify", segment, "--vkey", &log, "--range", "0..256"]), 0);
    let done =
        world.plumb(&["verify", segment, "--policy", &policy, "--range", "0..256", "--format", "json"]);
    assert_code(&done, 2);
    let report = json(&done);
    assert_eq!(
        (&report["findings"][0]["code"], &report["witness"]),
        (&"stamp_window".into(), &"failed".into())
    );
    assert_eq!(report["findings"].as_array().unwrap().len(), 1, "{report:#}");
    let whole = world.path("whole").to_str().unwrap().to_owned();
    assert_code(&world.plumb(&["--ledger-policy", &policy, "ledger", "export", "--output", &whole]), 0);
    assert_code(&world.plumb(&["verify", &whole, "--policy", &policy, "--against", segment]), 0);
    let after = world.plumb(&["--ledger-policy", &policy, "ledger", "checkpoint"]);
    assert_eq!(after.stdout.matches('\u{2014}').count(), 2, "{after:#?}");
}
