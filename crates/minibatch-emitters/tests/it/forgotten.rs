//! What becomes of keys that are not needed any more.

use std::sync::{
    Arc, Weak,
    atomic::{AtomicUsize, Ordering},
};

use minibatch_core::{
    Buffer, Cause, Error, Message, Observed, Readiness, Strategy, Timestamp, WindowEmitter,
    checkpoint::DecisionKind,
    driver::{Driver, WindowDriver},
    storage::Position,
    window::{FormedWindow, Reason, Selection},
};
use minibatch_emitters::{
    BatchWindow, ByKey, ByKeyEmitter, CountWindow, EventTime, FixedTimeWindow, StrategyExt, TimeWindow,
};
use minibatch_testkit::emitter::check;

use crate::tools::{SEC, keyed_chunk};

/// Feeds a message of each of so many keys in chunks of a thousand, all at once.
struct Crowd {
    driver: Driver<ByKeyEmitter>,
    slot: u64,
    out: Vec<FormedWindow>,
}

impl Crowd {
    fn new(strategy: &ByKey) -> Self {
        Self { driver: Driver::new(strategy.build().unwrap(), Position::START), slot: 0, out: Vec::new() }
    }

    fn feed(&mut self, keys: u32, millis: i64) {
        let texts: Vec<String> = (0..keys).map(|number| format!("key {number}")).collect();
        let messages: Vec<_> = (0..keys).zip(texts.iter().map(|text| Some(text.as_str()))).collect();
        for messages in messages.chunks(1_000) {
            self.slot += 1;
            let chunk = keyed_chunk(self.slot, millis, messages);
            self.driver.feed(&chunk, 0, chunk.len(), &mut self.out).unwrap();
        }
    }

    fn grant(&mut self, millis: i64) {
        let kind = DecisionKind::Grant(Timestamp::from_millis(millis));
        self.driver.decide(kind, &mut self.out).unwrap();
    }

    fn keys(&self) -> usize {
        self.driver.emitter().keys()
    }
}

#[test]
fn keys_that_are_as_good_as_new_leave_nothing() {
    let mut crowd = Crowd::new(&CountWindow::new(2).by_key());
    let nothing = crowd.driver.base().unwrap().state;
    crowd.feed(100_000, 0);
    assert_eq!((crowd.keys(), crowd.out.len()), (100_000, 0));
    crowd.feed(100_000, 0);
    assert_eq!((crowd.keys(), crowd.out.len()), (0, 100_000));
    assert_eq!(crowd.driver.base().unwrap().state, nothing);
}

#[test]
fn keys_of_which_something_is_remembered_are_forgotten_in_time() {
    let fixed = FixedTimeWindow::new(SEC).by_key().forget_after(60 * SEC);
    let mut crowd = Crowd::new(&fixed);
    crowd.feed(10_000, 500);
    crowd.feed(1, 60_499);
    assert_eq!((crowd.keys(), crowd.out.len()), (10_000, 10_000));
    // the one that came again is remembered
    crowd.feed(1, 60_500);
    assert_eq!(crowd.keys(), 1);
    let mut crowd = Crowd::new(&fixed.never_forget());
    crowd.feed(1_000, 500);
    crowd.feed(1, 1_000_000_000);
    assert_eq!(crowd.keys(), 1_000);
}

#[test]
fn what_comes_after_that_begins_anew() {
    let told = EventTime::of(|seconds: &i64| Timestamp::from_millis(*seconds * 1_000));
    let times = TimeWindow::tumbling(5 * SEC).event_time(told).by_key().forget_after(100 * SEC);
    check(times.clone(), "3@20 12 @60 4@119 @200", &["3 @20", "12 @33", "4 late@120"]);
    check(times, "3@20 12 @60 4@120 @200", &["3 @20", "12 @33", "4 watermark@131"]);
}

