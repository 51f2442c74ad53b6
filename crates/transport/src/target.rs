//! Where to go and what to log in with. Holds secrets in memory only; reads no file and no environment.

use std::fmt;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;

use model::Endpoint;
use secrecy::SecretString;

use crate::capture::Capture;
use crate::error::HostKeyRefusal;
use crate::key::PrivateKey;

/// What a conversation is held with.
#[derive(Debug)]
pub enum Target {
    /// This machine, by a child process.
    Local { privilege: Privilege },
    /// A host over SSH.
    Ssh(Box<SshTarget>),
    /// A recorded capture; nothing is contacted.
    Replay(Box<Capture>),
}

/// A host over SSH.
#[derive(Debug)]
pub struct SshTarget {
    pub endpoint: Endpoint,
    pub user: String,
    pub credentials: Credentials,
    pub privilege: Privilege,
    /// Host-key types to ask for first (`ssh-ed25519`, `ecdsa-sha2-nistp256`, `ssh-rsa`): those of the
    /// keys already known, so that a known host is not met by a key of another type. Unknown names are
    /// passed over; may be empty.
    pub known_key_types: Vec<String>,
    /// Decides about the host's key before anything secret is used (SSH-04, SSH-08).
    pub host_key: HostKeyCheck,
}

/// What a login may use, tried in this order: keys, agent, password.
#[derive(Debug, Default)]
pub struct Credentials {
    pub keys: Vec<PrivateKey>,
    /// Socket of an ssh-agent.
    pub agent: Option<PathBuf>,
    /// Fingerprint of the agent's key that is tried before its others.
    pub agent_first: Option<String>,
    /// Why keys that were there could not be used, in words: a login that fails says so.
    pub unopened: Vec<String>,
    /// Also answers keyboard-interactive prompts that hide what is typed (SSH-10).
    pub password: Option<SecretString>,
}

/// Whether probes run as root.
#[derive(Debug)]
pub enum Privilege {
    /// As the login itself.
    None,
    /// As root: directly when the login is root, else by `sudo -n`, else by `sudo -S` when a password is
    /// given, or the login itself was by one: only a password that the host has seen is sent to its sudo
    /// unasked (SSH-13, SSH-14).
    Sudo { password: Option<SecretString> },
}

/// How root was reached, for the audit record and the connection profile (SSH-11, SSH-15).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PrivilegeUsed {
    /// Probes ran as the login itself.
    Login,
    SudoNoPassword,
    SudoPassword,
}

/// The authentication method that let us in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AuthMethod {
    /// The host asked for nothing.
    None,
    PublicKey,
    Agent,
    Password,
    KeyboardInteractive,
}

impl AuthMethod {
    /// Returns the written name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::PublicKey => "publickey",
            Self::Agent => "agent",
            Self::Password => "password",
            Self::KeyboardInteractive => "keyboard-interactive",
        }
    }
}

/// A host's public key as it was proven in the key exchange.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostKey {
    /// Key type: `ssh-ed25519`.
    pub algorithm: String,
    /// The key in SSH wire form (RFC 4253, section 6.6).
    pub wire: Vec<u8>,
    /// `SHA256:` and the unpadded base64 of the digest of `wire`, as OpenSSH prints it.
    pub fingerprint: String,
}

/// The caller's decision about a host key; it is asked once per connection.
pub struct HostKeyCheck(Box<DecideHostKey>);

type Decision = Pin<Box<dyn Future<Output = Result<(), HostKeyRefusal>> + Send>>;
type DecideHostKey = dyn FnOnce(HostKey) -> Decision + Send;

impl HostKeyCheck {
    /// Wraps an asynchronous decision.
    pub fn new<F, D>(decide: F) -> Self
    where
        F: FnOnce(HostKey) -> D + Send + 'static,
        D: Future<Output = Result<(), HostKeyRefusal>> + Send + 'static,
    {
        Self(Box::new(move |key| Box::pin(decide(key))))
    }

    pub(crate) async fn ask(self, key: HostKey) -> Result<(), HostKeyRefusal> {
        (self.0)(key).await
    }
}

impl fmt::Debug for HostKeyCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("HostKeyCheck")
    }
}
