//! `plumb demo`: two recorded hosts on two dates, in a data folder of their own.

use std::sync::Arc;

use app::host_keys::HostKeyPolicy;
use app::scan::{Narrowing, ScanRequest};
use app::{Clock, Config, Error, Kind, Mode};
use formats::{Format, Options};
use tokio::sync::watch;

use crate::cli::{DemoArgs, Global};
use crate::exit::Exit;
use crate::output;
use crate::{config, console};

pub(super) async fn run(global: &Global, args: &DemoArgs) -> Result<Exit, Error> {
    let base = config::load(global);
    let folder = args.folder.clone().unwrap_or_else(|| base.data_dir.join("demo"));
    if folder.join("plumb.db").exists() {
        return Err(Error::new(Kind::Usage, format!("{} holds a demo already", folder.display()))
            .hint("look around in it, or name another by --folder"));
    }
    let chapters = app::demo::chapters()?;
    let first = chapters.first().ok_or_else(|| Error::new(Kind::Internal, "the demo has no chapters"))?;
    let clock = Clock::At(first.at);
    let config =
        Config { data_dir: folder.clone(), database: app::Database::default(), policy: None, clock, ..base };
    let opened = app::open(&config, Mode::Create).await?;
    for chapter in chapters {
        let app = opened.at(chapter.at);
        let mut targets = Vec::new();
        for (name, capture) in chapter.hosts {
            targets.push(app.replay_target((name, app::demo::PROFILE), capture).await?);
        }
        let request = ScanRequest {
            targets,
            narrowing: Narrowing::default(),
            framework: None,
            policy: HostKeyPolicy::RequireKnown,
            concurrency: 1,
            secrets: app::credentials::Secrets::default(),
            known_hosts: Vec::new(),
            limits: app::scan::Limits::default(),
            stop: watch::channel(false).1,
        };
        let notices = Arc::default();
        let report = app.scan(request, &mut |_| None, notices, Arc::new(|_, _| {})).await?;
        app::checkpoint::cut(&app).await?;
        let color = console::stdout_is_terminal() && !config::no_color();
        let options =
            Options { format: Format::Human, color, verbose: false, version: env!("CARGO_PKG_VERSION") };
        let mut bytes = format!("== {}\n", chapter.at).into_bytes();
        bytes.extend(output::render(&report, &options)?);
        console::print(&bytes)?;
    }
    console::print(next_steps(&output::quoted(&folder.display().to_string())).as_bytes())?;
    Ok(Exit::Success)
}

fn next_steps(folder: &str) -> String {
    format!(
        "\nLook around:\n  \
         plumb --data-dir {folder} posture\n  \
         plumb --data-dir {folder} posture demo-web --at 2026-03-02\n  \
         plumb --data-dir {folder} diff demo-web --from 2026-03-02 --to 2026-03-09\n  \
         plumb --data-dir {folder} history demo-web\n  \
         plumb --data-dir {folder} ledger verify\n"
    )
}
