//! Verifying the live log: every entry, body, blob, tile and checkpoint, and every row that an entry commits to.

mod ahead;
mod older;
mod rows;
mod tiles;
mod witnesses;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use ledger::verify::{Blob, Place, Reference, Verifier};
use ledger::{Entry, EntryKind, Finding, FindingCode, Report, VerifierKey};
use model::record::{ErasedBlob, LogEvent};
use model::{ClaimKind, Digest, RunStatus};
use serde_json::Value;
use store::StoreError;
use store::blobs::Store;
use store::events::{StoredErasure, StoredEvent};
use store::rebuild::Registry;

use crate::anchor::{Anchored, Signers};
use crate::content::blob;
use crate::context::App;
use crate::error::Error;
use crate::state;

use ahead::{Archive, Commitment, SeenContent, SeenEntry, SeenRow};
use older::check_order;
use rows::Commitments;
use tiles::TileCheck;

/// Entries of a log that may have no checkpoint yet: its first one, the start of the product, its configuration, and
/// the audit record of both. Whoever is killed between these and the first checkpoint has lost nothing; the next
/// command signs it.
const BEGINNING: u64 = 4;
/// Most checkpoints that are read back.
const CHECKPOINTS_MAX: u32 = 1_000_000;
/// Most checked references that are remembered.
const CHECKED_MAX: usize = 65_536;
/// Most versions that are listed because they ended wrongly.
const CLOSINGS_MAX: u32 = 1_000;
/// Blobs that are read at a time.
const BLOBS_PAGE: u32 = 200;

impl App {
    /// Verifies the live log, as of the moment of the call: what others record meanwhile is left to the next one.
    ///
    /// # Errors
    /// When the database cannot be read to the end; whatever is wrong in it is a finding.
    pub async fn verify_ledger(&self, archive: Option<&Path>) -> Result<Report, Error> {
        // An anchor may only know what the database knew before, so it is measured first.
        let anchor_bytes = self.anchor_bytes().await?;
        let now = self.snapshot().await?;
        let mut verifier = Verifier::new(Some(&self.tenant.log.to_string()), 0);
        let done = now.check_all(&mut verifier, (archive, anchor_bytes)).await;
        now.db.end_snapshot().await;
        let Err(err) = done else { return Ok(verifier.finish()) };
        // A value that no row may have ends the reading, and nothing behind it was compared.
        verifier.add(located(err)?);
        let mut report = std::mem::take(verifier.report_mut());
        report.settle();
        Ok(report)
    }

    /// Returns this product over the database as it is now.
    pub(crate) async fn snapshot(&self) -> Result<Self, Error> {
        Ok(Self { db: self.db.snapshot().await?, ..self.clone() })
    }

    async fn check_all(
        &self,
        verifier: &mut Verifier,
        (archive, anchor_bytes): (Option<&Path>, u64),
    ) -> Result<(), Error> {
        let chapters = self.chapters().await?;
        let first_position = chapters.last().map_or(0, |chapter| chapter.first_position);
        let (begun, keys) = self.begin_verification().await?;
        *verifier = begun;
        check_order(&chapters, verifier);
        let (covered, signed) = self.expect_heads(&keys, verifier).await?;
        let anchored = match &self.anchor {
            Some(path) => {
                let signers = Signers { keys, older: self.older_keys(&chapters).await? };
                crate::anchor::expect((path, anchor_bytes), &signers, covered > 0, verifier)?
            }
            None => Anchored::default(),
        };
        let root = self.db.list_checkpoints(&self.tenant, 1).await?.pop().map(|newest| newest.root.0);
        let tiles = TileCheck::begin(self, verifier, (covered, root)).await?;
        let pruned = self.db.pruned(&self.tenant).await?;
        if archive.is_some() {
            verifier.demand_pruned();
        }
        let kept = Archive { folder: archive.map(Path::to_owned), pruned };
        let mut commitments = Commitments::default();
        let into = (first_position, &mut commitments);
        self.push_entries(verifier, tiles, kept, into).await?;
        let entries = verifier.position();
        self.verify_older(&chapters, &anchored.older, (verifier, &mut commitments)).await?;
        commitments.close();
        let named = self.check_rows(verifier, &mut commitments).await?;
        self.check_closings(verifier).await?;
        self.check_blobs(verifier, named).await?;
        self.check_state(verifier).await?;
        self.check_events(verifier, (&signed, &anchored), archive).await?;
        self.check_witnesses(verifier).await?;
        self.check_head(verifier, entries).await?;
        self.check_strays(verifier).await?;
        self.check_schema(verifier).await
    }

