//! Who holds a lease: this process, named so that another process can see when it is gone.

use std::fs;

/// Names this process on this machine: `<machine>/<boot>/<pid>/<start>`.
pub(crate) fn of_this_process() -> String {
    name(std::process::id())
}

/// Tells whether a holder on this machine is a process that does not run any more.
///
/// A holder on another machine, or one that cannot be looked up, is not gone: its lease has to run out.
pub(crate) fn is_gone(holder: &str) -> bool {
    let parts: Vec<&str> = holder.split('/').collect();
    let [machine, boot, pid, _start] = parts.as_slice() else { return false };
    if *machine != read("/etc/machine-id") && *machine != read("/proc/sys/kernel/hostname") {
        return false;
    }
    let Ok(pid) = pid.parse() else { return false };
    *boot != read("/proc/sys/kernel/random/boot_id") || name(pid) != holder
}

fn name(pid: u32) -> String {
    let machine = read("/etc/machine-id");
    let machine = if machine.is_empty() { read("/proc/sys/kernel/hostname") } else { machine };
    let boot = read("/proc/sys/kernel/random/boot_id");
    // Field 22 of proc_pid_stat(5) is the start time; the command's name before it may hold anything.
    let stat = read(&format!("/proc/{pid}/stat"));
    let start = stat.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(19)).unwrap_or("gone");
    format!("{machine}/{boot}/{pid}/{start}")
}

fn read(path: &str) -> String {
    fs::read_to_string(path).map(|text| text.trim().replace('/', "_")).unwrap_or_default()
}
