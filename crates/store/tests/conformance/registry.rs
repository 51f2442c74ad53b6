//! The registry of tables against a fresh database: nothing can be added to one without a line in the other.

use std::collections::{BTreeMap, BTreeSet};

use ledger::EntryKind;
use store::rebuild::Registry;
use store::registry::{Guard, TABLES, Vouch};

use crate::bench::Bench;

/// Kinds of entries that nothing writes yet: each comes with its table.
const NOT_YET: &[EntryKind] = &[EntryKind::ChangeStep, EntryKind::MemoryOp];

/// LED-11: every table and every column has a line, and every line has its table and column.
#[tokio::test]
async fn every_table_and_column_has_a_line_in_the_registry_led_11() {
    let bench = Bench::sqlite().await;
    let mut raw = bench.raw().await;
    let mut found = BTreeMap::new();
    for table in raw.tables().await {
        found.insert(table.clone(), raw.columns(&table).await);
    }
    let listed: BTreeMap<String, Vec<String>> = TABLES
        .iter()
        .map(|table| {
            let columns = table.columns.iter().map(|(column, _vouch)| (*column).to_owned());
            (table.name.to_owned(), columns.collect())
        })
        .collect();
    assert_eq!(listed, found, "left: the registry, right: the database");
    assert_eq!(listed.len(), TABLES.len(), "a table stands in the registry twice");
}

/// LED-11: every kind of entry belongs to at most one table, and only kinds to come belong to none.
#[test]
fn every_kind_of_entry_has_one_table_led_11() {
    for kind in EntryKind::ALL {
        let tables: Vec<&str> =
            TABLES.iter().filter(|table| table.entries.contains(kind)).map(|table| table.name).collect();
        let wanted = usize::from(!NOT_YET.contains(kind));
        assert_eq!(tables.len(), wanted, "{kind}: {tables:?}");
    }
}

/// LED-11: rows of exactly the tables that entries speak of are rendered and compared by the verifier.
#[test]
fn every_ledgered_table_is_compared_by_the_verifier_led_11() {
    // Every checkpoint's signature covers what is recorded of a log.
    let listed: BTreeSet<&str> = TABLES
        .iter()
        .filter(|table| !table.entries.is_empty() && table.name != "log_heads")
        .map(|table| table.name)
        .collect();
    let compared: BTreeSet<&str> = Registry::ALL.iter().map(|registry| registry.table()).collect();
    assert_eq!(listed, compared);
    for table in TABLES {
        let by_entry = table.columns.iter().any(|(_column, vouch)| *vouch == Vouch::Entry);
        assert_eq!(by_entry, compared.contains(table.name), "{}", table.name);
    }
}

/// TLW-18: rows that an entry, a digest or the log vouches for cannot be deleted, and the reason why nobody
/// vouches for a column is never empty.
#[test]
fn what_is_vouched_for_is_guarded_and_what_is_not_has_a_reason() {
    for table in TABLES {
        let recorded =
            table.columns.iter().any(|(_, vouch)| matches!(vouch, Vouch::Entry | Vouch::Digest | Vouch::Log));
        assert!(!recorded || table.guard != Guard::Open, "{}", table.name);
        for (column, vouch) in table.columns {
            assert!(!matches!(vouch, Vouch::Nobody("")), "{}.{column}", table.name);
        }
    }
}
