//! Bundles with a file that belongs nowhere, a manifest in another form, or lines of strangers: ours and the stranger's
//! program say the same of each (LED-24, LED-28).

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json as value};

use super::{agree, agree_on, vkey};
use crate::support::{self, World, assert_code, json, world};

/// A log that was handed over to another key, its bundle, and a fork of it before that.
struct Bench {
    world: World,
    fork: World,
    bundle: PathBuf,
    key: String,
}

impl Bench {
    fn begin() -> Bench {
        let (world, fork) = (world(), support::world());
        let bundle = world.path("bundle");
        let run = |world: &World, words: &[&str]| assert_code(&world.plumb(words), 0);
        run(&world, &["ledger", "init"]);
        run(&world, &["host", "add", "one.example", "--name", "one"]);
        support::tool("cp", &["-a", world.data().to_str().unwrap(), fork.data().to_str().unwrap()]);
        run(&fork, &["host", "add", "two.example", "--name", "two"]);
        for name in ["three", "four", "five"] {
            run(&world, &["host", "add", &format!("{name}.example"), "--name", name]);
        }
        run(&world, &["ledger", "rotate-key", "--reason", "yearly"]);
        run(&world, &["host", "add", "six.example", "--name", "six"]);
        run(&world, &["ledger", "export", "--output", bundle.to_str().unwrap()]);
        let key = vkey(&world, &[]);
        let bench = Bench { world, fork, bundle, key };
        bench.agree(true);
        bench
    }

    fn agree(&self, sound: bool) {
        agree(&self.world, &self.bundle, &self.key, sound);
    }

    /// Has both refuse the bundle; returns what ours said.
    #[track_caller]
    fn refused(&self) -> String {
        agree_on(&self.world, (&self.bundle, None), &self.key, false)
    }

    fn manifest(&self) -> Value {
        serde_json::from_slice(&fs::read(self.bundle.join("manifest.json")).unwrap()).unwrap()
    }

    fn write_manifest(&self, manifest: &Value) {
        let bytes = ledger::canonical::to_bytes(manifest).unwrap();
        fs::write(self.bundle.join("manifest.json"), bytes).unwrap();
    }

    /// Writes a file and has the manifest say so.
    fn write_listed(&self, path: &str, bytes: &[u8]) {
        fs::write(self.bundle.join(path), bytes).unwrap();
        let mut manifest = self.manifest();
        let lines = manifest["files"].as_array_mut().unwrap();
        let sha256 = ledger::hex::encode(&ledger::sha256(bytes));
        lines.retain(|line| line["path"] != path);
        lines.push(value!({"path": path, "sha256": sha256, "size": bytes.len()}));
        lines.sort_by_key(|line| line["path"].as_str().unwrap().to_owned());
        self.write_manifest(&manifest);
    }
}

/// Returns the newest checkpoint of a world's log, and its size.
fn newest(world: &World) -> (String, String) {
    let status = json(&world.plumb(&["ledger", "status", "--format", "json"]));
    let note = status["checkpoint"]["note"].as_str().unwrap().to_owned();
    (status["checkpoint"]["size"].to_string(), note)
}

