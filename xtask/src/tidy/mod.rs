//! `cargo xtask tidy`: the rules of the house that no compiler checks.

mod arrows;
mod finding;
mod links;
mod members;
mod sources;

use std::process::ExitCode;

use anyhow::Result;

use self::finding::Severity;
use crate::usage::{Command, no_arguments};
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "tidy",
    summary: "checks the arrows between crates, the manifests and the sources",
    help: "\
Checks the rules of the house that no compiler checks, one line for each finding.

Usage: cargo xtask tidy

  arrows    which crate may depend on which (normal dependencies)
  links     minibatch-core and minibatch-emitters link no runtime, no database and read no clock
  members   every manifest inherits the workspace's lints and fields; the folder bears the crate's name
  sources   a file has at most 800 lines, better 500, tests aside; it starts with `//!`;
            it has no marker of unfinished work and no test that is never run

The exit code is 1 when a rule is broken; a warning alone leaves it 0.
",
    run,
};

fn run(args: &[String]) -> Result<ExitCode> {
    no_arguments("tidy", args)?;
    let workspace = Workspace::load()?;
    let mut findings = arrows::check(&workspace.members);
    findings.extend(links::check(&workspace)?);
    findings.extend(members::check(&workspace)?);
    findings.extend(sources::check(&workspace.root)?);
    for finding in &findings {
        println!("{finding}");
    }
    let failed = findings.iter().filter(|finding| finding.severity == Severity::Fail).count();
    let warned = findings.len() - failed;
    println!("tidy: {failed} to mend, {warned} to think about, {} crates looked at", workspace.members.len());
    Ok(if failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}
