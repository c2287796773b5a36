//! The counts of a run.

use serde::Serialize;

/// What happened in a run, counted in messages unless said. The invariants are those of `docs/reliability.md`.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Verdict {
    /// Appends were called.
    pub attempted: u64,
    /// The client was told they are durable.
    pub acked: u64,
    /// The client was told nothing, or nothing certain.
    pub indeterminate: u64,
    /// The client was told they are not appended.
    pub failed: u64,
    /// I1: acknowledged, and not in the log.
    pub lost: u64,
    /// I1: acknowledged at another offset than where they are.
    pub misplaced: u64,
    /// I2: in the log, and never called for, or refused.
    pub unexpected: u64,
    /// I1, I3: in the log a second time; and records with a (producer, sequence) used before.
    pub duplicated_in_log: u64,
    /// I5: slots that are missing.
    pub gaps: u64,
    /// Slots filled by a tombstone. None of the promises, but each has a reason.
    pub gap_repairs: u64,
    /// I6, I7: in the log before one that was appended before them; or handed out so.
    pub out_of_order: u64,
    /// I4: handed out as something else than the log has there.
    pub disagreements: u64,
    /// I8: below the committed position, and in no window that was done.
    pub skipped: u64,
    /// I9: times that the group's state went back.
    pub regressed: u64,
    /// I11: windows that had other members under the same id.
    pub changed_windows: u64,
    /// Handed out again: no broken promise, but what at-least-once costs.
    pub redelivered: u64,
    /// Handed out, the first time.
    pub delivered: u64,
    /// I12: in the sink more than once.
    pub sink_duplicates: u64,
    /// I12: below the committed position, and not in the sink.
    pub sink_missing: u64,
    /// Times that a client was told it is fenced.
    pub fenced: u64,
}

impl Verdict {
    /// The counts that break a promise, by name; empty when all were kept.
    #[must_use]
    pub fn defects(&self) -> Vec<(&'static str, u64)> {
        let all = [
            ("lost", self.lost),
            ("misplaced", self.misplaced),
            ("unexpected", self.unexpected),
            ("duplicated_in_log", self.duplicated_in_log),
            ("gaps", self.gaps),
            ("out_of_order", self.out_of_order),
            ("disagreements", self.disagreements),
            ("skipped", self.skipped),
            ("regressed", self.regressed),
            ("changed_windows", self.changed_windows),
            ("sink_duplicates", self.sink_duplicates),
            ("sink_missing", self.sink_missing),
        ];
        all.into_iter().filter(|(_, count)| *count > 0).collect()
    }

    /// Adds another run's counts.
    pub fn add(&mut self, other: &Self) {
        self.attempted += other.attempted;
        self.acked += other.acked;
        self.indeterminate += other.indeterminate;
        self.failed += other.failed;
        self.lost += other.lost;
        self.misplaced += other.misplaced;
        self.unexpected += other.unexpected;
        self.duplicated_in_log += other.duplicated_in_log;
        self.gaps += other.gaps;
        self.gap_repairs += other.gap_repairs;
        self.out_of_order += other.out_of_order;
        self.disagreements += other.disagreements;
        self.skipped += other.skipped;
        self.regressed += other.regressed;
        self.changed_windows += other.changed_windows;
        self.redelivered += other.redelivered;
        self.delivered += other.delivered;
        self.sink_duplicates += other.sink_duplicates;
        self.sink_missing += other.sink_missing;
        self.fenced += other.fenced;
    }
}
