//! Proofs of single entries and of growth, made by one process from a real record and verified by another that
//! has nothing but the file and a public key (LED-23).

use std::fs;
use std::os::unix::fs::FileTypeExt as _;
use std::path::PathBuf;

use serde_json::Value;
use testkit::fuzz::SplitMix64;
use testkit::host::TestHost;
use testkit::process::Output;

use crate::database::{sql, tamper};
use crate::ours::{closed, folder};
use crate::support::{World, assert_code, assert_refused, at, host, json, world};

/// Rules of the record: enough that its log fills a tile of 256 hashes and begins another.
const RULES: usize = 130;

/// Random (index, size) pairs that are proven and verified.
const PAIRS: u64 = 100;

/// Changed bytes of each proof that are shown to the verifier; every byte of such files is the business of the
/// ledger's own tests.
const CHANGES: u64 = 60;

/// A record of three scans, and what is needed to check it.
struct Record {
    world: World,
    host: TestHost,
    /// One small rule: what is asked of the ledger needs no rules, and reading many takes time.
    content: String,
    vkey: String,
    /// Sizes at which a checkpoint was signed, oldest first.
    sizes: Vec<u64>,
}

fn record() -> Record {
    let (world, host) = (world(), host());
    let rules: Vec<_> = (0..RULES).map(|number| closed(&format!("rule_{number}"), "low")).collect();
    let content = folder(&world, "ours", &rules);
    let mut sizes = Vec::new();
    let mut vkey = String::new();
    // All rules fail, pass, fail: each scan changes each of them.
    let files = (0..RULES).map(|number| format!("/etc/plumb_rule_{number}")).collect::<Vec<_>>().join(" ");
    for (step, exit) in
        [("true".to_owned(), 2), (format!("umask 077; touch {files}"), 0), (format!("rm {files}"), 2)]
    {
        host.must(&step).unwrap();
        assert_code(&world.scan(&host, &["--content", &content]), exit);
        let status = json(&world.plumb(&["ledger", "status", "--format", "json"]));
        sizes.push(status["checkpoint"]["size"].as_u64().unwrap());
        vkey = status["vkey"].as_str().unwrap().to_owned();
    }
    assert!(sizes.windows(2).all(|pair| pair[0] < pair[1]) && sizes[2] > 256, "{sizes:?}");
    let content = folder(&world, "one", &[closed("rule_0", "low")]);
    Record { world, host, content, vkey, sizes }
}

impl Record {
    /// Runs `plumb ledger prove`.
    fn run(&self, words: &[&str]) -> Output {
        self.world.plumb(&[&["--content", &self.content, "ledger", "prove"], words].concat())
    }

    /// Proves something into a file.
    fn prove(&self, words: &[&str]) -> PathBuf {
        let path = self.world.path("proof");
        let done = self.run(&[&["--output", path.to_str().unwrap()], words].concat());
        assert_code(&done, 0);
        let entry = if words.contains(&"--bare") { " --entry ENTRY" } else { "" };
        assert_eq!(done.stdout, format!("plumb verify {}{entry} --vkey '{}'\n", path.display(), self.vkey));
        path
    }

    /// Verifies a proof file; returns the exit status and the report.
    fn verify(&self, path: &std::path::Path, more: &[&str]) -> (Option<i32>, Value) {
        let words = ["verify", path.to_str().unwrap(), "--vkey", &self.vkey, "--format", "json"];
        let done = self.world.plumb(&[&words, more].concat());
        (done.code, json(&done))
    }

    /// Demands that changes of single bytes at random places are refused, each with its place in the file.
    fn changed_bytes_are_refused(&self, path: &std::path::Path, seed: u64) {
        let (original, changed) = (fs::read(path).unwrap(), self.world.path("changed"));
        let mut random = SplitMix64::new(seed);
        for _change in 0..CHANGES {
            let mut bytes = original.clone();
            let at = usize::try_from(random.below(bytes.len() as u64)).unwrap();
            bytes[at] ^= 1 << random.below(8);
            fs::write(&changed, &bytes).unwrap();
            let (code, report) = self.verify(&changed, &[]);
            assert_eq!((code, &report["ok"]), (Some(2), &Value::Bool(false)), "byte {at}: {report:#}");
            let finding = &report["findings"][0];
            assert_eq!(finding["file"], "changed", "byte {at}: {report:#}");
            assert!(finding["offset"].is_u64(), "byte {at}: {report:#}");
        }
    }
}

