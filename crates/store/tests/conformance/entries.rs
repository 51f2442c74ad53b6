//! The log beside the tables: every row has its entry, every entry verifies, no index is missing.

use std::collections::BTreeMap;

use ledger::TreeHead;
use ledger::tree::{Frontier, leaf_hash};
use ledger::verify::{Blob as Kind, LoneBody, LoneEntry, Place, Verifier};
use model::Digest;
use model::Status::{Fail, Pass};
use model::record::LogRecord;
use serde_json::Value;
use store::blobs::Store;
use store::log::StoredEntry;
use store::rebuild::{Registry, Rendered, key_in_entries};

use crate::bench::{Bench, On, at};
use crate::story::{all_pass, findings};

/// Tables whose rows are written once, so that they have exactly one entry.
const WRITTEN_ONCE: &[&str] = &["transactions", "scan_runs", "audit_events", "log_heads", "facts", "edges"];
/// Pages that are read at a time; small, so that there are several.
const PAGE: u32 = 100;

/// A row with its place in the log, where the store tells it.
struct Row {
    table: &'static str,
    key: String,
    log_index: Option<u64>,
    record: Value,
}

/// The newest thing the log says of a row, and how many entries speak of it.
struct Committed {
    index: u64,
    entries: usize,
    record: Value,
}

impl Bench {
    pub(crate) async fn evidence(&self, sha256: Digest) -> Option<Vec<u8>> {
        self.db.find_blob(&self.tenant, Store::Evidence, sha256).await.unwrap()
    }

    pub(crate) async fn entries(&self) -> Vec<StoredEntry> {
        let mut entries: Vec<StoredEntry> = Vec::new();
        loop {
            let next = entries.last().map_or(0, |last| last.index + 1);
            let page = self.db.list_entries(&self.tenant, (next, PAGE)).await.unwrap();
            if page.is_empty() {
                return entries;
            }
            entries.extend(page);
        }
    }

    /// Returns the head of the log as it is now, as a checkpoint would have it.
    pub(crate) async fn head(&self) -> TreeHead {
        let mut tree = Frontier::new();
        for stored in self.entries().await {
            tree.push(leaf_hash(&stored.entry)).unwrap();
        }
        TreeHead { origin: self.tenant.origin.clone(), size: tree.size(), root: tree.root() }
    }

    /// Reads the whole log and every row that it speaks of; returns what does not fit, in words.
    pub(crate) async fn ledger_problems(&self) -> Vec<String> {
        self.problems_under(None).await
    }

    /// The same, for a log that once had this head.
    pub(crate) async fn problems_under(&self, head: Option<&TreeHead>) -> Vec<String> {
        let entries = self.entries().await;
        let mut problems = self.unverified(&entries, head).await;
        let mut committed = committed(&entries);
        let rows = match self.rows().await {
            Ok(rows) => rows,
            Err(err) => return vec![format!("unreadable: {err}")],
        };
        for row in rows {
            let name = format!("{} {}", row.table, row.key);
            let Some(known) = committed.remove(&(row.table.to_owned(), row.key)) else {
                problems.push(format!("{name} has no entry"));
                continue;
            };
            if known.record != row.record {
                problems.push(format!("{name} is not what entry {} says", known.index));
            }
            if row.log_index.is_some_and(|index| index != known.index) {
                problems.push(format!("{name} names another entry than {}", known.index));
            }
            if WRITTEN_ONCE.contains(&row.table) && known.entries != 1 {
                problems.push(format!("{name} has {} entries", known.entries));
            }
        }
        problems.extend(committed.keys().map(|(table, key)| format!("{table} {key} is gone")));
        for kind in [model::ClaimKind::Fact, model::ClaimKind::Edge] {
            let wrong = self.db.list_wrong_closings(&self.tenant, kind, 100).await.unwrap();
            problems
                .extend(wrong.iter().map(|id| format!("{kind:?} {id} did not end as its successor says")));
        }
        let size = self.db.log_size(&self.tenant).await.unwrap();
        if size != entries.len() as u64 {
            problems.push(format!("the head says {size}, there are {} entries", entries.len()));
        }
        problems
    }

