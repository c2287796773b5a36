//! What a client writes down, a line of JSON an event.

use std::fmt;

use serde::{Deserialize, Serialize};

/// Names a message of a run for good: the lane that appended it, and its number there.
///
/// A lane is one task that awaits each append before the next; no two tasks of a run have the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(from = "(u32, u64)", into = "(u32, u64)")]
pub struct Key {
    /// Who appended it.
    pub lane: u32,
    /// Its number in its lane, ascending.
    pub number: u64,
}

impl From<(u32, u64)> for Key {
    fn from((lane, number): (u32, u64)) -> Self {
        Self { lane, number }
    }
}

impl From<Key> for (u32, u64) {
    fn from(key: Key) -> Self {
        (key.lane, key.number)
    }
}

/// A message as a consumer was handed it: its packed offset, and what it was.
pub type Member = (u64, Key);

/// Something that a client did or was told.
///
/// Appends are of `count` messages of a lane from number `first` on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Event {
    /// Is about to append.
    Invoke {
        /// The lane.
        lane: u32,
        /// The first number.
        first: u64,
        /// How many.
        count: u32,
    },
    /// Was told that they are durable.
    Ack {
        /// The lane.
        lane: u32,
        /// The first number.
        first: u64,
        /// How many.
        count: u32,
        /// The packed offsets of the first and the last, where the client was told.
        at: Option<(u64, u64)>,
    },
    /// Was told nothing certain: each may be appended or not.
    Indeterminate {
        /// The lane.
        lane: u32,
        /// The first number.
        first: u64,
        /// How many.
        count: u32,
    },
    /// Was told that none is or will be appended.
    Failed {
        /// The lane.
        lane: u32,
        /// The first number.
        first: u64,
        /// How many.
        count: u32,
    },
    /// Was told that somebody else has taken over.
    Fenced,
    /// The function got a window.
    Window {
        /// The window's id.
        id: String,
        /// Its number in its group.
        ordinal: u64,
        /// Which attempt.
        attempt: u32,
        /// What it holds.
        members: Vec<Member>,
    },
    /// The function is about to return: the window is done as far as the consumer's user can tell.
    Done {
        /// The window's id.
        id: String,
    },
}

impl Event {
    /// The event as a line, with its end.
    ///
    /// # Errors
    /// None that these types can cause; they are the encoder's.
    pub fn line(&self) -> Result<String, serde_json::Error> {
        serde_json::to_string(self).map(|json| json + "\n")
    }
}

/// The account of one process, in the order in which it wrote.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct History {
    /// Which process.
    pub name: String,
    /// What it wrote.
    pub events: Vec<Event>,
}

/// A line of a history that is no event.
#[derive(Debug)]
pub struct Unreadable {
    history: String,
    line: usize,
    source: serde_json::Error,
}

impl History {
    /// An empty account.
    #[must_use]
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into(), events: Vec::new() }
    }

    /// Reads an account. A last line without its end is left out: the process was killed while it wrote it, and so before
    /// it did what the line says.
    ///
    /// # Errors
    /// [`Unreadable`] for any other line that is no event: nothing is left out silently.
    pub fn parse(name: impl Into<String>, text: &str) -> Result<Self, Unreadable> {
        let name = name.into();
        let whole = text.rfind('\n').map_or("", |end| text.get(..end).unwrap_or_default());
        let mut events = Vec::new();
        for (line, json) in whole.lines().enumerate() {
            let event = serde_json::from_str(json);
            events.push(event.map_err(|source| Unreadable { history: name.clone(), line: line + 1, source })?);
        }
        Ok(Self { name, events })
    }
}

impl fmt::Display for Unreadable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "a line of a history is no event: history=`{}` line=`{}`", self.history, self.line)
    }
}

impl std::error::Error for Unreadable {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        Some(&self.source)
    }
}
