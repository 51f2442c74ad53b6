//! The command line of facts and edges.

use clap::{Args, Subcommand, ValueEnum};
use model::{Classification, Digest, FactType, Timestamp};

use super::values::position;
use super::{ListFormat, digest, instant};

#[derive(Debug, Subcommand)]
pub(crate) enum FactCommand {
    /// Put a value; an equal one changes nothing
    Put(FactPutArgs),
    /// Show the values in force
    Get(FactGetArgs),
    /// Show all versions of a fact, newest first
    History(FactHistoryArgs),
    /// Show what was so at an instant, as far as it was recorded at another
    AsOf(FactAsOfArgs),
    /// Show what differs between two recorded points
    Diff(FactDiffArgs),
    /// End a fact that is no longer so
    Retire(FactRetireArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum EdgeCommand {
    /// Put an edge; an equal one changes nothing
    Put(EdgePutArgs),
    /// End an edge that is no longer so
    Retire(EdgeRetireArgs),
    /// Show the edges of a subject, now or as of two instants
    List(EdgeListArgs),
}

#[derive(Debug, Subcommand)]
pub(crate) enum GraphCommand {
    /// Follow edges from a node, nearest first
    Traverse(TraverseArgs),
    /// Find the shortest way from one node to another
    Path(PathArgs),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Direction {
    /// From subject to target
    Out,
    /// From target to subject
    In,
    Both,
}

/// Who asks.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Sight {
    /// With what is marked as restricted
    #[arg(long)]
    restricted: bool,
}

impl Sight {
    /// Returns the highest classification that is seen.
    pub(crate) const fn up_to(self) -> Classification {
        if self.restricted { Classification::Restricted } else { Classification::Normal }
    }
}

/// How to walk.
#[derive(Debug, Args)]
pub(crate) struct WalkArgs {
    /// Which way edges are followed
    #[arg(long, value_name = "WAY", default_value = "out")]
    pub(crate) direction: Direction,
    /// Follow edges of this relation only
    #[arg(long, value_name = "RELATION")]
    pub(crate) relation: Option<String>,
    #[command(flatten)]
    pub(crate) instants: InstantArgs,
    #[command(flatten)]
    pub(crate) sight: Sight,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct TraverseArgs {
    /// KIND:ID to begin at
    pub(crate) start: String,
    /// Most edges in a row
    #[arg(long, value_name = "N", default_value_t = 3, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) depth: u32,
    #[command(flatten)]
    pub(crate) walk: WalkArgs,
}

#[derive(Debug, Args)]
pub(crate) struct PathArgs {
    /// KIND:ID to begin at
    pub(crate) start: String,
    /// KIND:ID to come to
    pub(crate) goal: String,
    /// Most edges in a row
    #[arg(long, value_name = "N", default_value_t = 16, value_parser = clap::value_parser!(u32).range(1..=16))]
    pub(crate) depth: u32,
    #[command(flatten)]
    pub(crate) walk: WalkArgs,
}

/// What every write may say.
#[derive(Debug, Args)]
pub(crate) struct PutArgs {
    /// From when on it is so (UTC) [default: now]
    #[arg(long, value_name = "T", value_parser = instant)]
    pub(crate) valid_from: Option<Timestamp>,
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Option<String>,
    /// Mark it as not for everybody; needed to replace what is so marked
    #[arg(long)]
    pub(crate) restricted: bool,
    /// Only if this version is in force: a version token, or `absent`
    #[arg(long, value_name = "TOKEN", value_parser = expected)]
    pub(crate) expect: Option<Expect>,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    Absent,
    Token(Digest),
}

fn expected(text: &str) -> Result<Expect, String> {
    if text == "absent" { Ok(Expect::Absent) } else { digest(text).map(Expect::Token) }
}

fn fact_type(text: &str) -> Result<FactType, String> {
    text.parse().map_err(|err: model::UnknownName| err.to_string())
}

#[derive(Debug, Args)]
pub(crate) struct FactPutArgs {
    /// KIND:ID, such as host:web-1; kinds: host group fleet rule package service account network
    pub(crate) subject: String,
    /// What is said of it
    pub(crate) predicate: String,
    /// JSON, or - to read it from standard input
    #[arg(allow_negative_numbers = true)]
    pub(crate) value: String,
    /// observed, desired, known_good or drift
    #[arg(long = "type", short = 't', value_name = "TYPE", value_parser = fact_type)]
    pub(crate) fact_type: FactType,
    #[command(flatten)]
    pub(crate) put: PutArgs,
}

#[derive(Debug, Args)]
pub(crate) struct FactGetArgs {
    /// KIND:ID; a host by its name: host:NAME
    pub(crate) subject: String,
    /// All of them when none is named
    pub(crate) predicate: Option<String>,
    /// What it is: observed, desired, known_good or drift
    #[arg(long = "type", short = 't', value_name = "TYPE", value_parser = fact_type)]
    pub(crate) fact_type: Option<FactType>,
    #[command(flatten)]
    pub(crate) sight: Sight,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct FactHistoryArgs {
    /// KIND:ID; a host by its name: host:NAME
    pub(crate) subject: String,
    /// What is said of it
    pub(crate) predicate: String,
    /// In which sense [default: the one in which it was ever claimed]
    #[arg(long = "type", short = 't', value_name = "TYPE", value_parser = fact_type)]
    pub(crate) fact_type: Option<FactType>,
    /// Most versions
    #[arg(long, value_name = "N", default_value_t = 50, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) limit: u32,
    /// Versions before this seq: the next page begins where the last one ended
    #[arg(long, value_name = "SEQ", value_parser = position)]
    pub(crate) before: Option<u64>,
    #[command(flatten)]
    pub(crate) sight: Sight,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

/// Two instants.
#[derive(Debug, Args)]
pub(crate) struct InstantArgs {
    /// What was so at this instant (UTC) [default: the recorded point]
    #[arg(long, value_name = "T", value_parser = instant)]
    pub(crate) at: Option<Timestamp>,
    /// As far as it was recorded: an instant, or a tree size such as 120 [default: now]
    #[arg(long, value_name = "POINT", value_parser = point)]
    pub(crate) recorded_at: Option<Point>,
}

/// A point on the recorded axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Point {
    At(Timestamp),
    TreeSize(u64),
}

fn point(text: &str) -> Result<Point, String> {
    // An instant never consists of digits alone.
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        position(text).map(Point::TreeSize)
    } else {
        instant(text).map(Point::At)
    }
}

#[derive(Debug, Args)]
pub(crate) struct FactAsOfArgs {
    /// KIND:ID; a host by its name: host:NAME
    pub(crate) subject: String,
    /// All of them when none is named
    pub(crate) predicate: Option<String>,
    /// What it is: observed, desired, known_good or drift
    #[arg(long = "type", short = 't', value_name = "TYPE", value_parser = fact_type)]
    pub(crate) fact_type: Option<FactType>,
    #[command(flatten)]
    pub(crate) instants: InstantArgs,
    #[command(flatten)]
    pub(crate) sight: Sight,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct FactDiffArgs {
    /// KIND:ID; a host by its name: host:NAME
    pub(crate) subject: String,
    /// An instant, or a tree size
    #[arg(long, value_name = "POINT", value_parser = point)]
    pub(crate) from: Point,
    /// An instant, or a tree size [default: now]
    #[arg(long, value_name = "POINT", value_parser = point)]
    pub(crate) to: Option<Point>,
    #[command(flatten)]
    pub(crate) sight: Sight,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct FactRetireArgs {
    /// KIND:ID; a host by its name: host:NAME
    pub(crate) subject: String,
    /// What is said of it
    pub(crate) predicate: String,
    /// What it is: observed, desired, known_good or drift
    #[arg(long = "type", short = 't', value_name = "TYPE", value_parser = fact_type)]
    pub(crate) fact_type: FactType,
    #[command(flatten)]
    pub(crate) retire: RetireArgs,
}

/// What every retirement says.
#[derive(Debug, Args)]
pub(crate) struct RetireArgs {
    /// Why, for the record
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: String,
    /// Only if this version is in force: a version token
    #[arg(long, value_name = "TOKEN", value_parser = expected)]
    pub(crate) expect: Option<Expect>,
    #[command(flatten)]
    pub(crate) sight: Sight,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}

#[derive(Debug, Args)]
pub(crate) struct EdgePutArgs {
    /// KIND:ID, such as host:web-1; kinds: host group fleet rule package service account network
    pub(crate) subject: String,
    /// How it stands to the target
    pub(crate) relation: String,
    /// KIND:ID
    pub(crate) target: String,
    /// JSON, or - to read it from standard input
    #[arg(default_value = "{}", allow_negative_numbers = true)]
    pub(crate) value: String,
    #[command(flatten)]
    pub(crate) put: PutArgs,
}

#[derive(Debug, Args)]
pub(crate) struct EdgeRetireArgs {
    /// KIND:ID; a host by its name: host:NAME
    pub(crate) subject: String,
    /// How they hang together
    pub(crate) relation: String,
    /// KIND:ID of the other end
    pub(crate) target: String,
    #[command(flatten)]
    pub(crate) retire: RetireArgs,
}

#[derive(Debug, Args)]
pub(crate) struct EdgeListArgs {
    /// KIND:ID; a host by its name: host:NAME
    pub(crate) subject: String,
    /// All of them when none is named
    pub(crate) relation: Option<String>,
    #[command(flatten)]
    pub(crate) instants: InstantArgs,
    #[command(flatten)]
    pub(crate) sight: Sight,
    /// How to write what is found
    #[arg(long, short, value_name = "FORMAT", default_value = "text")]
    pub(crate) format: ListFormat,
}
