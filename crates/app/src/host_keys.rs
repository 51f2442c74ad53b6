//! Deciding about a host's key before anything secret is used, and keeping the store of known keys.

use std::sync::{Arc, Mutex};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use model::fact;
use model::record::{AuditPhase, AuditRecord, HostKeyRecord, KeySource};
use model::{Address, AddressError};
use serde_json::json;
use store::keys::{FirstUse, KnownKey};
use transport::{HostKey, HostKeyCheck, HostKeyRefusal};

use crate::context::{App, nonces};
use crate::error::{Error, Kind};
use crate::known_hosts::{self, Line};
use crate::targets;

mod import;

pub use import::Imported;

/// What to do with a host that no key is known of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum HostKeyPolicy {
    /// Refuse it before authentication.
    RequireKnown,
    /// Trust its key from now on, say so, and record it.
    Tofu,
}

impl HostKeyPolicy {
    /// Returns the written name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RequireKnown => "require-known",
            Self::Tofu => "tofu",
        }
    }
}

/// A line for the user about a key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Notice {
    /// Something was done as it had been arranged before.
    Note(String),
    /// Somebody should look at it: it is said to whoever wants no notes, too (SSH-06).
    Warning(String),
}

/// Lines for the user about keys, in the order they came up.
pub type Notices = Arc<Mutex<Vec<Notice>>>;

/// One question about a key.
#[derive(Debug, Clone)]
pub(crate) struct KeyQuestion {
    pub(crate) app: App,
    pub(crate) address: String,
    pub(crate) port: u16,
    pub(crate) policy: HostKeyPolicy,
    /// The user's own known_hosts, read as an import.
    pub(crate) user_file: Arc<Vec<Line>>,
    pub(crate) notices: Notices,
}

impl KeyQuestion {
    /// Wraps the question for the transport.
    pub(crate) fn into_check(self) -> HostKeyCheck {
        HostKeyCheck::new(move |key| async move { self.decide(key).await })
    }

    async fn decide(&self, key: HostKey) -> Result<(), HostKeyRefusal> {
        let undecided = |err: Error| HostKeyRefusal::Undecided(err.to_string());
        let mut known = self.app.known_keys(&self.address, self.port).await.map_err(undecided)?;
        if known.is_empty() {
            if self.is_nobodys(&key).map_err(undecided)? {
                self.refuse("ssh.host_key.revoked", &key).await.map_err(undecided)?;
                let text = format!("{} shows {}, revoked in known_hosts", self.place(), key.fingerprint);
                return Err(HostKeyRefusal::Revoked(text));
            }
            let kept_out = self.import_user_file().await.map_err(undecided)?;
            known = self.app.known_keys(&self.address, self.port).await.map_err(undecided)?;
            // The user knows this host, if only by keys that were revoked: another one is no first contact.
            let revoked = kept_out.into_iter().map(|key| HostKeyRecord { revoked: true, ..key });
            known.extend(revoked.map(|record| KnownKey { record, last_seen_at: None }));
        }
        if !known.is_empty() {
            return self.compare(&key, &known).await;
        }
        match self.policy {
            HostKeyPolicy::RequireKnown => {
                self.refuse("ssh.host_key.unknown", &key).await.map_err(undecided)?;
                Err(HostKeyRefusal::Unknown(format!("{} shows {}", self.place(), key.fingerprint)))
            }
            HostKeyPolicy::Tofu => self.trust(&key).await,
        }
    }

