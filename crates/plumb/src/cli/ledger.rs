//! The command line of the ledger, its verifiers and its witnesses.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use ledger::bundle::Range;

use super::values::position;
use super::{ListArgs, ListFormat, Sight, instant};

/// `plumb ledger init`.
#[derive(Debug, Args)]
pub(crate) struct InitArgs {
    /// What the ledger is called, before its own id: a name of yours, without white space or plus sign [default:
    /// plumbline.local]
    #[arg(long, value_name = "PREFIX")]
    pub(crate) origin: Option<String>,
}

#[derive(Debug, Subcommand)]
pub(crate) enum LedgerCommand {
    /// Begin a ledger with its signing key, and record what this program is
    Init(InitArgs),
    /// Begin a new ledger that goes on with one that was lost or set back
    Continue(ContinueArgs),
    /// Show size, newest checkpoint and public key
    Status(ListArgs),
    /// Cover everything by a signed checkpoint and print it
    Checkpoint,
    /// Re-read and verify everything that the ledger covers
    Verify(LedgerVerifyArgs),
    /// Export a bundle that verifies offline
    Export(ExportArgs),
    /// List what happened to the ledger itself: keys, segments, erasures, holds, starts
    Events(ListArgs),
    /// Export the oldest part that is not sealed yet as a bundle and close it
    Seal(SealArgs),
    /// Sign by a new key from here on; both keys sign the checkpoint in between
    RotateKey(RotateKeyArgs),
    /// Destroy the recorded values behind an entry; the entry and all proofs stay
    Erase(EraseArgs),
    /// Remove what is older than the retention: recorded values of sealed segments, and old evidence
    Prune(PruneArgs),
    /// Forbid erasures
    #[command(subcommand)]
    Hold(HoldCommand),
    /// Prove that an entry is in the log, or that the log only grew, as a file that verifies offline
    Prove(ProveArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ContinueArgs {
    /// Checkpoint, anchor or bundle of the old ledger, with the newest of its heads that is known
    #[arg(required = true, value_name = "OLD")]
    pub(crate) old: Vec<PathBuf>,
    /// Public key of the old ledger; may be repeated
    #[arg(long = "vkey", value_name = "KEY", required = true)]
    pub(crate) vkeys: Vec<String>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Begin a new ledger although nothing of the old one is missing
    #[arg(long)]
    pub(crate) without_loss: bool,
}

#[derive(Debug, Args)]
pub(crate) struct ProveArgs {
    /// Prove the entry at this index, counted on through the logs that this one goes on with
    #[arg(long, value_name = "N", group = "claim", value_parser = position)]
    pub(crate) index: Option<u64>,
    /// Prove the newest entry of a recorded row, such as transactions/0190b2e5-...
    #[arg(long, value_name = "TABLE/KEY", group = "claim")]
    pub(crate) row: Option<String>,
    /// Prove that the log extends the one of this many entries, of which a checkpoint was signed
    #[arg(long, value_name = "OLD", group = "claim", value_parser = position)]
    pub(crate) consistency: Option<u64>,
    /// Under the checkpoint of this many entries [default: the newest]
    #[arg(long, value_name = "N", value_parser = position)]
    pub(crate) size: Option<u64>,
    /// Leave the entry and its body out: whoever verifies must have the entry
    #[arg(long, conflicts_with = "consistency")]
    pub(crate) bare: bool,
    /// Folder with the bundles that `plumb ledger seal` wrote: a body that retention removed is read from there
    #[arg(long, value_name = "DIR", conflicts_with = "bare")]
    pub(crate) archive: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) sight: Sight,
    /// Write the proof to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct LedgerVerifyArgs {
    /// Folder with the bundles that `plumb ledger seal` wrote: each sealed segment must be there
    #[arg(long, value_name = "DIR")]
    pub(crate) archive: Option<PathBuf>,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct SealArgs {
    /// Seal what was recorded before this date or instant [default: now]
    #[arg(long, value_name = "T", value_parser = instant)]
    pub(crate) before: Option<model::Timestamp>,
    /// Folder of the archive; the bundle goes into a folder of its own in it
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) sight: Sight,
}

#[derive(Debug, Args)]
pub(crate) struct RotateKeyArgs {
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// The old key is lost or known to others: what it signs from now on is not to be trusted
    #[arg(long)]
    pub(crate) revoke_old: bool,
}

#[derive(Debug, Args)]
pub(crate) struct EraseArgs {
    /// Index of the entry
    #[arg(value_parser = position)]
    pub(crate) index: u64,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Who approved it; not the one who runs it
    #[arg(long, value_name = "NAME")]
    pub(crate) approved_by: String,
    /// Keep the evidence and the manifest that the entry names
    #[arg(long)]
    pub(crate) body_only: bool,
}

#[derive(Debug, Args)]
pub(crate) struct PruneArgs {
    /// Folder with the bundles that `plumb ledger seal` wrote; needed to prune recorded values
    #[arg(long, value_name = "DIR")]
    pub(crate) archive: Option<PathBuf>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Who approved it; not the one who runs it
    #[arg(long, value_name = "NAME")]
    pub(crate) approved_by: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HoldCommand {
    /// Forbid to erase what was recorded of a host, or anything
    Add(HoldAddArgs),
    /// End a hold
    Release(HoldReleaseArgs),
    /// List the holds in force
    List(ListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct HoldAddArgs {
    /// Name of the hold, such as a case number
    pub(crate) name: String,
    /// The host whose records it protects [default: everything]
    #[arg(long, value_name = "HOST")]
    pub(crate) host: Option<String>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct HoldReleaseArgs {
    /// Name of the hold
    pub(crate) name: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct ExportArgs {
    /// Folder to write to; it must not exist or be empty
    #[arg(long, short, value_name = "DIR")]
    pub(crate) output: PathBuf,
    #[command(flatten)]
    pub(crate) sight: Sight,
}

#[derive(Debug, Subcommand)]
pub(crate) enum StateCommand {
    /// Rebuild the current state from the change log and report each difference
    Verify(ListArgs),
}

#[derive(Debug, Args)]
pub(crate) struct VerifyArgs {
    /// Folder of a bundle, or file of a proof or of a proven posture
    pub(crate) bundle: PathBuf,
    /// The entry that a bare proof speaks of
    #[arg(long, value_name = "FILE")]
    pub(crate) entry: Option<PathBuf>,
    /// Public key to trust, as `plumb ledger status` prints it; may be repeated
    #[arg(long = "vkey", value_name = "KEY", required_unless_present = "policy")]
    pub(crate) vkeys: Vec<String>,
    /// Policy file: the logs to trust, and which witnesses must have cosigned the checkpoint
    #[arg(long, value_name = "FILE")]
    pub(crate) policy: Option<PathBuf>,
    /// The bundle is of these entries only, the first and the one behind the last; without it, of the whole log
    #[arg(long, value_name = "FROM..TO", value_parser = range)]
    pub(crate) range: Option<Range>,
    /// An older checkpoint, bundle or receipt that the log must extend; may be repeated
    #[arg(long, value_name = "OLDER")]
    pub(crate) against: Vec<PathBuf>,
    /// A bundle of the ledger that this one goes on with; may be repeated
    #[arg(long, value_name = "BUNDLE")]
    pub(crate) earlier: Vec<PathBuf>,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum WitnessCommand {
    /// Serve the C2SP tlog-witness protocol; prints the line of a policy file that names it when ready
    Serve(WitnessServeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct WitnessServeArgs {
    /// Address and port; port 0 takes any that is free
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub(crate) listen: std::net::SocketAddr,
    /// Folder for its key and what it cosigned
    #[arg(long, value_name = "DIR")]
    pub(crate) dir: PathBuf,
    /// Key of a log to watch, or `KEY ORIGIN` where the key is not named like the log; may be repeated
    #[arg(long = "log", value_name = "VKEY", required = true)]
    pub(crate) logs: Vec<String>,
    /// File of the certificate to serve https under, PEM, with those that vouch for it behind it
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    pub(crate) tls_cert: Option<PathBuf>,
    /// File of the certificate's private key, PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    pub(crate) tls_key: Option<PathBuf>,
    /// Name for a new key, like a URL without its scheme [default: witness.local/ and random digits]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

/// Reads `FROM..TO`, which has at least one entry.
fn range(text: &str) -> Result<Range, String> {
    let (from, to) = text.split_once("..").ok_or("write it as 0..256")?;
    let number = |text: &str| text.parse::<u64>().map_err(|err| format!("{text:?}: {err}"));
    let range = Range { from: number(from)?, to: number(to)? };
    if range.from < range.to { Ok(range) } else { Err("no entry lies in it".to_owned()) }
}
