//! A consumer that keeps up, without I/O: records go in, and what its strategy makes of them is counted.

use minibatch_core::{
    Error, Timestamp,
    checkpoint::DecisionKind,
    driver::{LogEntry, WindowDriver},
    window::FormedWindow,
};

use super::tally::Tally;

/// One strategy in one partition.
pub(super) struct Simulation<'a> {
    driver: Box<dyn WindowDriver>,
    max_buffer_bytes: usize,
    tally: &'a mut Tally,
    formed: Vec<FormedWindow>,
}

impl<'a> Simulation<'a> {
    pub(super) fn new(driver: Box<dyn WindowDriver>, max_buffer_bytes: usize, tally: &'a mut Tally) -> Self {
        Self { driver, max_buffer_bytes, tally, formed: Vec::new() }
    }

    /// Reads a record at its append time.
    pub(super) fn feed(&mut self, entry: &LogEntry) -> Result<(), Error> {
        let time = entry.time();
        self.idle_until(time)?;
        match entry {
            LogEntry::Messages(chunk) => self.driver.feed(chunk, 0, chunk.len(), &mut self.formed)?,
            LogEntry::Control { slot, time } => self.driver.pass_time(*slot, *time, &mut self.formed)?,
        }
        self.count_closed(time);
        self.tally.held(self.driver.buffer());
        if self.driver.buffer().pinned_bytes() > self.max_buffer_bytes {
            self.driver.decide(DecisionKind::BufferFull, &mut self.formed)?;
            self.count_closed(time);
        }
        Ok(())
    }

    /// Ends at `end`, or where nothing says when, with the last record; emits what is open then.
    pub(super) fn finish(mut self, end: Option<Timestamp>) -> Result<(), Error> {
        if let Some(end) = end {
            self.idle_until(end)?;
        }
        self.driver.decide(DecisionKind::Drain, &mut self.formed)?;
        self.formed.iter().for_each(|window| self.tally.left_open(window));
        self.tally.dropped(self.driver.dropped());
        Ok(())
    }

    /// Grants the deadlines up to `time`, each at its own instant, as a consumer does to which nothing comes.
    fn idle_until(&mut self, time: Timestamp) -> Result<(), Error> {
        while let Some(deadline) = self.driver.deadline().filter(|deadline| deadline.at <= time) {
            self.driver.decide(DecisionKind::Grant(deadline.at), &mut self.formed)?;
            self.count_closed(deadline.at);
        }
        Ok(())
    }

    /// The windows formed just now closed at `time`.
    fn count_closed(&mut self, time: Timestamp) {
        for window in self.formed.drain(..) {
            self.tally.closed(&window, time);
        }
    }
}
