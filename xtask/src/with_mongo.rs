//! `cargo xtask with-mongo -- COMMAND`: runs a command beside a fresh MongoDB.

use std::process::ExitCode;

use anyhow::{Context, Result};

use crate::mongo::ReplicaSet;
use crate::usage::{Command, Usage};
use crate::workspace::Workspace;
use crate::{process, setup};

pub(crate) const COMMAND: Command = Command {
    name: "with-mongo",
    summary: "runs a command with a fresh MongoDB: with-mongo -- COMMAND",
    help: "\
Runs a command with MINIBATCH_URL (and MINIBATCH_TEST_MONGO_URL) set to a fresh replica set of one,
on a free port of this machine, and MINIBATCH_TEST_MONGOD to the mongod itself.
The server and its data are gone afterwards. The exit code is the command's.

Usage: cargo xtask with-mongo -- COMMAND [ARGUMENTS]

For example: cargo xtask with-mongo -- cargo run --release --features mongodb --example quickstart
",
    run,
};

fn run(args: &[String]) -> Result<ExitCode> {
    let usage = || Usage("which command? cargo xtask with-mongo -- COMMAND [ARGUMENTS]".to_owned());
    let (program, args) = args.strip_prefix(&["--".to_owned()]).and_then(<[_]>::split_first).ok_or_else(usage)?;
    let workspace = Workspace::load()?;
    let mongod = setup::find(&workspace)?.context("no mongod here: `cargo xtask setup` fetches one")?;
    let server = ReplicaSet::start(&mongod, &workspace)?;
    let url = server.url();
    eprintln!("mongod {} takes writes on port {}", mongod.version, server.port());
    let mut command = process::command(program);
    command.args(args).env("MINIBATCH_URL", &url).env(setup::URL_VARIABLE, &url);
    command.env(setup::MONGOD_VARIABLE, &mongod.path);
    let status = process::status(&mut command)?;
    server.stop()?;
    Ok(ExitCode::from(process::exit_code(status)))
}