/// Returns the lines between the index and the empty line.
fn hashes(text: &str) -> usize {
    let lines = text.lines().skip_while(|line| !line.starts_with("index ")).skip(1);
    lines.take_while(|line| !line.is_empty()).count()
}

#[test]
fn entries_rows_and_growth_are_proven_to_whoever_has_the_key_led_23_led_72() {
    let record = record();
    let newest = *record.sizes.last().unwrap();
    let mut random = SplitMix64::new(23);
    for _pair in 0..PAIRS {
        let size = record.sizes[usize::try_from(random.below(3)).unwrap()];
        let index = random.below(size);
        let path = record.prove(&["--index", &index.to_string(), "--size", &size.to_string()]);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.starts_with("c2sp.org/tlog-proof@v1\nextra "), "{text}");
        assert!(text.contains(&format!("\nindex {index}\n")), "{text}");
        assert!(hashes(&text) <= size.next_power_of_two().ilog2() as usize, "{text}");
        let (code, report) = record.verify(&path, &[]);
        assert_eq!(code, Some(0), "{report:#}");
        assert_eq!((&report["ok"], &report["tree_size"]), (&Value::Bool(true), &Value::from(size)));
        assert_eq!((&report["entries"], &report["bodies_checked"]), (&Value::from(1), &Value::from(1)));
    }
    record.changed_bytes_are_refused(&record.prove(&["--index", "200"]), 200);

    // A change that the product shows is proven by its row, and the body in the proof is that change.
    let name = at("root", &record.host);
    let history = json(&record.world.plumb(&["history", &name, "rule_7", "--format", "json"]));
    let change = &history["changes"][0];
    let row = format!("transactions/{}", change["change"]["transaction_id"].as_str().unwrap());
    let proof = fs::read(record.prove(&["--row", &row])).unwrap();
    let index = change["log_index"].as_u64().unwrap().to_string();
    assert_eq!(proof, fs::read(record.prove(&["--index", &index])).unwrap());
    let shown = record.run(&["--index", &index]);
    assert_eq!(shown.stdout.as_bytes(), proof, "standard output and file are the same bytes");

    for pair in [[0, 1], [0, 2], [1, 2], [2, 2]] {
        let [old, new] = pair.map(|at| record.sizes[at]);
        let path = record.prove(&["--consistency", &old.to_string(), "--size", &new.to_string()]);
        let (code, report) = record.verify(&path, &[]);
        assert_eq!(code, Some(0), "{report:#}");
        assert_eq!((&report["checkpoints"], &report["tree_size"]), (&Value::from(2), &Value::from(new)));
        record.changed_bytes_are_refused(&path, new);
    }
    what_cannot_be_proven_is_refused(&record, newest);
    a_bare_proof_needs_the_entry(&record);
    a_broken_log_proves_nothing(&record);
}

fn what_cannot_be_proven_is_refused(record: &Record, newest: u64) {
    let refused = |words: &[&str], said: &str| {
        assert_refused(&record.run(words), 64, said);
    };
    let (beyond, early) = (newest.to_string(), record.sizes[0].to_string());
    refused(&["--index", &beyond], "is not one");
    refused(&["--index", &early, "--size", &early], "is not one");
    refused(&["--index", "0", "--size", "2"], "no checkpoint of 2 entries was signed");
    refused(&["--row", "transactions"], "is not TABLE/KEY");
    refused(&["--row", "evidence/x"], "no rows of \"evidence\" are recorded");
    refused(&["--row", "transactions/x"], "no recorded row \"x\"");
    refused(&["--consistency", "0"], "cannot have grown");
    refused(&["--consistency", &beyond, "--size", &early], "cannot have grown");
    refused(&[], "name one of");
    assert_code(&record.run(&["--index", "0", "--row", "a/b"]), 64);
}

