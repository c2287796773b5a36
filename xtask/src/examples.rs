//! Runs the examples as their users would and compares the last line they print.
//!
//! The list of runs stands beside the examples, in the manifest of the package that has them:
//!
//! ```toml
//! [package.metadata.examples.quickstart]
//! last-line = "596 messages in 12 windows"
//! storages = ["sqlite", "memory", "mongo"]
//!
//! [package.metadata.examples.two-processes]
//! programs = ["producer", "consumer"]
//! last-line = "1000 messages in 10 windows"
//! ```
//!
//! `programs` (the run's name, unless given) run at the same time, on the same empty storage; the last line is that of
//! the last one. `storages` is SQLite alone unless given, `timeout-seconds` is 60. An example that no run names is an
//! error, as is a run of an example that is not there.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use crate::capture::Captured;
use crate::clock::Stopwatch;
use crate::process;
use crate::workspace::{Package, Workspace};

/// What the façade reads to find its storage; a run sets the first and must not see the others.
const URL_VARIABLES: &[&str] = &["MINIBATCH_URL", "MINIBATCH_MONGO_URL", "MONGO_URL"];

/// One run of one or more examples together.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct Run {
    last_line: String,
    #[serde(default)]
    programs: Vec<String>,
    #[serde(default = "sqlite_alone")]
    storages: Vec<Storage>,
    #[serde(default = "a_minute")]
    timeout_seconds: u64,
}

#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
enum Storage {
    Sqlite,
    Memory,
    Mongo,
}

fn sqlite_alone() -> Vec<Storage> {
    vec![Storage::Sqlite]
}

fn a_minute() -> u64 {
    60
}

/// How many runs succeeded, and how many there was no server for.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    pub(crate) succeeded: usize,
    pub(crate) skipped: usize,
}

/// Builds all examples and runs each as its package says; those on MongoDB where `mongo_url` is a server's.
pub(crate) fn run_all(workspace: &Workspace, mongo_url: Option<&str>) -> Result<Outcome> {
    let mut runs = BTreeMap::new();
    for package in &workspace.members {
        runs.extend(runs_of(package).with_context(|| format!("in the manifest of `{}`", package.name))?);
    }
    let mut outcome = Outcome::default();
    if runs.is_empty() {
        return Ok(outcome);
    }
    process::check(process::cargo().args(["build", "--workspace", "--examples", "--all-features"]))?;
    for (name, run) in &runs {
        for storage in &run.storages {
            let folder = workspace.scratch().join(format!("example-{}", std::process::id()));
            fs::create_dir_all(&folder).with_context(|| format!("cannot create `{}`", folder.display()))?;
            let url = match storage {
                Storage::Sqlite => format!("sqlite://{}", folder.join("example.db").display()),
                Storage::Memory => "memory:".to_owned(),
                Storage::Mongo => match mongo_url {
                    Some(url) => url.to_owned(),
                    None => {
                        outcome.skipped += 1;
                        continue;
                    }
                },
            };
            let result = run.execute(workspace, &url);
            fs::remove_dir_all(&folder).with_context(|| format!("cannot remove `{}`", folder.display()))?;
            let took = result.with_context(|| format!("the example `{name}` on {storage:?}"))?;
            eprintln!("example {name} on {storage:?}: as expected, in {:.1} s", took.as_secs_f64());
            outcome.succeeded += 1;
        }
    }
    Ok(outcome)
}

