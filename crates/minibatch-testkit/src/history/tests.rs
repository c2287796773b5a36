//! A run without a fault passes; each planted fault is found by its own count, and by no other than those named.

use super::*;

fn key(lane: u32, number: u64) -> Key {
    Key { lane, number }
}

fn place(slot: u64, index: u64) -> u64 {
    (slot << 20) + index
}

fn window(id: &str, ordinal: u64, members: &[(u64, u64, Key)]) -> Event {
    let members = members.iter().map(|&(slot, index, key)| (place(slot, index), key)).collect();
    Event::Window { id: id.to_owned(), ordinal, attempt: 1, members }
}

fn done(id: &str) -> Event {
    Event::Done { id: id.to_owned() }
}

fn sunk(id: &str, keys: &[Key]) -> SinkEntry {
    SinkEntry { id: id.to_owned(), keys: keys.to_vec() }
}

/// Two lanes of one producer, a tombstone between, a consumer that was killed after its first window, and its heir.
fn sound() -> Outcome {
    let mut producer = History::new("producer");
    producer.events = vec![
        Event::Invoke { lane: 1, first: 0, count: 2 },
        Event::Invoke { lane: 2, first: 0, count: 1 },
        Event::Ack { lane: 1, first: 0, count: 2, at: Some((place(1, 0), place(1, 1))) },
        Event::Ack { lane: 2, first: 0, count: 1, at: None },
        Event::Invoke { lane: 1, first: 2, count: 1 },
        Event::Ack { lane: 1, first: 2, count: 1, at: Some((place(3, 0), place(3, 0))) },
        Event::Invoke { lane: 2, first: 1, count: 1 },
        Event::Indeterminate { lane: 2, first: 1, count: 1 },
        Event::Invoke { lane: 1, first: 3, count: 1 },
        Event::Failed { lane: 1, first: 3, count: 1 },
    ];
    let (mut killed, mut heir) = (History::new("consumer 1"), History::new("consumer 2"));
    let first = window("a", 1, &[(1, 0, key(1, 0)), (1, 1, key(1, 1))]);
    let second = window("b", 2, &[(1, 2, key(2, 0)), (3, 0, key(1, 2))]);
    killed.events = vec![first, done("a"), second.clone()];
    heir.events = vec![Event::Fenced, second, done("b")];
    Outcome {
        histories: vec![producer, killed, heir],
        log: vec![
            LogRecord::data(1, "p", 1, 1, vec![key(1, 0), key(1, 1), key(2, 0)]),
            LogRecord { tombstone: true, ..LogRecord::data(2, "p", 1, 2, vec![]) },
            LogRecord::data(3, "p", 1, 2, vec![key(1, 2)]),
            LogRecord::data(4, "p", 1, 3, vec![key(2, 1)]),
        ],
        committed: place(4, 0),
        seen: vec![
            Seen { epoch: 1, version: 0, keep_from: place(1, 0) },
            Seen { epoch: 1, version: 1, keep_from: place(1, 2) },
            Seen { epoch: 2, version: 1, keep_from: place(1, 2) },
            Seen { epoch: 2, version: 2, keep_from: place(4, 0) },
        ],
        sink: Some(vec![sunk("a", &[key(1, 0), key(1, 1)]), sunk("b", &[key(2, 0), key(1, 2)])]),
        dead: vec![],
    }
}

