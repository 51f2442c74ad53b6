//! The same 300 checks of file modes by the product, by `oscap-ssh` and by Ansible, over SSH on one test
//! host, in turns. Each tool must come to the same verdicts, or its time is not counted.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use benches::BenchError;
use benches::command::{self, Done};
use benches::figures::Samples;
use benches::report::{Report, run};
use benches::scene::Scene;
use serde_json::Value;

/// Checks that each tool makes.
const CHECKS: usize = 300;
/// Every this many files everybody may write.
const BAD_EVERY: usize = 10;
/// Rounds; each tool runs once in each.
const ROUNDS: usize = 5;
/// Rounds in which Ansible takes part: it takes minutes.
const ANSIBLE_ROUNDS: usize = 2;
/// What the product's time may be of a peer's.
const SHARE: f64 = 0.1;

fn main() -> ExitCode {
    run(benchmark)
}

fn benchmark() -> Result<ExitCode, BenchError> {
    let mut report = Report::begin("peers");
    let scene = Scene::start(Some(files()))?;
    let content = write_rules(scene.folder())?;
    let oscap = Oscap::prepare(&scene);
    let ansible = Ansible::prepare(&scene);
    let content = content.to_string_lossy().into_owned();
    let plumb = || scene.scan(scene.host.port(), &["--content", &content]);
    expect_failures("plumb", failures_of_plumb(&plumb()?)?)?;
    let (mut ours, mut theirs, mut tasks) = (Samples::default(), Samples::default(), Samples::default());
    let mut login = Samples::default();
    for round in 0..ROUNDS {
        let mut ssh = scene.ssh(scene.host.port());
        ssh.arg("true");
        login.push(command::run(ssh, b"")?.must("ssh", &[0])?.taken);
        ours.push(plumb()?.taken);
        if let Ok(oscap) = &oscap {
            theirs.push(oscap.run(&scene)?.taken);
        }
        if let (Ok(ansible), true) = (&ansible, round < ANSIBLE_ROUNDS) {
            tasks.push(ansible.run()?.taken);
        }
    }
    report.note(format_args!("{CHECKS} checks of file modes, {} of which fail", CHECKS / BAD_EVERY));
    report.figures("the floor: a login that does nothing", "ms", &login);
    report.figures("plumb scan", "ms", &ours);
    match oscap {
        Ok(_) => {
            report.figures("oscap-ssh oval eval", "ms", &theirs);
            report.figures("the floor against oscap-ssh", "x", &login.ratios_to(&theirs));
            report.at_most("wall time against oscap-ssh", (&ours.ratios_to(&theirs), SHARE), "x");
        }
        Err(err) => report.unmeasured("wall time against oscap-ssh", err),
    }
    match ansible {
        Ok(_) => {
            report.figures("ansible-playbook, stat and assert, pipelining", "ms", &tasks);
            report.at_most("wall time against Ansible", (&ours.ratios_to(&tasks), SHARE), "x");
        }
        Err(err) => report.unmeasured("wall time against Ansible", err),
    }
    Ok(report.end())
}

fn path(n: usize) -> String {
    format!("/opt/bench/f{n:03}")
}

/// The script that makes what is checked.
fn files() -> String {
    let mut script = String::from("set -eu\nmkdir -p /opt/bench\n");
    for n in 0..CHECKS {
        let mode = if n % BAD_EVERY == 0 { "0666" } else { "0644" };
        script.push_str(&format!("echo {n} >{0}; chmod {mode} {0}\n", path(n)));
    }
    script
}

fn expect_failures(tool: &str, found: usize) -> Result<(), BenchError> {
    if found == CHECKS / BAD_EVERY {
        return Ok(());
    }
    let said = format!("it found {found} failures of {}", CHECKS / BAD_EVERY);
    Err(BenchError::Said { what: tool.to_owned(), said })
}

fn write(path: &Path, text: &str) -> Result<(), BenchError> {
    fs::write(path, text).map_err(BenchError::io("write what a tool reads"))
}

