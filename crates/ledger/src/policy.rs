//! Policies (C2SP tlog-policy): which logs and witnesses are known, and how many cosignatures make a checkpoint
//! one that counts (LED-34).
//!
//! It fetches nothing and reads no clock. Keys of other types than Ed25519 are refused, not passed over.

mod parse;
#[cfg(test)]
mod tests;

use crate::checkpoint::{CheckpointError, SignedHead};
use crate::cosignature::CosignerKey;
use crate::note::{Note, NoteError, VerifierKey};

pub use parse::{
    GROUPS_MAX, LINE_BYTES_MAX, LOGS_MAX, POLICY_BYTES_MAX, PolicyError, PolicyProblem, WITNESSES_MAX,
};

/// How much earlier than the newest entry that it covers a cosignature may be (LED-35). Seconds.
pub const TOLERANCE_SECONDS: u64 = 300;
/// How much later than the newest entry that it covers a cosignature may be, unless set otherwise (LED-35). Seconds.
pub const LAG_SECONDS_DEFAULT: u64 = 86_400;
/// The least that this may be set to. Seconds.
pub const LAG_SECONDS_MIN: u64 = 60;
/// The most that this may be set to. Seconds. Who rewrites a log can rewrite what it declares, too: what is stamped
/// again later than this is found whatever the log says.
pub const LAG_SECONDS_MAX: u64 = 604_800;

/// Known logs, known witnesses, and the quorum.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    logs: Vec<Log>,
    witnesses: Vec<Witness>,
    groups: Vec<Group>,
    /// Nothing for `quorum none`.
    quorum: Option<Member>,
}

/// A log whose checkpoints are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Log {
    /// Its name is the log's origin.
    pub key: VerifierKey,
    pub url: Option<String>,
}

/// A witness, by the name that the file gives it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Witness {
    /// Means nothing outside the file. Bytes that are not UTF-8 are shown as replacement characters.
    pub name: String,
    pub key: CosignerKey,
    /// Where `add-checkpoint` is below (C2SP tlog-witness).
    pub url: Option<String>,
}

#[derive(Debug, Clone, PartialEq, Eq)]
struct Group {
    /// Members that must have witnessed.
    needed: usize,
    members: Vec<Member>,
}

/// A place in the lists of the policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Member {
    Witness(usize),
    /// Always one that was defined earlier, so that nothing is circular.
    Group(usize),
}

/// When a checkpoint's newest entry was written, and so when a cosignature of it must have been made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Window {
    /// Time of the newest entry that the checkpoint covers. Seconds since 1970 UTC.
    pub newest_entry: u64,
    /// Latest a cosignature may be behind that entry. Seconds; see [`LogEvents::lag_before`].
    ///
    /// [`LogEvents::lag_before`]: crate::verify::LogEvents::lag_before
    pub lag: u64,
}

impl Window {
    /// Tells where a cosignature's time lies.
    #[must_use]
    pub const fn judge(self, time: u64) -> Timing {
        if time < self.newest_entry.saturating_sub(TOLERANCE_SECONDS) {
            Timing::TooEarly
        } else if time > self.newest_entry.saturating_add(self.lag) {
            Timing::TooLate
        } else {
            Timing::InTime
        }
    }
}

/// Where the time of a cosignature lies, seen from the newest entry that it covers (LED-35).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Timing {
    InTime,
    /// More than [`TOLERANCE_SECONDS`] before that entry.
    TooEarly,
    /// Later than the lag allows: what is stamped again later does not count.
    TooLate,
    /// The time of that entry is not known, so nothing was compared.
    NotCompared,
}

impl Timing {
    pub(crate) const fn counts(self) -> bool {
        match self {
            Self::InTime | Self::NotCompared => true,
            Self::TooEarly | Self::TooLate => false,
        }
    }
}

/// A valid cosignature by a witness of the policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cosigned {
    pub witness: Witness,
    /// Seconds since 1970 UTC.
    pub time: u64,
    /// A verifier reports any other than [`Timing::InTime`] and [`Timing::NotCompared`] as `stamp_window`.
    pub timing: Timing,
}

