//! What each window shows, against the strategy inside run alone.

use std::{collections::BTreeSet, fmt::Debug, sync::Arc, time::Duration};

use minibatch_core::{
    Buffer, Offset, ProducerId, Readiness, Slot, Strategy as WindowStrategy, Timestamp, WindowEmitter,
    checkpoint::DecisionKind,
    chunk::{Chunk, ChunkBuilder, Encoded, Extras, ProducerStamp, Record, RecordKind},
    storage::Position,
    window::{FormedWindow, Leaves, Reason, Selection},
};
use minibatch_emitters::{
    BatchWindow, CountWindow, EventTime, Keep, Refined, Sample, SessionWindow, StrategyExt, TimeWindow, UniqueBy,
};
use proptest::{collection::vec, prelude::*, test_runner::TestCaseResult};

use super::{itself, tens};
use crate::tools::SEC;

/// Shows what is there before it shows it whole.
struct Early(usize);

impl WindowEmitter for Early {
    fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
        if buffer.len() > self.0 { Readiness::Ready } else { Readiness::wait() }
    }

    fn query(&mut self, buffer: &Buffer) -> Selection {
        self.0 = buffer.len() % 5;
        let selection = Selection::first(buffer.len(), Reason::Early).keyed("all");
        if self.0 == 0 { selection } else { selection.leaving(Leaves::Nothing) }
    }
}

/// Strategies whose messages leave in every way there is.
fn strategies() -> [Arc<dyn WindowStrategy>; 6] {
    let time = EventTime::of(|number: &i64| Timestamp::from_millis(*number * 100)).out_of_order(SEC);
    [
        Arc::new(CountWindow::new(7)),
        Arc::new(CountWindow::sliding(7, 2)),
        Arc::new(BatchWindow::new().size(9).max_wait(2 * SEC)),
        Arc::new(TimeWindow::sliding(2 * SEC, SEC).event_time(time.clone())),
        Arc::new(SessionWindow::new(SEC).event_time(time)),
        Arc::new(|| Early(0)),
    ]
}

/// A log: of each chunk the seconds since the one before, and numbers, or what is none.
type Log = Vec<(i64, Vec<Option<i64>>)>;

fn logs() -> impl Strategy<Value = Log> {
    let number = prop_oneof![9 => (0i64..40).prop_map(Some), 1 => Just(None)];
    vec((0i64..3, vec(number, 1..12)), 0..12)
}

fn encoded(numbers: &[Option<i64>]) -> Encoded {
    let mut encoded = Encoded::new();
    for number in numbers {
        match number {
            Some(number) => encoded.push(number).unwrap(),
            None => encoded.push("none").unwrap(),
        }
    }
    encoded
}

fn chunk(slot: u64, seconds: i64, encoded: &Encoded) -> Arc<Chunk> {
    let mut builder = ChunkBuilder::new();
    builder.fill(encoded, 0);
    let producer = ProducerStamp { id: ProducerId::new("p").unwrap(), epoch: 1, sequence: slot };
    let time = Timestamp::from_millis(seconds * 1_000);
    let slot = Slot::new(slot).unwrap();
    let record = Record { slot, kind: RecordKind::Data, producer, time, payload: builder.finish() };
    Chunk::open(&record, time).unwrap()
}

fn chunks(log: &Log) -> Vec<Arc<Chunk>> {
    let mut now = 0;
    let log = (1..).zip(log);
    log.map(|(slot, (pause, numbers))| {
        now += pause;
        chunk(slot, now, &encoded(numbers))
    })
    .collect()
}

/// The windows, and what stays in the buffer after each chunk.
fn formed(strategy: &dyn WindowStrategy, chunks: &[Arc<Chunk>]) -> (Vec<FormedWindow>, Vec<Vec<Offset>>) {
    let mut driver = strategy.driver(Position::START).unwrap();
    let (mut windows, mut stays) = (Vec::new(), Vec::new());
    for chunk in chunks {
        driver.feed(chunk, 0, chunk.len(), &mut windows).unwrap();
        stays.push(driver.buffer().iter().map(|message| message.offset()).collect());
    }
    driver.decide(DecisionKind::Drain, &mut windows).unwrap();
    stays.push(driver.buffer().iter().map(|message| message.offset()).collect());
    (windows, stays)
}

