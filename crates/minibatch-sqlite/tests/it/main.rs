//! What is SQLite's own: files, processes, damage, the clock. The contract's clauses are in `conformance`.

mod clock;
mod closing;
mod damage;
mod failures;
mod opening;
mod processes;
mod space;
mod support;
