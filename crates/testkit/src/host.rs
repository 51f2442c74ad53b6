//! Real test hosts without virtual machines: one Debian tree under an overlay in memory, with its
//! own mounts, processes, name and, where asked for, network, and its own `sshd` on a loopback port.
//!
//! The kernel is the machine's: `/proc/sys` is read-only inside (but for `net` with its own
//! network), and [`TestHost::fake_proc`] shows other values. No systemd runs inside. Making hosts
//! needs root; where it is missing every call is an error, for a test that cannot run has failed.

use std::fs::{self, File};
use std::io::{BufRead, BufReader};
use std::net::Ipv4Addr;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::Duration;

use crate::process::{Output, run};
use crate::wait;

mod error;
mod keys;
mod mirror;
mod server;
mod snapshot;
mod tree;

pub use error::HostError;
pub use mirror::MIRROR_VARIABLE;
pub use snapshot::{Entry, LOGIN_RECORDS, Snapshot};
pub use tree::Tree;

use keys::Key;
use server::Server;

const KEEPER: &str = include_str!("host/keeper.sh");
const INIT: &str = include_str!("host/init.sh");
const FAKE: &str = include_str!("host/fake.sh");

/// Longest a host may take to make its namespaces and mounts.
const START_LIMIT: Duration = Duration::from_secs(60);

/// Longest a host may take to go.
const STOP_LIMIT: Duration = Duration::from_secs(10);

/// Longest one [`TestHost::sh`] may run.
const SH_LIMIT: Duration = Duration::from_secs(120);

/// Longest line the starting scripts may say. Bytes.
const LINE_LIMIT: usize = 4_096;

/// How a host differs from the tree before its `sshd` starts.
#[derive(Clone, Debug, Default)]
pub struct HostOptions {
    /// Host name; `testhost` when none.
    pub hostname: Option<String>,
    /// Gives it a network namespace with nothing but a loopback, so that its `net.*` kernel
    /// settings are its own and may be written. Connections are then handed to one `sshd -i` each.
    pub own_network: bool,
    /// Lines of sshd_config(5) that win over all others, such as `MaxSessions 1`.
    pub sshd: Vec<String>,
    /// Text sent before login.
    pub banner: Option<String>,
    /// A script run as root before `sshd` starts.
    pub prepare: Option<String>,
}

/// What `sudo` lets a user do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sudo {
    /// Nothing.
    None,
    /// Everything, without a password.
    NoPassword,
    /// Everything, after the user's own password.
    Password,
}

/// A running host. It goes, with all its processes and mounts, when this is dropped and when the
/// process that holds it ends in whatever way.
pub struct TestHost {
    server: Server,
    host_key: Key,
    root_key: Key,
    space: Space,
    // Last, so that the folder outlives what uses it.
    folder: tempfile::TempDir,
}

impl TestHost {
    /// Starts a host over `tree` and waits until its `sshd` listens.
    ///
    /// # Errors
    ///
    /// [`HostError`]: what could not be made, with the words of the tool that failed.
    pub fn start(tree: &Tree, options: &HostOptions) -> Result<TestHost, HostError> {
        need_root()?;
        let folder = tempfile::Builder::new()
            .prefix("plumbline-testhost-")
            .tempdir()
            .map_err(|err| HostError::File { what: "make the folder of a host", err })?;
        let host_key = Key::generate(folder.path(), "host_key_1")?;
        let root_key = Key::generate(folder.path(), "root_key")?;
        let space = Space::start(folder.path(), tree, options)?;
        space.must("set up the host", &setup(options, &host_key, &root_key)?)?;
        let log = folder.path().join("sshd.log");
        let server = Server::start(space.inside(), log, options.own_network)?;
        let host = TestHost { server, host_key, root_key, space, folder };
        host.write_known_hosts()?;
        Ok(host)
    }

    /// Returns the loopback port of its `sshd`.
    pub fn port(&self) -> u16 {
        self.server.port()
    }

    /// Returns the address of its `sshd`, always a loopback address.
    pub fn address(&self) -> Ipv4Addr {
        Ipv4Addr::LOCALHOST
    }

    /// Returns its line of a `known_hosts` file, without a line end: `[127.0.0.1]:port type key`.
    pub fn host_key_line(&self) -> String {
        format!("[{}]:{} {}", self.address(), self.port(), self.host_key.public())
    }

    /// Returns the path of a `known_hosts` file that holds [`TestHost::host_key_line`].
    pub fn known_hosts(&self) -> PathBuf {
        self.folder.path().join("known_hosts")
    }

