//! What a stranger's own program makes of our files: `docs/formats/verify.py`, written from the format pages alone,
//! against bundles of the built binary (LED-24, LED-28); and that the binary writes the same bytes in other locales
//! and time zones (LED-05).

mod unlisted;

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use testkit::process::{self, Output};
use testkit::wait;

use crate::ours::{closed, folder};
use crate::support::{World, assert_code, assert_refused, json, world};

/// A key that signed nothing.
const STRANGE: &str = "log.example/log-1+aa9c5cbd+AYqI4910CfGV/VLbLTy6XXLKZwm/HZQSG/N0iAG0D29c";

fn vkey(world: &World, data: &[&str]) -> String {
    let status = json(&world.plumb(&[data, &["ledger", "status", "--format", "json"]].concat()));
    status["vkey"].as_str().unwrap().to_owned()
}

/// Runs the stranger's program with Debian's Python, which finds Debian's packages.
fn theirs(bundle: &Path, part: Option<&str>, vkey: &str) -> Output {
    let program = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/verify.py");
    let mut command = Command::new("/usr/bin/python3");
    command.arg(program).arg(bundle).args(part).arg(vkey);
    process::run(command, b"", wait::LONG)
        .unwrap_or_else(|err| panic!("install python3 and python3-cryptography: {err}"))
}

/// Asserts that both programs say of a bundle what they should.
#[track_caller]
fn agree(world: &World, bundle: &Path, vkey: &str, sound: bool) {
    agree_on(world, (bundle, None), vkey, sound);
}

/// As [`agree`], of a part of a log when one is asked for; returns what ours said.
#[track_caller]
fn agree_on(world: &World, (bundle, part): (&Path, Option<&str>), vkey: &str, sound: bool) -> String {
    let mut words = vec!["verify", bundle.to_str().unwrap(), "--vkey", vkey];
    words.extend(part.iter().flat_map(|part| ["--range", part]));
    let ours = world.plumb(&words);
    assert_code(&ours, if sound { 0 } else { 2 });
    let theirs = theirs(bundle, part, vkey);
    assert_code(&theirs, i32::from(!sound));
    assert_eq!(theirs.stdout == "ok\n", sound, "{theirs:?}");
    ours.stdout
}

/// Returns every file below a folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { files.extend(self::files(&path)) } else { files.push(path) }
    }
    files.sort();
    files
}

#[test]
fn a_program_of_200_lines_verifies_our_bundles_and_refuses_each_changed_file_led_24_led_28() {
    let world = world();
    let content = folder(&world, "ours", &[closed("rule", "low")]);
    let run = |words: &[&str]| {
        let done = world.plumb(&[&["--content", &content], words].concat());
        assert_code(&done, 0);
        done
    };
    for name in ["one", "two", "three"] {
        run(&["host", "add", &format!("{name}.example"), "--name", name]);
    }
    let old = vkey(&world, &["--content", &content]);
    run(&["ledger", "rotate-key", "--reason", "yearly"]);
    run(&["ledger", "erase", "1", "--reason", "asked to", "--approved-by", "ada"]);
    let new = vkey(&world, &["--content", &content]);
    let bundle = world.path("bundle");
    run(&["ledger", "export", "--output", bundle.to_str().unwrap()]);
    agree(&world, &bundle, &new, true);
    // Who has the old key only follows the log to the new one.
    agree(&world, &bundle, &old, true);
    agree(&world, &bundle, STRANGE, false);
    let files = files(&bundle);
    assert!(files.len() > 12, "{files:?}");
    for (at, path) in files.iter().enumerate() {
        let honest = fs::read(path).unwrap();
        let mut changed = honest.clone();
        // Another place in each file, over the whole length.
        let place = (at * 7_919) % changed.len();
        changed[place] ^= 1;
        fs::write(path, &changed).unwrap();
        agree(&world, &bundle, &new, false);
        fs::write(path, &honest).unwrap();
    }
    agree(&world, &bundle, &new, true);
}

#[test]
fn a_program_of_200_lines_verifies_the_bundle_of_whole_scans_led_24() {
    let world = world();
    assert_code(&world.plumb(&["demo"]), 0);
    let data = world.data().join("demo").to_str().unwrap().to_owned();
    let bundle = world.path("bundle");
    let words = ["--data-dir", &data, "ledger", "export", "--output", bundle.to_str().unwrap()];
    assert_code(&world.plumb(&words), 0);
    agree(&world, &bundle, &vkey(&world, &["--data-dir", &data]), true);
}

