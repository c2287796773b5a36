//! The driver and the window former: deadlines, decisions, restarts, and strategies that changed meanwhile.
//!
//! That every strategy keeps the laws is what the emitter suite of `minibatch-testkit` checks; here is what a strategy
//! cannot do wrong.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use proptest::{collection::vec, prelude::*};

use super::*;
use crate::{
    Buffer, Cause, Deadline, EmitterState, Error, Message, Observed, Offset, Readiness, Slot, Timestamp, WindowEmitter,
    buffer::tests::chunk,
    checkpoint::{Checkpoint, DecisionKind, DoneRange, DoneRanges, OpenPiece, OpenWindow, PieceWriter},
    chunk::{Chunk, MESSAGE_MAX_BYTES},
    storage::Position,
    window::{Bounds, Folded, FormedWindow, Leaves, Places, Reason, Selection},
};

/// Windows of so many messages, or what has gathered so many milliseconds after the first.
#[derive(Clone, Copy)]
struct Limits {
    size: usize,
    wait: u64,
}

impl Limits {
    fn deadline(self, buffer: &Buffer) -> Option<Timestamp> {
        buffer.first().map(|first| first.time().plus(Duration::from_millis(self.wait)))
    }
}

impl WindowEmitter for Limits {
    fn window_ready(&mut self, buffer: &Buffer, now: Timestamp) -> Readiness {
        match self.deadline(buffer) {
            None => Readiness::wait(),
            Some(deadline) if buffer.len() >= self.size || deadline <= now => Readiness::Ready,
            Some(deadline) => Readiness::wait_for(self.size - buffer.len()).until(deadline),
        }
    }

    fn query(&mut self, buffer: &Buffer) -> Selection {
        let reason = if buffer.len() < self.size { Reason::MaxWait } else { Reason::Count };
        Selection::first(self.size, reason)
    }
}

/// So many messages, and no timer.
fn count(size: usize) -> Limits {
    Limits { size, wait: u64::MAX }
}

fn former(emitter: impl WindowEmitter + 'static, checkpoint: Checkpoint) -> (WindowFormer, Vec<FormedWindow>) {
    let mut out = Vec::new();
    let driver = Box::new(Driver::new(emitter, Position::START));
    (WindowFormer::new(driver, checkpoint, &[], &mut out).unwrap(), out)
}

fn fresh(emitter: impl WindowEmitter + 'static) -> WindowFormer {
    let (former, out) = former(emitter, Checkpoint::start(Position::START));
    assert!(out.is_empty());
    former
}

/// One chunk for each word, its letters the messages, a second apart.
fn log(words: &str) -> Vec<LogEntry> {
    (1..).zip(words.split(' ')).map(|(slot, word)| LogEntry::Messages(letters(slot, word))).collect()
}

fn letters(slot: u64, word: &str) -> Arc<Chunk> {
    let letters: Vec<String> = word.chars().map(String::from).collect();
    chunk(slot, slot.cast_signed() * 1_000, &letters)
}

/// The members of windows, a word each.
fn words(windows: &[FormedWindow]) -> Vec<String> {
    windows
        .iter()
        .map(|window| window.members.iter().map(|message| message.decode::<String>().unwrap()).collect())
        .collect()
}

#[track_caller]
fn feed(former: &mut WindowFormer, entries: &[LogEntry], expected: &[&str]) -> Vec<FormedWindow> {
    let mut out = Vec::new();
    for entry in entries {
        former.feed(entry, &mut out).unwrap();
    }
    assert_eq!(words(&out), expected);
    out
}

#[track_caller]
fn decide(former: &mut WindowFormer, kind: DecisionKind, expected: &[&str]) -> Vec<FormedWindow> {
    let mut out = Vec::new();
    former.decide(kind, &mut out).unwrap();
    assert_eq!(words(&out), expected);
    out
}

fn seconds(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1_000)
}

