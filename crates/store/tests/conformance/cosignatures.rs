//! Cosignatures with their checkpoints: kept once, listed in one order, of the tenant's own log only (LED-32).

use ledger::tile::{Tile, TileId};
use model::Digest;
use store::cosignatures::StoredCosignature;
use store::log::StoredCheckpoint;

use crate::bench::{Bench, On, at};

/// Stores heads of these sizes.
async fn heads(bench: &Bench, sizes: &[u64]) {
    for size in sizes {
        let id = TileId { level: 0, index: 0, width: u16::try_from(*size).unwrap() };
        let tile = Tile { id, bytes: vec![1; id.bytes_len()] };
        let head = StoredCheckpoint {
            size: *size,
            root: Digest([1; 32]),
            note: format!("a note of {size}").into_bytes(),
            created_at: at(0),
        };
        assert!(bench.db.store_head(&bench.tenant, &[tile], &head, None).await.unwrap());
    }
}

fn cosignature(size: u64, key_name: &str, seconds: i64) -> StoredCosignature {
    StoredCosignature {
        size,
        key_name: key_name.to_owned(),
        key_id: "0badcafe".to_owned(),
        line: format!("\u{2014} {key_name} {seconds}\n"),
        received_at: at(seconds),
    }
}

async fn led_32_cosignatures_are_kept_with_their_checkpoint_and_the_first_of_a_key_stays(on: On) {
    let bench = Bench::on(on).await;
    heads(&bench, &[3, 5]).await;
    let (db, tenant) = (&bench.db, &bench.tenant);
    let (first, second) = (cosignature(3, "w/b", 1), cosignature(3, "w/a", 2));
    for stored in [&first, &second, &cosignature(3, "w/b", 9), &cosignature(5, "w/b", 4)] {
        db.store_cosignature(tenant, stored).await.unwrap();
    }
    assert_eq!(db.list_cosignatures(tenant, 3).await.unwrap(), [second.clone(), first.clone()]);
    assert_eq!(db.list_cosignatures(tenant, 4).await.unwrap(), []);
    let every = db.list_every_cosignature(tenant).await.unwrap();
    assert_eq!(every, [second, first, cosignature(5, "w/b", 4)]);
    assert_eq!(db.newest_cosigned(tenant, "w/b", "0badcafe").await.unwrap(), Some(5));
    assert_eq!(db.newest_cosigned(tenant, "w/a", "0badcafe").await.unwrap(), Some(3));
    assert_eq!(db.newest_cosigned(tenant, "w/a", "00000000").await.unwrap(), None);
}
on_each!(led_32_cosignatures_are_kept_with_their_checkpoint_and_the_first_of_a_key_stays);

async fn led_32_a_cosignature_of_no_checkpoint_or_of_another_log_is_not_stored(on: On) {
    let bench = Bench::on(on).await;
    heads(&bench, &[3]).await;
    assert!(bench.db.store_cosignature(&bench.tenant, &cosignature(4, "w", 1)).await.is_err());
    let other = bench.other_tenant("other").await;
    assert!(other.db.store_cosignature(&other.tenant, &cosignature(3, "w", 1)).await.is_err());
    bench.db.store_cosignature(&bench.tenant, &cosignature(3, "w", 1)).await.unwrap();
    assert_eq!(other.db.list_every_cosignature(&other.tenant).await.unwrap(), []);
}
on_each!(led_32_a_cosignature_of_no_checkpoint_or_of_another_log_is_not_stored);
