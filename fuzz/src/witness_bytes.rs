//! What witnesses, their clients and verifiers read: policy files, requests, answers and cosignatures.

use ledger::Policy;
use ledger::cosignature::CosignerKey;
use ledger::note::Note;
use ledger::witness::{AddCheckpoint, Answer, CONTENT_TYPE_SIZE, Latest};

/// A checkpoint of a public log with the cosignatures of two public witnesses.
const COSIGNED: &[u8] = include_bytes!("../corpus/cosignature/public");
/// One of those witnesses.
const WITNESS: &str = "witness.glasklar.is+90ad80e6+BLIQbbkGXsl/JeCcGIOSFnUabibY7YtB5IWlY9PRSYU2";

/// A policy that reads has a quorum that can be judged, and a mistake has a line that is there.
pub(crate) fn policy(bytes: &[u8]) {
    match Policy::parse(bytes) {
        Ok(policy) => {
            let judged = Note::parse(COSIGNED).map(|note| policy.judge(&note, None));
            assert!(matches!(judged, Ok(Ok(_))), "a sound checkpoint cannot be judged: {judged:?}");
        }
        Err(err) => {
            let lines = bytes.split_inclusive(|byte| *byte == b'\n').count().max(1);
            assert!((1..=lines).contains(&err.line), "line {} of {lines}", err.line);
        }
    }
}

/// A request has one written form, and nothing is cosigned that is not proven.
pub(crate) fn witness_request(bytes: &[u8]) {
    if let Ok(request) = AddCheckpoint::parse(bytes) {
        assert_eq!(request.to_body().as_bytes(), bytes, "a request has two written forms");
        let other = Latest { size: request.old_size, root: [7; 32] };
        // Only the empty tree is extended by any other: nobody knows a preimage of that root.
        assert!(request.old_size == 0 || request.judge(other).is_err(), "a made-up root was extended");
    }
}

/// Whatever a witness answers is read or refused; nothing but its own signature is a cosignature by it.
pub(crate) fn cosignature(bytes: &[u8]) {
    for (status, content_type) in [(200, None), (409, Some(CONTENT_TYPE_SIZE)), (422, None)] {
        if let Ok(Answer::Cosigned(lines)) = Answer::parse(status, content_type, bytes) {
            let written: String = lines.iter().map(ledger::note::NoteSignature::to_line).collect();
            assert_eq!(written.as_bytes(), bytes, "an answer has two written forms");
        }
    }
    let (Ok(note), Ok(key)) = (Note::parse(bytes), WITNESS.parse::<CosignerKey>()) else { return };
    let Ok(times) = key.times_on(&note) else { return };
    let signed = Note::parse(COSIGNED).is_ok_and(|sound| sound.text == note.text);
    assert!(times.is_empty() || signed, "a text that nobody cosigned is cosigned");
}