    /// Checks that the database is built as this program built it: without a guard, what it refuses is not refused.
    async fn check_schema(&self, verifier: &mut Verifier) -> Result<(), Error> {
        if let Some(what) = self.db.schema_difference().await? {
            verifier.add(Finding::new(FindingCode::SchemaTampered, what));
        }
        Ok(())
    }

    /// Begins to verify one log, and returns its keys.
    async fn begin_verification(&self) -> Result<(Verifier, Vec<VerifierKey>), Error> {
        let mut verifier = Verifier::new(Some(&self.tenant.log.to_string()), 0);
        verifier.report_mut().origin = Some(self.tenant.origin.clone());
        let rotations = self.readable_events(&mut verifier, EntryKind::KeyRotated).await?;
        let keys = self.keys_of(rotations)?;
        Ok((verifier, keys))
    }

    /// Compares the log's head row, which the next entry gets its index and time from, with the entries.
    async fn check_head(&self, verifier: &mut Verifier, entries: u64) -> Result<(), Error> {
        let row = self.tenant.log.to_string();
        let size = self.db.log_size(&self.tenant).await?;
        if size != entries {
            let code = if size > entries { FindingCode::Truncated } else { FindingCode::RowAltered };
            let detail = format!("the log head says {size} entries, {entries} are there");
            verifier.add(Finding::new(code, detail).index(entries.min(size)).row("log_heads", &row));
        }
        let (said, newest) = (self.db.log_time(&self.tenant).await?.to_string(), verifier.last_at());
        if said != newest {
            let detail = format!("the log head says that the newest entry is of {said}, it is of {newest}");
            verifier.add(Finding::new(FindingCode::RowAltered, detail).row("log_heads", &row));
        }
        Ok(())
    }

    /// Demands every signed head; returns the size that the newest one covers, and who signed which size.
    async fn expect_heads(
        &self,
        keys: &[VerifierKey],
        verifier: &mut Verifier,
    ) -> Result<(u64, Signed), Error> {
        let mut signers = Signed::new();
        let checkpoints = self.db.list_checkpoints(&self.tenant, CHECKPOINTS_MAX).await?;
        let covered = checkpoints.first().map_or(0, |checkpoint| checkpoint.size);
        for stored in checkpoints.iter().rev() {
            let row = stored.size.to_string();
            let detail = |text: String| format!("the checkpoint of size {}: {text}", stored.size);
            match ledger::checkpoint::open(&stored.note, keys) {
                Ok(signed) if signed.head.size == stored.size && Digest(signed.head.root) == stored.root => {
                    verifier.expect_head(&signed.head, &Place::default());
                    let by = keys.iter().filter(|key| signed.key_ids.contains(&key.id()));
                    signers.push((stored.size, by.cloned().collect()));
                    for id in &signed.key_ids {
                        let id = id.to_string();
                        let ids = &mut verifier.report_mut().key_ids;
                        if !ids.contains(&id) {
                            ids.push(id);
                        }
                    }
                }
                Ok(_) => {
                    let text = detail("its columns are not what was signed".to_owned());
                    verifier.add(Finding::new(FindingCode::RootMismatch, text).row("log_checkpoints", &row));
                }
                Err(err) => {
                    let text = detail(err.to_string());
                    let finding = Finding::new(FindingCode::CheckpointSignature, text);
                    verifier.add(finding.row("log_checkpoints", &row));
                }
            }
        }
        if checkpoints.is_empty() && self.db.log_size(&self.tenant).await? > BEGINNING {
            let detail = "entries are there and no checkpoint covers them";
            verifier.add(Finding::new(FindingCode::CheckpointMissing, detail));
        }
        Ok((covered, signers))
    }

