//! A test host with a real `sshd`, the shipped rules, and the ways to ask the one about the other: the
//! product, the product's own conversation, one hand-written script, and one exec for each check.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use app::content::{Content, Source};
use model::{Address, Endpoint, Hello, WireStats};
use rules::Selection;
use testkit::host::{HostOptions, TestHost, Tree};
use transport::{
    Conversation, Credentials, HostKeyCheck, Limits, Privilege, Progress, Request, SshTarget, Target,
    converse, load_private_key, quote,
};

use crate::command::{self, Done};
use crate::error::BenchError;

/// A host to scan, and a data directory that is on a disk.
pub struct Scene {
    pub host: TestHost,
    pub content: Content,
    binary: PathBuf,
    folder: tempfile::TempDir,
}

/// One conversation that was held in this process, without evaluating or storing anything.
#[derive(Debug)]
pub struct Talk {
    /// From the beginning until the host let us in.
    pub login: Duration,
    /// From then on until the connection was closed.
    pub after_login: Duration,
    pub wire: WireStats,
    pub hello: Hello,
}

impl Scene {
    /// Starts a host, where needed prepared by a script that runs before its `sshd` starts.
    ///
    /// # Errors
    /// When there is no host to be had, no binary, or the rules do not load.
    pub fn start(prepare: Option<String>) -> Result<Scene, BenchError> {
        let binary = command::plumb()?;
        let host = TestHost::start(&Tree::debian12()?, &HostOptions { prepare, ..HostOptions::default() })?;
        let content =
            Content::open(Source::default()).map_err(|err| BenchError::Rules { said: err.to_string() })?;
        Ok(Scene { host, content, binary, folder: command::folder()? })
    }

    /// Returns a folder that goes with the scene.
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Returns the product's command with a data directory of its own and no user's settings.
    #[must_use]
    pub fn plumb(&self, arguments: &[&str]) -> Command {
        isolated(&self.binary, self.folder.path(), arguments)
    }

    /// Scans the host through `port` with the product as a user would; a host with findings is no error.
    ///
    /// # Errors
    /// When the scan did not complete.
    pub fn scan(&self, port: u16, more: &[&str]) -> Result<Done, BenchError> {
        command::run(self.scan_command(port, more), b"")?.must("plumb scan", &[0, 2])
    }

    /// Returns the command of [`Scene::scan`].
    #[must_use]
    pub fn scan_command(&self, port: u16, more: &[&str]) -> Command {
        let target = format!("root@127.0.0.1:{port}");
        let mut plumb = self.plumb(&["scan", "--quiet", "--format", "json", "--identity"]);
        plumb.arg(self.host.root_key()).args(more).arg(target);
        plumb
    }

    /// Plans the probes of the whole shipped rule set.
    ///
    /// # Errors
    /// When the rules cannot be chosen.
    pub fn commands(&self, hello: &Hello) -> Result<Vec<model::Command>, BenchError> {
        self.planned(&Selection::default(), hello)
    }

    /// Plans the probes of some of the shipped rules.
    ///
    /// # Errors
    /// When the rules cannot be chosen.
    pub fn planned(&self, selection: &Selection, hello: &Hello) -> Result<Vec<model::Command>, BenchError> {
        let chosen = self.content.corpus().select(selection, &hello.platform);
        let chosen = chosen.map_err(|err| BenchError::Rules { said: err.to_string() })?;
        Ok(rules::plan(chosen, rules::TIMEOUT_MS).commands)
    }

    /// Returns, for each rule that applies, the script that asks what this rule alone needs.
    ///
    /// # Errors
    /// When a rule cannot be chosen.
    pub fn checks(&self, hello: &Hello) -> Result<Vec<String>, BenchError> {
        let everything = Selection::default();
        let chosen = self.content.corpus().select(&everything, &hello.platform);
        let chosen = chosen.map_err(|err| BenchError::Rules { said: err.to_string() })?;
        let ids: BTreeSet<String> = chosen.ids().map(ToString::to_string).collect();
        ids.into_iter()
            .map(|id| {
                let selection = Selection { rules: vec![id], ..Selection::default() };
                Ok(one_script(&self.planned(&selection, hello)?))
            })
            .collect()
    }

