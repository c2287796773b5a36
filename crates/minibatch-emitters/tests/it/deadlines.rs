//! Which deadlines are everyone's and which the group's own, where nothing more comes.

use minibatch_core::{Deadline, Strategy, Timestamp, storage::Position};
use minibatch_emitters::{
    BatchWindow, CountWindow, EventTime, FixedTimeWindow, Pattern, PatternWindow, RelaxedTimeWindow, SessionWindow,
    StrategyExt, TimeWindow,
};
use minibatch_testkit::log;

use crate::tools::SEC;

/// The deadline of a strategy that has read a log.
fn deadline(strategy: &impl Strategy, line: &str) -> Option<Deadline> {
    let mut driver = strategy.driver(Position::START).unwrap();
    for chunk in log::chunks(line).unwrap() {
        driver.feed(&chunk, 0, chunk.len(), &mut Vec::new()).unwrap();
    }
    driver.deadline()
}

fn shared(strategy: impl Strategy, line: &str, seconds: i64) {
    let expected = Deadline::shared(Timestamp::from_millis(seconds * 1_000));
    assert_eq!(deadline(&strategy, line), Some(expected), "{line}");
    // whatever is around it passes it on
    assert_eq!(deadline(&strategy.by_key().key(|_: &String| "key".to_owned()), line), Some(expected), "by key: {line}");
}

fn private(strategy: impl Strategy, line: &str, seconds: i64) {
    let expected = Deadline::private(Timestamp::from_millis(seconds * 1_000));
    assert_eq!(deadline(&strategy, line), Some(expected), "{line}");
    assert_eq!(deadline(&strategy.by_key().key(|_: &String| "key".to_owned()), line), Some(expected), "by key: {line}");
}

#[test]
fn what_follows_from_the_log_alone_is_shared() {
    shared(FixedTimeWindow::new(5 * SEC), "a@1", 5);
    shared(FixedTimeWindow::new(5 * SEC).with_empty(true), "a@1", 5);
    shared(TimeWindow::tumbling(5 * SEC), "a@1", 5);
    shared(TimeWindow::sliding(6 * SEC, 2 * SEC), "a@1", 2);
    shared(SessionWindow::new(3 * SEC), "a@1 b@2", 5);
    shared(SessionWindow::new(3 * SEC).max_length(4 * SEC), "a@1 b@3", 5);
    let begin = || Pattern::begin("a", |text: &String| text == "a");
    shared(PatternWindow::new(begin().without("b", |text: &String| text == "b").within(5 * SEC)), "a@1", 6);
    shared(PatternWindow::new(begin().then("b", |text: &String| text == "b").within(5 * SEC)).timeouts(), "a@1 c@2", 6);
    // a is late when 30 s have passed in event time; idle after 10 s
    let seconds = EventTime::of(|text: &String| Timestamp::from_millis(i64::try_from(text.len()).unwrap() * 10_000));
    shared(TimeWindow::tumbling(10 * SEC).event_time(seconds.clone()), "aaa@100", 120);
    shared(TimeWindow::tumbling(10 * SEC).event_time(seconds), "aaa@100 a@101", 102);
}

#[test]
fn what_bounds_a_wait_is_the_groups_own() {
    private(RelaxedTimeWindow::new(5 * SEC), "a@1", 6);
    private(BatchWindow::new().size(3).max_wait(2 * SEC), "a@1 b@2", 3);
    assert_eq!(deadline(&CountWindow::new(2), "a@1"), None);
}