#[test]
fn a_key_with_messages_or_a_deadline_is_not_forgotten() {
    let strategy = CountWindow::new(2).by_key().forget_after(SEC);
    check(strategy, "a@0 b@100", &["ab"]);
    let empty = FixedTimeWindow::new(5 * SEC).with_empty(true).by_key().forget_after(SEC);
    check(empty, "a@1 @15 b@16 @20", &["a @5", "_ @10", "_ @15", "b @20"]);
}

/// More keys than windows in a row may leave the buffer as it is.
#[test]
fn many_keys_at_one_instant_are_no_endless_loop() {
    let mut crowd = Crowd::new(&TimeWindow::sliding(2 * SEC, SEC).by_key());
    crowd.feed(70_000, 500);
    crowd.grant(1_000);
    assert_eq!((crowd.out.len(), crowd.driver.buffer().len()), (70_000, 70_000));
    crowd.grant(2_000);
    assert_eq!((crowd.out.len(), crowd.driver.buffer().len()), (140_000, 0));
}

/// Leaves out every message.
struct Deaf;

impl WindowEmitter for Deaf {
    fn window_ready(&mut self, _buffer: &Buffer, _now: Timestamp) -> Readiness {
        Readiness::wait_for(5)
    }

    fn query(&mut self, buffer: &Buffer) -> Selection {
        Selection::first(buffer.len(), Reason::Count)
    }

    fn observe(&mut self, _message: &Message<'_>) -> Observed {
        Observed::Drop
    }
}

#[test]
fn messages_left_out_leave_no_key() {
    let mut crowd = Crowd::new(&(|| Deaf).by_key());
    crowd.feed(1_000, 0);
    crowd.feed(1_000, 0);
    assert_eq!((crowd.keys(), crowd.driver.dropped(), crowd.driver.buffer().len()), (0, 2_000, 0));
}

/// Chunks of which the buffer of all keys has copied the rest out are let go by the keys' buffers, too.
#[test]
fn a_message_that_stays_keeps_no_chunk() {
    let others = BatchWindow::new().until(|message| message.key() != Some("stays"));
    let mut driver = Driver::new(others.by_key().build().unwrap(), Position::START);
    let mut out = Vec::new();
    let keys: Vec<String> = (0..100).map(|number| format!("{number}{}", "-".repeat(1_100))).collect();
    let mut messages: Vec<_> = (0..).zip(keys.iter().map(|key| Some(key.as_str()))).collect();
    messages.push((0, Some("stays")));
    let mut chunks = Vec::new();
    for slot in 1..=200 {
        let chunk = keyed_chunk(slot, 0, &messages);
        driver.feed(&chunk, 0, chunk.len(), &mut out).unwrap();
        out.clear();
        chunks.push((Arc::downgrade(&chunk), chunk.pinned_bytes()));
    }
    assert_eq!(driver.buffer().len(), 200);
    let alive = chunks.iter().filter(|(chunk, _)| Weak::strong_count(chunk) > 0);
    let alive: usize = alive.map(|(_, bytes)| bytes).sum();
    let all: usize = chunks.iter().map(|(_, bytes)| bytes).sum();
    assert!(all > 20 << 20 && alive < 10 << 20, "{alive} of {all} bytes are kept");
}

/// Makes so many emitters and no more.
struct Few(AtomicUsize);

impl Strategy for Few {
    fn emitter(&self) -> Result<Box<dyn WindowEmitter>, Error> {
        let left = self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        left.map_err(|_| Cause::invalid_window("no more of them"))?;
        CountWindow::new(2).emitter()
    }
}

/// It is not settled for less: the next checkpoint fails, and nothing counts as done.
#[test]
fn a_strategy_that_makes_no_more_emitters_is_an_error() {
    let few = Few(AtomicUsize::new(3));
    let mut crowd = Crowd::new(&few.by_key());
    crowd.feed(2, 0);
    assert!(crowd.driver.base().is_ok());
    crowd.feed(3, 0);
    assert!(matches!(crowd.driver.base().unwrap_err().cause(), Cause::InvalidWindow { .. }));
}