    async fn unverified(&self, entries: &[StoredEntry], head: Option<&TreeHead>) -> Vec<String> {
        let mut verifier = Verifier::new(Some(&self.tenant.log.to_string()), 0);
        if let Some(head) = head {
            verifier.expect_head(head, &Place::default());
        }
        for stored in entries {
            let pushed = verifier.push(LoneEntry::read(&stored.entry), &Place::default());
            let Some(entry) = &pushed.entry else { continue };
            let body = LoneBody::read(entry, Some(&stored.body));
            let references = body.references().to_vec();
            verifier.body(pushed.index, entry, body, &Place::default());
            for reference in references {
                let store = match reference.blob {
                    Kind::Evidence => Store::Evidence,
                    Kind::Manifest => Store::Manifests,
                };
                let digest = Digest(reference.sha256);
                let bytes = self.db.find_blob(&self.tenant, store, digest).await.unwrap();
                let found = bytes.map(|bytes| ledger::sha256(&bytes));
                verifier.blob(pushed.index, reference, found, &Place::default());
            }
        }
        verifier.finish().findings.into_iter().map(|finding| format!("{finding:?}")).collect()
    }

    /// Every ledgered row, rendered again.
    async fn rows(&self) -> Result<Vec<Row>, store::StoreError> {
        let mut rows = Vec::new();
        for registry in Registry::ALL {
            let mut after = String::new();
            loop {
                let page = self.db.render_rows(&self.tenant, registry, &after).await?;
                let Some(last) = page.last() else { break };
                after.clone_from(&last.key);
                for row in page {
                    let Rendered { position, record } = row.content?;
                    rows.push(Row {
                        table: registry.table(),
                        key: row.key,
                        log_index: Some(position),
                        record,
                    });
                }
            }
        }
        let log = LogRecord {
            log_id: self.tenant.log,
            origin: self.tenant.origin.clone(),
            vkey: self.tenant.vkey.clone(),
            created_at: at(0),
            continues: None,
        };
        let record = serde_json::to_value(log).unwrap();
        rows.push(Row { table: "log_heads", key: self.tenant.log.to_string(), log_index: Some(0), record });
        Ok(rows)
    }
}

fn committed(entries: &[StoredEntry]) -> BTreeMap<(String, String), Committed> {
    let mut committed: BTreeMap<(String, String), Committed> = BTreeMap::new();
    for stored in entries {
        let entry: Value = serde_json::from_slice(&stored.entry).unwrap();
        let body: Value = serde_json::from_slice(&stored.body).unwrap();
        let text = |member: &str| entry[member].as_str().unwrap().to_owned();
        let row = key_in_entries(text("kind").parse().unwrap(), text("row"));
        let key = (text("table"), row);
        let entries = committed.get(&key).map_or(0, |known| known.entries) + 1;
        let record = body["row"].clone();
        committed.insert(key, Committed { index: stored.index, entries, record });
    }
    committed
}

/// LED-09, LED-10: after a day of everything, the log verifies, each row is what its newest entry says,
/// and nothing is said of rows that are not there.
async fn every_row_is_what_its_newest_entry_says(on: On) {
    let bench = Bench::on(on).await;
    let record = bench.host_record("web-1");
    let host = bench.put_host(&record, at(0)).await.unwrap().host_id;
    bench.trust("web-1", "key-a", at(10)).await.unwrap();
    bench.revoke("web-1", "key-a", at(20)).await;
    bench.scan(host, &all_pass(30), at(100)).await;
    bench.partial(host, &findings(&[("r0003", Fail, "v2"), ("new", Pass, "v1")]), at(200)).await;
    let begun = bench.begin(host, true, at(300)).await.unwrap();
    bench.fail(&begun, at(310)).await.unwrap();
    bench.begin(host, true, at(400)).await.unwrap();
    bench.begin(host, true, at(400 + 3_600)).await.unwrap();
    let renamed = model::record::HostRecord { name: "web-one".to_owned(), ..record };
    bench.put_host(&renamed, at(5_000)).await.unwrap();
    assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
    let tables = ["transactions", "scan_runs", "audit_events", "hosts", "host_keys"];
    let rows = bench.rows().await.unwrap();
    for table in tables {
        assert!(rows.iter().any(|row| row.table == table), "{table}");
    }
}
on_each!(every_row_is_what_its_newest_entry_says);