#[test]
fn windows_not_done_come_again() {
    let log = log("abc defg h");
    let mut live = fresh(count(2));
    let windows = feed(&mut live, &log, &["ab", "cd", "ef", "gh"]);
    for ordinal in [2, 4] {
        live.settle(&windows[ordinal - 1]);
    }
    assert_eq!(live.done_ranges(), 2);
    let (mut again, out) = former(count(2), live.checkpoint().unwrap());
    assert!(out.is_empty() && !again.is_caught_up());
    let redelivered = feed(&mut again, &log, &["ab", "ef"]);
    assert!(again.is_caught_up());
    for (window, expected) in redelivered.iter().zip([&windows[0], &windows[2]]) {
        assert_eq!((window.ordinal, window.chain, window.bounds), (expected.ordinal, expected.chain, expected.bounds));
        again.settle(window);
    }
    // all is done: the next checkpoint begins after the last window
    let checkpoint = again.checkpoint().unwrap();
    assert_eq!((checkpoint.base.ordinal, checkpoint.done.len()), (5, 0));
    assert_eq!(again.keep_from(), Offset::first_of(Slot::new(4).unwrap()));
}

#[test]
fn what_is_buffered_is_kept_until_it_is_done() {
    let log = log("abc d ef");
    let mut live = fresh(count(2));
    let windows = feed(&mut live, &log[..1], &["ab"]);
    live.settle(&windows[0]);
    let checkpoint = live.checkpoint().unwrap();
    assert_eq!(live.keep_from(), Offset::new(Slot::FIRST, 2).unwrap());
    assert_eq!(WindowFormer::slots_needed(&checkpoint).collect::<Vec<_>>(), [(Slot::FIRST, seconds(1))]);

    let driver = || Box::new(Driver::new(count(2), Position::START));
    let mut out = Vec::new();
    let mut again = WindowFormer::new(driver(), checkpoint.clone(), &[letters(1, "abc")], &mut out).unwrap();
    feed(&mut again, &log[1..], &["cd", "ef"]);
    let error = WindowFormer::new(driver(), checkpoint, &[], &mut out).unwrap_err();
    assert!(matches!(error.cause(), Cause::CorruptState { .. }), "{error}");
}

#[test]
fn entries_read_again_are_left_out() {
    let log = log("abc de");
    let mut live = fresh(count(2));
    feed(&mut live, &log, &["ab", "cd"]);
    feed(&mut live, &log, &[]);
    feed(&mut live, &[LogEntry::Control { slot: Slot::FIRST, time: seconds(1) }], &[]);
    assert_eq!(live.position().offset.slot(), Slot::new(3).unwrap());
}

/// A group that begins in the middle of a chunk, or past its end.
#[test]
fn messages_before_the_start_are_left_out() {
    for (index, expected) in [(0, vec!["ab", "cd"]), (1, vec!["bc"]), (4, vec![]), (9, vec![])] {
        let position = Position { offset: Offset::new(Slot::FIRST, index).unwrap(), ..Position::START };
        let (mut live, _) = former(count(2), Checkpoint::start(position));
        feed(&mut live, &log("abcd"), &expected);
        assert_eq!(live.position().offset.slot(), Slot::new(2).unwrap());
    }
}

#[test]
fn decisions_are_taken_again_at_their_places() {
    let timed = Limits { size: 3, wait: 1_500 };
    let log = log("a bc d ef");
    let mut live = fresh(timed);
    feed(&mut live, &log[..1], &[]);
    decide(&mut live, DecisionKind::Grant(seconds(2)), &[]);
    assert_eq!(live.deadline(), Some(Deadline::private(Timestamp::from_millis(2_500))));
    let mut windows = decide(&mut live, DecisionKind::Grant(Timestamp::from_millis(2_500)), &["a"]);
    windows.extend(feed(&mut live, &log[1..2], &[]));
    windows.extend(decide(&mut live, DecisionKind::Shutdown, &["bc"]));
    windows.extend(feed(&mut live, &log[2..3], &[]));
    windows.extend(decide(&mut live, DecisionKind::Drain, &["d"]));
    windows.extend(decide(&mut live, DecisionKind::BufferFull, &[]));
    live.settle(&windows[2]);
    let checkpoint = live.checkpoint().unwrap();
    assert_eq!(checkpoint.decisions.len(), 5);

    let (mut again, _) = former(timed, checkpoint);
    let redelivered = feed(&mut again, &log[..3], &["a", "bc"]);
    let reasons: Vec<Reason> = redelivered.iter().map(|window| window.reason).collect();
    assert_eq!(reasons, [Reason::MaxWait, Reason::Shutdown]);
    assert!(again.is_caught_up());
    // both go on alike
    feed(&mut live, &log[3..], &[]);
    feed(&mut again, &log[3..], &[]);
    assert_eq!((live.deadline(), live.position()), (again.deadline(), again.position()));

    // a base after them takes their place
    for window in &redelivered {
        again.settle(window);
    }
    assert!(again.checkpoint().unwrap().decisions.is_empty());
}

