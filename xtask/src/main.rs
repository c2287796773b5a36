//! The repository's own commands: `cargo xtask COMMAND`.
//!
//! One module a command; `process`, `fetch`, `mongo` and `workspace` are what they share. CI calls nothing else, so
//! whatever CI does can be done here with the same words.
#![expect(
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a command line tool: progress goes to stderr, results to stdout"
)]

mod bench;
mod capture;
mod chaos;
mod ci;
mod clock;
mod deny;
mod examples;
mod fetch;
mod mongo;
mod process;
mod setup;
mod test;
mod tidy;
mod usage;
mod with_mongo;
mod workspace;

use std::process::ExitCode;

use crate::usage::{Command, Usage};

const COMMANDS: &[Command] = &[
    setup::COMMAND,
    test::COMMAND,
    with_mongo::COMMAND,
    bench::COMMAND,
    chaos::COMMAND,
    tidy::COMMAND,
    deny::COMMAND,
    ci::COMMAND,
];

fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    let outcome = process::handle_signals().and_then(|()| usage::dispatch(COMMANDS, &args));
    match outcome {
        Ok(code) => code,
        Err(error) if error.is::<Usage>() => {
            eprintln!("xtask: {error}");
            ExitCode::from(2)
        }
        Err(error) => {
            eprintln!("xtask: {error:#}");
            ExitCode::FAILURE
        }
    }
}
