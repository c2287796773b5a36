//! `cargo xtask bench`: end-to-end speeds on SQLite, and on MongoDB where a mongod is to be had.

use std::process::{Command as Process, ExitCode};

use anyhow::{Result, bail};

use crate::mongo::ReplicaSet;
use crate::usage::{Command, Usage};
use crate::workspace::Workspace;
use crate::{process, setup};

pub(crate) const COMMAND: Command = Command {
    name: "bench",
    summary: "measures whole ways, from append to commit, on SQLite and MongoDB",
    help: "\
Measures messages a second from append to commit, and memory with a backlog, in release mode: on a fresh SQLite file, and
on a fresh MongoDB where a mongod is to be had (see `cargo xtask setup`). The figures of pure parts come from criterion:
cargo bench -p minibatch-emitters --bench emitters.

Usage: cargo xtask bench [--quick] [--json] [--sqlite | --mongo] [NAME]

  NAME      only figures with this in their name, as in `e2e/100`
  --quick   fewer messages and runs: minutes instead of a quarter of an hour
  --json    one JSON object a line: name, value, unit, durability
  --sqlite  SQLite alone
  --mongo   MongoDB alone
",
    run,
};

fn run(args: &[String]) -> Result<ExitCode> {
    let (mut passed, mut sqlite, mut mongo) = (Vec::new(), true, true);
    for arg in args {
        match arg.as_str() {
            "--quick" | "--json" => passed.push(arg.as_str()),
            "--sqlite" => mongo = false,
            "--mongo" => sqlite = false,
            name if !name.starts_with('-') => passed.push(name),
            _ => {
                return Err(Usage(format!(
                    "`{arg}`? cargo xtask bench [--quick] [--json] [--sqlite | --mongo] [NAME]"
                ))
                .into());
            }
        }
    }
    let workspace = Workspace::load()?;
    if sqlite {
        measure(harness(&passed, mongo).env_remove("MINIBATCH_URL"))?;
    }
    if mongo {
        let Some(mongod) = setup::find(&workspace)? else {
            bail!("no mongod here: `cargo xtask setup` fetches one, or give --sqlite");
        };
        let server = ReplicaSet::start(&mongod, &workspace)?;
        let measured = measure(harness(&passed, true).env("MINIBATCH_URL", server.url()));
        server.stop()?;
        measured?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The harness, built alike for all storages of one call.
fn harness(args: &[&str], mongodb: bool) -> Process {
    let mut command = process::command("cargo");
    command.args(["run", "--quiet", "--release", "--package", "minibatch-benches"]);
    if mongodb {
        command.args(["--features", "mongodb"]);
    }
    command.arg("--").args(args);
    command
}

fn measure(command: &mut Process) -> Result<()> {
    let status = process::status(command)?;
    if !status.success() {
        bail!("the harness failed");
    }
    Ok(())
}
