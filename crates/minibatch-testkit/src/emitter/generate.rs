//! Random scripts, and random ways to go through them.

use std::time::Duration;

use minibatch_core::{Timestamp, checkpoint::DecisionKind, chunk::RecordKind};
use proptest::{collection::vec, prelude::*};

use super::script::{Script, Step};

/// A script, and choices for whatever a law leaves open.
#[derive(Clone, Debug)]
pub(super) struct Case {
    pub(super) script: Script,
    choices: Vec<u8>,
}

impl Case {
    /// An endless row of choices.
    pub(super) fn choices(&self) -> impl Iterator<Item = u8> {
        self.choices.iter().copied().cycle()
    }
}

/// What happens after some time.
#[derive(Clone, Debug)]
enum Happening {
    Messages(Vec<(u32, bool)>),
    Control(RecordKind),
    /// Nothing, and whether the clocks of producers go with the tail clock.
    Idle(bool),
    Decide(DecisionKind),
}

/// Scripts whose times are apart by about `unit`.
pub(super) fn cases(unit: Duration) -> impl Strategy<Value = Case> {
    let starts = prop_oneof![Just(0), Just(1_700_000_000_123), Just(-7_001)];
    let script =
        (starts, vec((delay(unit), happening()), 0..20)).prop_map(|(start, happenings)| script(start, happenings));
    (script, vec(any::<u8>(), 1..40)).prop_map(|(script, choices)| Case { script, choices })
}

fn delay(unit: Duration) -> impl Strategy<Value = Duration> {
    let tenth = unit / 10;
    prop_oneof![
        6 => Just(Duration::ZERO),
        4 => (0u32..20).prop_map(move |tenths| tenth * tenths),
        2 => (0u32..5).prop_map(move |units| unit * units),
        2 => (0u32..3).prop_map(move |millis| unit.saturating_sub(Duration::from_millis(1)) + Duration::from_millis(millis.into())),
        1 => (0u32..100).prop_map(move |units| unit * units),
    ]
}

fn happening() -> impl Strategy<Value = Happening> {
    let message = (0u32..10, prop::bool::weighted(0.2));
    let control = [RecordKind::Punctuation, RecordKind::Tombstone, RecordKind::Unknown];
    let decision = [DecisionKind::Drain, DecisionKind::Shutdown, DecisionKind::BufferFull];
    prop_oneof![
        12 => vec(message, 1..6).prop_map(Happening::Messages),
        2 => prop::sample::select(control.to_vec()).prop_map(Happening::Control),
        4 => any::<bool>().prop_map(Happening::Idle),
        1 => prop::sample::select(decision.to_vec()).prop_map(Happening::Decide),
    ]
}

fn script(start: i64, happenings: Vec<(Duration, Happening)>) -> Script {
    let mut steps = Vec::new();
    let mut time = Timestamp::from_millis(start);
    for (delay, happening) in happenings {
        let later = time.plus(delay);
        match happening {
            Happening::Messages(messages) => {
                time = later;
                steps.extend(messages.into_iter().map(|(seed, opens)| Step::Message { seed, time, opens }));
            }
            Happening::Control(kind) => {
                time = later;
                steps.push(Step::Control { kind, time });
            }
            Happening::Idle(together) => {
                steps.push(Step::Idle { until: later });
                time = if together { later } else { time };
            }
            Happening::Decide(kind) => steps.push(Step::Decide(kind)),
        }
    }
    Script(steps)
}
