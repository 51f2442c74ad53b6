//! A login over SSH: connect, have the host key decided, authenticate, open shells.
//!
//! The only module that knows the SSH library. Keys and passwords stay in memory; host certificates,
//! SHA-1 signatures and compression are never offered; there is no call that transfers a file.

mod auth;
mod link;

use std::borrow::Cow;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use model::{Address, Endpoint};
use russh::client::{self, Handle};
use russh::keys::{Algorithm, EcdsaCurve, HashAlg, PublicKeyOrCertificate};
use russh::{ChannelOpenFailure, Disconnect, Preferred};
use secrecy::SecretString;
use tokio::net::TcpStream;

use crate::converse::Progress;
use crate::driver;
use crate::error::{HostKeyRefusal, Said, TransportError, excerpt, is_out_of_files};
use crate::limits::Limits;
use crate::pipe::{Input, Output, Pipe};
use crate::target::{AuthMethod, HostKey, HostKeyCheck, Privilege, SshTarget};
pub use auth::agent_keys;
use link::{Holder, Link};

/// Quiet time after which the host is asked for a sign of life. Seconds.
const KEEPALIVE_S: u64 = 15;
/// Unanswered questions after which the connection is given up.
const KEEPALIVES_MAX: usize = 3;
/// Most addresses of one name that are tried.
const ADDRESSES_MAX: usize = 8;
/// Receive window of a channel. Bytes.
const WINDOW_BYTES: u32 = 2 << 20;
/// Largest packet. Bytes (RFC 4253, section 6.1).
const PACKET_BYTES: u32 = 32 << 10;

/// A logged-in connection.
pub(crate) struct Session {
    handle: Handle<Watcher>,
    /// Closes the connection when it is dropped, whatever the library's task is doing.
    _holder: Holder,
    pub(crate) host_key: HostKey,
    pub(crate) peer: SocketAddr,
    pub(crate) auth: AuthMethod,
}

/// Connects and logs in; returns the session with the privilege that was asked for.
pub(crate) async fn login(
    target: SshTarget,
    limits: &Limits,
    progress: &(dyn Fn(Progress) + Send + Sync),
) -> Result<(Session, Privilege), TransportError> {
    let SshTarget { endpoint, user, credentials, privilege, known_key_types, host_key } = target;
    let dial = Dial { endpoint: &endpoint, known_key_types: &known_key_types };
    let connected = tokio::time::timeout(limits.connect, dial.connect(host_key)).await;
    let mut connected = connected.map_err(|_elapsed| TransportError::Timeout {
        what: "connecting and the SSH handshake",
        limit: limits.connect,
    })??;
    progress(Progress::Connected);
    let password = credentials.password.clone();
    let login = auth::log_in(&mut connected.handle, &user, credentials, limits.auth_attempts_max);
    let auth = tokio::time::timeout(limits.login, login)
        .await
        .map_err(|_elapsed| TransportError::Timeout { what: "logging in", limit: limits.login })??;
    progress(Progress::LoggedIn);
    let Connected { handle, holder, host_key, peer } = connected;
    let privilege = with_login(privilege, auth, password);
    Ok((Session { handle, _holder: holder, host_key, peer, auth }, privilege))
}

/// Lets sudo have the password of a login that was made by it, where it has none of its own.
fn with_login(privilege: Privilege, auth: AuthMethod, password: Option<SecretString>) -> Privilege {
    match (privilege, auth) {
        (Privilege::Sudo { password: None }, AuthMethod::Password | AuthMethod::KeyboardInteractive) => {
            Privilege::Sudo { password }
        }
        (privilege, _) => privilege,
    }
}

impl Session {
    /// Opens a channel and starts a shell in it.
    pub(crate) async fn shell(&self, limits: &Limits) -> Result<Pipe, TransportError> {
        self.second_shell(limits).await?.ok_or(TransportError::NoShell {
            problem: "the host allows no session",
            first_bytes: Said::nothing(),
        })
    }

