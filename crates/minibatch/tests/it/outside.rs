//! The three ways to depend on minibatch, each as a project of its own beside the workspace: on the façade; on core
//! alone, for a strategy; on core and for tests the testkit, for a storage.

use std::{env, fs, path::Path, process::Command};

/// Runs the tests of the project with what is at hand: nothing is fetched.
fn check(project: &str) {
    let facade = Path::new(env!("CARGO_MANIFEST_DIR"));
    let project = facade.join("tests/outside").join(project);
    fs::copy(facade.join("../../Cargo.lock"), project.join("Cargo.lock")).unwrap();
    let mut cargo = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    // what the workspace has built already serves here as well
    cargo
        .args(["test", "--offline", "--quiet", "--tests", "--target-dir"])
        .arg(concat!(env!("CARGO_TARGET_TMPDIR"), "/.."));
    let output = cargo.current_dir(project).output().unwrap();
    let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{out}\n{err}");
}

#[test]
fn a_program_on_the_facade() {
    check("app");
}

#[test]
fn a_strategy_on_core_alone() {
    check("emitter");
}

#[test]
fn a_storage_on_core_and_the_testkit() {
    check("storage");
}
