//! What a user names as a target: this machine, an address, a saved host, or an alias of ssh_config(5).

use std::fs::File;
use std::io::{BufReader, Read as _};
use std::path::Path;

use model::record::{HostRecord, Reach};
use model::{Address, HostId};
use ssh2_config::{ParseRule, SshConfig};
use store::hosts::Host;

use crate::context::{App, new_uuid};
use crate::error::{Error, Kind};

/// Longest ssh_config that is read. Bytes.
const SSH_CONFIG_BYTES_MAX: u64 = 1 << 20;
/// Port of SSH (RFC 4253, section 4.1).
pub const SSH_PORT: u16 = 22;

/// A target as it was typed: `[user@]host[:port]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Typed {
    pub text: String,
    pub user: Option<String>,
    pub host: String,
    pub port: Option<u16>,
}

/// Settings of a command that apply to each of its targets.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub user: Option<String>,
    pub identity_file: Option<String>,
    pub sudo: bool,
}

/// Parses a target.
///
/// # Errors
/// When it is empty, has an empty user, a bad port, or a prefix length.
pub fn parse(text: &str) -> Result<Typed, Error> {
    let refused = |problem: &str| {
        Error::new(Kind::Usage, format!("{:?} is not a target: {problem}", shown(text)))
            .hint("write localhost, host, user@host or user@host:port; IPv6 as [::1]:22")
    };
    let (user, rest) = match text.rsplit_once('@') {
        Some((user, rest)) => (Some(user), rest),
        None => (None, text),
    };
    if user.is_some_and(|user| {
        user.is_empty() || user.len() > 255 || user.chars().any(|c| c.is_control() || c.is_whitespace())
    }) {
        return Err(refused("the user name is empty or has white space"));
    }
    let (host, port) = split_port(rest).map_err(&refused)?;
    if host.is_empty() || host.chars().any(|c| c.is_control() || c.is_whitespace()) {
        return Err(refused("the host is empty or has white space"));
    }
    if host.contains('/') {
        return Err(refused("a prefix length is not part of an address"));
    }
    Ok(Typed { text: text.to_owned(), user: user.map(str::to_owned), host: host.to_owned(), port })
}

fn split_port(rest: &str) -> Result<(&str, Option<u16>), &'static str> {
    let port = |text: &str| match text.parse::<u16>() {
        Ok(port) if port > 0 => Ok(Some(port)),
        _ => Err("the port is not a number from 1 to 65535"),
    };
    if let Some(inner) = rest.strip_prefix('[') {
        let (host, after) = inner.split_once(']').ok_or("a bracket is not closed")?;
        return match after.strip_prefix(':') {
            Some(text) => Ok((host, port(text)?)),
            None if after.is_empty() => Ok((host, None)),
            None => Err("text follows the bracket"),
        };
    }
    match rest.split_once(':') {
        // More than one colon without brackets is an IPv6 address without a port.
        Some((_, after)) if after.contains(':') => Ok((rest, None)),
        Some((host, text)) => Ok((host, port(text)?)),
        None => Ok((rest, None)),
    }
}

pub(crate) fn shown(text: &str) -> String {
    text.chars().take(80).flat_map(char::escape_default).collect()
}

/// What a target came to: a host as it will be scanned, saved before or not yet.
#[derive(Debug, Clone)]
pub struct Resolved {
    pub record: HostRecord,
    pub saved: bool,
}

/// Aliases of the user's ssh_config; empty where there is none.
#[derive(Debug, Default)]
pub struct Aliases(Option<SshConfig>);

impl Aliases {
    /// Reads an ssh_config(5) file, or nothing when it is missing.
    ///
    /// # Errors
    /// When the file is there and cannot be read or understood.
    pub fn read(path: &Path) -> Result<Self, Error> {
        let file = match File::open(path) {
            Ok(file) => file,
            Err(err) if err.kind() == std::io::ErrorKind::NotFound => return Ok(Self(None)),
            Err(err) => {
                return Err(Error::new(Kind::Config, format!("could not read {}: {err}", path.display())));
            }
        };
        let mut reader = BufReader::new(file.take(SSH_CONFIG_BYTES_MAX));
        let rules = ParseRule::ALLOW_UNKNOWN_FIELDS | ParseRule::ALLOW_UNSUPPORTED_FIELDS;
        let config = SshConfig::default().parse(&mut reader, rules);
        let config = config.map_err(|err| {
            Error::new(Kind::Config, format!("could not understand {}: {err}", path.display()))
                .hint("name the host as user@address:port, or mend the file")
        })?;
        Ok(Self(Some(config)))
    }
}

