//! The protocol on the model of MongoDB: first the contract without faults, then what faults must not break.

mod commits;
mod conformance;
mod gaps;
mod producers;
mod stale_slots;
mod world;
