//! Authentication: keys, then the agent, then the password, each at most once and never more attempts
//! than allowed. Stores nothing and retries nothing.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use russh::client::{AuthResult, Handle, KeyboardInteractiveAuthResponse as Interactive, Prompt};
use russh::keys::agent::AgentIdentity;
use russh::keys::agent::client::AgentClient;
use russh::keys::{self, HashAlg, PrivateKeyWithHashAlg, PublicKey};
use russh::{MethodKind, MethodSet};
use secrecy::{ExposeSecret, SecretString};

use super::Watcher;
use crate::error::TransportError;
use crate::target::{AuthMethod, Credentials};

/// Most rounds of one keyboard-interactive authentication.
const ROUNDS_MAX: usize = 4;

/// Longest wait for an agent to tell which keys it holds.
const AGENT_WAIT: Duration = Duration::from_secs(5);

/// Returns the fingerprints of the keys that an agent holds; none of one that does not answer.
pub async fn agent_keys(socket: &Path) -> Vec<String> {
    let ask = async {
        let mut agent = AgentClient::connect_uds(socket).await.ok()?;
        agent.request_identities().await.ok()
    };
    let identities = tokio::time::timeout(AGENT_WAIT, ask).await.ok().flatten().unwrap_or_default();
    identities.iter().filter_map(fingerprint).collect()
}

fn fingerprint(identity: &AgentIdentity) -> Option<String> {
    match identity {
        AgentIdentity::PublicKey { key, .. } => Some(key.fingerprint(HashAlg::Sha256).to_string()),
        AgentIdentity::Certificate { .. } => None,
    }
}

/// What became of one attempt.
enum Outcome {
    In,
    Refused,
}

/// One login in progress.
struct Login<'a> {
    handle: &'a mut Handle<Watcher>,
    user: &'a str,
    /// Attempts left.
    left: usize,
    /// What the host accepts, once a refusal has told.
    offered: Option<MethodSet>,
    tried: Vec<String>,
    unopened: Vec<String>,
}

/// Logs in with the first credential that the host accepts.
pub(super) async fn log_in(
    handle: &mut Handle<Watcher>,
    user: &str,
    credentials: Credentials,
    attempts_max: usize,
) -> Result<AuthMethod, TransportError> {
    let unopened = credentials.unopened.clone();
    let mut login = Login { handle, user, left: attempts_max, offered: None, tried: Vec::new(), unopened };
    // One attempt stays for the password, however many keys there are.
    let reserved = usize::from(credentials.password.is_some());
    let found = login.try_all(&credentials, reserved).await?;
    found.ok_or_else(|| login.failed())
}

