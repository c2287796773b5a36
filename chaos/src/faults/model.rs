//! X: what is tried inside one process, on models and under schedules: these rows run tests of the workspace, with more
//! seeds than everyday.

use std::{env, fs, process::Stdio};

use anyhow::{Context as _, Result, bail};
use minibatch_testkit::history::Verdict;
use serde::Deserialize;
use tokio::process::Command;

use super::{Expect, Fault, Need, Place};
use crate::world::World;

pub(super) const FAULTS: &[Fault] = &[
    Fault {
        id: "X2",
        place: Place::Process,
        needs: Need::Nothing,
        what: "the protocol on a model of MongoDB that elects, rolls back, loses replies and delivers late",
        expect: Expect::Sound,
        loops: (10_000, 10_000),
        run: |world| Box::pin(seeds(world, &["producers", "commits", "derived"])),
    },
    Fault {
        id: "X4",
        place: Place::Process,
        needs: Need::Nothing,
        what: "the protocol with one rule broken, in each way: a check has to find it",
        expect: Expect::Mutants,
        loops: (1, 1),
        run: |world| Box::pin(mutants(world)),
    },
];

/// What a test says when all its seeds went well.
#[derive(Debug, Deserialize)]
struct Said {
    seeds: u64,
    attempted: u64,
    acked: u64,
    tombstones: u64,
}

/// Breaks the rules one after the other; tells which check caught which.
async fn mutants(world: &mut World) -> Result<Verdict> {
    let said = run(world, &["--lib", "--", "model_tests::mutants", "without_digests"]).await?;
    for line in said.lines().filter(|line| line.contains("caught it") || line.contains("killed")) {
        eprintln!("\n    {line}");
        world.tally.fired += u64::from(line.contains("caught it"));
    }
    Ok(Verdict::default())
}

/// Runs tests of the model with `loops` seeds each, from the run's seed on.
async fn seeds(world: &mut World, tests: &[&str]) -> Result<Verdict> {
    let filters: Vec<String> = tests.iter().map(|test| format!("model_tests::{test}")).collect();
    let arguments: Vec<&str> = ["--lib", "--"].into_iter().chain(filters.iter().map(String::as_str)).collect();
    let said = run(world, &arguments).await?;
    let mut verdict = Verdict::default();
    // a test's progress is a dot on the same line
    let lines = said.lines().map(|line| line.trim_start_matches('.')).filter(|line| line.starts_with('{'));
    for line in lines {
        let said: Said = serde_json::from_str(line)?;
        world.tally.fired += said.seeds;
        verdict.attempted += said.attempted;
        verdict.acked += said.acked;
        verdict.gap_repairs += said.tombstones;
    }
    verdict.indeterminate = verdict.attempted.saturating_sub(verdict.acked);
    Ok(verdict)
}

/// What the tests print; of one that fails the lines that tell why.
async fn run(world: &World, tests: &[&str]) -> Result<String> {
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // built as `cargo xtask test` builds them
    cargo.args(["test", "--quiet", "--workspace", "--all-features"]).args(tests).arg("--nocapture");
    cargo.env("MINIBATCH_SEED", world.seed.to_string()).env("MINIBATCH_SEEDS", world.loops.to_string());
    let ended = cargo.stdin(Stdio::null()).kill_on_drop(true).output().await.context("cannot run cargo")?;
    let said = String::from_utf8_lossy(&ended.stdout).into_owned();
    if !ended.status.success() {
        let all = format!("{said}\n{}", String::from_utf8_lossy(&ended.stderr));
        fs::write(world.path("tests.txt"), &all)?;
        let why: Vec<&str> = all.lines().filter(|line| line.contains("MINIBATCH_SEED=")).collect();
        bail!("{}", if why.is_empty() { "the tests failed, see tests.txt".to_owned() } else { why.join("\n") });
    }
    Ok(said)
}
