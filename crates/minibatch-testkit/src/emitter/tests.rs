//! The suite tested: strategies with a fault each are found out, for that fault.

use std::{
    sync::atomic::{AtomicUsize, Ordering},
    time::Duration,
};

use minibatch_core::{
    Buffer, Cause, EmitterState, Error, Explanation, Message, Observed, Readiness, Timestamp, WindowEmitter,
    window::{Leaves, Picks, Reason, Selection},
};
use proptest::test_runner::Config;

use super::{Law, Suite, check, parse::parse};

/// Windows of so many, with a fault.
struct Faulty<F> {
    size: usize,
    fault: F,
}

trait Fault: 'static {
    fn ready(&mut self, size: usize, buffer: &Buffer, now: Timestamp) -> Readiness {
        let _ = now;
        if buffer.len() < size { Readiness::wait_for(size - buffer.len()) } else { Readiness::Ready }
    }
    fn select(&mut self, size: usize, _buffer: &Buffer) -> Selection {
        Selection::first(size, Reason::Count)
    }
    fn observe(&mut self) -> Observed {
        Observed::Keep
    }
    fn explain(&self, size: usize, buffer: &Buffer, now: Timestamp) -> Explanation {
        Explanation::at(now).messages(size - buffer.len())
    }
    fn restore(&mut self) -> Result<(), Error> {
        Ok(())
    }
}

impl<F: Fault + Send> WindowEmitter for Faulty<F> {
    fn window_ready(&mut self, buffer: &Buffer, now: Timestamp) -> Readiness {
        self.fault.ready(self.size, buffer, now)
    }
    fn query(&mut self, buffer: &Buffer) -> Selection {
        self.fault.select(self.size, buffer)
    }
    fn observe(&mut self, _message: &Message<'_>) -> Observed {
        self.fault.observe()
    }
    fn explain(&self, buffer: &Buffer, now: Timestamp) -> Explanation {
        self.fault.explain(self.size, buffer, now)
    }
    fn restore(&mut self, _state: &EmitterState, _buffer: &Buffer) -> Result<(), Error> {
        self.fault.restore()
    }
}

fn suite<F: Fault + Send>(fault: fn() -> F) -> Suite<Faulty<F>> {
    Suite::new(move || Faulty { size: 3, fault: fault() })
}

/// Checks that the suite sees that the law is broken, on one of so many logs that chance plays no part.
#[track_caller]
fn check_found<F: Fault + Send>(fault: fn() -> F, law: Law) {
    let config = Config { failure_persistence: None, cases: 20_000, ..Config::default() };
    let failure = suite(fault).run_law(law, config).unwrap_err();
    assert_eq!(failure.law(), law, "{failure}");
}

#[test]
fn without_a_fault_all_laws_hold() {
    struct None;
    impl Fault for None {}
    suite(|| None).check();
}

/// As with the order of a map that is seeded at random.
#[test]
fn what_differs_from_process_to_process_is_found() {
    static PROCESSES: AtomicUsize = AtomicUsize::new(0);
    struct Random(usize);
    impl Fault for Random {
        fn select(&mut self, size: usize, _buffer: &Buffer) -> Selection {
            Selection::first(1 + self.0 % size, Reason::Count)
        }
    }
    check_found(|| Random(PROCESSES.fetch_add(1, Ordering::Relaxed)), Law::SecondProcess);
}

#[test]
fn what_depends_on_chunks_is_found() {
    struct ByChunk;
    impl Fault for ByChunk {
        fn ready(&mut self, _size: usize, buffer: &Buffer, _now: Timestamp) -> Readiness {
            match (buffer.first(), buffer.last()) {
                (Some(first), Some(last)) if first.offset().slot() != last.offset().slot() => Readiness::Ready,
                _ => Readiness::wait(),
            }
        }
    }
    check_found(|| ByChunk, Law::AnyChunking);
}

