//! A posture with its proofs, as one document that verifies offline (POS-19, TLW-22, docs/formats/report.md).
//!
//! Each result stands in the manifest of the newest scan that covered its rule; that scan's entry names the
//! manifest, and a proof leads from the entry to a signed checkpoint.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ledger::proof::{ProofFile, Receipt, verify_proof};
use ledger::verify::{Place, judge_witnesses};
use ledger::{EntryKind, Finding, FindingCode, Policy, Report, VerifierKey, sha256};
use model::record::{HostRecord, Manifest, ManifestItem, ScanRecord};
use model::{Classification, Digest, HostId, RuleId, RunStatus, ScanId, Severity, Status, Timestamp};
use serde::{Deserialize, Serialize};
use store::blobs::Store;

use crate::context::App;
use crate::error::{Error, Kind};
use crate::posture::AsOf;
use crate::prove::{Claim, Shown};

/// Name and version of the document.
pub const SCHEMA: &str = "plumbline.report/1";
/// Largest document that is read. Bytes.
pub const REPORT_BYTES_MAX: usize = 268_435_456;
/// Most scans whose manifests one answer may rest on.
const SCANS_MAX: usize = 1_000;

/// A posture with everything that proves it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Document {
    /// Always [`SCHEMA`].
    pub schema: String,
    pub host: String,
    pub host_id: HostId,
    /// An inclusion proof of the host's newest record, which says that this id has this name.
    pub host_proof: String,
    /// What was so then.
    pub valid_at: Timestamp,
    /// As far as it was recorded then.
    pub recorded_at: Timestamp,
    /// One line a rule of the newest full scan, in order of rule.
    pub results: Vec<ResultLine>,
    /// The scans that the results come from.
    pub scans: Vec<ProvenScan>,
}

/// One result and the scan that vouches for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ResultLine {
    pub rule_id: RuleId,
    pub status: Status,
    pub severity: Severity,
    pub value_digest: Digest,
    pub scan_id: ScanId,
}

/// A scan with the proof of its entry and the bytes of its manifest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProvenScan {
    /// An inclusion proof that carries the entry and its body (docs/formats/proof.md).
    pub proof: String,
    /// The manifest, exactly.
    pub manifest: String,
}

/// The body of an entry, as far as it matters here.
#[derive(Debug, Deserialize)]
struct Body<R> {
    row: R,
}

/// A scan whose proof was looked at.
struct Seen {
    scan: ScanRecord,
    items: BTreeMap<RuleId, ManifestItem>,
}

impl App {
    /// Returns the posture of a host with its proofs, as canonical JSON. Bodies that retention removed are read from the
    /// archive, where one is named.
    ///
    /// # Errors
    /// When the host is unknown or was never measured, or a manifest or a body that it rests on is gone.
    pub async fn prove_posture(
        &self,
        host: &str,
        as_of: &AsOf,
        archive: Option<&Path>,
    ) -> Result<Vec<u8>, Error> {
        crate::checkpoint::cut(self).await?;
        let posture = self.posture(host, as_of).await?;
        if !posture.measured {
            let message = format!("{} was not measured by then: there is nothing to prove", posture.host);
            return Err(Error::new(Kind::NotFound, message));
        }
        let mut open: BTreeSet<RuleId> = posture.rules.iter().map(|rule| rule.rule_id.clone()).collect();
        let (mut results, mut scans, mut is_whole) = (Vec::new(), Vec::new(), false);
        for scan in self.scans_as_of(posture.host_id, (posture.valid_at, posture.recorded_at)).await? {
            let text = self.manifest_of(&scan).await?;
            let manifest = read_manifest(&text).map_err(Error::internal)?;
            let covered: Vec<ManifestItem> =
                manifest.results.into_iter().filter(|item| open.remove(&item.rule_id)).collect();
            // A full scan shows which rules there are, even where newer partial ones cover them all.
            if covered.is_empty() && !scan.is_full {
                continue;
            }
            let proof = self.prove_row("scan_runs", scan.scan_id.to_string(), archive).await?;
            scans.push(ProvenScan { proof, manifest: text });
            results.extend(covered.into_iter().map(|item| ResultLine {
                rule_id: item.rule_id,
                status: item.status,
                severity: item.severity,
                value_digest: item.value_digest,
                scan_id: scan.scan_id,
            }));
            is_whole = scan.is_full;
            if is_whole || scans.len() == SCANS_MAX {
                break;
            }
        }
        if !is_whole {
            let message =
                format!("the answer rests on more than {SCANS_MAX} partial scans: scan the host in full");
            return Err(Error::new(Kind::Conflict, message));
        }
        results.sort_by(|one, other| one.rule_id.cmp(&other.rule_id));
        let document = Document {
            schema: SCHEMA.to_owned(),
            host: posture.host,
            host_id: posture.host_id,
            host_proof: self.prove_row("hosts", posture.host_id.to_string(), archive).await?,
            valid_at: posture.valid_at,
            recorded_at: posture.recorded_at,
            results,
            scans,
        };
        ledger::canonical::to_bytes(&document)
            .map_err(|err| Error::internal(format!("could not write the report: {err}")))
    }

