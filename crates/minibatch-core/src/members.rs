//! The messages of a window, held as runs of chunks: a window of a million messages may be one run.

use std::{fmt, sync::Arc};

use smallvec::SmallVec;

use crate::{Message, Offset, chunk::Chunk};

/// Consecutive messages of one chunk.
#[derive(Clone)]
pub struct Run {
    chunk: Arc<Chunk>,
    from: u32,
    to: u32,
}

impl Run {
    pub(crate) fn new(chunk: Arc<Chunk>, from: u32, to: u32) -> Self {
        Self { chunk, from, to }
    }

    /// How many messages it has.
    #[must_use]
    pub fn len(&self) -> usize {
        (self.to - self.from) as usize
    }

    /// True without messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.from == self.to
    }

    /// The place of its first message.
    #[must_use]
    pub fn first(&self) -> Offset {
        self.chunk.offset(self.from)
    }

    fn messages(&self) -> impl DoubleEndedIterator<Item = Message<'_>> {
        (self.from..self.to).filter_map(|index| self.chunk.message(index))
    }
}

impl fmt::Debug for Run {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{}", self.first(), self.len())
    }
}

/// The members of a window, in the order that its strategy gave them.
#[derive(Clone, Default)]
pub struct Members {
    runs: SmallVec<[Run; 1]>,
    len: usize,
}

impl Members {
    /// No members.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// How many messages there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// True without messages.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The bytes of the messages in the log.
    #[must_use]
    pub fn bytes(&self) -> usize {
        self.runs.iter().map(|run| run.chunk.size_between(run.from, run.to)).sum()
    }

    /// The messages in the window's order.
    pub fn iter(&self) -> impl Iterator<Item = Message<'_>> {
        self.runs.iter().flat_map(Run::messages)
    }

    /// The messages as runs of consecutive ones.
    #[must_use]
    pub fn runs(&self) -> &[Run] {
        &self.runs
    }

    /// The first message.
    #[must_use]
    pub fn first(&self) -> Option<Message<'_>> {
        self.runs.first().and_then(|run| run.messages().next())
    }

    /// The last message.
    #[must_use]
    pub fn last(&self) -> Option<Message<'_>> {
        self.runs.last().and_then(|run| run.messages().next_back())
    }

    /// The smallest offset among the members.
    #[must_use]
    pub fn lowest(&self) -> Option<Offset> {
        self.runs.iter().map(Run::first).min()
    }

    pub(crate) fn push(&mut self, chunk: &Arc<Chunk>, index: u32) {
        match self.runs.last_mut() {
            Some(last) if last.to == index && last.chunk.slot() == chunk.slot() => {
                last.to += 1;
                self.len += 1;
            }
            _ => self.push_run(Run::new(Arc::clone(chunk), index, index + 1)),
        }
    }

    pub(crate) fn push_run(&mut self, run: Run) {
        self.len += run.len();
        match self.runs.last_mut() {
            Some(last) if last.to == run.from && last.chunk.slot() == run.chunk.slot() => last.to = run.to,
            _ => self.runs.push(run),
        }
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(&self.runs).finish()
    }
}
