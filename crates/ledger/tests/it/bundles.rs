//! Bundles of logs from random workloads: entries of every kind, bodies of every shape, blobs, erasures, a key that
//! was rotated.

use std::collections::BTreeMap;
use std::convert::Infallible;

use ledger::bundle::{BundleFile, BundleWriter, Folder, Options, Range, verify_bundle};
use ledger::tree::{Frontier, leaf_hash};
use ledger::{Entry, EntryKind, Hash, Report, Signer, TreeHead, VerifierKey, canonical, hex, sha256};
use serde_json::{Value, json};
use testkit::fuzz::SplitMix64;

pub(crate) const ORIGIN: &str = "log.example/log-1";

/// The files of a bundle by path.
pub(crate) type Files = BTreeMap<String, Vec<u8>>;

/// A bundle and the key that a reader trusts; the log may sign with a later one.
pub(crate) struct Bundle {
    pub(crate) files: Files,
    pub(crate) trusted: VerifierKey,
    pub(crate) entries: u64,
}

/// Kinds whose bodies have no members of their own that a verifier reads.
const PLAIN: [EntryKind; 8] = [
    EntryKind::FindingChanged,
    EntryKind::ScanManifest,
    EntryKind::HostChanged,
    EntryKind::HostKeyChanged,
    EntryKind::FactPut,
    EntryKind::EdgeRetired,
    EntryKind::AuditRecord,
    EntryKind::Seam,
];

/// Texts that programs tend to trip over.
const TEXTS: [&str; 8] =
    ["", "plain", "\u{2028}\u{85}\r\n", "\u{10ffff}\u{e000}", "\"\\/", "\u{1f}\u{7f}", "ß漢🎉", "<>&"];

/// Numbers at which renderings of numbers differ.
const NUMBERS: [f64; 12] = [
    0.0,
    -0.0,
    0.1,
    1e-6,
    1e-7,
    1.5e-7,
    5e-324,
    123.456,
    1e15,
    -0.000_001_234_5,
    2.5e-5,
    9_007_199_254_740_991.0,
];

struct Workload {
    /// Roots at multiples of 256 entries, and the ends of the segments that were sealed.
    roots: Vec<Hash>,
    sealed: Vec<u64>,
    entries: Vec<(Vec<u8>, Vec<u8>)>,
    frontier: Frontier,
    /// With the entry that names it.
    blobs: Vec<(u64, Folder, Vec<u8>)>,
    erased: Vec<Hash>,
    handovers: Vec<(u64, String)>,
    signer: Signer,
}

pub(crate) fn signer(number: u8) -> Signer {
    Signer::from_seed(ORIGIN, &[number; 32]).unwrap()
}

/// Returns the bundle of a random workload that is whole and honest.
pub(crate) fn random(entries_below: u64, random: &mut SplitMix64) -> Bundle {
    let mut work = Workload::new();
    for _entry in 0..random.below(entries_below) {
        match random.below(12) {
            0 => work.erase(random),
            1 if work.handovers.len() < 2 => work.rotate(),
            2 => work.seal(),
            _ => work.plain(random),
        }
    }
    work.export(None)
}

/// Returns a range of a log of `size` entries that is sealed whenever 256 entries are full.
pub(crate) fn segment(size: u64, range: Range) -> Bundle {
    let (mut work, mut random) = (Workload::new(), SplitMix64::new(size));
    for _entry in 0..size {
        if work.roots.len() > work.sealed.len() { work.seal() } else { work.plain(&mut random) }
    }
    work.export(Some(range))
}

impl Workload {
    fn new() -> Self {
        Self {
            roots: Vec::new(),
            sealed: Vec::new(),
            entries: Vec::new(),
            frontier: Frontier::new(),
            blobs: Vec::new(),
            erased: Vec::new(),
            handovers: Vec::new(),
            signer: signer(1),
        }
    }

