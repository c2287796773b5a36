//! `cargo xtask chaos`: breaks processes, servers, wires and files, and counts what got lost.

use std::process::ExitCode;

use anyhow::{Result, bail};

use crate::usage::Command;
use crate::workspace::Workspace;
use crate::{process, setup};

pub(crate) const COMMAND: Command = Command {
    name: "chaos",
    summary: "kills, stops and cuts off everything, and counts what got lost",
    help: "\
Runs real producers and consumers on real SQLite files and a real mongod (see `cargo xtask setup`), lets faults strike
them, and has a checker judge from outside: docs/reliability.md lists the faults and what is promised. Prints one JSON
object a fault, progress on standard error. A run that fails prints the command that repeats it.

Usage: cargo xtask chaos [--quick] [--minutes N] [--fault ID] [--seed S] [--loops N] [--keep] [--sqlite | --mongo]

  --quick      a few strikes of each fault: some minutes in all
  --minutes N  all of it again with other seeds, until so much time has passed
  --fault ID   that fault alone, as in `--fault P1`
  --seed S     what chance decides, decided as before
  --loops N    so many strikes a run
  --keep       keep the files of every run, not only of those that failed
  --sqlite     nothing on MongoDB
  --mongo      nothing on SQLite
",
    run,
};

/// Names the mongod for the program that is run.
const MONGOD_VARIABLE: &str = "MINIBATCH_CHAOS_MONGOD";
const PROGRAM: &str = "minibatch-chaos";

fn run(args: &[String]) -> Result<ExitCode> {
    let workspace = Workspace::load()?;
    // with all examples, and so with the features that the tests are built with
    let mut build = process::cargo();
    build.args(["build", "--quiet", "--workspace", "--all-features", "--examples", "--bin", PROGRAM]);
    process::check(&mut build)?;
    let mut chaos = process::command(workspace.target.join("debug").join(PROGRAM));
    chaos.args(args);
    if let Some(mongod) = setup::find(&workspace)? {
        chaos.env(MONGOD_VARIABLE, mongod.path);
    }
    Ok(ExitCode::from(process::exit_code(process::status(&mut chaos)?)))
}

/// What CI runs: a few strikes of each fault, on MongoDB where a mongod is to be had. With the same seeds each time, so
/// that what fails was changed; other seeds are for whoever has the time to look for what they find.
pub(crate) fn quick(require_mongo: bool) -> Result<()> {
    let mut args = ["--quick", "--seed", "1"].map(str::to_owned).to_vec();
    if setup::find(&Workspace::load()?)?.is_none() {
        if require_mongo {
            bail!("MongoDB is required and there is no mongod: `cargo xtask setup` fetches one");
        }
        eprintln!("chaos on MongoDB: SKIPPED, no mongod here; `cargo xtask setup` fetches one");
        args.push("--sqlite".to_owned());
    }
    if run(&args)? != ExitCode::SUCCESS {
        bail!("a fault did what it must not, see above");
    }
    Ok(())
}
