//! Mini-batch stream processing for humans.
//!
//! Producers append messages to a durable **stream**. When enough has gathered, in number or in time, your function gets
//! a **window**: a mini-batch. What it fails at comes again; nothing is lost, whatever crashes. Streams live in one SQLite
//! file, without a server, or in MongoDB when there is more than one machine: the URL decides.
//!
//! ```no_run
//! use minibatch::prelude::*;
//!
//! #[derive(Serialize, Deserialize)]
//! struct Quake { mag: f64, place: String }
//!
//! #[streaming("quakes", size = 50, max_wait = "2s")]
//! async fn strongest(window: Window<Quake>) {
//!     let quake = window.data.iter().max_by(|a, b| a.mag.total_cmp(&b.mag));
//!     println!("{:?}", quake.map(|quake| &quake.place));
//! }
//!
//! #[tokio::main]
//! async fn main() -> minibatch::Result<()> {
//!     let mb = Minibatch::connect("sqlite://quakes.db").await?;
//!     let quakes = mb.stream::<Quake>("quakes").await?;
//!     quakes.append(&Quake { mag: 7.1, place: "106 km WSW of Sangay".into() }).await?;
//!     strongest.drain(&mb).await?; // what is there; `run` goes on until Ctrl-C
//!     Ok(())
//! }
//! ```
//!
//! Beside `minibatch` such a program has `serde` with `derive`, and `tokio` with `macros` and `rt-multi-thread`, in its
//! manifest.
//!
//! # Where to go from here
//!
//! | you want to | see |
//! |---|---|
//! | append | [`Stream::append`], [`Stream::append_many`] |
//! | run a function on windows | [`streaming`] in front of it, or the builder: [`Stream::streaming`], then [`Streaming::run`] |
//! | give it a database handle of yours | `with(…)`: [`With`]; or capture it in the builder's closure |
//! | pull windows instead | [`Streaming::open`], [`Consumer::next`], [`Window::ack`] |
//! | choose when a window is ready | [`WindowSettings`]; [`CountWindow`], [`FixedTimeWindow`], [`RelaxedTimeWindow`], [`BatchWindow`]; [`TimeWindow`], [`SessionWindow`], by [`EventTime`] if you like |
//! | try strategies on what is recorded | [`WhatIf`] |
//! | form windows by a rule of your own | [`WindowEmitter`], on the crate `minibatch-core` alone |
//! | say how long messages are kept | [`Stream::retain`] with a [`Retention`] |
//! | hold producers back | [`Stream::limit_backlog`] with a [`Backlog`] |
//! | know where every message is | [`Stream::audit`]; [`Stream::status`] for what its consumers do |
//! | run a window again | [`Streaming::keep`], then [`Stream::kept_windows`] |
//! | look at what was given up on | [`Client::dead_letters`] |
//! | look at what came too late for its window | [`Client::late_messages`] |
//! | test functions and strategies without a storage | the module `testing`, with the feature of that name |
//! | keep streams elsewhere | [`storage`], on `minibatch-core` with `minibatch-testkit` for the tests; then [`Minibatch::new`] |
//!
//! # Where streams live
//!
//! | URL | for | feature |
//! |---|---|---|
//! | `sqlite://path` | one machine, any number of processes | `sqlite`, on by default |
//! | `mongodb://…` | any number of machines | `mongodb` |
//! | `memory:`, `memory:name` | tests | |
//!
//! [`Minibatch::connect`] takes one, [`Minibatch::connect_from_env`] takes it from the environment. The semantics are the
//! same. The feature `macros` (on by default) is `#[streaming]`, `full` is all of them.
//!
//! # What is guaranteed
//!
//! | | on the condition that |
//! |---|---|
//! | a message is durable when `append` has returned | the storage keeps what it has acknowledged |
//! | an append that is tried again by the client appends once | |
//! | all readers see the messages of a stream in one order, each producer's in its own | |
//! | every message gets to the function of every group **at least once** | until it is given up on: alone, and with a proof that it is at fault, it goes to the stream `<name>.dead` (see [`OnExhausted`]); or until retention takes it |
//! | after a crash a group gets the same windows again | the strategy is deterministic |
//! | a window takes effect once | in one of the modes of [`delivery`], on its condition |
//! | one consumer of a group works at a time; one that was thought dead can commit nothing | what its function does elsewhere is not stopped |
//!
//! # Errors
//! [`Error`] is the only one. [`ErrorKind`] says what to do next, [`Cause`] what happened.

