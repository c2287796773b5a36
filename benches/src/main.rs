//! End-to-end speeds: `cargo xtask bench [--quick] [--json] [NAME]`.
//!
//! Each figure is a whole way: appended, read, formed, handed to an empty function, and committed, on the storage that
//! `MINIBATCH_URL` names, or on a fresh SQLite file. What is measured is said in the name of the figure; a run prints the
//! median of several.

#![expect(clippy::print_stdout, reason = "a command line tool: results go to stdout")]

mod backlog;
mod contended;
mod e2e;
mod figure;
mod reading;
mod target;

use std::process::ExitCode;

use figure::{Figures, Output};
use minibatch::Result;
use target::Target;

/// How much is measured.
#[derive(Clone, Copy, Debug)]
struct Scale {
    /// Messages of one run.
    messages: usize,
    /// Runs, of which the median is the figure.
    runs: usize,
    /// Messages that wait when memory is measured.
    backlog: usize,
}

/// How many callers append single messages at once.
const CALLERS: usize = 16;

const QUICK: Scale = Scale { messages: 300_000, runs: 3, backlog: 500_000 };
const FULL: Scale = Scale { messages: 2_000_000, runs: 5, backlog: 5_000_000 };

#[tokio::main]
async fn main() -> ExitCode {
    let args: Vec<String> = std::env::args().skip(1).collect();
    match run(&args.iter().map(String::as_str).collect::<Vec<_>>()).await {
        Ok(code) => code,
        Err(error) => {
            println!("{error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(args: &[&str]) -> Result<ExitCode> {
    if let [role, url, count] = args
        && let Ok(count) = count.parse()
    {
        return backlog::child(role, url, count).await;
    }
    let (mut scale, mut output, mut only) = (FULL, Output::Text, "");
    for arg in args {
        match *arg {
            "--quick" => scale = QUICK,
            "--json" => output = Output::Json,
            name if !name.starts_with('-') => only = name,
            _ => {
                println!("unknown argument, there are --quick, --json, and the name of a figure");
                return Ok(ExitCode::from(2));
            }
        }
    }
    let figures = Figures { target: Target::from_env()?, output, only };
    e2e::append_many(&figures, scale).await?;
    e2e::append_single(&figures, scale, 1).await?;
    e2e::append_single(&figures, scale, CALLERS).await?;
    contended::appends(&figures, scale).await?;
    e2e::windows(&figures, scale, 100).await?;
    e2e::windows(&figures, scale, 2).await?;
    backlog::memory(&figures, scale).await?;
    Ok(ExitCode::SUCCESS)
}