    /// Opens a further channel and starts a shell in it; none when the host allows no more (EXE-18).
    pub(crate) async fn second_shell(&self, limits: &Limits) -> Result<Option<Pipe>, TransportError> {
        let lost = || TransportError::Lost { during: "while a channel was opened".to_owned() };
        let opened = tokio::time::timeout(limits.hello, self.handle.channel_open_session()).await;
        let channel = match opened {
            Ok(Ok(channel)) => channel,
            Ok(Err(russh::Error::ChannelOpenFailure(why))) => return refused(&why),
            Ok(Err(_)) => return Err(lost()),
            Err(_) => {
                let limit = limits.hello;
                return Err(TransportError::Timeout { what: "opening a channel", limit });
            }
        };
        channel.exec(true, driver::EXEC).await.map_err(|_err| lost())?;
        let (channel, input) = channel.split();
        Ok(Some(Pipe { input: Input::Ssh(input), output: Output::Ssh { channel, orderly: false } }))
    }

    /// Says goodbye and waits for the connection to end, at most for `limit`; then it is cut.
    pub(crate) async fn end(self, limit: Duration) {
        let Self { handle, _holder, .. } = self;
        let goodbye = async {
            let said = handle.disconnect(Disconnect::ByApplication, "", "en").await;
            if said.is_ok() {
                let _ended = handle.await.is_ok();
            }
        };
        let _in_time = tokio::time::timeout(limit, goodbye).await.is_ok();
    }
}

#[expect(clippy::unnecessary_wraps, reason = "the answer of `second_shell`")]
fn refused(_why: &ChannelOpenFailure) -> Result<Option<Pipe>, TransportError> {
    Ok(None)
}

/// Where to connect to and which host keys to ask for.
struct Dial<'a> {
    endpoint: &'a Endpoint,
    known_key_types: &'a [String],
}

struct Connected {
    handle: Handle<Watcher>,
    holder: Holder,
    host_key: HostKey,
    peer: SocketAddr,
}

impl Dial<'_> {
    async fn connect(&self, check: HostKeyCheck) -> Result<Connected, TransportError> {
        let (stream, peer) = self.reach().await?;
        // Answers are waited for one by one: small packets must not wait for each other.
        let _kept = stream.set_nodelay(true).is_ok();
        let (link, holder) = Link::new(stream);
        let verdict = Arc::new(Mutex::new(Verdict::Unasked));
        let watcher = Watcher { check: Some(check), verdict: Arc::clone(&verdict) };
        let connected = client::connect_stream(self.config(), link, watcher).await;
        let verdict = verdict.lock().map_or(Verdict::Unasked, |verdict| verdict.clone());
        match (connected, verdict) {
            (_, Verdict::Refused(refusal)) => Err(TransportError::HostKey(refusal)),
            (Ok(handle), Verdict::Accepted(host_key)) => Ok(Connected { handle, holder, host_key, peer }),
            (Ok(_), Verdict::Unasked) => Err(self.handshake("it proved no host key".to_owned())),
            (Err(err), Verdict::Unasked | Verdict::Accepted(_)) => {
                Err(self.handshake(handshake_problem(&err)))
            }
        }
    }

    /// Opens a TCP connection to the first address that answers.
    async fn reach(&self) -> Result<(TcpStream, SocketAddr), TransportError> {
        let port = self.endpoint.port;
        let addresses: Vec<SocketAddr> = match &self.endpoint.address {
            Address::Ip(ip) => vec![SocketAddr::new(*ip, port)],
            Address::Name(name) => tokio::net::lookup_host((name.as_str(), port))
                .await
                .map_err(|source| TransportError::Resolve { name: name.clone(), source })?
                .take(ADDRESSES_MAX)
                .collect(),
        };
        let mut failed = std::io::Error::from(std::io::ErrorKind::AddrNotAvailable);
        for address in addresses {
            match TcpStream::connect(address).await {
                Ok(stream) => return Ok((stream, address)),
                Err(err) => failed = err,
            }
        }
        let problem = connect_problem(&failed);
        let endpoint = self.endpoint.to_string();
        Err(TransportError::Connect { endpoint, problem, source: failed })
    }

    fn handshake(&self, problem: String) -> TransportError {
        TransportError::Handshake { endpoint: self.endpoint.to_string(), problem }
    }

    fn config(&self) -> Arc<client::Config> {
        let preferred = Preferred {
            key: Cow::Owned(self.host_key_algorithms()),
            host_key_certificates: Cow::Borrowed(&[]),
            ..Preferred::DEFAULT
        };
        Arc::new(client::Config {
            client_id: russh::SshId::Standard(Cow::Borrowed("SSH-2.0-Plumbline")),
            window_size: WINDOW_BYTES,
            maximum_packet_size: PACKET_BYTES,
            preferred,
            keepalive_interval: Some(Duration::from_secs(KEEPALIVE_S)),
            keepalive_max: KEEPALIVES_MAX,
            nodelay: true,
            ..client::Config::default()
        })
    }

    /// All accepted host-key algorithms, those of known keys first.
    fn host_key_algorithms(&self) -> Vec<Algorithm> {
        let ecdsa = |curve| Algorithm::Ecdsa { curve };
        let mut all = vec![
            Algorithm::Ed25519,
            ecdsa(EcdsaCurve::NistP256),
            ecdsa(EcdsaCurve::NistP384),
            ecdsa(EcdsaCurve::NistP521),
            Algorithm::Rsa { hash: Some(HashAlg::Sha512) },
            Algorithm::Rsa { hash: Some(HashAlg::Sha256) },
        ];
        let known = |algorithm: &Algorithm| {
            let name =
                if matches!(algorithm, Algorithm::Rsa { .. }) { "ssh-rsa" } else { algorithm.as_str() };
            self.known_key_types.iter().any(|known| known == name)
        };
        all.sort_by_key(|algorithm| !known(algorithm));
        all
    }
}

