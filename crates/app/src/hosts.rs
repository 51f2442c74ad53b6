//! The inventory: adding, finding and removing hosts.

use model::HostId;
use model::record::{AuditPhase, HostRecord, ScanRecord};
use serde_json::json;
pub use store::hosts::Host;

use crate::context::{App, nonces};
use crate::error::{Error, Kind};

impl App {
    /// Lists hosts by name, without those that were removed.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn list_hosts(&self) -> Result<Vec<Host>, Error> {
        let hosts = self.db.list_hosts(&self.tenant).await?;
        Ok(hosts.into_iter().filter(|host| host.record.removed_at.is_none()).collect())
    }

    /// Finds a host by name, address or id; removed ones too, because their findings outlive them.
    ///
    /// # Errors
    /// When there is none.
    pub async fn load_host(&self, name: &str) -> Result<Host, Error> {
        let hosts = self.db.list_hosts(&self.tenant).await?;
        let id = name.parse::<HostId>().ok();
        let matches = |host: &&Host| {
            host.record.name == name || Some(host.record.host_id) == id || host.record.address == name
        };
        let active = hosts.iter().filter(|host| host.record.removed_at.is_none()).find(matches);
        active.or_else(|| hosts.iter().find(matches)).cloned().ok_or_else(|| {
            Error::new(Kind::NotFound, format!("there is no host {:?}", crate::targets::shown(name)))
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
    /// When another host has its name or address.
    pub async fn save_host(&self, record: &HostRecord, action: &str) -> Result<HostRecord, Error> {
        if !record.profile_id.is_empty() && self.content.corpus().profile(&record.profile_id).is_none() {
            return Err(Error::new(Kind::Usage, format!("there is no profile {:?}", record.profile_id))
                .hint("`plumb rules list` shows what there is"));
        }
        let detail = json!({"name": record.name, "address": record.address, "port": record.port});
        let audit = self.audit(action, AuditPhase::Event, format!("host:{}", record.host_id), &detail)?;
        Ok(self.db.put_host((&self.tenant, &audit), record, self.now(), &mut nonces()).await?)
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
