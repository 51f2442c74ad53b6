//! Has the newest checkpoint cosigned by the witnesses of a policy (LED-32). A witness that does not answer
//! delays nothing but the witnessed head, and what is signed by 2 seconds.

use std::time::Duration;

use ledger::Hash;
use ledger::cosignature::CosignerKey;
use ledger::entry::Entry;
use ledger::note::{NOTE_BYTES_MAX, Note, NoteSignature};
use ledger::policy::{Timing, Window};
use ledger::proof::{consistency_from_tiles, consistency_tiles};
use ledger::witness::{ANSWER_BYTES_MAX, AddCheckpoint, Answer};
use model::Timestamp;
use store::cosignatures::StoredCosignature;
use store::log::StoredCheckpoint;
use tokio::task::JoinSet;
use tokio::time::timeout;

use super::http;
use crate::context::App;
use crate::error::Error;

/// How long a head waits for what a witness shows, before it is signed without that.
const LOOK_MAX: Duration = Duration::from_secs(2);
/// Most requests to one witness for one checkpoint: one with what we know, two that catch up with what it says.
const TRIES_MAX: usize = 3;

/// What a witness did with a checkpoint.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    Cosigned {
        /// Seconds since 1970 UTC.
        time: u64,
    },
    /// It did not answer, or not as the protocol says.
    Unreachable(String),
    /// Another process of this log had a newer checkpoint cosigned meanwhile.
    Overtaken,
    /// It refused with this HTTP status.
    Refused(u16),
    /// It has seen a larger log: this one was set back.
    Behind { size: u64 },
    /// It has seen another history of this log.
    Inconsistent,
    /// Its time is wrong (LED-35): the cosignature does not count and is not kept. Says why.
    OutOfTime(&'static str),
}

impl Outcome {
    /// Tells whether the witness has seen what this log does not hold: then the log forked or was set back.
    #[must_use]
    pub const fn is_alarming(&self) -> bool {
        match self {
            Self::Behind { .. } | Self::Inconsistent => true,
            Self::Cosigned { .. }
            | Self::Overtaken
            | Self::Unreachable(_)
            | Self::Refused(_)
            | Self::OutOfTime(_) => false,
        }
    }
}

/// What came of asking one witness.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Submitted {
    /// Its name in the policy.
    pub witness: String,
    /// Size of the checkpoint.
    pub size: u64,
    pub outcome: Outcome,
}

impl Submitted {
    /// Returns the line for the operator; nothing when all is well.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let Self { witness, size, outcome } = self;
        match outcome {
            Outcome::Cosigned { .. } | Outcome::Overtaken => None,
            Outcome::Unreachable(why) => {
                Some(format!("warning: witness {witness} did not cosign {size} entries: {why}"))
            }
            Outcome::Refused(status) => {
                Some(format!("warning: witness {witness} did not cosign {size} entries: status {status}"))
            }
            Outcome::OutOfTime(why) => {
                Some(format!("warning: the cosignature of witness {witness} does not count: {why}"))
            }
            Outcome::Behind { size: seen } => Some(format!(
                "rollback_detected: witness {witness} has seen {seen} entries of this log, which has {size}"
            )),
            Outcome::Inconsistent => Some(format!(
                "checkpoint_inconsistent: witness {witness} has seen another history of this log than the {size} \
                 entries here"
            )),
        }
    }
}

impl App {
    /// Submits the newest checkpoint to each witness of the policy that has a URL and did not cosign it yet, and
    /// stores what they give. Does nothing where no policy is configured.
    ///
    /// # Errors
    /// When the database cannot be used. What a witness does is an outcome, not an error.
    pub async fn witness(&self) -> Result<Vec<Submitted>, Error> {
        // Who has no key does not speak for the log, and stores nothing.
        let Some(configured) = self.policy.as_ref().filter(|_policy| self.signer.is_some()) else {
            return Ok(Vec::new());
        };
        let policy = &configured.policy;
        let Some(newest) = self.db.list_checkpoints(&self.tenant, 1).await?.pop() else {
            return Ok(Vec::new());
        };
        let note = Note::parse(&newest.note)
            .map_err(|err| Error::internal(format!("the newest checkpoint does not read: {err}")))?;
        let window = self.window(newest.size).await?;
        let mut tasks = JoinSet::new();
        for witness in policy.witnesses() {
            let Some(url) = witness.url.clone() else { continue };
            let known = self
                .db
                .newest_cosigned(&self.tenant, witness.key.name(), &witness.key.id().to_string())
                .await?;
            if known == Some(newest.size) {
                continue;
            }
            let asked = Asked {
                app: self.clone(),
                url,
                key: witness.key.clone(),
                note: note.clone(),
                size: newest.size,
                window,
            };
            let name = witness.name.clone();
            tasks.spawn(async move { (name, asked.run(known.unwrap_or(0)).await) });
        }
        let mut all = Vec::new();
        while let Some(done) = tasks.join_next().await {
            let (witness, outcome) =
                done.map_err(|err| Error::internal(format!("a submission ended early: {err}")))?;
            all.push(Submitted { witness, size: newest.size, outcome: outcome? });
        }
        all.sort_by(|left, right| left.witness.cmp(&right.witness));
        Ok(all)
    }