#[test]
fn a_deadline_comes_before_a_message_of_that_very_time() {
    let timed = Limits { size: 9, wait: 1_000 };
    let mut live = fresh(timed);
    let windows = feed(&mut live, &log("ab c d"), &["ab", "c"]);
    assert!(windows.iter().all(|window| window.reason == Reason::MaxWait));
    // log time stands where the newest message is, not at a deadline to come
    assert_eq!((live.position().time, live.deadline()), (seconds(3), Some(Deadline::private(seconds(4)))));
}

#[test]
fn a_record_without_messages_passes_the_time() {
    let mut live = fresh(Limits { size: 9, wait: 1_000 });
    feed(&mut live, &log("ab"), &[]);
    let control = |time| [LogEntry::Control { slot: Slot::new(2).unwrap(), time }];
    feed(&mut live, &control(Timestamp::from_millis(1_999)), &[]);
    let mut live = fresh(Limits { size: 9, wait: 1_000 });
    feed(&mut live, &log("ab"), &[]);
    feed(&mut live, &control(seconds(2)), &["ab"]);
    assert_eq!(
        live.position(),
        Position { offset: Offset::first_of(Slot::new(3).unwrap()), time: seconds(2), count: 2 }
    );
}

#[test]
fn another_strategy_is_found_by_what_is_done() {
    let log = log("abc defg h");
    let mut live = fresh(count(2));
    let windows = feed(&mut live, &log, &["ab", "cd", "ef", "gh"]);
    live.settle(&windows[1]);
    let checkpoint = live.checkpoint().unwrap();
    let (mut changed, _) = former(count(3), checkpoint.clone());
    let mut out = Vec::new();
    let error = log.iter().find_map(|entry| changed.feed(entry, &mut out).err()).unwrap();
    assert!(matches!(error.cause(), Cause::WindowsDiffer { ordinal: 2, .. }), "{error}");

    // from the same place with nothing done, under numbers that no window had
    let (mut anew, _) = former(count(3), checkpoint.without_done());
    let windows = feed(&mut anew, &log, &["abc", "def"]);
    assert_eq!(windows.iter().map(|window| window.ordinal).collect::<Vec<_>>(), [3, 4]);
}

/// What the digests are there for: were each taken for right, a window of a strategy that was changed would be skipped in
/// which there are messages that nobody has seen.
#[test]
fn without_digests_messages_would_be_skipped() {
    let log = log("abc defg h");
    let mut live = fresh(count(2));
    let windows = feed(&mut live, &log, &["ab", "cd", "ef", "gh"]);
    live.settle(&windows[1]);
    let checkpoint = live.checkpoint().unwrap();
    let changed = feed(&mut fresh(count(1)), &log, &["a", "b", "c", "d", "e", "f", "g", "h"]);
    let range = DoneRange { chain: changed[1].chain, ..checkpoint.done.as_slice()[0] };
    let undigested = Checkpoint { done: DoneRanges::stored(vec![range]).unwrap(), ..checkpoint.clone() };

    let (mut killed, _) = former(count(1), checkpoint);
    let error = log.iter().find_map(|entry| killed.feed(entry, &mut Vec::new()).err()).unwrap();
    assert!(matches!(error.cause(), Cause::WindowsDiffer { ordinal: 2, .. }), "{error}");
    // "b" is in no window that was done, and in none that comes
    feed(&mut former(count(1), undigested).0, &log, &["a", "c", "d", "e", "f", "g", "h"]);
}