    /// Checks what the log says of itself: keys that were revoked, segments, erasures, promised evidence.
    async fn check_events(
        &self,
        verifier: &mut Verifier,
        (signed, anchored): (&Signed, &Anchored),
        archive: Option<&Path>,
    ) -> Result<(), Error> {
        check_revoked(verifier, signed);
        if let Some(archive) = archive {
            self.check_archive(archive, verifier).await?;
        }
        if let Some((index, since)) =
            verifier.events().expected.and_then(|expected| Some((expected.index, expected.anchor_since?)))
        {
            if let Some(path) = &self.anchor {
                anchored.check_begin(path, (since, signed.iter().map(|(size, _keys)| *size)), verifier);
            } else {
                let detail = "the log promises an anchor and none was named: set PLUMB_LEDGER_ANCHOR";
                verifier.add(Finding::new(FindingCode::EvidenceExpected, detail).index(index));
            }
        }
        self.check_erasures(verifier).await
    }

    /// Reads events of one kind. What cannot be read is a finding, and then there are none.
    async fn readable_events(
        &self,
        verifier: &mut Verifier,
        kind: EntryKind,
    ) -> Result<Vec<StoredEvent>, Error> {
        match self.db.list_events(&self.tenant, Some(kind)).await {
            Ok(events) => Ok(events),
            Err(err) => {
                verifier.add(unreadable(err)?);
                Ok(Vec::new())
            }
        }
    }

    /// Compares the erasures that the database knows, by which bytes may be emptied, with those on record.
    async fn check_erasures(&self, verifier: &mut Verifier) -> Result<(), Error> {
        let mut said = BTreeSet::new();
        for stored in self.readable_events(verifier, EntryKind::SegmentPruned).await? {
            if let LogEvent::SegmentPruned(pruned) = stored.record.event {
                said.insert((pruned.from, pruned.to, stored.index));
            }
        }
        let known = self.db.list_prunings(&self.tenant).await?;
        compare(verifier, "log_prunings", (&known, &said), |(from, to, _index)| format!("{from}-{to}"));
        let mut said = BTreeSet::new();
        for stored in self.readable_events(verifier, EntryKind::BodyErased).await? {
            if let LogEvent::BodyErased(erased) = stored.record.event {
                let of_body = erased.blob == ErasedBlob::Body;
                said.insert(StoredErasure {
                    blob: erased.blob.as_str().to_owned(),
                    sha256: erased.erased_sha256.to_string(),
                    erased_index: i64::try_from(erased.erased_index).ok().filter(|_index| of_body),
                    retention_days: erased.retention_days.map(i64::from),
                    log_index: i64::try_from(stored.index).unwrap_or(i64::MAX),
                });
            }
        }
        let known = self.db.list_erasures(&self.tenant).await?;
        compare(verifier, "log_erasures", (&known, &said), |row| format!("{}/{}", row.blob, row.sha256));
        Ok(())
    }