impl Login<'_> {
    async fn try_all(
        &mut self,
        credentials: &Credentials,
        reserved: usize,
    ) -> Result<Option<AuthMethod>, TransportError> {
        for key in &credentials.keys {
            if self.left > reserved && self.may(MethodKind::PublicKey) {
                self.tried.push(format!("key {}", key.fingerprint()));
                if let Outcome::In = self.key(&key.0).await? {
                    return Ok(Some(AuthMethod::PublicKey));
                }
            }
        }
        if let Some(socket) = &credentials.agent
            && let Outcome::In = self.agent((socket, credentials.agent_first.as_deref()), reserved).await?
        {
            return Ok(Some(AuthMethod::Agent));
        }
        let Some(password) = &credentials.password else { return Ok(None) };
        // Nothing has told yet which of the two methods the host takes.
        if self.offered.is_none()
            && let Outcome::In = self.nothing().await?
        {
            return Ok(Some(AuthMethod::None));
        }
        // Both methods would check the same password: one that was refused is not sent again (SSH-12).
        if self.left > 0 && self.may(MethodKind::Password) {
            self.tried.push("password".to_owned());
            if let Outcome::In = self.password(password).await? {
                return Ok(Some(AuthMethod::Password));
            }
        } else if self.left > 0 && self.may(MethodKind::KeyboardInteractive) {
            self.tried.push("keyboard-interactive".to_owned());
            if let Outcome::In = self.interactive(password).await? {
                return Ok(Some(AuthMethod::KeyboardInteractive));
            }
        }
        Ok(None)
    }

    /// Tells whether the host may accept a method; before the first refusal nobody knows.
    fn may(&self, method: MethodKind) -> bool {
        self.offered.as_ref().is_none_or(|offered| offered.contains(&method))
    }

    async fn key(&mut self, key: &Arc<keys::PrivateKey>) -> Result<Outcome, TransportError> {
        self.left -= 1;
        let hash = self.hash_for(key.public_key()).await?;
        let key = PrivateKeyWithHashAlg::new(Arc::clone(key), hash);
        let result = self.handle.authenticate_publickey(self.user, key).await;
        self.judge(result)
    }

    /// RSA keys sign with SHA-2 only: what the host prefers of it, SHA-512 if it does not say.
    async fn hash_for(&self, key: &PublicKey) -> Result<Option<HashAlg>, TransportError> {
        if !key.algorithm().is_rsa() {
            return Ok(None);
        }
        let best = self.handle.best_supported_rsa_hash().await.map_err(|_err| self.lost())?;
        Ok(Some(best.flatten().unwrap_or(HashAlg::Sha512)))
    }

    async fn agent(
        &mut self,
        (socket, first): (&Path, Option<&str>),
        reserved: usize,
    ) -> Result<Outcome, TransportError> {
        let unusable = |tried: &mut Vec<String>| {
            tried.push("agent (which did not answer)".to_owned());
            Ok(Outcome::Refused)
        };
        let Ok(mut agent) = AgentClient::connect_uds(socket).await else {
            return unusable(&mut self.tried);
        };
        let Ok(mut identities) = agent.request_identities().await else {
            return unusable(&mut self.tried);
        };
        identities.sort_by_key(|identity| first.is_none() || fingerprint(identity).as_deref() != first);
        if identities.is_empty() {
            self.tried.push("agent (which holds no key)".to_owned());
        }
        for identity in identities {
            let AgentIdentity::PublicKey { key, .. } = identity else { continue };
            if self.left <= reserved || !self.may(MethodKind::PublicKey) {
                break;
            }
            self.left -= 1;
            self.tried.push(format!("agent key {}", key.fingerprint(HashAlg::Sha256)));
            let hash = self.hash_for(&key).await?;
            let result = self.handle.authenticate_publickey_with(self.user, key, hash, &mut agent).await;
            match result {
                Ok(result) => {
                    if let Outcome::In = self.judge(Ok(result))? {
                        return Ok(Outcome::In);
                    }
                }
                // The agent would not sign; the connection stays usable for the next attempt.
                Err(_) if !self.handle.is_closed() => {}
                Err(_) => return Err(self.lost()),
            }
        }
        Ok(Outcome::Refused)
    }

    /// Asks to be let in without a credential: the refusal lists what the host accepts (RFC 4252,
    /// section 5.2), and servers do not count it.
    async fn nothing(&mut self) -> Result<Outcome, TransportError> {
        let result = self.handle.authenticate_none(self.user).await;
        self.judge(result)
    }

    async fn password(&mut self, password: &SecretString) -> Result<Outcome, TransportError> {
        self.left -= 1;
        let result = self.handle.authenticate_password(self.user, password.expose_secret()).await;
        self.judge(result)
    }

    /// Answers hidden prompts with the password, once; anything else asked ends the attempt (SSH-10).
    async fn interactive(&mut self, password: &SecretString) -> Result<Outcome, TransportError> {
        self.left -= 1;
        let mut answered = false;
        let mut reply = self.handle.authenticate_keyboard_interactive_start(self.user, None).await;
        for _round in 0..ROUNDS_MAX {
            let prompts = match reply {
                Ok(Interactive::Success) => return Ok(Outcome::In),
                Ok(Interactive::Failure { remaining_methods, .. }) => {
                    self.offered = Some(remaining_methods);
                    return Ok(Outcome::Refused);
                }
                Ok(Interactive::InfoRequest { prompts, .. }) => prompts,
                Err(_) => return Err(self.lost()),
            };
            let Some(answers) = answers(&prompts, password, &mut answered) else {
                self.tried.push("keyboard-interactive (which asked for more)".to_owned());
                return Ok(Outcome::Refused);
            };
            reply = self.handle.authenticate_keyboard_interactive_respond(answers).await;
        }
        Ok(Outcome::Refused)
    }

    fn judge(&mut self, result: Result<AuthResult, russh::Error>) -> Result<Outcome, TransportError> {
        match result {
            Ok(AuthResult::Success) => Ok(Outcome::In),
            Ok(AuthResult::Failure { remaining_methods, .. }) => {
                // An empty set is also how the library tells of a connection that was closed, as servers
                // do after too many refusals.
                self.offered = Some(remaining_methods);
                Ok(Outcome::Refused)
            }
            Err(_) => Err(self.lost()),
        }
    }

    fn lost(&self) -> TransportError {
        if self.tried.len() > 1 {
            self.failed()
        } else {
            TransportError::Lost { during: "while logging in".to_owned() }
        }
    }

    fn failed(&self) -> TransportError {
        let mut told = match (self.tried.as_slice(), &self.offered) {
            ([], None) => "nothing was tried".to_owned(),
            ([], Some(_)) => "tried nothing that it accepts".to_owned(),
            (tried, _) => format!("tried {}", tried.join(", ")),
        };
        for problem in &self.unopened {
            told += &format!("; {problem}");
        }
        if let Some(offered) = &self.offered {
            let names: Vec<&str> = offered.iter().map(Into::into).collect();
            let names = if names.is_empty() { "nothing more".to_owned() } else { names.join(", ") };
            told += &format!("; the host accepts {names}");
        }
        let has_unopened = !self.unopened.is_empty();
        TransportError::Auth { user: self.user.to_owned(), told, has_unopened }
    }
}

/// The answers to one round of prompts; none when something else than the password is asked for.
fn answers(prompts: &[Prompt], password: &SecretString, answered: &mut bool) -> Option<Vec<String>> {
    match prompts {
        [] => Some(Vec::new()),
        [prompt] if !prompt.echo && !*answered => {
            *answered = true;
            Some(vec![password.expose_secret().to_owned()])
        }
        _ => None,
    }
}
