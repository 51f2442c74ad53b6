//! The command line: what can be asked, in the words of the guide.

mod db;
mod facts;
mod ledger;
mod profile;
mod reports;
#[cfg(test)]
mod tests;
mod values;

use std::path::PathBuf;

use app::content::Source;
use clap::{Args, Parser, Subcommand, ValueEnum};
use formats::Format;
use model::{Digest, Severity, Timestamp};

pub(crate) use db::*;
pub(crate) use facts::*;
pub(crate) use ledger::*;
pub(crate) use profile::*;
pub(crate) use reports::*;

/// Measures Linux hosts against hardening rules over SSH, and keeps a record that anyone can check.
#[derive(Debug, Parser)]
#[command(
    name = "plumb",
    version,
    about,
    disable_help_subcommand = true,
    arg_required_else_help = true,
    after_help = "Start with: plumb scan localhost\nExit statuses: 0 yes, 2 no, 3 incomplete, 64 usage, 69 unavailable, 70 internal, 78 configuration"
)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Options of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Options of every command")]
pub(crate) struct Global {
    /// Folder of the database and the signing key [default: ~/.local/share/plumbline]
    #[arg(long, global = true, value_name = "DIR", env = "PLUMB_DATA_DIR", hide_env_values = true)]
    pub(crate) data_dir: Option<PathBuf>,
    /// Another database than the file in the data directory: sqlite:///FILE or postgres://USER@HOST/NAME. The password
    /// comes by PLUMB_DATABASE_PASSWORD or PLUMB_DATABASE_PASSWORD_FILE [env: PLUMB_DATABASE_URL]
    #[arg(long, global = true, value_name = "URL")]
    pub(crate) database: Option<String>,
    /// Use the rules in this folder instead of the shipped ones
    #[arg(long, global = true, value_name = "DIR")]
    pub(crate) content: Option<PathBuf>,
    /// Value of a variable of imported rules, over the one in their folder; may be repeated
    #[arg(long = "var", global = true, value_name = "NAME=VALUE", value_parser = values::variable)]
    pub(crate) variables: Vec<(String, String)>,
    /// Run the profile of this file, laid over the rules: a profile in YAML, or an XCCDF 1.2 tailoring
    #[arg(long, global = true, value_name = "FILE")]
    pub(crate) tailoring: Option<PathBuf>,
    /// Policy file with the witnesses that cosign this ledger's checkpoints
    #[arg(long, global = true, value_name = "FILE", env = "PLUMB_LEDGER_POLICY", hide_env_values = true)]
    pub(crate) ledger_policy: Option<PathBuf>,
    /// File on another trust domain that every checkpoint is appended to
    #[arg(long, global = true, value_name = "FILE", env = "PLUMB_LEDGER_ANCHOR", hide_env_values = true)]
    pub(crate) ledger_anchor: Option<PathBuf>,
    /// How long recorded values are kept at least, in days; 0 for ever
    #[arg(long, global = true, value_name = "DAYS", env = "PLUMB_RETENTION_BODIES_DAYS", default_value_t = 0,
        value_parser = values::days, hide_env_values = true)]
    pub(crate) retention_bodies_days: u32,
    /// How long evidence is kept at least after it stopped being current, in days; 0 for ever, else 90 or more
    #[arg(long, global = true, value_name = "DAYS", env = "PLUMB_RETENTION_EVIDENCE_DAYS", default_value_t = 0,
        value_parser = values::evidence_days, hide_env_values = true)]
    pub(crate) retention_evidence_days: u32,
    /// How long records of access are kept at least, in days; 0 for ever
    #[arg(long, global = true, value_name = "DAYS", env = "PLUMB_RETENTION_ACCESS_LOG_DAYS", default_value_t = 365,
        value_parser = values::days, hide_env_values = true)]
    pub(crate) retention_access_log_days: u32,
    /// How far behind the newest entry that it covers a cosignature may be, in seconds
    #[arg(long, global = true, value_name = "SECONDS", env = "PLUMB_STAMP_MAX_LAG_SECONDS", default_value_t = 86_400,
        value_parser = values::lag_seconds, hide_env_values = true)]
    pub(crate) stamp_max_lag_seconds: u64,
    /// No progress and no notes; results, warnings and errors only
    #[arg(long, short, global = true)]
    pub(crate) quiet: bool,
}

