//! Feeds a log to a strategy and forms its windows: the only code that calls a [`WindowEmitter`](crate::WindowEmitter).
//!
//! Sans I/O: chunks and granted deadlines go in, formed windows and the next deadline come out. What it does is a
//! function of the strategy, the chunks and the decisions, however the chunks are cut and whatever the time.

mod entry;
mod feed;
mod former;
mod replay;

pub use entry::{EntryReader, LogEntry};
pub use feed::{Driver, WindowDriver};
pub use former::WindowFormer;

#[cfg(test)]
mod tests;
