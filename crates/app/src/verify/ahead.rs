//! Reading ahead: pages are read from the database and looked at on threads of their own while those before them are
//! taken, in order. What needs nothing of earlier entries is done here: hashes, form, prints.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;

use ledger::Entry;
use ledger::verify::{LoneBody, LoneEntry};
use serde_json::Value;
use store::StoreError;
use store::log::{PAGE_MAX, StoredEntry};
use store::rebuild::{Registry, RenderedRow, key_in_entries};
use tokio::sync::mpsc;
use tokio::task::{JoinHandle, spawn_blocking};

use super::rows::{Print, Printer, record_of};
use crate::context::App;
use crate::error::Error;

/// Most pages that wait to be taken.
const PAGES_MAX: usize = 2;

/// A page that was read, and is being looked at.
type Page<T> = Result<JoinHandle<Result<Vec<T>, Error>>, Error>;

/// Pages on their way, in order.
pub(super) struct Pages<T>(mpsc::Receiver<Page<T>>);

impl<T> Pages<T> {
    /// Returns the next page; nothing behind the last.
    pub(super) async fn next(&mut self) -> Result<Option<Vec<T>>, Error> {
        let Some(page) = self.0.recv().await else { return Ok(None) };
        let looked = page?.await;
        looked.map_err(|err| Error::internal(format!("could not read ahead: {err}")))?.map(Some)
    }
}

/// A page that is being read.
type Reading<P> = Pin<Box<dyn Future<Output = Result<Vec<P>, StoreError>> + Send>>;

/// Reads the pages that `read` returns, each from behind the last item of the one before, until one is empty.
fn ahead<P: Send + 'static, T: Send + 'static>(
    read: impl Fn(Option<&P>) -> Reading<P> + Send + 'static,
    look: impl Fn(Vec<P>) -> Result<Vec<T>, Error> + Clone + Send + 'static,
) -> Pages<T> {
    let (sender, pages) = mpsc::channel(PAGES_MAX);
    tokio::spawn(async move {
        let mut reading = read(None);
        loop {
            let page = match reading.await {
                Ok(page) if page.is_empty() => return,
                Ok(page) => page,
                Err(err) => {
                    // Nobody waits for it any more, or whoever does ends by it.
                    let _ended = sender.send(Err(err.into())).await;
                    return;
                }
            };
            reading = read(page.last());
            let look = look.clone();
            if sender.send(Ok(spawn_blocking(move || look(page)))).await.is_err() {
                return;
            }
        }
    });
    Pages(pages)
}

/// Where bodies are kept that retention removed, and the segments that it removed them of.
#[derive(Debug, Default)]
pub(super) struct Archive {
    pub(super) folder: Option<PathBuf>,
    pub(super) pruned: BTreeSet<(u64, u64)>,
}

impl Archive {
    fn body(&self, index: u64, entry: &Entry) -> Result<Option<Vec<u8>>, Error> {
        let segment = self.pruned.iter().find(|(from, to)| (*from..*to).contains(&index));
        let Some((folder, segment)) = self.folder.as_deref().zip(segment) else { return Ok(None) };
        crate::prune::archived(folder, *segment, &entry.body_sha256)
    }
}

/// An entry of the database, looked at.
pub(super) struct SeenEntry {
    /// The index that it is stored under.
    pub(super) index: u64,
    pub(super) entry: LoneEntry,
    /// Nothing where the bytes are no entry.
    pub(super) body: Option<LoneBody>,
    pub(super) commitment: Option<Commitment>,
}

/// That an entry speaks of a row, and what it commits to.
pub(super) struct Commitment {
    pub(super) row: Print,
    /// Nothing when the body was erased: then the entry says that there is a row, and no more.
    pub(super) record: Option<Print>,
}

impl SeenEntry {
    fn of(stored: StoredEntry, archive: &Archive, printer: &Printer) -> Result<Self, Error> {
        let read = LoneEntry::read(&stored.entry);
        let mut seen = Self { index: stored.index, entry: read, body: None, commitment: None };
        let Some(entry) = seen.entry.entry() else { return Ok(seen) };
        let archived = if stored.body.is_empty() { archive.body(stored.index, entry)? } else { None };
        let body = archived.unwrap_or(stored.body);
        let record = record_of(&body);
        if record.is_some() || body.is_empty() {
            let row = key_in_entries(entry.kind, entry.row.clone());
            let record = record.map(|record| printer.record(&record));
            seen.commitment = Some(Commitment { row: printer.key(&entry.table, &row), record });
        }
        seen.body = Some(LoneBody::read(entry, Some(&body)));
        Ok(seen)
    }
}

/// A row of the database, looked at.
pub(super) struct SeenRow {
    /// Names the row in ledger entries, and its print.
    pub(super) key: String,
    pub(super) print: Print,
    pub(super) content: Result<SeenContent, StoreError>,
    /// The record of a scan run, which names more than its own row.
    pub(super) run: Option<Value>,
}

/// A row rendered again, without the record.
pub(super) struct SeenContent {
    /// Of its newest entry.
    pub(super) position: u64,
    /// Nothing when the record has no canonical form.
    pub(super) record: Option<Print>,
}

impl SeenRow {
    fn of(row: RenderedRow, registry: Registry, printer: &Printer) -> Self {
        let print = printer.key(registry.table(), &row.key);
        let mut run = None;
        let content = row.content.map(|rendered| {
            let record = ledger::canonical::to_bytes(&rendered.record).ok();
            run = (registry == Registry::ScanRuns).then_some(rendered.record);
            let record = record.map(|bytes| printer.record(&bytes));
            SeenContent { position: rendered.position, record }
        });
        Self { key: row.key, print, content, run }
    }
}

impl App {
    /// Reads every entry of the log, with what there is of its body.
    pub(super) fn entries_ahead(&self, archive: Archive, printer: &Printer) -> Pages<SeenEntry> {
        let (db, tenant) = (self.db.clone(), self.tenant.clone());
        let read = move |last: Option<&StoredEntry>| -> Reading<StoredEntry> {
            let (db, tenant) = (db.clone(), tenant.clone());
            let from = last.map_or(0, |last| last.index.saturating_add(1));
            Box::pin(async move { db.list_entries(&tenant, (from, PAGE_MAX)).await })
        };
        let shared = Arc::new((archive, printer.clone()));
        ahead(read, move |page| {
            let (archive, printer) = &*shared;
            page.into_iter().map(|stored| SeenEntry::of(stored, archive, printer)).collect()
        })
    }

    /// Reads every row of a table, rendered again.
    pub(super) fn rows_ahead(&self, registry: Registry, printer: &Printer) -> Pages<SeenRow> {
        let (db, tenant) = (self.db.clone(), self.tenant.clone());
        let read = move |last: Option<&RenderedRow>| -> Reading<RenderedRow> {
            let (db, tenant) = (db.clone(), tenant.clone());
            let after = last.map_or_else(String::new, |last| last.key.clone());
            Box::pin(async move { db.render_rows(&tenant, registry, &after).await })
        };
        let printer = printer.clone();
        ahead(read, move |page| {
            Ok(page.into_iter().map(|row| SeenRow::of(row, registry, &printer)).collect())
        })
    }
}
