//! The policy file of a log: read once, at the start of a command.

use std::io::Read as _;
use std::path::Path;

use ledger::policy::{POLICY_BYTES_MAX, Policy};
use model::Digest;
use store::Tenant;

use crate::error::{Error, Kind};

/// The witnesses of a log, and which file says so.
#[derive(Debug)]
pub(crate) struct ConfiguredPolicy {
    pub(crate) policy: Policy,
    /// Of the file's bytes; the log records it as a promise (LED-30).
    pub(crate) sha256: Digest,
}

impl ConfiguredPolicy {
    pub(crate) fn read(path: &Path) -> Result<Self, Error> {
        let bytes = read_bytes(path)?;
        Ok(Self { policy: parse(path, &bytes, Kind::Config)?, sha256: Digest(ledger::sha256(&bytes)) })
    }

    /// Refuses a policy that names logs, and not this one with its current key.
    pub(crate) fn check(&self, tenant: &Tenant) -> Result<(), Error> {
        let logs = self.policy.logs();
        if logs.is_empty() || logs.iter().any(|log| log.key.to_string() == tenant.vkey) {
            return Ok(());
        }
        Err(Error::new(Kind::Config, format!("the policy does not name the log {}", tenant.origin))
            .hint(format!("add the line: log {}", tenant.vkey)))
    }
}

/// Reads a policy file to verify something by it.
///
/// # Errors
/// When it cannot be read, or does not read.
pub fn read_policy(path: &Path) -> Result<Policy, Error> {
    parse(path, &read_bytes(path)?, Kind::Usage)
}

fn parse(path: &Path, bytes: &[u8], kind: Kind) -> Result<Policy, Error> {
    Policy::parse(bytes).map_err(|err| {
        Error::new(kind, format!("the policy {} does not read: {err}", path.display()))
            .hint("docs/formats/policy.md says how it is written")
    })
}

fn read_bytes(path: &Path) -> Result<Vec<u8>, Error> {
    let read = std::fs::File::open(path).and_then(|file| {
        let mut bytes = Vec::new();
        file.take(POLICY_BYTES_MAX as u64 + 1).read_to_end(&mut bytes).map(|_read| bytes)
    });
    read.map_err(|err| {
        Error::new(Kind::Unavailable, format!("could not read the policy {}: {err}", path.display()))
    })
}
