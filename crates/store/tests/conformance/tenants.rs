//! One tenant's work and another's do not meet, whatever is asked or written and whatever ids are named (FCT-27, DBS-04 to
//! DBS-06): the same suite on a file, where statements name their tenant, and on a server, where row security binds too.

use std::collections::BTreeSet;
use std::fmt::Debug;

use ledger::EntryKind;
use ledger::tile::{Tile, TileId};
use model::Status::{Fail, Pass};
use model::record::{BodyErased, ErasedBlob, HoldChanged, HostRecord, LogEvent, SegmentPruned};
use model::{ClaimKind, Classification, HostId, Timestamp};
use store::blobs::Store;
use store::cosignatures::StoredCosignature;
use store::facts::graph::{Direction, Walk};
use store::facts::read::{Instants, Wanted};
use store::history::Page;
use store::log::StoredCheckpoint;
use store::rebuild::Registry;
use store::retention::Expiry;
use store::{Db, Login};

use crate::bench::{Bench, EVERYDAY, Home, On, at, server};
use crate::claims::{KINDS, key, put};
use crate::keys::key as host_key;
use crate::story::{Done, digest, findings};

/// A tenant with rows of every kind, and what others may name of it.
struct Party {
    bench: Bench,
    /// Works as the owner where only the owner may.
    owner: Bench,
    word: &'static str,
    host: HostId,
    done: Done,
}

impl Party {
    async fn fill(bench: Bench, owner: Db, word: &'static str) -> Self {
        let host = bench.host(word).await;
        let found = findings(&[(&format!("r_{word}"), Pass, word), ("r2", Fail, &format!("{word}-2"))]);
        let done = bench.scan(host, &found, at(100)).await;
        bench.trust(word, word, at(110)).await.unwrap();
        for kind in KINDS {
            bench.fresh(&put(&key(kind, word), &format!("\"{word}\"")), at(120)).await;
        }
        let head = head(word);
        let tile = Tile { id: TileId { level: 0, index: 0, width: 2 }, bytes: vec![word.as_bytes()[0]; 64] };
        assert!(bench.db.store_head(&bench.tenant, &[tile], &head, None).await.unwrap());
        bench.db.store_cosignature(&bench.tenant, &cosignature(word)).await.unwrap();
        let party = Self { owner: bench.through(owner), bench, word, host, done };
        party.hold().await;
        let erasure = party.erasure(&party);
        let audit = party.bench.audit("ledger.erase", word);
        let by = (&party.bench.tenant, &audit);
        party.owner.db.erase(by, &[erasure], at(140), &mut party.bench.nonces()).await.unwrap();
        let pruned = party.pruned();
        let audit = party.bench.audit("ledger.prune", word);
        let by = (&party.bench.tenant, &audit);
        party.owner.db.prune(by, (&pruned, &[]), at(150), &mut party.bench.nonces()).await.unwrap();
        party
    }

    async fn hold(&self) {
        let hold = LogEvent::HoldChanged(HoldChanged {
            hold: format!("hold of {}", self.word),
            active: true,
            subject: format!("host:{}", self.host),
            reason: self.word.to_owned(),
        });
        let audit = self.bench.audit("hold.add", self.word);
        let by = (&self.bench.tenant, &audit);
        self.bench.db.append_events(by, &[hold], at(130), &mut self.bench.nonces()).await.unwrap();
    }

    /// The erasure of another's evidence.
    fn erasure(&self, other: &Self) -> BodyErased {
        BodyErased {
            erased_index: 1,
            blob: ErasedBlob::Evidence,
            erased_sha256: other.done.batch.evidence[0].sha256,
            erased_size: None,
            retention_days: None,
            reason: self.word.to_owned(),
            approved_by: "ada".to_owned(),
        }
    }

    fn pruned(&self) -> SegmentPruned {
        SegmentPruned {
            from: 0,
            to: 256,
            bodies_days: 1,
            reason: self.word.to_owned(),
            approved_by: "ada".to_owned(),
        }
    }

    /// Everything that can be asked, with one's own ids and another's, as text.
    async fn sees(&self, other: &Self) -> String {
        let mut seen = self.asks_of(self).await;
        seen += &self.asks_of(other).await;
        seen
    }

