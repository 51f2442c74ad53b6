//! What several test files share: the shipped corpus, a masker, and running a plan with a local shell.
#![allow(
    dead_code,
    clippy::unwrap_used,
    clippy::panic,
    clippy::mod_module_files,
    reason = "test support: each test file uses its own part, and a failure here fails the test"
)]

use std::path::Path;
use std::process::{Command, Stdio};

use model::{Digest, Ending, Hello, Observation, Platform};
use rules::{Corpus, Masker, Plan};

/// A digest for tests that do not look at digests.
pub(crate) fn no_digest(_: &[u8]) -> Digest {
    Digest([0; 32])
}

pub(crate) fn masker(secrets: &[&str]) -> Masker {
    let secrets: Vec<Vec<u8>> = secrets.iter().map(|secret| secret.as_bytes().to_vec()).collect();
    Masker::new(&secrets, no_digest).unwrap()
}

pub(crate) fn platform(id: &str, id_like: &[&str], version: &str) -> Platform {
    Platform {
        id: id.to_owned(),
        id_like: id_like.iter().map(|&like| like.to_owned()).collect(),
        version: version.to_owned(),
        name: format!("{id} {version}"),
        arch: "x86_64".to_owned(),
        kernel: "6.1.0".to_owned(),
    }
}

pub(crate) fn hello(uid: u32) -> Hello {
    let platform = platform("debian", &[], "12");
    Hello { uid, hostname: "test".to_owned(), platform, tools: Vec::new() }
}

pub(crate) fn load(files: &[(&str, &str)]) -> Corpus {
    let files: Vec<(String, String)> =
        files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect();
    Corpus::load(&files).unwrap_or_else(|errors| {
        panic!("{}", errors.iter().map(|err| format!("{err}\n")).collect::<String>())
    })
}

/// A rule whose check is the given YAML flow text.
pub(crate) fn rule(id: &str, check: &str) -> (String, String) {
    let text = format!(
        "id: {id}\ntitle: T\ndescription: D.\nrationale: R.\nseverity: low\nplatforms: [{{id: debian}}]\ncheck: {check}\n"
    );
    (format!("rules/t/{id}.yaml"), text)
}

/// Plans every rule of a corpus for Debian 12.
pub(crate) fn plan_all(corpus: &Corpus) -> Plan {
    let selected = corpus.select(&rules::Selection::default(), &platform("debian", &[], "12")).unwrap();
    rules::plan(selected, rules::TIMEOUT_MS)
}

/// Runs one command as the transport does: a plain shell, no standard input, a fixed environment.
pub(crate) fn run(shell: &str, command: &model::Command) -> Observation {
    let output = Command::new(shell)
        .args(["-c", &command.script])
        .env_clear()
        .env("LC_ALL", "C")
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .stdin(Stdio::null())
        .output()
        .unwrap();
    answer(&command.key, output.status.code().unwrap(), &output.stdout, &output.stderr)
}

pub(crate) fn answer(key: &str, exit: i32, stdout: &[u8], stderr: &[u8]) -> Observation {
    Observation {
        key: key.to_owned(),
        ending: Ending::Exited(exit),
        stdout: stdout.to_vec(),
        stdout_len: stdout.len() as u64,
        stdout_sha256: Digest([0; 32]),
        stderr: stderr.to_vec(),
        started_ms: 0,
        ended_ms: 1,
    }
}

pub(crate) fn shipped() -> Corpus {
    match Corpus::load(&shipped_files()) {
        Ok(corpus) => corpus,
        Err(errors) => {
            let text: String = errors.iter().map(|err| format!("content/{err}\n")).collect();
            panic!("{} complaints\n{text}", errors.len());
        }
    }
}

pub(crate) fn shipped_files() -> Vec<(String, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content");
    let mut files = Vec::new();
    files_under(&root, &root, &mut files);
    files
}

fn files_under(root: &Path, dir: &Path, files: &mut Vec<(String, String)>) {
    let mut entries: Vec<_> = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            files_under(root, &path, files);
        } else if path.extension().is_some_and(|ext| ext == "yaml") {
            let name = path.strip_prefix(root).unwrap().to_str().unwrap().to_owned();
            files.push((name, std::fs::read_to_string(&path).unwrap()));
        }
    }
}
