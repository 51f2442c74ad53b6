//! Refusals of a batch at its exact limits, before anything is written (TLW-11, TLW-12).

use std::sync::Arc;

use model::Status::{Fail, Pass};
use model::{EVIDENCE_BYTES_MAX, RuleId};
use store::StoreError;
use store::apply::{Applied, BATCH_BYTES_MAX, Batch, Blob, RESULTS_MAX};
use store::locks::Fence;
use tokio::task::JoinSet;

use crate::bench::{Bench, On, at};
use crate::story::{Begun, all_pass, blob, evidence, findings, rule_set};

async fn begun(on: On) -> (Bench, Begun, Batch) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let begun = bench.begin(host, true, at(100)).await.unwrap();
    let found = findings(&[("r1", Pass, "v1"), ("r2", Fail, "v2")]);
    let batch = bench.batch(&begun.scan, &found, at(100)).await;
    (bench, begun, batch)
}

/// An evidence document of exactly so many bytes, told apart by a number.
fn evidence_of(bytes: usize, number: usize) -> Blob {
    let frame = evidence(&format!("{number:05}")).bytes.len();
    evidence(&format!("{number:05}{}", "x".repeat(bytes - frame)))
}

async fn refusal(batch: Batch, bench: &mut Bench, begun: &Begun) -> StoreError {
    let before = bench.dump().await;
    let mut raw = bench.raw().await;
    *bench = raw.count_writes(bench).await;
    let err = bench.apply(begun.fence, &batch, at(110)).await.unwrap_err();
    assert_eq!(raw.take_writes().await, Vec::<String>::new());
    drop(raw);
    let mut after = bench.dump().await;
    after.remove("row_writes");
    assert_eq!(after, before);
    err
}

/// TLW-11: the largest evidence document is stored to the byte.
async fn evidence_of_262144_bytes_is_stored(on: On) {
    let (bench, begun, mut batch) = begun(on).await;
    let large = evidence_of(262_144, 1);
    assert_eq!(large.bytes.len(), EVIDENCE_BYTES_MAX);
    batch.evidence[0] = large.clone();
    batch.changes[0].evidence_sha256 = large.sha256;
    bench.apply(begun.fence, &batch, at(110)).await.unwrap();
    assert_eq!(bench.evidence(large.sha256).await, Some(large.bytes));
    assert!(bench.ledger_problems().await.is_empty());
}
on_each!(evidence_of_262144_bytes_is_stored);

/// TLW-11: one byte more refuses the whole batch and names rule, size and limit.
async fn evidence_of_262145_bytes_refuses_the_batch_before_any_insert(on: On) {
    let (mut bench, begun, mut batch) = begun(on).await;
    let large = evidence_of(262_145, 1);
    batch.changes[1].evidence_sha256 = large.sha256;
    batch.evidence[1] = large;
    match refusal(batch, &mut bench, &begun).await {
        StoreError::EvidenceOversize { rule, size, limit } => {
            assert_eq!((rule.as_str(), size, limit), ("r2", 262_145, 262_144));
        }
        other => panic!("{other:?}"),
    }
}
on_each!(evidence_of_262145_bytes_refuses_the_batch_before_any_insert);

/// TLW-12: 10,000 results are accepted, one more is refused.
async fn ten_thousand_results_are_accepted_and_one_more_is_refused(on: On) {
    let (mut bench, begun, mut batch) = begun(on).await;
    let mut rules: Vec<RuleId> = batch.rules.clone();
    rules.extend(all_pass(RESULTS_MAX - 1).into_iter().map(|finding| finding.rule));
    assert_eq!(rules.len(), 10_001);
    batch.rules = rules.clone();
    match refusal(batch.clone(), &mut bench, &begun).await {
        StoreError::BatchTooLarge { size, limit, .. } => assert_eq!((size, limit), (10_001, 10_000)),
        other => panic!("{other:?}"),
    }
    rules.pop();
    batch.rule_set = rule_set(&rules);
    batch.scan.rule_set_sha256 = Some(batch.rule_set);
    batch.rules = rules;
    bench.apply(begun.fence, &batch, at(110)).await.unwrap();
    let stored = bench.db.load_rule_set(&bench.tenant, batch.rule_set).await.unwrap();
    assert_eq!(stored.len(), 10_000);
}
on_each!(ten_thousand_results_are_accepted_and_one_more_is_refused);

