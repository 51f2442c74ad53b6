//! The talk with one driving shell: opening, becoming root, running frames, leaving.
//! Every wait here has a limit, and reading never waits for writing.

use std::time::Duration;

use model::{Command, Observation, WireStats};
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;
use zeroize::Zeroizing;

use super::{Progress, observation};
use crate::driver::{self, Dialect, Elevation, Greeting, PROMPT, READY};
use crate::error::{Said, SudoRefusal, TransportError};
use crate::frame::{Budget, Channel, Decoder, FrameError, Nonce};
use crate::limits::Limits;
use crate::pipe::{Event, Input, Pipe};
use crate::target::{Privilege, PrivilegeUsed};

/// Most bytes of a hello.
const HELLO_BYTES_MAX: usize = 64 << 10;

/// Most programs that are sent to one shell after its hello: the plan, and what is added to it.
const PROGRAMS_MAX: usize = 2;

/// The state of the talk with one shell.
pub(super) struct Talk<'a> {
    nonce: &'a Nonce,
    limits: &'a Limits,
    began: Instant,
    decoder: Decoder,
    /// Frames sent so far, the hello among them.
    frames: usize,
    pub(super) wire: WireStats,
}

/// The commands for one shell.
pub(super) struct Work<'w> {
    /// To send at once.
    pub(super) now: &'w [&'w Command],
    /// To send only when it turns out that no second shell can be had.
    pub(super) later: &'w [&'w Command],
    /// Tells whether there is a second shell; none when nothing depends on it.
    pub(super) second: Option<oneshot::Receiver<bool>>,
    pub(super) dialect: Dialect,
    /// Hears of every few more answers.
    pub(super) answered: &'w (dyn Fn(usize) + Send + Sync),
}

/// How a shell failed to answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Silence {
    Late,
    Ended,
}

/// How the shell was reached, while it is not there yet.
#[derive(Default)]
struct Climb {
    password_sent: bool,
    ready: bool,
}

/// A password for sudo, and who hears that it is sent.
type Offer<'o> = (&'o SecretString, &'o (dyn Fn(Progress) + Send + Sync));

impl<'a> Talk<'a> {
    pub(super) fn new(nonce: &'a Nonce, limits: &'a Limits, began: Instant) -> Self {
        let mut decoder = Decoder::new(nonce, limits);
        decoder.expect(Budget {
            timeout_ms: u32::MAX,
            keep_bytes_max: HELLO_BYTES_MAX,
            read_bytes_max: HELLO_BYTES_MAX,
        });
        Self { nonce, limits, began, decoder, frames: 1, wire: WireStats::default() }
    }

    /// Opens the shell, becomes root if asked, and waits for the hello.
    pub(super) async fn greet(
        &mut self,
        pipe: &mut Pipe,
        (privilege, progress): (&Privilege, &(dyn Fn(Progress) + Send + Sync)),
    ) -> Result<(Greeting, PrivilegeUsed), TransportError> {
        let (elevation, password) = match privilege {
            Privilege::None => (Elevation::None, None),
            Privilege::Sudo { password: None } => (Elevation::SudoNoPassword, None),
            Privilege::Sudo { password: Some(password) } => (Elevation::SudoPassword, Some(password)),
        };
        let used = self.climb(pipe, elevation, password.map(|password| (password, progress))).await?;
        self.wire.round_trips += 1;
        while self.decoder.answered() == 0 {
            self.listen(pipe).await?;
        }
        let answer = self.decoder.take_answer(0).map(|answer| answer.stdout).unwrap_or_default();
        Ok((driver::read_hello(&answer)?, used))
    }

    /// Opens a further shell; its hello is read with the first answers.
    pub(super) async fn open(&mut self, pipe: &mut Pipe, elevation: Elevation) -> Result<(), TransportError> {
        self.climb(pipe, elevation, None).await.map(drop)
    }

    /// Sends the opening and gets to the shell that will answer it, through sudo if need be.
    async fn climb(
        &mut self,
        pipe: &mut Pipe,
        elevation: Elevation,
        password: Option<Offer<'_>>,
    ) -> Result<PrivilegeUsed, TransportError> {
        self.send(&mut pipe.input, driver::opening(self.nonce, elevation).into_bytes()).await;
        if elevation == Elevation::None {
            return Ok(PrivilegeUsed::Login);
        }
        let mut climb = Climb::default();
        self.wire.round_trips += 1;
        // The shell that was asked to become root is root already when it says hello itself.
        while !climb.ready && self.decoder.answered() == 0 {
            self.listen(pipe).await?;
            self.look(pipe, password, &mut climb).await?;
        }
        if !climb.ready {
            self.wire.round_trips -= 1;
            return Ok(PrivilegeUsed::Login);
        }
        let opening = driver::opening(self.nonce, Elevation::None).into_bytes();
        self.send(&mut pipe.input, opening).await;
        Ok(if climb.password_sent { PrivilegeUsed::SudoPassword } else { PrivilegeUsed::SudoNoPassword })
    }

