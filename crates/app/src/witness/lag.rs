//! How far the witnessed head is behind the newest checkpoint, and since when (LED-32). Asks no witness.

use std::collections::BTreeMap;

use ledger::note::{Note, NoteSignature};
use ledger::verify::{LogEvents, WitnessLag};
use store::cosignatures::StoredCosignature;

use crate::context::App;
use crate::error::Error;

/// How long checkpoints may wait for their quorum before it is an alarm. Seconds.
pub const ALARM_SECONDS: u64 = 600;

impl App {
    /// Returns how far the newest checkpoint with a quorum is behind; nothing where no witness is needed.
    ///
    /// # Errors
    /// When the database cannot be read. What does not read as a checkpoint or a cosignature counts as none.
    pub async fn witness_lag(&self) -> Result<Option<WitnessLag>, Error> {
        self.witness_lag_under(&self.declared().await?).await
    }

    /// As [`App::witness_lag`]; `events` say how late cosignatures may be.
    pub(crate) async fn witness_lag_under(&self, events: &LogEvents) -> Result<Option<WitnessLag>, Error> {
        if self.policy.as_ref().is_none_or(|configured| configured.policy.needs_no_witness()) {
            return Ok(None);
        }
        let mut by_size: BTreeMap<u64, Vec<StoredCosignature>> = BTreeMap::new();
        for stored in self.db.list_every_cosignature(&self.tenant).await? {
            by_size.entry(stored.size).or_default().push(stored);
        }
        let mut size = 0;
        for (of, lines) in by_size.iter().rev() {
            if self.is_witnessed((*of, events.lag_before(*of)), lines).await? {
                size = *of;
                break;
            }
        }
        let waiting = self.db.first_checkpoint_over(&self.tenant, size + 1).await?;
        let Some(since) = waiting.map(|waiting| waiting.created_at) else {
            return Ok(Some(WitnessLag { size, since: None, seconds: 0, alarm: false }));
        };
        let seconds = u64::try_from(self.now().micros_since(since) / 1_000_000).unwrap_or_default();
        Ok(Some(WitnessLag { size, since: Some(since.to_string()), seconds, alarm: seconds > ALARM_SECONDS }))
    }

    async fn is_witnessed(
        &self,
        (size, lag): (u64, u64),
        lines: &[StoredCosignature],
    ) -> Result<bool, Error> {
        let Some(configured) = &self.policy else { return Ok(false) };
        let checkpoint = self.db.find_checkpoint(&self.tenant, size).await?;
        let Some(mut note) = checkpoint.and_then(|stored| Note::parse(&stored.note).ok()) else {
            return Ok(false);
        };
        let lines = lines.iter().filter_map(|stored| stored.line.strip_suffix('\n'));
        note.signatures.extend(lines.filter_map(NoteSignature::parse));
        let window = self.readable_window(size, lag).await?;
        Ok(configured.policy.judge(&note, window).is_ok_and(|verdict| verdict.satisfied))
    }
}
