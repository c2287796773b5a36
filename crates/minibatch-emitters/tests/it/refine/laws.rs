//! The laws that every strategy keeps, of those that are around another one.

use std::sync::Arc;

use minibatch_core::{Strategy as WindowStrategy, Timestamp, WindowEmitter};
use minibatch_emitters::{BatchWindow, CountWindow, EventTime, Keep, Sample, StrategyExt, TimeWindow};
use minibatch_testkit::emitter::Suite;
use serde::Serialize;

use super::itself;
use crate::tools::SEC;

/// A number, but for one in ten.
#[derive(Serialize)]
#[serde(untagged)]
enum Mostly {
    Number(u32),
    Text(&'static str),
}

type Emitter = Box<dyn WindowEmitter>;
type Terms = fn(Suite<Emitter>) -> Suite<Emitter>;

/// Checks the laws of what is around strategies of several kinds.
fn check<R: WindowStrategy>(refined: impl Fn(Arc<dyn WindowStrategy>) -> R + Copy + 'static, terms: Terms) {
    let time = EventTime::of(|number: &i64| Timestamp::from_millis(*number * 700)).idle_after(2 * SEC);
    let around: [Arc<dyn WindowStrategy>; 3] = [
        Arc::new(CountWindow::sliding(4, 3)),
        Arc::new(BatchWindow::new().bytes(30).max_wait(SEC)),
        Arc::new(TimeWindow::sliding(3 * SEC, SEC).event_time(time)),
    ];
    for strategy in around {
        let suite = Suite::new(move || refined(Arc::clone(&strategy)).emitter().unwrap());
        let suite = suite.values(|number| if number == 7 { Mostly::Text("seven") } else { Mostly::Number(number) });
        terms(suite.may_repeat()).check();
    }
}

#[test]
fn sorted() {
    check(|strategy| strategy.sorted_by(itself), |suite| suite);
}

#[test]
fn unique() {
    check(|strategy| strategy.unique_by(|number: &i64| number % 3, Keep::Last), Suite::may_discard);
}

#[test]
fn sampled() {
    check(|strategy| strategy.sampled(Sample::every(2)), Suite::may_discard);
    check(|strategy| strategy.sampled(Sample::share_by(0.5, itself)), Suite::may_discard);
}

/// Which messages they are depends on where they lie.
#[test]
fn sampled_by_place() {
    check(|strategy| strategy.sampled(Sample::at_most(2)), |suite| suite.may_discard().by_place());
    check(|strategy| strategy.sampled(Sample::share(0.5)), |suite| suite.may_discard().by_place());
}