/// TLW-12: 64 MiB of evidence are accepted, one byte more is refused.
async fn evidence_of_64_mib_is_accepted_and_one_byte_more_is_refused(on: On) {
    let (mut bench, begun, mut batch) = begun(on).await;
    let whole = BATCH_BYTES_MAX / EVIDENCE_BYTES_MAX;
    assert_eq!(whole * EVIDENCE_BYTES_MAX, 67_108_864);
    // The two that the changes name, and as many more as fill the rest but for one document.
    let named: usize = batch.evidence.iter().map(|evidence| evidence.bytes.len()).sum();
    batch.evidence.extend((0..whole - 1).map(|number| evidence_of(EVIDENCE_BYTES_MAX, number)));
    let rest = EVIDENCE_BYTES_MAX - named;
    batch.evidence.push(evidence_of(rest + 1, 99_999));
    match refusal(batch.clone(), &mut bench, &begun).await {
        StoreError::BatchTooLarge { size, limit, .. } => assert_eq!((size, limit), (67_108_865, 67_108_864)),
        other => panic!("{other:?}"),
    }
    batch.evidence.pop();
    batch.evidence.push(evidence_of(rest, 99_999));
    bench.apply(begun.fence, &batch, at(110)).await.unwrap();
    let mut raw = bench.raw().await;
    let stored = "SELECT sum(byte_size) FROM evidence WHERE byte_size = length(body)";
    assert_eq!(raw.number(stored).await, 67_108_864);
}
on_each!(evidence_of_64_mib_is_accepted_and_one_byte_more_is_refused);

/// TLW-12: a rule that stands twice is named.
async fn a_rule_that_stands_twice_refuses_the_batch(on: On) {
    let (mut bench, begun, mut batch) = begun(on).await;
    batch.rules.push(batch.rules[1].clone());
    match refusal(batch, &mut bench, &begun).await {
        StoreError::DuplicateRule { rule } => assert_eq!(rule.as_str(), "r2"),
        other => panic!("{other:?}"),
    }
}
on_each!(a_rule_that_stands_twice_refuses_the_batch);

/// TLW-12: evidence that breaks its schema is refused: no JSON, an unknown or missing member, another schema.
async fn evidence_that_breaks_its_schema_refuses_the_batch(on: On) {
    let (bench, begun, batch) = begun(on).await;
    let good = String::from_utf8(evidence("d").bytes).unwrap();
    let broken = [
        "not JSON".to_owned(),
        "[]".to_owned(),
        good.replace("\"masked\":false", "\"masked\":0"),
        good.replace("\"masked\":false", "\"masked\":false,\"more\":1"),
        good.replace("\"detail\":\"d\",", ""),
        good.replace("\"detail\":\"d\",", "\"detail\":\"d\",\"detail\":\"d\","),
        good.replace("plumbline.evidence/1", "plumbline.evidence/2"),
    ];
    let before = bench.dump().await;
    for text in broken {
        let mut batch = batch.clone();
        let bad = blob(text.as_bytes());
        batch.changes[0].evidence_sha256 = bad.sha256;
        batch.evidence[0] = bad.clone();
        match bench.apply(begun.fence, &batch, at(110)).await.unwrap_err() {
            StoreError::EvidenceInvalid { sha256 } => assert_eq!(sha256, bad.sha256),
            other => panic!("{text}: {other:?}"),
        }
        assert_eq!(bench.dump().await, before, "{text}");
    }
    let mut batch = batch;
    batch.evidence[0] = blob(&[0xff, 0xfe]);
    let err = bench.apply(begun.fence, &batch, at(110)).await.unwrap_err();
    assert!(matches!(err, StoreError::EvidenceInvalid { .. }), "{err:?}");
}
on_each!(evidence_that_breaks_its_schema_refuses_the_batch);

/// TLW-27: each refusal has its name, and the rule that it is about where there is one; nothing is written.
async fn tlw_27_each_refusal_of_an_apply_has_its_name(on: On) {
    let (bench, begun, batch) = begun(on).await;
    let before = bench.dump().await;
    let (mut twice, mut oversize, mut broken, mut many, mut stray) =
        (batch.clone(), batch.clone(), batch.clone(), batch.clone(), batch);
    twice.rules.push(twice.rules[1].clone());
    let large = evidence_of(EVIDENCE_BYTES_MAX + 1, 1);
    oversize.changes[1].evidence_sha256 = large.sha256;
    oversize.evidence[1] = large;
    broken.evidence[0] = blob(b"[]");
    many.rules = (0..=RESULTS_MAX).map(|n| format!("r{n}").parse().unwrap()).collect();
    let lost = Fence { token: begun.fence.token + 1, ..begun.fence };
    let whole = stray.clone();
    stray.evidence.clear();
    for (fence, batch, name, rule) in [
        (begun.fence, twice, "duplicate_rule", Some("r2")),
        (begun.fence, oversize, "evidence_oversize", Some("r2")),
        (begun.fence, broken, "evidence_invalid", None),
        (begun.fence, many, "batch_too_large", None),
        (begun.fence, stray, "fk_violation", None),
        (lost, whole.clone(), "stale_fence", None),
    ] {
        let err = bench.apply(fence, &batch, at(110)).await.unwrap_err();
        assert_eq!((err.apply_failure().as_str(), err.offending_rule().map(RuleId::as_str)), (name, rule));
        assert!(!err.is_out_of_order(), "{err:?}");
        assert_eq!(bench.dump().await, before, "{name}");
    }
    bench.apply(begun.fence, &whole, at(110)).await.unwrap();
}
on_each!(tlw_27_each_refusal_of_an_apply_has_its_name);