    /// Seals what is full and not sealed yet.
    fn seal(&mut self) {
        let (from, previous) = (self.sealed.last().copied(), self.sealed.len());
        if self.roots.len() as u64 * 256 <= from.unwrap_or(0) {
            return;
        }
        let to = self.roots.len() as u64 * 256;
        let root = |at: u64| hex::encode(&self.roots[usize::try_from(at / 256 - 1).unwrap()]);
        let detail = json!({"detail": {
            "from": from.unwrap_or(0), "to": to, "root": root(to), "bundle_sha256": "00".repeat(32),
            "previous_to": from, "previous_root": from.map(root), "number": previous,
        }});
        self.sealed.push(to);
        self.append(EntryKind::SegmentSealed, &detail, to);
    }

    fn plain(&mut self, random: &mut SplitMix64) {
        let kind = PLAIN[usize::try_from(random.below(8)).unwrap()];
        let mut row = value(random, 3);
        if random.below(2) == 0 {
            let evidence = format!("evidence {}", random.below(9)).into_bytes();
            let name = Value::from(hex::encode(&sha256(&evidence)));
            self.blobs.push((self.frontier.size(), Folder::Evidence, evidence));
            row = json!({"list": [{"evidence_sha256": name}], "manifest_sha256": null, "rest": row});
        } else if random.below(4) == 0 {
            let manifest = format!("manifest {}", random.below(3)).into_bytes();
            row = json!({"manifest_sha256": hex::encode(&sha256(&manifest)), "evidence_sha256": null});
            self.blobs.push((self.frontier.size(), Folder::Manifests, manifest));
        }
        self.append(kind, &row, random.next_u64());
    }

    /// Erases a body or a piece of evidence that is there.
    fn erase(&mut self, random: &mut SplitMix64) {
        let at = usize::try_from(random.below(self.entries.len() as u64)).unwrap();
        let Some((entry, body)) = self.entries.get(at) else { return };
        let kind = Entry::parse(entry).unwrap().kind;
        // What a verifier needs to read stays.
        if !PLAIN.contains(&kind) {
            return;
        }
        let digest = sha256(body);
        self.erased.push(digest);
        let detail = json!({"detail": {"erased_sha256": hex::encode(&digest)}});
        self.append(EntryKind::BodyErased, &detail, random.next_u64());
    }

    /// Hands over to the next key, under a checkpoint that both keys sign.
    fn rotate(&mut self) {
        let next = signer(u8::try_from(self.handovers.len()).unwrap() + 2);
        let (old, new) = (self.signer.verifier().to_string(), next.verifier().to_string());
        let detail = json!({"detail": {"old_vkey": old, "new_vkey": new, "old_revoked": false}});
        self.append(EntryKind::KeyRotated, &detail, 0);
        let mut note = self.head().sign(&self.signer).unwrap();
        note.signatures.push(next.sign(&self.head().to_text()).unwrap());
        self.handovers.push((self.frontier.size(), note.to_text()));
        self.signer = next;
    }

    fn append(&mut self, kind: EntryKind, row: &Value, nonce: u64) {
        let index = self.frontier.size();
        let body = json!({"nonce": format!("{nonce:032x}"), "row": row});
        let body = canonical::to_bytes(&body).unwrap();
        let entry = Entry {
            log: "log-1".to_owned(),
            index,
            at: format!("2026-03-01T10:00:00.{:06}Z", index / 2),
            kind,
            table: "transactions".to_owned(),
            row: format!("row {index} \u{e9}\u{2028}"),
            actor: "local:ada".to_owned(),
            body_sha256: sha256(&body),
            body_len: body.len() as u64,
        };
        let entry = entry.to_bytes().unwrap();
        self.frontier.push(leaf_hash(&entry)).unwrap();
        self.entries.push((entry, body));
        if self.frontier.size().is_multiple_of(256) {
            self.roots.push(self.frontier.root());
        }
    }

