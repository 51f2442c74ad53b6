//! The inventory: adding, finding and removing hosts.

use model::record::{AuditPhase, HostRecord, Reach, ScanRecord};
use model::{HostId, Timestamp, check_host_name};
use serde_json::json;
pub use store::hosts::Host;

use crate::context::{App, nonces};
use crate::error::{Error, Kind};
use crate::targets::shown;

/// Most hosts that an ambiguous address is answered with.
const NAMES_SHOWN_MAX: usize = 10;

impl App {
    /// Lists hosts by name, without those that were removed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_hosts(&self) -> Result<Vec<Host>, Error> {
        let hosts = self.db.list_hosts(&self.tenant).await?;
        Ok(hosts.into_iter().filter(|host| host.record.removed_at.is_none()).collect())
    }

    /// Lists the hosts that were removed, by name.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_removed_hosts(&self) -> Result<Vec<Host>, Error> {
        let hosts = self.db.list_hosts(&self.tenant).await?;
        Ok(hosts.into_iter().filter(|host| host.record.removed_at.is_some()).collect())
    }

    /// Finds a host by id, name or address; removed ones too, because their findings outlive them.
    ///
    /// # Errors
    /// When there is none, or the address is that of several.
    pub async fn load_host(&self, name: &str) -> Result<Host, Error> {
        self.load_host_of(name, self.now()).await
    }

    /// Finds the host of the inventory that is reached over SSH and has this name, this id, or this address alone.
    ///
    /// # Errors
    /// When the address is that of several, or the database cannot be read.
    pub(crate) async fn find_dialled(&self, name: &str) -> Result<Option<Host>, Error> {
        let hosts = self.list_hosts().await?;
        let dialled = hosts.iter().filter(|host| host.record.transport == Reach::Ssh);
        Ok(meant(dialled, name)?.cloned())
    }

    /// As [`App::load_host`], for a question about an instant: whoever was in the inventory then comes before whoever has
    /// the name today (POS-13).
    pub(crate) async fn load_host_of(&self, name: &str, at: Timestamp) -> Result<Host, Error> {
        let hosts = self.db.list_hosts(&self.tenant).await?;
        let is_there = |host: &&Host| is_there(&host.record, at);
        let is_active = |host: &&Host| host.record.removed_at.is_none();
        let mut removed: Vec<&Host> = hosts.iter().filter(|host| !is_active(host)).collect();
        // Who was removed last is the first to be meant.
        removed.sort_by_key(|host| std::cmp::Reverse(host.record.removed_at));
        let then = meant(hosts.iter().filter(is_there), name)?;
        let found = match then {
            Some(host) => Some(host),
            None => match meant(hosts.iter().filter(is_active), name)? {
                Some(host) => Some(host),
                None => meant(removed.into_iter(), name)?,
            },
        };
        found.cloned().ok_or_else(|| {
            Error::new(Kind::NotFound, format!("there is no host {:?}", shown(name)))
                .hint("`plumb host list` shows the saved hosts")
        })
    }

    /// Lists the scans of a host, newest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_scans(&self, host: HostId) -> Result<Vec<ScanRecord>, Error> {
        Ok(self.db.list_scans(&self.tenant, host).await?)
    }

    /// Saves a host as it is from now on.
    ///
    /// # Errors
    /// When another host has its name or address, or [`App::check_host`] refuses it.
    pub async fn save_host(&self, record: &HostRecord, action: &str) -> Result<HostRecord, Error> {
        self.check_host(record).await?;
        let detail = json!({
            "name": record.name,
            "address": record.address,
            "port": record.port,
            "user": record.username,
            "sudo": record.sudo,
        });
        let audit = self.audit(action, AuditPhase::Event, format!("host:{}", record.host_id), &detail)?;
        Ok(self.db.put_host((&self.tenant, &audit), record, self.now(), &mut nonces()).await?)
    }

    /// Refuses a name that no host can have, and a profile that there is not. What was saved so before stays as it is: it can
    /// be scanned, changed otherwise, and removed.
    ///
    /// # Errors
    /// When the name or the profile is refused, or the database cannot be read.
    pub(crate) async fn check_host(&self, record: &HostRecord) -> Result<(), Error> {
        let saved = self.db.find_host(&self.tenant, record.host_id).await?.map(|host| host.record);
        if saved.as_ref().is_none_or(|saved| saved.name != record.name) {
            check_host_name(&record.name).map_err(|err| {
                Error::new(Kind::Usage, err.to_string()).hint("name it by `plumb host add ... --name NAME`")
            })?;
        }
        let is_new_profile = saved.is_none_or(|saved| saved.profile_id != record.profile_id);
        let is_known = || self.content.corpus().profile(&record.profile_id).is_some();
        if is_new_profile && !record.profile_id.is_empty() && !is_known() {
            return Err(Error::new(Kind::Usage, format!("there is no profile {:?}", record.profile_id))
                .hint("`plumb rules list` shows what there is"));
        }
        Ok(())
    }

    /// Removes a host from the inventory. Its findings and its history stay.
    ///
    /// # Errors
    /// When there is none, or it was removed before.
    pub async fn remove_host(&self, name: &str) -> Result<HostRecord, Error> {
        let host = self.load_host(name).await?;
        if host.record.removed_at.is_some() {
            return Err(Error::new(Kind::Conflict, format!("host {name:?} was removed before")));
        }
        let record = HostRecord { removed_at: Some(self.now()), ..host.record };
        self.save_host(&record, "host.removed").await
    }
}

/// Tells whether a host was in the inventory at an instant.
pub(crate) fn is_there(host: &HostRecord, at: Timestamp) -> bool {
    host.added_at <= at && host.removed_at.is_none_or(|removed| removed > at)
}

/// Returns the host that somebody means: the one with this id, else the first with this name, else the only one with this
/// address, so that nobody's address is taken for another one's name.
pub(crate) fn meant<'h>(
    hosts: impl Iterator<Item = &'h Host> + Clone,
    name: &str,
) -> Result<Option<&'h Host>, Error> {
    let id = name.parse::<HostId>().ok();
    if let Some(host) = id.and_then(|id| hosts.clone().find(|host| host.record.host_id == id)) {
        return Ok(Some(host));
    }
    if let Some(host) = hosts.clone().find(|host| host.record.name == name) {
        return Ok(Some(host));
    }
    let there: Vec<&Host> = hosts.filter(|host| host.record.address == name).collect();
    match there[..] {
        [] => Ok(None),
        [host] => Ok(Some(host)),
        [..] => {
            let names: Vec<&str> =
                there.iter().take(NAMES_SHOWN_MAX).map(|host| &*host.record.name).collect();
            Err(Error::new(Kind::Usage, format!("{:?} is the address of {} hosts", shown(name), there.len()))
                .hint(format!("name the host that you mean: {}", names.join(", "))))
        }
    }
}
