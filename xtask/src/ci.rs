//! `cargo xtask ci`: everything that must hold before a change lands.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Result, bail};

use crate::clock::Stopwatch;
use crate::usage::{Command, no_arguments};
use crate::{chaos, deny, process, test, tidy};

pub(crate) const COMMAND: Command = Command {
    name: "ci",
    summary: "runs all checks in turn: fmt, tidy, deny, clippy, docs, test, chaos",
    help: "\
Runs all checks, the quick ones first, and stops at the first that fails.

Usage: cargo xtask ci

  fmt     cargo fmt --all --check
  tidy    cargo xtask tidy
  deny    cargo xtask deny
  clippy  of everything, with warnings as errors
  docs    cargo doc, with warnings as errors
  test    cargo xtask test
  chaos   cargo xtask chaos --quick --seed 1
",
    run,
};

type Step = (&'static str, fn() -> Result<()>);

const STEPS: &[Step] = &[
    ("fmt", || process::check(process::cargo().args(["fmt", "--all", "--check"]))),
    ("tidy", || succeeded((tidy::COMMAND.run)(&[])?)),
    ("deny", || succeeded((deny::COMMAND.run)(&[])?)),
    ("clippy", || {
        let mut clippy = process::cargo();
        clippy.args(["clippy", "--workspace", "--all-targets", "--all-features", "--", "-D", "warnings"]);
        process::check(&mut clippy)
    }),
    ("docs", || {
        let mut doc = process::cargo();
        doc.args(["doc", "--workspace", "--no-deps", "--all-features"]).env("RUSTDOCFLAGS", "-D warnings");
        process::check(&mut doc)
    }),
    ("test", || test::run_tests(None)),
    ("chaos", || chaos::quick(test::requires_mongo()?)),
];

fn run(args: &[String]) -> Result<ExitCode> {
    no_arguments("ci", args)?;
    let mut table = Vec::new();
    let mut failure = None;
    for (name, step) in STEPS {
        eprintln!("\n==> {name}");
        let started = Stopwatch::start();
        let result = step();
        table.push(row(name, if result.is_ok() { "ok" } else { "FAILED" }, started.elapsed()));
        if let Err(error) = result {
            failure = Some(error.context(format!("the step `{name}`")));
            break;
        }
    }
    println!("\n{}", table.join("\n"));
    failure.map_or(Ok(ExitCode::SUCCESS), Err)
}

fn row(name: &str, result: &str, took: Duration) -> String {
    format!("{name:<8}{result:<8}{:>7.1} s", took.as_secs_f64())
}

fn succeeded(code: ExitCode) -> Result<()> {
    if code != ExitCode::SUCCESS {
        bail!("see its findings above");
    }
    Ok(())
}