fn a_bare_proof_needs_the_entry(record: &Record) {
    let path = record.prove(&["--index", "3", "--bare"]);
    let text = fs::read_to_string(&path).unwrap();
    assert!(text.starts_with("c2sp.org/tlog-proof@v1\nindex 3\n"), "{text}");
    let (code, report) = record.verify(&path, &[]);
    assert_eq!((code, report["findings"][0]["code"].as_str()), (Some(2), Some("leaf_mismatch")));
    let entry = |index: u64| {
        let query = format!("SELECT CAST(entry AS TEXT) FROM log_entries WHERE log_index = {index};");
        let file = record.world.path("entry");
        fs::write(&file, sql(&record.world.database(), &query).concat()).unwrap();
        file.to_str().unwrap().to_owned()
    };
    assert_eq!(record.verify(&path, &["--entry", &entry(3)]).0, Some(0));
    assert_eq!(record.verify(&path, &["--entry", &entry(4)]).0, Some(2));
}

fn a_broken_log_proves_nothing(record: &Record) {
    tamper(
        &record.world.database(),
        "UPDATE log_tiles SET hashes = zeroblob(length(hashes)) WHERE level = 0 AND tile_index = 0;",
    );
    let done = record.run(&["--index", "0"]);
    assert_refused(&done, 70, "nothing is proven");
}

/// A change to a report, and what the verifier has to say of it.
type Spoil = (&'static str, fn(&mut Value), &'static str);

#[test]
fn a_posture_with_its_proofs_verifies_far_from_its_database_pos_19_tlw_22() {
    let world = world();
    assert_code(&world.plumb(&["demo"]), 0);
    let data = world.data().join("demo").to_str().unwrap().to_owned();
    let run = |words: &[&str]| world.plumb(&[&["--data-dir", &data], words].concat());
    let vkey = json(&run(&["ledger", "status", "--format", "json"]))["vkey"].as_str().unwrap().to_owned();
    // The eighth of March is after the second scan, the second after the first: then nothing had changed yet.
    for (at, fails) in [("2026-03-02", 35), ("2026-03-09", 31)] {
        let done = run(&["posture", "demo-web", "--at", at, "--prove"]);
        assert_code(&done, 0);
        let posture = json(&run(&["posture", "demo-web", "--at", at, "--format", "json"]));
        let mut report: Value = serde_json::from_str(&done.stdout).unwrap();
        let lines = |value: &Value, name: &str| -> Vec<(String, String)> {
            let text = |line: &Value, member: &str| line[member].as_str().unwrap().to_owned();
            value[name].as_array().unwrap().iter().map(|l| (text(l, "rule_id"), text(l, "status"))).collect()
        };
        assert_eq!(lines(&report, "results"), lines(&posture, "rules"));
        let failing = lines(&report, "results").iter().filter(|(_rule, status)| status == "fail").count();
        assert_eq!(failing, fails);
        let file = world.path("report.json");
        let verify = |bytes: &[u8]| {
            fs::write(&file, bytes).unwrap();
            // Another data directory: nothing of the record is at hand.
            world.plumb(&["verify", file.to_str().unwrap(), "--vkey", &vkey, "--format", "json"])
        };
        let done = verify(done.stdout.as_bytes());
        assert_code(&done, 0);
        assert_eq!(json(&done)["rows_checked"].as_u64(), Some(207));
        let spoils: [Spoil; 6] = [
            ("a verdict", |report| flip(&mut report["results"][0]["status"]), "row_altered"),
            (
                "an answer left out",
                |report| drop(report["results"].as_array_mut().unwrap().remove(3)),
                "row_missing",
            ),
            (
                "the manifest",
                |report| edit(&mut report["scans"][0]["manifest"], "\"fail\"", "\"pass\""),
                "body_altered",
            ),
            (
                "the host",
                |report| report["host_id"] = "0190b2e5-0000-7000-8000-000000000001".into(),
                "body_altered",
            ),
            (
                "the instant",
                |report| report["valid_at"] = "2026-02-01T00:00:00.000000Z".into(),
                "body_altered",
            ),
            (
                "the proof",
                |report| edit(&mut report["scans"][0]["proof"], "extra eyJhY3Rv", "extra eyJhY3Rw"),
                "leaf_mismatch",
            ),
        ];
        for (what, spoil, code) in spoils {
            let whole = report.clone();
            spoil(&mut report);
            let done = verify(&serde_json::to_vec(&report).unwrap());
            report = whole;
            assert_code(&done, 2);
            let found = json(&done);
            let findings = found["findings"].as_array().unwrap();
            assert!(findings.iter().any(|finding| finding["code"] == code), "{what}: {found:#}");
        }
    }
    let never = run(&["posture", "demo-web", "--at", "2020-01-01", "--prove"]);
    assert_refused(&never, 64, "was not measured by then");
}

