//! Content files as written: shapes only. Resolving names and checking meaning is `compile`'s business.

pub(crate) mod file;
pub(crate) mod given;
pub(crate) mod value;
