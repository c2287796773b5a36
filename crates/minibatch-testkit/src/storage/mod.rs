//! The conformance suite for storages.
//!
//! A case is named after the clause it tests: `log_02_…` is clause 2 of [`ChunkLog`](minibatch_core::storage::ChunkLog),
//! `stream_…` are [`StreamStore`](minibatch_core::storage::StreamStore)'s, `group_…`
//! [`GroupStore`](minibatch_core::storage::GroupStore)'s, and `general_…` what holds for every operation. The message of
//! a failed case quotes the clause. New clauses bring new cases with a new version of this crate: nothing is listed twice.
//!
//! Every case has a namespace of its own, opens two clients or more, and asks through the one for what it did through
//! the other. It repeats whatever gives an error of kind [`Retry`](minibatch_core::ErrorKind::Retry), and it never
//! relies on how long something takes: where the contract promises something for later (a member's death, the deletion
//! of trimmed records) it asks again until it is so, for at most [`Suite::with_patience`].

mod case;
mod cases;
mod clause;
mod failure;
mod harness;
mod patient;
mod report;
mod suite;
mod tapped;
mod tools;

pub use report::{CaseReport, Outcome, Report};
pub use suite::Suite;
pub use tapped::{Tap, Tapped};
