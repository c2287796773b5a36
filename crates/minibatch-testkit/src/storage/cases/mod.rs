//! The cases, in the order of the clauses.

mod absent;
mod commits;
mod dropped;
mod effects;
mod general;
mod groups;
mod log_append;
mod log_derived;
mod log_producers;
mod log_punctuation;
mod log_read;
mod log_survey;
mod log_time;
mod log_trim;
mod log_wait;
mod members;
mod notes;
mod ownership;
mod pieces;
mod restarts;
mod streams;
mod values;

use super::case::Case;

/// Every case of the suite.
pub(crate) fn all() -> impl Iterator<Item = Case> {
    [
        streams::CASES,
        log_append::CASES,
        log_producers::CASES,
        values::CASES,
        log_read::CASES,
        log_time::CASES,
        log_wait::CASES,
        log_trim::CASES,
        log_survey::CASES,
        log_derived::CASES,
        log_punctuation::CASES,
        members::CASES,
        groups::CASES,
        restarts::CASES,
        ownership::CASES,
        commits::CASES,
        effects::CASES,
        pieces::CASES,
        notes::CASES,
        general::CASES,
        dropped::CASES,
        absent::CASES,
    ]
    .into_iter()
    .flatten()
    .copied()
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::storage::clause::{CLAUSES, Clause};

    #[test]
    fn every_case_has_a_clause_and_every_clause_a_case() {
        let mut tested = HashSet::new();
        for case in all() {
            let clause = Clause::of(case.name).unwrap_or_else(|| panic!("{} names no clause", case.name));
            tested.insert(clause.id);
        }
        for clause in CLAUSES {
            assert!(tested.contains(clause.id), "no case tests {}", clause.id);
        }
    }

    #[test]
    fn names_are_unique() {
        let mut names = HashSet::new();
        assert!(all().all(|case| names.insert(case.name)));
    }
}