impl Global {
    /// Says which rules are meant.
    pub(crate) fn rules(&self) -> Source<'_> {
        Source {
            dir: self.content.as_deref(),
            variables: &self.variables,
            tailoring: self.tailoring.as_deref(),
        }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Measure hosts and record what changed
    Scan(Box<ScanArgs>),
    /// Explain one rule on one host: expected, found, where, since when, how to fix it
    Why(WhyArgs),
    /// Show results as of now, or as of any instant
    Posture(PostureArgs),
    /// Show what changed on a host, newest first
    History(HistoryArgs),
    /// Show what differs between two instants
    Diff(DiffArgs),
    /// Write stored evidence to standard output, exactly as it was hashed
    Evidence(EvidenceArgs),
    /// Manage the saved hosts
    #[command(subcommand)]
    Host(HostCommand),
    /// Manage the known host keys
    #[command(subcommand)]
    KnownHosts(KnownHostsCommand),
    /// Look at the rules, check them and test them
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Look at profiles: which rules with which values
    #[command(subcommand)]
    Profile(ProfileCommand),
    /// Look at the ledger, verify it and export it
    #[command(subcommand)]
    Ledger(LedgerCommand),
    /// Check that the current state is what the change log says
    #[command(subcommand)]
    State(StateCommand),
    /// Verify an exported bundle or a proof with nothing but a public key
    Verify(VerifyArgs),
    /// Record what is so, should be so or was approved, and ask what was known when
    #[command(subcommand)]
    Fact(FactCommand),
    /// Record what stands in which relation to what
    #[command(subcommand)]
    Edge(EdgeCommand),
    /// Walk along the edges
    #[command(subcommand)]
    Graph(GraphCommand),
    /// Cosign checkpoints of other ledgers, so that none can show two histories
    #[command(subcommand)]
    Witness(WitnessCommand),
    /// Bring the schema of the database up to date; a PostgreSQL database needs this once for each new version
    Migrate(MigrateArgs),
    /// Look after the database itself
    #[command(subcommand)]
    Db(DbCommand),
    /// Mend what no other command works on
    #[command(subcommand)]
    Store(StoreCommand),
    /// Scan two recorded hosts on two dates, to look around without any host
    Demo(DemoArgs),
}

