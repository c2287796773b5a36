//! What would another strategy have made of the recorded stream?
//!
//! [`replay`] reads the log once and feeds every strategy's [`simulation`], which knows no I/O; a [`tally`] counts what
//! comes of it, and the [`report`] is its outcome, which [`table`] prints.

mod replay;
mod report;
mod simulation;
mod table;
mod tally;
#[cfg(test)]
mod tests;

use std::{
    fmt,
    ops::{Bound, RangeBounds},
};

use minibatch_core::{Error, Strategy, Timestamp, storage::StreamInfo};

use crate::{Client, ConsumerOptions, Stream};
pub use report::{LeftOpen, Spread, StrategyReport, WhatIfReport};
use tally::Tally;

/// Runs strategies over a recorded stream, side by side, and says what windows each would have formed: how many, how large,
/// how long messages would have waited, what would have been late, and why windows would have closed.
///
/// ```
/// use std::{sync::Arc, time::Duration};
///
/// use minibatch_emitters::{BatchWindow, CountWindow};
/// use minibatch_runtime::{Client, WhatIf};
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() -> minibatch_core::Result<()> {
/// # let client = Client::new(Arc::new(minibatch_memory::MemoryStorage::new()));
/// let numbers = client.stream::<u32>("numbers").await?;
/// numbers.append_many(&[1, 2, 3, 4, 5]).await?;
///
/// let report = WhatIf::over(&numbers, ..)
///     .strategy("pairs", CountWindow::new(2))
///     .strategy("batches", BatchWindow::new().size(4).max_wait(Duration::from_secs(2)))
///     .report()
///     .await?;
/// println!("{report}");
///
/// let pairs = &report.strategies[0];
/// assert_eq!((pairs.windows, pairs.messages, pairs.left_open.messages), (2, 4, 1));
/// # client.shutdown().await;
/// # Ok(())
/// # }
/// ```
///
/// # What is simulated
/// A live consumer that keeps up: it reads each record at its append time, and when a deadline comes between two records it
/// is idle, and grants it at that very instant, before a message of the same time. How long functions take is no part of
/// it. A strategy begins with nothing in mind at the start of the range, in each partition, as a new group there would.
///
/// The clock is that of the log, so the same records give the same report, whenever and on whatever machine. Where the
/// range ends with an instant, deadlines up to it are granted, as far as it has passed. Otherwise it ends with the last
/// record there is when it begins, at its append time. What is open then is emitted as by
/// [`drain`](crate::Streaming::drain), and counted apart: [`StrategyReport::left_open`].
///
/// # What it costs
/// It reads every record of the range once, for all strategies together, as any reader does; there is no group, and nothing
/// is written. In memory are the records at hand, and what each strategy buffers, up to
/// [`max_buffer_bytes`](Self::max_buffer_bytes) each.
#[must_use = "nothing is read before `report`"]
pub struct WhatIf {
    client: Client,
    stream: StreamInfo,
    from: Bound<Timestamp>,
    to: Bound<Timestamp>,
    max_buffer_bytes: usize,
    candidates: Vec<Candidate>,
}

/// A strategy and what is known of it so far.
struct Candidate {
    name: String,
    strategy: Box<dyn Strategy>,
    tally: Tally,
}

impl WhatIf {
    /// Over the messages of a stream whose append times lie in `range`; `..` for all that are kept.
    ///
    /// What retention has taken from the range is missing.
    pub fn over<T>(stream: &Stream<T>, range: impl RangeBounds<Timestamp>) -> Self {
        Self {
            client: stream.client().clone(),
            stream: stream.info().clone(),
            from: range.start_bound().cloned(),
            to: range.end_bound().cloned(),
            max_buffer_bytes: ConsumerOptions::default().max_buffer_bytes,
            candidates: Vec::new(),
        }
    }

    /// One more strategy, by a name for the report.
    pub fn strategy(mut self, name: impl Into<String>, strategy: impl Strategy) -> Self {
        let (name, strategy) = (name.into(), Box::new(strategy));
        self.candidates.push(Candidate { name, strategy, tally: Tally::new() });
        self
    }

    /// How many bytes of messages a strategy may keep waiting in a partition, that of
    /// [`ConsumerOptions::max_buffer_bytes`] unless said. What is there beyond that is emitted, as with
    /// [`OnBufferFull::Emit`](crate::OnBufferFull::Emit), for the reason
    /// [`BufferFull`](minibatch_core::window::Reason::BufferFull): a consumer that is left at its defaults would stop there.
    pub fn max_buffer_bytes(mut self, bytes: usize) -> Self {
        self.max_buffer_bytes = bytes;
        self
    }

    /// Reads the range, and reports.
    ///
    /// # Errors
    /// [`InvalidWindow`](minibatch_core::Cause::InvalidWindow) where a strategy's parameters make no sense, before anything
    /// is read; [`OffsetTrimmed`](minibatch_core::Cause::OffsetTrimmed) where retention takes what is about to be read; and
    /// what the storage says.
    ///
    /// # Cancel safety
    /// Nothing is written: dropped, it leaves nothing behind.
    pub async fn report(mut self) -> Result<WhatIfReport, Error> {
        self.replay().await.map_err(|error| error.during("what-if"))
    }
}

impl fmt::Debug for WhatIf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.candidates.iter().map(|candidate| candidate.name.as_str()).collect();
        f.debug_struct("WhatIf")
            .field("stream", &self.stream.name)
            .field("range", &(self.from, self.to))
            .field("strategies", &names)
            .finish_non_exhaustive()
    }
}
