//! What the user's ssh_config(5) says of a host. OpenSSH itself is asked (ssh(1), option -G), so that a host is here what it
//! is for ssh. Does not decide when a name may be an alias: see `targets`.

use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt as _};
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::error::{Error, Kind};
use crate::targets::shown;

mod tokens;

/// The program that is asked, by the user's PATH as they run it themselves.
const SSH: &str = "ssh";
/// Longest that one question may take; `Match exec` runs commands of the user, and a canonical name is looked up.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);
/// Longest answer, on each stream. Bytes; a usual one has 4,000.
const ANSWER_BYTES_MAX: u64 = 256 << 10;
/// Most that is shown of what ssh said. Characters.
const SHOWN_MAX: usize = 200;
/// Variables in which somebody may have given us a secret. What a `Match exec` runs has no business with them.
const SECRETS: [&str; 11] = [
    "PLUMB_SSH_PASSWORD",
    "PLUMB_SSH_KEY_PASSPHRASE",
    "PLUMB_SUDO_PASSWORD",
    "PLUMB_DATABASE_URL",
    "PLUMB_DATABASE_PASSWORD",
    "PLUMB_OWNER_DATABASE_URL",
    "PLUMB_OWNER_DATABASE_PASSWORD",
    "PLUMB_FROM_DATABASE_URL",
    "PLUMB_FROM_DATABASE_PASSWORD",
    "PLUMB_TO_DATABASE_URL",
    "PLUMB_TO_DATABASE_PASSWORD",
];
/// A file that names nothing, so that ssh tells its defaults.
const NO_FILE: &str = "/dev/null";

/// The user's ssh_config, read by nobody until a host is asked about.
#[derive(Debug, Default)]
pub struct SshConfig {
    /// `.ssh/config` of the user, which need not be there.
    file: Option<PathBuf>,
    home: PathBuf,
    login_name: String,
    /// Number of the user who runs this.
    uid: u32,
    defaults: OnceCell<Answer>,
}

/// Whom ssh is asked about, as typed.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Question<'q> {
    pub(crate) host: &'q str,
    pub(crate) user: Option<&'q str>,
    pub(crate) port: Option<u16>,
}

/// What the file says of a host; none where it leaves a setting to the default.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Settings {
    pub(crate) host: String,
    pub(crate) port: u16,
    pub(crate) user: Option<String>,
    /// Paths as written, in the order in which ssh tries them.
    identity_files: Vec<String>,
}

/// The settings that would hold, of those that matter here.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Answer {
    hostname: String,
    port: u16,
    user: String,
    identity_files: Vec<String>,
    /// What stands between this machine and the host: keyword and value.
    between: Option<(&'static str, String)>,
}

impl SshConfig {
    /// Names the file in the user's `.ssh` folder, and what the user is called here.
    #[must_use]
    pub fn of(ssh_dir: Option<&Path>, (login_name, uid): (&str, u32)) -> Self {
        Self {
            file: ssh_dir.map(|dir| dir.join("config")),
            home: ssh_dir.and_then(Path::parent).map(Path::to_owned).unwrap_or_default(),
            login_name: login_name.to_owned(),
            uid,
            defaults: OnceCell::new(),
        }
    }

