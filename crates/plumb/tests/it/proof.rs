//! What a stranger can check with a public key, and what they find when someone changed a byte: the ledger's
//! status, verification and export, and bundles verified far from where they were made. Tampering with a live
//! database is the business of `tampering`.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::Value;
use testkit::host::TestHost;
use testkit::process::{self, Output};
use testkit::wait;

use crate::database::sha256sum;
use crate::ours::{closed, folder};
use crate::support::{World, assert_code, assert_refused, at, host, json, world};

/// Rules of a record that fills a tile, which holds 256 hashes.
const MANY: usize = 260;

/// Rules of a record where the number does not matter.
const FEW: usize = 4;

/// A record of two scans, exported, and what is needed to check it.
struct Exported {
    world: World,
    host: TestHost,
    content: String,
    bundle: PathBuf,
    vkey: String,
}

/// Scans a host twice, of which the second scan changes one of two passing rules, and exports the record.
fn exported(n_rules: usize) -> Exported {
    let (world, host) = (world(), host());
    let mut rules = vec![closed("kept", "low"), closed("opened", "high")];
    rules.extend((2..n_rules).map(|number| closed(&format!("missing_{number}"), "low")));
    let content = folder(&world, "ours", &rules);
    host.must("umask 0177; : >/etc/plumb_kept; : >/etc/plumb_opened").unwrap();
    for mode in ["0600", "0644"] {
        host.must(&format!("chmod {mode} /etc/plumb_opened")).unwrap();
        assert_code(&world.scan(&host, &["--content", &content]), 2);
    }
    let bundle = world.path("bundle");
    let vkey = vkey(&world);
    let exported = Exported { world, host, content, bundle, vkey };
    export(&exported, "bundle");
    exported
}

fn export(exported: &Exported, name: &str) -> PathBuf {
    let folder = exported.world.path(name);
    let words = ["ledger", "export", "--output", folder.to_str().unwrap()];
    let done = exported.world.plumb(&words);
    assert_code(&done, 0);
    assert_eq!(done.stdout, format!("plumb verify {} --vkey '{}'\n", folder.display(), exported.vkey));
    folder
}

fn vkey(world: &World) -> String {
    let status = json(&world.plumb(&["ledger", "status", "--format", "json"]));
    status["vkey"].as_str().unwrap().to_owned()
}

fn verify(exported: &Exported, bundle: &Path) -> Output {
    let words = ["verify", bundle.to_str().unwrap(), "--vkey", &exported.vkey, "--format", "json"];
    exported.world.plumb(&words)
}

/// Returns every file below a folder, by its path from there.
fn files(folder: &Path) -> Vec<String> {
    let mut command = Command::new("find");
    command.args([".", "-type", "f", "-printf", "%P\\n"]).current_dir(folder);
    let found = process::run(command, b"", wait::LONG).unwrap();
    let mut files: Vec<String> = found.stdout.lines().map(str::to_owned).collect();
    files.sort();
    files
}

/// Runs a command that has to work, with `input`; returns its standard output.
fn run(words: &[&str], input: &[u8]) -> String {
    let mut command = Command::new(words[0]);
    command.args(&words[1..]);
    let done = process::run(command, input, wait::LONG).unwrap();
    assert!(done.success(), "{words:?}: {done:?}");
    done.stdout
}

