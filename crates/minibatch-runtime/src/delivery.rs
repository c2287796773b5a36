//! How often a window takes effect, and on which condition.
//!
//! A window's function may be called more than once for it: an attempt fails, a process dies, an owner is paused for so long
//! that another takes over. What it *does* then counts more than once, unless one of these is chosen. No mode covers what
//! it does not name.
//!
//! | mode | what takes effect once | condition |
//! |---|---|---|
//! | at least once, the default | nothing: every message gets to the function until it has succeeded | |
//! | [`transactional`](crate::Streaming::transactional) | the window's [`Effects`] | into tables of the same SQLite file, or collections of the same MongoDB database, which must be a replica set |
//! | [`idempotent`](crate::Streaming::idempotent) | what the function puts in place of whatever is there under the window's id | each attempt replaces all of it at once, and leaves nothing else behind when it fails |
//! | [`into`](crate::Streaming::into) another stream | what the function returns, as messages of that stream | the function returns the same for the same messages |
//! | a [`StableProducer`](crate::StableProducer)'s [`append_batch`](crate::StableProducer::append_batch) | the batch | its source numbers its batches and gives the same batch under the same number |
//!
//! **What no mode covers**: everything else that a function does. A request it sends, a file it writes, a counter it raises
//! happens at least once, and, where an owner was paused and taken for dead, possibly at the same time as its heir does it.
//! Give the receiver the window's [id](crate::Window::id) to tell repeats by.
//!
//! # Transactional
//! The function says what is to be written; it is written after the function has returned, in one transaction with the
//! commit that marks the window done. Either both are there after a crash, or neither. A former owner's commit is refused,
//! and its effects with it.
//!
//! ```
//! # use minibatch_core::params;
//! # use minibatch_runtime::Window;
//! # use minibatch_core::Error;
//! async fn total(window: Window<i64>) -> Result<(), Error> {
//!     let sum: i64 = window.data.iter().sum();
//!     window.effects().sql(
//!         "INSERT INTO totals (key, sum) VALUES ('all', ?1) ON CONFLICT (key) DO UPDATE SET sum = sum + excluded.sum",
//!         params![sum],
//!     )
//! }
//! ```
//!
//! - *SQLite*: statements of SQL, one each, on tables of your own in the file that the storage has open. Make them with any
//!   SQLite of your own (3.51.3 or newer), or by a `CREATE TABLE IF NOT EXISTS` among the effects. Minibatch's own tables
//!   are out of reach, and so are other files, pragmas, and the transaction. Triggers do not run. A statement that takes
//!   long holds up everything that is written to the file, heartbeats included.
//! - *MongoDB*: documents in collections of your own in the storage's database, whose names do not begin with minibatch's
//!   prefix. They are made where they are missing. The transaction ends within 10 s, or is begun again.
//!   Whoever takes over from a process that died in the middle of one has it broken off, if both are the same user of the
//!   database; else what it has written stays locked until the server ends it, by default a minute later.
//! - *In memory* there is none: the consumer does not start.
//!
//! Windows share a transaction. Where the database refuses an effect, a duplicate key for example, each of them gets one of
//! its own, and the one at fault is tried again as if its function had failed; with one worker, those behind it wait.
//! Effects can not be read back by the function, and say nothing of what another program has written meanwhile: let them
//! change what is there (`n = n + ?1`) instead of setting what was read before.
//!
//! # Idempotent
//! A window's [id](crate::Window::id) stands for the same messages in the same order, whatever crashes. What is not in the
//! log and ends a window (a wait that is over, the end of a drain, a full buffer) is made durable **before** a function sees
//! the window: that costs a commit for each such window, and none for windows that the messages themselves end. So a sink
//! that replaces by id, as a file of that name, an object in a store, a document with that `_id`, holds each window once.
//!
//! - A failed attempt must leave nothing that the next one does not replace.
//! - A window is not split to find the message at fault, as pieces have ids of their own: when its attempts are over it goes
//!   to the dead letters whole. Where the sink's keys are the messages' [offsets](crate::MessageMeta::offset), splitting and
//!   [`Window::reject`](crate::Window::reject) do no harm: set [`OnExhausted::DeadLetter`](crate::OnExhausted::DeadLetter).
//! - A strategy that forms other windows of the same messages than it did (a closure that changed, randomness) stops the
//!   consumer with [`WindowsDiffer`](minibatch_core::Cause::WindowsDiffer), here as in transactional mode: at least once
//!   would hand out every window again, under new ids.

//! # Into another stream
//! What the function returns is appended under the window's number: generation of the group, partition, ordinal, and the
//! number of the chunk. The first chunk under a number stands, whoever appends another and however much later, also when it
//! was trimmed since. The window is done once its output is durable; so after a crash in between it comes again, with the
//! same messages as in idempotent mode, and its output is there already. The other stream may be in another storage.
//!
//! ```
//! # use minibatch_runtime::{Output, Window};
//! async fn totals(window: Window<f64>) -> Result<Vec<Output<f64>>, std::io::Error> {
//!     let sum: f64 = window.data.iter().sum();
//!     Ok(vec![Output::new(sum).with_key("all").with_header("window", window.id.to_string())])
//! }
//! ```
//!
//! - The function must return the same for the same messages, and reject the same. Where it does not, a window that comes
//!   again keeps the output that came first, chunk by chunk, and what differs is warned of and counted in
//!   [`Summary::discarded`](crate::Summary::discarded).
//! - A window whose attempts are over goes to the dead letters whole, and has no output, unless an owner that was taken for
//!   dead still appends it.
//! - A group that begins anew (a [seek](crate::Group::seek), another strategy) is another run: its windows have output of
//!   their own.
//! - On MongoDB it holds as long as no request takes effect later than the trimmer's grace (30 s) after it was sent.
//!
//! # Dead letters
//! A message has one dead letter in a run of its group, whatever dies between the letter and the commit, and
//! [`Client::redrive`](crate::Client::redrive) appends a letter once. A letter may stand of a message that succeeded all the
//! same: where the process died before the commit, and the next attempt went well. Of a message in several windows
//! (sliding ones) the first letter stands.

pub use crate::effects::Effects;

/// How often a window takes effect.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum DeliveryMode {
    /// Every message gets to the function until it has succeeded.
    #[default]
    AtLeastOnce,
    /// What windows write takes place with their commit: see [`Streaming::transactional`](crate::Streaming::transactional).
    Transactional,
    /// A window's id stands for the same messages: see [`Streaming::idempotent`](crate::Streaming::idempotent).
    Idempotent,
}
