//! One strategy with its buffer, log time and count of windows.

use std::{fmt, sync::Arc};

use crate::{
    Adaptive, Buffer, Cause, Deadline, Error, Explanation, Fingerprint, Message, Observed, Offset, Readiness, Run,
    Slot, Timestamp, WindowEmitter,
    checkpoint::{Base, Decision, DecisionKind},
    chunk::Chunk,
    storage::Position,
    window::{Bounds, FormedWindow, Leaves, Purpose, Reason, Selection, WindowChain},
};

/// How many windows of a key and a stretch of time in a row may take nothing out of the buffer before the strategy is taken
/// to be stuck.
const STUCK_AFTER: usize = 1 << 16;

/// A [`Driver`] of whatever strategy: one dynamic call a chunk.
pub trait WindowDriver: fmt::Debug + Send {
    /// Offers messages `from..to` of `chunk`, granting the deadlines that its time passes first.
    ///
    /// # Errors
    /// [`Cause::InvalidWindow`] when the strategy emits without end.
    fn feed(&mut self, chunk: &Arc<Chunk>, from: u32, to: u32, out: &mut Vec<FormedWindow>) -> Result<(), Error>;

    /// Moves append time to `time`, granting the deadlines up to it: for a record without messages.
    ///
    /// # Errors
    /// As [`WindowDriver::feed`].
    fn pass_time(&mut self, slot: Slot, time: Timestamp, out: &mut Vec<FormedWindow>) -> Result<(), Error>;

    /// Lets windows go by what is not in the log. The decision must be kept to form the same windows again.
    ///
    /// # Errors
    /// As [`WindowDriver::feed`].
    fn decide(&mut self, kind: DecisionKind, out: &mut Vec<FormedWindow>) -> Result<Decision, Error>;

    /// The instant at which the strategy wants to be asked, if there is one.
    fn deadline(&self) -> Option<Deadline>;

    /// What the open window waits for.
    fn explain(&self) -> Explanation;

    /// Up to where messages from `from` on can be offered before the strategy is asked for a window, at most `to`.
    fn asked_at(&self, chunk: &Chunk, from: u32, to: u32) -> u32;

    /// The strategy, if it goes by how a function fares.
    fn adaptive(&mut self) -> Option<&mut dyn Adaptive>;

    /// Everything needed to go on from here.
    ///
    /// # Errors
    /// [`Cause::Encode`] when the strategy's state cannot be encoded.
    fn base(&self) -> Result<Base, Error>;

    /// Goes on from `base`. `chunks` are those that its buffer needs, in slot order, opened with the times it gives them.
    ///
    /// # Errors
    /// [`Cause::CorruptState`] when the state is not this strategy's or a chunk is missing.
    fn restore(&mut self, base: &Base, chunks: &[Arc<Chunk>], out: &mut Vec<FormedWindow>) -> Result<(), Error>;

    /// What is buffered.
    fn buffer(&self) -> &Buffer;

    /// Where the next message will be read, and the append time reached.
    fn position(&self) -> Position;

    /// How many messages the strategy left out so far.
    fn dropped(&self) -> u64;

    /// The strategy's fingerprint.
    fn fingerprint(&self) -> Fingerprint;
}

/// A strategy with its buffer, log time and count of windows.
///
/// ```
/// use minibatch_core::{driver::{Driver, WindowDriver}, Buffer, Readiness, Timestamp, WindowEmitter};
/// use minibatch_core::{storage::Position, window::{Reason, Selection}};
/// # struct Pairs;
/// # impl WindowEmitter for Pairs {
/// #     fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
/// #         if buffer.len() >= 2 { Readiness::Ready } else { Readiness::wait() }
/// #     }
/// #     fn query(&mut self, _buffer: &Buffer) -> Selection { Selection::first(2, Reason::Count) }
/// # }
///
/// let driver = Driver::new(Pairs, Position::START);
/// assert_eq!(driver.deadline(), None);
/// ```
pub struct Driver<E> {
    emitter: E,
    buffer: Buffer,
    /// The next message offered has this offset or a greater one.
    next: Offset,
    append_time: Timestamp,
    /// How many messages lie before the next one in the log.
    count: u64,
    log_time: Timestamp,
    ordinal: u64,
    decision: u64,
    chain: WindowChain,
    dropped: u64,
    left: u64,
    /// How many messages are in what the strategy remembers, and not in the buffer.
    folded: u64,
    /// How many of the buffered messages are counted in `left`.
    kept: u64,
    /// The strategy is not asked before so many more messages were offered,
    more: usize,
    /// or messages of so many more bytes.
    more_bytes: usize,
    deadline: Option<Deadline>,
}

impl<E: WindowEmitter> Driver<E> {
    /// Starts at `position` with nothing buffered.
    pub fn new(emitter: E, position: Position) -> Self {
        Self {
            emitter,
            buffer: Buffer::new(),
            next: position.offset,
            append_time: position.time,
            count: position.count,
            log_time: position.time,
            ordinal: 1,
            decision: 1,
            chain: WindowChain::default(),
            dropped: 0,
            left: 0,
            folded: 0,
            kept: 0,
            more: 1,
            more_bytes: usize::MAX,
            deadline: None,
        }
    }

