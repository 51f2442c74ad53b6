//! Changing the signing key (LED-22): recorded under the old key, handed over by a checkpoint that both sign.
//!
//! The next key lies beside the current one until the database names it. Whatever moment this is stopped at,
//! the next start finds the key that the database names, and the next rotation goes on where this one was.

use std::fs;
use std::path::{Path, PathBuf};

use ledger::{EntryKind, Signer, VerifierKey};
use model::record::{AuditPhase, KeyRotated, LogEvent};
use serde_json::json;
use store::events::StoredEvent;
use store::log::StoredCheckpoint;
use zeroize::Zeroizing;

use crate::checkpoint::cut_signed;
use crate::context::{App, nonces, random};
use crate::error::{Error, Kind};
use crate::open::{key_error, read_seed, write_key};

/// Attempts to cut the checkpoint of the handover, each after another process covered the log first.
const CUTS_MAX: u32 = 20;

/// Returns where the next key lies until the log is handed over to it.
pub(crate) fn next_path(key_path: &Path) -> PathBuf {
    key_path.with_extension("key.next")
}

/// Puts the next key in the place of the current one.
pub(crate) fn promote(key_path: &Path) -> Result<(), Error> {
    fs::rename(next_path(key_path), key_path).map_err(|err| key_error(key_path, &err))?;
    let folder = key_path.parent().unwrap_or(Path::new("."));
    fs::File::open(folder).and_then(|folder| folder.sync_all()).map_err(|err| key_error(key_path, &err))
}

impl App {
    /// Hands the log over to a new key and returns its public key.
    ///
    /// # Errors
    /// When a key cannot be written, or other processes keep covering the log: nothing is lost then, and the
    /// next rotation goes on.
    pub async fn rotate_key(&self, reason: &str, old_revoked: bool) -> Result<String, Error> {
        if reason.trim().is_empty() {
            return Err(Error::new(Kind::Usage, "a rotation needs a reason"));
        }
        let key_path = &self.key_path;
        if !next_path(key_path).exists() {
            write_key(&next_path(key_path), &Zeroizing::new(random::<32>()))?;
        }
        let seed = read_seed(&next_path(key_path))?;
        let next = Signer::from_seed(&self.tenant.origin, &seed)
            .map_err(|err| Error::internal(format!("could not make a signing key: {err}")))?;
        let new_vkey = next.verifier().to_string();
        let rotated = LogEvent::KeyRotated(KeyRotated {
            old_vkey: self.tenant.vkey.clone(),
            new_vkey: new_vkey.clone(),
            old_revoked,
            reason: reason.to_owned(),
        });
        // One that was stopped half-way is gone on with. What it was not asked for, such as that the old key is revoked, is
        // recorded beside it.
        let newest = self.db.newest_event(&self.tenant, EntryKind::KeyRotated).await?;
        if newest.is_none_or(|newest| newest.record.event != rotated) {
            self.record(&[rotated], "ledger.key_rotated", &json!({"reason": reason})).await?;
        }
        for attempt in 0..CUTS_MAX {
            if cut_signed(self, Some(&next)).await? {
                promote(key_path)?;
                return Ok(new_vkey);
            }
            // Everything is covered already: one more entry makes room for a head that both keys sign.
            self.record(&[], "ledger.key_handover", &json!({"attempt": attempt})).await?;
        }
        let message = "other processes keep signing checkpoints; the new key is recorded and not in use yet";
        Err(Error::new(Kind::Conflict, message).hint("run `plumb ledger rotate-key` again"))
    }

    /// Returns the public keys of the log, the present one first.
    pub(crate) async fn keys(&self) -> Result<Vec<VerifierKey>, Error> {
        let rotations = self.db.list_events(&self.tenant, Some(EntryKind::KeyRotated)).await?;
        self.keys_of(rotations)
    }

    /// As [`App::keys`], of rotations that were read. A text that is no key is passed over: what it should have
    /// signed will not verify, and its row is not what was recorded.
    ///
    /// # Errors
    /// When the log's own key does not read.
    pub(crate) fn keys_of(&self, rotations: Vec<StoredEvent>) -> Result<Vec<VerifierKey>, Error> {
        let own = self.tenant.vkey.parse().map_err(|err| {
            Error::internal(format!("the public key of {} does not read: {err}", self.tenant.origin))
        })?;
        let mut keys = vec![own];
        for stored in rotations {
            if let LogEvent::KeyRotated(rotated) = stored.record.event
                && let Ok(old) = rotated.old_vkey.parse()
                && !keys.contains(&old)
            {
                keys.push(old);
            }
        }
        Ok(keys)
    }

    /// Returns the checkpoints that two keys signed: for each rotation, the first that covers it.
    pub(crate) async fn handovers(&self) -> Result<Vec<StoredCheckpoint>, Error> {
        let mut found: Vec<StoredCheckpoint> = Vec::new();
        for stored in self.db.list_events(&self.tenant, Some(EntryKind::KeyRotated)).await? {
            let first = self.db.first_checkpoint_over(&self.tenant, stored.index + 1).await?;
            found.extend(first.filter(|first| found.iter().all(|other| other.size != first.size)));
        }
        Ok(found)
    }

    /// Refuses to sign by the present key alone once an entry revoked it: such a checkpoint is found for ever. That is where
    /// a rotation was stopped before the handover, or another process handed over while this one ran.
    pub(crate) async fn refuse_revoked(&self) -> Result<(), Error> {
        let rotations = self.db.list_events(&self.tenant, Some(EntryKind::KeyRotated)).await?;
        let revoked = rotations.iter().find(|stored| {
            matches!(&stored.record.event, LogEvent::KeyRotated(rotated)
                if rotated.old_revoked && rotated.old_vkey == self.tenant.vkey)
        });
        let Some(revoked) = revoked else { return Ok(()) };
        let message =
            format!("entry {} revoked the signing key, and it signs nothing alone any more", revoked.index);
        Err(Error::new(Kind::Conflict, message)
            .hint("run `plumb ledger rotate-key` again, which goes on with a rotation that was stopped"))
    }

    /// Records events of the log with the audit record of the act.
    pub(crate) async fn record(
        &self,
        events: &[LogEvent],
        action: &str,
        detail: &serde_json::Value,
    ) -> Result<(), Error> {
        let audit = self.audit(action, AuditPhase::Event, format!("log:{}", self.tenant.log), detail)?;
        let by = (&self.tenant, &audit);
        Ok(self.db.append_events(by, events, self.now(), &mut nonces()).await?)
    }
}
