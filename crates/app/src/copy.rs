//! Carrying a whole store to another database, and verifying what arrived there.

use ledger::Report;
pub use store::copy::Step;
use store::{Db, Login};

use crate::context::Config;
use crate::database::{Database, Place};
use crate::error::{Error, Kind};
use crate::holder;
use crate::open::{open_place, open_tenant, require};
use crate::state::Difference;

/// A store that was carried across.
#[derive(Debug)]
pub struct Copied {
    /// For people: where it came from, and where it is now.
    pub from: String,
    pub to: String,
    pub tables: usize,
    pub rows: u64,
    pub tenants: Vec<Arrived>,
}

/// What verifying a tenant's records in the copy came to.
#[derive(Debug)]
pub struct Arrived {
    pub slug: String,
    pub report: Report,
    pub differences: Vec<Difference>,
}

/// Copies everything of the configured database into an empty one, and verifies it there: each ledger, and each current
/// state. Keys, anchors and archives are not in a database and stay where they are.
///
/// # Errors
/// When both are the same, the source holds no ledger, the target is not empty or of another version, the source is being
/// written, or the two cannot be used: nothing is copied then.
pub async fn copy(
    config: &Config,
    to: &Database,
    tell: &mut (dyn FnMut(Step<'_>) + Send),
) -> Result<Copied, Error> {
    if to.is_default() {
        let message = "where the copy goes is not said";
        return Err(Error::new(Kind::Usage, message)
            .hint("say it by --to sqlite:FILE or --to postgres://USER@HOST/NAME"));
    }
    let from = config.database.place(&config.data_dir)?;
    let to = to.place(&config.data_dir)?;
    require(&from)?;
    if from.is_same(&to) {
        let message = "both ends of the copy are the same database";
        return Err(Error::new(Kind::Usage, message).hint("name another one by --to"));
    }
    let from = open_place(from, Login::Owner).await?;
    let done = into(config, &from, to, tell).await;
    from.close().await;
    done
}

async fn into(
    config: &Config,
    from: &Db,
    to: Place,
    tell: &mut (dyn FnMut(Step<'_>) + Send),
) -> Result<Copied, Error> {
    // Before the target is opened, which makes a file that is not there.
    if from.list_tenants().await?.is_empty() {
        return Err(Error::new(Kind::Unavailable, format!("{} holds no ledger", from.place()))
            .hint("name the database that holds it by --from"));
    }
    let to = open_place(to, Login::Owner).await?;
    let done = between(config, (from, &to), tell).await;
    to.close().await;
    done
}

async fn between(
    config: &Config,
    (from, to): (&Db, &Db),
    tell: &mut (dyn FnMut(Step<'_>) + Send),
) -> Result<Copied, Error> {
    let leases = from.leases(config.clock.now()).await?;
    if let Some(lease) = leases.iter().find(|lease| !holder::is_gone(&lease.holder)) {
        let message =
            format!("a scan or change of {} is under way until {} at the latest", from.place(), lease.until);
        return Err(Error::new(Kind::Unavailable, message).hint("wait for it to end, then copy again"));
    }
    let copied = from.copy_to(to, tell).await?;
    let mut tenants = Vec::new();
    for slug in copied.slugs {
        tenants.push(arrived(config, to, slug).await.map_err(|err| unverified(to, err))?);
    }
    Ok(Copied { from: from.place(), to: to.place(), tables: copied.tables, rows: copied.rows, tenants })
}

/// Verifies the records of a tenant in the copy.
async fn arrived(config: &Config, to: &Db, slug: String) -> Result<Arrived, Error> {
    let app = open_tenant(config, to, &slug).await?;
    let report = app.verify_ledger(None).await?;
    let differences = app.verify_state().await?;
    Ok(Arrived { slug, report, differences })
}

/// Says that a copy is there, though nothing is known of it.
fn unverified(to: &Db, mut err: Error) -> Error {
    err.message =
        format!("everything was copied to {}, and could not be verified there: {}", to.place(), err.message);
    err.hint("verify it by `plumb ledger verify` and `plumb state verify` with --database")
}
