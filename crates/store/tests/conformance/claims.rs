//! Facts and edges: put on change, compare and set, closed once, each with one entry (FCT-01 to FCT-11, FCT-16).

use model::{ClaimKey, ClaimKind, Classification, FactType, HostId, Subject, Timestamp};
use store::StoreError;
use store::facts::{Expected, Put, Stored, Written};

use crate::bench::{ACTOR, Bench, On, at};
use crate::raw::Raw;

/// Both tables; what is true of one is true of the other.
pub(crate) const KINDS: [ClaimKind; 2] = [ClaimKind::Fact, ClaimKind::Edge];

pub(crate) const fn table(kind: ClaimKind) -> &'static str {
    match kind {
        ClaimKind::Fact => "facts",
        ClaimKind::Edge => "edges",
    }
}

/// A fact or an edge of a fleet, which needs no host.
pub(crate) fn key(kind: ClaimKind, name: &str) -> ClaimKey {
    let subject = Subject::parse("fleet:web").unwrap();
    match kind {
        ClaimKind::Fact => {
            ClaimKey::Fact { subject, predicate: name.to_owned(), fact_type: FactType::Desired }
        }
        ClaimKind::Edge => ClaimKey::Edge {
            subject,
            relation: name.to_owned(),
            target: Subject::parse("network:10.0.0.0/8").unwrap(),
        },
    }
}

pub(crate) fn put<'p>(key: &'p ClaimKey, value: &'p str) -> Put<'p> {
    Put {
        key,
        value: value.as_bytes(),
        t_valid: None,
        reason: None,
        classification: Classification::Normal,
        expected: None,
    }
}

impl Bench {
    pub(crate) async fn put(&self, put: &Put<'_>, now: Timestamp) -> Result<Written, StoreError> {
        self.db.put_claim((&self.tenant, ACTOR), put, now, &mut self.nonces()).await
    }

    pub(crate) async fn fresh(&self, put: &Put<'_>, now: Timestamp) -> Stored {
        match self.put(put, now).await.unwrap() {
            Written::New(stored) => stored,
            Written::Unchanged(stored) => panic!("{} was there", stored.version.key),
        }
    }

    pub(crate) async fn retire(&self, key: &ClaimKey, now: Timestamp) -> Result<Stored, StoreError> {
        let by = (&self.tenant, ACTOR);
        self.db
            .retire_claim(
                by,
                key,
                ("no longer so", None, Classification::Restricted),
                now,
                &mut self.nonces(),
            )
            .await
    }

    pub(crate) async fn versions(&self, key: &ClaimKey) -> Vec<Stored> {
        self.db.list_versions(&self.tenant, key, (None, 500, Classification::Restricted)).await.unwrap()
    }
}

async fn counts(raw: &mut Raw, table: &str) -> [i64; 3] {
    let sql = |table: &str| format!("SELECT count(*) FROM {table}");
    [
        raw.number(&sql(table)).await,
        raw.number(&sql("log_entries")).await,
        raw.number(&sql("fact_heartbeats")).await,
    ]
}

/// FCT-01, FCT-03: a replaced value is closed by its successor, with all four times and both writers, and what is read
/// back is what was stored.
async fn fct_03_a_new_value_closes_the_old_one_and_says_by_what(on: On) {
    for kind in KINDS {
        let bench = Bench::on(on).await;
        let key = key(kind, "owner");
        let first = bench.fresh(&put(&key, "\"a\""), at(100)).await;
        let later = Put { reason: Some("moved"), t_valid: Some(at(150)), ..put(&key, "\"b\"") };
        let second = bench.fresh(&later, at(200)).await;
        let third = bench.fresh(&put(&key, "\"c\""), at(300)).await;
        let versions = bench.versions(&key).await;
        assert_eq!(versions.iter().map(|stored| stored.version.seq).collect::<Vec<_>>(), [2, 1, 0]);
        assert_eq!(versions[0], third);
        let [_third, closed, oldest] = versions.as_slice() else { panic!("{versions:?}") };
        assert_eq!(oldest.version.opened(), first.version);
        assert_eq!(closed.version.opened(), second.version);
        let ended = |stored: &Stored| {
            let version = stored.version.clone();
            (version.t_superseded, version.t_invalid, version.superseded_by, stored.superseded_index)
        };
        let wanted = (Some(at(200)), Some(at(150)), Some(1), Some(second.log_index));
        assert_eq!(ended(oldest), wanted);
        assert_eq!(oldest.version.superseded_actor.as_deref(), Some(ACTOR));
        assert_eq!(oldest.version.superseded_reason.as_deref(), Some("moved"));
        assert_eq!(closed.version.superseded_reason.as_deref(), Some("replaced"));
        assert_eq!(closed.version.reason.as_deref(), Some("moved"));
        assert_eq!(ended(closed), (Some(at(300)), Some(at(300)), Some(2), Some(third.log_index)));
        assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
    }
}
on_each!(fct_03_a_new_value_closes_the_old_one_and_says_by_what);

