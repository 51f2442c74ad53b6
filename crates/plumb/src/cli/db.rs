//! The command line of the database itself.

use clap::{Args, Subcommand};

use super::{ListArgs, ListFormat};

#[derive(Debug, Subcommand)]
pub(crate) enum DbCommand {
    /// Check that the database can be reached, is ours and whole, and keeps what it should
    Check(ListArgs),
    /// Copy the whole record to another database, and verify it there
    ///
    /// Everything in it goes: all tables of all tenants, with the ledger, its proofs and hashes as they are. The target has to
    /// be empty but for its tables; it gets all or nothing. Signing keys, anchors and archives are files: they stay where
    /// they are, and the copy is used with the same data directory. Stop what writes to the source before, and use only the
    /// copy afterwards: two databases that go on with one ledger are two histories.
    Copy(CopyArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum StoreCommand {
    /// Show how a database would be mended in which a number stands twice, and mend it with --apply
    ///
    /// Such a database lost the key that keeps the numbers of facts or edges apart, and no other command but `plumb ledger
    /// verify` works on it. Of the rows that share a number the one that the ledger confirms stays. The others move to the
    /// table `quarantine`, byte for byte, with a `seam` entry each, and the key is made again; all of it or nothing. Make a
    /// copy of the database before. On a server it works as the owner of the tables, by PLUMB_OWNER_DATABASE_...
    Repair(RepairArgs),
}

#[derive(Debug, Args)]
pub(crate) struct RepairArgs {
    /// Do what is shown without it
    #[arg(long)]
    pub(crate) apply: bool,
    /// How to write what is found
    #[arg(long, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct CopyArgs {
    /// Database to copy: sqlite:FILE or postgres://USER@HOST/NAME, where USER owns the tables; single settings and the
    /// password come by PLUMB_FROM_DATABASE_... [default: PLUMB_OWNER_DATABASE_..., else the database of all other commands]
    #[arg(long, value_name = "URL")]
    pub(crate) from: Option<String>,
    /// Database to fill, as for --from; single settings and the password come by PLUMB_TO_DATABASE_...
    #[arg(long, value_name = "URL")]
    pub(crate) to: Option<String>,
}
