//! What authors of minibatch storages and strategies test with.
//!
//! # A storage
//!
//! [`storage::Suite`] runs every clause of the contracts in [`minibatch_core::storage`] against your storage. It needs a
//! way to open a client on a *namespace*: two clients of one namespace share their data, two namespaces share nothing.
//!
//! `Cargo.toml`, so that test runners see the cases one by one:
//!
//! ```toml
//! [[test]]
//! name = "conformance"
//! harness = false
//! ```
//!
//! `tests/conformance.rs`, here for the storage in memory:
//!
//! ```
//! use std::{process::ExitCode, sync::Arc};
//!
//! use minibatch_core::storage::Storage;
//! use minibatch_memory::MemoryStorage;
//! use minibatch_testkit::storage::Suite;
//!
//! fn main() -> ExitCode {
//!     Suite::new(|namespace| async move {
//!         let client: Arc<dyn Storage> = Arc::new(MemoryStorage::named(&namespace));
//!         Ok(client)
//!     })
//!     .main()
//! }
//! ```
//!
//! # A strategy
//!
//! [`emitter::check`] says in a line which windows a strategy forms of a log, [`emitter::Suite`] runs what holds of every
//! strategy against yours.
//!
//! # Time
//!
//! [`clock::ManualClock`] stands still until a test moves it.
//!
//! # Runs with faults
//!
//! [`history`] judges from outside what processes went through: what they wrote down, against what is stored in the end.
//!
//! # Logs
//!
//! [`log::chunks`] makes chunks of a line of text, as `a@0 b | c@2`, for tests of strategies that need no storage.
//!
//! # What goes wrong
//!
//! [`cancel`] drops futures half way, [`hostile`] makes BSON that no decoder survives which trusts it, and
//! [`storage::Tapped`] steps in between a storage and whoever calls it.

pub mod cancel;
pub mod clock;
pub mod emitter;
pub mod history;
pub mod hostile;
pub mod log;
mod pause;
mod random;
pub mod storage;
