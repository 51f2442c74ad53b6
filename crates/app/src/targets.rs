//! What a user names as a target: this machine, an address, a saved host, or an alias of ssh_config(5).

use model::record::{HostRecord, Reach};
use model::{Address, HostId};
use store::hosts::Host;

use crate::context::{App, new_uuid};
use crate::error::{Error, Kind};
use crate::hosts::meant;
use crate::ssh_config::{Question, SshConfig};

/// The machine that this runs on.
const LOCALHOST: &str = "localhost";
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

/// Settings of a command that apply to each of its targets, for this command only where a host is saved.
#[derive(Debug, Clone, Default)]
pub struct Overrides {
    pub user: Option<String>,
    pub identity_file: Option<String>,
    pub sudo: bool,
    /// The command has other targets, too: a login is for those of them that have one.
    pub for_several: bool,
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
    if user.is_some_and(|user| !is_user(user)) {
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

/// Tells whether a text can be the name of a user.
fn is_user(text: &str) -> bool {
    (1..=255).contains(&text.len()) && !text.chars().any(|c| c.is_control() || c.is_whitespace())
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

/// What a target came to: a host as it will be scanned.
#[derive(Debug, Clone)]
pub struct Resolved {
    /// The host with the settings of this command.
    pub record: HostRecord,
    /// As it stands in the inventory; none where it is not there yet.
    pub saved: Option<HostRecord>,
    /// It was not named itself: an alias of ssh_config(5) led to its place.
    pub by_alias: bool,
}

impl App {
    /// Resolves a target against saved hosts first, then through ssh_config(5), then as an address.
    ///
    /// # Errors
    /// When the target is neither saved nor an address, when it is the address of several hosts, and when it is this
    /// machine with a login.
    pub async fn resolve(
        &self,
        text: &str,
        config: &SshConfig,
        overrides: &Overrides,
    ) -> Result<Resolved, Error> {
        let hosts = self.list_hosts().await?;
        if let Some((host, user)) = named(&hosts, text)? {
            return of_saved(host, user, overrides);
        }
        self.placed(&hosts, &parse(text)?, (config, overrides)).await
    }

    /// Resolves a target that is to be saved: a place, unless a saved host has this very name.
    ///
    /// # Errors
    /// As [`App::resolve`].
    pub async fn resolve_new(
        &self,
        text: &str,
        config: &SshConfig,
        overrides: &Overrides,
    ) -> Result<Resolved, Error> {
        let hosts = self.list_hosts().await?;
        if let Some(host) = hosts.iter().find(|host| host.record.name == text) {
            return of_saved(host, None, overrides);
        }
        self.placed(&hosts, &parse(text)?, (config, overrides)).await
    }

    /// Resolves a target to the place that it leads to, and to the host that is saved there.
    async fn placed(
        &self,
        hosts: &[Host],
        typed: &Typed,
        (config, overrides): (&SshConfig, &Overrides),
    ) -> Result<Resolved, Error> {
        if typed.host.parse::<HostId>().is_ok_and(|id| id.to_string().eq_ignore_ascii_case(&typed.host)) {
            return Err(Error::new(Kind::NotFound, format!("there is no host with the id {}", typed.host))
                .hint("`plumb host list` shows the saved hosts"));
        }
        let (record, by_alias) = self.fresh_record(typed, (config, overrides)).await?;
        let there = hosts.iter().find(|host| {
            host.record.transport == record.transport
                && host.record.address == record.address
                && host.record.port == record.port
        });
        match there {
            Some(host) => Ok(Resolved { by_alias, ..of_saved(host, typed.user.clone(), overrides)? }),
            None => Ok(Resolved { record, saved: None, by_alias }),
        }
    }

    /// Makes the record of a place that nobody saved yet, and tells whether an alias led there.
    async fn fresh_record(
        &self,
        typed: &Typed,
        (config, overrides): (&SshConfig, &Overrides),
    ) -> Result<(HostRecord, bool), Error> {
        let user = typed.user.as_ref().or(overrides.user.as_ref());
        let record = self.blank_record(typed, overrides);
        if typed.host == LOCALHOST && typed.port.is_none() && typed.user.is_none() {
            let local = HostRecord {
                transport: Reach::Local,
                address: LOCALHOST.to_owned(),
                port: 0,
                identity_file: String::new(),
                ..record
            };
            refuse_login(&local, None, overrides)?;
            return Ok((local, false));
        }
        let question = Question { host: &typed.host, user: user.map(String::as_str), port: typed.port };
        let Some(settings) = config.settings(question).await? else {
            let address = address(&typed.host)?;
            let username = user.cloned().unwrap_or_default();
            return Ok((HostRecord { address, username, ..record }, false));
        };
        let username = user.or(settings.user.as_ref()).cloned().unwrap_or_default();
        let identity_file = match &overrides.identity_file {
            Some(given) => given.clone(),
            None => config.identity(&settings, (&typed.host, &username))?.unwrap_or_default(),
        };
        let place = (address(&settings.host)?, typed.port.unwrap_or(settings.port));
        let itself = (typed.host.parse().map(|own: Address| own.to_string()), record.port);
        let by_alias = itself != (Ok(place.0.clone()), place.1);
        let (address, port) = place;
        Ok((HostRecord { address, port, username, identity_file, ..record }, by_alias))
    }

    fn blank_record(&self, typed: &Typed, overrides: &Overrides) -> HostRecord {
        let now = self.now();
        HostRecord {
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
        }
    }
}

/// Returns the saved host that a target names, with the user that it names: by name, id or sole address, as
/// [`App::load_host`], behind `user@` and before `:port`, if that is its port.
fn named<'h>(hosts: &'h [Host], text: &str) -> Result<Option<(&'h Host, Option<String>)>, Error> {
    // Who saved this machine under another name, or a server at this address, has not taken the word away.
    if text == LOCALHOST {
        return Ok(hosts.iter().find(|host| host.record.name == text).map(|host| (host, None)));
    }
    let typed = parse(text).ok();
    if let Some(host) = meant(hosts.iter(), text)? {
        let saved = &host.record;
        let at_address = typed.filter(|typed| typed.host == saved.address).and_then(|typed| typed.user);
        // `user@` before the very address is a login, and in any other name a part of the name.
        let of_name = || Some(saved.username.clone()).filter(|user| !user.is_empty());
        let user = if text.contains('@') { at_address.or_else(of_name) } else { None };
        return Ok(Some((host, user)));
    }
    // With a login it is a server on this machine that is meant, and not the machine itself.
    let is_reached = |host: &&Host, name: &str| name != LOCALHOST || host.record.transport != Reach::Local;
    if let Some((user, name)) = text.rsplit_once('@')
        && is_user(user)
        && let Some(host) = meant(hosts.iter().filter(|host| is_reached(host, name)), name)?
    {
        return Ok(Some((host, Some(user.to_owned()))));
    }
    let Some(Typed { user, host: name, port: Some(port), .. }) = typed else { return Ok(None) };
    let there = hosts.iter().filter(|host| host.record.port == port);
    Ok(meant(there, &name)?.map(|host| (host, user)))
}

/// Returns a saved host with the settings of this command, which are not kept.
fn of_saved(host: &Host, typed: Option<String>, overrides: &Overrides) -> Result<Resolved, Error> {
    let saved = &host.record;
    refuse_login(saved, typed.as_ref(), overrides)?;
    if saved.transport == Reach::Local {
        let record = HostRecord { sudo: saved.sudo || overrides.sudo, ..saved.clone() };
        return Ok(Resolved { record, saved: Some(saved.clone()), by_alias: false });
    }
    let user = typed.or_else(|| overrides.user.clone());
    let record = HostRecord {
        username: user.unwrap_or_else(|| saved.username.clone()),
        identity_file: overrides.identity_file.clone().unwrap_or_else(|| saved.identity_file.clone()),
        sudo: saved.sudo || overrides.sudo,
        ..saved.clone()
    };
    Ok(Resolved { record, saved: Some(saved.clone()), by_alias: false })
}

/// Refuses a login on this machine, which has none: passed over, it would look as if that account had been measured.
fn refuse_login(host: &HostRecord, typed: Option<&String>, overrides: &Overrides) -> Result<(), Error> {
    let has_own = !overrides.for_several && (overrides.user.is_some() || overrides.identity_file.is_some());
    if host.transport != Reach::Local || (typed.is_none() && !has_own) {
        return Ok(());
    }
    let what = format!("{:?} is this machine, which is scanned without a login", shown(&host.name));
    Err(Error::new(Kind::Usage, what)
        .hint("leave out the user and the key file; run plumb as another user, or use --sudo"))
}

fn address(host: &str) -> Result<String, Error> {
    let address: Result<Address, _> = host.parse();
    address.map(|address| address.to_string()).map_err(|err: model::AddressError| {
        Error::new(Kind::Usage, err.to_string())
            .hint("write localhost, a saved host, an address or a name, or user@host:port")
    })
}

#[cfg(test)]
mod tests;
