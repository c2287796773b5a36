//! I4, I8, I9, I11 and I12: what consumers were handed, and what came of it.

use std::collections::{BTreeMap, HashMap, HashSet};

use super::{Event, Key, Member, Outcome, Verdict, appends::offset};

/// A window as it was handed out last.
struct Window<'a> {
    ordinal: u64,
    members: &'a [Member],
    /// What it held when it was done.
    done: Option<&'a [Member]>,
}

pub(super) fn judge(outcome: &Outcome, verdict: &mut Verdict) {
    let log: HashMap<u64, Key> = outcome.log.iter().flat_map(keys_of).collect();
    let mut windows: HashMap<&str, Window<'_>> = HashMap::new();
    let mut delivered = HashSet::new();
    for event in outcome.histories.iter().flat_map(|history| &history.events) {
        match event {
            Event::Window { id, ordinal, members, .. } => {
                let known = windows.entry(id).or_insert(Window { ordinal: *ordinal, members, done: None });
                verdict.changed_windows += u64::from(known.members != members || known.ordinal != *ordinal);
                (known.ordinal, known.members) = (*ordinal, members);
                for (place, key) in members {
                    verdict.disagreements += u64::from(log.get(place) != Some(key));
                    verdict.redelivered += u64::from(!delivered.insert(*key));
                }
            }
            Event::Done { id } => {
                if let Some(window) = windows.get_mut(id.as_str()) {
                    window.done = Some(window.members);
                }
            }
            _ => {}
        }
    }
    verdict.delivered = delivered.len() as u64;
    in_order(windows.values(), verdict);
    nothing_is_skipped(outcome, windows.values(), verdict);
    nothing_goes_back(outcome, verdict);
    if let Some(sink) = &outcome.sink {
        let held: Vec<Key> = sink.iter().flat_map(|entry| &entry.keys).copied().collect();
        let distinct: HashSet<Key> = held.iter().copied().collect();
        verdict.sink_duplicates += (held.len() - distinct.len()) as u64;
        verdict.sink_missing += committed(outcome).filter(|key| !distinct.contains(key)).count() as u64;
    }
}

fn keys_of(record: &super::LogRecord) -> impl Iterator<Item = (u64, Key)> {
    record.keys.iter().enumerate().map(|(index, key)| (offset(record.slot, index), *key))
}

/// The messages that the group says are done, but for those it gave up on.
fn committed(outcome: &Outcome) -> impl Iterator<Item = Key> {
    let dead: HashSet<Key> = outcome.dead.iter().copied().collect();
    let below = outcome.log.iter().flat_map(keys_of).take_while(|(place, _)| *place < outcome.committed);
    below.map(|(_, key)| key).filter(move |key| !dead.contains(key))
}

/// Windows follow one another, and so do the messages in each.
fn in_order<'a>(windows: impl Iterator<Item = &'a Window<'a>>, verdict: &mut Verdict) {
    let done = windows.filter_map(|window| Some((window.ordinal, window.done?)));
    let in_turn: BTreeMap<_, _> = done.map(|(ordinal, members)| ((ordinal, members.first()), members)).collect();
    let mut last = 0;
    for (place, _) in in_turn.into_values().flatten() {
        verdict.out_of_order += u64::from(*place <= last);
        last = *place;
    }
}

/// I8.
fn nothing_is_skipped<'a>(outcome: &Outcome, windows: impl Iterator<Item = &'a Window<'a>>, verdict: &mut Verdict) {
    let done: HashSet<Key> = windows.filter_map(|window| window.done).flatten().map(|(_, key)| *key).collect();
    verdict.skipped += committed(outcome).filter(|key| !done.contains(key)).count() as u64;
}

/// I9.
fn nothing_goes_back(outcome: &Outcome, verdict: &mut Verdict) {
    for pair in outcome.seen.windows(2) {
        if let [before, after] = pair {
            let back =
                after.epoch < before.epoch || after.version < before.version || after.keep_from < before.keep_from;
            verdict.regressed += u64::from(back);
        }
    }
}