/// Windows of other sizes under the same fingerprint, as of a closure that was changed.
#[derive(Debug)]
struct Changed {
    size: usize,
    then: usize,
    done: BTreeSet<usize>,
}

fn changed() -> impl Strategy<Value = Changed> {
    (1usize..5, 1usize..5, prop::collection::btree_set(0usize..12, 1..6))
        .prop_filter("the sizes differ", |(size, then, _)| size != then)
        .prop_map(|(size, then, done)| Changed { size, then, done })
}

proptest! {
    /// Whatever is done, a strategy that forms other windows never skips one of them.
    #[test]
    fn other_windows_are_never_skipped(changed in changed(), cuts in vec(1usize..6, 12)) {
        let mut next = 'a'..='z';
        let texts: Vec<String> = cuts.iter().map(|&cut| next.by_ref().take(cut).collect()).collect();
        let texts: Vec<&str> = texts.iter().map(String::as_str).filter(|text| !text.is_empty()).collect();
        let log = log(&texts.join(" "));
        let mut live = fresh(count(changed.size));
        let mut windows = Vec::new();
        for entry in &log {
            live.feed(entry, &mut windows).unwrap();
        }
        let mut any = false;
        for window in windows.iter().enumerate().filter(|(number, _)| changed.done.contains(number)).map(|(_, window)| window) {
            live.settle(window);
            any = true;
        }
        let (mut again, mut out) = former(count(changed.then), live.checkpoint().unwrap());
        let error = log.iter().find_map(|entry| again.feed(entry, &mut out).err());
        prop_assert_eq!(error.is_some(), any, "{:?}", error);
    }

    /// However the messages of chunks are fed, and whichever are left out.
    #[test]
    fn pieces_of_chunks_make_the_same_windows(size in 1usize..6, bytes in 1usize..40, cuts in vec(1u32..9, 1..20), left_out in any::<u8>()) {
        let log = log("abcdefgh ijk lmnopq rstuvwxyz");
        let mut whole = Driver::new(ByBytes { size, bytes, left_out }, Position::START);
        let mut pieces = Driver::new(ByBytes { size, bytes, left_out }, Position::START);
        let (mut expected, mut found) = (Vec::new(), Vec::new());
        let mut cuts = cuts.into_iter().cycle();
        for entry in &log {
            let LogEntry::Messages(chunk) = entry else { panic!("no messages") };
            whole.feed(chunk, 0, chunk.len(), &mut expected).unwrap();
            let mut from = 0;
            while from < chunk.len() {
                let to = from + cuts.next().unwrap();
                pieces.feed(chunk, from, to, &mut found).unwrap();
                from = to;
            }
        }
        prop_assert_eq!(words(&found), words(&expected));
        prop_assert_eq!(found.last().map(|window| window.chain), expected.last().map(|window| window.chain));
        prop_assert_eq!((pieces.position(), pieces.dropped()), (whole.position(), whole.dropped()));
    }
}

/// Waits for messages and bytes at once, and leaves letters out.
struct ByBytes {
    size: usize,
    bytes: usize,
    left_out: u8,
}

impl WindowEmitter for ByBytes {
    fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
        if buffer.len() >= self.size || buffer.bytes() >= self.bytes {
            return Readiness::Ready;
        }
        Readiness::wait_for(self.size - buffer.len()).or_bytes(self.bytes - buffer.bytes())
    }

    fn query(&mut self, buffer: &Buffer) -> Selection {
        Selection::first(buffer.len(), Reason::Bytes)
    }

    fn observe(&mut self, message: &Message<'_>) -> Observed {
        let letter: String = message.decode().unwrap();
        let bit = letter.as_bytes()[0] % 8;
        if self.left_out >> bit & 1 == 1 { Observed::Drop } else { Observed::Keep }
    }
}

