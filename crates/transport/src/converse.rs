//! One conversation from beginning to end: the shell, the hello, the plan, the answers, goodbye.
//! Runs what it is given; decides nothing about rules.

mod lane;

use std::error::Error;
use std::time::Duration;

use model::{Command, Ending, Hello, Lane, Observation, WireStats};
use tokio::time::Instant;

use crate::driver::{self, Elevation, Greeting};
use crate::error::{ConverseError, TransportError};
use crate::frame::{Answer, Nonce};
use crate::limits::Limits;
use crate::local::LocalShell;
use crate::pipe::Pipe;
use crate::ssh::{self, Session};
use crate::target::{AuthMethod, HostKey, Privilege, PrivilegeUsed, Target};
use lane::{Talk, Work};

/// What to converse with, and how.
#[derive(Debug)]
pub struct Request {
    pub target: Target,
    pub limits: Limits,
    /// Fresh random bytes; they mark this conversation's frames, so nobody may guess them.
    pub nonce_seed: [u8; 16],
}

/// How far a conversation is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Progress {
    /// The host's key was accepted.
    Connected,
    LoggedIn,
    /// The password goes to sudo: it is used, whether it is accepted or not (SSH-15).
    SudoPasswordSent,
    /// The host has said what it is.
    Hello,
    /// `done` of `total` commands are answered.
    Answered {
        done: usize,
        total: usize,
    },
}

/// A completed conversation: every command was answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    pub hello: Hello,
    /// One per command, in the order of the plan.
    pub observations: Vec<Observation>,
    pub wire: WireStats,
    /// The host's key; none where no network was used.
    pub host_key: Option<HostKey>,
    /// The address that was dialled; none where no network was used.
    pub peer: Option<std::net::SocketAddr>,
    pub auth: Option<AuthMethod>,
    pub privilege: PrivilegeUsed,
}

/// Holds one conversation: connects, learns what the host is, asks `plan` for the commands, runs them.
///
/// At most 8 round trips after login, whatever the number of commands. Dropping the future closes the
/// connection or ends the local shell with its probe.
///
/// # Errors
/// [`ConverseError::Plan`] when `plan` refused, after the session was ended in order; else
/// [`ConverseError::Transport`]. Nothing of a failed conversation is returned (EXE-15).
pub async fn converse<P, E>(
    request: Request,
    plan: P,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<Conversation, ConverseError<E>>
where
    P: FnOnce(&Hello) -> Result<Vec<Command>, E> + Send,
    E: Error + Send + 'static,
{
    let Request { target, limits, nonce_seed } = request;
    let limit = limits.conversation;
    let nonce = Nonce::new(nonce_seed);
    let held = async {
        match target {
            Target::Replay(capture) => crate::capture::replay(&capture, &limits, &nonce, plan),
            Target::Local { privilege } => {
                let host = Host { place: Place::Local, limits: &limits, nonce: &nonce, progress };
                host.converse(&privilege, plan).await
            }
            Target::Ssh(target) => {
                let (session, privilege) = ssh::login(*target, &limits, progress).await?;
                let place = Place::Ssh(Box::new(session));
                let host = Host { place, limits: &limits, nonce: &nonce, progress };
                host.converse(&privilege, plan).await
            }
        }
    };
    match tokio::time::timeout(limit, held).await {
        Ok(result) => result,
        Err(_) => Err(TransportError::Timeout { what: "the whole conversation", limit }.into()),
    }
}

/// Where driving shells are started.
enum Place {
    Local,
    Ssh(Box<Session>),
}

/// One host during one conversation.
struct Host<'a> {
    place: Place,
    limits: &'a Limits,
    nonce: &'a Nonce,
    progress: &'a (dyn Fn(Progress) + Send + Sync),
}

/// A started shell and what keeps it alive.
struct Shell {
    pipe: Pipe,
    local: Option<LocalShell>,
}

/// What the lanes need to know of the plan.
struct Plan<'a> {
    fast: Vec<&'a Command>,
    slow: Vec<&'a Command>,
    greeting: &'a Greeting,
    privilege: PrivilegeUsed,
    began: Instant,
}