    async fn asks_of(&self, named: &Self) -> String {
        let (db, tenant) = (&self.bench.db, &self.bench.tenant);
        let (host, batch) = (named.host, &named.done.batch);
        let mut all = String::new();
        let mut note = |verb: &str, told: &dyn Debug| all += &format!("{verb}: {told:?}\n");
        let always = (Timestamp::MAX, Timestamp::MAX);
        note("find_host", &db.find_host(tenant, host).await.unwrap());
        note("list_hosts", &db.list_hosts(tenant).await.unwrap());
        note("list_scans", &db.list_scans(tenant, host).await.unwrap());
        note("find_scan", &db.find_scan(tenant, named.done.scan.scan_id).await.unwrap());
        note("find_last_applied", &db.find_last_applied(tenant, host).await.unwrap());
        note("find_full_scan", &db.find_full_scan(tenant, host, always).await.unwrap());
        let since = Timestamp::MIN;
        note("has_unsigned_since", &db.has_unsigned_since((tenant, host), since, always).await.unwrap());
        note("results_as_of", &db.results_as_of((tenant, host), always, Some(batch.rule_set)).await.unwrap());
        note("load_prior", &db.load_prior(tenant, host).await.unwrap());
        note("load_state", &db.load_state(tenant, host).await.unwrap());
        note("load_rule_set", &db.load_rule_set(tenant, batch.rule_set).await.unwrap());
        note("compare_coverage", &db.compare_coverage(tenant, host).await.unwrap());
        note("evidence_of", &db.evidence_of(tenant, host).await.unwrap());
        let page = Page {
            host_id: host,
            rule_id: None,
            after: Timestamp::from_micros(0),
            until: Timestamp::MAX,
            before: None,
            limit: 100,
        };
        note("list_changes", &db.list_changes(tenant, page).await.unwrap());
        for (store, blob) in [(Store::Evidence, &batch.evidence[0]), (Store::Manifests, &batch.manifest)] {
            note("find_blob", &db.find_blob(tenant, store, blob.sha256).await.unwrap());
            note("list_blobs", &db.list_blobs(tenant, store, ("", 100)).await.unwrap());
            note("hosts_naming", &db.hosts_naming(tenant, blob.sha256).await.unwrap());
        }
        note("list_keys", &db.list_keys(tenant, None).await.unwrap());
        note("list_keys of", &db.list_keys(tenant, Some((named.word, 22))).await.unwrap());
        note("holds", &db.holds(tenant, named.done.fence).await.unwrap());
        note("count_strays", &db.count_strays(tenant).await.unwrap());
        for registry in Registry::ALL {
            let rows = db.render_rows(tenant, registry, "").await.unwrap();
            note("render_rows", &rows);
            let theirs = named.bench.db.render_rows(&named.bench.tenant, registry, "").await.unwrap();
            for row in theirs {
                note("find_row_position", &db.find_row_position(tenant, registry, &row.key).await.unwrap());
            }
        }
        all += &self.asks_for_claims(named).await;
        all += &self.asks_of_the_log().await;
        all
    }

    async fn asks_for_claims(&self, named: &Self) -> String {
        let (db, tenant) = (&self.bench.db, &self.bench.tenant);
        let mut all = String::new();
        let mut note = |verb: &str, told: &dyn Debug| all += &format!("{verb}: {told:?}\n");
        let now = Instants { valid_at: Timestamp::MAX, recorded_at: Timestamp::MAX, position: 1 << 40 };
        for kind in KINDS {
            let key = key(kind, named.word);
            let every = Wanted {
                kind,
                subject: key.subject(),
                name: None,
                last: None,
                up_to: Classification::Restricted,
            };
            note("list_active", &db.list_active(tenant, &every).await.unwrap());
            note("list_as_of", &db.list_as_of(tenant, &every, now).await.unwrap());
            note("find_active", &db.find_active(tenant, &key).await.unwrap());
            note(
                "list_versions",
                &db.list_versions(tenant, &key, (None, 100, Classification::Restricted)).await.unwrap(),
            );
            note("list_wrong_closings", &db.list_wrong_closings(tenant, kind, 100).await.unwrap());
            note("list_heartbeats", &db.list_heartbeats(tenant, key.subject()).await.unwrap());
        }
        let edge = key(ClaimKind::Edge, named.word);
        let walk = Walk {
            start: edge.subject(),
            direction: Direction::Both,
            relation: None,
            depth: 4,
            up_to: Classification::Restricted,
        };
        note("walk", &db.walk(tenant, &walk, now).await.unwrap());
        all
    }