#[test]
fn a_posture_whose_bodies_retention_removed_is_proven_from_the_archive_pos_19_led_40() {
    let world = world();
    assert_code(&world.plumb(&["demo"]), 0);
    let data = world.data().join("demo").to_str().unwrap().to_owned();
    let run = |words: &[&str]| world.plumb(&[&["--data-dir", &data], words].concat());
    let vkey = json(&run(&["ledger", "status", "--format", "json"]))["vkey"].as_str().unwrap().to_owned();
    let archive = world.path("archive").to_str().unwrap().to_owned();
    let (file, entry) = (world.path("posture.json"), world.path("entry"));
    let (file, entry) = (file.to_str().unwrap(), entry.to_str().unwrap());
    let index =
        json(&run(&["history", "demo-web", "--format", "json"]))["changes"][0]["log_index"].to_string();
    let posture = ["posture", "demo-web", "--at", "2026-03-02", "--prove", "--output", file];
    let prove = ["ledger", "prove", "--index", &index, "--output", entry];
    let whole = |words: &[&str]| {
        assert_code(&run(words), 0);
        fs::read(words.last().unwrap()).unwrap()
    };
    assert_code(&run(&["ledger", "seal", "--output", &archive]), 0);
    assert_code(&run(&posture), 0);
    let (before, entry_before) = (fs::read(file).unwrap(), whole(&prove));
    let prune = ["ledger", "prune", "--retention-bodies-days", "30", "--archive", &archive];
    assert_code(&run(&[&prune[..], &["--reason", "r", "--approved-by", "ada"]].concat()), 0);

    let refused = run(&posture);
    assert_refused(&refused, 64, "are not here any more");
    assert!(refused.stderr.contains("--archive"), "{refused:?}");
    assert_eq!(fs::read(file).unwrap(), before);
    assert_code(&run(&[&posture[..], &["--archive", &archive]].concat()), 0);
    let done = world.plumb(&["verify", file, "--vkey", &vkey]);
    assert_code(&done, 0);
    assert_ne!(entry_before, whole(&prove));
    assert_code(&run(&[&prove[..], &["--archive", &archive]].concat()), 0);
    let report = json(&world.plumb(&["verify", entry, "--vkey", &vkey, "--format", "json"]));
    assert_eq!(report["bodies_checked"], 1, "{report:#}");

    // Who reads the answer is told which question it answers, and what it cannot show.
    let claim = "posture of demo-web (";
    assert!(
        done.stdout.contains(claim) && done.stdout.contains("last measured 2026-03-01T10:00:"),
        "{done:?}"
    );
    assert!(
        done.stdout.contains("asked for 2026-03-02T00:00:00.000000Z") && done.stdout.contains("not shown")
    );
    let claimed =
        json(&world.plumb(&["verify", file, "--vkey", &vkey, "--format", "json"]))["posture"].clone();
    assert_eq!(
        (&claimed["host"], &claimed["valid_at"]),
        (&"demo-web".into(), &"2026-03-02T00:00:00.000000Z".into())
    );

    // A proof of the host without its body shows nothing of the host; it is not one that somebody altered.
    let mut bare: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let row = format!("hosts/{}", claimed["host_id"].as_str().unwrap());
    assert_code(&run(&["ledger", "prove", "--row", &row, "--output", entry]), 0);
    bare["host_proof"] = fs::read_to_string(entry).unwrap().into();
    fs::write(file, serde_json::to_vec(&bare).unwrap()).unwrap();
    let found = json(&world.plumb(&["verify", file, "--vkey", &vkey, "--format", "json"]));
    let codes: Vec<_> =
        found["findings"].as_array().unwrap().iter().map(|finding| &finding["code"]).collect();
    assert_eq!(codes, ["body_missing"], "{found:#}");
}

