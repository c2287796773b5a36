//! A driver with its progress: forms a group's windows, again after a restart, and knows which are done.

use std::{collections::BTreeMap, sync::Arc};

use super::{
    LogEntry, WindowDriver,
    replay::{Differs, Replay, Verdict},
};
use crate::{
    Buffer, Cause, Deadline, Error, Explanation, Offset, Served, Slot, Timestamp,
    checkpoint::{Checkpoint, Crashes, DecisionKind, OpenWindow, Progress},
    chunk::Chunk,
    storage::Position,
    window::FormedWindow,
};

/// Forms the windows of one group in one partition.
///
/// Log entries go in, in slot order; windows that are not [done](crate::checkpoint::DoneRanges) yet come out.
/// [`WindowFormer::checkpoint`] says what to store so that another one goes on from there and forms the same windows.
///
/// An error of the cause [`WindowsDiffer`](Cause::WindowsDiffer) says that the strategy forms other windows of the same
/// log than it did before: start again from the same checkpoint [without its done windows](Checkpoint::without_done), or
/// stop.
#[derive(Debug)]
pub struct WindowFormer {
    driver: Box<dyn WindowDriver>,
    replay: Replay,
    progress: Progress,
    formed: Vec<FormedWindow>,
}

impl WindowFormer {
    /// The records that the buffer and the open windows of a checkpoint need, in slot order, each with the append time to
    /// open it with.
    pub fn slots_needed(checkpoint: &Checkpoint) -> impl Iterator<Item = (Slot, Timestamp)> {
        let buffered = checkpoint.base.buffered.iter().map(|slot| (slot.slot, slot.time));
        let mut needed: BTreeMap<Slot, Timestamp> = buffered.collect();
        for window in checkpoint.open.values() {
            needed.extend(window.runs_left().as_slice().iter().map(|run| (run.first.slot(), run.time)));
        }
        needed.into_iter()
    }

    /// Goes on from a checkpoint. `chunks` are the records of [`WindowFormer::slots_needed`], in their order.
    ///
    /// Windows that recorded decisions end at once are added to `out`.
    ///
    /// # Errors
    /// [`Cause::CorruptState`] when the checkpoint is not of this strategy or needs a chunk that is not given;
    /// otherwise as [`WindowFormer::feed`].
    pub fn new(
        mut driver: Box<dyn WindowDriver>,
        checkpoint: Checkpoint,
        chunks: &[Arc<Chunk>],
        out: &mut Vec<FormedWindow>,
    ) -> Result<Self, Error> {
        let replay = Replay::new(&checkpoint.done, &checkpoint.decisions);
        let mut formed = Vec::new();
        driver.restore(&checkpoint.base, chunks, &mut formed)?;
        let mut former = Self { driver, replay, progress: Progress::new(checkpoint), formed };
        former.replay_decisions()?;
        former.deliver(out)?;
        Ok(former)
    }

    /// Takes the next entry of the log. What lies before the position is left out.
    ///
    /// # Errors
    /// [`Cause::WindowsDiffer`] when a replay forms other windows than before, [`Cause::InvalidWindow`] when the
    /// strategy emits without end.
    pub fn feed(&mut self, entry: &LogEntry, out: &mut Vec<FormedWindow>) -> Result<(), Error> {
        while !self.feed_part(entry, out)? {}
        Ok(())
    }

    /// As [`WindowFormer::feed`], but only up to where something may be decided: true if the entry is used up, false to go on
    /// with the same entry.
    ///
    /// # Errors
    /// As [`WindowFormer::feed`].
    pub fn feed_part(&mut self, entry: &LogEntry, out: &mut Vec<FormedWindow>) -> Result<bool, Error> {
        if entry.slot() < self.driver.position().offset.slot() {
            return Ok(true);
        }
        match entry {
            LogEntry::Control { slot, time } => self.driver.pass_time(*slot, *time, &mut self.formed)?,
            LogEntry::Messages(chunk) => self.feed_chunk(chunk)?,
        }
        self.replay_decisions()?;
        self.deliver(out)?;
        Ok(entry.slot() < self.driver.position().offset.slot())
    }

    /// Offers a chunk from where it was left, up to where a recorded decision was taken or the next may be.
    fn feed_chunk(&mut self, chunk: &Arc<Chunk>) -> Result<(), Error> {
        let position = self.driver.position().offset;
        let from = if position.slot() == chunk.slot() { position.index().min(chunk.len()) } else { 0 };
        let decided = self.replay.next_decision().filter(|next| next.slot() == chunk.slot());
        let mut to = decided.map_or(chunk.len(), |next| next.index().clamp(from, chunk.len()));
        if self.is_adaptive() {
            to = self.driver.asked_at(chunk, from, to);
        }
        self.driver.feed(chunk, from, to, &mut self.formed)
    }