/// The checks as rules.
fn write_rules(folder: &Path) -> Result<PathBuf, BenchError> {
    let content = folder.join("content");
    let rules = content.join("rules/bench");
    fs::create_dir_all(&rules).map_err(BenchError::io("make a folder for rules"))?;
    for n in 0..CHECKS {
        let file = path(n);
        let rule = format!(
            "id: bench_f{n:03}
title: Only root changes {file}
description: The file {file} may have no permission bit beyond 0644, and belongs to root.
rationale: It is checked by every tool alike.
severity: medium
tags: [bench]
platforms:
  - {{id: debian, min: \"12\", max: \"12\"}}
check:
  file:
    path: {file}
    mode_at_most: \"0644\"
    owner: [root]
    group: [root]
    missing: fail
tests:
  - {{name: the limit, given: {{stat: {{\"{file}\": \"0644 root root file\"}}}}, expect: pass}}
  - {{name: beyond it, given: {{stat: {{\"{file}\": \"0666 root root file\"}}}}, expect: fail}}
"
        );
        write(&rules.join(format!("bench_f{n:03}.yaml")), &rule)?;
    }
    Ok(content)
}

fn failures_of_plumb(done: &Done) -> Result<usize, BenchError> {
    let unread = || BenchError::Said { what: "plumb".to_owned(), said: "no counts in its report".to_owned() };
    let report: Value = serde_json::from_slice(&done.stdout).map_err(|_err| unread())?;
    let count = report.pointer("/hosts/0/counts/fail").and_then(Value::as_u64).ok_or_else(unread)?;
    usize::try_from(count).map_err(|_err| unread())
}

/// Copies files of this machine, links followed, to the host. Both are the same release, or programs would
/// not find their libraries.
fn copy_to_host(scene: &Scene, paths: &[String]) -> Result<(), BenchError> {
    let mut tar = Command::new("tar");
    tar.args(["--create", "--dereference", "--directory", "/", "--exclude=__pycache__"]);
    tar.args(paths.iter().map(|path| path.trim_start_matches('/')));
    let packed = command::run(tar, b"")?.must("tar", &[0])?;
    let mut ssh = scene.ssh(scene.host.port());
    ssh.arg("tar --extract --directory /");
    command::run(ssh, &packed.stdout)?.must("tar on the host", &[0])?;
    Ok(())
}

fn find(program: &str, package: &str) -> Result<(), BenchError> {
    let mut found = Command::new("sh");
    found.args(["-c", &format!("command -v {program}")]);
    command::run(found, b"")?.must(&format!("{program} (Debian package {package})"), &[0]).map(drop)
}

/// `oscap-ssh`, with `oscap` on the host, where it insists on being installed.
struct Oscap {
    definitions: PathBuf,
    results: PathBuf,
}

impl Oscap {
    fn prepare(scene: &Scene) -> Result<Oscap, BenchError> {
        find("oscap-ssh", "openscap-utils")?;
        let mut linked = Command::new("ldd");
        linked.arg("/usr/bin/oscap");
        let linked = command::run(linked, b"")?.must("ldd", &[0])?;
        let text = String::from_utf8_lossy(&linked.stdout).into_owned();
        let libraries =
            text.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
        // The host's own C library stays.
        let ours = |path: &&str| !path.contains("/libc.so") && !path.contains("/ld-linux");
        let mut paths: Vec<String> = libraries.filter(ours).map(ToOwned::to_owned).collect();
        paths.extend(["/usr/bin/oscap".to_owned(), "/usr/share/openscap".to_owned()]);
        copy_to_host(scene, &paths)?;
        let definitions = scene.folder().join("oval.xml");
        write(&definitions, &oval())?;
        let oscap = Oscap { definitions, results: scene.folder().join("results.xml") };
        let done = oscap.run(scene)?;
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        expect_failures("oscap-ssh", said.lines().filter(|line| line.ends_with(": false")).count())?;
        Ok(oscap)
    }

    fn run(&self, scene: &Scene) -> Result<Done, BenchError> {
        let options = format!(
            "-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
             -o IdentitiesOnly=yes -o KexAlgorithms=curve25519-sha256 -i {}",
            scene.host.root_key().display()
        );
        let mut oscap = Command::new("oscap-ssh");
        oscap
            .args(["root@127.0.0.1", &scene.host.port().to_string(), "oval", "eval", "--skip-valid"])
            .arg("--results")
            .arg(&self.results)
            .arg(&self.definitions)
            .env("SSH_ADDITIONAL_OPTIONS", options);
        command::run(oscap, b"")?.must("oscap-ssh", &[0])
    }
}

/// The checks in OVAL 5.10: no bit beyond 0644, owner and group 0.
fn oval() -> String {
    let (mut definitions, mut tests, mut objects) = (String::new(), String::new(), String::new());
    for n in 1..=CHECKS {
        let file = path(n - 1);
        // Writing to a string cannot fail.
        let _infallible = write!(
            definitions,
            "<definition class=\"compliance\" id=\"oval:bench:def:{n}\" version=\"1\"><metadata><title>{file}</title>\
             <description>{file}</description></metadata><criteria><criterion test_ref=\"oval:bench:tst:{n}\"/>\
             </criteria></definition>"
        );
        let _infallible = write!(
            tests,
            "<unix:file_test check=\"all\" check_existence=\"all_exist\" comment=\"{file}\" id=\"oval:bench:tst:{n}\" \
             version=\"1\"><unix:object object_ref=\"oval:bench:obj:{n}\"/>\
             <unix:state state_ref=\"oval:bench:ste:1\"/></unix:file_test>"
        );
        let _infallible = write!(
            objects,
            "<unix:file_object id=\"oval:bench:obj:{n}\" version=\"1\"><unix:filepath>{file}</unix:filepath>\
             </unix:file_object>"
        );
    }
    let bits = ["uexec", "gwrite", "gexec", "owrite", "oexec"];
    let bits: String =
        bits.iter().map(|bit| format!("<unix:{bit} datatype=\"boolean\">false</unix:{bit}>")).collect();
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\
         <oval_definitions xmlns=\"http://oval.mitre.org/XMLSchema/oval-definitions-5\" \
         xmlns:oval=\"http://oval.mitre.org/XMLSchema/oval-common-5\" \
         xmlns:unix=\"http://oval.mitre.org/XMLSchema/oval-definitions-5#unix\">\
         <generator><oval:schema_version>5.10</oval:schema_version>\
         <oval:timestamp>2026-03-01T00:00:00</oval:timestamp></generator>\
         <definitions>{definitions}</definitions><tests>{tests}</tests><objects>{objects}</objects>\
         <states><unix:file_state id=\"oval:bench:ste:1\" version=\"1\">\
         <unix:group_id datatype=\"int\">0</unix:group_id><unix:user_id datatype=\"int\">0</unix:user_id>{bits}\
         </unix:file_state></states></oval_definitions>"
    )
}

/// Ansible with a task that looks and a task that judges for each check, at its fastest over SSH:
/// pipelining, one shared connection, no facts gathered. The host gets the Python library it needs.
struct Ansible {
    folder: PathBuf,
}

impl Ansible {
    fn prepare(scene: &Scene) -> Result<Ansible, BenchError> {
        find("ansible-playbook", "ansible-core")?;
        let version = scene.host.must("python3 -c 'import sys; print(\"%d.%d\" % sys.version_info[:2])'")?;
        copy_to_host(scene, &[format!("/usr/lib/python{}", version.trim())])?;
        let folder = scene.folder().join("ansible");
        fs::create_dir_all(&folder).map_err(BenchError::io("make a folder for Ansible"))?;
        let ssh = "-F none -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null -o LogLevel=ERROR \
                   -o KexAlgorithms=curve25519-sha256 -o ControlMaster=auto -o ControlPersist=60s";
        write(
            &folder.join("ansible.cfg"),
            &format!(
                "[defaults]\nhost_key_checking = False\n[ssh_connection]\npipelining = True\nssh_args = {ssh}\n"
            ),
        )?;
        let inventory = format!(
            "bench ansible_host=127.0.0.1 ansible_port={} ansible_user=root ansible_ssh_private_key_file={} \
             ansible_python_interpreter=/usr/bin/python3\n",
            scene.host.port(),
            scene.host.root_key().display()
        );
        write(&folder.join("inventory"), &inventory)?;
        write(&folder.join("playbook.yaml"), &playbook(CHECKS))?;
        let ansible = Ansible { folder };
        // One check shows whether it can run at all.
        write(&ansible.folder.join("one.yaml"), &playbook(1))?;
        ansible.play("one.yaml")?;
        Ok(ansible)
    }

    fn run(&self) -> Result<Done, BenchError> {
        let done = self.play("playbook.yaml")?;
        let said = String::from_utf8_lossy(&done.stdout).into_owned();
        let ignored = said.rsplit_once("ignored=").and_then(|(_rest, count)| count.trim().parse().ok());
        expect_failures("Ansible", ignored.unwrap_or(0))?;
        Ok(done)
    }

    fn play(&self, playbook: &str) -> Result<Done, BenchError> {
        let mut ansible = Command::new("ansible-playbook");
        ansible
            .args(["--inventory", "inventory", playbook])
            .current_dir(&self.folder)
            .env("HOME", &self.folder)
            .env("ANSIBLE_CONFIG", "ansible.cfg");
        command::run(ansible, b"")?.must("ansible-playbook", &[0])
    }
}

fn playbook(checks: usize) -> String {
    let mut text = String::from("- hosts: bench\n  gather_facts: false\n  tasks:\n");
    for n in 0..checks {
        let file = path(n);
        text.push_str(&format!(
            "    - stat: {{path: {file}, get_checksum: false, get_mime: false, get_attributes: false}}
      register: file
    - assert:
        that:
          - file.stat.exists
          - file.stat.mode in ['0644', '0640', '0600', '0444', '0440', '0400']
          - file.stat.pw_name == 'root' and file.stat.gr_name == 'root'
      ignore_errors: true
"
        ));
    }
    text
}
