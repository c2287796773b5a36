//! Windows that are neither untouched nor done: tried again, split, or settled in part.

mod codec;
mod runs;

use std::sync::Arc;

use crate::{
    Cause, Error, Members, Offset, Timestamp,
    chunk::Chunk,
    window::{Bounds, Folded, FormedWindow, Places, Reason},
};

pub(super) use codec::{decode, encode};
pub use runs::{MemberRun, MemberRuns};

/// A window of which some messages are left to be settled.
///
/// It holds back neither base nor log: what is left of it is read again by itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OpenWindow {
    /// Its number in its partition and group.
    pub ordinal: u64,
    /// The time it covers.
    pub bounds: Bounds,
    /// The key that its messages share, where the strategy goes by key.
    pub key: Option<String>,
    /// Why it was emitted.
    pub reason: Reason,
    /// How many messages left the buffer with it.
    pub leaving: u64,
    /// All its members.
    pub members: MemberRuns,
    /// Where the first of these stands for messages: that value.
    pub folded: Option<Folded>,
    /// Those that went to the dead letters.
    pub dead: Places,
    /// Those that were given up on and kept nowhere.
    pub skipped: Places,
    /// What is left, in the order in which it is to be tried. All other messages are finished, dead or skipped.
    pub left: Vec<OpenPiece>,
}

/// Messages of an open window that are tried together.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct OpenPiece {
    /// Which ones.
    pub places: Places,
    /// Which attempt the next one is.
    pub attempt: u32,
    /// The next attempt is not to be made before this.
    pub not_before: Option<Timestamp>,
    /// Its attempts are over: it is tried to find the messages at fault.
    pub split: bool,
    /// The function gave these messages back for later.
    pub retry: bool,
    /// It has failed before, by itself or as a part of what it was split from.
    pub failed: bool,
    /// Another window or piece has succeeded since it failed last, so when it fails again it is itself at fault.
    pub proven: bool,
    /// Its attempt was begun: if nothing more is known of it, then the process ended meanwhile.
    pub begun: bool,
}

impl OpenWindow {
    /// A window of which nothing is left, and everything is finished.
    #[must_use]
    pub fn finished(window: &FormedWindow) -> Self {
        Self {
            ordinal: window.ordinal,
            bounds: window.bounds,
            key: window.key.clone(),
            reason: window.reason,
            leaving: window.leaving,
            members: MemberRuns::of(&window.members),
            folded: window.folded.clone(),
            dead: Places::default(),
            skipped: Places::default(),
            left: Vec::new(),
        }
    }

    /// How many messages these places stand for.
    #[must_use]
    pub fn messages_at(&self, places: &Places) -> u64 {
        let folded = self.folded.as_ref().filter(|_| places.nth(0) == Some(0));
        places.len() as u64 + folded.map_or(0, |folded| folded.messages().saturating_sub(1))
    }

    /// The places that are left.
    #[must_use]
    pub fn places_left(&self) -> Places {
        self.left.iter().flat_map(|piece| piece.places.ranges()).cloned().collect()
    }

    /// The records with messages that are left, in the order of those messages.
    #[must_use]
    pub fn runs_left(&self) -> MemberRuns {
        let places = self.places_left();
        match &self.folded {
            // it is kept here, and not in the log
            Some(_) => self.members.pick(&places.without(&Places::first(1))),
            None => self.members.pick(&places),
        }
    }

    /// The smallest offset that is needed to go on with it.
    #[must_use]
    pub fn keep_from(&self) -> Option<Offset> {
        self.runs_left().as_slice().iter().map(|run| run.first).min()
    }

    /// The messages that are left, [compacted](Members::compacted). `chunks` are those of [`OpenWindow::runs_left`] and
    /// perhaps others, in slot order.
    ///
    /// # Errors
    /// [`Cause::CorruptState`] when one is missing.
    pub fn members_left(&self, chunks: &[Arc<Chunk>]) -> Result<Members, Error> {
        let missing = || Cause::corrupt_state("checkpoint", "an open window needs a record that is not there");
        let members = Members::restored(&self.runs_left(), chunks).ok_or_else(missing)?.compacted();
        match &self.folded {
            Some(folded) if self.places_left().nth(0) == Some(0) => folded.before(&members),
            _ => Ok(members),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Run, buffer::tests::chunk};

    #[test]
    fn what_is_left_does_not_keep_whole_chunks() {
        let texts = vec!["text".repeat(1_000); 12];
        let chunk = chunk(1, 0, &texts);
        let window = OpenWindow {
            ordinal: 1,
            bounds: Bounds::new(Timestamp::EPOCH, Timestamp::MAX),
            key: None,
            reason: Reason::Count,
            leaving: 12,
            members: MemberRuns::of(&Run::of(&chunk, 0, 12).into_iter().collect()),
            folded: None,
            dead: Places::default(),
            skipped: Places::default(),
            left: vec![OpenPiece { places: Places::from(3..4), ..OpenPiece::default() }],
        };
        let left = window.members_left(&[Arc::clone(&chunk)]).unwrap();
        assert_eq!(Arc::strong_count(&chunk), 1);
        assert_eq!((left.len(), left.first().unwrap().decode::<String>().unwrap()), (1, texts[3].clone()));
    }
}
