//! A real OpenSSH server on a private loopback port, in its own mount namespace with its own `/etc`: its
//! accounts, sudo rules and PAM files exist nowhere else. Needs root.

use std::io::{BufRead as _, BufReader, Read};
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use model::{Address, Endpoint};
use secrecy::SecretString;
use transport::{Credentials, HostKeyCheck, PrivateKey, Privilege, SshTarget, Target, load_private_key};

/// The password of every account on the server.
pub(crate) const PASSWORD: &str = "open sesame";

/// Longest wait for a line in the server's log.
const LOG_WAIT: Duration = Duration::from_secs(20);

pub(crate) struct Sshd {
    server: Child,
    log: Receiver<String>,
    seen: Vec<String>,
    folder: tempfile::TempDir,
    pub(crate) port: u16,
}

/// Accounts: name, user id, login shell.
const ACCOUNTS: [(&str, u32, &str); 9] = [
    ("plain", 2001, "/bin/bash"),
    ("zed", 2002, "/usr/bin/zsh"),
    ("fishy", 2003, "/usr/bin/fish"),
    ("cee", 2004, "/bin/csh"),
    ("dashy", 2005, "/bin/dash"),
    ("nobash", 2006, "/usr/sbin/nologin"),
    ("boss", 2007, "/bin/bash"),
    ("payer", 2008, "/bin/dash"),
    ("forced", 2009, "/bin/bash"),
];