    async fn asks_of_the_log(&self) -> String {
        let (db, tenant) = (&self.bench.db, &self.bench.tenant);
        let mut all = String::new();
        let mut note = |verb: &str, told: &dyn Debug| all += &format!("{verb}: {told:?}\n");
        note("log_size", &db.log_size(tenant).await.unwrap());
        note("log_time", &db.log_time(tenant).await.unwrap());
        let entries = db.list_entries(tenant, (0, 500)).await.unwrap();
        for entry in &entries {
            note("entry", &String::from_utf8_lossy(&entry.entry));
            note("body", &String::from_utf8_lossy(&entry.body));
        }
        note("load_edge", &db.load_edge(tenant).await);
        note("list_tiles", &db.list_tiles(tenant, None, 100).await.unwrap());
        note("list_checkpoints", &db.list_checkpoints(tenant, 100).await.unwrap());
        note("find_checkpoint", &db.find_checkpoint(tenant, 2).await.unwrap());
        note("first_checkpoint_over", &db.first_checkpoint_over(tenant, 1).await.unwrap());
        note("witnessed_size", &db.witnessed_size(tenant).await.unwrap());
        note("newest_cosigned", &db.newest_cosigned(tenant, "witness", "0011aabb").await.unwrap());
        note("list_every_cosignature", &db.list_every_cosignature(tenant).await.unwrap());
        note("list_cosignatures", &db.list_cosignatures(tenant, 2).await.unwrap());
        note("list_logs", &db.list_logs(tenant.id).await.unwrap());
        note("list_events", &db.list_events(tenant, None).await.unwrap());
        note("newest_event", &db.newest_event(tenant, EntryKind::HoldChanged).await.unwrap());
        note("pruned", &db.pruned(tenant).await.unwrap());
        note("list_prunings", &db.list_prunings(tenant).await.unwrap());
        note("erased", &db.erased(tenant, ErasedBlob::Evidence).await.unwrap());
        note("list_erasures", &db.list_erasures(tenant).await.unwrap());
        note("first_naming_gone", &db.first_naming_gone((tenant, 0), (0, 1_000)).await.unwrap());
        let expiry = Expiry { before: Timestamp::MAX, first_position: 0, after: String::new(), limit: 100 };
        note("list_expired", &db.list_expired(tenant, &expiry).await.unwrap());
        all
    }

    /// Every write, with another's ids where ids are named; whether it is refused or writes rows of one's own.
    async fn writes_against(&self, other: &Self) {
        let (db, tenant) = (&self.bench.db, &self.bench.tenant);
        let audit = || self.bench.audit("of another", other.word);
        let mut nonces = self.bench.nonces();
        self.bench.begin(other.host, true, at(200)).await.unwrap_err();
        let (scan, fence) = (other.done.scan.clone(), other.done.fence);
        db.fail_scan((tenant, "local:tester"), (fence, &scan), &[audit()], at(210), &mut nonces)
            .await
            .unwrap_err();
        self.bench.apply(fence, &other.done.batch, at(210)).await.unwrap_err();
        let host = HostRecord { host_id: other.host, ..self.bench.host_record("theirs") };
        self.bench.put_host(&host, at(220)).await.unwrap();
        self.bench.trust(other.word, "stolen", at(230)).await.unwrap();
        self.bench.revoke(other.word, other.word, at(240)).await;
        let fingerprint = host_key(other.word, other.word).fingerprint;
        db.saw_key(tenant, (other.word, 22, &fingerprint), at(250)).await.unwrap();
        for kind in KINDS {
            self.bench.retire(&key(kind, other.word), at(260)).await.unwrap_err();
            self.bench.fresh(&put(&key(kind, other.word), "\"mine\""), at(260)).await;
        }
        assert!(!db.store_head(tenant, &[], &head("x"), None).await.unwrap(), "there is one of this size");
        db.store_cosignature(tenant, &cosignature("y")).await.unwrap();
        self.hold().await;
        let mut erasure = self.erasure(other);
        let by = (tenant, &audit());
        self.owner.db.erase(by, std::slice::from_ref(&erasure), at(270), &mut nonces).await.unwrap_err();
        erasure.retention_days = Some(90);
        let by = (tenant, &audit());
        let expired = (at(900), &[erasure][..]);
        assert_ne!(self.owner.db.remove_expired(by, expired, at(280), &mut nonces).await.ok(), Some(true));
    }

    /// What the database holds of this tenant.
    async fn rows(&self) -> Vec<String> {
        let mine = self.bench.tenant.id.to_string();
        let dump = self.bench.dump().await;
        let rows = dump.iter().flat_map(|(table, rows)| rows.iter().map(move |row| format!("{table} {row}")));
        rows.filter(|row| row.contains(&format!("tenant_id='{mine}'"))).collect()
    }

    /// Ids, digests and words of this tenant that are not the other's too.
    async fn own_words(&self, other: &Self) -> BTreeSet<String> {
        let of = |rows: Vec<String>| -> BTreeSet<String> {
            let quoted = |row: &String| -> Vec<String> {
                row.split('\'')
                    .filter(|word| word.len() >= 32 && !word.contains(' '))
                    .map(str::to_owned)
                    .collect()
            };
            rows.iter().flat_map(quoted).collect()
        };
        let theirs = of(other.rows().await);
        let mut own: BTreeSet<String> = of(self.rows().await).difference(&theirs).cloned().collect();
        own.insert(self.word.to_owned());
        own
    }
}

