//! Rows that name a tenant, a log or a checkpoint that is not there. The database keeps them out, unless somebody
//! took its guards away; and nothing else would ever read them again.

use crate::db::query;
use crate::error::{StoreError, doing};
use crate::registry::{TABLES, Vouch};
use crate::{Db, Tenant, dialect};

/// The entries themselves: one that is not of its log any more leaves a gap.
const LOOKED_AT_ELSEWHERE: &str = "log_entries";

impl Db {
    /// Counts such rows in each table whose rows no entry speaks of and somebody vouches for. Tables without any are
    /// left out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn count_strays(&self, tenant: &Tenant) -> Result<Vec<(&'static str, i64)>, StoreError> {
        let said = "look for rows that belong to nothing";
        let mut strays = Vec::new();
        for table in TABLES {
            let is_nobodys = table.columns.iter().all(|(_name, vouch)| matches!(vouch, Vouch::Nobody(_)));
            if !table.entries.is_empty() || table.name == LOOKED_AT_ELSEWHERE || is_nobodys {
                continue;
            }
            let row = query(dialect::COUNT_STRAYS)
                .bind(table.name)
                .fetch_one(self.readers(tenant.id))
                .await
                .map_err(doing(said))?;
            let count: i64 = row.get("strays").map_err(doing(said))?;
            if count > 0 {
                strays.push((table.name, count));
            }
        }
        Ok(strays)
    }
}