    /// Looks, before a head is signed, at what each witness of the policy cosigned last: after a restore that may be a head
    /// of this log which it does not have, and then is kept (LED-19). One that does not answer says nothing.
    ///
    /// # Errors
    /// When the database cannot be read or a head not be kept.
    pub(crate) async fn look_at_witnesses(&self) -> Result<(), Error> {
        let Some(configured) = &self.policy else { return Ok(()) };
        let mut tasks = JoinSet::new();
        for url in configured.policy.witnesses().iter().filter_map(|witness| witness.url.clone()) {
            let app = self.clone();
            tasks.spawn(async move {
                match timeout(LOOK_MAX, shown(&app, &url)).await {
                    Ok(Some(note)) => app.keep_seen(&note).await,
                    Ok(None) | Err(_) => Ok(false),
                }
            });
        }
        while let Some(done) = tasks.join_next().await {
            done.map_err(|err| Error::internal(format!("a look at a witness ended early: {err}")))??;
        }
        Ok(())
    }

    /// Returns a checkpoint with the cosignatures that are stored for it, by name and id of their keys.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn cosigned_note(&self, checkpoint: &StoredCheckpoint) -> Result<Vec<u8>, Error> {
        let mut note = checkpoint.note.clone();
        for cosignature in self.db.list_cosignatures(&self.tenant, checkpoint.size).await? {
            note.extend(cosignature.line.bytes());
        }
        Ok(note)
    }

    /// Returns when cosignatures of the head of this size count; nothing for an empty log.
    pub(crate) async fn window(&self, size: u64) -> Result<Option<Window>, Error> {
        let lag = self.declared().await?.lag_before(size);
        let window = self.readable_window(size, lag).await?;
        if window.is_none() && size > 0 {
            return Err(Error::internal(format!("entry {} of the log does not read", size - 1)));
        }
        Ok(window)
    }

    /// As [`App::window`]; nothing where the newest entry does not read, too, so that times are not compared.
    pub(crate) async fn readable_window(&self, size: u64, lag: u64) -> Result<Option<Window>, Error> {
        let Some(last) = size.checked_sub(1) else { return Ok(None) };
        let entry = self.db.list_entries(&self.tenant, (last, 1)).await?.pop();
        let at = entry
            .and_then(|stored| Entry::parse(&stored.entry).ok())
            .and_then(|entry| entry.at.parse::<Timestamp>().ok());
        let newest_entry = at.and_then(|at| u64::try_from(at.as_micros() / 1_000_000).ok());
        Ok(newest_entry.map(|newest_entry| Window { newest_entry, lag }))
    }
}

/// Returns what a witness shows of this log; nothing when it shows nothing.
async fn shown(app: &App, url: &str) -> Option<Vec<u8>> {
    let origin = ledger::hex::encode(&ledger::sha256(app.tenant.origin.as_bytes()));
    let reply = http::get(url, &format!("/{origin}/checkpoint"), NOTE_BYTES_MAX).await;
    reply.ok().filter(|reply| reply.status == 200).map(|reply| reply.body.to_vec())
}

/// One witness that is asked about one checkpoint.
struct Asked {
    app: App,
    url: String,
    key: CosignerKey,
    note: Note,
    size: u64,
    window: Option<Window>,
}

