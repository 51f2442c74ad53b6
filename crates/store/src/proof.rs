//! What a proof is made of: a handful of tiles, and which entry is that of a row. Nothing here reads the whole log.

use ledger::proof::Tiles;
use ledger::tile::TileId;

use crate::append::to_i64;
use crate::codec::Reader;
use crate::db::{Sql, query};
use crate::error::{StoreError, doing};
use crate::rebuild::Registry;
use crate::{Db, Tenant};

impl Db {
    /// Reads some tiles. A tile that was partial when the log was smaller is the beginning of the stored one.
    ///
    /// A tile that is not stored, or not as wide, is left out.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn read_tiles(
        &self,
        tenant: &Tenant,
        wanted: impl IntoIterator<Item = TileId>,
    ) -> Result<Tiles, StoreError> {
        let mut tiles = Tiles::new();
        for id in wanted {
            let row = query(
                "SELECT log_id, hashes
                 FROM log_tiles
                 WHERE tenant_id = $1 AND log_id = $2 AND level = $3 AND tile_index = $4",
            )
            .bind(tenant.id.to_string())
            .bind(tenant.log.to_string())
            .bind(i64::from(id.level))
            .bind(to_i64(id.index)?)
            .fetch_optional(self.readers(tenant.id))
            .await
            .map_err(doing("read a tile"))?;
            let Some(row) = row else { continue };
            let bytes = Reader::new("log_tiles", "log_id", &row)?.bytes("hashes")?;
            tiles.extend(bytes.get(..id.bytes_len()).map(|bytes| (id, bytes.to_vec())));
        }
        Ok(tiles)
    }

    /// Returns the position of the newest entry of a recorded row, its index counted on through the logs of the
    /// tenant; nothing when there is no such row.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn find_row_position(
        &self,
        tenant: &Tenant,
        registry: Registry,
        key: &str,
    ) -> Result<Option<u64>, StoreError> {
        // Both parts are constants of the registry.
        let (table, column, position) = (registry.table(), registry.key(), registry.position());
        let sql = format!(
            "SELECT {column} AS row_key, {position} AS log_position
             FROM {table}
             WHERE tenant_id = $1 AND {column} = $2 AND log_index IS NOT NULL"
        );
        let row = query(Sql::Assembled(sql))
            .bind(tenant.id.to_string())
            .bind(key)
            .fetch_optional(self.readers(tenant.id))
            .await
            .map_err(doing("look a recorded row up"))?;
        row.map(|row| Reader::new(table, "row_key", &row)?.number("log_position")).transpose()
    }
}
