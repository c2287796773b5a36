//! Judging a run from outside: what the clients wrote down, against what the storage holds in the end.
//!
//! Clients append a line to a file of their own [before they call and after the answer](Event), so that a process that is
//! killed leaves a true account. [`Outcome::judge`] takes all accounts with the final state of the log and the sink, and
//! counts what breaks a promise. It knows neither storage nor runtime, and so shares no fault with them.
//!
//! ```
//! use minibatch_testkit::history::{Event, History, Key, LogRecord, Outcome};
//!
//! let mut told = History::new("producer 1");
//! told.events.push(Event::Invoke { lane: 1, first: 0, count: 2 });
//! told.events.push(Event::Ack { lane: 1, first: 0, count: 2, at: None });
//! let record = LogRecord::data(1, "p", 1, 1, vec![Key { lane: 1, number: 0 }]);
//!
//! let verdict = Outcome { histories: vec![told], log: vec![record], ..Outcome::default() }.judge();
//! assert_eq!((verdict.acked, verdict.lost), (2, 1));
//! assert_eq!(verdict.defects(), [("lost", 1)]);
//! ```

mod appends;
mod event;
mod outcome;
#[cfg(test)]
mod tests;
mod verdict;
mod windows;

pub use event::{Event, History, Key, Member, Unreadable};
pub use outcome::{LogRecord, Outcome, Seen, SinkEntry};
pub use verdict::Verdict;
