//! A witness: compares, stores and cosigns as one step, so that no log is ever rolled back (LED-33).

use std::collections::BTreeMap;
use std::io;
use std::sync::{Mutex, PoisonError};

use ledger::cosignature::Cosigner;
use ledger::note::{NOTE_BYTES_MAX, Note, NoteSignature};
use ledger::policy::TOLERANCE_SECONDS;
use ledger::witness::{AddCheckpoint, KnownLog, Refusal, RequestError};

use super::folder::{Folder, Memory};
use crate::error::Error;

/// Why a checkpoint was not cosigned.
#[derive(Debug, thiserror::Error)]
pub(super) enum Denied {
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error("could not store the checkpoint")]
    Store(#[source] io::Error),
    #[error("the clock is behind the last cosignature")]
    Clock,
}

/// Watches some logs.
pub(super) struct Witness {
    folder: Folder,
    cosigner: Cosigner,
    logs: BTreeMap<String, Watched>,
}

struct Watched {
    log: KnownLog,
    /// Held from the comparison until the new head is on the disk.
    memory: Mutex<Memory>,
}

impl Witness {
    pub(super) fn new(folder: Folder, cosigner: Cosigner, logs: Vec<KnownLog>) -> Result<Self, Error> {
        let mut watched = BTreeMap::new();
        for log in logs {
            let memory = Mutex::new(folder.load(&log.origin, &cosigner)?);
            watched.insert(log.origin.clone(), Watched { log, memory });
        }
        Ok(Self { folder, cosigner, logs: watched })
    }

    pub(super) fn cosigner(&self) -> &Cosigner {
        &self.cosigner
    }

    /// Decides about a request at a time, in seconds since 1970 UTC, and returns the cosignature's line.
    ///
    /// What it cosigned is on the disk when this returns.
    pub(super) fn add_checkpoint(&self, body: &[u8], now: u64) -> Result<String, Denied> {
        let request = AddCheckpoint::parse(body).map_err(Refusal::from)?;
        let watched = self.logs.get(&request.head.origin).ok_or(Refusal::UnknownOrigin)?;
        request.authenticate([&watched.log])?;
        // It is changed in one step after the store, so that it is whole even if a holder came to grief.
        let mut memory = watched.memory.lock().unwrap_or_else(PoisonError::into_inner);
        let latest = request.judge(memory.latest)?;
        let time = cosigning_time(now, memory.time).ok_or(Denied::Clock)?;
        let text = &request.checkpoint.text;
        // The time is in range and the text was read as a note's, so that nothing is left to refuse.
        let line = self.cosigner.cosign(text, time).map_err(|_err| Denied::Clock)?;
        let stored = stored_note(&request.checkpoint, &watched.log, line.clone())?;
        self.folder.store(&watched.log.origin, &stored).map_err(Denied::Store)?;
        *memory = Memory { latest, time };
        Ok(line.to_line())
    }

    /// Returns the newest cosigned checkpoint of the log whose origin has this SHA-256, in hexadecimal digits.
    pub(super) fn checkpoint(&self, origin_sha256: &str) -> io::Result<Option<Vec<u8>>> {
        self.folder.find(origin_sha256)
    }
}

/// Returns what is stored and shown: the checkpoint with one line of each key of its log, and ours.
fn stored_note(checkpoint: &Note, log: &KnownLog, ours: NoteSignature) -> Result<String, Refusal> {
    let mut signatures: Vec<NoteSignature> = Vec::new();
    for key in &log.keys {
        signatures.extend(checkpoint.signatures.iter().find(|line| key.is_named_by(line)).cloned());
    }
    signatures.push(ours);
    let text = Note { text: checkpoint.text.clone(), signatures }.to_text();
    // What is stored has to be readable again.
    if text.len() > NOTE_BYTES_MAX { Err(Refusal::Request(RequestError::TooLong)) } else { Ok(text) }
}

/// Returns the time of the next cosignature, which never is before the last one: a small step of the clock is
/// passed over, a large one means that the clock is wrong, now or then.
pub(super) fn cosigning_time(now: u64, last: u64) -> Option<u64> {
    (now > 0 && now.saturating_add(TOLERANCE_SECONDS) >= last).then_some(now.max(last))
}
