//! What happened to the log itself, for people to read, and what a start of this program promises (LED-30).

use std::fs;
use std::io::Read as _;
use std::path::Path;

use ledger::EntryKind;
use ledger::policy::LAG_SECONDS_DEFAULT;
use ledger::verify::LogEvents;
use model::Digest;
use model::record::{Configured, LogEvent, Started};
use sha2::{Digest as _, Sha256};
use store::events::StoredEvent;

use crate::context::{App, Retention};
use crate::error::{Error, Kind};

/// Bytes of the program's file that are hashed at a time.
const CHUNK_BYTES: usize = 1 << 20;

impl App {
    /// Lists what happened to the log itself and to those that it goes on with, oldest first; entries are counted
    /// on through them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn ledger_events(&self) -> Result<Vec<StoredEvent>, Error> {
        let mut events = Vec::new();
        for log in self.db.list_logs(self.tenant.id).await? {
            let listed = self.db.list_events(&log.tenant, None).await?.into_iter();
            events
                .extend(listed.map(|event| StoredEvent { index: log.first_position + event.index, ..event }));
        }
        Ok(events)
    }

    /// Records what this program is, which evidence it leaves and how long it keeps what, unless the newest records
    /// of it say the same.
    ///
    /// # Errors
    /// When the program's file cannot be read or the record not be written.
    pub async fn record_start(&self) -> Result<(), Error> {
        let started = Started { binary_sha256: binary_digest()?, ..self.promises() };
        let configured = self.kept();
        let mut events = Vec::new();
        if self.newest_start().await?.as_ref() != Some(&started) {
            events.push(LogEvent::Started(started));
        }
        if self.newest_config().await?.as_ref() != Some(&configured) {
            events.push(LogEvent::Configured(configured));
        }
        if events.is_empty() {
            return Ok(());
        }
        let detail = serde_json::json!({"version": env!("CARGO_PKG_VERSION")});
        self.record(&events, "ledger.started", &detail).await
    }

    /// Records a start where what is promised differs from what was promised last. Where nothing was ever
    /// promised but what goes without saying, nothing is recorded. The program's file is not looked at for that:
    /// reading and hashing it would cost a command more than its work.
    pub(crate) async fn note_start(&self) -> Result<(), Error> {
        let newest = self.newest_start().await?;
        let now = self.promises();
        let same = match newest {
            Some(newest) => Started { binary_sha256: now.binary_sha256, ..newest } == now,
            None => {
                !now.expects_anchor
                    && now.policy_sha256.is_none()
                    && self.retention == Retention::default()
                    && self.stamp_max_lag_seconds == LAG_SECONDS_DEFAULT
            }
        };
        if same { Ok(()) } else { self.record_start().await }
    }

    async fn newest_start(&self) -> Result<Option<Started>, Error> {
        let newest = self.db.newest_event(&self.tenant, EntryKind::LogStarted).await?;
        let Some(LogEvent::Started(started)) = newest.map(|stored| stored.record.event) else {
            return Ok(None);
        };
        Ok(Some(started))
    }

    async fn newest_config(&self) -> Result<Option<Configured>, Error> {
        let newest = self.db.newest_event(&self.tenant, EntryKind::LogConfig).await?;
        let Some(LogEvent::Configured(configured)) = newest.map(|stored| stored.record.event) else {
            return Ok(None);
        };
        Ok(Some(configured))
    }

    /// Returns what starts declared, as far as it says how late cosignatures may be (LED-35).
    pub(crate) async fn declared(&self) -> Result<LogEvents, Error> {
        let starts = self.db.list_events(&self.tenant, Some(EntryKind::LogStarted)).await?;
        let lags = starts.into_iter().filter_map(|stored| {
            let LogEvent::Started(started) = stored.record.event else { return None };
            Some((stored.index, started.stamp_max_lag_seconds.unwrap_or(LAG_SECONDS_DEFAULT)))
        });
        Ok(LogEvents { lags: lags.collect(), ..LogEvents::default() })
    }

    /// Says what this program promises; its digest is filled in where it matters.
    fn promises(&self) -> Started {
        Started {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            binary_sha256: Digest([0; 32]),
            schema_version: store::SCHEMA_VERSION,
            expects_anchor: self.anchor.is_some(),
            policy_sha256: self.policy.as_ref().map(|policy| policy.sha256),
            retention_bodies_days: self.retention.bodies_days,
            retention_evidence_days: Some(self.retention.evidence_days),
            retention_access_log_days: Some(self.retention.access_log_days),
            stamp_max_lag_seconds: Some(self.stamp_max_lag_seconds),
        }
    }

    /// Says how long records are kept.
    fn kept(&self) -> Configured {
        Configured {
            retention_bodies_days: self.retention.bodies_days,
            retention_evidence_days: self.retention.evidence_days,
            retention_access_log_days: self.retention.access_log_days,
        }
    }
}

/// Returns the SHA-256 of this program's file.
fn binary_digest() -> Result<Digest, Error> {
    let unreadable = |err: std::io::Error| {
        Error::new(Kind::Unavailable, format!("could not read this program's own file: {err}"))
    };
    let mut file = fs::File::open(Path::new("/proc/self/exe")).map_err(unreadable)?;
    let (mut hash, mut chunk) = (Sha256::new(), vec![0; CHUNK_BYTES]);
    loop {
        match file.read(&mut chunk).map_err(unreadable)? {
            0 => return Ok(Digest(hash.finalize().into())),
            read => hash.update(&chunk[..read]),
        }
    }
}
