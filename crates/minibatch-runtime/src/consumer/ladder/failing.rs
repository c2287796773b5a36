//! Where nothing succeeds: what is tried now and then, until something does.

use std::{collections::BTreeMap, time::Duration};

use super::window::Climber;

/// The rounds of a failing group. In each the first window in doubt is tried, then one message of it, then another window
/// in doubt, and one that was not begun yet: whichever succeeds ends it.
#[derive(Clone, Debug)]
pub(super) struct Failing {
    /// What the function said last.
    pub(super) reason: String,
    pub(super) round: u32,
    /// A window that was not begun yet may be.
    pub(super) new_window: bool,
    step: Step,
    due: Duration,
    /// The window of which something is being tried.
    probing: Option<u64>,
}

#[derive(Clone, Copy, Debug)]
enum Step {
    Whole,
    One,
    Other,
    Rest,
}

impl Failing {
    /// The first window in doubt has just been tried.
    pub(super) fn new(now: Duration) -> Self {
        Self { reason: String::new(), round: 0, new_window: true, step: Step::Other, due: now, probing: None }
    }

    /// The attempt at this window is over.
    pub(super) fn settled(&mut self, ordinal: u64) {
        self.probing.take_if(|probing| *probing == ordinal);
    }

    /// The window whose first piece is to be tried now.
    pub(super) fn probe(
        &mut self,
        windows: &mut BTreeMap<u64, Climber>,
        now: Duration,
        wait: impl Fn(u32) -> Duration,
    ) -> Option<u64> {
        if self.probing.is_some() || self.due > now {
            return None;
        }
        let stuck: Vec<u64> =
            windows.iter().filter(|(_, climber)| climber.is_stuck()).map(|(&ordinal, _)| ordinal).collect();
        let turn = self.round as usize;
        while self.probing.is_none() {
            let (next, probing) = match self.step {
                Step::Whole => (Step::One, stuck.first().copied()),
                Step::One => {
                    let first = stuck.first().and_then(|ordinal| Some((*ordinal, windows.get_mut(ordinal)?)));
                    (Step::Other, first.and_then(|(ordinal, climber)| climber.set_one_apart(turn).then_some(ordinal)))
                }
                Step::Other => {
                    (Step::Rest, stuck.iter().skip(1).nth(turn % stuck.len().saturating_sub(1).max(1)).copied())
                }
                Step::Rest => {
                    self.round += 1;
                    (self.step, self.due, self.new_window) = (Step::Whole, now + wait(self.round), true);
                    return None;
                }
            };
            (self.step, self.probing) = (next, probing);
        }
        self.probing
    }

    /// When something is to be tried next.
    pub(super) fn due(&self) -> Option<Duration> {
        self.probing.is_none().then_some(self.due)
    }
}
