//! Producers and consumers over the storage in memory, with faults and a manual clock where time matters.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod counting;
mod dead_letters;
mod faults;
mod ladder;
mod ownership;
mod partitions;
mod producing;
mod pulling;
mod restarts;
mod running;
mod seeking;
mod sharing;
mod stored;
mod strategies;
mod tail;
mod tools;
mod workers;
