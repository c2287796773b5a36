//! What must hold whatever happens, as a check that says which rule is broken.

use std::collections::{HashMap, HashSet};

use minibatch_core::{
    Cause, Error, ProducerId, Slot,
    chunk::{Record, RecordKind},
};
use tokio::{task::JoinError, time::Instant};

use super::world::text;

/// A rule of storages, by its number in the list of invariants.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Invariant {
    /// What was acknowledged is there exactly once.
    I1,
    /// Nothing is there that nobody appended.
    I2,
    /// No number of a producer is used twice.
    I3,
    /// All readers find the same record in a slot.
    I4,
    /// Slots are dense.
    I5,
    /// A producer's chunk that was acknowledged before another was appended has the lower slot.
    I7,
    /// What a group committed never goes back, and a version has one content.
    I9,
    /// A former owner commits nothing.
    I10,
    /// Nothing is trimmed that a group still needs.
    I13,
    /// When the trouble is over everybody gets to the end of the log.
    I14,
    /// Damage is found, and not returned.
    Damage,
    /// Every call ends with a verdict of its contract, in time.
    Verdict,
}

/// A rule that was broken, and how.
#[derive(Debug)]
pub(super) struct Broken {
    pub(super) invariant: Invariant,
    #[expect(dead_code, reason = "for whoever reads the report")]
    what: String,
}

impl Invariant {
    pub(super) fn broken<T>(self, what: impl Into<String>) -> Result<T, Broken> {
        Err(Broken { invariant: self, what: what.into() })
    }

    pub(super) fn holds(self, holds: bool, what: impl FnOnce() -> String) -> Result<(), Broken> {
        if holds { Ok(()) } else { self.broken(what()) }
    }
}

impl From<Error> for Broken {
    fn from(error: Error) -> Self {
        let invariant = match error.cause() {
            Cause::OffsetTrimmed { .. } => Invariant::I13,
            _ => Invariant::Verdict,
        };
        Self { invariant, what: error.to_string() }
    }
}

/// What a task of a world ended with.
pub(super) fn ended(result: Result<Result<(), Broken>, JoinError>) -> Result<(), Broken> {
    result.unwrap_or_else(|_| Invariant::Verdict.broken("a client panicked"))
}

/// An append, and what its producer was told of it.
#[derive(Clone, Debug)]
pub(super) struct Appended {
    pub(super) id: ProducerId,
    pub(super) text: String,
    pub(super) called: Instant,
    /// `None` when nobody knows.
    pub(super) acknowledged: Option<(Slot, Instant)>,
}

/// Checks a log that was read from its first slot on against what the producers were told.
pub(super) fn check_log(records: &[Record], told: &[Appended]) -> Result<(), Broken> {
    use Invariant::{I1, I2, I3, I5, I7};
    let mut slots = HashMap::new();
    let mut numbers = HashSet::new();
    for (expected, record) in (1..).zip(records) {
        I5.holds(record.slot.get() == expected, || format!("{} where {expected} is expected", record.slot))?;
        let number = (record.producer.id.clone(), record.producer.sequence);
        I3.holds(numbers.insert(number), || format!("number of {:?} is used twice", record.producer))?;
        if record.kind == RecordKind::Data {
            let text = text(record);
            I1.holds(!slots.contains_key(&text), || format!("{text} is there twice"))?;
            slots.insert(text, record.slot);
        }
    }
    let texts: HashSet<_> = told.iter().map(|append| &append.text).collect();
    for text in slots.keys() {
        I2.holds(texts.contains(text), || format!("{text} was never appended"))?;
    }
    for append in told {
        let Some((said, at)) = append.acknowledged else { continue };
        let Some(slot) = slots.get(&append.text) else { return I1.broken(format!("{} is lost", append.text)) };
        I1.holds(*slot <= said, || format!("{} is in {slot}, and {said} was said", append.text))?;
        for later in told.iter().filter(|later| later.id == append.id && later.called > at) {
            let in_order = slots.get(&later.text).is_none_or(|later| slot < later);
            I7.holds(in_order, || format!("{} is before {}", later.text, append.text))?;
        }
    }
    Ok(())
}

/// Checks that two readers found the same, where both have read.
pub(super) fn check_agreement(one: &[Record], other: &[Record]) -> Result<(), Broken> {
    let by_slot: HashMap<_, _> = one.iter().map(|record| (record.slot, record)).collect();
    for record in other {
        let same = by_slot.get(&record.slot).is_none_or(|known| {
            (known.kind, &known.producer, known.time, known.payload.crc())
                == (record.kind, &record.producer, record.time, record.payload.crc())
        });
        Invariant::I4.holds(same, || format!("two readers find two records in {}", record.slot))?;
    }
    Ok(())
}
