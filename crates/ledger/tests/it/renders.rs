//! What is hashed has one rendering, in whichever process, locale and time zone it is written (LED-05).

use std::collections::{BTreeSet, HashMap, HashSet};
use std::process::Command;
use std::time::Duration;

use ledger::{EntryKind, canonical, hex, sha256};
use serde::Serialize;
use serde_json::Value;
use testkit::process;
use testkit::wait;

/// Locales, present or not, and time zones of the processes; the seeds of hash maps differ by themselves.
const PLACES: [(&str, &str); 20] = [
    ("C", "UTC"),
    ("C.UTF-8", "America/New_York"),
    ("POSIX", "Asia/Kathmandu"),
    ("en_US.UTF-8", "Australia/Lord_Howe"),
    ("de_DE.UTF-8", "Europe/Berlin"),
    ("fr_FR.ISO-8859-1", "Africa/Casablanca"),
    ("tr_TR.UTF-8", "Europe/Istanbul"),
    ("az_AZ.UTF-8", "Asia/Baku"),
    ("ar_EG.UTF-8", "Africa/Cairo"),
    ("fa_IR.UTF-8", "Asia/Tehran"),
    ("hi_IN.UTF-8", "Asia/Kolkata"),
    ("th_TH.UTF-8", "Asia/Bangkok"),
    ("ja_JP.EUC-JP", "Asia/Tokyo"),
    ("zh_CN.GB18030", "Asia/Shanghai"),
    ("sv_SE.UTF-8", "Europe/Stockholm"),
    ("lt_LT.UTF-8", "Europe/Vilnius"),
    ("pt_BR.UTF-8", "America/Sao_Paulo"),
    ("is_IS.UTF-8", "Pacific/Apia"),
    ("ru_RU.KOI8-R", "Antarctica/Troll"),
    ("", "nowhere/unknown"),
];

/// Before the rendered digest in the output of a process.
const MARK: &str = "corpus ";

/// One value of each kind that has a written form of its own.
#[derive(Serialize)]
struct Corpus {
    map: HashMap<String, HashMap<String, f64>>,
    set: BTreeSet<String>,
    kinds: Vec<EntryKind>,
    paths: Vec<Value>,
    micros: u64,
    absent: Option<u8>,
    #[serde(with = "as_bytes")]
    bytes: Vec<u8>,
}

mod as_bytes {
    pub(super) fn serialize<S: serde::Serializer>(bytes: &[u8], to: S) -> Result<S::Ok, S::Error> {
        to.serialize_bytes(bytes)
    }
}

fn micros(duration: Duration) -> u64 {
    duration.as_micros().try_into().unwrap()
}

fn corpus() -> Corpus {
    // What comes out of a hash set in any order is written as a sorted one.
    let names: HashSet<String> = (0..500_u32)
        .map(|number| format!("{}{number}", char::from_u32(number * 97 + 33).unwrap_or('x')))
        .collect();
    let inner = |seed: f64| names.iter().map(|name| (name.clone(), seed / 7.0)).collect();
    Corpus {
        map: (0..20).map(|number| (format!("{number}I\u{131}i"), inner(1e-7))).collect(),
        set: names.iter().cloned().collect(),
        kinds: EntryKind::ALL.to_vec(),
        paths: vec![
            canonical::text_or_b64("/etc/ä\u{2028}".as_bytes()),
            canonical::text_or_b64(b"/etc/\xff\xfe"),
        ],
        micros: micros(Duration::from_millis(1_234_567)),
        absent: None,
        bytes: (0..=255).collect(),
    }
}

#[test]
#[ignore = "run in each of the processes of the test below"]
fn the_corpus_in_one_process() {
    let bytes = canonical::to_bytes(&corpus()).unwrap();
    assert!(canonical::is_canonical(&bytes));
    println!("{MARK}{}", hex::encode(&sha256(&bytes)));
}

#[test]
fn one_corpus_has_the_same_bytes_in_20_processes_of_other_locales_and_zones_led_05() {
    let mut digests = BTreeSet::new();
    for (locale, zone) in PLACES {
        let mut command = Command::new(std::env::current_exe().unwrap());
        command.args(["renders::the_corpus_in_one_process", "--exact", "--ignored", "--nocapture"]);
        command.env("LC_ALL", locale).env("LANG", locale).env("TZ", zone);
        let done = process::run(command, b"", wait::LONG).unwrap();
        assert!(done.success(), "{locale} {zone}: {done:?}");
        let digest =
            done.stdout.lines().find_map(|line| line.split_once(MARK)).map(|(_, digest)| digest.to_owned());
        digests.insert(digest.unwrap_or_else(|| panic!("{locale} {zone}: {done:?}")));
    }
    assert_eq!(digests.len(), 1, "{digests:?}");
}

#[test]
fn values_that_json_does_not_have_are_written_as_the_page_says_led_05() {
    let bytes = canonical::to_bytes(&Corpus {
        map: HashMap::from([
            ("b".to_owned(), HashMap::new()),
            ("a".to_owned(), HashMap::from([("x".to_owned(), 0.5)])),
        ]),
        set: ["é", "z", "a"].map(str::to_owned).into(),
        kinds: vec![EntryKind::FactPut],
        paths: vec![canonical::text_or_b64(b"/a"), canonical::text_or_b64(b"\xff")],
        micros: micros(Duration::from_secs(2)),
        absent: None,
        bytes: vec![0, 1],
    });
    let expected = r#"{"absent":null,"bytes":{"b64":"AAE="},"kinds":["fact.put"],"map":{"a":{"x":0.5},"b":{}},"micros":2000000,"paths":["/a",{"b64":"/w=="}],"set":["a","z","é"]}"#;
    assert_eq!(String::from_utf8(bytes.unwrap()).unwrap(), expected);
}
