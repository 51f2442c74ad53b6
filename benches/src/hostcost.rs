//! What a scan costs the scanned host: processor time and memory of all processes in its PID namespace.
//!
//! Processor time is what stat(5) of proc says of the host's processes and of their children that were
//! waited for, so that nothing that ended is missed. Memory is the largest sum of proportional set sizes
//! that was seen, looked at every few milliseconds: a short peak between two looks can be missed.

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::error::BenchError;

/// Clock ticks a second in which proc(5) counts processor time, on every machine Debian runs on.
const TICKS: f64 = 100.0;

/// Pause between two looks at memory.
const POLL: Duration = Duration::from_millis(3);

/// Longest the last session of a scan may take to vanish.
const QUIET_LIMIT: Duration = Duration::from_secs(10);

/// The processes of one host.
#[derive(Clone, Debug)]
pub struct HostCost {
    namespace: PathBuf,
    /// Processes of the host when nobody is logged in.
    idle: usize,
}

impl HostCost {
    /// Looks at the host whose process 1 is `init` on this machine, while nobody is logged in there.
    ///
    /// # Errors
    /// When that process cannot be looked at.
    pub fn of(init: u32) -> Result<HostCost, BenchError> {
        let namespace = fs::read_link(format!("/proc/{init}/ns/pid"));
        let namespace = namespace.map_err(BenchError::io("look at the host's processes"))?;
        let mut cost = HostCost { namespace, idle: 0 };
        cost.idle = cost.processes().len();
        Ok(cost)
    }

    /// Waits until all sessions are gone and returns the processor time of the host so far. Seconds.
    ///
    /// # Errors
    /// When a session stays.
    pub fn cpu_seconds(&self) -> Result<f64, BenchError> {
        if !testkit::wait::until(QUIET_LIMIT, || self.processes().len() <= self.idle) {
            let said = format!("{} processes, {} when idle", self.processes().len(), self.idle);
            return Err(BenchError::Said { what: "a session stays on the host".to_owned(), said });
        }
        let ticks: u64 = self.processes().into_iter().map(ticks_of).sum();
        Ok(ticks as f64 / TICKS)
    }

    /// Runs `busy` and returns its answer with the most memory the host was seen to use above what it
    /// uses when idle. Kilobytes of proportional set size.
    ///
    /// # Errors
    /// Those of `busy`.
    pub fn memory<T>(&self, busy: impl FnOnce() -> Result<T, BenchError>) -> Result<(T, u64), BenchError> {
        let idle: u64 = self.processes().into_iter().map(memory_of).sum();
        let over = Arc::new(AtomicBool::new(false));
        let (stop, cost) = (Arc::clone(&over), self.clone());
        let watcher = thread::spawn(move || {
            let mut most = 0;
            while !stop.load(Ordering::SeqCst) {
                most = most.max(cost.processes().into_iter().map(memory_of).sum());
                thread::sleep(POLL);
            }
            most
        });
        let answer = busy();
        over.store(true, Ordering::SeqCst);
        let most = watcher.join().unwrap_or(u64::MAX);
        Ok((answer?, most.saturating_sub(idle)))
    }

    fn processes(&self) -> Vec<u32> {
        let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
        let ids = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        ids.filter(|id| fs::read_link(format!("/proc/{id}/ns/pid")).is_ok_and(|ns| ns == self.namespace))
            .collect()
    }
}

/// Fields 14 to 17 of proc's stat: its own and its waited-for children's user and system time.
fn ticks_of(id: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    // The name stands in parentheses and may hold anything; field 3 follows it.
    let after_name = text.rsplit_once(')').map_or("", |(_name, rest)| rest);
    after_name.split_whitespace().skip(11).take(4).filter_map(|field| field.parse::<u64>().ok()).sum()
}

fn memory_of(id: u32) -> u64 {
    let text = fs::read_to_string(format!("/proc/{id}/smaps_rollup")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix("Pss:"));
    line.and_then(|line| line.split_whitespace().next()?.parse().ok()).unwrap_or(0)
}