#[test]
fn a_bundle_verifies_as_nobody_without_a_network_or_an_environment_led_26() {
    let exported = exported(FEW);
    let place = tempfile::Builder::new().prefix("plumbline-it-").tempdir().unwrap();
    let there = place.path().to_str().unwrap();
    fs::copy(env!("CARGO_BIN_EXE_plumb"), place.path().join("plumb")).unwrap();
    run(&["cp", "-r", exported.bundle.to_str().unwrap(), there], b"");
    run(&["chown", "-R", "65534:65534", there], b"");
    run(&["chmod", "0700", there], b"");
    let before = files(place.path());
    // Nothing but the bundle and the key: no network but a loopback that is down, no home, no variable.
    let mut command = Command::new("unshare");
    command.args(["--net", "--", "setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]);
    command.args(["--no-new-privs", "--", "env", "-i", &format!("{there}/plumb"), "verify"]);
    command.args([&format!("{there}/bundle"), "--vkey", &exported.vkey]).current_dir("/");
    let done = process::run(command, b"", wait::LONG).unwrap();
    assert_code(&done, 0);
    assert!(done.stdout.starts_with("verified  "), "{}", done.stdout);
    assert_eq!(done.stderr, "");
    assert_eq!(files(place.path()), before);
}

#[test]
fn a_record_that_may_only_be_read_is_verified_and_one_that_may_not_is_not_called_missing() {
    let exported = exported(FEW);
    let place = tempfile::Builder::new().prefix("plumbline-it-").tempdir().unwrap();
    let there = place.path().to_str().unwrap();
    fs::copy(env!("CARGO_BIN_EXE_plumb"), place.path().join("plumb")).unwrap();
    run(&["cp", "-r", exported.world.data().to_str().unwrap(), &format!("{there}/data")], b"");
    run(&["chown", "-R", "65534:65534", there], b"");
    run(&["chmod", "0400", &format!("{there}/data/plumb.db")], b"");
    let as_nobody = |words: &[&str]| {
        let mut command = Command::new("setpriv");
        command.args(["--reuid=65534", "--regid=65534", "--clear-groups", "--", "env", "-i"]);
        command.args([&format!("{there}/plumb"), "--data-dir", &format!("{there}/data")]);
        process::run(
            {
                command.args(words).current_dir("/");
                command
            },
            b"",
            wait::LONG,
        )
        .unwrap()
    };
    for words in [["ledger", "verify"], ["state", "verify"]] {
        let done = as_nobody(&words);
        assert_code(&done, 0);
    }
    run(&["chmod", "0500", &format!("{there}/data")], b"");
    assert_code(&as_nobody(&["ledger", "verify"]), 0);
    run(&["chown", "0:0", &format!("{there}/data")], b"");
    let refused = as_nobody(&["posture"]);
    crate::support::assert_refused(&refused, 69, "Permission denied");
}

#[test]
fn exports_of_the_same_record_are_the_same_bytes_and_hold_no_secret_led_25_led_21() {
    let exported = exported(FEW);
    let again = export(&exported, "again");
    run(&["diff", "-r", exported.bundle.to_str().unwrap(), again.to_str().unwrap()], b"");
    let key = fs::read_to_string(exported.world.data().join("ledger.key")).unwrap();
    let seed = key.split_whitespace().last().unwrap();
    assert_eq!(seed.len(), 64);
    let raw: Vec<u8> = (0..32).map(|at| u8::from_str_radix(&seed[2 * at..2 * at + 2], 16).unwrap()).collect();
    let mut searched = 0;
    for folder in [exported.bundle.as_path(), exported.world.data()] {
        for file in files(folder).into_iter().filter(|file| file != "ledger.key") {
            let bytes = fs::read(folder.join(&file)).unwrap();
            for secret in [seed.as_bytes(), &raw] {
                assert!(!bytes.windows(secret.len()).any(|part| part == secret), "{file} holds the seed");
            }
            searched += 1;
        }
    }
    assert!(searched > 20, "{searched}");
    let words = ["ledger", "export", "--output", exported.bundle.to_str().unwrap()];
    assert_refused(&exported.world.plumb(&words), 64, "bundle");
}

/// Flips the lowest bit of the byte at `at`, a part of the file's length.
fn flip(path: &Path, at: f64) {
    let mut bytes = fs::read(path).unwrap();
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "a place in a small file"
    )]
    let at = (bytes.len() as f64 * at) as usize;
    bytes[at] ^= 1;
    fs::write(path, bytes).unwrap();
}

