//! The protocol on the model of MongoDB: first the contract without faults, then what faults must not break, then that
//! a protocol with a rule broken is found out.

mod commits;
mod conformance;
mod contended;
mod derived;
mod gaps;
mod half_made;
mod invariants;
mod members;
mod mutants;
mod producers;
mod punctuation;
mod seeds;
mod stale_slots;
mod world;
