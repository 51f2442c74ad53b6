//! How often an Apply goes to the server and back, and that what it carries is data (TLW-08).

use model::{ClaimKey, ClaimKind, Severity, Status, Timestamp};
use store::facts::read::{Instants, Wanted};
use store::{Db, Login, Server, SslMode};
use testkit::postgres::Wire;
use testkit::wait;

use crate::bench::{Bench, EVERYDAY, Home, On, at, cluster, server};
use crate::story::{Finding, all_pass, digest};

/// TLW-08: at most 30 round trips, and 10 more for each thousand rules. A connection prepares each statement the first
/// time it runs it, with one more round trip: that is behind it here, as behind a worker that has scanned a host.
#[tokio::test]
async fn tlw_08_an_apply_takes_few_round_trips_however_many_rules() {
    let bench = Bench::on(On::Postgres).await;
    let Home::Server(database) = &*bench.home else { panic!("on a server") };
    let wire = Wire::to(cluster()).unwrap();
    let server = Server::new(("127.0.0.1", wire.port()), database.name(), EVERYDAY)
        .ssl(SslMode::Disable, None)
        .connections(1);
    let over_wire = bench.through(Db::connect(&server, Login::Everyday).await.unwrap());
    let host = bench.host("before").await;
    over_wire.scan(host, &all_pass(10), at(100)).await;
    for (count, limit) in [(10, 30), (1_000, 40), (10_000, 130)] {
        let host = bench.host(&format!("web-{count}")).await;
        let begun = over_wire.begin(host, true, at(100)).await.unwrap();
        let batch = over_wire.batch(&begun.scan, &all_pass(count), at(100)).await;
        let before = wire.round_trips();
        over_wire.apply(begun.fence, &batch, at(110)).await.unwrap();
        let taken = wire.round_trips() - before;
        assert!((1..=limit).contains(&taken), "{count} rules: {taken} round trips");
    }
    over_wire.db.close().await;
    assert!(bench.ledger_problems().await.is_empty());
}

/// TLW-08: whatever rules, values and evidence say, it is data.
async fn tlw_08_hostile_text_comes_back_unchanged(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("'; DROP TABLE hosts; --").await;
    let hostile = [
        "'); DROP TABLE findings; --",
        "$1 $2 {} %s \\' \\x27 E'\\''",
        "\"quoted\" `ticks` [brackets] /* comment */ -- end",
        "\u{202e}right to left\u{0}with NUL",
    ];
    let found: Vec<Finding> = hostile
        .iter()
        .enumerate()
        .map(|(n, text)| Finding::new(&format!("r{n}"), Status::Fail, Severity::High, text))
        .collect();
    bench.scan(host, &found, at(100)).await;
    for finding in &found {
        let evidence = finding.evidence();
        assert_eq!(bench.evidence(digest(&evidence.bytes)).await, Some(evidence.bytes));
    }
    let names: Vec<String> =
        bench.db.list_hosts(&bench.tenant).await.unwrap().into_iter().map(|host| host.record.name).collect();
    assert_eq!(names, ["'; DROP TABLE hosts; --"]);
    assert!(bench.ledger_problems().await.is_empty());
}
on_each!(tlw_08_hostile_text_comes_back_unchanged);

/// LED-16, LED-11: what an append looks at does not grow with the log, also where the guard of its order runs.
#[tokio::test]
async fn led_16_an_append_on_a_server_reads_as_much_of_a_long_log_as_of_a_short_one() {
    let bench = Bench::on(On::Postgres).await;
    let Home::Server(database) = &*bench.home else { panic!("on a server") };
    let mut read = Vec::new();
    for already in [200, 3_000] {
        let records: Vec<_> = (0..already).map(|n| bench.audit("test", &format!("host:{n}"))).collect();
        let by = (&bench.tenant, "local:tester");
        bench.db.append_audits(by, &records, at(100), &mut bench.nonces()).await.unwrap();
        let append = format!(
            "BEGIN; SET LOCAL app.current_tenant = '{tenant}';
             INSERT INTO log_entries (tenant_id, log_id, log_index, entry, body)
             SELECT tenant_id, log_id, size + n, '', '' FROM log_heads, generate_series(0, 99) AS n;
             SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'log_entries';
             ROLLBACK;",
            tenant = bench.tenant.id
        );
        let rows: u64 = database.sql(&append).unwrap().trim().parse().unwrap();
        read.push(rows);
    }
    assert!(read[0] < 150 && read[1] < 150, "{read:?} rows were looked at");
}