/// TLW-28: fifty Applies at once, each of a host of its own: all are there whole, and the ledger has no gap.
async fn tlw_28_fifty_applies_at_once_lose_nothing(on: On) {
    let bench = Arc::new(Bench::on(on).await);
    let mut begun = Vec::new();
    for n in 0..50 {
        let host = bench.host(&format!("web-{n}")).await;
        begun.push(bench.begin(host, true, at(100)).await.unwrap());
    }
    let found = findings(&[("r1", Pass, "v1"), ("r2", Fail, "v2"), ("r3", Pass, "v3")]);
    let mut applies = JoinSet::new();
    for begun in begun {
        let (bench, found) = (Arc::clone(&bench), found.clone());
        applies.spawn(async move {
            let batch = bench.batch(&begun.scan, &found, at(100)).await;
            bench.apply(begun.fence, &batch, at(110)).await
        });
    }
    while let Some(applied) = applies.join_next().await {
        assert!(matches!(applied.unwrap().unwrap(), Applied::Now(_)));
    }
    let mut raw = bench.raw().await;
    for (rows, table) in [(150, "transactions"), (150, "host_rule_state"), (50, "host_posture")] {
        assert_eq!(raw.number(&format!("SELECT count(*) FROM {table}")).await, rows, "{table}");
    }
    let gaps = "SELECT max(log_index) + 1 - count(*) FROM log_entries";
    assert_eq!(raw.number(gaps).await, 0);
    assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
}
on_each!(tlw_28_fifty_applies_at_once_lose_nothing);

/// TLW-12: no evidence is stored as `{}`.
async fn empty_evidence_is_stored_as_an_empty_object(on: On) {
    let (bench, begun, mut batch) = begun(on).await;
    let empty = blob(b"{}");
    batch.changes[0].evidence_sha256 = empty.sha256;
    batch.evidence[0] = empty.clone();
    bench.apply(begun.fence, &batch, at(110)).await.unwrap();
    assert_eq!(bench.evidence(empty.sha256).await, Some(b"{}".to_vec()));
    assert_eq!(bench.result(begun.scan.host_id, "r1").await.evidence_sha256, empty.sha256);
}
on_each!(empty_evidence_is_stored_as_an_empty_object);

/// LED-09: rows take what changes share from the scan, so a change that says otherwise is refused.
async fn a_change_that_contradicts_its_scan_refuses_the_batch(on: On) {
    let (bench, begun, batch) = begun(on).await;
    let before = bench.dump().await;
    let other_host = bench.host_record("other").host_id;
    let contradictions: [fn(&mut Batch); 7] = [
        |batch| batch.changes[0].correlation_id = "another".to_owned(),
        |batch| batch.changes[0].occurred_at = at(99),
        |batch| batch.changes[0].engine_digest = rule_set(&[]),
        |batch| batch.changes[0].policy_digest = rule_set(&[]),
        |batch| batch.changes[0].policy_version = "other".to_owned(),
        |batch| batch.changes[0].rule_id = RuleId::parse("not-covered").unwrap(),
        |batch| batch.scan.measured_at = None,
    ];
    for (i, contradict) in contradictions.into_iter().enumerate() {
        let mut batch = batch.clone();
        contradict(&mut batch);
        let err = bench.apply(begun.fence, &batch, at(110)).await.unwrap_err();
        assert!(matches!(err, StoreError::Ledger { .. }), "{i}: {err:?}");
    }
    let mut elsewhere = batch;
    elsewhere.changes[0].host_id = other_host;
    bench.apply(begun.fence, &elsewhere, at(110)).await.unwrap_err();
    assert_eq!(bench.dump().await, before);
}
on_each!(a_change_that_contradicts_its_scan_refuses_the_batch);