impl App {
    /// Resolves a typed target against saved hosts first, then ssh_config aliases, then as an address.
    ///
    /// # Errors
    /// When the target is neither saved nor an address.
    pub async fn resolve(
        &self,
        typed: &Typed,
        aliases: &Aliases,
        overrides: &Overrides,
    ) -> Result<Resolved, Error> {
        let hosts = self.db.list_hosts(&self.tenant).await?;
        let saved = hosts.iter().filter(|host| host.record.removed_at.is_none()).find(|host| {
            host.record.name == typed.text
                || (typed.user.is_none() && typed.port.is_none() && host.record.name == typed.host)
        });
        if let Some(host) = saved {
            return Ok(self.with_overrides(host, typed, overrides));
        }
        let fresh = self.fresh_record(typed, aliases, overrides)?;
        let same_place = hosts.iter().find(|host| {
            host.record.removed_at.is_none()
                && host.record.transport == fresh.transport
                && host.record.address == fresh.address
                && host.record.port == fresh.port
        });
        Ok(match same_place {
            Some(host) => self.with_overrides(host, typed, overrides),
            None => Resolved { record: fresh, saved: false },
        })
    }

    fn with_overrides(&self, host: &Host, typed: &Typed, overrides: &Overrides) -> Resolved {
        let mut record = host.record.clone();
        if let Some(user) = typed.user.as_ref().or(overrides.user.as_ref()) {
            record.username.clone_from(user);
        }
        if let Some(identity) = &overrides.identity_file {
            record.identity_file.clone_from(identity);
        }
        record.sudo |= overrides.sudo;
        let saved = record == host.record;
        Resolved { record, saved }
    }

    fn fresh_record(
        &self,
        typed: &Typed,
        aliases: &Aliases,
        overrides: &Overrides,
    ) -> Result<HostRecord, Error> {
        let now = self.now();
        let mut record = HostRecord {
            host_id: HostId::new(new_uuid(now)),
            name: typed.text.clone(),
            transport: Reach::Ssh,
            address: String::new(),
            port: typed.port.unwrap_or(SSH_PORT),
            username: String::new(),
            identity_file: overrides.identity_file.clone().unwrap_or_default(),
            sudo: overrides.sudo,
            profile_id: String::new(),
            os_id: String::new(),
            os_version: String::new(),
            os_name: String::new(),
            arch: String::new(),
            added_at: now,
            removed_at: None,
            changed_at: now,
        };
        if typed.host == "localhost" && typed.port.is_none() && typed.user.is_none() {
            return Ok(HostRecord {
                transport: Reach::Local,
                address: "localhost".to_owned(),
                port: 0,
                ..record
            });
        }
        let mut host = typed.host.clone();
        if let Some(config) = &aliases.0 {
            let params = config.query(&typed.host);
            if let Some(name) = params.host_name {
                host = name;
            }
            record.port = typed.port.or(params.port).unwrap_or(SSH_PORT);
            record.username = params.user.unwrap_or_default();
            let identity = params.identity_file.and_then(|files| files.into_iter().next());
            if record.identity_file.is_empty()
                && let Some(identity) = identity
            {
                record.identity_file = identity.to_string_lossy().into_owned();
            }
        }
        if let Some(user) = typed.user.as_ref().or(overrides.user.as_ref()) {
            record.username.clone_from(user);
        }
        let address: Address = host.parse().map_err(|err: model::AddressError| {
            Error::new(Kind::Usage, err.to_string())
                .hint("write localhost, a saved host, an address or a name, or user@host:port")
        })?;
        record.address = address.to_string();
        Ok(record)
    }
}

#[cfg(test)]
mod tests;