    /// Takes every entry with its body and the blobs that it names.
    async fn push_entries(
        &self,
        verifier: &mut Verifier,
        mut tiles: TileCheck,
        archive: Archive,
        (first_position, commitments): (u64, &mut Commitments),
    ) -> Result<(), Error> {
        let mut checked: BTreeSet<Reference> = BTreeSet::new();
        let mut pages = self.entries_ahead(archive, commitments.printer());
        while let Some(page) = pages.next().await? {
            for SeenEntry { index, entry, body, commitment } in page {
                let pushed = verifier.push(entry, &Place::default());
                tiles.entry(self, verifier, &pushed).await?;
                // Proofs are asked for by this column, so it has to be right even where the order is.
                if index != pushed.index {
                    let detail = format!("the entry stands at {index}");
                    verifier.add(Finding::new(FindingCode::IndexGap, detail).index(pushed.index));
                }
                let Some((entry, body)) = pushed.entry.zip(body) else { continue };
                let references = body.references().to_vec();
                verifier.body(pushed.index, &entry, body, &Place::default());
                for reference in references {
                    // Which were checked is only remembered to spare reads.
                    if checked.len() == CHECKED_MAX {
                        checked.clear();
                    }
                    if checked.insert(reference) {
                        let found = self.referenced(reference).await?.map(|bytes| ledger::sha256(&bytes));
                        verifier.blob(pushed.index, reference, found, &Place::default());
                    }
                }
                if let Some(Commitment { row, record }) = commitment {
                    // By the index that it carries: behind a gap the others are right.
                    commitments.push(row, first_position.saturating_add(entry.index), record);
                }
            }
        }
        tiles.finish(self, verifier).await
    }

    async fn referenced(&self, reference: Reference) -> Result<Option<Vec<u8>>, Error> {
        let store = match reference.blob {
            Blob::Evidence => Store::Evidence,
            Blob::Manifest => Store::Manifests,
        };
        Ok(self.db.find_blob(&self.tenant, store, Digest(reference.sha256)).await?)
    }

    /// Replays the change log and compares the current state with it (TLW-21).
    async fn check_state(&self, verifier: &mut Verifier) -> Result<(), Error> {
        let differences = match self.differences().await {
            Ok(differences) => differences,
            Err(err) => {
                verifier.add(unreadable(err)?);
                return Ok(());
            }
        };
        for difference in differences {
            let (table, row) = match &difference.rule_id {
                Some(rule) => ("host_rule_state", rule.as_str()),
                None if difference.what == state::COVERAGE => ("host_rule_sets", difference.host.as_str()),
                None => ("host_posture", difference.host.as_str()),
            };
            let detail = format!(
                "{} on {}: stored {:?}, replayed {:?}",
                difference.what, difference.host, difference.stored, difference.rebuilt
            );
            verifier.add(Finding::new(FindingCode::ReplayMismatch, detail).row(table, row));
        }
        Ok(())
    }

    /// Checks every row that the ledger commits to, both ways; returns what the runs among them name.
    async fn check_rows(
        &self,
        verifier: &mut Verifier,
        commitments: &mut Commitments,
    ) -> Result<Named, Error> {
        let mut named = Named::default();
        for registry in Registry::ALL {
            let mut pages = self.rows_ahead(registry, commitments.printer());
            while let Some(page) = pages.next().await? {
                for row in page {
                    row.run.iter().for_each(|run| named.note(run));
                    check_row(verifier, commitments, registry.table(), row)?;
                }
            }
        }
        for position in commitments.unseen() {
            let (of, index) = self.entry_at(position).await?;
            let Some(stored) = of.db.list_entries(&of.tenant, (index, 1)).await?.pop() else { continue };
            // Bytes that are no entry were reported where they were read.
            let Ok(entry) = Entry::parse(&stored.entry) else { continue };
            // The log's own head row has no copy of its record: origin and key are checked by every signature.
            if entry.table != "log_heads" {
                let detail = "the row that the entry speaks of is gone";
                let finding = Finding::new(FindingCode::RowMissing, detail).index(index);
                verifier.add(finding.row(&entry.table, &entry.row));
            }
        }
        Ok(named)
    }

