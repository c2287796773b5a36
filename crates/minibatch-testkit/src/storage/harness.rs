//! The suite as a test binary: each case a test that `cargo test` and `cargo nextest` can list, choose and run.

use std::{process::ExitCode, sync::Arc};

use libtest_mimic::{Arguments, Failed, Trial};
use tokio::runtime::Builder;

use super::{case::Case, report::Outcome, suite::Suite};

/// Enough for clients to run at the same time, few enough to start at once.
const WORKERS: usize = 2;

pub(super) fn main(suite: Suite) -> ExitCode {
    if let Some(what) = suite.missing() {
        report_missing(what);
    }
    let suite = Arc::new(suite);
    let trials = suite.cases().map(|case| trial(&suite, case)).collect();
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// On standard error: what lists the tests reads the standard output.
#[expect(clippy::print_stderr, reason = "a skip is reported, and this is a test's main function")]
fn report_missing(what: &str) {
    eprintln!(
        "there is no {what} here: all cases are skipped, or fail where MINIBATCH_REQUIRE has `{what}` in its list"
    );
}

fn trial(suite: &Arc<Suite>, case: Case) -> Trial {
    let skipped = matches!(suite.skips(case), Some(Outcome::Skipped(_)));
    let suite = Arc::clone(suite);
    Trial::test(case.name, move || run(&suite, case)).with_ignored_flag(skipped)
}

/// Runs a case on a runtime of its own: no case sees another's timers or tasks.
fn run(suite: &Arc<Suite>, case: Case) -> Result<(), Failed> {
    let runtime = Builder::new_multi_thread().worker_threads(WORKERS).enable_all().build()?;
    let report = runtime.block_on(suite.run_case(case));
    runtime.shutdown_background();
    match report.outcome {
        Outcome::Failed(message) => Err(message.into()),
        Outcome::Passed | Outcome::Skipped(_) => Ok(()),
    }
}
