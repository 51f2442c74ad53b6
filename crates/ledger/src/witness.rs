//! The witness protocol (C2SP tlog-witness, `add-checkpoint`): the request, the answer, and what a witness
//! decides (LED-32, LED-33).
//!
//! It opens no socket and stores nothing: whoever serves it must store the new head durably before it answers,
//! and compare and store as one step. `sign-subtree` is optional there and not offered here.

mod answer;
mod request;
#[cfg(test)]
mod tests;

use crate::Hash;
use crate::checkpoint::TreeHead;
use crate::note::VerifierKey;
use crate::tree::{empty_root, verify_consistency};

pub use answer::{ANSWER_BYTES_MAX, Answer, AnswerError, CONTENT_TYPE_SIZE, Refusal};
pub use request::{AddCheckpoint, PROOF_LINES_MAX, REQUEST_BYTES_MAX, RequestError};

/// A log that a witness watches.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownLog {
    pub origin: String,
    /// One of them must have signed.
    pub keys: Vec<VerifierKey>,
}

/// The newest head of a log that a witness cosigned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Latest {
    pub size: u64,
    pub root: Hash,
}

impl Latest {
    /// Returns what stands for a log that was never cosigned.
    #[must_use]
    pub fn none() -> Self {
        Self { size: 0, root: empty_root() }
    }
}

impl AddCheckpoint {
    /// Finds the log that the checkpoint is of, and checks that the log signed it.
    ///
    /// # Errors
    /// [`Refusal::UnknownOrigin`] or [`Refusal::Signature`].
    pub fn authenticate<'l>(
        &self,
        logs: impl IntoIterator<Item = &'l KnownLog>,
    ) -> Result<&'l KnownLog, Refusal> {
        let log = logs.into_iter().find(|log| log.origin == self.head.origin);
        let log = log.ok_or(Refusal::UnknownOrigin)?;
        self.checkpoint.verify(&log.keys).map_err(|_err| Refusal::Signature)?;
        Ok(log)
    }

    /// Decides whether a head that its log signed may be cosigned, and returns it as the one to store.
    ///
    /// # Errors
    /// [`Refusal`] in the order in which the protocol names the checks.
    pub fn judge(&self, latest: Latest) -> Result<Latest, Refusal> {
        let TreeHead { size, root, .. } = self.head;
        if self.old_size > size {
            return Err(Refusal::Request(RequestError::OldSizeLarger));
        }
        if self.old_size != latest.size {
            return Err(Refusal::Conflict { size: latest.size });
        }
        let proven = match self.old_size {
            _ if size == 0 && root != empty_root() => false,
            // The empty tree is consistent with every tree; a proof would prove nothing.
            0 => self.proof.is_empty(),
            old => verify_consistency(old, size, &self.proof, &latest.root, &root).is_ok(),
        };
        if proven { Ok(Latest { size, root }) } else { Err(Refusal::Inconsistent) }
    }
}
