//! The built-in window strategies.
//!
//! Each says when enough messages have gathered, and is pure: it reads no clock and needs no runtime. Time is the log's
//! own (the *append time* of messages), so a backlog of an hour gives the windows that it would have given live.
//!
//! | strategy | a window closes | its bounds | reason | may wait for ever | the same windows for every group |
//! |---|---|---|---|---|---|
//! | [`CountWindow`]`::new(n)` | with the n-th message | its messages' times | `count` | yes | yes |
//! | [`CountWindow`]`::sliding(n, s)` | with the n-th message, a new one every s | its messages' times | `count` | yes | yes |
//! | [`FixedTimeWindow`]`::new(d)` | when its interval `[k·d, (k+1)·d)` is over, counted from the epoch, an origin, or by the clock of a zone | the interval | `boundary` | no | yes |
//! | [`RelaxedTimeWindow`]`::new(d)` | d after its first message | its messages' times | `max_wait` | no | but at the end of the log |
//! | [`BatchWindow`]`::new()` | at the first of its limits: | its messages' times | | without `max_wait` | |
//! | `.size(n)` | with the n-th message | | `count` | yes | yes |
//! | `.bytes(b)` | before it would have more than b bytes | | `bytes` | yes | yes |
//! | `.until(…)` | with a message of which the predicate holds | | `predicate` | yes | yes |
//! | `.max_wait(d)` | d after its first message | | `max_wait` | no | but at the end of the log |
//! | `.min_size(n)` | `max_wait` waits for n messages | | `max_wait` | yes | but at the end of the log |
//! | [`AdaptiveWindow`]`::new(d)` | with as many messages as the function gets done in d/2, or d/2 after its first message | its messages' times | `count`, `max_wait` | no | no: sizes are measured |
//! | [`TimeWindow`]`::tumbling(d)` | when its interval is over | the interval | `boundary` | no | yes |
//! | [`TimeWindow`]`::sliding(d, s)` | when its interval is over, a new one every s | the interval | `boundary` | no | yes |
//! | [`TimeWindow`]`::calendar(u, tz)` | when the hour, day, week or month of a time zone is over | the interval | `boundary` | no | yes |
//! | [`SessionWindow`]`::new(g)` | when nothing came for g | first message to end | `gap` | while messages come | yes |
//! | `.max_length(d)` | d after its first message | | `max_wait` | no | yes |
//! | `.event_time(…)` of these | when the watermark is there | | `watermark`, `gap` | no | yes |
//! | `.allowed_lateness(d, …)` of [`TimeWindow`] | again for what comes within d after it is over: after a second, or before the next window | the interval | `update` | no | yes |
//! | | late messages: after a second, or before the next window | their append times | `late` | no | yes |
//! | [`PatternWindow`]`::new(p)` | with the message that completes the pattern | its messages' times | `pattern` | yes | yes |
//! | `p.without(…).within(d)` | d after its first message, if no such message came | first message to end | `pattern` | no | yes |
//! | `.timeouts()` | d after its first message, if it is not complete | first message to end | `timeout` | no | yes |
//! | [`ByKey`]: any of these `.by_key()` | for each key apart, as its strategy says | its strategy's | its strategy's | as its strategy | as its strategy |
//! | [`Aggregated`]: `.aggregate(…)` of the windows of time and sessions | as without; it holds [one value](Aggregate) in place of its messages | as without | as without | as without | as without |
//! | `.early(…)` of [any](StrategyExt), an [early firing](Early) | with every n-th message, or d after the first since the firing before: all that are open | of its window by then | `early` | as its strategy | by count as its strategy, by time but at the end of the log |
//! | `.sorted_by(…)`, `.unique_by(…)`, `.sampled(…)` of [any](StrategyExt) | as without: they choose [what it shows](Refined) | as without | as without | as without | as without |
//!
//! Windows are a function of the log, whoever reads it and however often it crashes: at the end of the log, when a deadline
//! comes and no message that would show it, the consumer appends a *punctuation*, a record that says how late it is, and
//! whoever reads the log reads that. The exception are deadlines that only bound a wait, as `max_wait` does: there the
//! consumer *decides* that the time is over and records that with its group. The same group gets the same windows after a
//! crash; another group, which reads the next message right after, need not.
//!
//! The same log through each, with `·` for a second:
//!
//! ```text
//! time                          0 · · · · 5 · · · · 10· · · · 15
//! messages                        a b     c   d         e f
//!
//! CountWindow::new(2)             a b]    c   d]        e f]
//! FixedTimeWindow::new(5 s)       a b    |c   d    |    e f  |
//! RelaxedTimeWindow::new(5 s)     a b     c|  d        |e f      |
//! BatchWindow, size 2, 2 s        a b]    c  |d  |      e f]
//! TimeWindow::tumbling(5 s)       a b    |c   d    |    e f  |
//! SessionWindow::new(4 s)         a b     c   d      |  e f       |
//! ```
//!
//! Where windows slide a message is in several windows, and of a pattern it is in those of its matches, often in none;
//! everywhere else it is in one, which may be [shown before it is over](Early) or [again after](TimeWindow::allowed_lateness).
//!
//! A window ends at `]` with a message, at `|` just before the instant that follows: a message of that very time is in the
//! next window.
//!
//! # Use
//! Give one to a consumer, which checks its parameters when it starts:
//!
//! ```
//! use std::time::Duration;
//!
//! use minibatch_core::{ErrorKind, Strategy, storage::Position};
//! use minibatch_emitters::BatchWindow;
//!
//! let strategy = BatchWindow::new().size(50).max_wait(Duration::from_secs(2));
//! let driver = strategy.driver(Position::START)?;
//! assert_eq!(driver.fingerprint().as_str(), "batch/1(size=50,max_wait=2000ms)");
//!
//! let none = BatchWindow::new().driver(Position::START).unwrap_err();
//! assert_eq!(none.kind(), ErrorKind::InvalidInput);
//! # Ok::<(), minibatch_core::Error>(())
//! ```
//!
//! or `build` the [`WindowEmitter`](minibatch_core::WindowEmitter) itself, to wrap it in one of your own.

mod adaptive;
mod aggregate;
mod batch;
mod bytes;
mod count;
mod early;
mod ext;
mod fixed;
mod inner_state;
mod keyed;
mod millis;
mod pattern;
mod refine;
mod relaxed;
mod strategy;
mod time;

pub use adaptive::{AdaptiveEmitter, AdaptiveWindow};
pub use aggregate::{Accumulator, Aggregate, Aggregated, Distinct, Moments, Quantiles, Top};
pub use batch::{BatchEmitter, BatchWindow};
pub use chrono_tz::Tz;
pub use count::{CountEmitter, CountWindow};
pub use early::{Early, EarlyEmitter, Every};
pub use ext::StrategyExt;
pub use fixed::{FixedTimeEmitter, FixedTimeWindow};
pub use keyed::{ByKey, ByKeyEmitter};
pub use minibatch_core::window::Panes;
pub use pattern::{AfterMatch, Condition, Pattern, PatternEmitter, PatternWindow};
pub use refine::{Keep, Refined, RefinedEmitter, Refinement, Sample, SortedBy, UniqueBy};
pub use relaxed::{RelaxedTimeEmitter, RelaxedTimeWindow};
pub use time::{CalendarUnit, EventTime, SessionEmitter, SessionWindow, TimeEmitter, TimeWindow};