    /// Returns the path of the private key that logs in as root; OpenSSH format, Ed25519, no
    /// passphrase. The public key lies beside it with `.pub` added.
    pub fn root_key(&self) -> &Path {
        self.root_key.path()
    }

    /// Runs `script` with `/bin/sh` as root inside the host, without SSH.
    ///
    /// # Errors
    ///
    /// [`HostError::Tool`] when it cannot be run or does not end within two minutes. An exit code
    /// other than 0 is no error: see [`TestHost::must`].
    pub fn sh(&self, script: &str) -> Result<Output, HostError> {
        self.space.sh("run a script on the host", script)
    }

    /// Runs `script` as [`TestHost::sh`] does and returns its standard output.
    ///
    /// # Errors
    ///
    /// As [`TestHost::sh`], and [`HostError::Inside`] when it exits with anything but 0.
    pub fn must(&self, script: &str) -> Result<String, HostError> {
        self.space.must("run a script", script)
    }

    /// Adds a user with a home folder and a password that logs in over SSH.
    ///
    /// `shell` is a path, such as `/bin/bash`, `/usr/bin/fish`, `/bin/csh`, `/usr/sbin/nologin`.
    ///
    /// # Errors
    ///
    /// [`HostError::Inside`] with the words of the tool that refused.
    pub fn add_user(&self, name: &str, password: &str, shell: &str, sudo: Sudo) -> Result<(), HostError> {
        let rule = match sudo {
            Sudo::None => None,
            Sudo::NoPassword => Some("ALL=(ALL:ALL) NOPASSWD: ALL"),
            Sudo::Password => Some("ALL=(ALL:ALL) ALL"),
        };
        let (name, shell) = (quoted(name), quoted(shell));
        let mut script = format!("set -eu\nuseradd --create-home --shell {shell} -- {name}\n");
        script += &format!("printf '%s:%s\\n' {name} {} | chpasswd\n", quoted(password));
        if let Some(rule) = rule {
            script += &format!(
                "umask 0337\nprintf '%s %s\\n' {name} {} >/etc/sudoers.d/\"$(id -u -- {name})\"\n",
                quoted(rule)
            );
        }
        self.space.must("add a user", &script).map(drop)
    }

    /// Lets the root key log in as `user` too.
    ///
    /// # Errors
    ///
    /// [`HostError::Inside`] when there is no such user.
    pub fn authorize(&self, user: &str) -> Result<(), HostError> {
        let user = quoted(user);
        let script = format!(
            "set -eu\nhome=$(getent passwd -- {user} | cut -d: -f6)\n[ -n \"$home\" ]\n\
             install -d -m 0700 -o {user} \"$home/.ssh\"\nprintf '%s\\n' {} >>\"$home/.ssh/authorized_keys\"\n\
             chown -- {user} \"$home/.ssh/authorized_keys\"\nchmod 0600 \"$home/.ssh/authorized_keys\"\n",
            quoted(self.root_key.public())
        );
        self.space.must("authorize a key", &script).map(drop)
    }

    /// Returns everything its `sshd` has logged since the host started.
    ///
    /// # Errors
    ///
    /// [`HostError::File`].
    pub fn sshd_log(&self) -> Result<String, HostError> {
        self.server.log()
    }

    /// Ends the listening `sshd`; sessions that are open stay so.
    ///
    /// # Errors
    ///
    /// [`HostError::Inside`], [`HostError::Sshd`] when it is still there after the limit.
    pub fn stop_sshd(&mut self) -> Result<(), HostError> {
        self.server.stop()
    }

    /// Starts `sshd` again on the same port, as after [`TestHost::stop_sshd`] or a changed configuration.
    ///
    /// # Errors
    ///
    /// [`HostError::Sshd`] when it refuses its configuration or the port was taken meanwhile.
    pub fn restart_sshd(&mut self) -> Result<(), HostError> {
        self.server.stop()?;
        self.server.listen()
    }

    /// Ends every open SSH session at once, as a network that drops would; the listener stays.
    ///
    /// # Errors
    ///
    /// [`HostError::Inside`].
    pub fn kill_sessions(&self) -> Result<(), HostError> {
        let script = "keep=$(cat /run/sshd.pid 2>/dev/null || echo 1)\n\
                      for pid in $(pgrep -x sshd); do [ \"$pid\" = \"$keep\" ] || kill -KILL \"$pid\" || :; done";
        self.space.must("end the sessions", script).map(drop)
    }

