//! What is SQLite's own: files, processes, damage, the clock. The contract's clauses are in `conformance`.
#![expect(
    clippy::disallowed_methods,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test stops at whatever goes wrong; children and measurements are heard on stdout"
)]

mod backup;
mod clock;
mod closing;
mod damage;
mod failures;
mod migrating;
mod opening;
mod processes;
mod space;
mod support;