    /// Checks that each version of a fact or an edge ended as its successor says, which has no entry of its own.
    async fn check_closings(&self, verifier: &mut Verifier) -> Result<(), Error> {
        for (kind, table) in [(ClaimKind::Fact, "facts"), (ClaimKind::Edge, "edges")] {
            for row in self.db.list_wrong_closings(&self.tenant, kind, CLOSINGS_MAX).await? {
                let detail = "the version did not end as its successor says";
                verifier.add(Finding::new(FindingCode::RowAltered, detail).row(table, &row));
            }
        }
        Ok(())
    }

    /// Returns how long erased bytes were, by digest, where their erasure says so.
    async fn erased_sizes(&self, verifier: &mut Verifier) -> Result<BTreeMap<String, u64>, Error> {
        let erasures = self.readable_events(verifier, EntryKind::BodyErased).await?;
        let sizes = erasures.into_iter().filter_map(|stored| match stored.record.event {
            LogEvent::BodyErased(erased) => Some((erased.erased_sha256.to_string(), erased.erased_size?)),
            LogEvent::KeyRotated(_)
            | LogEvent::SegmentSealed(_)
            | LogEvent::SegmentPruned(_)
            | LogEvent::HoldChanged(_)
            | LogEvent::Started(_)
            | LogEvent::Configured(_) => None,
        });
        Ok(sizes.collect())
    }

    /// Finds rows that belong to no log, no checkpoint or no tenant: nothing else reads them.
    async fn check_strays(&self, verifier: &mut Verifier) -> Result<(), Error> {
        for (table, rows) in self.db.count_strays(&self.tenant).await? {
            let detail = format!("{rows} rows name a tenant, a log or a checkpoint that is not there");
            verifier.add(Finding::new(FindingCode::RowAltered, detail).row(table, "-"));
        }
        Ok(())
    }

    /// Checks that every stored blob has the digest and the size it is stored under, and that what finished
    /// runs name besides is there: their corpus, and the set of their rules.
    async fn check_blobs(&self, verifier: &mut Verifier, mut named: Named) -> Result<(), Error> {
        let sizes = self.erased_sizes(verifier).await?;
        for store in [Store::Evidence, Store::Manifests, Store::Corpora] {
            let mut after = String::new();
            loop {
                let page = self.db.list_blobs(&self.tenant, store, (&after, BLOBS_PAGE)).await?;
                let Some(last) = page.last() else { break };
                after.clone_from(&last.sha256);
                for blob in &page {
                    let problem = if blob.bytes.is_empty() && verifier.is_erased(&blob.sha256) {
                        match sizes.get(&blob.sha256) {
                            Some(size) if u64::try_from(blob.byte_size) != Ok(*size) => {
                                "column byte_size is not the size of the bytes that were erased"
                            }
                            Some(_) | None => continue,
                        }
                    } else if Digest(ledger::sha256(&blob.bytes)).to_string() != blob.sha256 {
                        "the bytes do not have the digest they are stored under"
                    } else if usize::try_from(blob.byte_size) != Ok(blob.bytes.len()) {
                        "column byte_size is not the size of the bytes"
                    } else {
                        if store == Store::Corpora {
                            named.corpora.remove(&blob.sha256);
                        }
                        continue;
                    };
                    let finding = Finding::new(FindingCode::BodyAltered, problem);
                    verifier.add(finding.row(store.table(), &blob.sha256));
                }
            }
        }
        for digest in named.corpora {
            let finding = Finding::new(FindingCode::BodyMissing, "a finished scan names this corpus");
            verifier.add(finding.row("corpora", &digest));
        }
        for digest in named.rule_sets {
            let rules = match self.db.load_rule_set(&self.tenant, digest).await {
                Ok(rules) => rules,
                Err(err) => {
                    verifier.add(unreadable(err)?);
                    continue;
                }
            };
            if blob(&rules)?.sha256 != digest {
                let detail = "the rules of this set are not those that were scanned";
                let finding = Finding::new(FindingCode::BodyAltered, detail);
                verifier.add(finding.row("rule_sets", &digest.to_string()));
            }
        }
        Ok(())
    }
}