    async fn compare(&self, key: &HostKey, known: &[KnownKey]) -> Result<(), HostKeyRefusal> {
        let undecided = |err: Error| HostKeyRefusal::Undecided(err.to_string());
        let same = known.iter().find(|known| known.record.fingerprint == key.fingerprint);
        match same {
            Some(same) if same.record.revoked => {
                self.refuse("ssh.host_key.revoked", key).await.map_err(undecided)?;
                Err(HostKeyRefusal::Revoked(format!("{} shows {}", self.place(), key.fingerprint)))
            }
            Some(_) => {
                let seen = (self.address.as_str(), self.port, key.fingerprint.as_str());
                let noted = self.app.db.saw_key(&self.app.tenant, seen, self.app.now()).await;
                noted.map_err(|err| undecided(err.into()))
            }
            None => {
                self.refuse("ssh.host_key.mismatch", key).await.map_err(undecided)?;
                let text = format!("{} shows {}, {}", self.place(), key.fingerprint, expected(key, known));
                Err(HostKeyRefusal::Mismatch(text))
            }
        }
    }

    async fn trust(&self, key: &HostKey) -> Result<(), HostKeyRefusal> {
        let undecided = |err: Error| HostKeyRefusal::Undecided(err.to_string());
        let record = self.app.key_record((&self.address, self.port), key, KeySource::FirstUse, "first use");
        let audit = self.audit("ssh.host_key.trusted", AuditPhase::Event, key).map_err(undecided)?;
        let by = (&self.app.tenant, &audit);
        let stored = self.app.db.trust_first(by, &record, self.app.now(), &mut nonces()).await;
        match stored.map_err(|err| undecided(err.into()))? {
            FirstUse::Stored => {
                let line = format!("trusting {} of {} at first use", key.fingerprint, self.place());
                self.say(Notice::Warning(line));
                Ok(())
            }
            FirstUse::AlreadyKnown(known) => self.compare(key, &known).await,
            FirstUse::Revoked => {
                self.refuse("ssh.host_key.revoked", key).await.map_err(undecided)?;
                let text = format!("{} shows {}, revoked for another host", self.place(), key.fingerprint);
                Err(HostKeyRefusal::Revoked(text))
            }
        }
    }

    /// Takes over what the user's known_hosts says of this host, at first contact only; returns the keys that were left out.
    async fn import_user_file(&self) -> Result<Vec<HostKeyRecord>, Error> {
        let lines: Vec<&Line> = self.lines().filter(|line| !(line.revoked && line.is_pattern())).collect();
        let records: Vec<HostKeyRecord> = lines
            .iter()
            .map(|line| self.app.line_record(&self.address, self.port, line, "from known_hosts"))
            .collect::<Result<_, _>>()?;
        let (stored, kept_out) = self.app.import_keys(records).await?;
        if !stored.is_empty() {
            let line = format!("taking over {} known_hosts keys of {}", stored.len(), self.place());
            self.say(Notice::Note(line));
        }
        for key in &kept_out {
            let line = format!("leaving out {} of {}: it was revoked", key.fingerprint, self.place());
            self.say(Notice::Warning(line));
        }
        Ok(kept_out)
    }

    /// Returns the lines of the user's known_hosts for this host.
    fn lines(&self) -> impl Iterator<Item = &Line> {
        self.user_file.iter().filter(|line| line.matches(&self.address, self.port))
    }