    fn head(&self) -> TreeHead {
        TreeHead { origin: ORIGIN.to_owned(), size: self.frontier.size(), root: self.frontier.root() }
    }

    fn export(self, range: Option<Range>) -> Bundle {
        let checkpoint = self.head().sign(&self.signer).unwrap().to_text();
        let last = u8::try_from(self.handovers.len()).unwrap() + 1;
        let keys: Vec<VerifierKey> = (1..=last).map(|number| signer(number).verifier().clone()).collect();
        let mut writer = BundleWriter::new(checkpoint.as_bytes(), &keys, range).unwrap();
        let mut files = Files::new();
        let mut put = |file: BundleFile| assert_eq!(files.insert(file.path, file.bytes), None);
        for (size, note) in &self.handovers {
            writer.handover(*size, note.as_bytes());
        }
        let within = range.unwrap_or(Range::whole(self.frontier.size()));
        for (index, (entry, body)) in (0..).zip(&self.entries) {
            writer.entry(entry).unwrap().into_iter().for_each(&mut put);
            if !(within.from..within.to).contains(&index) || self.erased.contains(&sha256(body)) {
                continue;
            }
            writer.blob(Folder::Bodies, body).unwrap().into_iter().for_each(&mut put);
            for (_by, folder, blob) in self.blobs.iter().filter(|(by, ..)| *by == index) {
                writer.blob(*folder, blob).unwrap().into_iter().for_each(&mut put);
            }
        }
        writer.finish().unwrap().into_iter().for_each(&mut put);
        Bundle { files, trusted: keys[0].clone(), entries: within.to - within.from }
    }
}

/// Returns any JSON.
fn value(random: &mut SplitMix64, depth: u64) -> Value {
    let pick = |random: &mut SplitMix64| usize::try_from(random.below(12)).unwrap();
    match random.below(if depth == 0 { 5 } else { 7 }) {
        0 => Value::Null,
        1 => Value::from(random.below(2) == 0),
        2 => Value::from(TEXTS[pick(random) % 8]),
        3 => Value::from(NUMBERS[pick(random)]),
        4 => Value::from(random.below(1 << 53)),
        5 => (0..random.below(4)).map(|_item| value(random, depth - 1)).collect(),
        _ => {
            let members = (0..random.below(4)).map(|_member| {
                let name = TEXTS[pick(random) % 8].to_owned();
                (name, value(random, depth - 1))
            });
            Value::Object(members.collect())
        }
    }
}

pub(crate) fn verify(files: &Files, trusted: &VerifierKey) -> Report {
    let paths = files.keys().cloned().map(Ok::<_, Infallible>);
    let read = |path: &str, max: usize| {
        let bytes = files.get(path);
        Ok(bytes.map(|bytes| bytes[..bytes.len().min(max + 1)].to_vec()))
    };
    let Ok(report) = verify_bundle(paths, read, &Options::new(std::slice::from_ref(trusted)));
    report
}

/// A place in a bundle and the bits to flip there.
#[derive(Clone, Debug)]
pub(crate) struct Change {
    pub(crate) path: String,
    pub(crate) offset: usize,
    pub(crate) mask: u8,
}

impl Change {
    /// Picks a byte of a random file: each file is as likely as any other, however long.
    pub(crate) fn random(files: &Files, random: &mut SplitMix64) -> Self {
        let at = usize::try_from(random.below(files.len() as u64)).unwrap();
        let (path, bytes) = files.iter().nth(at).unwrap();
        let offset = usize::try_from(random.below(bytes.len() as u64)).unwrap();
        Self { path: path.clone(), offset, mask: u8::try_from(1 + random.below(255)).unwrap() }
    }

    /// Makes the change; made again, it is undone.
    pub(crate) fn apply(&self, files: &mut Files) {
        files.get_mut(&self.path).unwrap()[self.offset] ^= self.mask;
    }
}
