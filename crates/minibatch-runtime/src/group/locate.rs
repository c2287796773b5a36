//! Finding places in a log, with what was appended before them.

use minibatch_core::{
    Cause, Error, Offset, Timestamp,
    storage::{LogBounds, Partition, Position, RecordSummary},
};

use crate::Client;

/// How many records are looked at in one call.
const PAGE: usize = 10_000;

/// What is looked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Point {
    /// The first record still promised.
    First,
    /// After the last record.
    End,
    /// The first message at this offset or after it.
    Offset(Offset),
    /// The first message whose append time is this one or later.
    Time(Timestamp),
}

/// What was found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) position: Position,
    /// It is the first place that is left, and what was looked for may have been before it.
    pub(crate) trimmed: bool,
}

/// Finds places in the order of the log, in one pass over its records.
#[derive(Debug)]
struct Locator<const N: usize> {
    first: Position,
    /// Before the next record.
    here: Position,
    points: [(Point, Option<Place>); N],
}

impl<const N: usize> Locator<N> {
    fn new(bounds: &LogBounds, points: [Point; N]) -> Self {
        let first = bounds.first();
        let found = |point| {
            let found = match point {
                Point::First => Some(false),
                Point::Offset(offset) if offset <= first.offset => {
                    Some(offset < first.offset && first.offset > Offset::FIRST)
                }
                // the append time of the first record there is, so of all that went before at most
                Point::Time(time) if first.offset > Offset::FIRST && time <= first.time => Some(true),
                _ => None,
            };
            (point, found.map(|trimmed| Place { position: first, trimmed }))
        };
        Self { first, here: first, points: points.map(found) }
    }

    fn is_done(&self) -> bool {
        self.points.iter().all(|(_, found)| found.is_some())
    }

    fn feed(&mut self, record: &RecordSummary) {
        let time = if record.kind.tells_time() { self.here.time.max(record.time) } else { self.here.time };
        for (point, found) in self.points.iter_mut().filter(|(_, found)| found.is_none()) {
            let index = match *point {
                Point::Time(wanted) if record.messages > 0 && time >= wanted => 0,
                Point::Offset(wanted) if wanted < Offset::first_of(record.slot) => 0,
                Point::Offset(wanted) if wanted.slot() == record.slot && wanted.index() < record.messages => {
                    wanted.index()
                }
                _ => continue,
            };
            let offset = Offset::from_u64(Offset::first_of(record.slot).to_u64() + u64::from(index));
            let position = Position { offset, count: self.here.count + u64::from(index), ..self.here };
            *found = Some(Place { position, trimmed: false });
        }
        self.here = Position {
            offset: Offset::first_of(record.slot.next()),
            time,
            count: self.here.count + u64::from(record.messages),
        };
    }

    /// What was found; all else lies at the end.
    fn finish(self) -> [Place; N] {
        let end = Place { position: self.here, trimmed: false };
        self.points.map(|(_, found)| found.unwrap_or(end))
    }
}

/// Finds places in the log of a partition.
pub(crate) async fn locate<const N: usize>(
    client: &Client,
    partition: &Partition,
    points: [Point; N],
) -> Result<[Place; N], Error> {
    loop {
        match pass(client, partition, points).await {
            // trimmed meanwhile: the log begins elsewhere now
            Err(error) if matches!(error.cause(), Cause::OffsetTrimmed { .. }) => {}
            found => return found,
        }
    }
}

async fn pass<const N: usize>(client: &Client, partition: &Partition, points: [Point; N]) -> Result<[Place; N], Error> {
    let storage = client.storage();
    let mut locator = Locator::new(&storage.bounds(partition).await?, points);
    let mut next = locator.first.offset.slot();
    while !locator.is_done() {
        let records = storage.survey(partition, next, PAGE).await?;
        let Some(last) = records.last() else { break };
        next = last.slot.next();
        records.iter().for_each(|record| locator.feed(record));
    }
    Ok(locator.finish())
}

#[cfg(test)]
mod tests {
    use minibatch_core::{Slot, chunk::RecordKind};

    use super::*;

    fn slot(number: u64) -> Slot {
        Slot::new(number).unwrap()
    }

    /// Records of (time, messages) from slot `floor` on, before which there were 100 messages.
    fn find(floor: u64, records: &[(i64, u32)], point: Point) -> (String, u64, i64, bool) {
        let floor_time = if floor > 1 { Timestamp::from_millis(records[0].0) } else { Timestamp::EPOCH };
        let bounds = LogBounds { floor: slot(floor), floor_time, floor_count: 100, tail: Slot::ZERO };
        let mut locator = Locator::new(&bounds, [point]);
        for (number, &(time, messages)) in (floor..).zip(records) {
            let (kind, time) = (RecordKind::Data, Timestamp::from_millis(time));
            locator.feed(&RecordSummary { slot: slot(number), kind, time, messages, bytes: 0 });
        }
        let [Place { position, trimmed }] = locator.finish();
        (position.offset.to_string(), position.count, position.time.as_millis(), trimmed)
    }

    fn check(floor: u64, point: Point, offset: &str, count: u64, time: i64, trimmed: bool) {
        // the third record's clock is behind: its append time is 20; the fourth has no messages
        let records = [(10, 3), (20, 2), (15, 4), (30, 0), (40, 1)];
        let found = find(floor, &records, point);
        assert_eq!(found, (offset.to_owned(), count, time, trimmed), "floor {floor} {point:?}");
    }

    #[test]
    fn offsets_are_counted_to() {
        let at = |slot_number, index| Point::Offset(Offset::new(slot(slot_number), index).unwrap());
        check(1, at(1, 0), "1:0", 100, 0, false);
        check(1, Point::Offset(Offset::ZERO), "1:0", 100, 0, false);
        check(1, at(1, 2), "1:2", 102, 0, false);
        check(1, at(1, 3), "2:0", 103, 10, false);
        check(1, at(3, 1), "3:1", 106, 20, false);
        check(1, at(4, 0), "5:0", 109, 30, false);
        check(1, at(9, 0), "6:0", 110, 40, false);
        check(7, at(7, 0), "7:0", 100, 10, false);
        check(7, at(6, 5), "7:0", 100, 10, true);
    }

    #[test]
    fn times_are_append_times() {
        let at = |millis| Point::Time(Timestamp::from_millis(millis));
        check(1, at(5), "1:0", 100, 0, false);
        check(1, at(11), "2:0", 103, 10, false);
        check(1, at(20), "2:0", 103, 10, false);
        check(1, at(21), "5:0", 109, 30, false);
        check(1, at(41), "6:0", 110, 40, false);
        check(7, at(10), "7:0", 100, 10, true);
        check(7, at(11), "8:0", 103, 10, false);
    }

    #[test]
    fn both_ends() {
        check(7, Point::First, "7:0", 100, 10, false);
        check(7, Point::End, "12:0", 110, 40, false);
    }
}