/// The offset of a message, and its number where it is one.
type Seen = (Offset, Option<i64>);

fn seen(window: &FormedWindow) -> Vec<Seen> {
    window.members.iter().map(|message| (message.offset(), message.decode().ok())).collect()
}

/// Checks what each window shows against what it would show, around each strategy, and that nothing else differs.
fn compare<R: WindowStrategy>(
    log: &Log,
    refined: impl Fn(Arc<dyn WindowStrategy>) -> R,
    shows: impl Fn(&[Seen], &[Seen]) -> TestCaseResult,
) -> TestCaseResult {
    let chunks = chunks(log);
    for strategy in strategies() {
        let (plain, plain_stays) = formed(&strategy, &chunks);
        let (refined, stays) = formed(&refined(strategy), &chunks);
        prop_assert_eq!(stays, plain_stays);
        prop_assert_eq!(refined.len(), plain.len());
        for (window, plain) in refined.iter().zip(&plain) {
            prop_assert_eq!(rest(window), rest(plain));
            shows(&seen(plain), &seen(window))?;
        }
    }
    Ok(())
}

/// All of a window but its members.
fn rest(window: &FormedWindow) -> impl PartialEq + Debug {
    let left = (window.leaving, window.left_before);
    (window.ordinal, window.bounds, window.key.clone(), window.reason, window.next, left)
}

fn is_in_order(all: &[Seen], shown: &[Seen]) -> bool {
    let mut all = all.iter();
    shown.iter().all(|message| all.any(|other| other == message))
}

/// The tens of a message's number, `None` of what is none.
fn tens_of(message: &Seen) -> Option<i64> {
    message.1.as_ref().map(tens)
}

/// Fewer logs than else, as each is that of six strategies.
fn config() -> ProptestConfig {
    let config = ProptestConfig::default();
    ProptestConfig { cases: config.cases.div_ceil(4), ..config }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn sorted_is_all_of_it_in_order(log in logs()) {
        compare(&log, |strategy| strategy.sorted_by(tens), |all, shown| {
            // each goes before the first that is greater
            let rank = |message: &Seen| tens_of(message).unwrap_or(i64::MAX);
            let mut expected: Vec<Seen> = Vec::new();
            for message in all {
                let at = expected.iter().position(|other| rank(other) > rank(message)).unwrap_or(expected.len());
                expected.insert(at, *message);
            }
            prop_assert_eq!(shown, expected);
            Ok(())
        })?;
    }

    #[test]
    fn unique_is_one_of_each_key(log in logs()) {
        for keep in [Keep::First, Keep::Last] {
            compare(&log, |strategy| strategy.unique_by(tens, keep), |all, shown| {
                let is_kept = |(at, message): &(usize, &Seen)| {
                    let others = if keep == Keep::First { &all[..*at] } else { &all[at + 1..] };
                    tens_of(message).is_none_or(|key| others.iter().all(|other| tens_of(other) != Some(key)))
                };
                let expected: Vec<Seen> = all.iter().enumerate().filter(is_kept).map(|(_, message)| *message).collect();
                prop_assert_eq!(shown, expected);
                Ok(())
            })?;
        }
    }

    #[test]
    fn a_sample_is_so_many_of_them(log in logs(), count in 1usize..9) {
        compare(&log, |strategy| strategy.sampled(Sample::every(count)), |all, shown| {
            let expected: Vec<Seen> = all.chunks(count).map(|few| few[0]).collect();
            prop_assert_eq!(shown, expected);
            Ok(())
        })?;
        compare(&log, |strategy| strategy.sampled(Sample::at_most(count)), |all, shown| {
            prop_assert_eq!(shown.len(), all.len().min(count));
            prop_assert!(is_in_order(all, shown));
            Ok(())
        })?;
        compare(&log, |strategy| strategy.sampled(Sample::share(0.5)), |all, shown| {
            prop_assert!(is_in_order(all, shown));
            Ok(())
        })?;
    }

    #[test]
    fn a_share_of_the_keys_is_all_of_each(log in logs()) {
        compare(&log, |strategy| strategy.sampled(Sample::share_by(0.5, tens)), |all, shown| {
            let kept: BTreeSet<_> = shown.iter().map(tens_of).collect();
            let is_kept = |message: &&Seen| tens_of(message).is_none() || kept.contains(&tens_of(message));
            let expected: Vec<Seen> = all.iter().filter(is_kept).copied().collect();
            prop_assert_eq!(shown, expected);
            Ok(())
        })?;
    }
}

