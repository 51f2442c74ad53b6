//! What a backend can do beyond keeping rows. None says that it can what it only imitates.

use super::{Backend, Db};

/// Something that a backend can do: methods of [`Db`], shown by a conformance test on each (FCT-18).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Capability {
    /// A value as it was at an instant, by what was known at another: [`Db::list_as_of`].
    AsOf,
    /// A write that is refused where the value is not the expected one: [`Db::put_claim`].
    CompareAndSet,
    /// A walk along edges: [`Db::walk`].
    Graph,
}

impl Capability {
    /// Every capability.
    pub const ALL: [Self; 3] = [Self::AsOf, Self::CompareAndSet, Self::Graph];

    /// Returns the name that is shown.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::AsOf => "as_of",
            Self::CompareAndSet => "compare_and_set",
            Self::Graph => "graph",
        }
    }
}

impl Db {
    /// Returns what the backend in use can do.
    #[must_use]
    pub const fn capabilities(&self) -> &'static [Capability] {
        match self.0 {
            Backend::Sqlite { .. } | Backend::Postgres { .. } => &Capability::ALL,
        }
    }
}