    /// Asks what the file says of a host; nothing when there is no file.
    ///
    /// # Errors
    /// When ssh is not there or does not understand the file, and when the host is behind another one.
    pub(crate) async fn settings(&self, question: Question<'_>) -> Result<Option<Settings>, Error> {
        // What begins like an option names no host, for ssh neither.
        let Some(file) = self.file.as_deref().filter(|_| !question.host.starts_with('-')) else {
            return Ok(None);
        };
        match std::fs::metadata(file) {
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(None),
            // As ssh does with its own file, and not with one that is named to it: what it says may be run.
            Ok(meta) if (meta.uid() != 0 && meta.uid() != self.uid) || meta.mode() & 0o022 != 0 => {
                let what = format!("{} belongs to somebody else, or others may write to it", file.display());
                return Err(Error::new(Kind::Config, what).hint("chmod 600 it, as ssh asks for, too"));
            }
            // To ssh a folder is an empty file.
            Ok(meta) if !meta.is_dir() => {}
            unreadable => {
                let problem = unreadable.map_or_else(|err| err.to_string(), |_| "it is a folder".to_owned());
                return Err(Error::new(
                    Kind::Config,
                    format!("could not read {}: {problem}", file.display()),
                ));
            }
        }
        let answer = ask(file, question).await?;
        if let Some((keyword, value)) = &answer.between {
            return Err(behind(question.host, (keyword, value), file));
        }
        let none = Question { host: question.host, user: None, port: None };
        let defaults = self.defaults.get_or_try_init(|| ask(Path::new(NO_FILE), none)).await?;
        Ok(Some(Settings {
            host: answer.hostname,
            port: answer.port,
            // A name that is the default goes unsaid: whoever scans the saved host next has their own.
            user: (answer.user != defaults.user).then_some(answer.user),
            identity_files: if answer.identity_files == defaults.identity_files {
                Vec::new()
            } else {
                answer.identity_files
            },
        }))
    }

    /// Returns the first key file that the file names for a host and that is there, as an absolute path.
    ///
    /// Source: ssh_config(5), `IdentityFile`: one that is missing is passed over, and so is a public key, whose private one
    /// an agent has.
    ///
    /// # Errors
    /// When a path has a token that has no meaning here.
    pub(crate) fn identity(
        &self,
        settings: &Settings,
        (typed, user): (&str, &str),
    ) -> Result<Option<String>, Error> {
        let values = tokens::Values {
            home: &self.home,
            typed,
            host: &settings.host,
            port: settings.port,
            user: if user.is_empty() { &self.login_name } else { user },
            local_user: &self.login_name,
        };
        for written in settings.identity_files.iter().filter(|written| *written != "none") {
            let problem = |problem: &str| {
                let what = format!("the IdentityFile {:?} of {:?} {problem}", shown(written), shown(typed));
                Error::new(Kind::Config, what).hint("name the key file by -i")
            };
            let path = tokens::expand(written, &values).map_err(|err| problem(&err))?;
            let path = std::path::absolute(path).map_err(|err| problem(&format!("is no path: {err}")))?;
            if path.is_file() && path.extension().is_none_or(|extension| extension != "pub") {
                let path = path.into_os_string().into_string();
                return path.map(Some).map_err(|_path| problem("is not UTF-8"));
            }
        }
        Ok(None)
    }
}

fn behind(host: &str, (keyword, value): (&str, &str), file: &Path) -> Error {
    let what = format!(
        "{:?} has {keyword} {:?} in {}, and hosts behind another one are not supported yet",
        shown(host),
        shown(value),
        file.display()
    );
    Error::new(Kind::Config, what).hint(format!(
        "where this machine reaches it without, name it by its own address, or set {keyword} none for it"
    ))
}

/// Asks what would hold for a host by this file.
async fn ask(file: &Path, question: Question<'_>) -> Result<Answer, Error> {
    #[expect(clippy::disallowed_methods, reason = "the one program that app asks")]
    let mut ssh = Command::new(SSH);
    // No terminal is wanted, and ssh says so on every answer unless it is told.
    ssh.args(["-G", "-T", "-F"]).arg(file);
    for name in SECRETS {
        ssh.env_remove(name);
    }
    if let Some(user) = question.user {
        ssh.args(["-l", user]);
    }
    if let Some(port) = question.port {
        ssh.args(["-p", &port.to_string()]);
    }
    ssh.args(["--", question.host]);
    let refused = |problem: &str| {
        let what = format!("ssh does not say where {:?} is: {problem}", shown(question.host));
        Error::new(Kind::Config, what)
    };
    let said = run(ssh, ANSWER_TIME_MAX).await.map_err(|problem| match problem {
        Unanswered::Missing => Error::new(
            Kind::Config,
            format!("{} is there, and ssh is not, which has to read it", file.display()),
        )
        .hint("install the OpenSSH client; localhost and saved hosts are scanned without it"),
        // The host is left out: a word that came from elsewhere is not offered to a shell.
        Unanswered::Failed(problem) => refused(&problem).hint(format!(
            "see what `ssh -G HOST` says; localhost and saved hosts are scanned without {}",
            file.display()
        )),
    })?;
    understand(&said).map_err(|problem| refused(&problem))
}