/// LED-26: who gets a part of a log and asks for the log is told.
#[test]
fn a_part_of_a_log_is_taken_for_nothing_else_led_26_led_62() {
    let world = world();
    assert_code(&world.plumb(&["demo"]), 0);
    let data = world.data().join("demo").to_str().unwrap().to_owned();
    let vkey = vkey(&world, &["--data-dir", &data]);
    let archive = world.path("archive");
    let words = ["--data-dir", &data, "ledger", "seal", "--output", archive.to_str().unwrap()];
    assert_code(&world.plumb(&words), 0);
    let segment = archive.join("0-256");
    let of = |part: Option<&str>, sound| agree_on(&world, (&segment, part), &vkey, sound);
    let said = of(None, false);
    assert!(said.contains("truncated  entry 256  manifest.json"), "{said}");
    let size = fs::read_to_string(segment.join("checkpoint")).unwrap();
    let size = size.lines().nth(1).unwrap();
    let said = of(Some("0..256"), true);
    assert!(said.starts_with(&format!("verified  256 of {size} entries,")), "{said}");
    for other in ["0..512", "256..512", &format!("0..{size}"), "0..255"] {
        of(Some(other), false);
    }
    for wrong in ["0..0", "256..0", "0-256", "..256", "0..+x", ""] {
        let words = ["verify", segment.to_str().unwrap(), "--vkey", &vkey, "--range", wrong];
        assert_code(&world.plumb(&words), 64);
    }
    // Without any entry, as whoever has no key can rewrite it.
    for folder in ["tile/entries", "bodies", "evidence", "manifests"] {
        fs::remove_dir_all(segment.join(folder)).unwrap();
    }
    let path = segment.join("manifest.json");
    let mut manifest: serde_json::Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    manifest["range"]["to"] = 0.into();
    for folder in ["entry_bundles", "bodies", "evidence", "manifests"] {
        manifest["counts"][folder] = 0.into();
    }
    fs::write(&path, ledger::canonical::to_bytes(&manifest).unwrap()).unwrap();
    of(None, false);
    let proof = world.path("proof").to_str().unwrap().to_owned();
    let words = ["--data-dir", &data, "ledger", "prove", "--index", "0", "--output", &proof];
    assert_code(&world.plumb(&words), 0);
    let words = ["verify", &proof, "--vkey", &vkey, "--range", "0..256"];
    assert_refused(&world.plumb(&words), 64, "--range");
}

/// LED-22: what both keys signed is good for who has the old one only, and nothing shows before it.
#[test]
fn a_bundle_of_the_moment_a_key_was_revoked_verifies_with_that_key_led_22() {
    let world = world();
    let content = folder(&world, "ours", &[closed("rule", "low")]);
    let run = |words: &[&str]| assert_code(&world.plumb(&[&["--content", &content], words].concat()), 0);
    run(&["host", "add", "one.example", "--name", "one"]);
    let old = vkey(&world, &["--content", &content]);
    run(&["ledger", "rotate-key", "--reason", "stolen", "--revoke-old"]);
    let new = vkey(&world, &["--content", &content]);
    let bundle = world.path("during");
    run(&["ledger", "export", "--output", bundle.to_str().unwrap()]);
    for key in [&old, &new] {
        agree(&world, &bundle, key, true);
    }
    // Without the line that the new key signed it is what the thief of the old one could make.
    let checkpoint = bundle.join("checkpoint");
    let by_both = fs::read_to_string(&checkpoint).unwrap();
    let text = by_both.split_inclusive('\n').collect::<Vec<_>>();
    let lines = text.iter().filter(|line| line.starts_with('\u{2014}')).count();
    assert_eq!(lines, 2, "{by_both}");
    for dropped in [text.len() - 2, text.len() - 1] {
        let kept: String =
            text.iter().enumerate().filter(|(at, _)| *at != dropped).map(|(_, line)| *line).collect();
        fs::write(&checkpoint, kept).unwrap();
        agree(&world, &bundle, &old, false);
    }
    fs::write(&checkpoint, by_both).unwrap();
    run(&["host", "add", "two.example", "--name", "two"]);
    let after = world.path("after");
    run(&["ledger", "export", "--output", after.to_str().unwrap()]);
    for key in [&old, &new] {
        agree(&world, &after, key, true);
    }
}