/// LED-08: an entry has exactly these members and never a value; the body carries the value, whatever its size.
async fn entries_are_small_and_values_stand_in_bodies_only(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    bench.scan(host, &all_pass(3), at(100)).await;
    let marker = "a-value-that-must-not-stand-in-an-entry";
    let long = format!("{{\"text\":\"{}{marker}\"}}", "x".repeat(262_144));
    let audit = model::record::AuditRecord { detail: long, ..bench.audit("test.long", "test") };
    let by = (&bench.tenant, &audit);
    bench.db.put_host(by, &bench.host_record("web-2"), at(200), &mut bench.nonces()).await.unwrap();
    for stored in bench.entries().await {
        let entry: BTreeMap<String, Value> = serde_json::from_slice(&stored.entry).unwrap();
        let members: Vec<&str> = entry.keys().map(String::as_str).collect();
        let wanted = ["actor", "at", "body_len", "body_sha256", "index", "kind", "log", "row", "table", "v"];
        assert_eq!(members, wanted);
        assert!(stored.entry.len() <= 65_535);
        assert!(!String::from_utf8(stored.entry).unwrap().contains(marker));
        let body: Value = serde_json::from_slice(&stored.body).unwrap();
        assert_eq!(body["nonce"].as_str().map(str::len), Some(32));
    }
    assert!(bench.ledger_problems().await.is_empty());
}
on_each!(entries_are_small_and_values_stand_in_bodies_only);

/// LED-09: the same record twice has two nonces, so bodies cannot be guessed from their digests.
async fn equal_records_have_different_bodies(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    bench.scan(host, &all_pass(50), at(100)).await;
    let entries = bench.entries().await;
    let nonces: std::collections::BTreeSet<String> = entries
        .iter()
        .map(|stored| serde_json::from_slice::<Value>(&stored.body).unwrap()["nonce"].to_string())
        .collect();
    assert_eq!(nonces.len(), entries.len());
}
on_each!(equal_records_have_different_bodies);

/// LED-12, TLW-28: eight writers of three tenants through two handles lose nothing, and no index is missing.
async fn eight_concurrent_writers_of_three_tenants_lose_nothing(on: On) {
    const WRITERS: usize = 8;
    const SCANS: i64 = 5;
    let first = Bench::on(on).await;
    let second = first.second_handle().await;
    let tenants = [first.clone(), second.other_tenant("b").await, first.other_tenant("c").await];
    let mut writers = tokio::task::JoinSet::new();
    for n in 0..WRITERS {
        let handle = if n % 2 == 0 { &first } else { &second };
        let bench = handle.for_tenant(&tenants[n % 3].tenant);
        writers.spawn(async move {
            let host = bench.host(&format!("host-{n}")).await;
            for scan in 1..=SCANS {
                let value = format!("v{scan}");
                bench.scan(host, &findings(&[("r1", Pass, &value), ("r2", Fail, "v")]), at(scan * 100)).await;
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
    let mut scans = 0;
    for bench in &tenants {
        assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
        for host in bench.db.list_hosts(&bench.tenant).await.unwrap() {
            let found = bench.db.list_scans(&bench.tenant, host.record.host_id).await.unwrap();
            scans += found.len();
            assert_eq!(bench.result(host.record.host_id, "r1").await.check_count, SCANS.unsigned_abs());
        }
    }
    assert_eq!(scans, WRITERS * usize::try_from(SCANS).unwrap());
}
on_each!(eight_concurrent_writers_of_three_tenants_lose_nothing, 4);

/// LED-12: the database itself refuses an entry that is not the next one, and a head that shrinks.
async fn the_database_refuses_gaps_and_shrinking_heads(on: On) {
    let bench = Bench::on(on).await;
    bench.host("web-1").await;
    let mut raw = bench.raw().await;
    let before = bench.dump().await;
    for index in ["-1", "0", "2", "4", "NULL"] {
        let sql = format!(
            "INSERT INTO log_entries SELECT tenant_id, log_id, {index}, entry, body FROM log_entries LIMIT 1"
        );
        raw.run(&sql).await.unwrap_err();
    }
    raw.run("UPDATE log_heads SET size = size - 1").await.unwrap_err();
    raw.run("UPDATE log_heads SET last_at_us = last_at_us - 1").await.unwrap_err();
    raw.run("DELETE FROM log_heads").await.unwrap_err();
    assert_eq!(bench.dump().await, before);
}
on_each!(the_database_refuses_gaps_and_shrinking_heads);
