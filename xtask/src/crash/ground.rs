//! What the crash loop works on: a file, or a server of its own that can be killed, too.

use std::path::Path;

use testkit::plumb::Plumb;
use testkit::postgres::{Cluster, Durability, Fall, SUPERUSER};

use super::CrashError;

/// Of so many kills on a server one is of the server itself, in one way, and one in the other.
const KILLS_PER_FALL: u64 = 8;
/// Who owns the tables and who works, on a server.
const OWNER: &str = "crash_owner";
const WORKER: &str = "crash_app";

/// Where records are kept.
pub(super) struct Ground {
    /// What it says it has written is on the disk.
    cluster: Option<Cluster>,
}

impl Ground {
    pub(super) fn new(on_server: bool) -> Result<Self, CrashError> {
        if !on_server {
            return Ok(Self { cluster: None });
        }
        let failed = |err| CrashError::Server { err };
        let cluster = Cluster::private(Durability::Durable).map_err(failed)?;
        cluster
            .sql(SUPERUSER, &format!("CREATE ROLE {OWNER} LOGIN; CREATE ROLE {WORKER} LOGIN"))
            .map_err(failed)?;
        Ok(Self { cluster: Some(cluster) })
    }

    pub(super) const fn name(&self) -> &'static str {
        if self.cluster.is_some() { "on PostgreSQL" } else { "on a file" }
    }

    /// Prepares runs over an empty data directory, on a server over a new database with its tables.
    pub(super) fn plumb(&self, (binary, data): (&Path, &Path), nth: u64) -> Result<Plumb, CrashError> {
        let plumb = Plumb::new(binary, data).map_err(|err| CrashError::Run { err })?;
        let Some(cluster) = &self.cluster else { return Ok(plumb) };
        let name = format!("crash_{nth}");
        let made = cluster.sql(SUPERUSER, &format!("CREATE DATABASE {name} OWNER {OWNER}"));
        made.map_err(|err| CrashError::Server { err })?;
        // Over the socket nobody is asked for a password.
        let url = |role: &str| cluster.url(&name).replacen(&format!("{SUPERUSER}@"), &format!("{role}@"), 1);
        let plumb = plumb.env("PLUMB_DATABASE_URL", url(WORKER)).env("PLUMB_OWNER_DATABASE_URL", url(OWNER));
        let grant = format!("app={WORKER}");
        let done = plumb.run(&["migrate", "--grant", &grant]).map_err(|err| CrashError::Run { err })?;
        if done.code == Some(0) { Ok(plumb) } else { Err(CrashError::Migrate { said: done.stderr }) }
    }

    /// Chooses whom the next kill is for: the scan where it is for no server.
    pub(super) const fn victim(&self, choice: u64) -> Option<Fall> {
        match (&self.cluster, choice % KILLS_PER_FALL) {
            (Some(_), 0) => Some(Fall::Killed),
            (Some(_), 1) => Some(Fall::Stopped),
            _ => None,
        }
    }

    /// Ends the server, and has it back.
    pub(super) fn fall(&self, fall: Fall) -> Result<(), CrashError> {
        self.cluster
            .as_ref()
            .map_or(Ok(()), |cluster| cluster.fall(fall))
            .map_err(|err| CrashError::Server { err })
    }

    /// Keeps what a server has, which goes at the end, in a file of the data directory; returns what is to be said.
    pub(super) fn keep(&self, plumb: &Plumb, data: &Path, what: String) -> String {
        if self.cluster.is_none() {
            return what;
        }
        let to = format!("sqlite:{}", data.join("copied.db").display());
        match plumb.run(&["db", "copy", "--quiet", "--to", &to]) {
            Ok(done) => format!("{what}; its database is copied there, which ended with {:?}", done.code),
            Err(err) => format!("{what}; its database could not be copied there: {err}"),
        }
    }
}