fn head(word: &str) -> StoredCheckpoint {
    StoredCheckpoint {
        size: 2,
        root: digest(word.as_bytes()),
        note: word.as_bytes().to_vec(),
        created_at: at(125),
    }
}

fn cosignature(word: &str) -> StoredCosignature {
    StoredCosignature {
        size: 2,
        key_name: "witness".to_owned(),
        key_id: "0011aabb".to_owned(),
        line: format!("{word}\n"),
        received_at: at(126),
    }
}

async fn parties(on: On) -> [Party; 2] {
    let one = Bench::on(on).await;
    let other = one.other_tenant("other").await;
    let owner = one.owner().await;
    [Party::fill(one, owner.clone(), "alpha").await, Party::fill(other, owner, "bravo").await]
}

/// FCT-27, DBS-04: in both directions, no read shows anything of the other tenant, and no write changes a row of it.
async fn fct_27_dbs_04_no_verb_reads_or_writes_what_is_another_tenants(on: On) {
    let parties = parties(on).await;
    for (mine, theirs) in [(&parties[0], &parties[1]), (&parties[1], &parties[0])] {
        let (own, foreign) = (mine.own_words(theirs).await, theirs.own_words(mine).await);
        assert!(own.len() > 20 && foreign.len() > 20, "{own:?}");
        // What was asked for stands in no answer to it, so that another's words come from another's rows.
        let seen = mine.sees(theirs).await;
        let shown: Vec<&String> = own.iter().filter(|word| seen.contains(word.as_str())).collect();
        assert!(shown.len() > 10, "the answers show what is one's own: {shown:?}");
        let leaked: Vec<_> =
            seen.lines().filter(|line| foreign.iter().any(|word| line.contains(word.as_str()))).collect();
        assert!(leaked.is_empty(), "{}", leaked.join("\n"));
    }
    for (mine, theirs) in [(&parties[0], &parties[1]), (&parties[1], &parties[0])] {
        let before = theirs.rows().await;
        mine.writes_against(theirs).await;
        assert_eq!(theirs.rows().await, before, "{} wrote rows of {}", mine.word, theirs.word);
    }
    for party in &parties {
        assert!(party.bench.db.log_size(&party.bench.tenant).await.unwrap() > 10);
    }
}
on_each!(fct_27_dbs_04_no_verb_reads_or_writes_what_is_another_tenants);

/// DBS-05: 1,000 transactions of two tenants at once, half of them writing, over three connections: each sees its own rows.
async fn dbs_05_a_connection_that_is_used_again_shows_nothing_of_who_used_it(on: On) {
    const TRANSACTIONS: usize = 1_000;
    let one = Bench::on(on).await;
    let one = match &*one.home {
        Home::Folder(_) => one,
        Home::Server(database) => {
            let three = server(database.name(), EVERYDAY).connections(3);
            one.through(Db::connect(&three, Login::Everyday).await.unwrap())
        }
    };
    let other = one.other_tenant("other").await;
    let mut benches = Vec::new();
    for (bench, word) in [(one, "alpha"), (other, "bravo")] {
        let host = bench.host(word).await;
        bench.scan(host, &findings(&[("r1", Pass, word)]), at(100)).await;
        benches.push((bench, word));
    }
    let mut running = tokio::task::JoinSet::new();
    for n in 0..TRANSACTIONS {
        let (bench, word) = benches[n % 2].clone();
        running.spawn(async move {
            if n % 20 < 2 {
                bench.trust(&format!("{word}-{n}"), word, at(200)).await.unwrap();
            }
            let hosts = bench.db.list_hosts(&bench.tenant).await.unwrap();
            assert!(hosts.iter().all(|host| host.record.name == word) && hosts.len() == 1, "{hosts:?}");
            let keys = bench.db.list_keys(&bench.tenant, None).await.unwrap();
            assert!(keys.iter().all(|key| key.record.address.starts_with(word)), "{keys:?}");
        });
    }
    while let Some(done) = running.join_next().await {
        done.unwrap();
    }
    for (bench, _word) in &benches {
        assert_eq!(bench.db.list_keys(&bench.tenant, None).await.unwrap().len(), TRANSACTIONS / 20);
        assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
    }
}
on_each!(dbs_05_a_connection_that_is_used_again_shows_nothing_of_who_used_it, 2);
