//! Producers and consumers over the storage in memory, with faults and a manual clock where time matters.

#![expect(clippy::unwrap_used, reason = "a test that cannot go on fails")]

mod adaptive;
mod aggregates;
mod audit;
mod backlog;
mod cancel;
mod counting;
mod dead_letters;
mod expiry;
mod faults;
mod idempotent;
mod into_stream;
mod kept;
mod ladder;
mod liar;
mod lives;
mod outcomes;
mod ownership;
mod partitions;
mod pausing;
mod producing;
mod pulling;
mod punctuation;
mod restarts;
mod retention;
mod running;
mod seeking;
mod sharing;
mod stable_producers;
mod status;
mod stopping;
mod stored;
mod strategies;
mod tail;
mod tools;
mod transactional;
mod workers;
