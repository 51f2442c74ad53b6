//! Many audit records at once: each with its entry, all or none.

use store::StoreError;
use store::append::AUDITS_MAX;

use crate::bench::{ACTOR, Bench, On, at};

/// LED-09, LED-10: a batch has one entry for each record, in order, and its rows are what the entries commit to.
async fn a_batch_of_audit_records_has_an_entry_each_led_09(on: On) {
    let bench = Bench::on(on).await;
    let before = bench.db.log_size(&bench.tenant).await.unwrap();
    let records: Vec<_> = (0..100).map(|n| bench.audit("tested", &format!("thing:{n}"))).collect();
    let by = (&bench.tenant, ACTOR);
    bench.db.append_audits(by, &records, at(5), &mut bench.nonces()).await.unwrap();
    assert_eq!(bench.db.log_size(&bench.tenant).await.unwrap(), before + 100);
    assert_eq!(bench.ledger_problems().await, Vec::<String>::new());
    let mut raw = bench.raw().await;
    let subjects =
        raw.column("SELECT subject FROM audit_events WHERE action = 'tested' ORDER BY log_index").await;
    assert_eq!(subjects, (0..100).map(|n| format!("thing:{n}")).collect::<Vec<_>>());
}
on_each!(a_batch_of_audit_records_has_an_entry_each_led_09);

/// LED-10: a batch with a record that is there already is refused whole, and so is one that is too large.
async fn a_batch_that_is_refused_leaves_everything_as_it_was_led_10(on: On) {
    let bench = Bench::on(on).await;
    let (one, other) = (bench.audit("tested", "one"), bench.audit("tested", "other"));
    let by = (&bench.tenant, ACTOR);
    bench.db.append_audits(by, std::slice::from_ref(&one), at(5), &mut bench.nonces()).await.unwrap();
    let before = bench.dump().await;
    bench.db.append_audits(by, &[other.clone(), one], at(6), &mut bench.nonces()).await.unwrap_err();
    let many = vec![other; AUDITS_MAX + 1];
    let err = bench.db.append_audits(by, &many, at(7), &mut bench.nonces()).await.unwrap_err();
    assert!(matches!(err, StoreError::BatchTooLarge { limit: AUDITS_MAX, .. }), "{err}");
    assert_eq!(bench.dump().await, before);
}
on_each!(a_batch_that_is_refused_leaves_everything_as_it_was_led_10);
