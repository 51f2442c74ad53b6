//! Every SQL statement of the product: migrations, transactions, the append to the ledger, reads as of an
//! instant. Decides nothing: what changed and who may do what is handed in.

pub mod append;
pub mod apply;
pub mod blobs;

pub mod check;
mod codec;
pub mod copy;
pub mod cosignatures;
mod db;
mod dialect;
mod error;
pub mod events;
pub mod facts;
mod files;
pub mod history;
pub mod hosts;
pub mod keys;
pub mod locks;
pub mod log;
pub mod logs;
mod migrate;
pub mod posture;
pub mod privileges;
pub mod proof;
pub mod rebuild;
pub mod registry;
pub mod repair;
pub mod retention;
pub mod scans;
mod strays;
mod tables;

pub use append::{Draft, Nonces};
pub use db::{Capability, Db, Login, Server, SslMode, Tenant, echo};
pub use error::{Class, Problem, Refusal, StoreError};
pub use migrate::SCHEMA_VERSION;
