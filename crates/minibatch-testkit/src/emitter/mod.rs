//! Tests of window strategies.
//!
//! [`check()`] says in a line what a strategy makes of a log. [`Suite`] checks on random logs what holds of every
//! strategy ([`Law`]): the windows depend on the log alone, not on chunks, fetch sizes, restarts or who asks how often.
//!
//! ```
//! use minibatch_core::{Buffer, Fingerprint, Readiness, Timestamp, WindowEmitter, window::{Reason, Selection}};
//! use minibatch_testkit::emitter::{Suite, check};
//!
//! struct Pairs;
//!
//! impl WindowEmitter for Pairs {
//!     fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
//!         if buffer.len() >= 2 { Readiness::Ready } else { Readiness::wait() }
//!     }
//!
//!     fn query(&mut self, _buffer: &Buffer) -> Selection {
//!         Selection::first(2, Reason::Count)
//!     }
//!
//!     fn fingerprint(&self) -> Fingerprint {
//!         Fingerprint::new("pairs", 1, "")
//!     }
//! }
//!
//! check(|| Pairs, "a b | c@1 d e", &["ab count", "cd count@1"]);
//! Suite::new(|| Pairs).check();
//! ```
//!
//! A strategy that forgets something over a restart is found out:
//!
//! ```
//! # use minibatch_core::{Buffer, Readiness, Timestamp, WindowEmitter, window::{Reason, Selection}};
//! use minibatch_testkit::emitter::{Law, Suite};
//!
//! /// Windows of one, two, three, … messages.
//! struct Growing(usize);
//!
//! impl WindowEmitter for Growing {
//!     fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
//!         if buffer.len() > self.0 { Readiness::Ready } else { Readiness::wait() }
//!     }
//!
//!     fn query(&mut self, _buffer: &Buffer) -> Selection {
//!         self.0 += 1;
//!         Selection::first(self.0, Reason::Count)
//!     }
//!     // without `snapshot` and `restore` it begins with one message after every restart
//! }
//!
//! let failure = Suite::new(|| Growing(0)).run().unwrap_err();
//! assert_eq!(failure.law(), Law::Restore);
//! ```

mod accounting;
mod check;
mod crashes;
mod explained;
mod failure;
mod generate;
mod laws;
mod layout;
mod often;
mod parse;
mod run;
mod script;
mod suite;
#[cfg(test)]
mod tests;

pub use check::check;
pub use failure::Failure;
pub use laws::Law;
pub use suite::Suite;
