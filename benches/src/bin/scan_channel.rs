//! One channel for a whole scan: wall time against a hand-written script and against one exec for each
//! check, at no delay and at 50 ms of round-trip time; bytes, round trips, and what it costs the host.

use std::process::ExitCode;
use std::time::Duration;

use benches::BenchError;
use benches::command;
use benches::figures::Samples;
use benches::hostcost::HostCost;
use benches::report::{Report, run};
use benches::scene::{Master, Scene, one_script};
use testkit::host::LOGIN_RECORDS;
use testkit::net::DelayProxy;

/// Rounds on loopback; in each, everything that is compared runs once.
const ROUNDS: usize = 9;
/// Rounds with one exec for each check at a distance, which takes half a minute each.
const FAR_ROUNDS: usize = 3;
/// One way to the host at a distance; the round trip takes twice that.
const ONE_WAY: Duration = Duration::from_millis(25);
/// Scans whose cost on the host is taken together, for proc counts in hundredths of a second.
const COST_SCANS: u32 = 10;

fn main() -> ExitCode {
    run(benchmark)
}

fn benchmark() -> Result<ExitCode, BenchError> {
    let mut report = Report::begin("scan_channel");
    let scene = Scene::start(None)?;
    let port = scene.host.port();
    let talk = scene.talk(port)?;
    let commands = scene.commands(&talk.hello)?;
    let checks = scene.checks(&talk.hello)?;
    report.note(format_args!(
        "{} rules, {} probes, one test host over OpenSSH",
        checks.len(),
        commands.len()
    ));
    let floor = one_script(&commands);
    near(&mut report, &scene, (&floor, &checks))?;
    far(&mut report, &scene, &checks)?;
    wire(&mut report, &scene)?;
    host_cost(&mut report, &scene)?;
    by_probe(&report, &scene, &commands)?;
    Ok(report.end())
}

/// Loopback: the product, the floor and one exec for each check, side by side.
fn near(report: &mut Report, scene: &Scene, (floor, checks): (&str, &[String])) -> Result<(), BenchError> {
    let port = scene.host.port();
    let (mut ours, mut script, mut each, mut after_login) = four();
    // The first scan also makes the database and the key.
    scene.scan(port, &[])?;
    let master = Master::start(scene, port)?;
    for _round in 0..ROUNDS {
        ours.push(scene.scan(port, &[])?.taken);
        let mut ssh = scene.ssh(port);
        ssh.args(["exec", "sh", "-s"]);
        script.push(command::run(ssh, floor.as_bytes())?.taken);
        after_login.push(scene.talk(port)?.after_login);
        each.push(master.exec_each(checks)?);
    }
    report.figures("plumb scan, whole, stored and signed", "ms", &ours);
    report.figures("the floor: one script in one ssh call", "ms", &script);
    report.figures("one exec for each check, on one connection", "ms", &each);
    report.figures("our conversation after login", "ms", &after_login);
    report.at_most("wall time against the floor", (&ours.ratios_to(&script), 1.5), "x");
    report.at_most("wall time against one exec for each check", (&ours.ratios_to(&each), 0.5), "x");
    Ok(())
}

/// 50 ms of round-trip time.
fn far(report: &mut Report, scene: &Scene, checks: &[String]) -> Result<(), BenchError> {
    let proxy = DelayProxy::start(scene.host.port(), ONE_WAY).map_err(BenchError::io("start a slow link"))?;
    let port = proxy.port();
    let (mut ours, mut after_login, mut each, mut slower) = four();
    scene.scan(port, &[])?;
    let master = Master::start(scene, port)?;
    for _round in 0..FAR_ROUNDS {
        ours.push(scene.scan(port, &[])?.taken);
        after_login.push(scene.talk(port)?.after_login);
        each.push(master.exec_each(checks)?);
    }
    for _round in 0..ROUNDS {
        let (far, near) = (scene.talk(port)?.after_login, scene.talk(scene.host.port())?.after_login);
        slower.push_value((far.as_secs_f64() - near.as_secs_f64()) * 1000.0);
    }
    report.figures("at 50 ms: plumb scan, whole, with login", "ms", &ours);
    report.figures("at 50 ms: our conversation after login", "ms", &after_login);
    report.figures("at 50 ms: one exec for each check, after login", "ms", &each);
    let ratio = after_login.ratios_to(&each);
    report.at_most("at 50 ms, after login, against one exec for each check", (&ratio, 1.0 / 20.0), "x");
    report.figures("at 50 ms: whole scan with login against the same", "x", &ours.ratios_to(&each));
    report.at_most("at 50 ms, after login, slower than on loopback by", (&slower, 500.0), "ms");
    Ok(())
}