/// Asserts that the bundle does not verify and that a finding names the file, or an entry that it holds.
fn assert_found(exported: &Exported, file: &str, what: &str) {
    let done = verify(exported, &exported.bundle);
    assert_code(&done, 2);
    let report = json(&done);
    assert_eq!(report["ok"], false);
    let findings = report["findings"].as_array().unwrap();
    // An entry is named by its index; and when the list of digests differs from a file, either may be wrong.
    let located = |finding: &Value| {
        finding["file"] == file
            || (file.starts_with("tile/entries/") && finding["index"].is_u64())
            || (file == "manifest.json" && (finding["file"] == "vkeys" || finding["file"] == "checkpoint"))
    };
    assert!(findings.iter().any(located), "{what} {file}: {report:#}");
}

#[test]
fn a_changed_byte_in_each_kind_of_file_is_found_where_it_is_led_28() {
    let exported = exported(MANY);
    assert_code(&verify(&exported, &exported.bundle), 0);
    let all = files(&exported.bundle);
    let of = |prefix: &str| all.iter().filter(|file| file.starts_with(prefix)).cloned().collect::<Vec<_>>();
    let mut chosen = vec!["checkpoint".to_owned(), "manifest.json".to_owned(), "vkeys".to_owned()];
    chosen.extend(of("tile/0/"));
    chosen.extend(of("tile/1/"));
    chosen.extend(of("tile/entries/"));
    for kind in ["bodies/", "evidence/", "manifests/"] {
        chosen.extend(of(kind).into_iter().take(1));
    }
    // A full and a partial tile of hashes and of entries, and the partial tile above them.
    assert_eq!(chosen.iter().filter(|file| file.starts_with("tile/")).count(), 5, "{chosen:?}");
    for file in chosen {
        let path = exported.bundle.join(&file);
        let right = fs::read(&path).unwrap();
        for at in [0.0, 0.5, 0.999] {
            flip(&path, at);
            assert_found(&exported, &file, "flipped");
            fs::write(&path, &right).unwrap();
        }
        fs::write(&path, &right[..right.len() - 1]).unwrap();
        assert_found(&exported, &file, "cut");
        fs::remove_file(&path).unwrap();
        assert_found(&exported, &file, "removed");
        fs::write(&path, &right).unwrap();
    }
    let stray = exported.bundle.join("bodies/00/notes");
    fs::create_dir_all(stray.parent().unwrap()).unwrap();
    fs::write(&stray, "hello").unwrap();
    assert_found(&exported, "bodies/00/notes", "added");
    let text = exported.world.plumb(&["verify", exported.bundle.to_str().unwrap(), "--vkey", &exported.vkey]);
    assert_code(&text, 2);
    assert!(text.stdout.starts_with("NOT VERIFIED  "), "{}", text.stdout);
    assert!(text.stdout.contains("  bodies/00/notes"), "{}", text.stdout);
}

#[test]
fn a_bundle_with_another_key_or_none_or_that_cannot_be_read_is_not_verified() {
    let (exported, other) = (exported(FEW), world());
    assert_code(&other.plumb(&["host", "add", "10.0.0.1"]), 0);
    let bundle = exported.bundle.to_str().unwrap();
    let strange = vkey(&other);
    let done = other.plumb(&["verify", bundle, "--vkey", &strange, "--format", "json"]);
    assert_code(&done, 2);
    let report = json(&done);
    let codes: Vec<&str> =
        report["findings"].as_array().unwrap().iter().map(|found| found["code"].as_str().unwrap()).collect();
    assert!(codes.contains(&"key_unknown"), "{codes:?}");
    // With the right key beside it the bundle verifies: keys are those that may sign, not those that must.
    let both = ["verify", bundle, "--vkey", &strange, "--vkey", &exported.vkey];
    assert_code(&other.plumb(&both), 0);
    assert_refused(&other.plumb(&["verify", bundle, "--vkey", "not a key"]), 64, "--vkey");
    assert_code(&other.plumb(&["verify", bundle]), 64);
    assert_refused(
        &other.plumb(&["verify", "/no/such/bundle", "--vkey", &exported.vkey]),
        69,
        "/no/such/bundle",
    );
    let file = exported.bundle.join("checkpoint");
    // A file is read as a proof, which a checkpoint is not.
    assert_code(&other.plumb(&["verify", file.to_str().unwrap(), "--vkey", &exported.vkey]), 2);
}