mod connection;
mod environment;
#[cfg(feature = "macros")]
mod function;
pub mod prelude;
mod settings;
#[cfg(feature = "testing")]
pub mod testing;
mod url;

#[cfg(feature = "macros")]
#[doc(hidden)]
pub use function::Stateful;
#[cfg(feature = "macros")]
pub use function::With;
/// # Example
/// ```
/// use minibatch::prelude::*;
///
/// /// Sums up.
/// #[streaming("numbers", size = 2)]
/// async fn sum(window: Window<u32>) -> Result<(), String> {
///     let sum = window.data.iter().sum::<u32>();
///     println!("{sum}, attempt {}", window.attempt);
///     if sum < 100 { Ok(()) } else { Err("too much for me".to_owned()) }
/// }
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> minibatch::Result<()> {
/// let mb = Minibatch::connect("memory:").await?;
/// mb.stream("numbers").await?.append_many(&[1, 2, 3]).await?;
///
/// let done = sum.drain(&mb).await?;
/// assert_eq!((done.messages, done.windows), (3, 2));
/// # Ok(())
/// # }
/// ```
///
/// # What becomes of the function
/// A value of its name, with these methods:
///
/// - `run(&mb)` on every window until Ctrl-C, as [`Streaming::run`]; `drain(&mb)` up to the end of the stream as it is now,
///   as [`Streaming::drain`]. Both say what they did: [`Summary`].
/// - for a function with a state `with(state)` instead, and then `run` or `drain`: [`With`].
/// - `call(window)`, or `call(window, state)`: the function itself.
/// - `streaming(&mb)`: the consumer with all this set, to set more of it: [`Streaming`].
///
/// As it is a value and not a function, no variable beside it can have its name; inside the function one can.
#[cfg(feature = "macros")]
pub use minibatch_macros::streaming;

pub use bson::{Document, doc};
pub use connection::Minibatch;
pub use minibatch_core::{
    Adaptive, Aggregation, Buffer, BufferedSlot, Cause, Clock, Deadline, EmitterState, Error, ErrorKind, Explanation,
    Fingerprint, GroupName, Message, Observed, Offset, Readiness, Result, Served, Slot, Strategy, StreamName,
    Timestamp, Waiting, WindowEmitter,
    chunk::{Extras, MESSAGE_MAX_BYTES},
    params, storage,
    window::{Bounds, Folded, Leaves, Panes, Picks, Reason, Selection, WindowId},
};
pub use minibatch_emitters::{
    Accumulator, AdaptiveEmitter, AdaptiveWindow, AfterMatch, Aggregate, Aggregated, BatchEmitter, BatchWindow, ByKey,
    ByKeyEmitter, CalendarUnit, Condition, CountEmitter, CountWindow, Distinct, Early, EarlyEmitter, EventTime, Every,
    FixedTimeEmitter, FixedTimeWindow, Keep, Moments, Pattern, PatternEmitter, PatternWindow, Quantiles, Refined,
    RefinedEmitter, Refinement, RelaxedTimeEmitter, RelaxedTimeWindow, Sample, SessionEmitter, SessionWindow, SortedBy,
    StrategyExt, TimeEmitter, TimeWindow, Top, Tz, UniqueBy,
};
pub use minibatch_runtime::{
    Ack, Appended, AppendedShare, Audit, Backlog, Backoff, Client, ClientOptions, Consumer, ConsumerOptions,
    ConsumerState, Difference, Failing, Failure, Group, GroupStatus, KeptMembers, KeptWindow, KeptWindows, LeftOpen,
    MessageId, MessageMeta, NoWindow, OnBufferFull, OnExhausted, OnExpired, OnLate, OnStrategyChange, Outcome, Output,
    Outputs, PartitionAudit, PartitionSeek, PartitionStatus, Retention, RetryAfter, Seek, Spread, StableProducer,
    StartAt, StrategyReport, Stream, StreamOptions, Streaming, StreamingInto, Summary, SystemClock, Term, Terms,
    WhatIf, WhatIfReport, WhenFull, Window, delivery, retry_after,
};
pub use settings::WindowSettings;

#[doc(inline)]
pub use minibatch_memory as memory;
#[cfg(feature = "mongodb")]
#[doc(inline)]
pub use minibatch_mongo as mongodb;
#[cfg(feature = "sqlite")]
#[doc(inline)]
pub use minibatch_sqlite as sqlite;