    /// Returns the completed scans of a host that count at two instants, newest first.
    async fn scans_as_of(&self, host: HostId, at: (Timestamp, Timestamp)) -> Result<Vec<ScanRecord>, Error> {
        let mut scans = self.list_scans(host).await?;
        scans.retain(|scan| counts_at(scan, at));
        scans.sort_by_key(|scan| std::cmp::Reverse((scan.measured_at, scan.recorded_at)));
        Ok(scans)
    }

    /// Proves the newest record of a row, which has to be there: without it nobody sees what the entry says.
    async fn prove_row(&self, table: &str, key: String, archive: Option<&Path>) -> Result<String, Error> {
        let missing = format!("the recorded values of {table} {key} are not here any more");
        let claim = Claim::Row { table: table.to_owned(), key };
        let text = self.prove(&claim, None, Shown::UpTo(Classification::Normal, archive)).await?.text;
        match receipt_of(&text) {
            Some(Receipt { body: Some(_), .. }) => Ok(text),
            Some(Receipt { body: None, .. }) | None => Err(Error::new(Kind::NotFound, missing).hint(
                "what retention removed stands in the sealed segments, which --archive names; what was erased is gone",
            )),
        }
    }

    async fn manifest_of(&self, scan: &ScanRecord) -> Result<String, Error> {
        let digest = scan.manifest_sha256;
        let bytes = match digest {
            Some(digest) => self.db.find_blob(&self.tenant, Store::Manifests, digest).await?,
            None => None,
        };
        let gone = || Error::new(Kind::NotFound, format!("the manifest of scan {} is gone", scan.scan_id));
        String::from_utf8(bytes.ok_or_else(gone)?)
            .map_err(|err| Error::internal(format!("a manifest is not text: {err}")))
    }
}

/// Tells whether a scan was completed and known at two instants.
fn counts_at(scan: &ScanRecord, (valid_at, recorded_at): (Timestamp, Timestamp)) -> bool {
    scan.status == RunStatus::Completed
        && scan.measured_at.is_some_and(|measured| measured <= valid_at)
        && scan.recorded_at.is_some_and(|recorded| recorded <= recorded_at)
}

fn read_manifest(text: &str) -> Result<Manifest, String> {
    let manifest: Manifest =
        serde_json::from_str(text).map_err(|err| format!("a manifest does not read: {err}"))?;
    if manifest.schema == Manifest::SCHEMA {
        Ok(manifest)
    } else {
        Err("a manifest has another shape".to_owned())
    }
}

/// Tells whether a file is meant to be such a document, by how it begins.
#[must_use]
pub fn is_report(bytes: &[u8]) -> bool {
    bytes.first() == Some(&b'{')
}

