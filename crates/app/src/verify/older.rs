//! Verifying the logs that the current one goes on with (LED-39): what the database still has of them.

use ledger::verify::{Continuation, Place, Verifier};
use ledger::{Finding, FindingCode, TreeHead, VerifierKey};

use super::ahead::Archive;
use super::check_revoked;
use super::rows::Commitments;
use super::tiles::TileCheck;
use crate::context::App;
use crate::continued::Chapter;
use crate::error::Error;

/// A head from the anchor, and where it stands.
type Anchored = (TreeHead, Place);

impl App {
    /// Returns the keys that heads of each older log may be signed by.
    pub(crate) async fn older_keys(
        &self,
        chapters: &[Chapter],
    ) -> Result<Vec<(Continuation, Vec<VerifierKey>)>, Error> {
        let mut older = Vec::new();
        for continuation in chapters.iter().filter_map(|chapter| chapter.continues.clone()) {
            let mut keys = vec![continuation.key.clone()];
            let stored = chapters.iter().find(|chapter| chapter.tenant.origin == continuation.head.origin);
            if let Some(stored) = stored {
                keys.extend(self.over(&stored.tenant).keys().await?);
            }
            older.push((continuation, keys));
        }
        Ok(older)
    }

    /// Verifies each log that the current one goes on with, as far as it is here, and reports how far that is.
    pub(super) async fn verify_older(
        &self,
        chapters: &[Chapter],
        anchored: &[Anchored],
        (verifier, commitments): (&mut Verifier, &mut Commitments),
    ) -> Result<(), Error> {
        let mut done = Vec::new();
        for (nth, chapter) in chapters.iter().enumerate().rev() {
            let Some(continuation) = &chapter.continues else { continue };
            let heads = anchored.iter().filter(|(head, _place)| head.origin == continuation.head.origin);
            let heads: Vec<&Anchored> = heads.collect();
            for (head, place) in &heads {
                if let Some(finding) = continuation.judge(head, FindingCode::AnchorMismatch) {
                    verifier.add(finding.at(place));
                }
            }
            let before = nth.checked_sub(1).and_then(|nth| chapters.get(nth));
            let before = before.filter(|before| before.tenant.origin == continuation.head.origin);
            let present = before.map_or(0, |_before| continuation.kept);
            let account = continuation.account(present, before.is_some());
            verifier.report_mut().continues.push(account);
            if let Some(before) = before {
                let app = self.over(&before.tenant);
                let into = (before.first_position, &mut *commitments);
                done.push((before, app.verify_ended(continuation, &heads, into).await?));
            }
        }
        // What one log erased may be named by entries of another.
        for (_chapter, older) in &done {
            verifier.also_erased(older.erased());
        }
        for (chapter, mut older) in done {
            older.also_erased(verifier.erased());
            let report = older.finish();
            for finding in report.findings {
                let detail = format!("in {}: {}", chapter.tenant.origin, finding.detail);
                verifier.add(Finding { detail, ..finding });
            }
        }
        Ok(())
    }

    /// Verifies a log that has ended against what its successor says of it.
    async fn verify_ended(
        &self,
        continuation: &Continuation,
        anchored: &[&Anchored],
        (first_position, commitments): (u64, &mut Commitments),
    ) -> Result<Verifier, Error> {
        let (mut verifier, keys) = self.begin_verification().await?;
        let (covered, signed) = self.expect_heads(&keys, &mut verifier).await?;
        let is_kept = |(size, _keys): &(u64, Vec<VerifierKey>)| *size == continuation.kept;
        let mut vouched = continuation.kept == 0 || signed.iter().any(is_kept);
        // Behind the entries that were kept, others have taken the place of those that are missing.
        for (head, place) in anchored.iter().filter(|(head, _place)| head.size <= continuation.kept) {
            vouched |= head.size == continuation.kept;
            verifier.expect_anchored(head, place);
        }
        if continuation.head.size <= continuation.kept {
            vouched = true;
            verifier.expect_head(&continuation.head, &Place::default());
        }
        if !vouched {
            let detail =
                format!("no checkpoint over the {} entries that were kept is here", continuation.kept);
            verifier.add(Finding::new(FindingCode::CheckpointMissing, detail));
        }
        let held = TreeHead {
            origin: self.tenant.origin.clone(),
            size: continuation.held,
            root: continuation.held_root,
        };
        verifier.expect_head(&held, &Place::default());
        let root = self.db.list_checkpoints(&self.tenant, 1).await?.pop().map(|newest| newest.root.0);
        let tiles = TileCheck::begin(self, &mut verifier, (covered, root)).await?;
        self.push_entries(&mut verifier, tiles, Archive::default(), (first_position, commitments)).await?;
        let entries = verifier.position();
        if entries > continuation.held {
            let detail = format!("{} entries were here when the log ended", continuation.held);
            verifier.add(Finding::new(FindingCode::RowExtra, detail).index(continuation.held));
        }
        check_revoked(&mut verifier, &signed);
        self.check_erasures(&mut verifier).await?;
        self.check_head(&mut verifier, entries).await?;
        Ok(verifier)
    }
}

/// Checks that each log names the one before, and is counted from where that one ends.
pub(super) fn check_order(chapters: &[Chapter], verifier: &mut Verifier) {
    let mut before: Option<&Chapter> = None;
    for chapter in chapters {
        let row = chapter.tenant.log.to_string();
        let first_position = match (before, &chapter.continues) {
            (None, None) => Some(0),
            (None, Some(named)) => Some(named.head.size),
            (Some(before), Some(named)) if named.head.origin == before.tenant.origin => {
                Some(before.first_position + named.head.size.max(named.held))
            }
            (Some(before), _) => {
                let detail = "no later log goes on with this one";
                let row = before.tenant.log.to_string();
                verifier.add(Finding::new(FindingCode::RowExtra, detail).row("log_heads", &row));
                None
            }
        };
        if first_position.is_some_and(|position| position != chapter.first_position) {
            let detail = "column first_position is not where the log before ends";
            verifier.add(Finding::new(FindingCode::RowAltered, detail).row("log_heads", &row));
        }
        before = Some(chapter);
    }
}