impl Command {
    /// Tells whether this is work on much at once, and not one question or one change.
    pub(crate) const fn is_work(&self) -> bool {
        match self {
            Self::Scan(_)
            | Self::Demo(_)
            | Self::Witness(_)
            | Self::Verify(_)
            | Self::State(_)
            | Self::Rules(_)
            | Self::Profile(_)
            | Self::Db(_)
            | Self::Store(_) => true,
            Self::Ledger(command) => !matches!(
                command,
                LedgerCommand::Status(_) | LedgerCommand::Events(_) | LedgerCommand::Prove(_)
            ),
            Self::Why(_)
            | Self::Posture(_)
            | Self::History(_)
            | Self::Diff(_)
            | Self::Evidence(_)
            | Self::Host(_)
            | Self::KnownHosts(_)
            | Self::Fact(_)
            | Self::Edge(_)
            | Self::Graph(_)
            | Self::Migrate(_) => false,
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct MigrateArgs {
    /// Give a role of a PostgreSQL database the rights of its part (app, verify, ...) and no others; may be given again
    #[arg(long, value_name = "PART=ROLE")]
    pub(crate) grant: Vec<String>,
}

/// List output: aligned on a terminal, tab-separated otherwise.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum ListFormat {
    Text,
    Json,
}

#[derive(Debug, Args)]
#[expect(clippy::struct_excessive_bools, reason = "each is a switch of its own on the command line")]
pub(crate) struct ScanArgs {
    /// localhost, a saved host (name, id or address), an alias of ssh_config, host, user@host or user@host:port; several may
    /// be given
    #[arg(required = true, value_name = "TARGET")]
    pub(crate) targets: Vec<String>,
    /// Private key file; for this scan only where the host is saved
    #[arg(long, short = 'i', value_name = "FILE")]
    pub(crate) identity: Option<String>,
    /// Login name for targets that name none; for this scan only where the host is saved
    #[arg(long, short = 'l', value_name = "NAME")]
    pub(crate) user: Option<String>,
    /// Ask for the login password (or set PLUMB_SSH_PASSWORD)
    #[arg(long)]
    pub(crate) ask_password: bool,
    /// Become root by sudo; for this scan only where the host is saved. Without a sudo password the login's goes to sudo where
    /// the login was by it, and else none
    #[arg(long)]
    pub(crate) sudo: bool,
    /// Ask for the sudo password (or set PLUMB_SUDO_PASSWORD)
    #[arg(long, requires = "sudo")]
    pub(crate) ask_sudo_password: bool,
    /// What to do with a host whose key is not known
    #[arg(long, value_name = "POLICY", default_value = "tofu")]
    pub(crate) host_key_policy: KeyPolicy,
    /// Hosts that are scanned at the same time
    #[arg(long, short = 'j', value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u16).range(1..=256))]
    pub(crate) concurrency: u16,
    /// Run another profile than the host's own
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
    /// Run this rule only; may be repeated
    #[arg(long = "rule", value_name = "ID")]
    pub(crate) rules: Vec<String>,
    /// Run rules with this tag only; may be repeated
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<String>,
    /// Run rules of this severity only; may be repeated
    #[arg(long = "severity", value_name = "SEVERITY", value_parser = severity)]
    pub(crate) severities: Vec<Severity>,
    /// Show results through a framework: cis, stig, nist-800-53
    #[arg(long, value_name = "NAME")]
    pub(crate) framework: Option<String>,
    /// Exit with status 2 only when a rule of at least this severity fails: low, medium, high or critical; never: with none
    #[arg(long, value_name = "SEVERITY", default_value = "low", value_parser = fail_on)]
    pub(crate) fail_on: FailLevel,
    /// How to write the results
    #[arg(long, short, value_name = "FORMAT", default_value = "human", value_parser = scan_format())]
    pub(crate) format: Format,
    /// Write the results to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write the results to a file in another format as well, as in html=web.html; may be repeated
    #[arg(long = "report", value_name = "FORMAT=FILE", value_parser = report_file)]
    pub(crate) reports: Vec<ReportFile>,
    /// List passing rules, too
    #[arg(long, short)]
    pub(crate) verbose: bool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyPolicy {
    /// Refuse it before anything secret is used
    RequireKnown,
    /// Trust it from now on and say so
    Tofu,
}

/// From which severity on a failure counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum FailLevel {
    AtLeast(Severity),
    Never,
}

#[derive(Debug, Args)]
pub(crate) struct WhyArgs {
    /// Rule id
    pub(crate) rule: String,
    /// Saved host
    #[arg(long, value_name = "HOST")]
    pub(crate) host: String,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct PostureArgs {
    /// Saved host; all hosts when none is named
    pub(crate) host: Option<String>,
    /// What was so at this instant (UTC): 2026-03-01, 2026-03-01T10:00:00Z
    #[arg(long, value_name = "T", value_parser = instant)]
    pub(crate) at: Option<Timestamp>,
    /// As far as it was recorded at this instant
    #[arg(long, value_name = "T", value_parser = instant)]
    pub(crate) recorded_at: Option<Timestamp>,
    /// Show controls of a framework: cis, stig, nist-800-53
    #[arg(long, value_name = "NAME")]
    pub(crate) framework: Option<String>,
    /// Use today's mapping of the framework instead of the one of that time
    #[arg(long, requires = "framework")]
    pub(crate) todays_mapping: bool,
    /// Print the answer as a document with ledger proofs, which `plumb verify` checks offline
    #[arg(long, requires = "host", conflicts_with_all = ["framework", "format", "reports"])]
    pub(crate) prove: bool,
    /// Folder with the bundles that `plumb ledger seal` wrote: values that retention removed are proven from there
    #[arg(long, value_name = "DIR", requires = "prove")]
    pub(crate) archive: Option<PathBuf>,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text", value_parser = posture_format())]
    pub(crate) format: PostureFormat,
    /// Write it to this file instead of standard output
    #[arg(long, short, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Write the results to a file in another format as well, as in html=web.html; may be repeated
    #[arg(long = "report", value_name = "FORMAT=FILE", value_parser = report_file)]
    pub(crate) reports: Vec<ReportFile>,
}

#[derive(Debug, Args)]
pub(crate) struct HistoryArgs {
    /// Saved host
    pub(crate) host: String,
    /// Rule id; all rules when none is named
    pub(crate) rule: Option<String>,
    /// Most rows
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) limit: u32,
    /// Rows before this ledger index: the next page begins where the last one ended
    #[arg(long, value_name = "INDEX", value_parser = values::position)]
    pub(crate) before: Option<u64>,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct DiffArgs {
    /// Saved host
    pub(crate) host: String,
    /// The earlier instant (UTC)
    #[arg(long, value_name = "T", value_parser = instant)]
    pub(crate) from: Timestamp,
    /// [default: now]
    #[arg(long, value_name = "T", value_parser = instant)]
    pub(crate) to: Option<Timestamp>,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct EvidenceArgs {
    /// SHA-256 of the evidence or of a scan manifest
    #[arg(value_parser = digest)]
    pub(crate) sha256: Digest,
}

#[derive(Debug, Subcommand)]
pub(crate) enum HostCommand {
    /// Save a host
    Add(HostAddArgs),
    /// List the saved hosts
    List(HostListArgs),
    /// Show one host and its last scans
    Show(HostNameArgs),
    /// Remove a host; its history stays
    Remove(HostRemoveArgs),
}

#[derive(Debug, Args)]
pub(crate) struct HostListArgs {
    /// Those that were removed, with their ids: other commands find their history by these
    #[arg(long)]
    pub(crate) removed: bool,
    #[command(flatten)]
    pub(crate) list: ListArgs,
}

#[derive(Debug, Args)]
pub(crate) struct HostAddArgs {
    /// host, user@host or user@host:port
    pub(crate) target: String,
    /// Name to save it under [default: the target as written]
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
    /// Private key file
    #[arg(long, short = 'i', value_name = "FILE")]
    pub(crate) identity: Option<String>,
    /// Become root by sudo
    #[arg(long)]
    pub(crate) sudo: bool,
    /// Profile that full scans run
    #[arg(long, value_name = "PROFILE")]
    pub(crate) profile: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct HostNameArgs {
    /// Name of the host
    pub(crate) name: String,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct HostRemoveArgs {
    /// Name of the host
    pub(crate) name: String,
}

#[derive(Debug, Args)]
pub(crate) struct ListArgs {
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Subcommand)]
pub(crate) enum KnownHostsCommand {
    /// List the known host keys
    List(ListArgs),
    /// Import keys in the format of known_hosts, hashed names too
    Import(ImportArgs),
    /// Trust this key of a host from now on, and revoke the one of the same type that it replaces
    ///
    /// The host is not asked: compare the key with what you know of it.
    Approve(ApproveArgs),
    /// Revoke a key: a host that shows it is refused
    Revoke(RevokeArgs),
}

#[derive(Debug, Args)]
pub(crate) struct ImportArgs {
    /// File in the format of known_hosts
    pub(crate) file: PathBuf,
    /// Address or address:port to match hashed names against, besides the saved hosts; may be repeated
    #[arg(long = "host", value_name = "HOST")]
    pub(crate) hosts: Vec<String>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT", default_value = "imported")]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct ApproveArgs {
    /// Saved host by name, id or address; else an address or address:port
    pub(crate) host: String,
    /// Type of the public key, as `ssh-keyscan` prints it behind the host
    #[arg(value_name = "TYPE")]
    pub(crate) key_type: String,
    /// The public key itself, as `ssh-keyscan` prints it behind the type
    #[arg(value_name = "BASE64")]
    pub(crate) key: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Debug, Args)]
pub(crate) struct RevokeArgs {
    /// SHA256:... as `plumb known-hosts list` shows it
    pub(crate) fingerprint: String,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RulesCommand {
    /// List rules; as JSON the names of profiles and frameworks, too
    ///
    /// `check` is typed, or shell where a rule runs shell text of its own. `proven by` says where a rule was seen to pass
    /// and to fail: on a host, on a stand_in for one, or on a capture of answers.
    List(RulesListArgs),
    /// Show a rule's file
    Show(RuleArgs),
    /// Explain a rule: what is measured, why, how to fix it, which controls
    Explain(RuleArgs),
    /// Check every file of a rule folder
    Lint(LintArgs),
    /// Run the tests that rules carry
    Test(RulesTestArgs),
    /// Show which controls of a framework rules speak to, and which none does
    Coverage(CoverageArgs),
    /// Tell what becomes of rules in the format of others: loaded, skipped and why, keys that are not honoured
    ImportReport(ImportReportArgs),
    /// Print the JSON Schema of a rule file
    Schema,
}

#[derive(Debug, Args)]
pub(crate) struct RulesListArgs {
    /// Rules with this tag only
    #[arg(long, value_name = "TAG")]
    pub(crate) tag: Option<String>,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct RuleArgs {
    /// Id of the rule
    pub(crate) rule: String,
}

#[derive(Debug, Args)]
pub(crate) struct LintArgs {
    /// Folder with rules/, profiles/ and mappings/ [default: the shipped rules]
    pub(crate) folder: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct ImportReportArgs {
    /// Folder with the rules
    pub(crate) folder: PathBuf,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct RulesTestArgs {
    /// Rules to test [default: all]
    pub(crate) rules: Vec<String>,
}

#[derive(Debug, Args)]
pub(crate) struct DemoArgs {
    /// Folder for the demo's own data [default: demo in the data folder]
    #[arg(long, value_name = "DIR")]
    pub(crate) folder: Option<PathBuf>,
}

fn severity(text: &str) -> Result<Severity, String> {
    text.parse().map_err(|err: model::UnknownName| err.to_string())
}

fn fail_on(text: &str) -> Result<FailLevel, String> {
    if text == "never" {
        return Ok(FailLevel::Never);
    }
    severity(text).map(FailLevel::AtLeast).map_err(|err| format!("{err}, never"))
}

pub(crate) fn instant(text: &str) -> Result<Timestamp, String> {
    text.parse().map_err(|err: model::TimestampError| err.to_string())
}

fn digest(text: &str) -> Result<Digest, String> {
    text.parse().map_err(|err: model::DigestError| err.to_string())
}