    fn replay_decisions(&mut self) -> Result<(), Error> {
        let next = self.driver.position().offset;
        while let Some(decision) = self.replay.take_decision(next) {
            let again = self.driver.decide(decision.kind, &mut self.formed)?;
            if again.number != decision.number {
                return Err(Cause::corrupt_state("checkpoint", "its decisions are not numbered in order").into());
            }
        }
        Ok(())
    }

    fn deliver(&mut self, out: &mut Vec<FormedWindow>) -> Result<(), Error> {
        let differ = |Differs(ordinal)| Error::from(Cause::windows_differ(ordinal));
        for window in self.formed.drain(..) {
            match self.replay.judge(&window).map_err(differ)? {
                Verdict::Deliver => out.push(window),
                Verdict::Skip => {}
            }
        }
        self.replay.passed(self.driver.position().offset).map_err(differ)
    }

    /// Lets windows go by what is not in the log, and records it. What ends windows is to be decided at the tail of the log only.
    ///
    /// # Errors
    /// As [`WindowFormer::feed`].
    pub fn decide(&mut self, kind: DecisionKind, out: &mut Vec<FormedWindow>) -> Result<(), Error> {
        let decision = self.driver.decide(kind, &mut self.formed)?;
        self.progress.decide(decision);
        self.deliver(out)
    }

    /// Marks a window as done: it is not delivered again.
    pub fn settle(&mut self, window: &FormedWindow) {
        self.progress.settle(window);
    }

    /// How far the group has got, to [go back](Self::take_back) to if the next commit is refused.
    #[must_use]
    pub fn progress(&self) -> Progress {
        self.progress.clone()
    }

    /// Goes back to what was `before` a commit that was refused: what was settled since is not done.
    pub fn take_back(&mut self, before: Progress) {
        self.progress.take_back(before);
    }

    /// Keeps what is left of a done window: it is the caller's to try after a restart too.
    pub fn open(&mut self, window: OpenWindow) {
        self.progress.open(window);
    }

    /// Nothing is left of an open window.
    pub fn close(&mut self, ordinal: u64) {
        self.progress.close(ordinal);
    }

    /// The owners before this one died so often in this place.
    pub fn crashed(&mut self, crashes: Crashes) {
        self.progress.crashed(crashes);
    }

    /// What to store.
    ///
    /// # Errors
    /// [`Cause::Encode`] when the strategy's state cannot be encoded.
    pub fn checkpoint(&mut self) -> Result<Checkpoint, Error> {
        // while a replay is under way, a base from here would forget the done windows ahead
        if self.replay.is_over() && self.progress.wants_base() {
            self.progress.offer_base(self.driver.base()?);
        }
        Ok(self.progress.checkpoint())
    }

    /// Whether every window that was done before has been formed again: only then may anything be decided.
    #[must_use]
    pub fn is_caught_up(&self) -> bool {
        self.replay.is_over()
    }

    /// The smallest offset that the last checkpoint needs.
    #[must_use]
    pub fn keep_from(&self) -> Offset {
        self.progress.keep_from()
    }

    /// The instant at which the strategy wants to be asked when nothing comes before.
    #[must_use]
    pub fn deadline(&self) -> Option<Deadline> {
        self.driver.deadline()
    }

    /// What the open window waits for.
    #[must_use]
    pub fn explain(&self) -> Explanation {
        self.driver.explain()
    }

    /// Whether the strategy goes by how a function fares.
    pub fn is_adaptive(&mut self) -> bool {
        self.driver.adaptive().is_some()
    }

    /// The size of windows that the strategy would go on with, after a function was measured: to be
    /// [decided](DecisionKind::Resize).
    pub fn adapt(&mut self, served: Served) -> Option<u64> {
        self.driver.adaptive()?.adapt(served).map(|size| size as u64)
    }

    /// Where the next message is read, and the append time reached.
    #[must_use]
    pub fn position(&self) -> Position {
        self.driver.position()
    }

    /// The messages not yet in a window.
    #[must_use]
    pub fn buffer(&self) -> &Buffer {
        self.driver.buffer()
    }

    /// How many messages the strategy left out since the group began.
    #[must_use]
    pub fn dropped(&self) -> u64 {
        self.driver.dropped()
    }

    /// How many separate ranges of windows are done: grows when a window stays behind.
    #[must_use]
    pub fn done_ranges(&self) -> usize {
        self.progress.done_ranges()
    }
}