    /// Gives the host a new key, as a reinstalled or impersonated host has, and restarts `sshd`.
    ///
    /// [`TestHost::host_key_line`] and [`TestHost::known_hosts`] then hold the new key.
    ///
    /// # Errors
    ///
    /// As [`TestHost::restart_sshd`].
    pub fn regenerate_host_key(&mut self) -> Result<(), HostError> {
        let name = format!("{}0", self.host_key.name());
        self.host_key = Key::generate(self.folder.path(), &name)?;
        self.space.must("install a host key", &self.host_key.install_as_host_key()?)?;
        self.restart_sshd()?;
        self.write_known_hosts()
    }

    /// Shows `content` as the file at `path` until the host goes; meant for what belongs to the
    /// shared kernel: `/proc/sys/...`, `/proc/cmdline`, `/proc/modules`.
    ///
    /// A line end is added where one is missing, but not to an empty file. The file can then be
    /// written inside the host, and the machine sees nothing of that. It shows as one more line in
    /// the host's list of mounts. A setting under `/proc/sys` that this machine's kernel does not
    /// have is added; other files have to exist (`/proc/modules` does not on a kernel without modules).
    ///
    /// # Errors
    ///
    /// [`HostError::Inside`] when there is no such file and none can be added.
    pub fn fake_proc(&self, path: &str, content: &str) -> Result<(), HostError> {
        let line_end = if content.is_empty() || content.ends_with('\n') { "" } else { "\n" };
        let (path, content) = (quoted(path), quoted(&format!("{content}{line_end}")));
        self.space.must("show a fake file", &format!("set -- {path} {content}\n{FAKE}")).map(drop)
    }

    /// Lists everything the host has written since it began: the overlay's upper folder, `/run` and `/dev/shm`.
    ///
    /// # Errors
    ///
    /// [`HostError::File`].
    pub fn snapshot(&self) -> Result<Snapshot, HostError> {
        let upper = PathBuf::from(format!("/proc/{}/root", self.space.keeper.id()))
            .join(self.folder.path().strip_prefix("/").unwrap_or(self.folder.path()))
            .join("mnt/upper");
        let inside = PathBuf::from(format!("/proc/{}/root", self.space.pid));
        Snapshot::of(&[(&upper, "/"), (&inside.join("run"), "/run"), (&inside.join("dev/shm"), "/dev/shm")])
            .map_err(|err| HostError::File { what: "list what the host has written", err })
    }

    /// Returns the OpenSSH client set up to log in as `user` with the root key and to trust this
    /// host's key only; the caller adds the remote command.
    pub fn ssh(&self, user: &str) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-o", "StrictHostKeyChecking=yes", "-o", "IdentitiesOnly=yes"])
            .arg("-o")
            .arg(format!("UserKnownHostsFile={}", self.known_hosts().display()))
            .arg("-i")
            .arg(self.root_key())
            // The default one costs a quarter of a second of the client's time at each login.
            .args(["-o", "KexAlgorithms=curve25519-sha256"])
            .args(["-p", &self.port().to_string(), "-l", user, &self.address().to_string()])
            .env_remove("SSH_AUTH_SOCK");
        ssh
    }

    /// Returns the number, on this machine, of the host's process 1.
    pub fn pid(&self) -> u32 {
        self.space.pid
    }

    /// Returns the folder that holds this host's keys, log and mount point.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    fn write_known_hosts(&self) -> Result<(), HostError> {
        fs::write(self.known_hosts(), self.host_key_line() + "\n")
            .map_err(|err| HostError::File { what: "write known_hosts", err })
    }
}

/// The namespaces of a host, kept alive by a process that goes when this process does.
struct Space {
    keeper: Child,
    pid: u32,
    inside: Inside,
}

/// How to get into a host's namespaces.
#[derive(Clone, Debug)]
struct Inside {
    pid: u32,
    own_network: bool,
}

impl Inside {
    /// Returns `nsenter` up to where the program to run inside is named.
    fn command(&self) -> Command {
        let mut enter = Command::new("nsenter");
        enter.args(["--target", &self.pid.to_string(), "--mount", "--uts", "--ipc", "--pid"]);
        if self.own_network {
            enter.arg("--net");
        }
        enter.arg("--");
        enter.env_clear().env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin");
        enter.env("HOME", "/root");
        enter
    }

