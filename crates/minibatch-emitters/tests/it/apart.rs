//! By key a strategy forms the windows that it forms of each key's messages apart.

use std::sync::Arc;

use minibatch_core::{
    Slot, Strategy as WindowStrategy, Timestamp,
    checkpoint::DecisionKind,
    chunk::Chunk,
    storage::Position,
    window::{Bounds, FormedWindow, Reason},
};
use minibatch_emitters::{
    BatchWindow, ByKey, CountWindow, EventTime, FixedTimeWindow, RelaxedTimeWindow, SessionWindow, TimeWindow,
};
use proptest::{collection::vec, prelude::*};

use crate::tools::{SEC, keyed_chunk};

const KEYS: [Option<&str>; 5] = [None, Some("a"), Some("b"), Some("c"), Some("")];

#[derive(Clone, Debug)]
enum Step {
    /// A chunk some milliseconds later: the keys of its messages.
    Messages(i64, Vec<usize>),
    /// Nothing is stored for so many milliseconds. What comes after may be from a clock that is behind.
    Idle(i64),
    Drain,
    Restart,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let delay = || prop_oneof![3 => Just(0i64), 4 => 0i64..1_500, 1 => 0i64..20_000];
    let step = prop_oneof![
        8 => (delay(), vec(0..KEYS.len(), 1..8)).prop_map(|(delay, keys)| Step::Messages(delay, keys)),
        2 => delay().prop_map(Step::Idle),
        1 => Just(Step::Drain),
        1 => Just(Step::Restart),
    ];
    vec(step, 0..30)
}

/// What a driver is told, whoever it is.
enum Action {
    Read(Slot, Timestamp, Vec<(u32, Option<&'static str>)>),
    Decide(DecisionKind),
}

/// A window but for its ordinal, and that its key is left to the caller.
#[derive(Debug, PartialEq)]
struct Seen {
    numbers: Vec<u32>,
    reason: Reason,
    bounds: Bounds,
}

impl Seen {
    fn of(window: &FormedWindow) -> Self {
        let numbers = window.members.iter().map(|message| message.decode().unwrap()).collect();
        Self { numbers, reason: window.reason, bounds: window.bounds }
    }
}

/// Goes through the steps with all keys together; what was done, and the windows.
fn together(strategy: &dyn WindowStrategy, steps: &[Step]) -> (Vec<Action>, Vec<FormedWindow>) {
    let (mut actions, mut out) = (Vec::new(), Vec::new());
    let mut chunks: Vec<Arc<Chunk>> = Vec::new();
    let mut driver = strategy.driver(Position::START).unwrap();
    let (mut time, mut number) = (1_000, 0);
    for step in steps {
        match step {
            Step::Messages(delay, keys) => {
                time += delay;
                let messages: Vec<_> = (number..).zip(keys.iter().map(|key| KEYS[*key])).collect();
                number += u32::try_from(keys.len()).unwrap();
                let chunk = keyed_chunk(chunks.len() as u64 + 1, time, &messages);
                driver.feed(&chunk, 0, chunk.len(), &mut out).unwrap();
                actions.push(Action::Read(chunk.slot(), chunk.time(), messages));
                chunks.push(chunk);
            }
            Step::Idle(millis) => {
                let until = Timestamp::from_millis(time + millis);
                while let Some(deadline) = driver.deadline().filter(|deadline| deadline.at <= until) {
                    driver.decide(DecisionKind::Grant(deadline.at), &mut out).unwrap();
                    actions.push(Action::Decide(DecisionKind::Grant(deadline.at)));
                }
            }
            Step::Drain => {
                driver.decide(DecisionKind::Drain, &mut out).unwrap();
                actions.push(Action::Decide(DecisionKind::Drain));
            }
            Step::Restart => {
                let base = driver.base().unwrap();
                let is_needed = |chunk: &&Arc<Chunk>| base.buffered.iter().any(|slot| slot.slot == chunk.slot());
                let needed: Vec<_> = chunks.iter().filter(is_needed).cloned().collect();
                driver = strategy.driver(Position::START).unwrap();
                let windows = out.len();
                driver.restore(&base, &needed, &mut out).unwrap();
                assert_eq!(out.len(), windows, "a restart brings about no window");
            }
        }
    }
    (actions, out)
}

/// The windows of one key's messages alone, at the same times.
fn alone(strategy: &dyn WindowStrategy, actions: &[Action], key: Option<&str>) -> Vec<Seen> {
    let mut out = Vec::new();
    let mut driver = strategy.driver(Position::START).unwrap();
    for action in actions {
        match action {
            Action::Read(slot, time, messages) => {
                let own: Vec<_> = messages.iter().filter(|(_, of)| *of == key).copied().collect();
                if own.is_empty() {
                    driver.pass_time(*slot, *time, &mut out).unwrap();
                } else {
                    let chunk = keyed_chunk(slot.get(), time.as_millis(), &own);
                    driver.feed(&chunk, 0, chunk.len(), &mut out).unwrap();
                }
            }
            Action::Decide(kind) => drop(driver.decide(*kind, &mut out).unwrap()),
        }
    }
    out.iter().map(Seen::of).collect()
}

fn strategies() -> Vec<Arc<dyn WindowStrategy>> {
    let told = EventTime::of(|number: &u32| Timestamp::from_millis(1_000 + i64::from(number * 7_919 % 10_000)));
    let told = told.out_of_order(2 * SEC).idle_after(SEC);
    vec![
        Arc::new(CountWindow::new(3)),
        Arc::new(CountWindow::sliding(4, 3)),
        Arc::new(BatchWindow::new().size(4).bytes(60).max_wait(2 * SEC)),
        Arc::new(BatchWindow::new().max_wait(SEC).min_size(2)),
        Arc::new(BatchWindow::new().until_value(|number: &u32| number.is_multiple_of(5))),
        Arc::new(RelaxedTimeWindow::new(SEC)),
        Arc::new(FixedTimeWindow::new(SEC)),
        Arc::new(FixedTimeWindow::new(SEC).with_empty(true)),
        Arc::new(TimeWindow::sliding(3 * SEC, SEC)),
        Arc::new(TimeWindow::tumbling(SEC).event_time(told.clone())),
        Arc::new(SessionWindow::new(SEC).max_length(3 * SEC)),
        Arc::new(SessionWindow::new(SEC).event_time(told)),
    ]
}

proptest! {
    #[test]
    fn the_windows_of_a_key_are_those_of_its_messages_apart(steps in steps(), which in 0..strategies().len()) {
        let strategy = Arc::clone(&strategies()[which]);
        let (actions, windows) = together(&ByKey::new(Arc::clone(&strategy)), &steps);
        for key in KEYS {
            let own = windows.iter().filter(|window| window.key.as_deref() == key);
            prop_assert_eq!(own.map(Seen::of).collect::<Vec<_>>(), alone(&strategy, &actions, key), "of key {:?}", key);
        }
    }
}
