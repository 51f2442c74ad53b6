//! What starting costs: the version, the size of the binary, reading the shipped rules, and a scan of this machine without
//! walks.

use std::fs;
use std::path::Path;
use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use benches::BenchError;
use benches::command::{self, Done};
use benches::figures::Samples;
use benches::report::{Report, run};
use benches::scene::isolated;
use rules::Corpus;
use serde_json::Value;

/// Starts that are timed.
const STARTS: usize = 30;
/// Where the shipped rules stand.
const CONTENT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../content");
/// Scans of this machine that are timed.
const SCANS: usize = 7;
/// Pause between two looks at the memory of a process.
const POLL: Duration = Duration::from_millis(1);
/// What the tag of the rules that walk file systems is called.
const WALKS: &str = "walk_";

fn main() -> ExitCode {
    run(benchmark)
}

fn benchmark() -> Result<ExitCode, BenchError> {
    let mut report = Report::begin("startup");
    let binary = command::plumb()?;
    let folder = command::folder()?;
    let plumb = |arguments: &[&str]| isolated(&binary, folder.path(), arguments);
    let size = fs::metadata(&binary).map_err(BenchError::io("look at the binary"))?.len();
    report.value_at_most("size of the binary", (size as f64 / f64::from(1 << 20), 40.0), "MiB");

    let (mut version, mut floor) = (Samples::default(), Samples::default());
    for _start in 0..STARTS {
        version.push(command::run(plumb(&["--version"]), b"")?.must("plumb --version", &[0])?.taken);
        floor.push(command::run(isolated("/bin/true".as_ref(), folder.path(), &[]), b"")?.taken);
    }
    report.figures("the floor: a program that does nothing", "ms", &floor);
    report.at_most("plumb --version", (&version, 30.0), "ms");

    let files = content(Path::new(CONTENT))?;
    let (mut loading, mut linting) = (Samples::default(), Samples::default());
    for _start in 0..STARTS {
        let began = Instant::now();
        let loaded = Corpus::load_without_tests(&files);
        loading.push(began.elapsed());
        loaded.map_err(|errors| said("the shipped rules", &format!("{errors:?}")))?;
        linting.push(command::run(plumb(&["rules", "lint"]), b"")?.must("plumb rules lint", &[0])?.taken);
    }
    report.at_most("reading the rules as a scan does, within the process", (&loading, 50.0), "ms");
    report.at_most("plumb rules lint", (&linting, 300.0), "ms");

    let listed = command::run(plumb(&["rules", "list", "--format", "json"]), b"")?;
    let listed = listed.must("plumb rules list", &[0])?;
    let rules = without_walks(&listed)?;
    report.note(format_args!("{} rules without walks, on this machine", rules.len()));
    let mut arguments = vec!["scan", "--quiet", "--format", "json"];
    arguments.extend(rules.iter().flat_map(|rule| ["--rule", rule]));
    arguments.push("localhost");
    let (mut wall, mut memory) = (Samples::default(), Samples::default());
    for _scan in 0..SCANS {
        wall.push(command::run(plumb(&arguments), b"")?.must("plumb scan", &[0, 2])?.taken);
        let mut peak = 0;
        // Looking costs time, so it is not done while time is taken.
        command::run_beside(plumb(&arguments), Vec::new(), |id| peak = watch(id))?
            .must("plumb scan", &[0, 2])?;
        memory.push_value(peak as f64 / 1024.0);
    }
    report.at_most("plumb scan localhost without walks", (&wall, 3000.0), "ms");
    report.at_most("resident memory of that scan, at its peak", (&memory, 100.0), "MiB");
    Ok(report.end())
}

fn said(what: &str, said: &str) -> BenchError {
    BenchError::Said { what: what.to_owned(), said: said.to_owned() }
}

/// Reads the content files: path below the folder, text.
fn content(base: &Path) -> Result<Vec<(String, String)>, BenchError> {
    let mut files = Vec::new();
    let mut folders = vec![base.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).map_err(BenchError::io("read the content"))? {
            let path = entry.map_err(BenchError::io("read the content"))?.path();
            if path.is_dir() {
                folders.push(path);
            } else if let Ok(name) = path.strip_prefix(base)
                && path.extension().is_some_and(|end| end == "yaml")
            {
                let text = fs::read_to_string(&path).map_err(BenchError::io("read the content"))?;
                files.push((name.display().to_string(), text));
            }
        }
    }
    files.sort();
    Ok(files)
}

/// Returns the rules but for those that walk file systems.
fn without_walks(listed: &Done) -> Result<Vec<String>, BenchError> {
    let unread = |text: &str| said("plumb rules list", text);
    let document: Value = serde_json::from_slice(&listed.stdout).map_err(|err| unread(&err.to_string()))?;
    let rules = document.get("rules").unwrap_or(&document).as_array();
    let rules = rules.ok_or_else(|| unread("no list of rules"))?;
    let ids = rules.iter().filter_map(|rule| rule.get("rule_id")?.as_str());
    Ok(ids.filter(|id| !id.starts_with(WALKS)).map(ToOwned::to_owned).collect())
}

/// Returns the largest resident set that the kernel had noted for a process when it was last seen alive.
/// Kilobytes; the kernel's mark only rises, so that only what comes after the last look is missed.
fn watch(id: u32) -> u64 {
    let mut peak = 0;
    while let Ok(text) = fs::read_to_string(format!("/proc/{id}/status")) {
        let line = text.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        // A process that has ended and was not waited for has no memory to speak of.
        let Some(line) = line else { break };
        peak = line.split_whitespace().next().and_then(|word| word.parse().ok()).unwrap_or(peak);
        thread::sleep(POLL);
    }
    peak
}
