//! A small log of made-up findings with bodies, evidence and a scan manifest, and the ways to export it.

use std::collections::BTreeMap;
use std::convert::Infallible;
use std::num::NonZero;

use serde_json::json;

use crate::bundle::{
    BundleFile, BundleWriter, Folder, MANIFEST, Manifest, Options, Range, WriteError, verify_bundle,
};
use crate::note::{Signer, VerifierKey};
use crate::tree::{Frontier, leaf_hash};
use crate::verify::Report;
use crate::{Entry, EntryKind, Hash, TreeHead, canonical, hex, sha256};

pub(super) const ORIGIN: &str = "log.example/log-1";

pub(super) type Files = BTreeMap<String, Vec<u8>>;

pub(super) fn signer() -> Signer {
    Signer::from_seed(ORIGIN, &[1; 32]).unwrap()
}

/// A key with the same name that nobody trusts.
pub(super) fn other_signer() -> Signer {
    Signer::from_seed(ORIGIN, &[2; 32]).unwrap()
}

/// Entries with their bodies, and the blobs that bodies name.
#[derive(Clone)]
pub(super) struct Log {
    /// The head over the entries as they were appended.
    frontier: Frontier,
    pub(super) entries: Vec<(Vec<u8>, Vec<u8>)>,
    /// What each entry names, from the first on.
    pub(super) evidence: Vec<Vec<u8>>,
    /// What the first entry names.
    pub(super) manifests: Vec<Vec<u8>>,
}

pub(super) struct Sample {
    pub(super) log: Log,
    pub(super) files: Files,
}

impl Sample {
    pub(super) fn of(size: u64) -> Self {
        let mut log = Log {
            frontier: Frontier::new(),
            entries: Vec::new(),
            evidence: Vec::new(),
            manifests: Vec::new(),
        };
        for index in 0..size {
            let evidence = format!("evidence of {}", index % 7).into_bytes();
            let mut body =
                json!({"nonce": format!("{index:032x}"), "evidence_sha256": hex::encode(&sha256(&evidence))});
            log.evidence.push(evidence);
            if index == 0 {
                log.manifests.push(b"manifest".to_vec());
                body["scan"] = json!([{"manifest_sha256": hex::encode(&sha256(b"manifest"))}]);
            }
            log.append(EntryKind::FindingChanged, &body);
        }
        let files = export(&log, None).unwrap();
        Self { log, files }
    }
}

impl Log {
    pub(super) fn append(&mut self, kind: EntryKind, body: &serde_json::Value) {
        let index = self.entries.len() as u64;
        let body = canonical::to_bytes(body).unwrap();
        let entry = Entry {
            log: "log-1".to_owned(),
            index,
            at: format!("2026-03-01T10:00:00.{:06}Z", index / 2),
            kind,
            table: "transactions".to_owned(),
            row: format!("row-{index}"),
            actor: "local:ada".to_owned(),
            body_sha256: sha256(&body),
            body_len: body.len() as u64,
        };
        let entry = entry.to_bytes().unwrap();
        self.frontier.push(leaf_hash(&entry)).unwrap();
        self.entries.push((entry, body));
    }

    pub(super) fn erase(&mut self, digest: Hash) {
        let erased = json!({"erased_sha256": hex::encode(&digest)});
        self.append(EntryKind::BodyErased, &json!({"nonce": "00", "row": {"detail": erased}}));
    }

    pub(super) fn head(&self) -> TreeHead {
        TreeHead { origin: ORIGIN.to_owned(), size: self.frontier.size(), root: self.frontier.root() }
    }
}

/// Exports a log under the head that it had when it was made: entries changed since do not change that.
pub(super) fn export(log: &Log, range: Option<Range>) -> Result<Files, WriteError> {
    let checkpoint = log.head().sign(&signer()).unwrap().to_text();
    let mut writer = BundleWriter::new(checkpoint.as_bytes(), &[signer().verifier().clone()], range)?;
    let mut files = Files::new();
    let mut put = |file: BundleFile| assert_eq!(files.insert(file.path, file.bytes), None);
    let is_in = |index: u64| range.is_none_or(|range| (range.from..range.to).contains(&index));
    for (index, (entry, body)) in (0_u64..).zip(&log.entries) {
        writer.entry(entry)?.into_iter().for_each(&mut put);
        if is_in(index) {
            writer.blob(Folder::Bodies, body)?.into_iter().for_each(&mut put);
        }
    }
    for (_index, evidence) in (0_u64..).zip(&log.evidence).filter(|(index, _evidence)| is_in(*index)) {
        writer.blob(Folder::Evidence, evidence)?.into_iter().for_each(&mut put);
    }
    for manifest in log.manifests.iter().filter(|_manifest| is_in(0)) {
        writer.blob(Folder::Manifests, manifest)?.into_iter().for_each(&mut put);
    }
    writer.finish()?.into_iter().for_each(&mut put);
    Ok(files)
}

pub(super) fn verify(files: &Files) -> Report {
    verify_with(files, &[signer().verifier().clone()], &[])
}

pub(super) fn verify_with(files: &Files, keys: &[VerifierKey], against: &[TreeHead]) -> Report {
    verify_by(files, &Options { against, ..Options::new(keys) })
}

pub(super) fn verify_by(files: &Files, options: &Options<'_>) -> Report {
    let paths = files.keys().cloned().map(Ok::<_, Infallible>);
    let read = |path: &str, max: usize| {
        let bytes = files.get(path);
        Ok(bytes.map(|bytes| bytes[..bytes.len().min(max + 1)].to_vec()))
    };
    let verified = |threads| {
        let threads = NonZero::new(threads).unwrap();
        let Ok(report) = verify_bundle(paths.clone(), read, &Options { threads, ..*options });
        report
    };
    let report = verified(1);
    assert_eq!(verified(3), report, "the number of threads changes no report");
    report
}

/// Counts files anew and writes `manifest.json` again, as a careful tamperer without the key would.
pub(super) fn reseal(files: &mut Files) {
    let mut manifest = Manifest::parse(&files[MANIFEST]).unwrap();
    let count = |folder: &str| files.keys().filter(|path| path.starts_with(folder)).count() as u64;
    manifest.counts.bodies = count("bodies/");
    manifest.counts.evidence = count("evidence/");
    manifest.counts.manifests = count("manifests/");
    manifest.counts.entry_bundles = count("tile/entries/");
    manifest.counts.tiles = count("tile/") - manifest.counts.entry_bundles;
    for line in &mut manifest.files {
        line.sha256 = hex::encode(&sha256(&files[&line.path]));
        line.size = files[&line.path].len() as u64;
    }
    files.insert(MANIFEST.to_owned(), manifest.to_bytes().unwrap());
}