/// Windows that end with an `e`. It counts how often it is asked.
#[derive(Default)]
struct Words {
    ends: bool,
    asked: usize,
}

impl WindowEmitter for Words {
    fn window_ready(&mut self, _buffer: &Buffer, _now: Timestamp) -> Readiness {
        self.asked += 1;
        if self.ends { Readiness::Ready } else { Readiness::wait_until_due() }
    }

    fn query(&mut self, buffer: &Buffer) -> Selection {
        self.ends = false;
        Selection::first(buffer.len(), Reason::Predicate)
    }

    fn observe(&mut self, message: &Message<'_>) -> Observed {
        let letter: String = message.decode().unwrap();
        self.ends = letter == "e";
        if letter == "-" { Observed::Drop } else { Observed::Keep }
    }

    fn is_due(&self) -> bool {
        self.ends
    }
}

#[test]
fn what_is_due_is_asked_at_once_and_nothing_else_is() {
    let mut driver = Driver::new(Words::default(), Position::START);
    let mut out = Vec::new();
    for (slot, letters) in (1..).zip(["a-be", "cd-", "-eeab", "ab"]) {
        let letters: Vec<String> = letters.chars().map(String::from).collect();
        let chunk = chunk(slot, 0, &letters);
        driver.feed(&chunk, 0, chunk.len(), &mut out).unwrap();
    }
    assert_eq!(words(&out), ["abe", "cde", "e"]);
    assert_eq!(
        out.iter().map(|window| window.next).collect::<Vec<_>>(),
        [(1, 4), (3, 2), (3, 3)].map(|(slot, index)| { Offset::new(Slot::new(slot).unwrap(), index).unwrap() })
    );
    assert_eq!((driver.buffer().len(), driver.dropped()), (4, 3));
    // at the first message, and twice for each window
    assert_eq!(driver.emitter().asked, 1 + 2 * 3);
}

/// What a strategy may ask for that would never end.
#[derive(Clone, Copy)]
struct Endless(Where);

#[derive(Clone, Copy, PartialEq)]
enum Where {
    Ready,
    Drain,
}

impl WindowEmitter for Endless {
    fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
        if self.0 == Where::Ready && !buffer.is_empty() { Readiness::Ready } else { Readiness::wait() }
    }

    fn query(&mut self, _buffer: &Buffer) -> Selection {
        Selection::first(1, Reason::Early).leaving(Leaves::Nothing)
    }

    fn drain(&mut self, _buffer: &Buffer, reason: Reason) -> Option<Selection> {
        Some(Selection::first(1, reason).leaving(Leaves::Nothing))
    }
}

#[test]
fn windows_without_end_are_an_error() {
    let mut out = Vec::new();
    let error = fresh(Endless(Where::Ready)).feed(&log("a")[0], &mut out).unwrap_err();
    assert!(matches!(error.cause(), Cause::InvalidWindow { .. }), "{error}");
    let mut drains = fresh(Endless(Where::Drain));
    feed(&mut drains, &log("a"), &[]);
    let error = drains.decide(DecisionKind::Drain, &mut out).unwrap_err();
    assert!(matches!(error.cause(), Cause::InvalidWindow { .. }), "{error}");
}

/// More stretches of time than windows in a row may leave the buffer as it is.
#[test]
fn many_open_windows_of_other_times_are_no_endless_loop() {
    /// Shows the first message in windows of so many stretches of time.
    struct Sliding(i64);
    impl WindowEmitter for Sliding {
        fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
            if self.0 > 0 && !buffer.is_empty() { Readiness::Ready } else { Readiness::wait() }
        }
        fn query(&mut self, _buffer: &Buffer) -> Selection {
            self.0 -= 1;
            let bounds = Bounds::new(Timestamp::EPOCH, Timestamp::from_millis(self.0));
            Selection::first(1, Reason::Early).leaving(Leaves::Nothing).within(bounds)
        }
    }
    let mut out = Vec::new();
    fresh(Sliding(70_000)).feed(&log("a")[0], &mut out).unwrap();
    assert_eq!(out.len(), 70_000);
}