    /// Holds the product's conversation with the whole rule set from this process, through `port`.
    ///
    /// # Errors
    /// [`BenchError::Talk`].
    pub fn talk(&self, port: u16) -> Result<Talk, BenchError> {
        let failed = |said: String| BenchError::Talk { said };
        let key = std::fs::read(self.host.root_key()).map_err(BenchError::io("read the key"))?;
        let key = load_private_key(&key, None).map_err(|err| failed(err.to_string()))?;
        let target = SshTarget {
            endpoint: Endpoint { address: Address::Ip(self.host.address().into()), port },
            user: "root".to_owned(),
            credentials: Credentials { keys: vec![key], ..Credentials::default() },
            privilege: Privilege::None,
            known_key_types: Vec::new(),
            // The host is ours and lives in this process's care.
            host_key: HostKeyCheck::new(|_key| async { Ok(()) }),
        };
        let nonce_seed = *uuid::Uuid::now_v7().as_bytes();
        let request =
            Request { target: Target::Ssh(Box::new(target)), limits: Limits::default(), nonce_seed };
        let logged_in = Arc::new(Mutex::new(None));
        let slot = Arc::clone(&logged_in);
        let listen = move |progress: Progress| {
            if let (Progress::LoggedIn, Ok(mut slot)) = (progress, slot.lock()) {
                *slot = Some(Instant::now());
            }
        };
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
        let runtime = runtime.map_err(BenchError::io("start the runtime"))?;
        let began = Instant::now();
        let talked = runtime.block_on(converse(request, |hello| self.commands(hello), &listen));
        let ended = Instant::now();
        let Conversation { wire, hello, .. } = talked.map_err(|err| failed(err.to_string()))?;
        let at = logged_in.lock().ok().and_then(|slot| *slot);
        let at = at.ok_or_else(|| failed("it never logged in".to_owned()))?;
        Ok(Talk { login: at - began, after_login: ended - at, wire, hello })
    }

    /// Returns OpenSSH's client set to log in through `port`; the caller adds the remote command.
    #[must_use]
    pub fn ssh(&self, port: u16) -> Command {
        let mut ssh = Command::new("ssh");
        ssh.args(["-F", "none", "-o", "StrictHostKeyChecking=no", "-o", "UserKnownHostsFile=/dev/null"])
            .args(["-o", "LogLevel=ERROR", "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes", "-i"])
            .arg(self.host.root_key())
            // The default one costs a quarter of a second of the client's time at each login.
            .args(["-o", "KexAlgorithms=curve25519-sha256"])
            .args(["-p", &port.to_string(), "-l", "root", "127.0.0.1"])
            .env_remove("SSH_AUTH_SOCK");
        ssh
    }
}

/// A connection of OpenSSH that further clients share, until it is dropped.
pub struct Master<'s> {
    scene: &'s Scene,
    port: u16,
    socket: PathBuf,
}

impl<'s> Master<'s> {
    /// Logs in once through `port`.
    ///
    /// # Errors
    /// When OpenSSH cannot.
    pub fn start(scene: &'s Scene, port: u16) -> Result<Master<'s>, BenchError> {
        // Short, for the name of a socket may have 108 bytes only.
        let socket = scene.host.folder().join(format!("m{port}"));
        let master = Master { scene, port, socket };
        let mut ssh = master.client();
        ssh.args(["-o", "ControlMaster=yes", "-o", "ControlPersist=yes", "true"]);
        command::run(ssh, b"")?.must("ssh as a master", &[0])?;
        Ok(master)
    }

    /// Runs each script as one exec of its own, one after the other, and returns the time of all.
    ///
    /// # Errors
    /// When OpenSSH fails; what a script exits with does not matter.
    pub fn exec_each(&self, scripts: &[String]) -> Result<Duration, BenchError> {
        let began = Instant::now();
        for script in scripts {
            self.exec(script)?;
        }
        Ok(began.elapsed())
    }

    /// Runs a script as an exec of its own.
    ///
    /// # Errors
    /// When OpenSSH fails; what the script exits with does not matter.
    pub fn exec(&self, script: &str) -> Result<Done, BenchError> {
        let mut ssh = self.client();
        ssh.arg(format!("exec sh -c {}", quote(script)));
        let done = command::run(ssh, b"")?;
        if done.code.is_none_or(|code| code == 255) {
            return done.must("ssh with one script", &[]);
        }
        Ok(done)
    }

    fn client(&self) -> Command {
        let mut ssh = self.scene.ssh(self.port);
        ssh.arg("-S").arg(&self.socket);
        ssh
    }
}

impl Drop for Master<'_> {
    fn drop(&mut self) {
        let mut ssh = self.client();
        ssh.args(["-O", "exit"]);
        // Nothing can be reported from a destructor, and the host ends the connection when it goes.
        drop(command::run(ssh, b""));
    }
}

/// Returns the product's command in a clean environment over the data directory `folder/data`.
#[must_use]
pub fn isolated(binary: &Path, folder: &Path, arguments: &[&str]) -> Command {
    let mut plumb = Command::new(binary);
    plumb
        .args(arguments)
        .env_clear()
        .env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
        .env("HOME", folder)
        .env("PLUMB_DATA_DIR", folder.join("data"))
        .current_dir(folder);
    plumb
}

/// Writes probes as the one script that a person would write: no frames, no limits, one after the other, as
/// unnoticed on the host as ours are.
#[must_use]
pub fn one_script(commands: &[model::Command]) -> String {
    let mut script = String::from("LC_ALL=C; export LC_ALL\nrenice -n 10 -p $$ >/dev/null 2>&1\n");
    for command in commands {
        script.push_str(&format!("(\n{}\n) </dev/null\n", command.script));
    }
    script
}
