//! What the ladder says, and what it hands out.

use minibatch_core::{
    Members,
    checkpoint::OpenWindow,
    window::{FormedWindow, Places},
};

/// A piece that is to be handed out.
#[derive(Debug)]
pub(in super::super) struct Attempt {
    /// The window, with the members of this piece alone.
    pub(in super::super) formed: FormedWindow,
    /// Their places among all its members; `None` where it has them all.
    pub(in super::super) piece: Option<Places>,
    pub(in super::super) attempt: u32,
}

/// What is to be done about a piece that did not succeed, or not entirely.
#[derive(Debug)]
pub(in super::super) enum Verdict {
    /// Nothing but what [`Ladder::next`](super::Ladder::next) says.
    GoOn,
    /// These messages are to go to the dead letters.
    Bury(Condemned),
    /// The consumer is to stop.
    Stop(String),
}

/// Messages on their way to the dead letters.
#[derive(Debug)]
pub(in super::super) struct Condemned {
    pub(in super::super) places: Places,
    pub(in super::super) members: Members,
    /// How many messages one of them stands for that is a value.
    pub(in super::super) folded: u64,
    /// Why, for each of them.
    pub(in super::super) reasons: Vec<String>,
    pub(in super::super) attempt: u32,
}

/// A window of which nothing is left.
#[derive(Debug)]
pub(in super::super) struct Ended {
    pub(in super::super) window: OpenWindow,
    pub(in super::super) attempts: u32,
}
