//! What every use case stands on: the database, the tenant, who acts, the clock and fresh randomness.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use ledger::Signer;
use model::record::{AuditPhase, AuditRecord};
use model::{AuditId, Timestamp};
use store::{Db, Login, Tenant};
use uuid::Uuid;

use crate::content::{Content, Source};
use crate::database::Database;
use crate::error::Error;
use crate::witness::ConfiguredPolicy;

/// Where "now" comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Clock {
    System,
    /// A story told about another day (`plumb demo`). Each reading is this instant.
    At(Timestamp),
}

impl Clock {
    /// Returns the instant.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the clock")]
    pub fn now(self) -> Timestamp {
        match self {
            Self::At(instant) => instant,
            Self::System => {
                let micros = match SystemTime::now().duration_since(UNIX_EPOCH) {
                    Ok(since) => i64::try_from(since.as_micros()).unwrap_or(i64::MAX),
                    Err(before) => i64::try_from(before.duration().as_micros()).map_or(i64::MIN, |us| -us),
                };
                Timestamp::from_micros(micros)
            }
        }
    }
}

/// How long records are kept at least, for each class. Days; 0 for ever. Entries are, whatever is said here (LED-38).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Retention {
    pub bodies_days: u32,
    /// From when the evidence was not current any more (TLW-33).
    pub evidence_days: u32,
    pub access_log_days: u32,
}

impl Retention {
    /// The shortest retention of evidence. Days.
    pub const EVIDENCE_DAYS_MIN: u32 = 90;
}

impl Default for Retention {
    fn default() -> Self {
        Self { bodies_days: 0, evidence_days: 0, access_log_days: 365 }
    }
}

/// Where things are and who acts. Filled in by the surface.
#[derive(Debug, Clone)]
pub struct Config {
    /// Holds `ledger.key`, and `plumb.db` unless there is another database.
    pub data_dir: PathBuf,
    /// Another database than the one in the data directory.
    pub database: Database,
    /// As whom to work on a server.
    pub login: Login,
    /// How long records are kept at least.
    pub retention: Retention,
    /// How far behind the newest entry that it covers a cosignature may be. Seconds.
    pub stamp_max_lag_seconds: u64,
    /// File on another trust domain that every checkpoint is appended to.
    pub anchor: Option<PathBuf>,
    /// Policy file with the witnesses of this log.
    pub policy: Option<PathBuf>,
    /// Rules from this directory instead of the shipped ones.
    pub content_dir: Option<PathBuf>,
    /// Values for variables of imported rules, by name.
    pub variables: Vec<(String, String)>,
    /// A profile to lay over the rules, and to run.
    pub tailoring: Option<PathBuf>,
    /// What the origin of a new log begins with, before `/<log id>`; the log that is there must have it. None for
    /// `plumbline.local`, or whatever it has.
    pub origin_prefix: Option<String>,
    /// Who acts: `local:<login name>`.
    pub actor: String,
    pub clock: Clock,
}

impl Config {
    /// Says which rules are in use.
    pub(crate) fn rules(&self) -> Source<'_> {
        Source {
            dir: self.content_dir.as_deref(),
            variables: &self.variables,
            tailoring: self.tailoring.as_deref(),
        }
    }
}

/// The opened product. Cheap to clone.
#[derive(Debug, Clone)]
pub struct App {
    pub(crate) db: Db,
    pub(crate) tenant: Tenant,
    /// None where nothing is written: in a copy that is verified, and for who reads without a key.
    pub(crate) signer: Option<std::sync::Arc<Signer>>,
    pub(crate) key_path: PathBuf,
    pub(crate) anchor: Option<PathBuf>,
    pub(crate) retention: Retention,
    pub(crate) stamp_max_lag_seconds: u64,
    pub(crate) policy: Option<std::sync::Arc<ConfiguredPolicy>>,
    pub(crate) content: std::sync::Arc<Content>,
    pub(crate) actor: String,
    pub(crate) clock: Clock,
    pub(crate) created: bool,
}

impl App {
    /// Returns the rules in use.
    #[must_use]
    pub fn content(&self) -> &Content {
        &self.content
    }

    /// Tells whether opening made a new database, log and key.
    #[must_use]
    pub const fn is_new(&self) -> bool {
        self.created
    }

    /// Tells whether witnesses are configured for this log.
    #[must_use]
    pub const fn has_policy(&self) -> bool {
        self.policy.is_some()
    }

    /// Returns the public key of the log.
    #[must_use]
    pub fn vkey(&self) -> &str {
        &self.tenant.vkey
    }

    /// Says for people where the database is.
    #[must_use]
    pub fn database(&self) -> String {
        self.db.place()
    }

    /// Ends all use of the database. What was written then stands in its one file, with nothing beside it that
    /// a copy of the file would miss.
    pub async fn close(&self) {
        self.db.close().await;
    }

    /// Returns the instant that this product takes for now.
    #[must_use]
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Makes an audit record of an act of this actor; the store fills in the recorded time.
    pub(crate) fn audit(
        &self,
        action: &str,
        phase: AuditPhase,
        subject: String,
        detail: &serde_json::Value,
    ) -> Result<AuditRecord, Error> {
        audit_record((&self.actor, self.now()), action, phase, (subject, detail))
    }
}

/// Makes an audit record of an act.
pub(crate) fn audit_record(
    (actor, now): (&str, Timestamp),
    action: &str,
    phase: AuditPhase,
    (subject, detail): (String, &serde_json::Value),
) -> Result<AuditRecord, Error> {
    let detail = ledger::canonical::to_bytes(detail)
        .map_err(|err| Error::internal(format!("could not write an audit record: {err}")))?;
    Ok(AuditRecord {
        audit_id: AuditId::new(new_uuid(now)),
        actor: actor.to_owned(),
        action: action.to_owned(),
        phase,
        decision: phase.decision().to_owned(),
        correlation_id: subject.clone(),
        subject,
        detail: String::from_utf8_lossy(&detail).into_owned(),
        recorded_at: now,
    })
}

/// Returns fresh random bytes.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    fill(&mut bytes);
    bytes
}

/// Fills in fresh random bytes. A machine without randomness cannot sign or name anything: it stops here.
#[expect(clippy::expect_used, reason = "without randomness no id, nonce or key may be made")]
fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives random bytes");
}

/// Returns a source of nonces.
pub(crate) fn nonces() -> impl FnMut() -> [u8; 16] + Send {
    store::append::nonces(fill)
}

/// Makes an id (UUID version 7).
pub(crate) fn new_uuid(now: Timestamp) -> Uuid {
    let millis = u64::try_from(now.as_micros() / 1000).unwrap_or(0);
    uuid::Builder::from_unix_timestamp_millis(millis, &random()).into_uuid()
}
