//! I1 to I3 and I5 to I7: the log against what producers were told.

use std::collections::{HashMap, HashSet};

use minibatch_core::Slot;

use super::{Event, Key, LogRecord, Outcome, Verdict};

/// What a client was told of an append in the end.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Nothing,
    Durable,
    Refused,
}

pub(super) fn judge(outcome: &Outcome, verdict: &mut Verdict) {
    let mut told = HashMap::new();
    for event in outcome.histories.iter().flat_map(|history| &history.events) {
        match *event {
            Event::Invoke { lane, first, count } => tell(&mut told, Told::Nothing, lane, first, count),
            Event::Ack { lane, first, count, .. } => tell(&mut told, Told::Durable, lane, first, count),
            Event::Failed { lane, first, count } => tell(&mut told, Told::Refused, lane, first, count),
            Event::Fenced => verdict.fenced += 1,
            Event::Indeterminate { .. } | Event::Window { .. } | Event::Done { .. } => {}
        }
    }
    verdict.attempted = told.len() as u64;
    let count = |what| told.values().filter(|told| **told == what).count() as u64;
    (verdict.acked, verdict.failed, verdict.indeterminate) =
        (count(Told::Durable), count(Told::Refused), count(Told::Nothing));

    let places = places(&outcome.log, verdict);
    for key in places.keys() {
        verdict.unexpected += u64::from(told.get(key).is_none_or(|told| *told == Told::Refused));
    }
    for (key, told) in &told {
        verdict.lost += u64::from(*told == Told::Durable && !places.contains_key(key));
    }
    slots_are_dense(&outcome.log, verdict);
    lanes_are_in_order(&outcome.log, verdict);
    for history in &outcome.histories {
        calls_are_in_order(&history.events, &places, verdict);
    }
}

fn keys(lane: u32, first: u64, count: u32) -> impl Iterator<Item = Key> {
    (first..first.saturating_add(u64::from(count))).map(move |number| Key { lane, number })
}

fn tell(told: &mut HashMap<Key, Told>, what: Told, lane: u32, first: u64, count: u32) {
    told.extend(keys(lane, first, count).map(|key| (key, what)));
}

/// The packed offset of message `index` of a record.
pub(super) fn offset(slot: u64, index: usize) -> u64 {
    let slot = Slot::new(slot).unwrap_or(Slot::MAX);
    minibatch_core::Offset::first_of(slot).to_u64() + index as u64
}

/// Where each message is first; counts those that are there again, and stamps used twice.
fn places(log: &[LogRecord], verdict: &mut Verdict) -> HashMap<Key, u64> {
    let mut places = HashMap::new();
    let mut stamps = HashSet::new();
    for record in log {
        let (producer, _, sequence) = &record.stamp;
        let again = !record.tombstone && !stamps.insert((producer, sequence));
        verdict.duplicated_in_log += u64::from(again);
        for (index, key) in record.keys.iter().enumerate() {
            let known = *places.entry(*key).or_insert_with(|| offset(record.slot, index));
            verdict.duplicated_in_log += u64::from(known != offset(record.slot, index));
        }
    }
    places
}

fn slots_are_dense(log: &[LogRecord], verdict: &mut Verdict) {
    let mut next = 1;
    for record in log {
        verdict.gaps += record.slot.saturating_sub(next);
        verdict.gap_repairs += u64::from(record.tombstone);
        // a slot filled twice, or read in no order, is none of its successors
        verdict.out_of_order += u64::from(record.slot < next);
        next = record.slot + 1;
    }
}

/// I6: each lane waits for an append before the next one.
fn lanes_are_in_order(log: &[LogRecord], verdict: &mut Verdict) {
    let mut last = HashMap::new();
    for key in log.iter().flat_map(|record| &record.keys) {
        let before = last.insert(key.lane, key.number);
        verdict.out_of_order += u64::from(before.is_some_and(|before| before >= key.number));
    }
}

/// I7: what was called after an answer lies after what was answered; and where the answer says.
fn calls_are_in_order(events: &[Event], places: &HashMap<Key, u64>, verdict: &mut Verdict) {
    let mut answered = None;
    for event in events {
        match *event {
            Event::Invoke { lane, first, count } => {
                let before = |place: &&u64| answered.is_some_and(|answered| **place <= answered);
                verdict.out_of_order +=
                    keys(lane, first, count).filter_map(|key| places.get(&key)).filter(before).count() as u64;
            }
            Event::Ack { lane, first, count, at } => {
                let last = Key { lane, number: first + u64::from(count.saturating_sub(1)) };
                let found = [Key { lane, number: first }, last].map(|key| places.get(&key).copied());
                if let Some((from, to)) = at {
                    let elsewhere = |(found, told): (Option<u64>, u64)| found.is_some_and(|found| found != told);
                    verdict.misplaced += found.into_iter().zip([from, to]).map(elsewhere).map(u64::from).sum::<u64>();
                }
                answered = answered.max(found[1]);
            }
            _ => {}
        }
    }
}