    /// Looks at what sudo and the shell behind it have said. The password goes out only after sudo has
    /// asked for it, and once: a second prompt means that it was refused (SSH-14, SSH-15).
    async fn look(
        &mut self,
        pipe: &mut Pipe,
        password: Option<Offer<'_>>,
        climb: &mut Climb,
    ) -> Result<(), TransportError> {
        let Some(notice) = self.decoder.notice() else { return Ok(()) };
        let asks_password = notice == "password";
        climb.ready = count(self.decoder.banner(Channel::Stdout), READY.as_bytes()) > 0;
        let prompts = count(self.decoder.banner(Channel::Stderr), PROMPT.as_bytes());
        if climb.ready || !asks_password || prompts == 0 {
            return Ok(());
        }
        if climb.password_sent {
            if prompts > 1 {
                let cause = SudoRefusal::PasswordWrong;
                return Err(TransportError::Privilege { cause, said: Said::nothing() });
            }
            return Ok(());
        }
        if let Some((password, progress)) = password {
            climb.password_sent = true;
            // Told before it goes out: whatever becomes of the conversation, it may have been used.
            progress(Progress::SudoPasswordSent);
            self.wire.round_trips += 1;
            let line = Zeroizing::new(format!("{}\n", password.expose_secret()));
            self.send(&mut pipe.input, line.as_bytes().to_vec()).await;
        }
        Ok(())
    }

    /// Runs commands as the next frames and waits for all answers.
    pub(super) async fn run(
        &mut self,
        pipe: &mut Pipe,
        work: Work<'_>,
    ) -> Result<Vec<Observation>, TransportError> {
        let Work { now, later, mut second, dialect, answered } = work;
        let mut sent: Vec<&Command> = Vec::new();
        self.wire.round_trips += 1;
        let mut program = self.add(now, dialect, &mut sent);
        if second.is_none() {
            program.extend(driver::goodbye(self.frames).into_bytes());
        }
        let Pipe { input, output } = pipe;
        let (outbox, mut mail) = mpsc::channel(PROGRAMS_MAX);
        self.post(&outbox, program);
        let writer = async {
            while let Some(program) = mail.recv().await {
                input.write(program).await;
            }
        };
        tokio::pin!(writer);
        let mut writing = true;
        let mut seen = self.decoder.answered();
        let mut deadline = self.deadline(&sent, seen);
        while !self.decoder.is_done() {
            tokio::select! {
                event = output.next() => self.hear(event, &sent)?,
                () = &mut writer, if writing => writing = false,
                verdict = wait(&mut second), if second.is_some() => {
                    second = None;
                    let mut more = Vec::new();
                    if !verdict {
                        more = self.add(later, dialect, &mut sent);
                    }
                    more.extend(driver::goodbye(self.frames).into_bytes());
                    self.post(&outbox, more);
                    deadline = self.deadline(&sent, seen);
                }
                () = tokio::time::sleep_until(deadline) => {
                    return Err(TransportError::Stalled { probe: name(&sent, seen) });
                }
            }
            let now_seen = self.decoder.answered();
            if now_seen > seen {
                // The hello of a further shell is no command.
                answered(now_seen - seen.max(1));
                seen = now_seen;
                deadline = self.deadline(&sent, seen);
            }
        }
        Ok(self.collect(&sent))
    }

    /// Says goodbye without having asked anything.
    pub(super) async fn leave(&mut self, pipe: &mut Pipe) {
        self.send(&mut pipe.input, driver::goodbye(self.frames).into_bytes()).await;
    }

    /// Hands a program to the writer; there is room for every program of a conversation.
    fn post(&mut self, outbox: &mpsc::Sender<Vec<u8>>, program: Vec<u8>) {
        self.wire.bytes_sent += program.len() as u64;
        let _gone = outbox.try_send(program).is_err();
    }

    fn add<'c>(
        &mut self,
        commands: &[&'c Command],
        dialect: Dialect,
        sent: &mut Vec<&'c Command>,
    ) -> Vec<u8> {
        let program = driver::probes(commands.iter().copied(), self.frames, dialect);
        for command in commands {
            self.decoder.expect(Budget {
                timeout_ms: command.timeout_ms,
                keep_bytes_max: command.keep_bytes_max,
                read_bytes_max: command.read_bytes_max,
            });
        }
        self.frames += commands.len();
        sent.extend(commands);
        program.into_bytes()
    }