#[test]
fn an_unchanged_pass_is_proven_from_the_bundle_alone_tlw_22() {
    let exported = exported(FEW);
    assert_code(&verify(&exported, &exported.bundle), 0);
    let scan = exported.world.last_scan(&at("root", &exported.host))["scan_id"].as_str().unwrap().to_owned();
    // From here on only files of the bundle are read.
    let all = files(&exported.bundle);
    let bodies: Vec<(String, Value)> = all
        .iter()
        .filter(|file| file.starts_with("bodies/"))
        .map(|file| {
            let digest = file.rsplit('/').next().unwrap().to_owned();
            let bytes = fs::read(exported.bundle.join(file)).unwrap();
            (digest, serde_json::from_slice(&bytes).unwrap())
        })
        .collect();
    let of_scan = |body: &Value| body["row"]["scan_id"] == scan.as_str();
    let changed: Vec<&Value> = bodies
        .iter()
        .map(|(_, body)| body)
        .filter(|body| of_scan(body) && body["row"]["change_kind"].is_string())
        .map(|body| &body["row"]["rule_id"])
        .collect();
    assert_eq!(changed, ["opened"]);
    let (digest, run) =
        bodies.iter().find(|(_, body)| of_scan(body) && body["row"]["status"] == "completed").unwrap();
    let manifest = run["row"]["manifest_sha256"].as_str().unwrap();
    let path = exported.bundle.join(format!("manifests/{}/{manifest}", &manifest[..2]));
    assert_eq!(sha256sum(&path), manifest);
    let manifest: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let results = manifest["results"].as_array().unwrap();
    assert_eq!(results.len(), FEW);
    let kept = results.iter().find(|item| item["rule_id"] == "kept").unwrap();
    assert_eq!(kept["status"], "pass");
    // The entry that the tree commits to holds the digest of the body that names the manifest.
    let entries: Vec<u8> = all
        .iter()
        .filter(|file| file.starts_with("tile/entries/"))
        .flat_map(|file| fs::read(exported.bundle.join(file)).unwrap())
        .collect();
    assert!(entries.windows(64).any(|part| part == digest.as_bytes()));
}

#[test]
fn led_17_the_origin_of_a_log_begins_as_was_said_before_it_existed() {
    let world = world();
    let init = |origin: &str| world.plumb(&["ledger", "init", "--origin", origin]);
    for bad in
        ["", " ", "log.example org", "log\texample", "log+example", "log\u{85}", "/log", "log/", "a//b"]
    {
        assert_refused(&init(bad), 64, "an origin cannot begin with");
    }
    assert_refused(&init(&"x".repeat(129)), 64, "1 to 128 bytes");
    assert!(!world.data().exists());

    assert_code(&init("log.example.org/prod"), 0);
    let status = json(&world.plumb(&["ledger", "status", "--format", "json"]));
    let origin = status["origin"].as_str().unwrap();
    let id = origin.strip_prefix("log.example.org/prod/").unwrap();
    assert_eq!(id.len(), 36);
    let note = status["checkpoint"]["note"].as_str().unwrap();
    assert_eq!(note.lines().next(), Some(origin));
    assert!(status["vkey"].as_str().unwrap().starts_with(&format!("{origin}+")));
    // The log keeps it, with and without being asked, and takes no other.
    assert_code(&world.plumb(&["ledger", "init"]), 0);
    assert_code(&init("log.example.org/prod"), 0);
    for other in ["log.example.org", "plumbline.local"] {
        assert_refused(&init(other), 64, &format!("its origin is {origin}"));
    }
    let bundle = world.path("bundle").to_str().unwrap().to_owned();
    assert_code(&world.plumb(&["ledger", "export", "--output", &bundle]), 0);
    assert_code(&world.plumb(&["verify", &bundle, "--vkey", status["vkey"].as_str().unwrap()]), 0);
    assert_code(&world.plumb(&["ledger", "verify"]), 0);
}