impl Asked {
    /// Asks, and catches up from where the witness says it is.
    async fn run(&self, known: u64) -> Result<Outcome, Error> {
        let mut old = known.min(self.size);
        for _try in 0..TRIES_MAX {
            let request = AddCheckpoint::new(old, self.proof(old).await?, self.note.clone())
                .map_err(|err| Error::internal(format!("could not write a request: {err}")))?;
            let answer = match self.send(&request).await {
                Ok(answer) => answer,
                Err(why) => return Ok(Outcome::Unreachable(why)),
            };
            match answer {
                Answer::Cosigned(lines) => return self.keep(&lines).await,
                Answer::Conflict { size } if size > self.size => return self.behind(size).await,
                Answer::Conflict { size } => old = size,
                Answer::Refused { status: 422 } => {
                    self.look().await?;
                    return Ok(Outcome::Inconsistent);
                }
                Answer::Refused { status } => return Ok(Outcome::Refused(status)),
            }
        }
        Ok(Outcome::Unreachable("it names another size with each answer".to_owned()))
    }

    /// Says what a larger size means: that this process was overtaken, or that the log was set back.
    async fn behind(&self, size: u64) -> Result<Outcome, Error> {
        let proven = self.look().await?;
        let known = self.app.db.find_checkpoint(&self.app.tenant, size).await?.is_some();
        Ok(if known && !proven { Outcome::Overtaken } else { Outcome::Behind { size } })
    }

    /// Looks at the head that the witness cosigned. True when this log signed it and does not have it; then it is
    /// kept. A witness that does not show it accuses without proof, and signing goes on.
    async fn look(&self) -> Result<bool, Error> {
        match shown(&self.app, &self.url).await {
            Some(note) => self.app.keep_seen(&note).await,
            None => Ok(false),
        }
    }

    async fn send(&self, request: &AddCheckpoint) -> Result<Answer, String> {
        let reply = http::post(&self.url, "/add-checkpoint", request.to_body(), ANSWER_BYTES_MAX);
        let reply = reply.await.map_err(|err| err.to_string())?;
        Answer::parse(reply.status, reply.content_type.as_deref(), &reply.body).map_err(|err| err.to_string())
    }

    async fn proof(&self, old: u64) -> Result<Vec<Hash>, Error> {
        if old == 0 || old == self.size {
            return Ok(Vec::new());
        }
        let tiles = self.app.db.read_tiles(&self.app.tenant, consistency_tiles(old, self.size)).await?;
        let broken = || Error::internal("a tile of the log is missing");
        let hashes = consistency_from_tiles(old, self.size, &tiles).map_err(|_err| broken())?;
        hashes.ok_or_else(broken)
    }

    /// Returns the time of the newest stored cosignature of the witness.
    async fn last_time(&self) -> Result<Option<u64>, Error> {
        let Some(size) = self.newest_cosigned().await? else { return Ok(None) };
        let lines = self.app.db.list_cosignatures(&self.app.tenant, size).await?;
        let checkpoint = self.app.db.find_checkpoint(&self.app.tenant, size).await?;
        let note = checkpoint.and_then(|stored| Note::parse(&stored.note).ok());
        Ok(note.and_then(|note| {
            let lines =
                lines.iter().filter_map(|stored| NoteSignature::parse(stored.line.trim_end_matches('\n')));
            lines.filter_map(|line| self.key.verify(&note.text, &line)).max()
        }))
    }

    async fn newest_cosigned(&self) -> Result<Option<u64>, Error> {
        let (name, id) = (self.key.name(), self.key.id().to_string());
        Ok(self.app.db.newest_cosigned(&self.app.tenant, name, &id).await?)
    }

    /// Stores the cosignature of the witness; lines of others are passed over.
    async fn keep(&self, lines: &[NoteSignature]) -> Result<Outcome, Error> {
        let valid = lines.iter().find_map(|line| Some((line, self.key.verify(&self.note.text, line)?)));
        let Some((line, time)) = valid else {
            return Ok(Outcome::Unreachable("it answered without a valid cosignature by its key".to_owned()));
        };
        let timing = self.window.map_or(Timing::NotCompared, |window| window.judge(time));
        match timing {
            Timing::InTime | Timing::NotCompared => {}
            Timing::TooEarly | Timing::TooLate => {
                return Ok(Outcome::OutOfTime("its time is too far from the newest entry"));
            }
        }
        if self.last_time().await?.is_some_and(|last| time < last) {
            return Ok(Outcome::OutOfTime("its time is before that of a smaller checkpoint"));
        }
        let stored = StoredCosignature {
            size: self.size,
            key_name: self.key.name().to_owned(),
            key_id: self.key.id().to_string(),
            line: line.to_line(),
            received_at: self.app.now(),
        };
        self.app.db.store_cosignature(&self.app.tenant, &stored).await?;
        Ok(Outcome::Cosigned { time })
    }
}