pub(crate) fn run(program: &str, arguments: &[&str]) -> Vec<u8> {
    let output = Command::new(program).args(arguments).output().unwrap();
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

impl Sshd {
    /// Starts a server with more lines of configuration; the first value of a setting wins.
    pub(crate) fn start(settings: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let at = folder.path().to_str().unwrap().to_owned();
        run("chmod", &["755", &at]);
        run("ssh-keygen", &["-q", "-t", "ed25519", "-N", "", "-f", &format!("{at}/host")]);
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let config = format!(
            "{settings}\nPort {port}\nListenAddress 127.0.0.1\nHostKey {at}/host\nPidFile none\n\
             AuthorizedKeysFile {at}/authorized\nStrictModes no\nUsePAM no\nLogLevel VERBOSE\n\
             Match User forced\nForceCommand echo This account is for backups only; exit 1\n"
        );
        std::fs::write(folder.path().join("sshd_config"), config).unwrap();
        std::fs::write(folder.path().join("authorized"), "").unwrap();
        write_accounts(folder.path());
        let script = format!(
            "set -e; mount -t tmpfs tmpfs /run; mkdir /run/sshd {at}/o; mount -t tmpfs tmpfs {at}/o\n\
             mkdir {at}/o/u {at}/o/w\n\
             mount -t overlay overlay -o lowerdir=/etc,upperdir={at}/o/u,workdir={at}/o/w /etc\n\
             cat {at}/passwd >>/etc/passwd; cat {at}/shadow >>/etc/shadow; cat {at}/group >>/etc/group\n\
             cp {at}/pam /etc/pam.d/sshd; cp {at}/pam /etc/pam.d/sudo; rm -f /etc/nologin\n\
             cp {at}/sudoers /etc/sudoers; chmod 440 /etc/sudoers; cp {at}/zshenv /etc/zsh/zshenv\n\
             exec /usr/sbin/sshd -D -e -f {at}/sshd_config"
        );
        let mut server = Command::new("unshare")
            .args(["--mount", "--propagation", "private", "sh", "-c", &script])
            .stdin(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let log = lines_of(server.stderr.take().unwrap());
        let mut sshd = Self { server, log, seen: Vec::new(), folder, port };
        sshd.wait_for("Server listening");
        sshd
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Makes a key pair in OpenSSH form, lets it in, and returns the private half's path.
    pub(crate) fn key(&self, name: &str, arguments: &[&str]) -> PathBuf {
        let path = self.folder.path().join(name);
        let mut all = vec!["-q", "-f", path.to_str().unwrap()];
        all.extend(arguments);
        run("ssh-keygen", &all);
        let public = std::fs::read_to_string(path.with_extension("pub")).unwrap();
        let authorized = self.folder.path().join("authorized");
        let before = std::fs::read_to_string(&authorized).unwrap();
        std::fs::write(authorized, before + &public).unwrap();
        path
    }

    /// A key that is let in, parsed.
    pub(crate) fn good_key(&self) -> PrivateKey {
        load(&self.key("good", &["-t", "ed25519", "-N", ""]), None)
    }

    /// A target that accepts the host's key.
    pub(crate) fn target(&self, user: &str, credentials: Credentials) -> SshTarget {
        target(self.port, user, credentials)
    }

    /// Waits until the log holds a line with `text`, which must come in time.
    pub(crate) fn wait_for(&mut self, text: &str) {
        self.wait_for_one_of(&[text]);
    }

    /// As [`Sshd::wait_for`], for whichever of these texts comes.
    pub(crate) fn wait_for_one_of(&mut self, texts: &[&str]) {
        while !self.seen.iter().any(|line| texts.iter().any(|text| line.contains(text))) {
            match self.log.recv_timeout(LOG_WAIT) {
                Ok(line) => self.seen.push(line),
                Err(_) => panic!("none of {texts:?} in the log: {:#?}", self.seen),
            }
        }
    }

    /// Counts the lines so far that hold `text`.
    pub(crate) fn count(&mut self, text: &str) -> usize {
        self.seen.extend(self.log.try_iter());
        self.seen.iter().filter(|line| line.contains(text)).count()
    }

    pub(crate) fn seen(&self) -> String {
        self.seen.join("\n")
    }
}

impl Drop for Sshd {
    fn drop(&mut self) {
        // Killing the server ends its namespace with its mounts once the sessions are gone.
        let _gone = self.server.kill().is_err();
        let _reaped = self.server.wait().is_err();
    }
}

fn lines_of(stream: impl Read + Send + 'static) -> Receiver<String> {
    let (sender, receiver) = channel();
    std::thread::spawn(move || {
        for line in BufReader::new(stream).lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                return;
            }
        }
    });
    receiver
}

fn write_accounts(folder: &Path) {
    let hash = run("openssl", &["passwd", "-6", "-salt", "plumbline", PASSWORD]);
    let hash = String::from_utf8(hash).unwrap();
    let (mut passwd, mut shadow, mut group) = (String::new(), String::new(), String::new());
    for (name, id, shell) in ACCOUNTS {
        passwd.push_str(&format!("{name}:x:{id}:{id}::/:{shell}\n"));
        shadow.push_str(&format!("{name}:{}:19000:0:99999:7:::\n", hash.trim()));
        group.push_str(&format!("{name}:x:{id}:\n"));
    }
    let log = folder.join("sudo.log");
    let sudoers = format!(
        "Defaults env_reset, use_pty, !syslog, logfile={}, passwd_tries=3, lecture=always\n\
         boss ALL=(ALL:ALL) NOPASSWD: ALL\npayer ALL=(ALL:ALL) ALL\n",
        log.display()
    );
    let pam = "auth required pam_unix.so\naccount required pam_permit.so\nsession required pam_permit.so\n";
    let zshenv = "echo noise from a login script; echo more noise >&2\n";
    for (name, text) in [
        ("passwd", passwd.as_str()),
        ("shadow", &shadow),
        ("group", &group),
        ("sudoers", &sudoers),
        ("pam", pam),
        ("zshenv", zshenv),
    ] {
        std::fs::write(folder.join(name), text).unwrap();
    }
}

pub(crate) fn load(path: &Path, passphrase: Option<&str>) -> PrivateKey {
    let passphrase = passphrase.map(|text| SecretString::from(text.to_owned()));
    load_private_key(&std::fs::read(path).unwrap(), passphrase.as_ref()).unwrap()
}

pub(crate) fn target(port: u16, user: &str, credentials: Credentials) -> SshTarget {
    let address: SocketAddr = ([127, 0, 0, 1], port).into();
    SshTarget {
        endpoint: Endpoint { address: Address::Ip(address.ip()), port },
        user: user.to_owned(),
        credentials,
        privilege: Privilege::None,
        known_key_types: Vec::new(),
        host_key: HostKeyCheck::new(|_key| async { Ok(()) }),
    }
}

pub(crate) fn with_keys(keys: Vec<PrivateKey>) -> Credentials {
    Credentials { keys, ..Credentials::default() }
}

pub(crate) fn with_password(password: &str) -> Credentials {
    Credentials { password: Some(SecretString::from(password.to_owned())), ..Credentials::default() }
}

pub(crate) fn ssh(target: SshTarget) -> Target {
    Target::Ssh(Box::new(target))
}