/// Plants a fault in a sound run.
fn check(plant: impl FnOnce(&mut Outcome), expect: &[(&'static str, u64)]) {
    let mut outcome = sound();
    plant(&mut outcome);
    assert_eq!(outcome.judge().defects(), expect);
}

#[test]
fn a_sound_run_is_counted_and_has_no_defect() {
    let verdict = sound().judge();
    assert_eq!(verdict.defects(), []);
    let appended = (verdict.attempted, verdict.acked, verdict.indeterminate, verdict.failed);
    assert_eq!(appended, (6, 4, 1, 1));
    assert_eq!((verdict.delivered, verdict.redelivered), (4, 2));
    assert_eq!((verdict.gap_repairs, verdict.fenced), (1, 1));
}

#[test]
fn what_was_told_nothing_may_be_absent() {
    check(|run| drop(run.log.pop()), &[]);
}

#[test]
fn i1_an_acknowledged_message_that_is_gone() {
    check(
        |run| run.log[2].keys.clear(),
        // the consumer was handed what is no longer there
        &[("lost", 1), ("disagreements", 2)],
    );
}

#[test]
fn i1_an_acknowledged_message_elsewhere() {
    let elsewhere = Some((place(1, 0), place(1, 2)));
    check(
        |run| run.histories[0].events[2] = Event::Ack { lane: 1, first: 0, count: 2, at: elsewhere },
        &[("misplaced", 1)],
    );
}

#[test]
fn i2_a_message_that_nobody_appended() {
    check(|run| run.log[3].keys.push(key(7, 0)), &[("unexpected", 1)]);
}

#[test]
fn i2_a_message_that_was_refused() {
    check(|run| run.log[3].keys.push(key(1, 3)), &[("unexpected", 1)]);
}

#[test]
fn i3_a_message_twice() {
    let again = LogRecord::data(5, "p", 1, 4, vec![key(2, 1)]);
    check(|run| run.log.push(again), &[("duplicated_in_log", 1), ("out_of_order", 1)]);
}

#[test]
fn i3_a_sequence_twice() {
    let again = LogRecord::data(5, "p", 2, 3, vec![]);
    check(|run| run.log.push(again), &[("duplicated_in_log", 1)]);
}

#[test]
fn i4_readers_disagree() {
    let other = window("b", 2, &[(1, 2, key(2, 0)), (3, 0, key(2, 1))]);
    check(
        |run| {
            run.histories[1].events.truncate(2);
            run.histories[2].events[1] = other;
        },
        &[("disagreements", 1), ("skipped", 1)],
    );
}

#[test]
fn i5_a_slot_is_missing() {
    check(|run| drop(run.log.remove(1)), &[("gaps", 1)]);
}

#[test]
fn i5_a_slot_twice() {
    let again = LogRecord::data(4, "p", 1, 4, vec![]);
    check(|run| run.log.push(again), &[("out_of_order", 1)]);
}

#[test]
fn i6_a_lane_out_of_order() {
    check(
        |run| {
            run.log[0].keys.swap(0, 1);
            run.histories.truncate(1);
            run.histories[0].events[2] = Event::Ack { lane: 1, first: 0, count: 2, at: None };
            (run.committed, run.sink) = (0, None);
        },
        &[("out_of_order", 1)],
    );
}

#[test]
fn i7_a_call_before_an_earlier_answer() {
    let overtaken = vec![
        Event::Invoke { lane: 1, first: 0, count: 1 },
        Event::Ack { lane: 1, first: 0, count: 1, at: None },
        Event::Invoke { lane: 2, first: 0, count: 1 },
        Event::Ack { lane: 2, first: 0, count: 1, at: None },
    ];
    let mut producer = History::new("producer");
    producer.events = overtaken;
    let log = vec![LogRecord::data(1, "p", 1, 1, vec![key(2, 0), key(1, 0)])];
    let verdict = Outcome { histories: vec![producer], log, ..Outcome::default() }.judge();
    assert_eq!(verdict.defects(), [("out_of_order", 1)]);
}

#[test]
fn i8_a_message_that_was_never_done() {
    check(|run| run.histories[2].events.truncate(2), &[("skipped", 2)]);
}

#[test]
fn i8_what_is_dead_was_not_skipped() {
    check(
        |run| {
            run.histories[2].events.truncate(2);
            run.sink.as_mut().unwrap().pop();
            run.dead = vec![key(2, 0), key(1, 2)];
        },
        &[],
    );
}

#[test]
fn i9_a_group_goes_back() {
    let back = Seen { epoch: 2, version: 1, keep_from: place(1, 2) };
    check(|run| run.seen.push(back), &[("regressed", 1)]);
    let epoch = Seen { epoch: 1, version: 3, keep_from: place(4, 0) };
    check(|run| run.seen.push(epoch), &[("regressed", 1)]);
}

#[test]
fn i11_a_window_with_other_members() {
    check(
        |run| run.histories[2].events[1] = window("b", 2, &[(1, 2, key(2, 0))]),
        &[("skipped", 1), ("changed_windows", 1)],
    );
    check(
        |run| *run.histories[1].events.last_mut().unwrap() = window("b", 2, &[(1, 2, key(2, 0))]),
        &[("changed_windows", 1)],
    );
}

#[test]
fn windows_out_of_order() {
    check(
        |run| {
            for history in &mut run.histories[1..] {
                for event in &mut history.events {
                    if let Event::Window { ordinal, .. } = event {
                        *ordinal = 3 - *ordinal;
                    }
                }
            }
        },
        &[("out_of_order", 1)],
    );
}

#[test]
fn i12_the_sink_has_a_message_twice() {
    check(|run| run.sink.as_mut().unwrap().push(sunk("c", &[key(1, 0)])), &[("sink_duplicates", 1)]);
}

#[test]
fn i12_the_sink_lacks_a_message() {
    check(|run| drop(run.sink.as_mut().unwrap().pop()), &[("sink_missing", 2)]);
}

#[test]
fn accounts_are_read_as_they_were_written() {
    let events = sound().histories.into_iter().flat_map(|history| history.events);
    let account = History { name: "all".to_owned(), events: events.collect() };
    let lines: String = account.events.iter().map(|event| event.line().unwrap()).collect();
    assert_eq!(History::parse("all", &lines).unwrap(), account);
}

#[test]
fn the_line_at_which_a_process_died_is_left_out_and_no_other() {
    let line = Event::Fenced.line().unwrap();
    let torn = format!("{line}{}", &line[..5]);
    assert_eq!(History::parse("killed", &torn).unwrap().events, [Event::Fenced]);
    assert_eq!(History::parse("killed", "{").unwrap().events, []);
    let error = History::parse("damaged", &format!("{}\n{line}", &line[..5])).unwrap_err();
    assert_eq!(error.to_string(), "a line of a history is no event: history=`damaged` line=`1`");
}

#[test]
fn counts_add_up() {
    let one = sound().judge();
    let mut two = one.clone();
    two.add(&one);
    assert_eq!((two.acked, two.redelivered, two.fenced), (8, 4, 2));
}