fn connect_problem(err: &std::io::Error) -> Option<&'static str> {
    use std::io::ErrorKind;
    if is_out_of_files(err) {
        return Some("this machine allows no more open files");
    }
    if err.kind() == ErrorKind::ConnectionRefused {
        return Some("nothing listens on the port");
    }
    // Else the operating system's own words are enough, which stand behind.
    let is_away = matches!(err.kind(), ErrorKind::HostUnreachable | ErrorKind::NetworkUnreachable);
    is_away.then_some("there is no way to it")
}

fn handshake_problem(err: &russh::Error) -> String {
    if let russh::Error::NoCommonAlgo { kind, theirs, .. } = err {
        let theirs = excerpt(theirs.join(",").as_bytes());
        return format!("no common algorithm for {kind:?}; it offers {theirs}");
    }
    if matches!(err, russh::Error::Disconnect | russh::Error::HUP) {
        return "it closed the connection".to_owned();
    }
    // The library's texts may hold foreign bytes.
    excerpt(err.to_string().as_bytes())
}

/// What became of the host key.
#[derive(Clone)]
enum Verdict {
    Unasked,
    Accepted(HostKey),
    Refused(HostKeyRefusal),
}

/// Hears what the library has to tell about a connection.
pub(crate) struct Watcher {
    check: Option<HostKeyCheck>,
    verdict: Arc<Mutex<Verdict>>,
}

impl client::Handler for Watcher {
    type Error = russh::Error;

    async fn check_server_key(&mut self, offered: &PublicKeyOrCertificate) -> Result<bool, Self::Error> {
        let verdict = self.decide(offered).await;
        let accepted = matches!(verdict, Verdict::Accepted(_));
        match self.verdict.lock() {
            Ok(mut slot) => *slot = verdict,
            Err(_) => return Ok(false),
        }
        Ok(accepted)
    }
}

impl Watcher {
    async fn decide(&mut self, offered: &PublicKeyOrCertificate) -> Verdict {
        let refused = |text: &str| Verdict::Refused(HostKeyRefusal::Undecided(text.to_owned()));
        let PublicKeyOrCertificate::PublicKey { key, .. } = offered else {
            return refused("the host showed a certificate, which we do not accept");
        };
        let Ok(wire) = key.to_bytes() else { return refused("the key cannot be written") };
        let Some(check) = self.check.take() else { return refused("it was asked for twice") };
        let host_key = HostKey {
            algorithm: key.algorithm().as_str().to_owned(),
            wire,
            fingerprint: key.fingerprint(HashAlg::Sha256).to_string(),
        };
        match check.ask(host_key.clone()).await {
            Ok(()) => Verdict::Accepted(host_key),
            Err(refusal) => Verdict::Refused(refusal),
        }
    }
}