/// Finds checkpoints that only revoked keys signed.
fn check_revoked(verifier: &mut Verifier, signed: &Signed) {
    let events = verifier.events().clone();
    for (size, keys) in signed {
        let revoked: Vec<_> = keys.iter().map(|key| events.revoked(key, *size)).collect();
        if let Some(Some(rotation)) = revoked.first().filter(|_one| revoked.iter().all(Option::is_some)) {
            let detail = format!("the checkpoint of size {size} is by a key that was revoked before");
            let finding = Finding::new(FindingCode::KeyRevoked, detail).index(rotation.index);
            verifier.add(finding.row("log_checkpoints", &size.to_string()));
        }
    }
}

/// Which keys signed the checkpoint of which size.
type Signed = Vec<(u64, Vec<VerifierKey>)>;

/// What finished runs name that no entry's body does.
#[derive(Debug, Default)]
struct Named {
    corpora: BTreeSet<String>,
    rule_sets: BTreeSet<Digest>,
}

impl Named {
    /// Notes what a run names; a run that was not measured names a corpus that it did not store.
    fn note(&mut self, run: &Value) {
        if run["status"] != RunStatus::Completed.as_str() {
            return;
        }
        self.corpora.extend(run["corpus_digest"].as_str().map(str::to_owned));
        self.rule_sets
            .extend(run["rule_set_sha256"].as_str().and_then(|digest| digest.parse::<Digest>().ok()));
    }
}

/// Compares a row, rendered again, with what its newest entry commits to (LED-09).
fn check_row(
    verifier: &mut Verifier,
    commitments: &mut Commitments,
    table: &'static str,
    row: SeenRow,
) -> Result<(), Error> {
    verifier.report_mut().rows_checked += 1;
    let Some(committed) = commitments.find(row.print) else {
        let finding = Finding::new(FindingCode::RowExtra, "no entry speaks of this row");
        verifier.add(finding.row(table, &row.key));
        return Ok(());
    };
    let altered = match row.content {
        Ok(SeenContent { position, record }) if position == committed.position && committed.holds(record) => {
            return Ok(());
        }
        Ok(_) => Finding::new(FindingCode::RowAltered, "the row is not what its entry commits to"),
        Err(err) => unreadable(err)?,
    };
    verifier.add(altered.index(committed.position).row(table, &row.key));
    Ok(())
}

/// Compares rows that let bytes be empty with those that entries record.
fn compare<R: Ord>(
    verifier: &mut Verifier,
    table: &str,
    (known, said): (&BTreeSet<R>, &BTreeSet<R>),
    name: impl Fn(&R) -> String,
) {
    for row in known.difference(said) {
        let finding = Finding::new(FindingCode::RowExtra, "no entry records this row");
        verifier.add(finding.row(table, &name(row)));
    }
    for row in said.difference(known) {
        let finding = Finding::new(FindingCode::RowMissing, "the row that an entry records is gone");
        verifier.add(finding.row(table, &name(row)));
    }
}

/// Turns a value outside its type into a finding: it is an edit of the row, not a reason to stop looking.
fn unreadable(err: StoreError) -> Result<Finding, Error> {
    let StoreError::Row { table, column, row, problem } = err else { return Err(err.into()) };
    let detail = format!("column {column}: {problem}");
    Ok(Finding::new(FindingCode::RowAltered, detail).row(table, &row))
}

/// As [`unreadable`], where the store's error is the cause.
fn located(err: Error) -> Result<Finding, Error> {
    let cause = std::error::Error::source(&err).and_then(|cause| cause.downcast_ref::<StoreError>());
    let Some(StoreError::Row { table, column, row, problem }) = cause else { return Err(err) };
    let detail = format!("column {column}: {problem}; nothing behind it was verified");
    Ok(Finding::new(FindingCode::RowAltered, detail).row(table, row))
}