#[test]
fn led_28_an_older_checkpoint_that_the_manifest_does_not_list_is_found_and_a_fork_is_called_one() {
    let bench = Bench::begin();
    let older = bench.bundle.join("checkpoints");
    let unlisted = |name: &str, text: &str| {
        fs::write(older.join(name), text).unwrap();
        let said = bench.refused();
        fs::remove_file(older.join(name)).unwrap();
        said
    };
    let said = unlisted("99", "junk");
    assert!(
        said.contains("malformed  checkpoints/99 offset 0: manifest.json does not list this file"),
        "{said}"
    );
    // One that the log did sign, and one of its fork: what the bundle says of the log is true, and it is not the only one.
    let listed = bench.manifest()["files"][1]["path"].as_str().unwrap().to_owned();
    let handover = fs::read_to_string(bench.bundle.join(&listed)).unwrap();
    let (size, forked) = newest(&bench.fork);
    assert_ne!(listed, format!("checkpoints/{size}"));
    let said = unlisted(&size, &forked);
    assert!(said.contains(&format!("malformed  checkpoints/{size} ")), "{said}");
    let said_of_fork = agree_with_old(&bench, &size, &forked);
    assert!(
        said_of_fork.contains(&format!("checkpoint_inconsistent  checkpoints/{size} ")),
        "{said_of_fork}"
    );
    let mut manifest = bench.manifest();
    let honest = manifest.clone();
    manifest["files"].as_array_mut().unwrap().remove(1);
    bench.write_manifest(&manifest);
    let said = bench.refused();
    assert!(said.contains(&format!("{listed} offset 0: manifest.json does not list this file")), "{said}");
    bench.write_manifest(&honest);
    bench.agree(true);
    // Under a name that is not its size in decimal digits.
    let zeroed = listed.replace("checkpoints/", "checkpoints/0");
    fs::remove_file(bench.bundle.join(&listed)).unwrap();
    manifest["files"] = value!([honest["files"][0], honest["files"][2]]);
    bench.write_manifest(&manifest);
    bench.write_listed(&zeroed, handover.as_bytes());
    bench.refused();
    fs::remove_file(bench.bundle.join(&zeroed)).unwrap();
    bench.write_manifest(&manifest);
    bench.write_listed("checkpoints/3", forked.as_bytes());
    bench.refused();
}

/// As the first part, for who trusts the key that signed both.
fn agree_with_old(bench: &Bench, size: &str, forked: &str) -> String {
    let path = bench.bundle.join("checkpoints").join(size);
    fs::write(&path, forked).unwrap();
    let said = agree_on(&bench.world, (&bench.bundle, None), &vkey(&bench.fork, &[]), false);
    fs::remove_file(path).unwrap();
    said
}

#[test]
fn led_28_a_manifest_whose_files_stand_in_another_order_or_twice_is_found() {
    let bench = Bench::begin();
    let honest = bench.manifest();
    let lines = honest["files"].as_array().unwrap().clone();
    let reversed: Vec<Value> = lines.iter().rev().cloned().collect();
    let doubled: Vec<Value> = lines.iter().chain(lines.last()).cloned().collect();
    let twice: Vec<Value> = lines.iter().chain(&lines).cloned().collect();
    for changed in [reversed, doubled, twice] {
        bench.write_manifest(&value!({
            "format": honest["format"], "origin": honest["origin"], "size": honest["size"], "root": honest["root"],
            "range": honest["range"], "counts": honest["counts"], "files": changed,
        }));
        let said = bench.refused();
        assert!(said.contains("malformed  manifest.json offset "), "{said}");
    }
    bench.write_manifest(&honest);
    bench.agree(true);
}

/// What a signature line is does not depend on whether somebody trusts its key (checkpoint.md).
#[test]
fn led_24_a_strangers_line_is_one_by_the_same_rule_in_both_programs() {
    let bench = Bench::begin();
    let checkpoint = fs::read_to_string(bench.bundle.join("checkpoint")).unwrap();
    let with = |name: &str, signature: &str| {
        let text = format!("{checkpoint}\u{2014} {name} {signature}\n");
        bench.write_listed("checkpoint", text.as_bytes());
    };
    for name in ["stranger", "stränger/1", "\u{200b}", "a-b.c"] {
        with(name, "AAAAAAE=");
        bench.agree(true);
    }
    for name in [
        "a+b",
        "a\u{a0}b",
        "a\u{2028}b",
        "a\u{85}b",
        "a\u{7f}b",
        "a\u{9f}",
        "a\u{3000}",
        "\u{1680}",
        "",
        "a b",
    ] {
        with(name, "AAAAAAE=");
        bench.refused();
    }
    for signature in ["AAAA", "AAAAAA==", "AAAAAAF=", "AAAAAAE", ""] {
        with("stranger", signature);
        bench.refused();
    }
    bench.write_listed("checkpoint", checkpoint.as_bytes());
    bench.agree(true);
    assert!(Path::new(&bench.bundle).join("checkpoints").is_dir());
}