/// Bytes counted outside, on the TCP connection; channels and round trips as the scan says itself.
fn wire(report: &mut Report, scene: &Scene) -> Result<(), BenchError> {
    let proxy = DelayProxy::start(scene.host.port(), Duration::ZERO);
    let proxy = proxy.map_err(BenchError::io("start a counting link"))?;
    let mut bytes = Samples::default();
    for _round in 0..ROUNDS {
        let before = proxy.bytes_to_target() + proxy.bytes_from_target();
        scene.scan(proxy.port(), &[])?;
        let taken = proxy.bytes_to_target() + proxy.bytes_from_target() - before;
        bytes.push_value(taken as f64 / 1000.0);
    }
    report.at_most("bytes on the connection, login and encryption included", (&bytes, 300.0), "kB");
    let wire = scene.talk(scene.host.port())?.wire;
    report.value_at_most("channels", (f64::from(wire.channels), 2.0), "");
    report.value_at_most("round trips after login", (f64::from(wire.round_trips), 8.0), "");
    Ok(())
}

/// Processor time, memory and files of the host.
fn host_cost(report: &mut Report, scene: &Scene) -> Result<(), BenchError> {
    let port = scene.host.port();
    let cost = HostCost::of(scene.host.pid())?;
    let written = || Ok::<_, BenchError>(scene.host.snapshot()?.without(LOGIN_RECORDS));
    let before = written()?;
    let mut cpu = Samples::default();
    let mut login = Samples::default();
    let mut memory = Samples::default();
    for _round in 0..FAR_ROUNDS {
        let began = cost.cpu_seconds()?;
        for _scan in 0..COST_SCANS {
            scene.scan(port, &[])?;
        }
        let scanned = cost.cpu_seconds()?;
        for _login in 0..COST_SCANS {
            let mut ssh = scene.ssh(port);
            ssh.arg("true");
            command::run(ssh, b"")?.must("ssh", &[0])?;
        }
        cpu.push_value((scanned - began) / f64::from(COST_SCANS));
        login.push_value((cost.cpu_seconds()? - scanned) / f64::from(COST_SCANS));
    }
    for _round in 0..ROUNDS {
        let (_done, kilobytes) = cost.memory(|| scene.scan(port, &[]))?;
        memory.push_value(kilobytes as f64 * 1024.0 / 1e6);
    }
    report.figures("processor time of a bare login on the host", "s", &login);
    report.at_most("processor time on the host, login included", (&cpu, 0.3), "s");
    report.at_most("memory on the host, most seen", (&memory, 25.0), "MB");
    let changes = written()?.changes_since(&before);
    let found = if changes.is_empty() { "nothing".to_owned() } else { changes.replace('\n', " ") };
    report.judge(changes.is_empty(), "written on the host, but for its own login records", found);
    Ok(())
}

/// Where the processor time goes: each probe alone, with the login that carries it.
fn by_probe(report: &Report, scene: &Scene, commands: &[model::Command]) -> Result<(), BenchError> {
    let cost = HostCost::of(scene.host.pid())?;
    for command in commands {
        let script = one_script(std::slice::from_ref(command));
        let before = cost.cpu_seconds()?;
        for _scan in 0..COST_SCANS {
            let mut ssh = scene.ssh(scene.host.port());
            ssh.args(["exec", "sh", "-s"]);
            command::run(ssh, script.as_bytes())?;
        }
        let mut taken = Samples::default();
        taken.push_value((cost.cpu_seconds()? - before) / f64::from(COST_SCANS));
        report.figures(&format!("processor time of a login and the probe {}", command.key), "s", &taken);
    }
    Ok(())
}

fn four() -> (Samples, Samples, Samples, Samples) {
    (Samples::default(), Samples::default(), Samples::default(), Samples::default())
}