    /// Tells whether the user's known_hosts revokes a key by a pattern of names, which does not say that the host is known.
    fn is_nobodys(&self, key: &HostKey) -> Result<bool, Error> {
        for line in self.lines().filter(|line| line.revoked && line.is_pattern()) {
            if self.app.line_record(&self.address, self.port, line, "")?.fingerprint == key.fingerprint {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn refuse(&self, action: &str, key: &HostKey) -> Result<(), Error> {
        let audit = self.audit(action, AuditPhase::Refusal, key)?;
        let by = (&self.app.tenant, self.app.actor.as_str());
        Ok(self.app.db.append_audits(by, &[audit], self.app.now(), &mut nonces()).await?)
    }

    fn audit(&self, action: &str, phase: AuditPhase, key: &HostKey) -> Result<AuditRecord, Error> {
        let detail = json!({
            "address": self.address,
            "port": self.port,
            "fingerprint": key.fingerprint,
            "key_type": key.algorithm,
            "mode": self.policy.as_str(),
        });
        self.app.audit(action, phase, format!("endpoint:{}", self.place()), &detail)
    }

    fn place(&self) -> String {
        format!("{} port {}", self.address, self.port)
    }

    fn say(&self, notice: Notice) {
        match self.notices.lock() {
            Ok(mut notices) => notices.push(notice),
            Err(poisoned) => poisoned.into_inner().push(notice),
        }
    }
}

impl App {
    /// Lists known host keys.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_known_keys(&self) -> Result<Vec<KnownKey>, Error> {
        Ok(self.db.list_keys(&self.tenant, None).await?)
    }

    pub(crate) async fn known_keys(&self, address: &str, port: u16) -> Result<Vec<KnownKey>, Error> {
        Ok(self.db.list_keys(&self.tenant, Some((address, port))).await?)
    }

    /// Tells whether no key that a host may show would be accepted, by what [`KeyQuestion`] looks at: then nothing is decrypted
    /// for it, and nobody is asked for a secret (SSH-04).
    pub(crate) async fn refuses_every_key(
        &self,
        (address, port): (&str, u16),
        policy: HostKeyPolicy,
        user_file: &[Line],
    ) -> Result<bool, Error> {
        let known = self.known_keys(address, port).await?;
        if !known.is_empty() {
            return Ok(known.iter().all(|known| known.record.revoked));
        }
        let mut lines = user_file
            .iter()
            .filter(|line| line.matches(address, port) && !(line.revoked && line.is_pattern()))
            .peekable();
        if lines.peek().is_none() {
            return Ok(policy == HostKeyPolicy::RequireKnown);
        }
        Ok(lines.all(|line| line.revoked))
    }

    /// Returns the address and port that keys of a host are kept under: those of the saved host with this name, id or
    /// sole address, else the address as it is written, with `:port` or the port of SSH.
    ///
    /// # Errors
    /// When the text is neither, or is the address of several saved hosts.
    pub async fn key_place(&self, text: &str) -> Result<(String, u16), Error> {
        if let Some(host) = self.find_dialled(text).await? {
            return Ok((host.record.address, host.record.port));
        }
        let typed = targets::parse(text)?;
        if typed.port.is_none()
            && let Some(host) = self.find_dialled(&typed.host).await?
        {
            return Ok((host.record.address, host.record.port));
        }
        let address: Address =
            typed.host.parse().map_err(|err: AddressError| Error::new(Kind::Usage, err.to_string()))?;
        Ok((address.to_string(), typed.port.unwrap_or(targets::SSH_PORT)))
    }

    /// Approves a key that a host shows instead of the one we knew. The keys of the same type that it
    /// replaces are revoked, so that whoever has the old one is not taken for the host.
    ///
    /// # Errors
    /// When the key line does not hold a key, or there is no reason.
    pub async fn approve_key(
        &self,
        (address, port): (&str, u16),
        key_line: &str,
        reason: &str,
    ) -> Result<HostKeyRecord, Error> {
        check_reason(reason)?;
        let lines = known_hosts::parse(&format!("* {key_line}")).map_or(Vec::new(), |(lines, _)| lines);
        let line = lines.first().ok_or_else(|| {
            Error::new(Kind::Usage, "this is not a public key".to_owned())
                .hint("give the type and the base64 text, as `ssh-keyscan` prints them behind the host")
        })?;
        let mut record = self.line_record(address, port, line, reason)?;
        record.source = KeySource::Approved;
        let replaced = self.known_keys(address, port).await?.into_iter().map(|known| known.record);
        let replaced = replaced.filter(|known| {
            known.key_type == record.key_type && known.fingerprint != record.fingerprint && !known.revoked
        });
        let revoked = replaced.map(|known| HostKeyRecord {
            revoked: true,
            reason: format!("replaced by {}: {reason}", record.fingerprint),
            ..known
        });
        let mut records: Vec<HostKeyRecord> = revoked.collect();
        records.insert(0, record.clone());
        self.store_keys(&records, "ssh.host_key.approved").await?;
        Ok(record)
    }

    /// Revokes a known key by its fingerprint.
    ///
    /// # Errors
    /// When no such key is known, or there is no reason.
    pub async fn revoke_key(&self, fingerprint: &str, reason: &str) -> Result<Vec<HostKeyRecord>, Error> {
        check_reason(reason)?;
        let known = self.list_known_keys().await?;
        let records: Vec<HostKeyRecord> = known
            .into_iter()
            .filter(|known| known.record.fingerprint == fingerprint)
            .map(|known| HostKeyRecord { revoked: true, reason: reason.to_owned(), ..known.record })
            .collect();
        if records.is_empty() {
            return Err(Error::new(
                Kind::NotFound,
                format!("no known key has the fingerprint {fingerprint}"),
            )
            .hint("`plumb known-hosts list` shows them"));
        }
        self.store_keys(&records, "ssh.host_key.revoked").await?;
        Ok(records)
    }

    async fn store_keys(&self, records: &[HostKeyRecord], action: &str) -> Result<(), Error> {
        if records.is_empty() {
            return Ok(());
        }
        let audit = self.keys_audit(records, action)?;
        Ok(self.db.put_keys((&self.tenant, &audit), records, self.now(), &mut nonces()).await?)
    }

    fn keys_audit(&self, records: &[HostKeyRecord], action: &str) -> Result<AuditRecord, Error> {
        let keys: Vec<_> = records
            .iter()
            .map(|key| json!({"address": key.address, "port": key.port, "fingerprint": key.fingerprint}))
            .collect();
        let reason = records.first().map_or("", |key| key.reason.as_str());
        let detail = json!({"keys": keys, "reason": reason});
        self.audit(action, AuditPhase::Event, "known_hosts".to_owned(), &detail)
    }

    fn key_record(
        &self,
        (address, port): (&str, u16),
        key: &HostKey,
        source: KeySource,
        reason: &str,
    ) -> HostKeyRecord {
        let now = self.now();
        HostKeyRecord {
            address: address.to_owned(),
            port,
            fingerprint: key.fingerprint.clone(),
            key_type: key.algorithm.clone(),
            wire_key: BASE64.encode(&key.wire),
            source,
            revoked: false,
            reason: reason.to_owned(),
            first_seen_at: now,
            changed_at: now,
        }
    }

    fn line_record(
        &self,
        address: &str,
        port: u16,
        line: &Line,
        reason: &str,
    ) -> Result<HostKeyRecord, Error> {
        let wire = BASE64
            .decode(&line.wire_key)
            .map_err(|err| Error::internal(format!("a checked key does not decode: {err}")))?;
        let fingerprint = format!("SHA256:{}", STANDARD_NO_PAD.encode(ledger::sha256(&wire)));
        let key = HostKey { algorithm: line.key_type.clone(), wire, fingerprint };
        let record = self.key_record((address, port), &key, KeySource::Imported, reason);
        Ok(HostKeyRecord { revoked: line.revoked, ..record })
    }
}

/// Says which key was expected in place of one: the trusted one of its type, else any trusted one.
fn expected(key: &HostKey, known: &[KnownKey]) -> String {
    let trusted = || known.iter().map(|known| &known.record).filter(|record| !record.revoked);
    let same_type = trusted().find(|record| record.key_type == key.algorithm);
    match same_type.or_else(|| trusted().next()) {
        Some(record) => format!("known is {}", record.fingerprint),
        None => "every key that is known of it was revoked".to_owned(),
    }
}

/// Refuses a reason as facts do: one that is blank or too long.
fn check_reason(reason: &str) -> Result<(), Error> {
    fact::check_reason(reason).map_err(|err| Error::new(Kind::Usage, err.to_string()))
}
