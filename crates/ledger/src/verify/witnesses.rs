//! Judges the cosignatures of a checkpoint by a policy, as findings (LED-34, LED-35).

use super::{EvidenceState, Finding, FindingCode, Place, Report};
use crate::note::{Note, NoteError};
use crate::policy::{Policy, Timing, Verdict, Window};

/// Judges a signed checkpoint whose log signatures the caller checks, and adds what is wrong to the report.
///
/// Without a `window`, times are not compared. `place` is where the checkpoint begins.
pub fn judge_witnesses(
    report: &mut Report,
    policy: &Policy,
    checkpoint: &[u8],
    window: Option<Window>,
    place: &Place,
) {
    let judged = Note::parse(checkpoint).and_then(|note| policy.judge(&note, window));
    let verdict = match judged {
        Ok(verdict) => verdict,
        Err(err) => {
            report.witness = EvidenceState::Failed;
            // Anything else than a cosignature that is bad is wrong with the note, which is said already.
            if let NoteError::BadSignature { offset, .. } = &err {
                let finding = Finding::new(FindingCode::CheckpointSignature, err.to_string());
                report.add(finding.at(&place.plus(*offset as u64)));
            }
            return;
        }
    };
    for late in verdict.cosigned.iter().filter(|one| !one.timing.counts()) {
        let side = if late.timing == Timing::TooEarly { "before" } else { "behind" };
        let detail = format!("the cosignature of {} is too far {side} the newest entry", late.witness.name);
        report.add(Finding::new(FindingCode::StampWindow, detail).at(place));
    }
    if !verdict.satisfied {
        report.add(Finding::new(FindingCode::WitnessQuorum, below(&verdict)).at(place));
    }
    report.witness = match (&verdict.cosigned[..], verdict.satisfied) {
        ([], true) => EvidenceState::None,
        (all, true) if all.iter().all(|one| one.timing.counts()) => EvidenceState::Verified,
        (_, true | false) => EvidenceState::Failed,
    };
}

/// Says who of a quorum that is not there did sign.
fn below(verdict: &Verdict) -> String {
    let names: Vec<&str> = verdict.counting().map(|one| one.witness.name.as_str()).collect();
    match &names[..] {
        [] => "the policy needs cosignatures, and no witness of it cosigned in time".to_owned(),
        names => format!("the policy needs more witnesses than these, who cosigned: {}", names.join(", ")),
    }
}