#[test]
fn a_checkpoint_is_a_signed_note_that_other_programs_verify_led_17() {
    let exported = exported(FEW);
    let note = fs::read_to_string(exported.bundle.join("checkpoint")).unwrap();
    let lines: Vec<&str> = note.lines().collect();
    let [origin, size, root, "", signature] = lines[..] else { panic!("{note}") };
    let status = json(&exported.world.plumb(&["ledger", "status", "--format", "json"]));
    assert_eq!(origin.split_once('/').unwrap().0, "plumbline.local");
    assert_eq!(size, status["size"].to_string());
    assert_eq!((&status["uncovered"], &status["origin"]), (&0.into(), &origin.into()));
    assert!(status["window_seconds"].as_i64().unwrap() >= 0);
    assert_eq!(status["checkpoint"]["note"], note);
    let (name, id_and_key) = exported.vkey.split_once('+').unwrap();
    let (key_id, key) = id_and_key.split_once('+').unwrap();
    assert_eq!(name, origin);
    let signature = signature.strip_prefix(&format!("\u{2014} {origin} ")).unwrap();
    // Checked with the tools of any Unix machine: C2SP signed-note, RFC 8032, RFC 8410.
    let script = r#"set -eu; cd "$1"; printf %s "$2" | base64 -d >key; printf %s "$3" | base64 -d >sig
        hex() { od -An -v -tx1 | tr -d ' \n'; }
        [ "$(head -c 1 key | hex)" = 01 ]; [ "$(printf %s "$5" | base64 -d | wc -c)" = 32 ]
        id=$( { printf '%s\n' "$4"; cat key; } | sha256sum | head -c 8)
        [ "$(head -c 4 sig | hex)" = "$id" ]; echo "$id"
        { printf '\060\052\060\005\006\003\053\145\160\003\041\000'; tail -c +2 key; } >key.der
        tail -c +5 sig >sig.raw; head -n 3 note >text
        openssl pkeyutl -verify -pubin -keyform DER -inkey key.der -rawin -in text -sigfile sig.raw >&2"#;
    let place = tempfile::Builder::new().prefix("plumbline-it-").tempdir().unwrap();
    fs::write(place.path().join("note"), &note).unwrap();
    let there = place.path().to_str().unwrap();
    let said = run(&["sh", "-c", script, "sh", there, key, signature, origin, root], b"");
    assert_eq!(said.trim(), key_id);
}

#[test]
fn a_report_has_every_member_and_status_says_what_is_not_shown_led_29_led_43() {
    let exported = exported(FEW);
    let mut names = Vec::new();
    for done in
        [verify(&exported, &exported.bundle), exported.world.plumb(&["ledger", "verify", "--format", "json"])]
    {
        assert_code(&done, 0);
        let report = json(&done);
        assert_eq!((&report["ok"], &report["uncovered_tail"]), (&true.into(), &0.into()));
        assert_eq!(report["origin"], exported.vkey.split('+').next().unwrap());
        assert_eq!(report["tree_size"], report["entries"]);
        names.push(report.as_object().unwrap().keys().cloned().collect::<Vec<_>>());
    }
    let members = "anchor anchor_seams bodies_checked checkpoints continues entries erased expired findings findings_dropped first_bad_index key_ids ok origin \
                   orphan_intents pruned root rows_checked schema tree_size uncovered_tail verifier witness witness_lag";
    assert_eq!(names[0].join(" "), members);
    assert_eq!(names[1], names[0]);
    let status = exported.world.plumb(&["ledger", "status"]).stdout;
    for part in ["that a scan told the truth", "can still remove or rewrite them", &exported.vkey] {
        assert!(status.contains(part), "{part:?} is not in:\n{status}");
    }
    assert_code(&exported.world.plumb(&["--content", &exported.content, "state", "verify"]), 0);
}
