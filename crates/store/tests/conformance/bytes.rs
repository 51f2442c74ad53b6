//! Exact bytes: stored once per tenant under their SHA-256, and every digest points to something.

use model::Status::{Fail, Pass};
use store::blobs::Store;

use crate::bench::{Bench, On, at};
use crate::story::{all_pass, blob, digest, findings};

/// TLW-13: odd spacing, key order and number forms come back to the byte.
async fn evidence_with_odd_spacing_and_key_order_comes_back_to_the_byte(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let odd = br#"{ "schema" : "plumbline.evidence/1","masked":false ,
        "checks":[{"command":"c","output":{"text":"\u0041\u0000 \ud83d\ude00 caf\u00e9"},"expected":"",
        "output_sha256":"0000000000000000000000000000000000000000000000000000000000000000",
        "output_len":9007199254740993,"cut":false,"actual":"","exit_status":-1 }], "detail":"\/ \u2028 "  }"#;
    let odd = blob(odd);
    let begun = bench.begin(host, true, at(100)).await.unwrap();
    let mut batch = bench.batch(&begun.scan, &findings(&[("r1", Pass, "v1")]), at(100)).await;
    batch.changes[0].evidence_sha256 = odd.sha256;
    batch.evidence[0] = odd.clone();
    bench.apply(begun.fence, &batch, at(110)).await.unwrap();
    assert_eq!(bench.evidence(odd.sha256).await, Some(odd.bytes.clone()));
    let mut raw = bench.raw().await;
    let row = format!(
        "SELECT count(*) FROM evidence WHERE sha256 = '{}' AND byte_size = {} AND first_seen_at = {}",
        odd.sha256,
        odd.bytes.len(),
        at(110).as_micros()
    );
    assert_eq!(raw.number(&row).await, 1);
}
on_each!(evidence_with_odd_spacing_and_key_order_comes_back_to_the_byte);

/// TLW-13: the same content twice, in one batch and in a later one, is one row; each tenant has its own.
async fn each_content_is_stored_once_per_tenant(on: On) {
    let bench = Bench::on(on).await;
    let other = bench.other_tenant("other").await;
    for bench in [&bench, &other] {
        let host = bench.host("web-1").await;
        let begun = bench.begin(host, true, at(100)).await.unwrap();
        let found = findings(&[("r1", Pass, "v1"), ("r2", Pass, "v1")]);
        let mut batch = bench.batch(&begun.scan, &found, at(100)).await;
        batch.evidence[1] = batch.evidence[0].clone();
        batch.changes[1].evidence_sha256 = batch.evidence[0].sha256;
        bench.apply(begun.fence, &batch, at(110)).await.unwrap();
        // Back and forth: the evidence of the first state comes a second time.
        bench.scan(host, &findings(&[("r1", Fail, "v2"), ("r2", Pass, "v1")]), at(200)).await;
        bench.scan(host, &found, at(300)).await;
    }
    let mut raw = bench.raw().await;
    for (table, rows) in [("evidence", 2), ("manifests", 2), ("corpora", 1)] {
        for tenant in [&bench.tenant, &other.tenant] {
            let sql = format!("SELECT count(*) FROM {table} WHERE tenant_id = '{}'", tenant.id);
            assert_eq!(raw.number(&sql).await, rows, "{table}");
        }
    }
}
on_each!(each_content_is_stored_once_per_tenant);

/// TLW-13, TLW-14: every stored key is the digest of its bytes; every digest in a row is a stored key.
async fn no_digest_dangles_and_every_key_is_its_bytes_digest(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    bench.scan(host, &all_pass(40), at(100)).await;
    bench.partial(host, &findings(&[("r0001", Fail, "v2")]), at(200)).await;
    bench.scan(host, &all_pass(40), at(300)).await;
    for store in [Store::Evidence, Store::Manifests, Store::Corpora] {
        let (mut after, mut seen) = (String::new(), 0);
        loop {
            let page = bench.db.list_blobs(&bench.tenant, store, (&after, 7)).await.unwrap();
            let Some(last) = page.last() else { break };
            after.clone_from(&last.sha256);
            seen += page.len();
            for blob in &page {
                assert_eq!(blob.sha256, digest(&blob.bytes).to_string(), "{}", store.table());
                assert_eq!(usize::try_from(blob.byte_size), Ok(blob.bytes.len()), "{}", store.table());
            }
        }
        let rows = bench.raw().await.number(&format!("SELECT count(*) FROM {}", store.table())).await;
        assert_eq!(i64::try_from(seen).unwrap(), rows);
    }
    let mut raw = bench.raw().await;
    let references = [
        ("host_rule_state", "evidence_sha256", "evidence"),
        ("transactions", "evidence_sha256", "evidence"),
        ("scan_runs", "manifest_sha256", "manifests"),
        ("scan_runs", "rule_set_sha256", "rule_sets"),
        ("scan_runs", "corpus_digest", "corpora"),
        ("host_posture", "current_rule_set", "rule_sets"),
        ("host_rule_sets", "sha256", "rule_sets"),
    ];
    for (table, column, target) in references {
        let sql = format!(
            "SELECT count(*) FROM {table} AS t WHERE t.{column} IS NULL OR NOT EXISTS (
               SELECT 1 FROM {target} AS b WHERE b.tenant_id = t.tenant_id AND b.sha256 = t.{column})"
        );
        assert_eq!(raw.number(&sql).await, 0, "{table}.{column}");
    }
}
on_each!(no_digest_dangles_and_every_key_is_its_bytes_digest);

/// TLW-14: an unchanged result keeps the evidence of its last log row.
async fn an_unchanged_result_keeps_the_evidence_of_its_last_row(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let first = bench.scan(host, &findings(&[("r1", Pass, "v1")]), at(100)).await;
    let second = bench.scan(host, &findings(&[("r1", Pass, "v1")]), at(200)).await;
    assert!(second.batch.evidence.is_empty());
    assert_eq!(bench.result(host, "r1").await.evidence_sha256, first.batch.evidence[0].sha256);
}
on_each!(an_unchanged_result_keeps_the_evidence_of_its_last_row);