/// An answer of March the ninth that rests on the older scan for one rule, which the newer one covered as well.
#[test]
fn a_posture_that_rests_on_an_older_scan_than_it_shows_is_refused_pos_19() {
    let world = world();
    assert_code(&world.plumb(&["demo"]), 0);
    let data = world.data().join("demo").to_str().unwrap().to_owned();
    let run = |words: &[&str]| world.plumb(&[&["--data-dir", &data], words].concat());
    let vkey = json(&run(&["ledger", "status", "--format", "json"]))["vkey"].as_str().unwrap().to_owned();
    let at = |at: &str| -> Value {
        serde_json::from_str(&run(&["posture", "demo-web", "--at", at, "--prove"]).stdout).unwrap()
    };
    let (older, mut newer) = (at("2026-03-02"), at("2026-03-09"));
    newer["scans"].as_array_mut().unwrap().push(older["scans"][0].clone());
    let of = |report: &Value| {
        let lines = report["results"].as_array().unwrap();
        lines.iter().position(|line| line["rule_id"] == "sshd_permit_root_login").unwrap()
    };
    let (to, from) = (of(&newer), of(&older));
    newer["results"][to] = older["results"][from].clone();
    let file = world.path("mixed.json");
    fs::write(&file, serde_json::to_vec(&newer).unwrap()).unwrap();
    let done = world.plumb(&["verify", file.to_str().unwrap(), "--vkey", &vkey, "--format", "json"]);
    assert_code(&done, 2);
    let finding = &json(&done)["findings"][0];
    assert_eq!(
        (&finding["code"], &finding["row"]),
        (&"row_altered".into(), &"sshd_permit_root_login".into())
    );
}

fn flip(status: &mut Value) {
    *status = if *status == "pass" { "fail" } else { "pass" }.into();
}

fn edit(text: &mut Value, from: &str, to: &str) {
    let edited = text.as_str().unwrap().replacen(from, to, 1);
    assert_ne!(text.as_str().unwrap(), edited);
    *text = edited.into();
}

/// What `-o` names may be a device, a pipe or a link: it is written into, and it is what it was afterwards.
#[test]
fn what_an_output_option_names_is_never_replaced_by_a_file() {
    let world = world();
    assert_code(&world.plumb(&["ledger", "init"]), 0);
    let place = |name: &str| world.path(name).to_str().unwrap().to_owned();
    let [null, fifo, link, dangling, plain] = ["null", "fifo", "link", "dangling", "plain"].map(place);
    crate::support::tool("mknod", &["-m", "666", &null, "c", "1", "3"]);
    crate::support::tool("mkfifo", &[&fifo]);
    fs::write(place("behind"), "what was there is much longer than a proof, ".repeat(200)).unwrap();
    std::os::unix::fs::symlink("behind", &link).unwrap();
    std::os::unix::fs::symlink("not-there-yet", &dangling).unwrap();
    let prove = |to: &str| world.plumb(&["ledger", "prove", "--index", "0", "-o", to]);
    assert_code(&prove(&plain), 0);
    let proof = fs::read(&plain).unwrap();
    assert_code(&prove(&null), 0);
    assert!(fs::symlink_metadata(&null).unwrap().file_type().is_char_device());
    let reader = std::thread::spawn({
        let fifo = fifo.clone();
        move || fs::read(fifo).unwrap()
    });
    assert_code(&prove(&fifo), 0);
    assert_eq!(reader.join().unwrap(), proof);
    assert!(fs::symlink_metadata(&fifo).unwrap().file_type().is_fifo());
    for (link, behind) in [(&link, "behind"), (&dangling, "not-there-yet")] {
        assert_code(&prove(link), 0);
        assert!(fs::symlink_metadata(link).unwrap().is_symlink());
        assert_eq!(fs::read(place(behind)).unwrap(), proof);
    }
    // What cannot be written is said, and nothing is left beside it.
    assert_refused(&prove(&place("no/such/folder/proof")), 69, "could not write");
    assert!(
        fs::read_dir(world.path(""))
            .unwrap()
            .all(|entry| { !entry.unwrap().file_name().to_str().unwrap().contains(".part") })
    );
}

/// A good bundle that is still packed is no tampered one.
#[test]
fn a_bundle_in_a_tar_is_not_judged() {
    let world = world();
    assert_code(&world.plumb(&["ledger", "init"]), 0);
    let [bundle, tar] = ["bundle", "bundle.tar"].map(|name| world.path(name).to_str().unwrap().to_owned());
    assert_code(&world.plumb(&["ledger", "export", "-o", &bundle]), 0);
    crate::support::tool("tar", &["-cf", &tar, "-C", &bundle, "."]);
    let status = json(&world.plumb(&["ledger", "status", "--format", "json"]));
    let done = world.plumb(&["verify", &tar, "--vkey", status["vkey"].as_str().unwrap()]);
    assert_refused(&done, 64, "is a tar archive");
}
