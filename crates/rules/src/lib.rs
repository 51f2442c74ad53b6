//! Rule content: loading it, choosing rules for a platform, planning what to ask a host, and judging the
//! answers.
//!
//! Pure: no I/O, no clock, no randomness. `app` hands in file texts and observations; `transport` asks the
//! host; digests of rules and documents are `app`'s.

mod characteristics;
mod compare;
mod compile;
mod corpus;
mod error;
mod evaluate;
mod evidence;
mod facts;
mod fix;
mod located;
mod mask;
mod methods;
mod near;
mod outcome;
mod plan;
mod relations;
mod rule;
mod schema;
mod select;
mod source;
mod testing;
mod version;
mod yaml;

pub use characteristics::{Family, characteristics};
pub use corpus::{Corpus, FILES_MAX, Mapping, Profile};
pub use error::{LoadError, SelectError};
pub use evaluate::evaluate;
pub use fix::{Fix, Mechanism};
pub use mask::{Masker, MaskerError};
pub use near::nearest;
pub use plan::{KEEP_BYTES_MAX, Plan, READ_BYTES_MAX, TIMEOUT_MS, plan};
pub use probes::format::keyvalue::Format;
pub use relations::{Edges, relations};
pub use rule::{PlatformPattern, Rule, ValueSpec};
pub use schema::schema;
pub use select::{Selected, Selection, Values};
pub use source::file::{Disruption, Proof, RuleFormat, ValueKind};
pub use source::value::Tunable;
pub use testing::{TestOutcome, run_rule_tests};
pub use yaml::parse as parse_yaml;
