//! Random workloads of the product itself: scans, hosts that go, holds, erasures, keys, segments, clocks that
//! jump. Whatever of it was done or refused, the record verifies.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use app::host_keys::HostKeyPolicy;
use app::scan::{Capture, Limits, Narrowing, ScanRequest};
use app::{App, Config, Mode, Retention};
use model::{Classification, Timestamp};
use testkit::fuzz::SplitMix64;
use tokio::sync::watch;

use super::{SEED, config, wait, wanted};

/// Workloads in every run, unless the environment says otherwise.
const WORKLOADS: u64 = 8;
/// One in so many workloads has whole scans, whose hundreds of entries fill segments.
const LARGE_SHARE: u64 = 8;
/// Acts of a workload, at most.
const ACTS: u64 = 12;
const HOUR_US: i64 = 3_600_000_000;
const RULES: [&str; 4] =
    ["sshd_permit_root_login", "sysctl_send_redirects", "sysctl_ip_forward", "sshd_max_auth_tries"];

/// One workload on its way.
struct Run {
    app: App,
    config: Config,
    random: SplitMix64,
    now: Timestamp,
    is_large: bool,
}

impl Run {
    fn pick<'a, T>(&mut self, from: &'a [T]) -> &'a T {
        &from[usize::try_from(self.random.below(from.len() as u64)).unwrap()]
    }

    /// Lets time pass; now and then it goes back.
    fn tick(&mut self) {
        let hours = i64::try_from(self.random.below(2_000)).unwrap();
        let hours = if self.random.below(8) == 0 { -hours } else { hours };
        self.now = Timestamp::from_micros(self.now.as_micros() + hours * HOUR_US);
        self.app = self.app.at(self.now);
    }

    async fn reopen(&mut self) {
        self.app.close().await;
        self.app = app::open(&self.config, Mode::Create).await.unwrap().at(self.now);
    }

    async fn scan(&mut self) {
        let chapters = app::demo::chapters().unwrap();
        let captures: Vec<Capture> =
            chapters.into_iter().flat_map(|chapter| chapter.hosts).map(|host| host.1).collect();
        let at = self.random.below(captures.len() as u64);
        let capture = captures.into_iter().nth(usize::try_from(at).unwrap()).unwrap();
        let name = *self.pick(&["one", "two", "three"]);
        let narrowing = if self.is_large && self.random.below(2) == 0 {
            Narrowing::default()
        } else {
            let count = 1 + self.random.below(3);
            let rules = (0..count).map(|_rule| (*self.pick(&RULES)).to_owned()).collect();
            Narrowing { rules, ..Narrowing::default() }
        };
        replayed(&self.app, (name, capture), narrowing).await;
    }

    /// Does something; returns whether it was let through.
    async fn act(&mut self, archive: &Path) -> Result<(), app::Error> {
        let approved = ("as asked", "ada");
        match self.random.below(11) {
            0..=2 => self.scan().await,
            3 => {
                let host = *self.pick(&["one", "two", "three"]);
                self.app.remove_host(host).await?;
            }
            4 => {
                let host = *self.pick(&[None, Some("one"), Some("two")]);
                self.app.add_hold("case", host, "asked").await?;
            }
            5 => self.app.release_hold("case", "settled").await?,
            6 => {
                let size = self.app.ledger_status().await.unwrap().size;
                let index = self.random.below(size);
                let body_only = self.random.below(2) == 0;
                self.app.erase(index, approved, body_only).await?;
            }
            7 => {
                app::checkpoint::cut(&self.app).await.unwrap();
                let is_revoked = self.random.below(3) == 0;
                self.app.rotate_key("yearly", is_revoked).await?;
                self.reopen().await;
            }
            8 => drop(self.app.seal(self.now, (archive, Classification::Restricted)).await?),
            9 => drop(self.app.prune(Some(archive), approved).await?),
            _ => self.app.record_start().await?,
        }
        Ok(())
    }
}

/// Scans a recorded host.
pub(super) async fn replayed(app: &App, (name, capture): (&str, Capture), narrowing: Narrowing) {
    let request = ScanRequest {
        targets: vec![app.replay_target((name, ""), capture).await.unwrap()],
        narrowing,
        framework: None,
        policy: HostKeyPolicy::RequireKnown,
        concurrency: 1,
        secrets: app::credentials::Secrets::default(),
        known_hosts: Vec::new(),
        limits: Limits::default(),
        stop: watch::channel(false).1,
    };
    app.scan(request, &mut |_| None, Arc::default(), Arc::new(|_, _| {})).await.unwrap();
}

/// Makes a rule folder of the named rules alone, which is read in no time.
fn few_rules(folder: &Path) -> PathBuf {
    let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../content/rules");
    let few = folder.join("content");
    fs::create_dir_all(few.join("rules/few")).unwrap();
    for topic in fs::read_dir(shipped).unwrap() {
        for id in RULES {
            let file = topic.as_ref().unwrap().path().join(format!("{id}.yaml"));
            if file.exists() {
                fs::copy(file, few.join(format!("rules/few/{id}.yaml"))).unwrap();
            }
        }
    }
    few
}

async fn assert_no_alarm(seed: u64, is_large: bool) -> (u64, u64) {
    let folder = tempfile::Builder::new().prefix("plumbline-it-").tempdir().unwrap();
    let (data, archive) = (folder.path().join("data"), folder.path().join("archive"));
    let config = Config {
        content_dir: (!is_large).then(|| few_rules(folder.path())),
        variables: Vec::new(),
        tailoring: None,
        retention: Retention { bodies_days: 30, evidence_days: 90, ..Retention::default() },
        anchor: seed.is_multiple_of(2).then(|| folder.path().join("anchor.log")),
        ..config(&data)
    };
    let app = app::open(&config, Mode::Create).await.unwrap();
    app::checkpoint::begin(&app).await.unwrap();
    let mut random = SplitMix64::new(seed);
    let acts = 1 + random.below(ACTS);
    let now = Timestamp::from_micros(1_770_000_000_000_000);
    let mut run = Run { app: app.at(now), config, random, now, is_large };
    let (mut done, mut entries) = (0, 0);
    for act in 0..acts {
        done += u64::from(run.act(&archive).await.is_ok());
        if run.random.below(2) == 0 || act + 1 == acts {
            app::checkpoint::cut(&run.app).await.unwrap();
        }
        // With entries that no checkpoint covers yet, and without.
        let report = run.app.verify_ledger(None).await.unwrap();
        assert_eq!(report.findings, [], "seed {seed}, after act {act}");
        entries = report.entries;
        run.tick();
    }
    let archive = archive.exists().then_some(archive.as_path());
    let report = run.app.verify_ledger(archive).await.unwrap();
    assert_eq!(report.findings, [], "seed {seed}, at the end");
    run.app.close().await;
    (done, entries)
}

#[test]
fn led_28_live_records_of_random_workloads_raise_no_alarm() {
    let workloads = wanted("PLUMB_TEST_WORKLOADS", WORKLOADS);
    let (mut acts, mut entries) = (0, 0);
    for number in 0..workloads {
        let (done, size) = wait(assert_no_alarm(SEED + number, number % LARGE_SHARE == LARGE_SHARE - 1));
        acts += done;
        entries += size;
    }
    assert!(acts >= workloads, "{acts} of {workloads}");
    println!("{workloads} live records with {entries} entries of {acts} acts, no alarm");
}
