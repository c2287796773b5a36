//! One consumer reading a layout from its beginning to its end.

use minibatch_core::{
    Error, Message, WindowEmitter,
    checkpoint::{Base, Checkpoint, DecisionKind},
    driver::{Driver, LogEntry, WindowDriver, WindowFormer},
    storage::Position,
    window::{Bounds, FormedWindow, Reason, WindowChain},
};

use super::layout::{Action, Layout};

/// What of a window does not depend on how the log was cut into chunks.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Seen {
    pub(super) ordinal: u64,
    /// The numbers of its messages in the script.
    pub(super) members: Vec<usize>,
    pub(super) reason: Reason,
    pub(super) bounds: Bounds,
    pub(super) key: Option<String>,
    /// What messages were folded into, and how many these are.
    pub(super) folded: Option<(Vec<u8>, u64)>,
}

impl Seen {
    pub(super) fn of(window: &FormedWindow, layout: &Layout) -> Self {
        Self {
            ordinal: window.ordinal,
            members: window.members.iter().map(|message| layout.number(&message)).collect(),
            reason: window.reason,
            bounds: window.bounds,
            key: window.key.clone(),
            folded: window.folded.as_ref().and_then(|folded| {
                let value = window.members.iter().find(Message::is_folded)?;
                Some((value.raw().to_vec(), folded.messages()))
            }),
        }
    }
}

/// What became of a layout.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Run {
    pub(super) windows: Vec<Seen>,
    /// The messages still buffered at the end.
    pub(super) buffered: Vec<usize>,
    pub(super) dropped: u64,
    /// The digest of the windows, which sees where their messages are.
    pub(super) chain: Option<WindowChain>,
}

/// The windows as a consumer gets them.
pub(super) fn run<E: WindowEmitter + 'static>(emitter: E, layout: &Layout) -> Result<Run, Error> {
    let mut out = Vec::new();
    let start = Checkpoint::start(Position::START);
    let mut former = WindowFormer::new(Box::new(Driver::new(emitter, Position::START)), start, &[], &mut out)?;
    for action in &layout.actions {
        act(&mut former, action, &mut out)?;
    }
    Ok(Run {
        windows: out.iter().map(|window| Seen::of(window, layout)).collect(),
        buffered: former.buffer().iter().map(|message| layout.number(&message)).collect(),
        dropped: former.dropped(),
        chain: out.last().map(|window| window.chain),
    })
}

/// One step of a consumer.
pub(super) fn act(former: &mut WindowFormer, action: &Action, out: &mut Vec<FormedWindow>) -> Result<(), Error> {
    match action {
        Action::Read(entry) => former.feed(entry, out),
        Action::Decide(kind) => former.decide(*kind, out),
        Action::Idle(until) => {
            while let Some(deadline) = former.deadline().filter(|deadline| deadline.at <= *until) {
                former.decide(DecisionKind::Grant(deadline.at), out)?;
            }
            Ok(())
        }
    }
}

/// The same with so many messages fed at a time.
pub(super) fn run_in_pieces<E: WindowEmitter>(emitter: E, layout: &Layout, piece: u32) -> Result<Run, Error> {
    let (driver, out) = drive(emitter, layout, piece)?;
    Ok(Run {
        windows: out.iter().map(|window| Seen::of(window, layout)).collect(),
        buffered: driver.buffer().iter().map(|message| layout.number(&message)).collect(),
        dropped: driver.dropped(),
        chain: out.last().map(|window| window.chain),
    })
}

/// A driver at the end of a layout, fed so many messages at a time, and its windows.
pub(super) fn drive<E: WindowEmitter>(
    emitter: E,
    layout: &Layout,
    piece: u32,
) -> Result<(Driver<E>, Vec<FormedWindow>), Error> {
    let mut out = Vec::new();
    let mut driver = Driver::new(emitter, Position::START);
    driver.restore(&Base::start(Position::START), &[], &mut out)?;
    for action in &layout.actions {
        match action {
            Action::Read(LogEntry::Control { slot, time }) => driver.pass_time(*slot, *time, &mut out)?,
            Action::Read(LogEntry::Messages(chunk)) => {
                let mut from = 0;
                while from < chunk.len() {
                    let to = from.saturating_add(piece).min(chunk.len());
                    driver.feed(chunk, from, to, &mut out)?;
                    from = to;
                }
            }
            Action::Decide(kind) => drop(driver.decide(*kind, &mut out)?),
            Action::Idle(until) => {
                while let Some(deadline) = driver.deadline().filter(|deadline| deadline.at <= *until) {
                    driver.decide(DecisionKind::Grant(deadline.at), &mut out)?;
                }
            }
        }
    }
    Ok((driver, out))
}
