//! The log as bytes: its head, entries in order, tiles and checkpoints.

use ledger::tile::{Tile, TileId};
use model::{Digest, Timestamp};

use crate::append::{broken, to_i64};
use crate::codec::Reader;
use crate::db::{Row, Tx, query};
use crate::error::{StoreError, doing};
use crate::{Db, Tenant};

/// Most entries of one page.
pub const PAGE_MAX: u32 = 2_000;

/// Most tiles of one page.
pub const TILES_PAGE_MAX: u32 = 64;

/// An entry as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredEntry {
    pub index: u64,
    pub entry: Vec<u8>,
    pub body: Vec<u8>,
}

/// A signed head as stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredCheckpoint {
    pub size: u64,
    pub root: Digest,
    pub note: Vec<u8>,
    pub created_at: Timestamp,
}

impl Db {
    /// Returns the number of entries that are reserved and committed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn log_size(&self, tenant: &Tenant) -> Result<u64, StoreError> {
        let row = query("SELECT log_id, size FROM log_heads WHERE tenant_id = $1 AND log_id = $2")
            .bind(tenant.id.to_string())
            .bind(tenant.log.to_string())
            .fetch_one(self.readers(tenant.id))
            .await
            .map_err(doing("read the log head"))?;
        Reader::new("log_heads", "log_id", &row)?.number("size")
    }

    /// Returns the time of the newest entry, as the log's head row says.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn log_time(&self, tenant: &Tenant) -> Result<Timestamp, StoreError> {
        let row = query("SELECT log_id, last_at_us FROM log_heads WHERE tenant_id = $1 AND log_id = $2")
            .bind(tenant.id.to_string())
            .bind(tenant.log.to_string())
            .fetch_one(self.readers(tenant.id))
            .await
            .map_err(doing("read the log head"))?;
        Reader::new("log_heads", "log_id", &row)?.instant("last_at_us")
    }

    /// Lists entries from an index on, in order, as they stand in the table.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_entries(
        &self,
        tenant: &Tenant,
        (from, limit): (u64, u32),
    ) -> Result<Vec<StoredEntry>, StoreError> {
        query(
            "SELECT log_id, log_index, entry, body
             FROM log_entries
             WHERE tenant_id = $1 AND log_id = $2 AND log_index >= $3
             ORDER BY log_index
             LIMIT $4",
        )
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .bind(to_i64(from)?)
        .bind(i64::from(limit.min(PAGE_MAX)))
        .fetch_all(self.readers(tenant.id))
        .await
        .map_err(doing("read the log"))?
        .iter()
        .map(|row| {
            let row = Reader::new("log_entries", "log_id", row)?;
            Ok(StoredEntry {
                index: row.number("log_index")?,
                entry: row.bytes("entry")?,
                body: row.bytes("body")?,
            })
        })
        .collect()
    }

    /// Returns the right edge of the tree: the last tile of each level, as stored.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn load_edge(&self, tenant: &Tenant) -> Result<Vec<Tile>, StoreError> {
        self.select_tiles(
            tenant,
            // Level by level, so that the key leads to one tile each: no other one is read (LED-15).
            "SELECT t.log_id, t.level, t.tile_index, t.width, t.hashes
             FROM (VALUES (0), (1), (2), (3), (4), (5), (6), (7)) AS l
             CROSS JOIN log_tiles AS t
             WHERE t.tenant_id = $1 AND t.log_id = $2 AND t.level = l.column1 AND t.tile_index = (
               SELECT max(m.tile_index) FROM log_tiles AS m
               WHERE m.tenant_id = $1 AND m.log_id = $2 AND m.level = l.column1)
             ORDER BY t.level
             LIMIT 64",
        )
        .await
    }

    /// Lists tiles after the one of this level and index, lowest level first, at most `limit`.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_tiles(
        &self,
        tenant: &Tenant,
        after: Option<(u8, u64)>,
        limit: u32,
    ) -> Result<Vec<Tile>, StoreError> {
        let (level, index) = after.map_or(Ok((-1, -1)), |(l, i)| to_i64(i).map(|i| (i64::from(l), i)))?;
        query(
            "SELECT log_id, level, tile_index, width, hashes
             FROM log_tiles
             WHERE tenant_id = $1 AND log_id = $2 AND (level, tile_index) > ($3, $4)
             ORDER BY level, tile_index
             LIMIT $5",
        )
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .bind(level)
        .bind(index)
        .bind(i64::from(limit.min(TILES_PAGE_MAX)))
        .fetch_all(self.readers(tenant.id))
        .await
        .map_err(doing("read the tiles"))?
        .iter()
        .map(read_tile)
        .collect()
    }

    async fn select_tiles(&self, tenant: &Tenant, sql: &'static str) -> Result<Vec<Tile>, StoreError> {
        query(sql)
            .bind(tenant.id.to_string())
            .bind(tenant.log.to_string())
            .fetch_all(self.readers(tenant.id))
            .await
            .map_err(doing("read the tiles"))?
            .iter()
            .map(read_tile)
            .collect()
    }

    /// Lists checkpoints, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_checkpoints(
        &self,
        tenant: &Tenant,
        limit: u32,
    ) -> Result<Vec<StoredCheckpoint>, StoreError> {
        query(
            "SELECT log_id, size, root, note, created_at_us
             FROM log_checkpoints
             WHERE tenant_id = $1 AND log_id = $2
             ORDER BY size DESC
             LIMIT $3",
        )
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .bind(i64::from(limit))
        .fetch_all(self.readers(tenant.id))
        .await
        .map_err(doing("read the checkpoints"))?
        .iter()
        .map(read_checkpoint)
        .collect()
    }

    /// Returns the size of the newest checkpoint that any witness cosigned; nothing when there is none.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn witnessed_size(&self, tenant: &Tenant) -> Result<Option<u64>, StoreError> {
        let row = query(
            "SELECT log_id, size FROM log_cosignatures WHERE tenant_id = $1 AND log_id = $2
             ORDER BY size DESC
             LIMIT 1",
        )
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .fetch_optional(self.readers(tenant.id))
        .await
        .map_err(doing("read the cosignatures"))?;
        row.map(|row| Reader::new("log_cosignatures", "log_id", &row)?.number("size")).transpose()
    }

    /// Finds the checkpoint over this many entries.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find_checkpoint(
        &self,
        tenant: &Tenant,
        size: u64,
    ) -> Result<Option<StoredCheckpoint>, StoreError> {
        let first = self.first_checkpoint_over(tenant, size).await?;
        Ok(first.filter(|first| first.size == size))
    }

    /// Finds the smallest checkpoint that covers at least this many entries.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn first_checkpoint_over(
        &self,
        tenant: &Tenant,
        size: u64,
    ) -> Result<Option<StoredCheckpoint>, StoreError> {
        query(
            "SELECT log_id, size, root, note, created_at_us
             FROM log_checkpoints
             WHERE tenant_id = $1 AND log_id = $2 AND size >= $3
             ORDER BY size
             LIMIT 1",
        )
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .bind(to_i64(size)?)
        .fetch_optional(self.readers(tenant.id))
        .await
        .map_err(doing("read the checkpoint"))?
        .as_ref()
        .map(read_checkpoint)
        .transpose()
    }

    /// Stores the tiles of a grown tree and its signed head, in one transaction; `vkey` is the log's key from
    /// here on, where it changes (LED-22).
    ///
    /// Returns false, with nothing written, when another process stored a head of this size or a larger one
    /// first, or handed the log over to another key than the tenant's: two heads of one log are never signed
    /// side by side (LED-19).
    ///
    /// # Errors
    /// When the write fails.
    pub async fn store_head(
        &self,
        tenant: &Tenant,
        tiles: &[Tile],
        head: &StoredCheckpoint,
        vkey: Option<&str>,
    ) -> Result<bool, StoreError> {
        let said = "store the checkpoint";
        let mut tx = self.begin(tenant.id, said).await?;
        let newest = query(
            "SELECT log_id, max(size) AS size FROM log_checkpoints WHERE tenant_id = $1 AND log_id = $2
             GROUP BY log_id",
        )
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .fetch_optional(&mut tx)
        .await
        .map_err(doing(said))?;
        if let Some(row) = newest {
            let newest: u64 = Reader::new("log_checkpoints", "log_id", &row)?.number("size")?;
            if newest >= head.size {
                return Ok(false);
            }
        }
        if key_in_use(&mut tx, tenant).await? != tenant.vkey {
            return Ok(false);
        }
        put_tiles(&mut tx, tenant, tiles).await?;
        query(
            "INSERT INTO log_checkpoints (tenant_id, log_id, size, root, note, created_at_us)
             VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .bind(to_i64(head.size)?)
        .bind(head.root.to_string())
        .bind(&head.note)
        .bind(head.created_at.as_micros())
        .execute(&mut tx)
        .await
        .map_err(doing(said))?;
        if let Some(vkey) = vkey {
            query("UPDATE log_heads SET vkey = $3 WHERE tenant_id = $1 AND log_id = $2")
                .bind(tenant.id.to_string())
                .bind(tenant.log.to_string())
                .bind(vkey)
                .execute(&mut tx)
                .await
                .map_err(doing(said))?;
        }
        tx.commit().await.map_err(doing(said))?;
        Ok(true)
    }
}