/// What a policy says of a checkpoint's cosignatures.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// True when those who cosigned in time are enough. Below it, a verifier reports `witness_quorum`.
    pub satisfied: bool,
    /// Every valid cosignature by a witness of the policy, in the order of the policy.
    pub cosigned: Vec<Cosigned>,
}

impl Verdict {
    /// Returns the cosignatures that count: those that are not out of time.
    pub fn counting(&self) -> impl Iterator<Item = &Cosigned> {
        self.cosigned.iter().filter(|one| one.timing.counts())
    }
}

impl Policy {
    /// Reads a policy file.
    ///
    /// # Errors
    /// [`PolicyError`] with the number of the line that is wrong.
    pub fn parse(bytes: &[u8]) -> Result<Self, PolicyError> {
        parse::parse(bytes)
    }

    /// Returns the logs, in the order of the file. It may name none, where the log is known otherwise.
    #[must_use]
    pub fn logs(&self) -> &[Log] {
        &self.logs
    }

    /// Returns the keys of the logs.
    #[must_use]
    pub fn log_keys(&self) -> Vec<VerifierKey> {
        self.logs.iter().map(|log| log.key.clone()).collect()
    }

    /// Returns the witnesses, in the order of the file.
    #[must_use]
    pub fn witnesses(&self) -> &[Witness] {
        &self.witnesses
    }

    /// Tells whether the file says `quorum none`: no cosignature is needed.
    #[must_use]
    pub const fn needs_no_witness(&self) -> bool {
        self.quorum.is_none()
    }

    /// Checks a signed checkpoint: one of the policy's logs signed it, and the quorum says whether enough
    /// witnesses did.
    ///
    /// `window` is nothing where the newest entry is not known; then no time is compared.
    ///
    /// # Errors
    /// [`CheckpointError`] when it is malformed, no log of the policy signed it, or a signature or cosignature
    /// of a known key is bad.
    pub fn check(
        &self,
        checkpoint: &[u8],
        window: Option<Window>,
    ) -> Result<(SignedHead, Verdict), CheckpointError> {
        let head = crate::checkpoint::open(checkpoint, &self.log_keys())?;
        let verdict = self.judge(&Note::parse(checkpoint)?, window)?;
        Ok((head, verdict))
    }

    /// Judges the cosignatures of a checkpoint whose log signature the caller has checked.
    ///
    /// Lines by keys that the policy does not name are passed over.
    ///
    /// # Errors
    /// [`NoteError::BadSignature`] when a line by a witness of the policy does not verify.
    pub fn judge(&self, note: &Note, window: Option<Window>) -> Result<Verdict, NoteError> {
        let mut cosigned = Vec::new();
        let mut witnessed = vec![false; self.witnesses.len()];
        for (witness, seen) in self.witnesses.iter().zip(&mut witnessed) {
            for time in witness.key.times_on(note)? {
                let timing = window.map_or(Timing::NotCompared, |window| window.judge(time));
                *seen |= timing.counts();
                cosigned.push(Cosigned { witness: witness.clone(), time, timing });
            }
        }
        Ok(Verdict { satisfied: self.is_satisfied(&witnessed), cosigned })
    }

    /// Tells whether the witnesses marked in `witnessed` are a quorum.
    fn is_satisfied(&self, witnessed: &[bool]) -> bool {
        let mut groups: Vec<bool> = Vec::with_capacity(self.groups.len());
        let has = |groups: &[bool], member: Member| match member {
            Member::Witness(at) => witnessed.get(at).copied().unwrap_or_default(),
            Member::Group(at) => groups.get(at).copied().unwrap_or_default(),
        };
        for group in &self.groups {
            let count = group.members.iter().filter(|member| has(&groups, **member)).count();
            groups.push(count >= group.needed);
        }
        self.quorum.is_none_or(|member| has(&groups, member))
    }
}
