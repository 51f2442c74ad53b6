//! Recorded time only moves forward, whatever the clock does (TLW-30).

use model::Status::{Fail, Pass};
use model::Timestamp;
use model::record::{AuditPhase, AuditRecord};
use serde_json::Value;

use crate::bench::{Bench, HOUR, On, SECOND, at};
use crate::story::findings;

impl Bench {
    async fn recorded_times(&self) -> Vec<String> {
        let time = |bytes: &[u8]| {
            let entry: Value = serde_json::from_slice(bytes).unwrap();
            entry["at"].as_str().unwrap().to_owned()
        };
        self.entries().await.iter().map(|stored| time(&stored.entry)).collect()
    }

    async fn step_backs(&self) -> Vec<AuditRecord> {
        let bodies = self.entries().await.into_iter().map(|stored| stored.body);
        bodies
            .map(|body| serde_json::from_slice::<Value>(&body).unwrap())
            .filter(|body| body["row"]["action"] == "clock.stepped_back")
            .map(|body| serde_json::from_value(body["row"].clone()).unwrap())
            .collect()
    }
}

/// TLW-30: one hour back between two scans: the log goes on, the step is on record, valid time is the caller's.
async fn a_clock_stepped_back_by_an_hour_never_turns_recorded_time_back(on: On) {
    let bench = Bench::on(on).await;
    let host = bench.host("web-1").await;
    let first = bench.scan(host, &findings(&[("r1", Pass, "v1")]), at(10_000)).await;
    let begun = bench.begin(host, true, at(10_020).plus_micros(-HOUR)).await.unwrap();
    // The caller keeps valid time from running back; the store keeps recorded time.
    let batch = bench.batch(&begun.scan, &findings(&[("r1", Fail, "v2")]), at(10_000)).await;
    bench.apply(begun.fence, &batch, at(10_030).plus_micros(-HOUR)).await.unwrap();
    let second = bench.db.find_scan(&bench.tenant, begun.scan.scan_id).await.unwrap().unwrap();
    assert!(second.recorded_at > first.scan.recorded_at);

    let times = bench.recorded_times().await;
    assert!(times.is_sorted(), "{times:?}");
    let steps = bench.step_backs().await;
    assert_eq!(steps.len(), 2, "one for each of the two transactions after the step");
    assert_eq!(steps[0].phase, AuditPhase::Event);
    // Recorded at 10,010 s; then the clock says 10,020 s less one hour.
    let behind: Value = serde_json::from_str(&steps[0].detail).unwrap();
    assert_eq!(behind["behind_us"], HOUR - 10 * SECOND);
    let mut raw = bench.raw().await;
    let rows = "SELECT CAST(occurred_at AS TEXT) FROM transactions ORDER BY log_index";
    let wanted = at(10_000).as_micros().to_string();
    assert_eq!(raw.column(rows).await, [wanted.clone(), wanted]);
    assert!(bench.ledger_problems().await.is_empty());
}
on_each!(a_clock_stepped_back_by_an_hour_never_turns_recorded_time_back);

/// TLW-30: up to one second of difference between two machines' clocks is not worth a record; more is.
async fn a_step_back_of_one_second_is_not_recorded_and_one_microsecond_more_is(on: On) {
    for (behind, records) in [(SECOND, 0), (SECOND + 1, 1)] {
        let bench = Bench::on(on).await;
        bench.put_host(&bench.host_record("web-1"), at(100)).await.unwrap();
        let now = at(100).plus_micros(-behind);
        bench.put_host(&bench.host_record("web-2"), now).await.unwrap();
        assert_eq!(bench.step_backs().await.len(), records, "{behind} us");
        assert!(bench.recorded_times().await.is_sorted());
        assert!(bench.ledger_problems().await.is_empty());
    }
}
on_each!(a_step_back_of_one_second_is_not_recorded_and_one_microsecond_more_is);

/// TLW-30, LED-12: a clock that stands still gives each transaction a time of its own.
async fn transactions_under_a_standing_clock_have_rising_times(on: On) {
    let bench = Bench::on(on).await;
    let mut recorded: Vec<Timestamp> = Vec::new();
    for n in 0..5 {
        let host = bench.put_host(&bench.host_record(&format!("h{n}")), at(100)).await.unwrap();
        recorded.push(host.changed_at);
    }
    let wanted: Vec<Timestamp> = (0..5).map(|n| at(100).plus_micros(n)).collect();
    assert_eq!(recorded, wanted);
    assert!(bench.step_backs().await.is_empty());
}
on_each!(transactions_under_a_standing_clock_have_rising_times);
