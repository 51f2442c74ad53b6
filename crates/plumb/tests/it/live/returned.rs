//! Evidence that retention removed and that a host shows again: it comes back, and is expected from then on (TLW-33).

use std::path::Path;

use app::scan::{Capture, Narrowing};
use app::{App, Clock, Config, Mode, Retention};
use model::{Classification, Timestamp};

use super::workload::replayed;
use super::{config, wait};
use crate::database::{sql, tamper};

const DAY_US: i64 = 86_400_000_000;

/// The first and the later state of the demo's first host.
fn states() -> [Capture; 2] {
    let of = |host: (&str, Capture)| (host.0 == "demo-web").then_some(host.1);
    let chapters = app::demo::chapters().unwrap().into_iter();
    let mut states = chapters.filter_map(|chapter| chapter.hosts.into_iter().find_map(of));
    [states.next().unwrap(), states.next().unwrap()]
}

fn gone(data: &Path) -> Vec<String> {
    sql(&data.join("plumb.db"), "SELECT sha256 FROM evidence WHERE length(body) = 0 ORDER BY sha256;")
}

/// Asserts that a bundle without evidence that came back is refused by our verifier and by the one in the docs.
async fn assert_both_verifiers_miss_it(app: &App, folder: &Path, sha256: &str) {
    let bundle = folder.join("bundle");
    let vkeys = app.export(&bundle, Classification::Restricted).await.unwrap().vkeys;
    let other = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/verify.py");
    let asked = || {
        let keys: Vec<_> = vkeys.iter().map(|vkey| vkey.parse().unwrap()).collect();
        let options = ledger::bundle::Options::new(&keys);
        let report = app::bundle::verify_folder(&bundle, &options, &[]).unwrap();
        let done =
            std::process::Command::new("python3").arg(&other).arg(&bundle).args(&vkeys).output().unwrap();
        (report, String::from_utf8(done.stdout).unwrap())
    };
    let (report, said) = asked();
    assert_eq!((report.findings, said.as_str()), (vec![], "ok\n"));
    std::fs::remove_file(bundle.join(format!("evidence/{}/{sha256}", &sha256[..2]))).unwrap();
    let (report, said) = asked();
    assert!(
        report.findings.iter().any(|finding| finding.code == ledger::FindingCode::BodyMissing),
        "{report:#?}"
    );
    assert!(said.contains(&format!("{sha256} is not there and no entry erased")), "{said}");
}

#[test]
fn tlw_33_evidence_that_is_measured_again_comes_back_and_what_was_erased_on_request_does_not() {
    let folder = tempfile::Builder::new().prefix("plumbline-it-").tempdir().unwrap();
    let data = folder.path().join("data");
    let retention = Retention { evidence_days: 90, ..Retention::default() };
    let begun = Timestamp::from_micros(1_770_000_000_000_000);
    let config = Config { retention, clock: Clock::At(begun), ..config(&data) };
    let on = |app: &App, day: i64| app.at(Timestamp::from_micros(begun.as_micros() + day * DAY_US));
    wait(async {
        let app = app::open(&config, Mode::Create).await.unwrap();
        let scan = async |day, state: usize| {
            let app = on(&app, day);
            let capture = states().into_iter().nth(state).unwrap();
            replayed(&app, ("web", capture), Narrowing::default()).await;
            app::checkpoint::cut(&app).await.unwrap();
        };
        let codes = async |day| {
            let report = on(&app, day).verify_ledger(None).await.unwrap();
            let codes = report.findings.iter().map(|finding| format!("{:?}", finding.code));
            (codes.collect::<Vec<_>>(), report.expired, report.erased)
        };
        let prune = async |day| on(&app, day).prune(None, ("policy", "ada")).await.unwrap().evidence.blobs;
        scan(0, 0).await;
        scan(1, 1).await;
        // To the day: what stopped being current on day 1 is kept through day 91.
        assert_eq!(prune(90).await, []);
        let removed: Vec<String> = prune(92).await.iter().map(ToString::to_string).collect();
        assert_eq!(removed, gone(&data));
        assert!(removed.len() > 1, "{removed:?}");
        assert_eq!(codes(92).await, (vec![], removed.len() as u64, 0));
        // The host goes back to how it was, so that all of it is current again.
        scan(93, 0).await;
        assert_eq!(gone(&data), [""; 0]);
        assert_eq!(codes(93).await, (vec![], 0, 0));
        let sha256 = removed[0].parse().unwrap();
        assert!(!app.evidence(sha256).await.unwrap().is_empty());
        assert_both_verifiers_miss_it(&on(&app, 93), folder.path(), &removed[0]).await;
        // A second time, and then for good on request.
        scan(94, 1).await;
        assert!(prune(200).await.contains(&sha256));
        assert_eq!(codes(200).await.0, [""; 0]);
        scan(201, 0).await;
        let named = "SELECT max(log_index) FROM transactions WHERE evidence_sha256";
        let index = &sql(&data.join("plumb.db"), &format!("{named} = '{}';", removed[0]))[0];
        on(&app, 202).erase(index.parse().unwrap(), ("asked", "ada"), false).await.unwrap();
        scan(203, 1).await;
        scan(204, 0).await;
        assert_eq!(gone(&data), [removed[0].as_str()]);
        app::checkpoint::cut(&on(&app, 204)).await.unwrap();
        // The body of the entry, and its evidence.
        assert_eq!(codes(204).await, (vec![], 0, 2));
        // What came back and is emptied by hand is missed, whatever was removed before.
        tamper(
            &data.join("plumb.db"),
            &format!("UPDATE evidence SET body = x'' WHERE sha256 = '{}';", removed[1]),
        );
        let found = codes(205).await.0;
        assert!(found.contains(&"BodyMissing".to_owned()), "{found:?}");
        app.close().await;
    });
}
