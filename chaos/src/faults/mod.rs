//! The table of faults: `docs/reliability.md` says of each row how it is injected and what is checked.

mod consumer;
mod control;
mod crowd;
mod file;
mod holes;
mod leaks;
mod model;
mod network;
mod power;
mod producer;
mod server;
mod soak;
mod split;

use anyhow::{Result, bail};
use futures::future::BoxFuture;
use minibatch_testkit::history::Verdict;

use crate::{cut, server::FakeClock, strace::Strace, world::World};

/// What a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Place {
    Sqlite,
    /// A replica set of one.
    Mongo,
    /// A replica set of three.
    MongoThree,
    /// Nothing outside of one process.
    Process,
}

impl Place {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Sqlite => "sqlite",
            Self::Mongo => "mongo",
            Self::MongoThree => "mongo-3",
            Self::Process => "process",
        }
    }
}

/// What it takes beside this program and a mongod.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Need {
    Nothing,
    /// `strace`, and the right to attach it.
    Strace,
    /// `libfaketime`.
    FakeClock,
    /// To be told whose connections are.
    Cut,
}

impl Need {
    /// What is missing here.
    pub(crate) async fn missing(self) -> Option<&'static str> {
        match self {
            Self::Strace if !Strace::works().await => Some("strace, or the right to attach it"),
            Self::FakeClock if FakeClock::library().is_none() => Some("libfaketime"),
            Self::Cut if !cut::works() => Some("/proc/net/tcp"),
            _ => None,
        }
    }

    /// Whether servers of its own are started for it.
    pub(crate) fn is_special(self) -> bool {
        matches!(self, Self::FakeClock | Self::Cut)
    }
}

impl Expect {
    pub(crate) fn is_control(self) -> bool {
        matches!(self, Self::Loses | Self::Duplicates | Self::Mutants)
    }

    /// The counts that break no promise here.
    fn excused(self) -> &'static [&'static str] {
        match self {
            Self::AtLeastOnce => &["changed_windows", "sink_duplicates", "sink_missing"],
            Self::Transactional => &["changed_windows"],
            Self::Sound | Self::Loses | Self::Duplicates | Self::Mutants => &[],
        }
    }
}

/// What has to come of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Every promise is kept.
    Sound,
    /// Every promise but those of windows that stay the same: a timer that ends a window is recorded with the window, so
    /// one that was done and not committed may be formed again with more messages.
    AtLeastOnce,
    /// The same of windows; what they wrote is undone with them, and so is there once.
    Transactional,
    /// A control: acknowledged messages are lost.
    Loses,
    /// A control: messages are there twice.
    Duplicates,
    /// A control that judges for itself: what is wrong with it is found.
    Mutants,
}

pub(crate) type Run = for<'a> fn(&'a mut World) -> BoxFuture<'a, Result<Verdict>>;

/// One row.
pub(crate) struct Fault {
    pub(crate) id: &'static str,
    pub(crate) place: Place,
    pub(crate) needs: Need,
    /// What is done, for the progress on standard error.
    pub(crate) what: &'static str,
    pub(crate) expect: Expect,
    /// How often it strikes in a quick run (0: it is none of its faults), and in one that is not.
    pub(crate) loops: (u64, u64),
    pub(crate) run: Run,
}

/// All rows.
pub(crate) fn all() -> Vec<&'static Fault> {
    [
        producer::FAULTS,
        crowd::FAULTS,
        leaks::FAULTS,
        consumer::FAULTS,
        holes::FAULTS,
        server::FAULTS,
        split::FAULTS,
        network::FAULTS,
        file::FAULTS,
        power::FAULTS,
        model::FAULTS,
        soak::FAULTS,
        control::FAULTS,
    ]
    .into_iter()
    .flatten()
    .collect()
}

impl Fault {
    /// The same where something else is struck.
    const fn on(self, place: Place) -> Self {
        Self { place, ..self }
    }

    /// Whether a run went as it had to.
    pub(crate) fn check(&self, fired: u64, verdict: &Verdict) -> Result<()> {
        let mut defects = verdict.defects();
        defects.retain(|(name, _)| !self.expect.excused().contains(name));
        if fired == 0 {
            bail!("the fault never struck");
        }
        match self.expect {
            _ if !self.expect.is_control() && !defects.is_empty() => bail!("{defects:?}"),
            _ if !self.expect.is_control() && verdict.acked == 0 => bail!("nothing was acknowledged"),
            Expect::Loses if verdict.lost == 0 => bail!("a control that must lose lost nothing"),
            Expect::Duplicates if verdict.duplicated_in_log == 0 => bail!("a control that must duplicate did not"),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    fn fault(expect: Expect) -> Fault {
        let run: Run = |_| Box::pin(async { Ok(Verdict::default()) });
        Fault { id: "X", place: Place::Sqlite, needs: Need::Nothing, what: "", expect, loops: (1, 1), run }
    }

    fn verdict(lost: u64, duplicated_in_log: u64) -> Verdict {
        let mut verdict = Verdict::default();
        (verdict.acked, verdict.lost, verdict.duplicated_in_log) = (9, lost, duplicated_in_log);
        verdict
    }

    #[test]
    fn a_run_passes_only_when_it_did_what_it_had_to() {
        fault(Expect::Sound).check(1, &verdict(0, 0)).unwrap();
        fault(Expect::Sound).check(1, &verdict(1, 0)).unwrap_err();
        fault(Expect::Sound).check(1, &Verdict::default()).unwrap_err();
        let mut changed = verdict(0, 0);
        changed.changed_windows = 1;
        fault(Expect::Sound).check(1, &changed).unwrap_err();
        fault(Expect::AtLeastOnce).check(1, &changed).unwrap();
        fault(Expect::AtLeastOnce).check(1, &verdict(1, 0)).unwrap_err();
        fault(Expect::Transactional).check(1, &changed).unwrap();
        changed.sink_duplicates = 1;
        fault(Expect::AtLeastOnce).check(1, &changed).unwrap();
        fault(Expect::Transactional).check(1, &changed).unwrap_err();
        fault(Expect::Loses).check(1, &verdict(1, 0)).unwrap();
        fault(Expect::Loses).check(1, &verdict(0, 1)).unwrap_err();
        fault(Expect::Duplicates).check(1, &verdict(0, 1)).unwrap();
        fault(Expect::Duplicates).check(1, &verdict(1, 0)).unwrap_err();
        fault(Expect::Sound).check(0, &verdict(0, 0)).unwrap_err();
    }

    #[test]
    fn rows_are_told_apart() {
        let names: BTreeSet<_> = all().into_iter().map(|fault| (fault.id, fault.place.name())).collect();
        assert_eq!(names.len(), all().len());
    }
}
