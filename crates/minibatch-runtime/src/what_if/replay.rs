//! Reading a range of the log once, for all strategies together.

use std::{ops::Bound, time::Duration};

use minibatch_core::{
    Error, Timestamp,
    driver::{EntryReader, LogEntry},
    storage::{Partition, ReadLimit},
};

use super::{Candidate, WhatIf, WhatIfReport, report::Extent, simulation::Simulation};
use crate::{
    group::{Point, locate},
    retry::until_verdict,
};

/// How much is read at once.
const PAGE: ReadLimit = ReadLimit { messages: 1 << 16, bytes: 4 << 20 };

impl WhatIf {
    pub(super) async fn replay(&mut self) -> Result<WhatIfReport, Error> {
        let mut fingerprints = Vec::with_capacity(self.candidates.len());
        for Candidate { strategy, .. } in &self.candidates {
            fingerprints.push(strategy.emitter()?.fingerprint());
        }
        let mut extent = Extent::default();
        for index in 0..self.stream.partitions {
            self.replay_partition(&self.stream.partition(index), &mut extent).await?;
        }
        let candidates = self.candidates.drain(..).zip(&fingerprints);
        let report = |(Candidate { name, tally, .. }, fingerprint)| tally.report(name, fingerprint, extent.messages);
        let strategies = candidates.map(report).collect();
        Ok(WhatIfReport::new(&extent, strategies))
    }

    async fn replay_partition(&mut self, partition: &Partition, extent: &mut Extent) -> Result<(), Error> {
        let (storage, clock) = (self.client.storage(), &**self.client.clock());
        let [start] = locate(&self.client, partition, [self.first()]).await?;
        let tail = until_verdict(clock, "bounds", || storage.bounds(partition)).await?.tail;
        let mut simulations = Vec::with_capacity(self.candidates.len());
        for Candidate { strategy, tally, .. } in &mut self.candidates {
            let driver = strategy.driver(start.position)?;
            simulations.push(Simulation::new(driver, self.max_buffer_bytes, tally));
        }

        let mut next = start.position.offset.slot();
        let mut entries = EntryReader::new(start.position.time);
        'log: while next <= tail {
            let records = until_verdict(clock, "read", || storage.read(partition, next, PAGE)).await?;
            if records.is_empty() {
                // a slot that its producer has left empty so far, while later ones are filled
                until_verdict(clock, "wait", || storage.wait(partition, next.previous())).await?;
            }
            for record in records.iter().take_while(|record| record.slot <= tail) {
                let entry = entries.open(record)?;
                if is_beyond(self.to, entry.time()) {
                    break 'log;
                }
                if let LogEntry::Messages(chunk) = &entry {
                    extent.saw(chunk);
                }
                simulations.iter_mut().try_for_each(|simulation| simulation.feed(&entry))?;
                next = record.slot.next();
            }
            // a storage in memory never does by itself
            tokio::task::yield_now().await;
        }

        let end = match self.to {
            Bound::Included(to) | Bound::Excluded(to) => {
                let now = until_verdict(clock, "now", || storage.now()).await?;
                Some(to.min(now))
            }
            Bound::Unbounded => None,
        };
        simulations.into_iter().try_for_each(|simulation| simulation.finish(end))
    }

    /// Where the range begins.
    fn first(&self) -> Point {
        match self.from {
            Bound::Included(from) => Point::Time(from),
            Bound::Excluded(from) => Point::Time(from.plus(Duration::from_millis(1))),
            Bound::Unbounded => Point::First,
        }
    }
}

/// Whether an instant lies past the end of the range.
fn is_beyond(to: Bound<Timestamp>, time: Timestamp) -> bool {
    match to {
        Bound::Included(to) => time > to,
        Bound::Excluded(to) => time >= to,
        Bound::Unbounded => false,
    }
}