#[test]
fn what_goes_by_place_does_so_where_it_is_said() {
    struct ByPlace;
    impl Fault for ByPlace {
        fn select(&mut self, size: usize, buffer: &Buffer) -> Selection {
            let selection = Selection::first(size, Reason::Count);
            let even = selection.members(buffer).into_iter().filter(|offset| offset.index() % 2 == 0);
            selection.showing(even.collect(), buffer)
        }
    }
    check_found(|| ByPlace, Law::AnyChunking);
    suite(|| ByPlace).may_discard().by_place().check();
}

#[test]
fn waiting_for_too_many_is_found() {
    struct Sleepy;
    impl Fault for Sleepy {
        fn ready(&mut self, size: usize, buffer: &Buffer, _now: Timestamp) -> Readiness {
            if buffer.len() < size { Readiness::wait_for(size + 1) } else { Readiness::Ready }
        }
        fn select(&mut self, _size: usize, buffer: &Buffer) -> Selection {
            Selection::first(buffer.len(), Reason::Count)
        }
    }
    check_found(|| Sleepy, Law::AskedMoreOften);
}

#[test]
fn counting_how_often_one_is_asked_is_found() {
    struct Nervous(usize);
    impl Fault for Nervous {
        fn ready(&mut self, size: usize, buffer: &Buffer, _now: Timestamp) -> Readiness {
            self.0 += 1;
            if buffer.len() >= size || self.0.is_multiple_of(5) && !buffer.is_empty() {
                Readiness::Ready
            } else {
                Readiness::wait()
            }
        }
        fn select(&mut self, _size: usize, buffer: &Buffer) -> Selection {
            Selection::first(buffer.len(), Reason::Count)
        }
    }
    check_found(|| Nervous(0), Law::AskedMoreOften);
}

#[test]
fn a_timer_from_when_one_is_asked_is_found() {
    struct Procrastinator;
    impl Fault for Procrastinator {
        fn ready(&mut self, size: usize, buffer: &Buffer, now: Timestamp) -> Readiness {
            let second = Duration::from_secs(1);
            let Some(last) = buffer.last() else { return Readiness::wait() };
            if buffer.len() >= size || last.time().plus(second) < now {
                return Readiness::Ready;
            }
            Readiness::wait_for(size - buffer.len()).until(now.plus(second + second))
        }
        fn select(&mut self, _size: usize, buffer: &Buffer) -> Selection {
            Selection::first(buffer.len(), Reason::MaxWait)
        }
    }
    check_found(|| Procrastinator, Law::AskedMoreOften);
}

#[test]
fn lost_messages_are_found_unless_declared() {
    struct Loser;
    impl Fault for Loser {
        fn select(&mut self, size: usize, buffer: &Buffer) -> Selection {
            let offsets: Vec<_> = buffer.iter().map(|message| message.offset()).collect();
            let picks = Picks::Offsets(offsets[..size - 1].to_vec());
            Selection::new(picks, Reason::Count).leaving(Leaves::Offsets(offsets))
        }
    }
    check_found(|| Loser, Law::Accounting);
    suite(|| Loser).may_discard().check();
}

/// They would be counted as neither left nor dropped: that is of messages that were kept.
#[test]
fn released_messages_that_never_left_are_found() {
    struct Releaser;
    impl Fault for Releaser {
        fn select(&mut self, _size: usize, buffer: &Buffer) -> Selection {
            Selection::releasing(buffer.iter().map(|message| message.offset()).collect())
        }
    }
    check_found(|| Releaser, Law::Accounting);
    let failure = suite(|| Releaser).may_discard().run().unwrap_err();
    assert_eq!(failure.law(), Law::Accounting);
}

#[test]
fn repeated_messages_are_found_unless_declared() {
    struct Sliding;
    impl Fault for Sliding {
        fn select(&mut self, size: usize, buffer: &Buffer) -> Selection {
            let next = buffer.iter().nth(1).map(|message| message.offset()).unwrap();
            Selection::first(size, Reason::Count).leaving(Leaves::Before(next))
        }
    }
    check_found(|| Sliding, Law::Accounting);
    suite(|| Sliding).may_repeat().check();
}

