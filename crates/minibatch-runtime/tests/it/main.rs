//! Producers and consumers over the storage in memory, with faults and a manual clock where time matters.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod dead_letters;
mod faults;
mod ladder;
mod lives;
mod outcomes;
mod ownership;
mod pausing;
mod producing;
mod pulling;
mod restarts;
mod running;
mod stored;
mod tail;
mod tools;
mod workers;