/// FCT-03: a value that is valid from before its predecessor was ends that one where it began.
async fn fct_03_a_back_dated_value_never_ends_its_predecessor_before_it_began(on: On) {
    for kind in KINDS {
        let bench = Bench::on(on).await;
        let key = key(kind, "owner");
        bench.fresh(&Put { t_valid: Some(at(90)), ..put(&key, "1") }, at(100)).await;
        bench.fresh(&Put { t_valid: Some(at(10)), ..put(&key, "2") }, at(200)).await;
        let versions = bench.versions(&key).await;
        assert_eq!(versions[1].version.t_invalid, Some(at(90)));
        assert_eq!(versions[1].version.t_superseded, Some(at(200)));
        assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
    }
}
on_each!(fct_03_a_back_dated_value_never_ends_its_predecessor_before_it_began);

/// FCT-04: 100 equal puts are one row, one entry and one heartbeat, however the value is written.
async fn fct_04_an_equal_put_moves_the_heartbeat_only(on: On) {
    for kind in KINDS {
        let bench = Bench::on(on).await;
        let key = key(kind, "limits");
        let mut raw = bench.raw().await;
        let [_, entries, _] = counts(&mut raw, table(kind)).await;
        let first = bench.fresh(&put(&key, r#"{"a":1,"b":2}"#), at(100)).await;
        for n in 1..100 {
            let again = bench.put(&put(&key, r#" {"b":2.0, "a":1e0}"#), at(100 + n)).await.unwrap();
            assert_eq!(again, Written::Unchanged(first.clone()));
        }
        assert_eq!(counts(&mut raw, table(kind)).await, [1, entries + 1, 1]);
        let seen = bench.db.list_heartbeats(&bench.tenant, key.subject()).await.unwrap();
        assert_eq!(seen, [(first.version.id.to_string(), at(199))]);
    }
}
on_each!(fct_04_an_equal_put_moves_the_heartbeat_only);

/// FCT-05: a retired version has no successor; a second retirement finds nothing and claims nothing.
async fn fct_05_a_retired_version_is_over_and_cannot_be_retired_again(on: On) {
    for kind in KINDS {
        let bench = Bench::on(on).await;
        let key = key(kind, "owner");
        bench.fresh(&put(&key, "1"), at(100)).await;
        let retired = bench.retire(&key, at(200)).await.unwrap();
        let version = &retired.version;
        assert_eq!((version.t_superseded, version.t_invalid), (Some(at(200)), Some(at(200))));
        assert_eq!(
            (version.superseded_by, version.superseded_reason.as_deref()),
            (None, Some("no longer so"))
        );
        assert_eq!(bench.versions(&key).await, [retired]);
        assert_eq!(bench.db.find_active(&bench.tenant, &key).await.unwrap(), None);
        let before = bench.dump().await;
        let err = bench.retire(&key, at(300)).await.unwrap_err();
        assert!(matches!(err, StoreError::ClaimMissing { .. }), "{err}");
        assert_eq!(bench.dump().await, before);
        bench.fresh(&put(&key, "1"), at(400)).await;
        assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
    }
}
on_each!(fct_05_a_retired_version_is_over_and_cannot_be_retired_again);

/// FCT-05: of two who retire one version at once, one does and the other is told that there is none.
async fn fct_05_of_two_racing_retirements_one_wins(on: On) {
    for kind in KINDS {
        let bench = Bench::on(on).await;
        let other = bench.second_handle().await;
        let key = key(kind, "owner");
        for round in 0..20 {
            bench.fresh(&put(&key, "1"), at(100 + round)).await;
            let both = tokio::join!(bench.retire(&key, at(100 + round)), other.retire(&key, at(100 + round)));
            let won = usize::from(both.0.is_ok()) + usize::from(both.1.is_ok());
            assert_eq!(won, 1, "{both:?}");
            let lost = both.0.err().or(both.1.err());
            assert!(matches!(lost, Some(StoreError::ClaimMissing { .. })), "{lost:?}");
        }
        assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
    }
}
on_each!(fct_05_of_two_racing_retirements_one_wins, 4);

/// FCT-06: what cannot be stored is refused before anything is written: no row, no heartbeat, no entry.
async fn fct_06_what_cannot_be_stored_leaves_nothing(on: On) {
    let bench = Bench::on(on).await;
    bench.host("web-1").await;
    let before = bench.dump().await;
    let long = format!("\"{}\"", "x".repeat(262_143));
    let deep = format!("{}1{}", "[".repeat(65), "]".repeat(65));
    let reason = "x".repeat(1_001);
    let name = "x".repeat(257);
    for kind in KINDS {
        let good = key(kind, "owner");
        let bad_values =
            ["null", "", "NaN", "1e999", "9007199254740992", "{\"a\":1,\"a\":2}", "[1] 2", &long, &deep];
        for value in bad_values {
            let err = bench.put(&put(&good, value), at(100)).await.unwrap_err();
            assert!(matches!(err, StoreError::Invalid { .. }), "{kind:?} {value:.20}: {err}");
        }
        let early = Put { t_valid: Some(at(401)), ..put(&good, "1") };
        let blank = Put { reason: Some("  \t"), ..put(&good, "1") };
        let wordy = Put { reason: Some(&reason), ..put(&good, "1") };
        let (unnamed, named) = (key(kind, " "), key(kind, &name));
        let nobody = Subject::host(HostId::new(bench.uuid()));
        let unknown = match key(kind, "owner") {
            ClaimKey::Fact { predicate, fact_type, .. } => {
                ClaimKey::Fact { subject: nobody, predicate, fact_type }
            }
            ClaimKey::Edge { subject, relation, .. } => ClaimKey::Edge { subject, relation, target: nobody },
        };
        for bad in [early, blank, wordy, put(&unnamed, "1"), put(&named, "1"), put(&unknown, "1")] {
            let err = bench.put(&bad, at(100)).await.unwrap_err();
            assert!(matches!(err, StoreError::Invalid { .. }), "{kind:?} {bad:?}: {err}");
        }
        let err = bench
            .db
            .put_claim((&bench.tenant, " "), &put(&good, "1"), at(100), &mut bench.nonces())
            .await
            .unwrap_err();
        assert!(matches!(err, StoreError::Invalid { .. }), "{err}");
    }
    let rule = key(ClaimKind::Fact, "rule/x");
    assert!(matches!(bench.put(&put(&rule, "1"), at(100)).await, Err(StoreError::Invalid { .. })));
    for text in ["web-1", "hosts:web-1", "host:", "host: ", "", "Host:x"] {
        assert!(Subject::parse(text).is_err(), "{text:?}");
    }
    assert!(Subject::parse(&format!("fleet:{}", "x".repeat(507))).is_err());
    assert!("known".parse::<FactType>().is_err());
    assert_eq!(bench.dump().await, before);
}
on_each!(fct_06_what_cannot_be_stored_leaves_nothing);

/// FCT-06: a value of exactly the largest size and depth is stored, and so is one that begins 5 minutes ahead.
async fn fct_06_what_is_just_within_the_limits_is_stored(on: On) {
    for kind in KINDS {
        let bench = Bench::on(on).await;
        let long = format!("\"{}\"", "\u{1}".repeat(43_690));
        let deep = format!("{}1{}", "[".repeat(64), "]".repeat(64));
        for (name, value) in [("long", &long), ("deep", &deep)] {
            // A control character is six bytes in canonical form.
            let value = value.replace('\u{1}', "\\u0001");
            let key = key(kind, name);
            let early = Put { t_valid: Some(at(400)), ..put(&key, &value) };
            let stored = bench.fresh(&early, at(100)).await;
            assert_eq!(stored.version.value, value);
            stored.token().unwrap();
        }
        assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
    }
}
on_each!(fct_06_what_is_just_within_the_limits_is_stored);

/// FCT-07: recorded times strictly increase, also when the clock steps back by an hour, which is on record.
async fn fct_07_recorded_times_increase_when_the_clock_steps_back(on: On) {
    for kind in KINDS {
        let bench = Bench::on(on).await;
        let key = key(kind, "owner");
        let mut newest = at(0);
        for (n, now) in [at(7_200), at(7_200), at(3_600), at(3_601), at(7_300)].into_iter().enumerate() {
            let value = n.to_string();
            let stored = bench.fresh(&put(&key, &value), now).await;
            assert!(stored.version.t_recorded > newest, "{n}");
            newest = stored.version.t_recorded;
        }
        let stepped = "SELECT count(*) FROM audit_events WHERE action = 'clock.stepped_back'";
        assert_eq!(bench.raw().await.number(stepped).await, 2);
        assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
    }
}
on_each!(fct_07_recorded_times_increase_when_the_clock_steps_back);

/// FCT-02, FCT-08: one active version of a key by a unique index, and `seq` by a statement that computes it.
async fn fct_02_fct_08_the_catalog_has_the_unique_keys(on: On) {
    let bench = Bench::on(on).await;
    let mut raw = bench.raw().await;
    for (kind, columns) in [
        (ClaimKind::Fact, ["subject", "predicate", "fact_type"]),
        (ClaimKind::Edge, ["subject", "relation", "target"]),
    ] {
        let table = table(kind);
        let mut key = vec!["tenant_id".to_owned()];
        key.extend(columns.map(str::to_owned));
        let unique = raw.unique_keys(table).await;
        assert!(unique.contains(&(key, "t_superseded IS NULL".to_owned())), "{unique:?}");
        assert_eq!(raw.key(table).await, ["tenant_id", "seq"]);
    }
    let sequences = match on {
        On::Sqlite => "SELECT count(*) FROM sqlite_schema WHERE name = 'sqlite_sequence'",
        On::Postgres => "SELECT count(*) FROM pg_class WHERE relkind = 'S'",
    };
    assert_eq!(raw.number(sequences).await, 0);
}
on_each!(fct_02_fct_08_the_catalog_has_the_unique_keys);

/// FCT-09: refused, conflicting and rolled back puts consume no number.
async fn fct_09_seq_has_no_gaps_after_refusals_and_rollbacks(on: On) {
    for kind in KINDS {
        let bench = Bench::on(on).await;
        let mut raw = bench.raw().await;
        let mut stored = 0;
        for n in 0_i64..1_000 {
            let (key, value) = (key(kind, &format!("k{}", n % 7)), n.to_string());
            let wanted = put(&key, &value);
            match n % 5 {
                // The database refuses the entry, after the row was written.
                1 => {
                    raw.plant(("INSERT", "log_entries"), "true").await;
                    bench.put(&wanted, at(n)).await.unwrap_err();
                    raw.pull_out().await;
                }
                2 => {
                    let conflict =
                        Put { expected: Some(Expected::Token(crate::story::digest(b"x"))), ..wanted };
                    let err = bench.put(&conflict, at(n)).await.unwrap_err();
                    assert!(matches!(err, StoreError::VersionConflict { .. }), "{err}");
                }
                3 => {
                    bench.put(&put(&key, "null"), at(n)).await.unwrap_err();
                }
                _ => {
                    bench.fresh(&wanted, at(n)).await;
                    stored += 1;
                }
            }
        }
        let table = table(kind);
        assert_eq!(raw.number(&format!("SELECT count(*) FROM {table}")).await, stored);
        assert_eq!(raw.number(&format!("SELECT max(seq) + 1 FROM {table}")).await, stored);
        assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
    }
}
on_each!(fct_09_seq_has_no_gaps_after_refusals_and_rollbacks);

/// FCT-03, LED-10: whatever statement of a replacement is refused, all of it leaves no trace.
async fn fct_03_a_put_that_fails_at_any_statement_leaves_everything_as_it_was(on: On) {
    for kind in KINDS {
        let bench = Bench::on(on).await;
        let key = key(kind, "owner");
        bench.fresh(&put(&key, "1"), at(100)).await;
        let mut raw = bench.raw().await;
        let before = bench.dump().await;
        for write in [
            ("UPDATE", table(kind)),
            ("INSERT", table(kind)),
            ("INSERT", "log_entries"),
            ("UPDATE", "log_heads"),
        ] {
            raw.plant(write, "true").await;
            let err = bench.put(&put(&key, "2"), at(200)).await.unwrap_err();
            assert!(err.to_string().contains("planted"), "{write:?}: {err}");
            raw.pull_out().await;
            assert_eq!(bench.dump().await, before, "{write:?}");
        }
        let bench = raw.count_writes(&bench).await;
        bench.fresh(&put(&key, "2"), at(200)).await;
        let mut writes = raw.take_writes().await;
        writes.sort();
        let table = table(kind);
        let known = [
            format!("INSERT {table}"),
            "INSERT log_entries".to_owned(),
            format!("UPDATE {table}"),
            "UPDATE log_heads".to_owned(),
        ];
        assert_eq!(writes, known);
    }
}
on_each!(fct_03_a_put_that_fails_at_any_statement_leaves_everything_as_it_was);

/// FCT-11: the token is what the requirement says, and a writer with an old one is refused and told the current one.
async fn fct_11_compare_and_set_names_the_current_token(on: On) {
    let bench = Bench::on(on).await;
    let fact = key(ClaimKind::Fact, "owner");
    let first = bench
        .fresh(&Put { expected: Some(Expected::Absent), ..put(&fact, "{\"b\":1,\"a\":\"é\"}") }, at(100))
        .await;
    let text = "{\"actor\":\"local:tester\",\"fact_type\":\"desired\",\"predicate\":\"owner\",\"reason\":null,\
                \"subject\":\"fleet:web\",\"t_valid\":\"2026-03-01T00:01:40.000000Z\",\"value\":{\"a\":\"é\",\"b\":1}}";
    assert_eq!(first.token().unwrap(), crate::story::digest(text.as_bytes()));
    let edge = key(ClaimKind::Edge, "in");
    let stored = bench.fresh(&Put { reason: Some("why"), ..put(&edge, "{}") }, at(100)).await;
    let recorded = stored.version.t_valid;
    let text = format!(
        "{{\"actor\":\"local:tester\",\"reason\":\"why\",\"relation\":\"in\",\"subject\":\"fleet:web\",\
         \"t_valid\":\"{recorded}\",\"target\":\"network:10.0.0.0/8\",\"value\":{{}}}}"
    );
    assert_eq!(stored.token().unwrap(), crate::story::digest(text.as_bytes()));
    for kind in KINDS {
        let key = key(kind, "cas");
        let one = bench.fresh(&put(&key, "1"), at(300)).await;
        let token = Expected::Token(one.token().unwrap());
        let two = bench.fresh(&Put { expected: Some(token), ..put(&key, "2") }, at(400)).await;
        let before = bench.dump().await;
        for expected in [token, Expected::Absent] {
            for value in ["2", "3"] {
                let err = bench
                    .put(&Put { expected: Some(expected), ..put(&key, value) }, at(500))
                    .await
                    .unwrap_err();
                let StoreError::VersionConflict { current, .. } = err else { panic!("{err}") };
                assert_eq!(current, Some(two.token().unwrap()));
            }
        }
        let by = (&bench.tenant, ACTOR);
        let err = bench
            .db
            .retire_claim(by, &key, ("x", Some(token), Classification::Normal), at(500), &mut bench.nonces())
            .await;
        assert!(matches!(err, Err(StoreError::VersionConflict { .. })), "{err:?}");
        assert_eq!(bench.dump().await, before);
    }
}
on_each!(fct_11_compare_and_set_names_the_current_token);

/// FCT-11: of 20 writers who all saw the same version, or none, one wins.
async fn fct_11_of_twenty_racing_writers_one_wins(on: On) {
    for kind in KINDS {
        let bench = Bench::on(on).await;
        let handles = [bench.clone(), bench.second_handle().await];
        let key = key(kind, "owner");
        let mut expected = Expected::Absent;
        for round in 1..=2 {
            let writers = (0..20).map(|n| {
                let (bench, key) = (handles[n % 2].clone(), key.clone());
                tokio::spawn(async move {
                    let value = format!("{}", 100 * round + n);
                    bench.put(&Put { expected: Some(expected), ..put(&key, &value) }, at(100)).await
                })
            });
            let mut won = 0;
            for writer in writers.collect::<Vec<_>>() {
                match writer.await.unwrap() {
                    Ok(_) => won += 1,
                    Err(err) => assert!(matches!(err, StoreError::VersionConflict { .. }), "{err}"),
                }
            }
            let versions = bench.versions(&key).await;
            assert_eq!((won, versions.len()), (1, round));
            expected = Expected::Token(versions[0].token().unwrap());
        }
        assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
    }
}
on_each!(fct_11_of_twenty_racing_writers_one_wins, 4);

/// FCT-15: a value is stored as the canonical text that was hashed.
async fn fct_15_values_come_back_byte_for_byte(on: On) {
    let bench = Bench::on(on).await;
    let mut raw = bench.raw().await;
    let scalars: String = (0..=0x10_ffff_u32).step_by(97).filter_map(char::from_u32).collect();
    let all = String::from_utf8(ledger::canonical::to_bytes(&scalars).unwrap()).unwrap();
    let corpus = [
        "\"\\u0000\"",
        "1e+21",
        "0.1",
        "9007199254740991",
        "-0.5",
        "{\"\":[]}",
        "false",
        "\"\u{2028}\"",
        &all,
    ];
    for kind in KINDS {
        for (n, value) in corpus.iter().enumerate() {
            let key = key(kind, &format!("v{n}"));
            let stored = bench.fresh(&put(&key, value), at(100)).await;
            assert_eq!(&stored.version.value, value);
            assert_eq!(bench.db.find_active(&bench.tenant, &key).await.unwrap(), Some(stored.clone()));
            let sql = format!("SELECT value FROM {} WHERE seq = {}", table(kind), stored.version.seq);
            assert_eq!(raw.column(&sql).await, [(*value).to_owned()]);
        }
    }
    assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
}
on_each!(fct_15_values_come_back_byte_for_byte);

/// FCT-27: what one tenant puts, retires and reads never touches another's.
async fn fct_27_two_tenants_have_their_own_versions_and_numbers(on: On) {
    for kind in KINDS {
        let bench = Bench::on(on).await;
        let other = bench.other_tenant("other").await;
        let key = key(kind, "owner");
        for n in 0..3 {
            let value = n.to_string();
            assert_eq!(bench.fresh(&put(&key, &value), at(100 + n)).await.version.seq, n as u64);
        }
        assert!(other.versions(&key).await.is_empty());
        assert!(other.retire(&key, at(200)).await.is_err());
        assert_eq!(other.fresh(&put(&key, "9"), at(200)).await.version.seq, 0);
        bench.retire(&key, at(300)).await.unwrap();
        assert_eq!(other.versions(&key).await.len(), 1);
        assert!(other.db.find_active(&other.tenant, &key).await.unwrap().is_some());
        assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
        assert_eq!(other.ledger_problems().await, Vec::<String>::new());
    }
}
on_each!(fct_27_two_tenants_have_their_own_versions_and_numbers);
