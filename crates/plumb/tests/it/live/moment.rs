//! Verifying while others record: whatever they do in the middle of it is left to the next verification (LED-27).

use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;

use app::{Config, Mode};

use super::{config, wait};
use crate::support::{assert_code, world};

/// Acts of the other process.
const ACTS: usize = 40;

#[test]
fn led_27_a_verification_while_another_process_records_finds_nothing_wrong() {
    let world = world();
    let anchor = world.path("anchor.log");
    let world = world.env("PLUMB_LEDGER_ANCHOR", anchor.to_str().unwrap());
    assert_code(&world.plumb(&["demo"]), 0);
    let data = world.data().join("demo");
    let config = Config { anchor: Some(anchor), ..config(&data) };
    let is_done = AtomicBool::new(false);
    thread::scope(|scope| {
        scope.spawn(|| {
            let data = data.to_str().unwrap();
            for act in 0..ACTS {
                let verb = if act % 2 == 0 { "add" } else { "release" };
                let words = ["--data-dir", data, "ledger", "hold", verb, "case", "--reason", "r"];
                assert_code(&world.plumb(&words), 0);
            }
            is_done.store(true, Ordering::Release);
        });
        wait(async {
            let app = app::open(&config, Mode::Ledger).await.unwrap();
            let mut sizes = Vec::new();
            while !is_done.load(Ordering::Acquire) {
                let report = app.verify_ledger(None).await.unwrap();
                assert_eq!(report.findings, [], "after {sizes:?} entries");
                assert_eq!(app.verify_state().await.unwrap(), []);
                sizes.push(report.entries);
            }
            sizes.dedup();
            assert!(sizes.is_sorted() && sizes.len() > 3, "it was verified in between: {sizes:?}");
            app.close().await;
        });
    });
}