    /// The strategy.
    pub fn emitter(&self) -> &E {
        &self.emitter
    }

    /// Offers messages, up to one with which the strategy is due; says where it stopped.
    fn offer(&mut self, chunk: &Arc<Chunk>, from: u32, to: u32) -> u32 {
        let (mut kept_from, mut end) = (from, from);
        let mut is_due = false;
        while end < to && !is_due {
            let observed = self.emitter.observe(&Message::new(chunk, end));
            is_due = self.emitter.is_due();
            end += 1;
            let left_out = match observed {
                Observed::Keep => continue,
                Observed::Drop => &mut self.dropped,
                Observed::Fold => &mut self.folded,
            };
            *left_out += 1;
            self.buffer.push(chunk, kept_from, end - 1);
            kept_from = end;
        }
        self.buffer.push(chunk, kept_from, end);
        self.next = chunk.offset(end);
        self.count += u64::from(end - from);
        self.more = if is_due { 0 } else { self.more.saturating_sub((end - from) as usize) };
        if self.more_bytes < usize::MAX {
            self.more_bytes = self.more_bytes.saturating_sub(chunk.size_between(from, end));
        }
        end
    }

    /// Asks until the strategy waits.
    fn ask(&mut self, out: &mut Vec<FormedWindow>) -> Result<(), Error> {
        let mut stuck = 0;
        loop {
            match self.emitter.window_ready(&self.buffer, self.log_time) {
                Readiness::Wait { more, bytes, until } => {
                    self.more = more.max(1);
                    self.more_bytes = bytes;
                    self.deadline = until.filter(|until| until.at > self.log_time);
                    return Ok(());
                }
                Readiness::Ready => {
                    let selection = self.emitter.query(&self.buffer);
                    stuck = if self.form(selection, out)? { 0 } else { stuck + 1 };
                    if stuck == STUCK_AFTER {
                        let reason = "the strategy is ready again and again without taking a message";
                        return Err(Cause::invalid_window(reason).into());
                    }
                }
            }
        }
    }

    /// Grants every deadline up to `time`, each at its own instant.
    fn grant_up_to(&mut self, time: Timestamp, out: &mut Vec<FormedWindow>) -> Result<(), Error> {
        while let Some(deadline) = self.deadline.filter(|deadline| deadline.at <= time) {
            self.log_time = self.log_time.max(deadline.at);
            self.ask(out)?;
        }
        self.log_time = self.log_time.max(time);
        Ok(())
    }

    /// Does what was selected; true if that takes something out of the buffer, or is a window of another key or another
    /// stretch of time than the one before.
    fn form(&mut self, selection: Selection, out: &mut Vec<FormedWindow>) -> Result<bool, Error> {
        let buffered = self.buffer.len();
        if !selection.forms_window() {
            self.buffer.take(selection.picks, &selection.leaves);
            let removed = (buffered - self.buffer.len()) as u64;
            match selection.purpose {
                Purpose::Release => self.kept -= removed.min(self.kept),
                Purpose::Drop | Purpose::Window => self.dropped += removed,
            }
            return Ok(removed > 0);
        }
        let kept = match &selection.leaves {
            Leaves::Kept(offsets) => offsets.iter().filter(|offset| self.buffer.get(**offset).is_some()).count() as u64,
            _ => 0,
        };
        let mut members = self.buffer.take(selection.picks, &selection.leaves);
        let bounds = selection
            .bounds
            .or_else(|| Bounds::around(members.runs().iter().map(Run::time)))
            .unwrap_or_else(|| Bounds::new(self.log_time, self.log_time));
        let mut leaving = (buffered - self.buffer.len()) as u64 + kept;
        let folded = match selection.folded {
            Some((folded, folded_leaving)) => {
                members = folded.before(&members)?;
                self.folded = self.folded.saturating_sub(folded_leaving);
                leaving += folded_leaving;
                Some(folded)
            }
            None => None,
        };
        self.chain = self.chain.link(self.ordinal, &members, folded.as_ref());
        let is_other = |last: &FormedWindow| last.key != selection.key || last.bounds != bounds;
        let is_progress = leaving > 0 || out.last().is_some_and(is_other);
        out.push(FormedWindow {
            ordinal: self.ordinal,
            members,
            folded,
            bounds,
            key: selection.key,
            reason: selection.reason,
            next: self.next,
            chain: self.chain,
            leaving,
            left_before: self.left,
        });
        self.ordinal += 1;
        self.left += leaving;
        self.kept += kept;
        Ok(is_progress)
    }