impl Host<'_> {
    async fn converse<P, E>(self, privilege: &Privilege, plan: P) -> Result<Conversation, ConverseError<E>>
    where
        P: FnOnce(&Hello) -> Result<Vec<Command>, E> + Send,
        E: Error + Send + 'static,
    {
        let began = Instant::now();
        let mut shell = self.start().await?;
        let mut talk = Talk::new(self.nonce, self.limits, began);
        talk.wire.channels = 1;
        // A channel is opened by asking and waiting; a child process is not.
        talk.wire.round_trips = u32::from(matches!(self.place, Place::Ssh(_)));
        let (greeting, used) = talk.greet(&mut shell.pipe, (privilege, self.progress)).await?;
        (self.progress)(Progress::Hello);
        let commands = match plan(&greeting.hello) {
            Ok(commands) => commands,
            Err(refused) => {
                talk.leave(&mut shell.pipe).await;
                self.end(shell.local).await;
                return Err(ConverseError::Plan(refused));
            }
        };
        check(&commands, self.limits)?;
        let lane = |lane| commands.iter().filter(|c| c.lane == lane).collect::<Vec<_>>();
        let lanes = Plan {
            fast: lane(Lane::Fast),
            slow: lane(Lane::Slow),
            greeting: &greeting,
            privilege: used,
            began,
        };
        let observations = self.run(&mut shell, &mut talk, &lanes).await?;
        let wire = talk.wire;
        let (host_key, peer, auth) = match &self.place {
            Place::Local => (None, None, None),
            Place::Ssh(session) => (Some(session.host_key.clone()), Some(session.peer), Some(session.auth)),
        };
        self.end(shell.local).await;
        let observations = in_order(&commands, observations);
        let hello = greeting.hello;
        Ok(Conversation { hello, observations, wire, host_key, peer, auth, privilege: used })
    }

    async fn start(&self) -> Result<Shell, TransportError> {
        match &self.place {
            Place::Local => {
                let (local, pipe) = LocalShell::start()?;
                Ok(Shell { pipe, local: Some(local) })
            }
            Place::Ssh(session) => {
                let pipe = session.shell(self.limits).await?;
                Ok(Shell { pipe, local: None })
            }
        }
    }

    /// Runs both lanes: side by side where a second shell can be had, else one after the other.
    async fn run(
        &self,
        shell: &mut Shell,
        talk: &mut Talk<'_>,
        plan: &Plan<'_>,
    ) -> Result<Vec<Observation>, TransportError> {
        let dialect = plan.greeting.dialect;
        let total = plan.fast.len() + plan.slow.len();
        let done = std::sync::atomic::AtomicUsize::new(0);
        let answered = |count: usize| {
            let done = count + done.fetch_add(count, std::sync::atomic::Ordering::Relaxed);
            (self.progress)(Progress::Answered { done, total });
        };
        // The password is sent once in a conversation, so a shell behind it is the only one (SSH-15).
        let alone = plan.slow.is_empty() || plan.privilege == PrivilegeUsed::SudoPassword;
        if alone {
            let all: Vec<&Command> = plan.fast.iter().chain(&plan.slow).copied().collect();
            let work = Work { now: &all, later: &[], second: None, dialect, answered: &answered };
            return talk.run(&mut shell.pipe, work).await;
        }
        let (verdict, refused) = tokio::sync::oneshot::channel();
        let work =
            Work { now: &plan.fast, later: &plan.slow, second: Some(refused), dialect, answered: &answered };
        let fast = talk.run(&mut shell.pipe, work);
        let slow = self.run_slow(plan, verdict, &answered);
        let (mut observations, (more, wire)) = tokio::try_join!(fast, slow)?;
        observations.extend(more);
        talk.wire.channels += wire.channels;
        talk.wire.round_trips += wire.round_trips;
        talk.wire.bytes_sent += wire.bytes_sent;
        talk.wire.bytes_received += wire.bytes_received;
        Ok(observations)
    }

    /// Runs the slow lane in a second shell, and tells through `verdict` whether there is one.
    async fn run_slow(
        &self,
        plan: &Plan<'_>,
        verdict: tokio::sync::oneshot::Sender<bool>,
        answered: &(dyn Fn(usize) + Send + Sync),
    ) -> Result<(Vec<Observation>, WireStats), TransportError> {
        let mut wire = WireStats::default();
        let opened = match &self.place {
            Place::Local => Some(self.start().await?),
            Place::Ssh(session) => {
                wire.round_trips += 1;
                let pipe = session.second_shell(self.limits).await?;
                pipe.map(|pipe| Shell { pipe, local: None })
            }
        };
        // The receiver is gone only when the other lane has failed, and then so does this one.
        let _gone = verdict.send(opened.is_some()).is_err();
        let Some(mut shell) = opened else { return Ok((Vec::new(), wire)) };
        wire.channels += 1;
        let elevation = match plan.privilege {
            PrivilegeUsed::Login => Elevation::None,
            PrivilegeUsed::SudoNoPassword | PrivilegeUsed::SudoPassword => Elevation::SudoNoPassword,
        };
        let mut talk = Talk::new(self.nonce, self.limits, plan.began);
        talk.wire = wire;
        talk.open(&mut shell.pipe, elevation).await?;
        let dialect = plan.greeting.dialect;
        let work = Work { now: &plan.slow, later: &[], second: None, dialect, answered };
        let answers = talk.run(&mut shell.pipe, work).await?;
        if let Some(local) = shell.local {
            local.finish(self.limits.close).await;
        }
        Ok((answers, talk.wire))
    }

    /// Ends the session in order, within its limit.
    async fn end(self, local: Option<LocalShell>) {
        if let Some(local) = local {
            local.finish(self.limits.close).await;
        }
        if let Place::Ssh(session) = self.place {
            session.end(self.limits.close).await;
        }
    }
}