/// Verifies a document against trusted keys, and a policy where there is one: every proof, and that the answer is
/// what the scans say.
#[must_use]
pub fn verify_report(name: &str, bytes: &[u8], (keys, policy): (&[VerifierKey], Option<&Policy>)) -> Report {
    let mut report = Report::new();
    match read(bytes) {
        Ok(document) => {
            check(name, &document, keys, &mut report);
            for proven in document.scans.iter().filter(|_scan| policy.is_some()) {
                if let (Some(policy), Ok(ProofFile::Inclusion(proof))) =
                    (policy, ProofFile::parse(proven.proof.as_bytes()))
                {
                    let place = Place::file(name, 0);
                    judge_witnesses(&mut report, policy, proof.checkpoint.as_bytes(), None, &place);
                }
            }
        }
        Err(problem) => report.add(finding(FindingCode::Malformed, problem)),
    }
    report.settle();
    report
}

/// What a document says that it is the answer to. The instants are the question's own: a proof cannot show that no newer
/// scan was recorded by then.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Claimed {
    pub host: String,
    pub host_id: HostId,
    pub valid_at: Timestamp,
    pub recorded_at: Timestamp,
    /// When the newest of the scans that it rests on measured the host; none where no proof shows one.
    pub measured_at: Option<Timestamp>,
}

/// Reads what a document claims, of bytes that [`verify_report`] verified.
#[must_use]
pub fn claimed(bytes: &[u8]) -> Option<Claimed> {
    let document = read(bytes).ok()?;
    let scan = |proven: &ProvenScan| read_row::<ScanRecord>(&proven.proof, EntryKind::ScanManifest);
    let measured_at = document.scans.iter().filter_map(scan).filter_map(|scan| scan.measured_at).max();
    Some(Claimed {
        measured_at,
        host: document.host,
        host_id: document.host_id,
        valid_at: document.valid_at,
        recorded_at: document.recorded_at,
    })
}

fn finding(code: FindingCode, detail: impl Into<String>) -> Finding {
    Finding::new(code, detail)
}

fn read(bytes: &[u8]) -> Result<Document, String> {
    let value = ledger::canonical::parse_canonical(bytes).map_err(|err| err.to_string())?;
    let document: Document = serde_json::from_value(value).map_err(|err| err.to_string())?;
    if document.schema != SCHEMA {
        return Err(format!("the document is not {SCHEMA}"));
    }
    Ok(document)
}

fn check(name: &str, document: &Document, keys: &[VerifierKey], report: &mut Report) {
    check_host(name, document, keys, report);
    let mut scans: Vec<Seen> = Vec::new();
    for proven in &document.scans {
        if let Some(seen) = check_scan(name, document, proven, keys, report) {
            scans.push(seen);
        }
    }
    scans.sort_by_key(|seen| std::cmp::Reverse((seen.scan.measured_at, seen.scan.recorded_at)));
    let Some(full) = scans.iter().find(|seen| seen.scan.is_full) else {
        report.add(finding(
            FindingCode::RowMissing,
            "no full scan is proven: which rules there are is not known",
        ));
        return;
    };
    let mut missing: BTreeSet<&RuleId> = full.items.keys().collect();
    for line in &document.results {
        report.rows_checked += 1;
        missing.remove(&line.rule_id);
        // The newest scan that covered the rule decides.
        let newest = scans.iter().find_map(|seen| Some((&seen.scan, seen.items.get(&line.rule_id)?)));
        let same = newest.is_some_and(|(scan, item)| {
            (item.status, item.severity, item.value_digest, scan.scan_id)
                == (line.status, line.severity, line.value_digest, line.scan_id)
        });
        if !same {
            let detail = "no proven scan has this result, or a newer one has another";
            report.add(finding(FindingCode::RowAltered, detail).row("results", line.rule_id.as_str()));
        }
    }
    for rule in missing {
        let detail = "the newest full scan covered this rule, and the answer leaves it out";
        report.add(finding(FindingCode::RowMissing, detail).row("results", rule.as_str()));
    }
}

/// Checks a proof and that it is of the same log as the others. Returns whether it holds.
fn check_proof(name: &str, proof: &str, keys: &[VerifierKey], report: &mut Report) -> bool {
    let proof = verify_proof(name, proof.as_bytes(), keys, None);
    let sound = proof.ok;
    if report.origin.as_ref().is_some_and(|origin| proof.origin.as_ref() != Some(origin)) {
        report.add(finding(FindingCode::CheckpointInconsistent, "the proofs are of different logs"));
    }
    merge(report, proof);
    sound
}

