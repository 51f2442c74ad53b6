//! Progress for people, on standard error: a bar per host on a terminal, plain lines otherwise.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use app::copy::Step;
use app::scan::{Listener, ScanProgress};
use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::console;

/// Most hosts that have a bar of their own at a time. With more, those that are being scanned have one, as far as there is
/// room, below one that counts all.
const BARS_MAX: usize = 24;
/// How often a bar is redrawn while nothing happens.
const TICK: Duration = Duration::from_millis(120);

/// How progress is shown.
pub(crate) struct Display {
    bars: Option<MultiProgress>,
}

impl Display {
    /// Shows nothing when quiet, bars on a terminal, lines otherwise. Returns the listener for the scan.
    pub(crate) fn start(targets: &[String], quiet: bool) -> (Self, Listener) {
        if quiet {
            return (Self { bars: None }, Arc::new(|_, _| {}));
        }
        if !console::stderr_is_terminal() {
            let names: Vec<String> = targets.to_vec();
            let listener: Listener = Arc::new(move |i, progress| line(&names[i], &progress));
            return (Self { bars: None }, listener);
        }
        let bars = Bars::of(targets);
        let multi = bars.multi.clone();
        let bars = Mutex::new(bars);
        let listener: Listener = Arc::new(move |i, progress| {
            let mut bars = bars.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
            bars.advance(i, &progress);
        });
        (Self { bars: Some(multi) }, listener)
    }

    /// Takes the bars away, so that results stand alone.
    pub(crate) fn finish(self) {
        if let Some(bars) = self.bars {
            // A terminal that cannot be cleared keeps the bars; the results follow all the same.
            drop(bars.clear());
        }
    }
}

/// The bars of a scan.
struct Bars {
    multi: MultiProgress,
    /// What a host is called, by its place among the targets.
    names: Vec<String>,
    /// Of all names. Characters.
    width: usize,
    /// The hosts that have one now.
    shown: HashMap<usize, ProgressBar>,
    /// Counts the hosts that are done, where there are more than have room.
    all: Option<ProgressBar>,
}

impl Bars {
    fn of(targets: &[String]) -> Self {
        let multi = MultiProgress::with_draw_target(ProgressDrawTarget::stderr_with_hz(10));
        let names: Vec<String> = targets.iter().map(|name| crate::output::clean(name)).collect();
        let width = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).min(40);
        let mut bars = Self { multi, names, width, shown: HashMap::new(), all: None };
        if bars.names.len() > BARS_MAX {
            let all = bars.add("  {prefix}  {bar:24} {pos:>3}/{len:<3} hosts done", "all");
            all.set_length(bars.names.len() as u64);
            bars.all = Some(all);
        } else {
            for i in 0..bars.names.len() {
                bars.show(i);
            }
        }
        bars
    }

    fn add(&self, template: &str, name: &str) -> ProgressBar {
        let style = ProgressStyle::with_template(template)
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━╸─");
        let prefix = format!("{name:width$}", width = self.width);
        self.multi.add(ProgressBar::new(0)).with_style(style).with_prefix(prefix)
    }

    fn show(&mut self, i: usize) {
        let bar = self.add("  {prefix}  {bar:24} {pos:>3}/{len:<3} {msg}", &self.names[i]);
        bar.set_message("waiting");
        self.shown.insert(i, bar);
    }

    fn advance(&mut self, i: usize, progress: &ScanProgress) {
        let is_done = *progress == ScanProgress::Done;
        if let Some(all) = &self.all {
            all.inc(u64::from(is_done));
            if is_done {
                // Its line is for one that is still being scanned.
                if let Some(bar) = self.shown.remove(&i) {
                    bar.finish_and_clear();
                    self.multi.remove(&bar);
                }
            } else if self.shown.len() < BARS_MAX && !self.shown.contains_key(&i) {
                self.show(i);
            }
        }
        if let Some(bar) = self.shown.get(&i) {
            advance(bar, progress);
        }
    }
}

fn advance(bar: &ProgressBar, progress: &ScanProgress) {
    match progress {
        ScanProgress::Started => {
            bar.set_message("connecting");
            bar.enable_steady_tick(TICK);
        }
        ScanProgress::Connected => bar.set_message("logging in"),
        ScanProgress::LoggedIn => bar.set_message("asking"),
        ScanProgress::Answered { done, total } => {
            bar.set_length(*total as u64);
            bar.set_position(*done as u64);
            bar.set_message("measuring");
        }
        ScanProgress::Storing => bar.set_message("recording"),
        ScanProgress::Done => bar.finish_with_message("done"),
    }
}

fn line(name: &str, progress: &ScanProgress) {
    match progress {
        ScanProgress::Started => console::note(&format!("{name}: scanning")),
        ScanProgress::Done => console::note(&format!("{name}: done")),
        ScanProgress::Connected
        | ScanProgress::LoggedIn
        | ScanProgress::Answered { .. }
        | ScanProgress::Storing => {}
    }
}

/// A bar for a copy of the database, on a terminal only.
pub(crate) struct Copying(Option<ProgressBar>);

impl Copying {
    pub(crate) fn start(quiet: bool) -> Self {
        if quiet || !console::stderr_is_terminal() {
            return Self(None);
        }
        let style = ProgressStyle::with_template("  {bar:24} {percent:>3} %  {msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar())
            .progress_chars("━╸─");
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr_with_hz(10));
        Self(Some(bar.with_style(style)))
    }

    pub(crate) fn advance(&mut self, step: Step<'_>) {
        let Some(bar) = &self.0 else { return };
        bar.set_length(step.of);
        bar.set_position(step.done);
        let word = if step.done == step.of {
            "verifying"
        } else if 2 * step.done <= step.of {
            "copying"
        } else {
            "comparing"
        };
        bar.set_message(format!("{word} {}", crate::output::clean(step.table)));
    }

    /// Takes the bar away, so that the answer stands alone.
    pub(crate) fn finish(self) {
        if let Some(bar) = self.0 {
            bar.finish_and_clear();
        }
    }
}
