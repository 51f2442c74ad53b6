//! A copy of an exported bundle, to be changed by hand: its files, its entries cut at their length prefixes.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::support::{assert_code, tool, world};

/// A copy of the exported bundle.
pub(super) struct Bundle {
    pub(super) folder: PathBuf,
    pub(super) size: u64,
    pub(super) content: String,
}

impl Bundle {
    pub(super) fn read(&self, path: &str) -> Vec<u8> {
        fs::read(self.folder.join(path)).unwrap_or_else(|err| panic!("{path}: {err}"))
    }

    pub(super) fn write(&self, path: &str, bytes: &[u8]) {
        let path = self.folder.join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    pub(super) fn remove(&self, path: &str) {
        fs::remove_file(self.folder.join(path)).unwrap_or_else(|err| panic!("{path}: {err}"));
    }

    /// The one partial entry bundle, which holds all entries of this small log.
    pub(super) fn entries(&self) -> String {
        format!("tile/entries/000.p/{}", self.size)
    }

    pub(super) fn leaves(&self) -> String {
        format!("tile/0/000.p/{}", self.size)
    }

    /// Returns the entries, cut at their length prefixes (C2SP tlog-tiles).
    pub(super) fn split(&self) -> Vec<Vec<u8>> {
        let bytes = self.read(&self.entries());
        let (mut entries, mut rest) = (Vec::new(), bytes.as_slice());
        while let [high, low, tail @ ..] = rest {
            let length = usize::from(u16::from_be_bytes([*high, *low]));
            entries.push(tail[..length].to_vec());
            rest = &tail[length..];
        }
        entries
    }

    pub(super) fn join(&self, entries: &[Vec<u8>]) {
        let mut bytes = Vec::new();
        for entry in entries {
            bytes.extend(u16::try_from(entry.len()).unwrap().to_be_bytes());
            bytes.extend(entry);
        }
        self.write(&self.entries(), &bytes);
    }

    /// Changes the text of one entry.
    pub(super) fn edit(&self, index: usize, from: &str, to: &str) {
        let mut entries = self.split();
        let text = String::from_utf8(entries[index].clone()).unwrap();
        assert!(text.contains(from), "{from} is not in {text}");
        entries[index] = text.replacen(from, to, 1).into_bytes();
        self.join(&entries);
    }

    /// Returns where the body of an entry lies.
    pub(super) fn body(&self, index: usize) -> String {
        let entry: Value = serde_json::from_slice(&self.split()[index]).unwrap();
        let digest = entry["body_sha256"].as_str().unwrap();
        format!("bodies/{}/{digest}", &digest[..2])
    }

    /// Returns the first file below a folder.
    pub(super) fn first(&self, below: &str) -> String {
        let found = tool("find", &[self.folder.join(below).to_str().unwrap(), "-type", "f"]);
        let mut files: Vec<&str> = found.lines().collect();
        files.sort_unstable();
        let path = Path::new(files[0]).strip_prefix(&self.folder).unwrap();
        path.to_str().unwrap().to_owned()
    }

    pub(super) fn flip(&self, path: &str, offset: usize) {
        let mut bytes = self.read(path);
        bytes[offset] ^= 1;
        self.write(path, &bytes);
    }

    /// Changes one line of the checkpoint, counted from 0.
    pub(super) fn checkpoint_line(&self, line: usize, change: impl Fn(&str) -> String) {
        let note = String::from_utf8(self.read("checkpoint")).unwrap();
        let lines: Vec<String> = note
            .lines()
            .enumerate()
            .map(|(number, text)| if number == line { change(text) } else { text.to_owned() })
            .collect();
        self.write("checkpoint", format!("{}\n", lines.join("\n")).as_bytes());
    }
}

/// Makes the bundle of a small log of its own.
pub(super) fn another_log(bundle: &Bundle) -> Bundle {
    let world = world();
    assert_code(&world.plumb(&["--content", &bundle.content, "host", "add", "10.0.0.9"]), 0);
    let folder = bundle.folder.with_extension("other");
    assert_code(&world.plumb(&["ledger", "export", "-o", folder.to_str().unwrap()]), 0);
    Bundle { folder, size: 0, content: String::new() }
}
