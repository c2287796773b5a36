//! Breaks processes, servers, wires and files under minibatch, and counts what got lost.
//!
//! `cargo xtask chaos` builds and runs it. One program has all parts: the orchestrator starts itself again as the
//! producers and consumers ([`role`]), does things to them and to mongods of its own ([`faults`]), and has a checker that
//! shares nothing with the product judge what is left ([`minibatch_testkit::history`]).
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool: progress goes to stderr, results to stdout"
)]

mod child;
mod clock;
mod cut;
mod disk;
mod faults;
mod figures;
mod load;
mod message;
mod options;
mod proxy;
mod remains;
mod report;
mod role;
mod series;
mod server;
mod sqlite;
mod strace;
mod trend;
mod watcher;
mod world;

use std::process::ExitCode;

use crate::{options::Options, series::Series};

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let ended = match arguments.as_slice() {
        [name, settings] if !name.starts_with('-') => role::run(name, settings),
        _ => None,
    };
    match ended.unwrap_or_else(|| orchestrate(arguments)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("chaos: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn orchestrate(arguments: Vec<String>) -> anyhow::Result<()> {
    let options = Options::parse(arguments)?;
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(Series::new(options).run())
}
