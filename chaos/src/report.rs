//! What is said of a fault in the end: one object of JSON.

use std::time::Duration;

use minibatch_testkit::history::Verdict;
use serde::Serialize;

use crate::{
    figures::{Figures, quantile},
    world::Tally,
};

/// All runs of one fault on one storage.
#[derive(Debug, Serialize)]
pub(crate) struct Report {
    pub(crate) id: &'static str,
    pub(crate) storage: &'static str,
    /// Whether the runs had to lose or duplicate.
    pub(crate) control: bool,
    pub(crate) runs: u64,
    pub(crate) fired: u64,
    #[serde(flatten)]
    pub(crate) verdict: Verdict,
    pub(crate) recovery_ms_p50: Option<u64>,
    pub(crate) recovery_ms_p99: Option<u64>,
    pub(crate) recovery_ms_max: Option<u64>,
    /// What else was measured, in the order of the runs.
    pub(crate) figures: Figures,
    /// What was missing to run it.
    pub(crate) missing: Option<&'static str>,
    /// Why a run failed.
    pub(crate) failure: Option<String>,
    /// The seeds of the runs begin with this one.
    pub(crate) seed: u64,
    #[serde(skip)]
    recoveries: Vec<Duration>,
}

impl Report {
    pub(crate) fn new(id: &'static str, storage: &'static str, control: bool, seed: u64) -> Self {
        Self {
            id,
            storage,
            control,
            runs: 0,
            fired: 0,
            verdict: Verdict::default(),
            recovery_ms_p50: None,
            recovery_ms_p99: None,
            recovery_ms_max: None,
            figures: Figures::default(),
            missing: None,
            failure: None,
            seed,
            recoveries: Vec::new(),
        }
    }

    pub(crate) fn add(&mut self, tally: &Tally, verdict: &Verdict) {
        self.runs += 1;
        self.fired += tally.fired;
        self.verdict.add(verdict);
        self.figures.add(&tally.figures);
        self.recoveries.extend(&tally.recoveries);
        self.recoveries.sort_unstable();
        let at = |thousandths| {
            let recovery = quantile(&self.recoveries, thousandths)?;
            Some(u64::try_from(recovery.as_millis()).unwrap_or(u64::MAX))
        };
        (self.recovery_ms_p50, self.recovery_ms_p99, self.recovery_ms_max) = (at(500), at(990), at(1_000));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_add_up() {
        let mut report = Report::new("P1", "sqlite", false, 1);
        let recoveries = [5, 1, 9].map(Duration::from_millis).to_vec();
        report.add(&Tally { fired: 3, recoveries, ..Tally::default() }, &Verdict::default());
        let mut tally = Tally { fired: 1, recoveries: vec![Duration::from_millis(20)], ..Tally::default() };
        tally.figures.note("left", 2.0);
        report.add(&tally, &Verdict::default());
        assert_eq!((report.runs, report.fired), (2, 4));
        assert_eq!((report.recovery_ms_p50, report.recovery_ms_max), (Some(5), Some(20)));
        let json = serde_json::to_value(&report).unwrap();
        assert_eq!((&json["lost"], &json["figures"]["left"][0]), (&0.into(), &2.0.into()));
    }

    #[test]
    fn all_is_said_that_was_promised() {
        let json = serde_json::to_value(Report::new("P1", "sqlite", false, 1)).unwrap();
        for field in [
            "id",
            "control",
            "runs",
            "fired",
            "attempted",
            "acked",
            "indeterminate",
            "lost",
            "unexpected",
            "duplicated_in_log",
            "redelivered",
            "out_of_order",
            "sink_duplicates",
            "gap_repairs",
            "fenced",
            "recovery_ms_p50",
            "recovery_ms_max",
        ] {
            assert!(json.get(field).is_some(), "{field}");
        }
    }
}