#[test]
fn what_is_forgotten_over_a_restart_is_found() {
    struct EverySecond(usize);
    impl Fault for EverySecond {
        fn observe(&mut self) -> Observed {
            self.0 += 1;
            if self.0.is_multiple_of(2) { Observed::Drop } else { Observed::Keep }
        }
    }
    check_found(|| EverySecond(0), Law::Restore);
}

#[test]
fn what_cannot_be_restored_is_found() {
    struct Fragile(bool);
    impl Fault for Fragile {
        fn observe(&mut self) -> Observed {
            self.0 = true;
            Observed::Keep
        }
        fn restore(&mut self) -> Result<(), Error> {
            if self.0 { Ok(()) } else { Err(Cause::corrupt_state("window state", "by design").into()) }
        }
    }
    // no consumer can start with it
    check_found(|| Fragile(false), Law::SecondProcess);
}

#[test]
fn an_explanation_that_does_not_hold_is_found() {
    struct Hopeful;
    impl Fault for Hopeful {
        fn explain(&self, _size: usize, _buffer: &Buffer, now: Timestamp) -> Explanation {
            Explanation::at(now).messages(1)
        }
    }
    check_found(|| Hopeful, Law::Explained);
    struct Early;
    impl Fault for Early {
        fn explain(&self, _size: usize, _buffer: &Buffer, now: Timestamp) -> Explanation {
            Explanation::at(now).until(now.plus(Duration::from_secs(2)))
        }
    }
    check_found(|| Early, Law::Explained);
}

/// Endless windows end in an error and not in a full memory.
#[test]
fn windows_without_end_are_found() {
    struct Endless;
    impl Fault for Endless {
        fn ready(&mut self, size: usize, buffer: &Buffer, _now: Timestamp) -> Readiness {
            if buffer.len() < size { Readiness::wait() } else { Readiness::Ready }
        }
        fn select(&mut self, size: usize, _buffer: &Buffer) -> Selection {
            Selection::first(size, Reason::Early).leaving(Leaves::Nothing)
        }
    }
    let line = "a b c";
    let found = std::panic::catch_unwind(|| check(|| Faulty { size: 3, fault: Endless }, line, &[]));
    let text = found.unwrap_err().downcast::<String>().unwrap();
    assert!(text.contains("again and again"), "{text}");
}

#[test]
fn scripts_are_shown_as_they_are_read() {
    for line in ["a", "0 1@1 | 2 !punct@2.5 3@3 @4.001 5@4.001", "0@1 !tomb@1 !unknown@2 @7", "!drain !shutdown !full"]
    {
        let (script, _) = parse(line).unwrap();
        let shown = script.to_string();
        assert_eq!(parse(&shown).unwrap().0, script, "{line}: {shown}");
    }
    for line in ["!x", "!punct", "!drain@1", "a@x"] {
        parse(line).unwrap_err();
    }
}

#[test]
#[should_panic(expected = "windows found and expected")]
fn other_windows_fail_the_check() {
    struct None;
    impl Fault for None {}
    check(|| Faulty { size: 3, fault: None }, "a b c d", &["abc", "d"]);
}

#[test]
fn windows_are_compared_as_far_as_described() {
    struct None;
    impl Fault for None {}
    let three = || Faulty { size: 3, fault: None };
    check(three, "a b@1 | c@1.5", &["abc"]);
    check(three, "a b@1 | c@1.5", &["abc count"]);
    check(three, "a b@1 | c@1.5", &["abc @1.5"]);
    check(three, "a b@1 | c@1.5", &["abc count@1.5 [0,1.501)"]);
    check(three, "1 x yz", &["1,x,yz"]);
}
