//! The use cases: scanning, posture, history, known keys, the ledger. Every surface calls these and nothing
//! below them. Knows no HTTP, no HTML and no terminal.

mod anchor;
pub mod bundle;
pub mod checkpoint;
pub mod content;
mod context;
pub mod continued;
pub mod copy;
pub mod credentials;
mod database;
pub mod demo;
pub mod erase;
mod error;
pub mod events;
pub mod export;
pub mod facts;
mod file_lock;
mod folder;
pub mod graph;
mod holder;
pub mod host_keys;
pub mod hosts;
pub mod known_hosts;
mod open;
pub mod posture;
pub mod prove;
pub mod prune;
pub mod repair;
pub mod report;
mod rotate;
pub mod scan;
pub mod seal;
pub mod ssh_config;
pub mod state;
pub mod targets;
mod tls;
pub mod verify;
pub mod why;
pub mod witness;

pub use context::{App, Clock, Config, Retention};
pub use database::Database;
pub use error::{Error, Kind};
pub use open::{Migrated, Mode, check, migrate, open};
pub use store::check::Verdict;
pub use store::{Login, echo, registry};