/// What is kept for its window to come again has left, and is not counted again when it goes.
#[test]
fn what_is_kept_has_left() {
    /// Pairs, which are kept until there are six messages.
    struct Pairs(usize);
    impl WindowEmitter for Pairs {
        fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
            if buffer.len() >= self.0 + 2 || buffer.len() == 6 { Readiness::Ready } else { Readiness::wait() }
        }
        fn query(&mut self, buffer: &Buffer) -> Selection {
            let all: Vec<Offset> = buffer.iter().map(|message| message.offset()).collect();
            if self.0 == 6 {
                self.0 = 0;
                return Selection::releasing(all);
            }
            let pair = all[self.0..self.0 + 2].to_vec();
            self.0 += 2;
            Selection::of(pair.clone(), Reason::Count).leaving(Leaves::Kept(pair))
        }
        fn snapshot(&self) -> Result<EmitterState, Error> {
            EmitterState::encode(&self.0)
        }
        fn restore(&mut self, state: &EmitterState, _buffer: &Buffer) -> Result<(), Error> {
            self.0 = state.decode()?.unwrap_or_default();
            Ok(())
        }
    }
    let mut live = Driver::new(Pairs(0), Position::START);
    let mut out = Vec::new();
    live.feed(&letters(1, "abcde"), 0, 5, &mut out).unwrap();
    assert_eq!(out.iter().map(|window| (window.leaving, window.left_before)).collect::<Vec<_>>(), [(2, 0), (2, 2)]);
    let base = live.base().unwrap();
    assert_eq!((base.left, base.kept, base.waiting(), base.dropped), (4, 4, 1, 0));
    let mut again = Driver::new(Pairs(0), Position::START);
    again.restore(&base, &[letters(1, "abcde")], &mut out).unwrap();
    again.feed(&letters(2, "f"), 0, 1, &mut out).unwrap();
    assert_eq!((words(&out), again.buffer().len()), (["ab", "cd", "ef"].map(String::from).to_vec(), 0));
    let base = again.base().unwrap();
    assert_eq!((base.left, base.kept, base.waiting(), base.dropped), (6, 0, 0, 0));
}

/// Remembers how many messages it saw.
struct Counting(u64);

impl WindowEmitter for Counting {
    fn window_ready(&mut self, _buffer: &Buffer, _now: Timestamp) -> Readiness {
        Readiness::wait()
    }
    fn query(&mut self, buffer: &Buffer) -> Selection {
        Selection::first(buffer.len(), Reason::Count)
    }
    fn observe(&mut self, _message: &Message<'_>) -> Observed {
        self.0 += 1;
        Observed::Drop
    }
    fn snapshot(&self) -> Result<EmitterState, Error> {
        EmitterState::encode(&self.0)
    }
    fn restore(&mut self, state: &EmitterState, _buffer: &Buffer) -> Result<(), Error> {
        self.0 = state.decode()?.unwrap_or_default();
        Ok(())
    }
}

#[test]
fn what_is_left_out_is_counted_and_not_kept() {
    let mut live = fresh(Counting(0));
    feed(&mut live, &log("abc de"), &[]);
    assert_eq!((live.dropped(), live.buffer().len()), (5, 0));
    let checkpoint = live.checkpoint().unwrap();
    assert_eq!(live.keep_from(), live.position().offset);
    assert_eq!(checkpoint.base.state.decode::<u64>().unwrap(), Some(5));
    let (mut again, _) = former(Counting(0), checkpoint);
    assert_eq!(again.dropped(), 5);
    feed(&mut again, &log("abc de fgh"), &[]);
    assert_eq!(again.checkpoint().unwrap().base.state.decode::<u64>().unwrap(), Some(8));
}

#[test]
fn a_state_of_another_strategy_is_refused() {
    let mut checkpoint = Checkpoint::start(Position::START);
    checkpoint.base.state = EmitterState::encode("words").unwrap();
    let driver = Box::new(Driver::new(Counting(0), Position::START));
    let error = WindowFormer::new(driver, checkpoint, &[], &mut Vec::new()).unwrap_err();
    assert!(matches!(error.cause(), Cause::CorruptState { .. }), "{error}");
}