    fn sh(&self, what: &'static str, script: &str) -> Result<Output, HostError> {
        let mut command = self.command();
        // By standard input, for an argument is at most 128 KiB long and shows in the process list.
        command.args(["/bin/sh", "-s"]);
        run(command, script.as_bytes(), SH_LIMIT).map_err(|err| HostError::Tool { what, err })
    }

    fn must(&self, what: &'static str, script: &str) -> Result<String, HostError> {
        let done = self.sh(what, script)?;
        if done.success() {
            return Ok(done.stdout);
        }
        Err(HostError::Inside { what, code: done.code, said: done.stdout + &done.stderr })
    }
}

impl Space {
    fn start(folder: &Path, tree: &Tree, options: &HostOptions) -> Result<Space, HostError> {
        let file_error = |err| HostError::File { what: "make the mount point of a host", err };
        fs::create_dir(folder.join("mnt")).map_err(file_error)?;
        let said = folder.join("start.log");
        let stderr = File::create(&said).map_err(file_error)?;
        let mut keeper = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", KEEPER, "testhost-keeper"])
            .args([folder, tree.root()])
            .arg(options.hostname.as_deref().unwrap_or("testhost"))
            .args([if options.own_network { "own" } else { "shared" }, INIT])
            .env_clear()
            .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(stderr)
            .spawn()
            .map_err(|err| HostError::File { what: "start unshare", err })?;
        let lines = keeper.stdout.take().map(lines_of);
        let first = lines.and_then(|lines| lines.recv_timeout(START_LIMIT).ok());
        match first.as_deref().and_then(|line| line.strip_prefix("ready ")).and_then(|pid| pid.parse().ok()) {
            Some(pid) => {
                let inside = Inside { pid, own_network: options.own_network };
                Ok(Space { keeper, pid, inside })
            }
            None => {
                stop_keeper(&mut keeper);
                let said = fs::read_to_string(&said).map_err(file_error)?;
                Err(HostError::Start { said: format!("{} {said}", first.unwrap_or_default()) })
            }
        }
    }

    fn inside(&self) -> Inside {
        self.inside.clone()
    }

    fn sh(&self, what: &'static str, script: &str) -> Result<Output, HostError> {
        self.inside.sh(what, script)
    }

    fn must(&self, what: &'static str, script: &str) -> Result<String, HostError> {
        self.inside.must(what, script)
    }
}

impl Drop for Space {
    fn drop(&mut self) {
        stop_keeper(&mut self.keeper);
    }
}

/// Closes the keeper's input, upon which it ends the host and then itself; by force after the limit.
fn stop_keeper(keeper: &mut Child) {
    drop(keeper.stdin.take());
    if !wait::until(STOP_LIMIT, || !matches!(keeper.try_wait(), Ok(None))) {
        // Its death signal takes the host along. Nothing can be reported from a destructor.
        drop(keeper.kill());
        drop(keeper.wait());
    }
}

fn lines_of(stdout: ChildStdout) -> Receiver<String> {
    let (sender, receiver) = mpsc::channel();
    thread::spawn(move || {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            if line.len() > LINE_LIMIT || sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn setup(options: &HostOptions, host_key: &Key, root_key: &Key) -> Result<String, HostError> {
    let mut script = String::from("set -eu\n");
    script += &host_key.install_as_host_key()?;
    script += "install -d -m 0700 /root/.ssh\n";
    script += &format!("printf '%s\\n' {} >/root/.ssh/authorized_keys\n", quoted(root_key.public()));
    let mut lines = options.sshd.clone();
    if let Some(banner) = &options.banner {
        script += &format!("printf '%s' {} >/etc/issue.net\n", quoted(banner));
        lines.push("Banner /etc/issue.net".into());
    }
    if !lines.is_empty() {
        // The first value of a keyword wins, and the drop-ins are read first, by name.
        let text = quoted(&(lines.join("\n") + "\n"));
        script += &format!("printf '%s' {text} >/etc/ssh/sshd_config.d/00-first.conf\n");
    }
    if let Some(prepare) = &options.prepare {
        script += prepare;
        script.push('\n');
    }
    Ok(script)
}

/// Returns `word` as one word of POSIX `sh`, whatever is in it.
pub(crate) fn quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

fn need_root() -> Result<(), HostError> {
    let uid =
        fs::metadata("/proc/self").map_err(|err| HostError::File { what: "look up this user", err })?.uid();
    if uid == 0 { Ok(()) } else { Err(HostError::NotRoot { uid }) }
}