/// Stores tiles; one that is there grows.
async fn put_tiles(tx: &mut Tx, tenant: &Tenant, tiles: &[Tile]) -> Result<(), StoreError> {
    for tile in tiles {
        let written = query(
            "INSERT INTO log_tiles (tenant_id, log_id, level, tile_index, width, hashes)
             VALUES ($1, $2, $3, $4, $5, $6)
             ON CONFLICT (tenant_id, log_id, level, tile_index) DO UPDATE SET width = excluded.width,
               hashes = excluded.hashes
             WHERE log_tiles.width <= excluded.width",
        )
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .bind(i64::from(tile.id.level))
        .bind(to_i64(tile.id.index)?)
        .bind(i64::from(tile.id.width))
        .bind(&tile.bytes)
        .execute(&mut *tx)
        .await
        .map_err(doing("store the tiles"))?;
        if written != 1 {
            return Err(broken("a tile", &"a stored tile is wider than the grown tree's"));
        }
    }
    Ok(())
}

fn read_checkpoint(row: &Row) -> Result<StoredCheckpoint, StoreError> {
    let row = Reader::new("log_checkpoints", "log_id", row)?;
    Ok(StoredCheckpoint {
        size: row.number("size")?,
        root: row.parsed("root")?,
        note: row.bytes("note")?,
        created_at: row.instant("created_at_us")?,
    })
}

/// Returns the key that the log is signed by now.
async fn key_in_use(tx: &mut Tx, tenant: &Tenant) -> Result<String, StoreError> {
    let row = query("SELECT log_id, vkey FROM log_heads WHERE tenant_id = $1 AND log_id = $2")
        .bind(tenant.id.to_string())
        .bind(tenant.log.to_string())
        .fetch_one(&mut *tx)
        .await
        .map_err(doing("store the checkpoint"))?;
    Reader::new("log_heads", "log_id", &row)?.text("vkey")
}

fn read_tile(row: &Row) -> Result<Tile, StoreError> {
    let row = Reader::new("log_tiles", "log_id", row)?;
    let id =
        TileId { level: row.number("level")?, index: row.number("tile_index")?, width: row.number("width")? };
    Ok(Tile { id, bytes: row.bytes("hashes")? })
}