/// A window as strategies may choose it: which of the buffer's messages, in which order, and which leave.
#[test]
fn members_and_leavers_are_as_selected() {
    struct Pick(fn(&[Offset]) -> Selection);
    impl WindowEmitter for Pick {
        fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
            if buffer.len() == 4 { Readiness::Ready } else { Readiness::wait() }
        }
        fn query(&mut self, buffer: &Buffer) -> Selection {
            self.0(&buffer.iter().map(|message| message.offset()).collect::<Vec<_>>())
        }
    }
    let check = |select, window: &str, left: &str| {
        let mut live = fresh(Pick(select));
        let windows = feed(&mut live, &log("ab cd"), &[window]);
        let buffered: String = live.buffer().iter().map(|message| message.decode::<String>().unwrap()).collect();
        assert_eq!(buffered, left);
        windows
    };
    check(|_| Selection::first(3, Reason::Count), "abc", "d");
    check(|all| Selection::of(vec![all[3], all[0]], Reason::Count), "da", "bc");
    check(|all| Selection::first(3, Reason::Count).leaving(Leaves::Before(all[1])), "abc", "bcd");
    check(|all| Selection::first(2, Reason::Count).leaving(Leaves::Offsets(vec![all[2]])), "ab", "abd");
    check(|all| Selection::of(vec![all[1], Offset::ZERO], Reason::Count), "b", "acd");
    let windows = check(|_| Selection::first(9, Reason::Count), "abcd", "");
    assert_eq!((windows[0].bounds.start, windows[0].bounds.end), (seconds(1), Timestamp::from_millis(2_001)));
}

/// Messages that turn out to be in no window leave the buffer, are counted, and are no window.
#[test]
fn what_turns_out_to_be_of_no_use_is_dropped() {
    /// Pairs; of each third message of a chunk nothing becomes.
    struct Thirds;
    impl WindowEmitter for Thirds {
        fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
            if buffer.len() == 3 { Readiness::Ready } else { Readiness::wait() }
        }
        fn query(&mut self, buffer: &Buffer) -> Selection {
            let last = buffer.last().map(|message| message.offset());
            Selection::dropping(last.into_iter().collect())
        }
        fn drain(&mut self, buffer: &Buffer, reason: Reason) -> Option<Selection> {
            (!buffer.is_empty()).then(|| Selection::first(2, reason))
        }
    }
    let mut live = fresh(Thirds);
    feed(&mut live, &log("abc d"), &[]);
    assert_eq!((live.dropped(), live.buffer().len()), (2, 2));
    let windows = decide(&mut live, DecisionKind::Drain, &["ab"]);
    assert_eq!((windows[0].ordinal, windows[0].leaving, windows[0].left_before), (1, 2, 0));
    live.settle(&windows[0]);
    let (again, _) = former(Thirds, live.checkpoint().unwrap());
    assert_eq!((again.dropped(), again.position()), (2, live.position()));
}

/// Letters as one word of so many; a `!` is kept, and comes with the next word.
#[derive(Clone, Default)]
struct Spelling {
    len: usize,
    word: String,
    last: Option<(Offset, Timestamp)>,
}

impl WindowEmitter for Spelling {
    fn window_ready(&mut self, _buffer: &Buffer, _now: Timestamp) -> Readiness {
        if self.word.len() >= self.len { Readiness::Ready } else { Readiness::wait() }
    }

    fn query(&mut self, buffer: &Buffer) -> Selection {
        let word = std::mem::take(&mut self.word);
        let (last, time) = self.last.unwrap();
        let messages = word.len() as u64;
        Selection::first(buffer.len(), Reason::Count).folded(Folded::new(&word, messages, last, time), messages)
    }

    fn observe(&mut self, message: &Message<'_>) -> Observed {
        let letter: String = message.decode().unwrap();
        if letter == "!" {
            return Observed::Keep;
        }
        self.word += &letter;
        self.last = Some((message.offset(), message.time()));
        Observed::Fold
    }

