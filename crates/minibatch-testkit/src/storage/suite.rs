//! The suite: how it is told of a storage, and how it runs.

use std::{fmt, future::Future, pin::Pin, process::ExitCode, sync::Arc, time::Duration};

use minibatch_core::{
    Error, Slot,
    storage::{Effect, Partition, Storage},
};
use tokio::{sync::Semaphore, task::JoinSet, time::timeout};

use super::{
    case::{Case, Cx, Needs},
    cases,
    clause::Clause,
    failure::{Failure, Verdict},
    harness,
    report::{CaseReport, Outcome, Report},
};
use crate::random;

/// How long a case may ask again, unless told otherwise.
const PATIENCE: Duration = Duration::from_secs(20);
/// How many cases [`Suite::run`] has under way at a time.
const AT_ONCE: usize = 16;

type Pending<T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send>>;
type Open = Box<dyn Fn(String) -> Pending<Arc<dyn Storage>> + Send + Sync>;
type Remove = Box<dyn Fn(String) -> Pending<()> + Send + Sync>;
type Damage = Box<dyn Fn(String, Partition, Slot) -> Pending<()> + Send + Sync>;

/// How effects are made, and seen from outside.
pub(crate) struct Effects {
    pub(crate) make: Box<dyn Fn(&str) -> Effect + Send + Sync>,
    pub(crate) seen: Box<dyn Fn(String) -> Pending<Vec<String>> + Send + Sync>,
}

/// What the suite was told.
pub(crate) struct Parts {
    pub(crate) open: Open,
    pub(crate) remove: Option<Remove>,
    pub(crate) damage: Option<Damage>,
    pub(crate) effects: Option<Effects>,
    pub(crate) durable: bool,
    pub(crate) patience: Duration,
}

impl Parts {
    pub(crate) fn effects(&self) -> Verdict<&Effects> {
        self.effects.as_ref().ok_or_else(|| Failure::new("the suite was not told of effects"))
    }
}

/// The conformance suite over one storage.
#[must_use]
pub struct Suite {
    parts: Parts,
    only: String,
    missing: Option<Missing>,
}

/// What the storage needs and this machine lacks.
struct Missing {
    what: &'static str,
    required: bool,
}

impl Suite {
    /// The suite over the storage whose clients `open` opens.
    ///
    /// `open` is given the name of a namespace: lower-case letters and digits of ASCII, beginning with a letter, 20
    /// characters, new with every case and run. Clients of the same namespace share their data; clients of different ones
    /// share nothing.
    pub fn new<O, F>(open: O) -> Self
    where
        O: Fn(String) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Arc<dyn Storage>, Error>> + Send + 'static,
    {
        let open = Box::new(move |namespace| Box::pin(open(namespace)) as Pending<_>);
        let parts = Parts { open, remove: None, damage: None, effects: None, durable: false, patience: PATIENCE };
        Self { parts, only: String::new(), missing: None }
    }

    /// Calls `remove` with a case's namespace when the case is over, passed or failed.
    pub fn with_remove<R, F>(mut self, remove: R) -> Self
    where
        R: Fn(String) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.parts.remove = Some(Box::new(move |namespace| Box::pin(remove(namespace))));
        self
    }

    /// Says that the data of a namespace outlive its clients, as in a file or on a server, so that this is tested too.
    pub fn durable(mut self) -> Self {
        self.parts.durable = true;
        self
    }

    /// Tells the suite how to change the stored payload of a slot, in this namespace, so that its checksum is wrong.
    /// Without this the cases of damaged records are skipped.
    pub fn with_damage<D, F>(mut self, damage: D) -> Self
    where
        D: Fn(String, Partition, Slot) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), Error>> + Send + 'static,
    {
        self.parts.damage =
            Some(Box::new(move |namespace, partition, slot| Box::pin(damage(namespace, partition, slot))));
        self
    }

    /// Tells the suite of effects: `make` is given a text and makes an effect that leaves it in a place of the namespace,
    /// which exists from [`open`](Self::new) on, and is refused where the text is there already; `seen` returns the texts
    /// in the order in which they came. Without this the cases of effects are skipped.
    pub fn with_effects<M, S, F>(mut self, make: M, seen: S) -> Self
    where
        M: Fn(&str) -> Effect + Send + Sync + 'static,
        S: Fn(String) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Vec<String>, Error>> + Send + 'static,
    {
        let seen: Box<dyn Fn(String) -> Pending<Vec<String>> + Send + Sync> =
            Box::new(move |namespace| Box::pin(seen(namespace)));
        self.parts.effects = Some(Effects { make: Box::new(make), seen });
        self
    }

    /// How long a case asks again before it fails, for what the contract promises for later, and how long a call may
    /// take: 20 s unless told otherwise. Let a storage that deletes trimmed records after a grace have a short one here.
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.parts.patience = patience;
        self
    }

    /// Runs only the cases whose name contains `part`, as `log_` or `group_08`.
    pub fn only(mut self, part: &str) -> Self {
        part.clone_into(&mut self.only);
        self
    }

    /// Says that the storage needs `what` (a server, as `mongo`), and whether it is there. Where it is not, all cases are
    /// skipped; they fail when the environment variable `MINIBATCH_REQUIRE` has `what` in its list (`mongo,kafka`).
    pub fn requires(mut self, what: &'static str, available: bool) -> Self {
        if !available {
            let required = std::env::var("MINIBATCH_REQUIRE").unwrap_or_default();
            self.missing = Some(Missing { what, required: required.split(',').any(|name| name.trim() == what) });
        }
        self
    }

    /// Runs as the main function of a test without harness: understands the arguments of `cargo test` and
    /// `cargo nextest`, and lists the cases one by one.
    #[must_use]
    pub fn main(self) -> ExitCode {
        harness::main(self)
    }

    /// Runs all cases, some at a time, on the runtime that this is called on.
    pub async fn run(self) -> Report {
        let suite = Arc::new(self);
        let permits = Arc::new(Semaphore::new(AT_ONCE));
        let mut running = JoinSet::new();
        for (number, case) in suite.cases().enumerate() {
            let (suite, permits) = (Arc::clone(&suite), Arc::clone(&permits));
            running.spawn(async move {
                let _permit = permits.acquire().await;
                (number, suite.run_case(case).await)
            });
        }
        let mut reports = running.join_all().await;
        reports.sort_by_key(|(number, _)| *number);
        Report { cases: reports.into_iter().map(|(_, report)| report).collect() }
    }
}

