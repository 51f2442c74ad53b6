//! Taking over keys that others wrote down. An import trusts what is new; it never brings back what was revoked.

use std::collections::{BTreeMap, BTreeSet};

use model::record::{HostKeyRecord, Reach};
use store::keys::Import;

use crate::context::{App, nonces};
use crate::error::{Error, Kind};
use crate::known_hosts::{self, Skipped};

/// Attempts at storing an import while somebody else revokes keys of it.
const ATTEMPTS_MAX: u32 = 5;

/// What an import came to.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Imported {
    /// Keys that were stored, the revoked ones of the file among them.
    pub keys: Vec<HostKeyRecord>,
    /// Keys that the file trusts and that were revoked: they were not stored, and are what they were.
    pub kept_out: Vec<HostKeyRecord>,
    pub skipped: Vec<Skipped>,
    /// Lines whose hashed host is none of the saved or named ones.
    pub unmatched: usize,
}

impl App {
    /// Imports a known_hosts text. Hashed hosts are matched against saved hosts and `also`.
    ///
    /// # Errors
    /// When there is no reason, the text has too many lines, or nothing can be stored.
    pub async fn import_known_hosts(
        &self,
        text: &str,
        also: &[(String, u16)],
        reason: &str,
    ) -> Result<Imported, Error> {
        super::check_reason(reason)?;
        let (lines, skipped) = known_hosts::parse(text).map_err(|err| {
            Error::new(Kind::Usage, format!("could not import the file: {err}")).hint("import it in parts")
        })?;
        let hosts = self.db.list_hosts(&self.tenant).await?;
        let mut candidates: Vec<(String, u16)> = also.to_vec();
        // A host that is not dialled has no port of its own, and no key.
        let dialled = hosts.into_iter().filter(|host| host.record.transport == Reach::Ssh);
        candidates.extend(dialled.map(|host| (host.record.address, host.record.port)));
        // Revoked for whoever it may be: also for the hosts that the file trusts it of.
        let nobodys: BTreeSet<&str> = lines
            .iter()
            .filter(|line| line.revoked && line.is_pattern())
            .map(|line| line.wire_key.as_str())
            .collect();
        let mut unmatched = 0;
        let mut records = Vec::new();
        for line in &lines {
            let mut endpoints = line.endpoints();
            endpoints
                .extend(candidates.iter().filter(|(address, port)| line.matches(address, *port)).cloned());
            endpoints.sort();
            endpoints.dedup();
            unmatched += usize::from(endpoints.is_empty());
            for (address, port) in endpoints {
                let record = self.line_record(&address, port, line, reason)?;
                let revoked = record.revoked || nobodys.contains(line.wire_key.as_str());
                records.push(HostKeyRecord { revoked, ..record });
            }
        }
        let (keys, kept_out) = self.import_keys(records).await?;
        Ok(Imported { keys, kept_out, skipped, unmatched })
    }

    /// Stores imported keys; returns those that were stored and those that are revoked and stay so.
    pub(super) async fn import_keys(
        &self,
        records: Vec<HostKeyRecord>,
    ) -> Result<(Vec<HostKeyRecord>, Vec<HostKeyRecord>), Error> {
        // Where one file trusts a key and revokes it, it is revoked, as for sshd(8).
        let mut revoked: BTreeSet<String> =
            records.iter().filter(|key| key.revoked).map(|key| key.fingerprint.clone()).collect();
        for _attempt in 0..ATTEMPTS_MAX {
            let is_out = |key: &HostKeyRecord| !key.revoked && revoked.contains(&key.fingerprint);
            let (out, keys): (Vec<_>, Vec<_>) = records.iter().cloned().partition(is_out);
            let keys = once_each(keys);
            if keys.is_empty() {
                return Ok((keys, once_each(out)));
            }
            let audit = self.keys_audit(&keys, "ssh.host_key.imported")?;
            let by = (&self.tenant, &audit);
            match self.db.import_keys(by, &keys, self.now(), &mut nonces()).await? {
                Import::Stored => return Ok((keys, once_each(out))),
                Import::Revoked(more) => revoked.extend(more),
            }
        }
        Err(Error::new(Kind::Conflict, "keys of the file were revoked while it was imported")
            .hint("import it again"))
    }
}

/// Leaves one record of each address, port and key, ordered by these: a file may name a host twice.
fn once_each(records: Vec<HostKeyRecord>) -> Vec<HostKeyRecord> {
    let place = |key: &HostKeyRecord| (key.address.clone(), key.port, key.fingerprint.clone());
    let found: BTreeMap<_, _> = records.into_iter().map(|key| (place(&key), key)).collect();
    found.into_values().collect()
}