    fn snapshot(&self) -> Result<EmitterState, Error> {
        EmitterState::encode(&self.word)
    }

    fn restore(&mut self, state: &EmitterState, _buffer: &Buffer) -> Result<(), Error> {
        self.word = state.decode()?.unwrap_or_default();
        Ok(())
    }
}

#[test]
fn a_value_stands_for_what_was_folded_into_it() {
    let spelling = || Spelling { len: 4, ..Spelling::default() };
    let log = log("ab!c defgh");
    let mut live = fresh(spelling());
    let windows = feed(&mut live, &log, &["abcd!", "efgh"]);
    let [first, second] = &windows[..] else { panic!("{windows:?}") };
    assert_eq!((first.messages(), first.leaving, second.messages(), second.left_before), (5, 5, 4, 5));
    let place = |window: &FormedWindow| window.members.first().map(|value| (value.offset(), value.is_folded()));
    assert_eq!(place(first), Some((Offset::new(Slot::new(2).unwrap(), 0).unwrap(), true)));
    assert!(first.members.iter().skip(1).all(|message| !message.is_folded()));

    // what is folded and in no window yet is nowhere but in the checkpoint
    live.settle(first);
    live.settle(second);
    feed(&mut live, &[LogEntry::Messages(letters(3, "xy"))], &[]);
    let checkpoint = live.checkpoint().unwrap();
    assert_eq!((checkpoint.base.folded, checkpoint.base.waiting(), checkpoint.base.left), (2, 2, 9));
    assert_eq!(checkpoint.keep_from().slot(), Slot::new(4).unwrap());
    let (mut again, _) = former(spelling(), checkpoint);
    let third = feed(&mut again, &[LogEntry::Messages(letters(4, "z?"))], &["xyz?"]);
    assert_eq!((third[0].messages(), third[0].leaving), (4, 4));
}

#[test]
fn an_open_window_keeps_its_value() {
    let mut live = fresh(Spelling { len: 2, ..Spelling::default() });
    let windows = feed(&mut live, &log("a!b"), &["ab!"]);
    live.settle(&windows[0]);
    let piece = |places| OpenPiece { places, ..OpenPiece::default() };
    let open = |left| OpenWindow { left: vec![left], ..OpenWindow::finished(&windows[0]) };
    for (places, word, needs_log) in
        [(Places::first(1), "ab", false), (Places::first(2), "ab!", true), (Places::from(1..2), "!", true)]
    {
        live.open(open(piece(places)));
        let mut pieces = PieceWriter::new(1);
        let stored = live.checkpoint().unwrap().encode(&mut pieces).unwrap();
        let read = Checkpoint::decode(&stored.inline, &[]).unwrap();
        let open = &read.open[&1];
        assert_eq!(open.runs_left().is_empty(), !needs_log);
        let members = open.members_left(&[letters(1, "a!b")]).unwrap();
        let left: String = members.iter().map(|message| message.decode::<String>().unwrap()).collect();
        assert_eq!(left, word);
        assert_eq!(open.messages_at(&open.places_left()), if word == "!" { 1 } else { word.len() as u64 });
    }
}

#[test]
fn a_value_that_is_no_message_is_an_error() {
    struct Endless;
    impl WindowEmitter for Endless {
        fn window_ready(&mut self, _buffer: &Buffer, _now: Timestamp) -> Readiness {
            Readiness::Ready
        }

        fn query(&mut self, _buffer: &Buffer) -> Selection {
            let value = Folded::new(&"a".repeat(MESSAGE_MAX_BYTES + 1), 1, Offset::FIRST, Timestamp::EPOCH);
            Selection::of(Vec::new(), Reason::Count).folded(value, 1)
        }
    }
    let mut driver = Driver::new(Endless, Position::START);
    let error = driver.feed(&letters(1, "a"), 0, 1, &mut Vec::new()).unwrap_err();
    assert!(matches!(error.cause(), Cause::MessageTooLarge { .. }), "{error}");
}
