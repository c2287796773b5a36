//! Producers and consumers over the storage in memory, with faults and a manual clock where time matters.

mod dead_letters;
mod faults;
mod ownership;
mod producing;
mod pulling;
mod restarts;
mod running;
mod tail;
mod tools;