/// Why there is no answer.
#[derive(Debug, PartialEq, Eq)]
enum Unanswered {
    /// There is no such program.
    Missing,
    Failed(String),
}

/// Runs a program to its end and returns what it printed.
///
/// # Errors
/// Its own first line, when it ends with another status than 0; when it takes or says too much.
async fn run(mut program: Command, limit: Duration) -> Result<String, Unanswered> {
    let failed = |err: &std::io::Error| Unanswered::Failed(err.to_string());
    program.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).kill_on_drop(true);
    let is_missing = |err: &std::io::Error| err.kind() == std::io::ErrorKind::NotFound;
    let mut child =
        program.spawn().map_err(|err| if is_missing(&err) { Unanswered::Missing } else { failed(&err) })?;
    let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
        return Err(Unanswered::Failed("its streams are missing".to_owned()));
    };
    let answered = async {
        // Both at once: a full pipe on one would keep it from ending the other.
        let (said, complained) = tokio::try_join!(bounded(stdout), bounded(stderr))?;
        let status = child.wait().await.map_err(|err| failed(&err))?;
        Ok((said, complained, status))
    };
    let ended = tokio::time::timeout(limit, answered).await;
    let (said, complained, status) = ended
        .unwrap_or_else(|_elapsed| Err(Unanswered::Failed(format!("it did not answer within {limit:?}"))))?;
    if !status.success() {
        return Err(Unanswered::Failed(complaint(&complained).unwrap_or_else(|| status.to_string())));
    }
    String::from_utf8(said).map_err(|_err| Unanswered::Failed("its answer is not UTF-8".to_owned()))
}

async fn bounded(stream: impl AsyncRead + Unpin) -> Result<Vec<u8>, Unanswered> {
    let mut bytes = Vec::new();
    let read = stream.take(ANSWER_BYTES_MAX + 1).read_to_end(&mut bytes).await;
    let n_read = read.map_err(|err| Unanswered::Failed(err.to_string()))?;
    if n_read as u64 > ANSWER_BYTES_MAX {
        return Err(Unanswered::Failed(format!("it says more than {ANSWER_BYTES_MAX} bytes")));
    }
    Ok(bytes)
}

/// Returns the first line of what ssh complained of, without what its log level adds; safe to show.
fn complaint(bytes: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(bytes);
    let line = text.lines().map(str::trim).find(|line| !line.is_empty() && !line.starts_with("debug"))?;
    Some(line.chars().take(SHOWN_MAX).map(|c| if c.is_control() { '?' } else { c }).collect())
}

/// Reads `keyword value` lines; of the many keywords only those that matter here.
fn understand(said: &str) -> Result<Answer, String> {
    let mut answer = Answer::default();
    let (mut proxy_jump, mut proxy_command) = (None, None);
    for line in said.lines() {
        let Some((keyword, value)) = line.split_once(' ') else { continue };
        let value = value.trim();
        match keyword {
            "hostname" => value.clone_into(&mut answer.hostname),
            "user" => value.clone_into(&mut answer.user),
            "port" => {
                answer.port = value.parse().map_err(|err| format!("the port {:?}: {err}", shown(value)))?;
            }
            "identityfile" => answer.identity_files.push(value.to_owned()),
            "proxyjump" => proxy_jump = Some(value),
            "proxycommand" => proxy_command = Some(value),
            _of_no_matter_here => {}
        }
    }
    if answer.hostname.is_empty() || answer.user.is_empty() || answer.port == 0 {
        return Err("hostname, user or port is missing in its answer".to_owned());
    }
    answer.between = [("ProxyJump", proxy_jump), ("ProxyCommand", proxy_command)]
        .into_iter()
        .find_map(|(keyword, value)| Some((keyword, value.filter(|value| *value != "none")?.to_owned())));
    Ok(answer)
}

#[cfg(test)]
mod tests;