/// What the windows show of a log of 20,000 messages, with the place that each has in its window.
fn shown(sample: Sample, size: usize) -> Vec<Vec<usize>> {
    let numbers: Vec<Option<i64>> = (0..1_000).map(Some).collect();
    let chunks: Vec<_> = (1..=20).map(|slot| chunk(slot, 0, &encoded(&numbers))).collect();
    let (windows, _) = formed(&CountWindow::new(size).sampled(sample), &chunks);
    // as a chunk is of whole windows
    let place = |offset: Offset| offset.index() as usize % size;
    windows.iter().map(|window| window.members.iter().map(|message| place(message.offset())).collect()).collect()
}

#[test]
fn each_message_is_as_probable_as_any_other() {
    for sample in [Sample::at_most(2), Sample::share(0.2)] {
        let mut counts = [0i32; 10];
        let windows = shown(sample.clone(), 10);
        windows.iter().flatten().for_each(|place| counts[*place] += 1);
        // two of ten, in 2,000 windows: four standard deviations are 72
        assert!(counts.iter().all(|count| (count - 400).abs() < 72), "{sample:?} {counts:?}");
    }
}

#[test]
fn a_share_is_of_the_messages_or_of_the_keys() {
    let count = |sample| -> usize { shown(sample, 1_000).iter().map(Vec::len).sum() };
    // four standard deviations
    assert!(count(Sample::share(0.1)).abs_diff(2_000) < 170);
    let by_key = shown(Sample::share_by(0.1, itself), 1_000);
    assert!(by_key[0].len().abs_diff(100) < 38);
    // each window has the same keys
    assert!(by_key.iter().all(|window| *window == by_key[0]));
}

#[test]
fn the_newest_of_each_key_that_messages_were_appended_with() {
    let keys = [Some("a"), None, Some("b"), Some("a"), None];
    let mut extras = Vec::new();
    for key in keys {
        extras.push(key.map_or_else(Extras::default, |key| Extras { key: Some(key.to_owned()), ..Extras::default() }));
    }
    let encoded = Encoded::values_with_extras([1, 2, 3, 4, 5].iter().zip(&extras)).unwrap();
    for (keep, expected) in [(Keep::Last, [2, 3, 4, 5]), (Keep::First, [1, 2, 3, 5])] {
        let strategy = Refined::new(CountWindow::new(5), UniqueBy::key(keep));
        let (windows, _) = formed(&strategy, &[chunk(1, 0, &encoded)]);
        let numbers: Vec<i64> = windows[0].members.iter().map(|message| message.decode().unwrap()).collect();
        assert_eq!(numbers, expected);
    }
}

#[test]
fn a_restart_in_the_middle_changes_nothing() {
    let strategy = CountWindow::sliding(4, 2).sorted_by(itself);
    let chunks = chunks(&vec![(0, [9, 8, 7].map(Some).to_vec()), (1, [6, 5, 4].map(Some).to_vec())]);
    let (expected, _) = formed(&strategy, &chunks);
    let mut windows = Vec::new();
    let mut first = strategy.driver(Position::START).unwrap();
    first.feed(&chunks[0], 0, 3, &mut windows).unwrap();
    let mut second = strategy.driver(Position::START).unwrap();
    second.restore(&first.base().unwrap(), &chunks[..1], &mut windows).unwrap();
    second.feed(&chunks[1], 0, 3, &mut windows).unwrap();
    let members = |windows: &[FormedWindow]| windows.iter().map(seen).collect::<Vec<_>>();
    assert_eq!(members(&windows), members(&expected));
    assert_eq!(windows.last().unwrap().bounds.end, Timestamp::EPOCH.plus(Duration::from_millis(1_001)));
}
