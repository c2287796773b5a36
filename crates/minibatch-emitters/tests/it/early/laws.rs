//! The laws that every strategy keeps, of those that are shown early.

use std::sync::Arc;

use minibatch_core::{Strategy as WindowStrategy, Timestamp};
use minibatch_emitters::{
    BatchWindow, CountWindow, EventTime, Every, FixedTimeWindow, Panes, SessionWindow, StrategyExt, TimeWindow,
};
use minibatch_testkit::emitter::Suite;

use crate::tools::SEC;

/// Checks the laws of a strategy that is shown by count and by time.
fn check(strategy: impl WindowStrategy) {
    let strategy: Arc<dyn WindowStrategy> = Arc::new(strategy);
    let ways = [(Every::messages(2), Panes::Accumulating), (Every::time(SEC * 7 / 10), Panes::Discarding)];
    for (every, panes) in ways {
        let strategy = Arc::clone(&strategy);
        Suite::new(move || Arc::clone(&strategy).early(every, panes).emitter().unwrap()).may_repeat().check();
    }
}

fn event_time() -> EventTime {
    let time = EventTime::of(|number: &i64| Timestamp::from_millis(*number * 700));
    time.idle_after(2 * SEC).out_of_order(SEC)
}

#[test]
fn of_counts() {
    check(CountWindow::new(3));
    check(CountWindow::sliding(4, 3));
    check(BatchWindow::new().bytes(30).max_wait(SEC));
}

#[test]
fn of_stretches_of_time() {
    check(FixedTimeWindow::new(SEC).with_empty(true));
    check(TimeWindow::sliding(3 * SEC, SEC).event_time(event_time()));
    check(SessionWindow::new(SEC).max_length(2 * SEC).event_time(event_time()));
}

#[test]
fn inside_and_around_by_key() {
    let every = Every::time(SEC * 7 / 10);
    let by_number = |number: &u32| number % 3;
    let inside = TimeWindow::sliding(3 * SEC, SEC).early(every, Panes::Discarding).by_key().key(by_number);
    Suite::new(move || inside.emitter().unwrap()).may_repeat().check();
    check(BatchWindow::new().size(3).max_wait(2 * SEC).by_key().key(by_number));
}
