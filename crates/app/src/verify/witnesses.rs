//! Checks the stored cosignatures of the live log: each line, its time, and whether the policy has its quorum.

use std::collections::BTreeMap;

use ledger::note::{KeyId, Note, NoteSignature};
use ledger::policy::{Policy, Timing, Window};
use ledger::verify::{EvidenceState, Expected, Place, Verifier};
use ledger::{Finding, FindingCode};
use store::cosignatures::StoredCosignature;

use crate::context::App;
use crate::error::Error;

const TABLE: &str = "log_cosignatures";

impl App {
    /// Checks every stored cosignature. Those by keys that the policy does not name are read and no more.
    ///
    /// Lag is no finding, and the report says how long it is: the newest checkpoint with a quorum may be an older
    /// one. None at all is a finding.
    pub(super) async fn check_witnesses(&self, verifier: &mut Verifier) -> Result<(), Error> {
        let mut found = self.shown_by_witnesses(verifier.position()).await?;
        let expected = verifier.events().expected.filter(|expected| expected.policy_sha256.is_some());
        let Some(policy) = self.policy.as_deref().map(|configured| &configured.policy) else {
            if let Some(Expected { index, .. }) = expected {
                let detail = "the log promises witnesses and no policy was named: set PLUMB_LEDGER_POLICY";
                verifier.add(Finding::new(FindingCode::EvidenceExpected, detail).index(index));
            }
            if !found.is_empty() {
                verifier.report_mut().witness = EvidenceState::Failed;
            }
            found.into_iter().for_each(|finding| verifier.add(finding));
            return Ok(());
        };
        let mut by_size: BTreeMap<u64, Vec<StoredCosignature>> = BTreeMap::new();
        for stored in self.db.list_every_cosignature(&self.tenant).await? {
            by_size.entry(stored.size).or_default().push(stored);
        }
        let mut last_times = BTreeMap::new();
        let mut witnessed = policy.needs_no_witness();
        for (size, lines) in &by_size {
            let note = self.db.find_checkpoint(&self.tenant, *size).await?;
            if note.is_none() {
                let detail = "there is no checkpoint of this size";
                found.extend(lines.iter().map(|stored| {
                    let row = row(stored.size, &stored.key_name, &stored.key_id);
                    Finding::new(FindingCode::RowAltered, detail).row(TABLE, &row)
                }));
            }
            // A checkpoint that does not read is a finding of its own.
            let Some(note) = note.and_then(|stored| Note::parse(&stored.note).ok()) else { continue };
            // An entry that does not read is a finding of its own.
            let window = self.readable_window(*size, verifier.events().lag_before(*size)).await?;
            let note = with_lines(note, lines, &mut found);
            found.extend(check_times(policy, &note, (*size, window), &mut last_times));
            witnessed |= policy.judge(&note, window).is_ok_and(|verdict| verdict.satisfied);
        }
        if !witnessed && self.db.list_checkpoints(&self.tenant, 1).await?.pop().is_some() {
            let detail = "no checkpoint has the cosignatures that the policy needs";
            found.push(Finding::new(FindingCode::WitnessQuorum, detail));
        }
        verifier.report_mut().witness = match (found.is_empty(), by_size.is_empty()) {
            (true, true) => EvidenceState::None,
            (true, false) => EvidenceState::Verified,
            (false, true | false) => EvidenceState::Failed,
        };
        found.into_iter().for_each(|finding| verifier.add(finding));
        let lag = self.witness_lag_under(verifier.events()).await?;
        verifier.report_mut().witness_lag = lag;
        Ok(())
    }

    /// Finds that a witness showed a head which the log of so many entries signed and does not have (LED-63, LED-73):
    /// what keeps the log from signing is no secret to a verification.
    async fn shown_by_witnesses(&self, entries: u64) -> Result<Vec<Finding>, Error> {
        let Some((seen, path)) = self.seen().await? else { return Ok(Vec::new()) };
        let place = Place::file(&path.display().to_string(), 0);
        Ok(seen.finding(entries).map(|finding| finding.at(&place)).into_iter().collect())
    }
}

/// Returns a checkpoint with the stored lines that say what their columns say.
fn with_lines(mut note: Note, lines: &[StoredCosignature], found: &mut Vec<Finding>) -> Note {
    for stored in lines {
        let line = stored.line.strip_suffix('\n').and_then(NoteSignature::parse);
        match line.filter(|line| line.name == stored.key_name && line.key_id.to_string() == stored.key_id) {
            Some(line) => note.signatures.push(line),
            None => {
                let detail = "its line is not the cosignature that its columns name";
                let row = row(stored.size, &stored.key_name, &stored.key_id);
                found.push(Finding::new(FindingCode::RowAltered, detail).row(TABLE, &row));
            }
        }
    }
    note
}

/// Checks each cosignature of the policy's witnesses on a checkpoint: that it is valid, in time, and not earlier
/// than the one on a smaller checkpoint.
fn check_times(
    policy: &Policy,
    note: &Note,
    (size, window): (u64, Option<Window>),
    last_times: &mut BTreeMap<KeyId, u64>,
) -> Vec<Finding> {
    let mut found = Vec::new();
    for witness in policy.witnesses() {
        let row = row(size, witness.key.name(), &witness.key.id().to_string());
        let mut add = |code, detail: String| found.push(Finding::new(code, detail).row(TABLE, &row));
        match witness.key.times_on(note) {
            Err(err) => add(FindingCode::CheckpointSignature, err.to_string()),
            Ok(times) => {
                for time in times {
                    let timing = window.map_or(Timing::NotCompared, |window| window.judge(time));
                    if matches!(timing, Timing::TooEarly | Timing::TooLate) {
                        let detail =
                            format!("the cosignature of {} is too far from the newest entry", witness.name);
                        add(FindingCode::StampWindow, detail);
                    }
                    if last_times.insert(witness.key.id(), time).is_some_and(|earlier| time < earlier) {
                        let detail =
                            format!("{} cosigned a smaller checkpoint at a later time", witness.name);
                        add(FindingCode::StampWindow, detail);
                    }
                }
            }
        }
    }
    found
}

fn row(size: u64, key_name: &str, key_id: &str) -> String {
    format!("{size}/{key_name}+{key_id}")
}