    /// When the frame after `seen` answered ones must have come. Frame 0 is the hello.
    fn deadline(&self, sent: &[&Command], seen: usize) -> Instant {
        let own = match seen.checked_sub(1) {
            None => self.limits.hello,
            Some(index) => {
                sent.get(index).map_or(Duration::ZERO, |c| Duration::from_millis(c.timeout_ms.into()))
            }
        };
        Instant::now() + own + self.limits.grace
    }

    fn collect(&mut self, sent: &[&Command]) -> Vec<Observation> {
        let mut observations = Vec::with_capacity(sent.len());
        for (frame, command) in (1..).zip(sent) {
            if let Some(answer) = self.decoder.take_answer(frame) {
                observations.push(observation(command, answer));
            }
        }
        observations
    }

    /// Waits for the next event before the first frame has ended.
    async fn listen(&mut self, pipe: &mut Pipe) -> Result<(), TransportError> {
        let limit = self.limits.hello;
        match tokio::time::timeout(limit, pipe.output.next()).await {
            Ok(event) => self.hear(event, &[]),
            Err(_) => Err(self.no_shell(Silence::Late)),
        }
    }

    fn hear(&mut self, event: Event, sent: &[&Command]) -> Result<(), TransportError> {
        match event {
            Event::Bytes(channel, bytes) => {
                self.wire.bytes_received += bytes.len() as u64;
                let at_ms = u64::try_from(self.began.elapsed().as_millis()).unwrap_or(u64::MAX);
                self.decoder.push(channel, &bytes, at_ms).map_err(|err| failure(err, sent))
            }
            Event::Closed { orderly: false } => {
                let during = match self.decoder.answered() {
                    0 => "before the shell answered".to_owned(),
                    seen => format!("during {}", name(sent, seen)),
                };
                Err(TransportError::Lost { during })
            }
            Event::Closed { orderly: true } => match self.decoder.answered() {
                0 => Err(self.no_shell(Silence::Ended)),
                seen => {
                    let during = format!("during {}: the shell ended", name(sent, seen));
                    Err(TransportError::Lost { during })
                }
            },
        }
    }

    /// Why nothing usable answers: sudo's last words once it was asked, else the first bytes that came.
    fn no_shell(&self, silence: Silence) -> TransportError {
        let (out, err) = (Channel::Stdout, Channel::Stderr);
        if self.decoder.notice().is_some() {
            let said = last_words(self.decoder.banner(err));
            let cause = match silence {
                Silence::Late => SudoRefusal::NoAnswer,
                Silence::Ended => SudoRefusal::of(&said),
            };
            return TransportError::Privilege { cause, said };
        }
        let mut first_bytes = Said::start(self.decoder.banner(out));
        if first_bytes.is_blank() {
            first_bytes = Said::start(self.decoder.banner(err));
        }
        let problem = match silence {
            Silence::Late => "it did not answer in time",
            Silence::Ended => "it ended without an answer",
        };
        TransportError::NoShell { problem, first_bytes }
    }

    async fn send(&mut self, input: &mut Input, bytes: Vec<u8>) {
        self.wire.bytes_sent += bytes.len() as u64;
        // Openings are small; a shell that does not read them is met by the limit on its answer.
        let _late = tokio::time::timeout(self.limits.hello, input.write(bytes)).await.is_err();
    }
}

async fn wait(second: &mut Option<oneshot::Receiver<bool>>) -> bool {
    match second {
        Some(receiver) => receiver.await.unwrap_or(true),
        None => true,
    }
}

/// The command that is running when `seen` frames are answered.
fn name(sent: &[&Command], seen: usize) -> String {
    match seen.checked_sub(1) {
        None => "the hello".to_owned(),
        Some(index) => sent.get(index).map_or_else(|| "the goodbye".to_owned(), |c| c.key.clone()),
    }
}

fn failure(err: FrameError, sent: &[&Command]) -> TransportError {
    if let FrameError::Oversize { frame, limit, .. } | FrameError::Kept { frame, limit } = &err
        && let Some(command) = frame.checked_sub(1).and_then(|index| sent.get(index))
    {
        return TransportError::Oversize { probe: command.key.clone(), limit: *limit };
    }
    TransportError::Frame(err)
}

/// What sudo said last. Its reason comes behind its prompt; in front of that stands a lecture, which is longer than what we
/// show.
fn last_words(said: &[u8]) -> Said {
    let prompt = PROMPT.as_bytes();
    let Some(at) = said.windows(prompt.len()).rposition(|window| window == prompt) else {
        return Said::end(said);
    };
    let behind = Said::end(&said[at + prompt.len()..]);
    if behind.is_blank() { Said::end(&said[..at]) } else { behind }
}

fn count(haystack: &[u8], needle: &[u8]) -> usize {
    haystack.windows(needle.len()).filter(|window| *window == needle).count()
}