impl Suite {
    /// The cases to run.
    pub(crate) fn cases(&self) -> impl Iterator<Item = Case> {
        cases::all().filter(|case| case.name.contains(&self.only))
    }

    /// Runs one case in a namespace of its own.
    pub(crate) async fn run_case(self: &Arc<Self>, case: Case) -> CaseReport {
        let clause = Clause::of(case.name);
        let outcome = match self.skips(case) {
            Some(outcome) => outcome,
            None => match (self.verdict(case).await, clause) {
                (Ok(()), _) => Outcome::Passed,
                (Err(message), Some(clause)) => {
                    Outcome::Failed(format!("clause {} ({}): {message}", clause.id, clause.rule))
                }
                (Err(message), None) => Outcome::Failed(message),
            },
        };
        CaseReport { name: case.name.to_owned(), clause: clause.map_or("none", |clause| clause.id), outcome }
    }

    /// What the storage needs and this machine lacks.
    pub(crate) fn missing(&self) -> Option<&'static str> {
        self.missing.as_ref().map(|missing| missing.what)
    }

    /// What to say of a case that cannot run.
    pub(crate) fn skips(&self, case: Case) -> Option<Outcome> {
        match &self.missing {
            Some(Missing { what, required: true }) => {
                Some(Outcome::Failed(format!("{what} is required and not there")))
            }
            Some(Missing { what, required: false }) => Some(Outcome::Skipped(format!("there is no {what}"))),
            None => match case.needs {
                Some(Needs::Damage) if self.parts.damage.is_none() => {
                    Some(Outcome::Skipped("the suite was not told how to damage a record".to_owned()))
                }
                Some(Needs::Effects) if self.parts.effects.is_none() => {
                    Some(Outcome::Skipped("the suite was not told of effects".to_owned()))
                }
                Some(Needs::Durable) if !self.parts.durable => {
                    Some(Outcome::Skipped("the storage is not said to outlive its clients".to_owned()))
                }
                _ => None,
            },
        }
    }

    async fn verdict(self: &Arc<Self>, case: Case) -> Result<(), String> {
        let namespace = format!("case{}", random::digits());
        let cx = Cx::new(Arc::clone(self), &namespace);
        let longest = self.parts.patience * 4;
        let verdict = caught((case.run)(cx), longest).await;
        let Some(remove) = &self.parts.remove else { return verdict };
        let removed = caught(remove(namespace), longest).await;
        verdict.and(removed.map_err(|error| format!("the namespace could not be removed: {error}")))
    }

    pub(crate) fn parts(&self) -> &Parts {
        &self.parts
    }
}

/// Runs in a task of its own, so that a panic is a failure like any other.
async fn caught<E: fmt::Display + Send + 'static>(
    pending: impl Future<Output = Result<(), E>> + Send + 'static,
    longest: Duration,
) -> Result<(), String> {
    let mut task = tokio::spawn(pending);
    match timeout(longest, &mut task).await {
        Ok(Ok(result)) => result.map_err(|error| error.to_string()),
        Ok(Err(panicked)) => Err(panic_message(panicked)),
        Err(_) => {
            task.abort();
            Err(format!("it did not end within {longest:?}"))
        }
    }
}

fn panic_message(error: tokio::task::JoinError) -> String {
    let Ok(panic) = error.try_into_panic() else { return "the case was cancelled".to_owned() };
    let text = panic.downcast_ref::<&str>().copied().or_else(|| panic.downcast_ref::<String>().map(String::as_str));
    format!("panicked: {}", text.unwrap_or("with something that is no text"))
}

impl fmt::Debug for Suite {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Suite").field("patience", &self.parts.patience).finish_non_exhaustive()
    }
}
