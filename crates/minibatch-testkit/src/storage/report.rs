//! What a run of the suite found.

use std::fmt;

/// What became of every case, in the order of the clauses.
#[derive(Clone, Debug)]
pub struct Report {
    pub(crate) cases: Vec<CaseReport>,
}

/// What became of one case.
#[derive(Clone, Debug)]
pub struct CaseReport {
    /// The case's name.
    pub name: String,
    /// The clause it tests, as `ChunkLog 2`.
    pub clause: &'static str,
    /// How it ended.
    pub outcome: Outcome,
}

/// How a case ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The storage keeps the clause, as far as this case looks.
    Passed,
    /// The storage breaks the clause: the clause, and what was found.
    Failed(String),
    /// The case needs something that the suite was not given: what.
    Skipped(String),
}

impl Report {
    /// Every case.
    #[must_use]
    pub fn cases(&self) -> &[CaseReport] {
        &self.cases
    }

    /// The cases that failed.
    pub fn failures(&self) -> impl Iterator<Item = &CaseReport> {
        self.cases.iter().filter(|case| matches!(case.outcome, Outcome::Failed(_)))
    }

    /// True when no case failed.
    #[must_use]
    pub fn passed(&self) -> bool {
        self.failures().next().is_none()
    }
}

impl fmt::Display for Report {
    /// One line a failure, and one with the numbers.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for case in self.failures() {
            if let Outcome::Failed(message) = &case.outcome {
                writeln!(f, "{}: {message}", case.name)?;
            }
        }
        let skipped = self.cases.iter().filter(|case| matches!(case.outcome, Outcome::Skipped(_))).count();
        let failed = self.failures().count();
        write!(f, "{} passed, {failed} failed, {skipped} skipped", self.cases.len() - failed - skipped)
    }
}
