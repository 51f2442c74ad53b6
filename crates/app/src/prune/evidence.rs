//! Evidence that no current result rests on leaves the database after its retention; the log says what went and by
//! which retention (TLW-33). What is measured again comes back.

use std::collections::BTreeSet;

use model::record::{AuditPhase, BodyErased, ErasedBlob};
use model::{Digest, HostId};
use serde_json::json;
use store::retention::{Expired, Expiry};

use crate::context::{App, nonces};
use crate::erase::EVERYTHING;
use crate::error::{Error, Kind};

/// Blobs that are removed at a time.
const BATCH: u32 = 200;
/// Most erasures of a log that retention may bring it to: half of what a log may have ([`store::events::EVENTS_MAX`]),
/// so that as many again are left for those that somebody asks for.
const REMOVALS_MAX: usize = 50_000;

/// What became of old evidence.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Removed {
    pub blobs: Vec<Digest>,
    /// How many a hold protects.
    pub held: u64,
    /// True when there is more, and the log takes no more such entries.
    pub is_full: bool,
}

impl App {
    /// Removes the evidence that has not been current for as long as its retention says, but for what a hold
    /// protects, and what only logs name that have ended.
    pub(super) async fn prune_evidence(&self, approval: (&str, &str)) -> Result<Removed, Error> {
        let days = self.retention.evidence_days;
        let holds = self.held_evidence().await?;
        let mut removed = Removed::default();
        let mut room = REMOVALS_MAX.saturating_sub(self.db.list_erasures(&self.tenant).await?.len());
        let mut expiry = Expiry {
            before: self.oldest_kept(days),
            first_position: self.first_position().await?,
            after: String::new(),
            limit: BATCH,
        };
        loop {
            let page = self.db.list_expired(&self.tenant, &expiry).await?;
            let Some(last) = page.last() else { return Ok(removed) };
            expiry.after = last.sha256.to_string();
            let found = page.len();
            let mut going: Vec<Expired> = page.into_iter().filter(|one| !holds.protect(one.sha256)).collect();
            removed.held += (found - going.len()) as u64;
            removed.is_full = going.len() > room;
            going.truncate(room);
            room -= going.len();
            self.remove(&going, &expiry, approval).await?;
            removed.blobs.extend(going.iter().map(|one| one.sha256));
            if removed.is_full {
                return Ok(removed);
            }
        }
    }

    async fn remove(
        &self,
        going: &[Expired],
        expiry: &Expiry,
        (reason, approved_by): (&str, &str),
    ) -> Result<(), Error> {
        if going.is_empty() {
            return Ok(());
        }
        let days = self.retention.evidence_days;
        let erased = |one: &Expired| BodyErased {
            erased_index: one.named_at - expiry.first_position,
            blob: ErasedBlob::Evidence,
            erased_sha256: one.sha256,
            erased_size: Some(one.byte_size),
            retention_days: Some(days),
            reason: reason.to_owned(),
            approved_by: approved_by.to_owned(),
        };
        let erasures: Vec<BodyErased> = going.iter().map(erased).collect();
        let detail = json!({"reason": reason, "approved_by": approved_by, "blobs": going.len(),
            "retention_days": days});
        let audit =
            self.audit("ledger.evidence_pruned", AuditPhase::Event, "evidence".to_owned(), &detail)?;
        let what = (expiry.before, &erasures[..]);
        if self.db.remove_expired((&self.tenant, &audit), what, self.now(), &mut nonces()).await? {
            return Ok(());
        }
        let message = "old evidence was measured again meanwhile; nothing more was removed";
        Err(Error::new(Kind::Conflict, message).hint("run it again"))
    }

    /// Returns what holds protect.
    async fn held_evidence(&self) -> Result<Held, Error> {
        let mut held = Held::default();
        for hold in self.holds().await?.into_values() {
            if hold.subject == EVERYTHING {
                held.is_all = true;
            }
            let host = hold.subject.strip_prefix("host:").and_then(|id| id.parse::<HostId>().ok());
            if let Some(host) = host {
                held.evidence.extend(self.db.evidence_of(&self.tenant, host).await?);
            }
        }
        Ok(held)
    }
}

/// Evidence that holds protect.
#[derive(Debug, Default)]
struct Held {
    is_all: bool,
    evidence: BTreeSet<Digest>,
}

impl Held {
    fn protect(&self, sha256: Digest) -> bool {
        self.is_all || self.evidence.contains(&sha256)
    }
}
