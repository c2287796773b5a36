//! `cargo xtask test`: all tests, the doctests and the examples, with the servers they need.

use std::env;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};

use crate::mongo::ReplicaSet;
use crate::setup::Mongod;
use crate::usage::{Command, Usage};
use crate::workspace::Workspace;
use crate::{examples, process, setup};

pub(crate) const COMMAND: Command = Command {
    name: "test",
    summary: "runs tests, doctests and examples, with the servers they need",
    help: "\
Runs the tests (by cargo-nextest, or cargo test where that is not installed), the doctests and the examples.
Starts a fresh MongoDB for them where a mongod is to be had, see `cargo xtask setup`, and stops it afterwards.

Usage: cargo xtask test [-- ARGUMENTS OF NEXTEST]

With arguments only the tests run, without doctests and examples.
For example: cargo xtask test -- -p minibatch-mongo --no-capture

  MINIBATCH_TEST_MONGO_URL  the server to test with, instead of a fresh one
  MINIBATCH_TEST_MONGOD     the mongod of which tests start servers of their own; set where one is found
  MINIBATCH_REQUIRE=mongo   a test that would be skipped for want of a server is a failure (set in CI)
",
    run,
};

const REQUIRE_VARIABLE: &str = "MINIBATCH_REQUIRE";
/// The servers that can be required.
const SERVERS: &[&str] = &["mongo"];

fn run(args: &[String]) -> Result<ExitCode> {
    let args = match args.split_first() {
        None => None,
        Some((dashes, args)) if dashes == "--" => Some(args).filter(|args| !args.is_empty()),
        Some(_) => return Err(Usage("arguments of nextest come after dashes: cargo xtask test -- …".to_owned()).into()),
    };
    run_tests(args)?;
    Ok(ExitCode::SUCCESS)
}

/// Runs everything, or with `args` the tests that they choose.
pub(crate) fn run_tests(args: Option<&[String]>) -> Result<()> {
    let require_mongo = requires_mongo()?;
    let workspace = Workspace::load()?;
    let mongod = setup::find(&workspace)?;
    let mut mongo = Mongo::find(&workspace, mongod.as_ref())?;
    if require_mongo && matches!(mongo, Mongo::None) {
        bail!("{REQUIRE_VARIABLE} asks for MongoDB and there is no mongod: `cargo xtask setup` fetches one");
    }
    let url = mongo.url();
    let servers = Servers { url: url.as_deref(), mongod: mongod.as_ref().map(|mongod| mongod.path.as_path()) };
    let tested = match args {
        Some(args) => tests(servers, args),
        None => tests(servers, &[]).and_then(|()| {
            mongo.was_used(require_mongo)?;
            doctests(servers)?;
            let outcome = examples::run_all(&workspace, url.as_deref())?;
            println!("examples: {} runs as expected, {} skipped", outcome.succeeded, outcome.skipped);
            Ok(())
        }),
    };
    println!("{}", mongo.summary());
    tested?;
    mongo.stop()
}

/// Whether the environment says that a missing MongoDB is a failure.
pub(crate) fn requires_mongo() -> Result<bool> {
    Ok(required(&env::var(REQUIRE_VARIABLE).unwrap_or_default())?.contains(&"mongo"))
}

/// The servers that must not be missing: a list with commas.
fn required(list: &str) -> Result<Vec<&str>> {
    let names: Vec<&str> = list.split(',').map(str::trim).filter(|name| !name.is_empty()).collect();
    if let Some(unknown) = names.iter().find(|name| !SERVERS.contains(name)) {
        bail!("{REQUIRE_VARIABLE} names `{unknown}`, known are: {}", SERVERS.join(", "));
    }
    Ok(names)
}

/// The MongoDB that the tests get.
enum Mongo {
    /// `MINIBATCH_TEST_MONGO_URL`.
    Given(String),
    Started {
        server: ReplicaSet,
        version: String,
    },
    None,
}

impl Mongo {
    fn find(workspace: &Workspace, mongod: Option<&Mongod>) -> Result<Self> {
        if let Some(url) = setup::given_url() {
            return Ok(Self::Given(url));
        }
        let Some(mongod) = mongod else {
            return Ok(Self::None);
        };
        let server = ReplicaSet::start(mongod, workspace)?;
        eprintln!("mongod {} takes writes on port {}", mongod.version, server.port());
        Ok(Self::Started { server, version: mongod.version.clone() })
    }

    fn url(&self) -> Option<String> {
        match self {
            Self::Given(url) => Some(url.clone()),
            Self::Started { server, .. } => Some(server.url()),
            Self::None => None,
        }
    }

    /// Asks the server itself whether tests have used it: a test that skips itself looks like a good one.
    fn was_used(&mut self, required: bool) -> Result<()> {
        if let Self::Started { server, .. } = self
            && required
            && server.clients()? == 0
        {
            bail!("{REQUIRE_VARIABLE} asks for MongoDB, a server ran, and no test has connected to it");
        }
        Ok(())
    }

    fn summary(&mut self) -> String {
        match self {
            Self::Given(_) => format!("mongo tests: with the server of {}", setup::URL_VARIABLE),
            Self::Started { server, version } => match server.clients() {
                Ok(0) => format!("mongo tests: none; mongod {version} ran and nobody connected to it"),
                Ok(clients) => format!("mongo tests: run with mongod {version}, {clients} connections made"),
                Err(error) => format!("mongo tests: mongod {version} no longer answers: {error:#}"),
            },
            Self::None => "mongo tests: SKIPPED, no mongod here; `cargo xtask setup` fetches one".to_owned(),
        }
    }

    fn stop(self) -> Result<()> {
        match self {
            Self::Started { server, .. } => server.stop(),
            Self::Given(_) | Self::None => Ok(()),
        }
    }
}

/// What the tests are told of servers.
#[derive(Clone, Copy)]
struct Servers<'a> {
    url: Option<&'a str>,
    mongod: Option<&'a Path>,
}

fn tests(servers: Servers<'_>, args: &[String]) -> Result<()> {
    let nextest = process::succeeds(process::cargo().args(["nextest", "--version"]));
    let mut command = process::cargo();
    if nextest {
        command.args(["nextest", "run", "--workspace", "--all-features"]);
        if env::var_os("CI").is_some() {
            command.args(["--profile", "ci"]);
        }
    } else if args.is_empty() {
        eprintln!("cargo-nextest is not installed (`cargo install cargo-nextest --locked`): taking cargo test");
        command.args(["test", "--workspace", "--all-features", "--lib", "--bins", "--tests", "--examples"]);
    } else {
        bail!("the arguments are cargo-nextest's, which is not installed: `cargo install cargo-nextest --locked`");
    }
    check_with(command.args(args), servers)
}

fn doctests(servers: Servers<'_>) -> Result<()> {
    check_with(process::cargo().args(["test", "--doc", "--workspace", "--all-features"]), servers)
}

fn check_with(command: &mut std::process::Command, servers: Servers<'_>) -> Result<()> {
    if let Some(url) = servers.url {
        command.env(setup::URL_VARIABLE, url);
    }
    if let Some(mongod) = servers.mongod {
        command.env(setup::MONGOD_VARIABLE, mongod);
    }
    process::check(command).context("the tests did not pass")
}

#[cfg(test)]
mod tests {
    use super::required;

    #[test]
    fn what_can_be_required_is_known() {
        assert_eq!(required("").unwrap(), Vec::<&str>::new());
        assert_eq!(required("mongo").unwrap(), ["mongo"]);
        assert_eq!(required(" mongo, ").unwrap(), ["mongo"]);
        required("mogno").unwrap_err();
    }
}