/// LED-66: whoever passes a bundle on cannot add to it.
#[test]
fn what_belongs_to_no_entry_is_found_in_a_bundle_led_66() {
    const HELLO: &str = "2cf24dba5fb0a30e26e83b2ac5b9e29e1b161e5c1fa7425e73043362938b9824";
    let world = world();
    assert_code(&world.plumb(&["demo"]), 0);
    let data = world.data().join("demo").to_str().unwrap().to_owned();
    let vkey = vkey(&world, &["--data-dir", &data]);
    let bundle = world.path("bundle");
    let words = ["--data-dir", &data, "ledger", "export", "--output", bundle.to_str().unwrap()];
    assert_code(&world.plumb(&words), 0);
    let manifest = bundle.join("manifest.json");
    let honest = fs::read(&manifest).unwrap();
    for folder in ["evidence", "manifests"] {
        let path = format!("{folder}/2c/{HELLO}");
        fs::create_dir_all(bundle.join(folder).join("2c")).unwrap();
        fs::write(bundle.join(&path), "hello").unwrap();
        let mut counted: serde_json::Value = serde_json::from_slice(&honest).unwrap();
        counted["counts"][folder] = (counted["counts"][folder].as_u64().unwrap() + 1).into();
        fs::write(&manifest, ledger::canonical::to_bytes(&counted).unwrap()).unwrap();
        let said = agree_on(&world, (&bundle, None), &vkey, false);
        assert!(said.contains(&format!("row_extra  {path} offset 0")), "{said}");
        fs::remove_file(bundle.join(&path)).unwrap();
        fs::write(&manifest, &honest).unwrap();
    }
    // A link is no file and no folder of a bundle, wherever it leads.
    for (link, to) in
        [("continues", "nowhere"), ("continues", "tile"), ("more", "tile"), ("bodies/zz", "nowhere")]
    {
        let link = bundle.join(link);
        std::os::unix::fs::symlink(to, &link).unwrap();
        agree(&world, &bundle, &vkey, false);
        fs::remove_file(link).unwrap();
    }
    let checkpoint = world.path("checkpoint");
    fs::rename(bundle.join("checkpoint"), &checkpoint).unwrap();
    std::os::unix::fs::symlink(&checkpoint, bundle.join("checkpoint")).unwrap();
    agree(&world, &bundle, &vkey, false);
    fs::rename(&checkpoint, bundle.join("checkpoint")).unwrap();
    fs::write(bundle.join("continues"), "").unwrap();
    agree(&world, &bundle, &vkey, false);
    fs::remove_file(bundle.join("continues")).unwrap();
    agree(&world, &bundle, &vkey, true);
}

#[test]
fn the_binary_writes_the_same_bytes_in_20_locales_and_time_zones_led_05() {
    const LOCALES: [&str; 5] = ["C", "tr_TR.UTF-8", "ar_EG.UTF-8", "ja_JP.EUC-JP", "de_DE.UTF-8"];
    const ZONES: [&str; 4] = ["UTC", "Asia/Kathmandu", "America/New_York", "nowhere/unknown"];
    let world = world();
    let content = folder(&world, "ours", &[closed("rule", "low")]);
    let data = world.data().to_str().unwrap();
    let global = ["--data-dir", data, "--content", &content];
    // A name that is easily sorted, folded or cut in other ways elsewhere.
    assert_code(
        &world.plumb(&[&global[..], &["host", "add", "a.example", "--name", "Iı\u{2028}-é"]].concat()),
        0,
    );
    let questions: [&[&str]; 3] =
        [&["ledger", "prove", "--index", "1"], &["host", "list", "--format", "json"], &["rules", "schema"]];
    for question in questions {
        let mut answers = BTreeSet::new();
        for (locale, zone) in LOCALES.iter().flat_map(|locale| ZONES.map(|zone| (locale, zone))) {
            let mut command = Command::new(env!("CARGO_BIN_EXE_plumb"));
            command.args(global).args(question).env("LC_ALL", locale).env("LANG", locale).env("TZ", zone);
            let done = process::run(command, b"", wait::LONG).unwrap();
            assert_code(&done, 0);
            answers.insert(done.stdout);
        }
        assert_eq!(answers.len(), 1, "{question:?}");
    }
}