/// Checks that the host of this id has this name.
fn check_host(name: &str, document: &Document, keys: &[VerifierKey], report: &mut Report) {
    if !check_proof(name, &document.host_proof, keys, report) {
        return;
    }
    if receipt_of(&document.host_proof).is_some_and(|receipt| receipt.body.is_none()) {
        let detail = "the proof of the host holds no body, so that it does not show which host it is of";
        report.add(finding(FindingCode::BodyMissing, detail).row("hosts", &document.host_id.to_string()));
        return;
    }
    let host: Option<HostRecord> = read_row(&document.host_proof, EntryKind::HostChanged);
    if host.is_none_or(|host| (host.host_id, host.name) != (document.host_id, document.host.clone())) {
        let detail = "the proven record of the host has another id or name";
        report.add(finding(FindingCode::BodyAltered, detail).row("hosts", &document.host_id.to_string()));
    }
}

/// Checks one scan's proof and manifest, and returns what it says.
fn check_scan(
    name: &str,
    document: &Document,
    proven: &ProvenScan,
    keys: &[VerifierKey],
    report: &mut Report,
) -> Option<Seen> {
    if !check_proof(name, &proven.proof, keys, report) {
        return None;
    }
    let scan: Option<ScanRecord> = read_row(&proven.proof, EntryKind::ScanManifest);
    let Some(scan) = scan else {
        report.add(finding(FindingCode::BodyMissing, "a proof is not of a scan, or its body is not there"));
        return None;
    };
    let manifest = proven.manifest.as_bytes();
    let problem = if scan.host_id != document.host_id {
        Some("the scan is of another host")
    } else if !counts_at(&scan, (document.valid_at, document.recorded_at)) {
        Some("the scan does not count at the instants of the question")
    } else if scan.manifest_sha256 != Some(Digest(sha256(manifest))) {
        Some("the manifest is not the one that the scan's entry names")
    } else {
        None
    };
    if let Some(problem) = problem {
        report.add(finding(FindingCode::BodyAltered, problem).row("scan_runs", &scan.scan_id.to_string()));
        return None;
    }
    match read_manifest(&proven.manifest) {
        Ok(manifest) => {
            let items = manifest.results.into_iter().map(|item| (item.rule_id.clone(), item)).collect();
            Some(Seen { scan, items })
        }
        Err(problem) => {
            report.add(finding(FindingCode::Malformed, problem));
            None
        }
    }
}

/// Reads what an inclusion proof carries: the entry, and its body where it is there.
fn receipt_of(proof: &str) -> Option<Receipt> {
    let ProofFile::Inclusion(proof) = ProofFile::parse(proof.as_bytes()).ok()? else { return None };
    Receipt::parse(proof.extra.as_deref()?).ok()
}

/// Reads a record of this kind out of a proof that verified.
fn read_row<R: serde::de::DeserializeOwned>(proof: &str, kind: EntryKind) -> Option<R> {
    let receipt = receipt_of(proof)?;
    let entry = ledger::Entry::parse(&receipt.entry).ok()?;
    let body: Body<R> = serde_json::from_slice(receipt.body.as_deref()?).ok()?;
    (entry.kind == kind).then_some(body.row)
}

/// Adds what the verification of one proof came to.
fn merge(report: &mut Report, proof: Report) {
    report.entries += proof.entries;
    report.bodies_checked += proof.bodies_checked;
    report.checkpoints += proof.checkpoints;
    if proof.tree_size >= report.tree_size {
        report.tree_size = proof.tree_size;
        report.root = proof.root;
    }
    report.origin = proof.origin.or_else(|| report.origin.take());
    for id in proof.key_ids {
        if !report.key_ids.contains(&id) {
            report.key_ids.push(id);
        }
    }
    for finding in proof.findings {
        report.add(finding);
    }
}
