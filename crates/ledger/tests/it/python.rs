//! `docs/formats/verify.py`, 200 lines written from our format pages alone, says of bundles what our verifier says:
//! honest ones verify, and ones with a changed byte, a file removed or a file added do not (LED-28). Fails without
//! Debian's python3 and python3-cryptography.

use std::fs;
use std::path::Path;
use std::process::Command;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;
use testkit::fuzz::SplitMix64;
use testkit::process;
use testkit::wait;

use crate::bundles::{self, Change, Files, verify};

const SEED: u64 = 200;
/// Honest bundles.
const BUNDLES: u64 = 60;
/// Changes of each bundle; one in ten removes or adds a file.
const CHANGES: u64 = 20;
/// Lines that the promise allows.
const LINES_MAX: usize = 200;

/// Loads the verifier once; for each line makes a change in a bundle's folder, verifies it and undoes the change.
const DRIVER: &str = "
import base64, json, os, runpy, sys
names = runpy.run_path(sys.argv[1], run_name='verify')

def put(path, data):
    os.remove(path) if data is None else open(path, 'wb').write(data)

for line in sys.stdin:
    case = json.loads(line)
    path = os.path.join(case['folder'], case['path'])
    before = open(path, 'rb').read() if os.path.exists(path) else None
    put(path, None if case['data'] is None else base64.b64decode(case['data']))
    try:
        names['Bundle'](case['folder']).verify(names['vkey'](case['vkey'], 'the key'))
        print('ok')
    except (names['InvalidSignature'], ValueError, KeyError, TypeError, AttributeError, RecursionError) as finding:
        print(repr(finding))
    put(path, before)
";

fn program() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/verify.py")
}

fn write(folder: &Path, files: &Files) {
    for (path, bytes) in files {
        let path = folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
}

/// A file that a case puts into a bundle, or takes from it.
type Put = (String, Option<Vec<u8>>);

/// Changes a byte of a bundle; now and then takes or adds a file.
fn change(files: &Files, random: &mut SplitMix64) -> Put {
    let change = Change::random(files, random);
    match random.below(20) {
        0 => (change.path, None),
        1 => ("vkeys2".to_owned(), Some(b"one file more".to_vec())),
        _ => {
            let mut bytes = files[&change.path].clone();
            bytes[change.offset] ^= change.mask;
            (change.path, Some(bytes))
        }
    }
}

#[test]
fn verify_py_says_of_1_200_changed_bundles_and_60_honest_ones_what_we_say_led_28() {
    let (folder, mut random) = (tempfile::tempdir().unwrap(), SplitMix64::new(SEED));
    let (mut input, mut cases) = (String::new(), Vec::new());
    for number in 0..BUNDLES {
        let bundle = bundles::random(if number == 0 { 300 } else { 16 }, &mut random);
        let place = folder.path().join(number.to_string());
        write(&place, &bundle.files);
        let honest = ("checkpoint".to_owned(), Some(bundle.files["checkpoint"].clone()));
        for round in 0..=CHANGES {
            let (path, data) = if round == 0 { honest.clone() } else { change(&bundle.files, &mut random) };
            let encoded = data.as_ref().map(|data| STANDARD.encode(data));
            let vkey = bundle.trusted.to_string();
            let case = json!({"folder": place, "vkey": vkey, "path": path, "data": encoded});
            input += &format!("{case}\n");
            let mut files = bundle.files.clone();
            match data {
                Some(data) => drop(files.insert(path.clone(), data)),
                None => drop(files.remove(&path)),
            }
            let ok = verify(&files, &bundle.trusted).ok;
            assert_eq!(ok, round == 0, "seed {SEED}, bundle {number}: {path}");
            cases.push((ok, format!("bundle {number}: {path}")));
        }
    }
    // Debian's, which finds Debian's packages, whatever else is called so on this machine.
    let mut command = Command::new("/usr/bin/python3");
    command.arg("-c").arg(DRIVER).arg(program());
    let done = process::run(command, input.as_bytes(), wait::LONG)
        .unwrap_or_else(|err| panic!("install python3 and python3-cryptography: {err}"));
    assert!(done.success(), "install python3 and python3-cryptography: {}", done.stderr);
    let said: Vec<&str> = done.stdout.lines().collect();
    assert_eq!(said.len(), cases.len(), "{}", done.stderr);
    let mut refused = 0;
    for ((ours, what), theirs) in cases.iter().zip(said) {
        assert_eq!(*ours, theirs == "ok", "seed {SEED}, {what}: {theirs}");
        refused += u64::from(!ours);
    }
    println!("verify.py: {BUNDLES} honest bundles verified, {refused} changed ones refused, as by us");
}

#[test]
fn verify_py_has_at_most_200_lines_and_one_package() {
    let text = fs::read_to_string(program()).unwrap();
    assert!(text.lines().count() <= LINES_MAX, "{}", text.lines().count());
    let imports: Vec<&str> =
        text.lines().filter(|line| line.starts_with("import ") || line.starts_with("from ")).collect();
    let standard = ["import base64, decimal, hashlib, json, math, os, re, sys"];
    let others: Vec<_> = imports.iter().filter(|line| !standard.contains(*line)).collect();
    assert!(others.iter().all(|line| line.starts_with("from cryptography.")), "{others:?}");
}

#[test]
fn verify_py_knows_every_kind_of_entry_and_no_other_led_29() {
    let text = fs::read_to_string(program()).unwrap();
    let listed = text.split("KINDS = \"\"\"").nth(1).unwrap().split("\"\"\"").next().unwrap();
    let mut listed: Vec<&str> = listed.split_whitespace().collect();
    let mut kinds: Vec<&str> = ledger::EntryKind::ALL.iter().map(|kind| kind.as_str()).collect();
    listed.sort_unstable();
    kinds.sort_unstable();
    assert_eq!(listed, kinds);
}