/// FCT-29: what the guards of facts look at does not grow with the facts of the tenant, and is little for each.
#[tokio::test]
async fn fct_29_a_put_on_a_server_reads_as_much_of_many_facts_as_of_few() {
    let bench = Bench::on(On::Postgres).await;
    let Home::Server(database) = &*bench.home else { panic!("on a server") };
    let put = |family: &str, count: usize| {
        format!(
            "SET LOCAL app.current_tenant = '{tenant}';
             INSERT INTO facts (tenant_id, fact_id, seq, subject, predicate, fact_type, value, t_valid, t_recorded, actor,
               classification, log_index)
             SELECT '{tenant}', '{family}-' || n,
               (SELECT coalesce(max(seq) + 1, 0) FROM facts WHERE tenant_id = '{tenant}') + n,
               'host:web-1', '{family}/' || n, 'observed', '1', 0, 0, 'local:tester', 'normal', n
             FROM generate_series(0, {count} - 1) AS n;",
            tenant = bench.tenant.id
        )
    };
    let mut read = Vec::new();
    for already in [200, 3_000] {
        database.sql(&format!("BEGIN; {} COMMIT;", put(&format!("p{already}"), already))).unwrap();
        let append = format!(
            "BEGIN; {} SELECT seq_tup_read + idx_tup_fetch FROM pg_stat_xact_user_tables WHERE relname = 'facts'; ROLLBACK;",
            put("more", 100)
        );
        read.push(database.sql(&append).unwrap().trim().parse::<u64>().unwrap());
    }
    assert!(read[0] < 150 && read[1] < 150, "{read:?} rows were looked at");
}

/// FCT-12, FCT-14: the value of a key as of an instant is found without reading the versions that were before.
#[tokio::test]
async fn fct_12_a_value_as_of_an_instant_is_read_without_the_versions_before_it() {
    let bench = Bench::on(On::Postgres).await;
    let Home::Server(database) = &*bench.home else { panic!("on a server") };
    let tenant = bench.tenant.id;
    let key = crate::claims::key(ClaimKind::Fact, "one");
    let ClaimKey::Fact { subject, predicate, fact_type } = &key else { panic!("a fact") };
    // Past the guards, which is what a thousand puts come to.
    let versions = format!(
        "ALTER TABLE facts DISABLE TRIGGER ALL;
         INSERT INTO facts (tenant_id, fact_id, seq, subject, predicate, fact_type, value, t_valid, t_invalid, t_recorded,
           t_superseded, superseded_by, actor, superseded_actor, superseded_reason, classification, log_index, superseded_index)
         SELECT '{tenant}', lpad(CAST(n AS text), 32, '0')::uuid::text, n, '{subject}', '{predicate}', '{fact_type}', '1', n, n + 1, n, n + 1, n + 1, 'a', 'a',
           'replaced', 'normal', n, n + 1
         FROM generate_series(0, 999) AS n; ANALYZE facts;",
        subject = subject.as_str(),
        fact_type = fact_type.as_str()
    );
    database.sql(&versions).unwrap();
    database.sql("ALTER TABLE facts ENABLE TRIGGER ALL").unwrap();
    let reader = Db::connect(&server(database.name(), EVERYDAY), Login::Verifier).await.unwrap();
    let alone = || {
        let others = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()
            AND query LIKE '%facts%'";
        wait::until(wait::LONG, || database.sql(others).unwrap().trim() == "0")
    };
    bench.db.close().await;
    assert!(alone(), "somebody who wrote is there still");
    database.sql("SELECT pg_stat_reset()").unwrap();
    let instant = Timestamp::from_micros(600);
    let at = Instants { valid_at: instant, recorded_at: instant, position: 10_000 };
    let found = reader.list_as_of(&bench.tenant, &Wanted::key(&key), at).await.unwrap();
    assert_eq!(found.iter().map(|stored| stored.version.seq).collect::<Vec<_>>(), [600]);
    // A connection tells what it read at the latest when it ends.
    reader.close().await;
    let read = || {
        let read = "SELECT coalesce(seq_tup_read, 0) + coalesce(idx_tup_fetch, 0) FROM pg_stat_user_tables WHERE relname = 'facts'";
        database.sql(read).unwrap().trim().parse::<u64>().unwrap()
    };
    assert!(wait::until(wait::LONG, || read() > 0));
    assert!(read() < 10, "{} rows were looked at", read());
}