/// The runs that a package declares, each with its programs; every example of the package is in one.
fn runs_of(package: &Package) -> Result<BTreeMap<String, Run>> {
    let declared = package.metadata.as_ref().and_then(|tables| tables.get("examples"));
    let mut runs: BTreeMap<String, Run> = match declared {
        Some(table) => Deserialize::deserialize(table).context("`[package.metadata.examples]` is not understood")?,
        None => BTreeMap::new(),
    };
    for (name, run) in &mut runs {
        if run.programs.is_empty() {
            run.programs.push(name.clone());
        }
    }
    let is_example = |kind: &Vec<String>| kind.iter().any(|kind| kind == "example");
    let built = package.targets.iter().filter(|target| is_example(&target.kind)).map(|target| target.name.as_str());
    let built: BTreeSet<&str> = built.collect();
    let run: BTreeSet<&str> = runs.values().flat_map(|run| run.programs.iter().map(String::as_str)).collect();
    if let Some(name) = built.difference(&run).next() {
        bail!("nothing runs the example `{name}`, add `[package.metadata.examples.{name}]` with its `last-line`");
    }
    if let Some(name) = run.difference(&built).next() {
        bail!("`[package.metadata.examples]` names `{name}`, and there is no such example");
    }
    Ok(runs)
}

impl Run {
    /// Starts the programs, waits for all, and looks at the last line.
    fn execute(&self, workspace: &Workspace, url: &str) -> Result<Duration> {
        let started = Stopwatch::start();
        let limit = Duration::from_secs(self.timeout_seconds);
        let binaries = workspace.target.join("debug").join("examples");
        let start = |program: &String| Captured::start(&mut example(&binaries.join(program), workspace, url));
        let programs = self.programs.iter().map(start).collect::<Result<Vec<_>>>()?;
        let mut last_line = String::new();
        for (program, name) in programs.into_iter().zip(&self.programs) {
            let Some(finished) = program.finish(started.left_of(limit))? else {
                bail!("`{name}` did not end within {} s", self.timeout_seconds);
            };
            if !finished.status.success() {
                bail!("`{name}` failed ({}) after it printed:\n{}", finished.status, finished.output);
            }
            last_line = finished.output.lines().last().unwrap_or_default().to_owned();
        }
        if last_line != self.last_line {
            bail!("the last line is `{last_line}`, expected `{}`", self.last_line);
        }
        Ok(started.elapsed())
    }
}

fn example(binary: &Path, workspace: &Workspace, url: &str) -> Command {
    let mut command = process::command(binary);
    command.current_dir(&workspace.root);
    for variable in URL_VARIABLES {
        command.env_remove(variable);
    }
    command.env("MINIBATCH_URL", url);
    command
}

#[cfg(test)]
mod tests {
    use super::*;

    fn runs(examples: &[&str], table: &serde_json::Value) -> Result<BTreeMap<String, Run>> {
        let targets: Vec<_> =
            examples.iter().map(|name| serde_json::json!({ "name": name, "kind": ["example"] })).collect();
        let package = serde_json::json!({
            "name": "examples", "manifest_path": "", "dependencies": [], "targets": targets,
            "metadata": { "examples": table },
        });
        runs_of(&serde_json::from_value(package).unwrap())
    }

    #[test]
    fn a_run_is_named_after_its_program() {
        let runs = runs(&["one"], &serde_json::json!({ "one": { "last-line": "1" } })).unwrap();
        let run = &runs["one"];
        assert_eq!((&run.programs[..], run.timeout_seconds), (&["one".to_owned()][..], 60));
        assert_eq!(run.storages, [Storage::Sqlite]);
    }

    #[test]
    fn several_programs_make_one_run() {
        let table = serde_json::json!({ "both": {
            "last-line": "2", "programs": ["one", "two"], "storages": ["memory", "mongo"], "timeout-seconds": 5
        } });
        let runs = runs(&["one", "two"], &table).unwrap();
        assert_eq!(runs["both"].programs, ["one", "two"]);
        assert_eq!(runs["both"].storages, [Storage::Memory, Storage::Mongo]);
    }

    #[test]
    fn the_list_and_the_examples_are_the_same() {
        let one = serde_json::json!({ "one": { "last-line": "1" } });
        assert!(runs(&["one", "two"], &one).unwrap_err().to_string().contains("nothing runs the example `two`"));
        assert!(runs(&[], &one).unwrap_err().to_string().contains("no such example"));
        runs(&["one"], &serde_json::json!({ "one": { "lastline": "1" } })).unwrap_err();
    }
}