/// Refuses plans that cannot be run or answered unambiguously.
fn check(commands: &[Command], limits: &Limits) -> Result<(), TransportError> {
    let refused =
        |command: &Command, problem| Err(TransportError::Command { key: command.key.clone(), problem });
    let mut keys = std::collections::BTreeSet::new();
    for (index, command) in commands.iter().enumerate() {
        driver::check(command)?;
        if !keys.insert(&command.key) {
            return refused(command, "its key stands twice in the plan");
        }
        if Duration::from_millis(command.timeout_ms.into()) > limits.conversation {
            return refused(command, "it may run longer than the whole conversation");
        }
        if index >= limits.commands_max {
            return refused(command, "the plan has too many commands");
        }
    }
    Ok(())
}

/// Makes an observation of an answer.
pub(crate) fn observation(command: &Command, answer: Answer) -> Observation {
    Observation {
        key: command.key.clone(),
        ending: answer.ending,
        stdout: answer.stdout,
        stdout_len: answer.stdout_len,
        stdout_sha256: answer.stdout_sha256,
        stderr: answer.stderr,
        started_ms: answer.started_ms,
        ended_ms: answer.ended_ms,
    }
}

/// Puts observations in the order of the plan; a command without one has no answer.
pub(crate) fn in_order(commands: &[Command], observations: Vec<Observation>) -> Vec<Observation> {
    let mut by_key: std::collections::BTreeMap<String, Observation> =
        observations.into_iter().map(|one| (one.key.clone(), one)).collect();
    commands.iter().map(|c| by_key.remove(&c.key).unwrap_or_else(|| no_answer(c))).collect()
}

fn no_answer(command: &Command) -> Observation {
    use sha2::Digest as _;
    Observation {
        key: command.key.clone(),
        ending: Ending::NoAnswer,
        stdout: Vec::new(),
        stdout_len: 0,
        stdout_sha256: model::Digest(sha2::Sha256::digest([]).into()),
        stderr: Vec::new(),
        started_ms: 0,
        ended_ms: 0,
    }
}