    fn flush(&mut self, reason: Reason, out: &mut Vec<FormedWindow>) -> Result<(), Error> {
        let mut stuck = 0;
        while let Some(selection) = self.emitter.drain(&self.buffer, reason) {
            stuck = if self.form(selection, out)? { 0 } else { stuck + 1 };
            if stuck == STUCK_AFTER {
                return Err(Cause::invalid_window("the strategy drains without end").into());
            }
        }
        self.ask(out)
    }
}

impl<E: WindowEmitter> WindowDriver for Driver<E> {
    fn feed(&mut self, chunk: &Arc<Chunk>, from: u32, to: u32, out: &mut Vec<FormedWindow>) -> Result<(), Error> {
        self.append_time = self.append_time.max(chunk.time());
        self.grant_up_to(self.append_time, out)?;
        let to = to.min(chunk.len());
        let mut at = from;
        while at < to {
            let end = self.asked_at(chunk, at, to);
            at = self.offer(chunk, at, end);
            if self.more == 0 || self.more_bytes == 0 {
                self.ask(out)?;
            }
        }
        if to == chunk.len() {
            self.next = Offset::first_of(chunk.slot().next());
        }
        Ok(())
    }

    fn pass_time(&mut self, slot: Slot, time: Timestamp, out: &mut Vec<FormedWindow>) -> Result<(), Error> {
        self.append_time = self.append_time.max(time);
        self.grant_up_to(self.append_time, out)?;
        self.next = Offset::first_of(slot.next());
        Ok(())
    }

    fn decide(&mut self, kind: DecisionKind, out: &mut Vec<FormedWindow>) -> Result<Decision, Error> {
        let decision = Decision { number: self.decision, next: self.next, kind };
        self.decision += 1;
        match kind {
            DecisionKind::Grant(at) => self.grant_up_to(at, out)?,
            DecisionKind::Drain => self.flush(Reason::Drain, out)?,
            DecisionKind::Shutdown => self.flush(Reason::Shutdown, out)?,
            DecisionKind::BufferFull => self.flush(Reason::BufferFull, out)?,
            DecisionKind::Resize(size) => {
                if let Some(adaptive) = self.emitter.adaptive() {
                    adaptive.resize(usize::try_from(size).unwrap_or(usize::MAX));
                }
                self.ask(out)?;
            }
        }
        Ok(decision)
    }

    fn deadline(&self) -> Option<Deadline> {
        self.deadline
    }

    fn explain(&self) -> Explanation {
        self.emitter.explain(&self.buffer, self.log_time)
    }

    fn asked_at(&self, chunk: &Chunk, from: u32, to: u32) -> u32 {
        let by_count = from.saturating_add(u32::try_from(self.more).unwrap_or(u32::MAX)).min(to);
        if self.more_bytes == usize::MAX { by_count } else { chunk.reaching(from, by_count, self.more_bytes) }
    }

    fn adaptive(&mut self) -> Option<&mut dyn Adaptive> {
        self.emitter.adaptive()
    }

    fn base(&self) -> Result<Base, Error> {
        Ok(Base {
            position: self.position(),
            log_time: self.log_time,
            ordinal: self.ordinal,
            decision: self.decision,
            chain: self.chain,
            dropped: self.dropped,
            left: self.left,
            folded: self.folded,
            kept: self.kept,
            buffered: self.buffer.slots(),
            state: self.emitter.snapshot()?,
        })
    }

    fn restore(&mut self, base: &Base, chunks: &[Arc<Chunk>], out: &mut Vec<FormedWindow>) -> Result<(), Error> {
        self.buffer = Buffer::new();
        let mut chunks = chunks.iter();
        for slot in &base.buffered {
            let chunk = chunks
                .find(|chunk| chunk.slot() == slot.slot && chunk.time() == slot.time)
                .ok_or_else(|| Cause::corrupt_state("checkpoint", "its buffer needs a record that is not there"))?;
            for &(from, to) in &slot.runs {
                if from >= to || to > chunk.len() {
                    return Err(Cause::corrupt_state("checkpoint", "its buffer holds messages that never were").into());
                }
                self.buffer.push(chunk, from, to);
            }
        }
        self.next = base.position.offset;
        self.append_time = base.position.time;
        self.count = base.position.count;
        self.log_time = base.log_time;
        self.ordinal = base.ordinal;
        self.decision = base.decision;
        self.chain = base.chain;
        self.dropped = base.dropped;
        self.left = base.left;
        self.folded = base.folded;
        self.kept = base.kept;
        self.emitter.restore(&base.state, &self.buffer)?;
        self.ask(out)
    }

    fn buffer(&self) -> &Buffer {
        &self.buffer
    }

    fn position(&self) -> Position {
        Position { offset: self.next, time: self.append_time, count: self.count }
    }

    fn dropped(&self) -> u64 {
        self.dropped
    }

    fn fingerprint(&self) -> Fingerprint {
        self.emitter.fingerprint()
    }
}

impl<E> fmt::Debug for Driver<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Driver")
            .field("next", &self.next)
            .field("log_time", &self.log_time)
            .field("ordinal", &self.ordinal)
            .field("buffer", &self.buffer)
            .finish_non_exhaustive()
    }
}
