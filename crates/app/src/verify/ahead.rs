//! Reading ahead: the next page of a table is read and decoded while the one before it is checked.

use store::StoreError;
use store::log::{PAGE_MAX, StoredEntry};
use store::rebuild::{Registry, RenderedRow};
use tokio::task::JoinHandle;

use crate::context::App;
use crate::error::Error;

/// A page on its way.
pub(super) type Reading<T> = JoinHandle<Result<Vec<T>, StoreError>>;

/// Waits for a page.
pub(super) async fn taken<T>(reading: Reading<T>) -> Result<Vec<T>, Error> {
    let page = reading.await.map_err(|err| Error::internal(format!("could not read ahead: {err}")))?;
    Ok(page?)
}

impl App {
    pub(super) fn read_entries(&self, from: u64) -> Reading<StoredEntry> {
        let (db, tenant) = (self.db.clone(), self.tenant.clone());
        tokio::spawn(async move { db.list_entries(&tenant, (from, PAGE_MAX)).await })
    }

    pub(super) fn read_rows(&self, registry: Registry, after: String) -> Reading<RenderedRow> {
        let (db, tenant) = (self.db.clone(), self.tenant.clone());
        tokio::spawn(async move { db.render_rows(&tenant, registry, &after).await })
    }
}
