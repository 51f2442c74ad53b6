//! Rule content: loading it, choosing rules for a platform, planning what to ask a host, and judging the
//! answers.
//!
//! Pure: no I/O, no clock, no randomness. `app` hands in file texts and observations; `transport` asks the
//! host; digests of rules and documents are `app`'s.

mod compare;
mod compile;
mod corpus;
mod error;
mod format;
mod located;
mod methods;
mod near;
mod rule;
mod schema;
mod source;
mod testing;
mod version;
mod yaml;

pub use corpus::{Corpus, FILES_MAX, Mapping, Profile};
pub use error::{LoadError, SelectError};
pub use methods::setting::Format;
pub use rule::{Fix, Mechanism, PlatformPattern, Rule, ValueSpec};
pub use schema::schema;
pub use source::file::{Disruption, ValueKind};
pub use source::value::Tunable;
