//! The conformance suite finds every bug, in a case of the clause that it breaks.

use std::collections::HashSet;

use minibatch_testkit::storage::{Outcome, Suite};

use crate::faulty::{Bug, suite};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sound_storage_passes() {
    let report = suite(Bug::None).run().await;
    assert!(report.passed(), "{report}");
    assert!(report.cases().iter().all(|case| case.outcome == Outcome::Passed), "{report}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storage_without_punctuation_passes() {
    let report = suite(Bug::NoPunctuation).run().await;
    assert!(report.passed(), "{report}");
}

/// How the names of a clause's cases begin.
fn prefix(clause: &str) -> String {
    let (part, number) = clause.split_once(' ').unwrap();
    let part = match part {
        "StreamStore" => "stream",
        "ChunkLog" => "log",
        "GroupStore" => "group",
        "NoteStore" => "note",
        part => part,
    };
    match number.parse::<u32>() {
        Ok(number) => format!("{part}_{number:02}_"),
        Err(_) => format!("{part}_{}_", number.to_lowercase()),
    }
}

async fn check(bug: Bug, clause: &str) {
    let report = suite(bug).only(&prefix(clause)).run().await;
    assert!(!report.passed(), "{bug:?} was not found: {report}");
    for failure in report.failures() {
        assert_eq!(failure.clause, clause);
        let Outcome::Failed(message) = &failure.outcome else { panic!("no message") };
        assert!(message.contains(&format!("clause {clause} (")), "{message}");
    }
}

macro_rules! bugs {
    ($($name:ident: $bug:ident breaks $clause:literal;)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            check(Bug::$bug, $clause).await;
        })*

        const CLAUSES: &[&str] = &[$($clause),*];
    };
}

bugs! {
    open_races: OpenRaces breaks "StreamStore 1";
    partitions_not_compared: PartitionsNotCompared breaks "StreamStore 2";
    new_stream_has_a_floor: NewStreamHasAFloor breaks "StreamStore 3";
    find_creates: FindCreates breaks "StreamStore 4";
    list_unsorted: ListUnsorted breaks "StreamStore 5";
    drop_does_nothing: DropDoesNothing breaks "StreamStore 6";
    clock_lags: ClockLags breaks "StreamStore 7";
    big_chunks_cut: BigChunksCut breaks "ChunkLog 1";
    sequence_forgotten: SequenceForgotten breaks "ChunkLog 2";
    sequence_forgotten_after_trim: SequenceForgottenAfterTrim breaks "ChunkLog 2";
    order_of_two_swapped: OrderOfTwoSwapped breaks "ChunkLog 3";
    append_says_slot_one: AppendSaysSlotOne breaks "ChunkLog 4";
    skipped_sequence_accepted: SkippedSequenceAccepted breaks "ChunkLog 5";
    other_content_accepted: OtherContentAccepted breaks "ChunkLog 5";
    producer_not_fenced: ProducerNotFenced breaks "ChunkLog 6";
    heir_starts_at_one: HeirStartsAtOne breaks "ChunkLog 6";
    read_past_tail_fails: ReadPastTailFails breaks "ChunkLog 7";
    read_skips_at_limit: ReadSkipsAtLimit breaks "ChunkLog 8";
    limit_ignored: LimitIgnored breaks "ChunkLog 8";
    trimmed_skipped: TrimmedSkipped breaks "ChunkLog 9";
    checksum_ignored: ChecksumIgnored breaks "ChunkLog 10";
    clock_not_clamped: ClockNotClamped breaks "ChunkLog 11";
    wait_deaf_to_others: WaitDeafToOthers breaks "ChunkLog 12";
    wait_spins: WaitSpins breaks "ChunkLog 12";
    wait_deaf_once_dropped: WaitDeafOnceDropped breaks "ChunkLog 12";
    trim_ignores_slowest: TrimIgnoresSlowest breaks "ChunkLog 13";
    trim_without_groups: TrimWithoutGroups breaks "ChunkLog 13";
    trim_never_deletes: TrimNeverDeletes breaks "ChunkLog 13";
    cut_ignored: CutIgnored breaks "ChunkLog 13";
    cut_takes_finished: CutTakesFinished breaks "ChunkLog 13";
    empty_chunk_not_written: EmptyChunkNotWritten breaks "ChunkLog 14";
    survey_skips_empty: SurveySkipsEmpty breaks "ChunkLog 15";
    floor_counts_nothing: FloorCountsNothing breaks "ChunkLog 16";
    derived_in_order_only: DerivedInOrderOnly breaks "ChunkLog 17";
    derived_written_again: DerivedWrittenAgain breaks "ChunkLog 17";
    derived_forgotten_after_trim: DerivedForgottenAfterTrim breaks "ChunkLog 17";
    derived_difference_hidden: DerivedDifferenceHidden breaks "ChunkLog 17";
    derived_trimmed_differs: DerivedTrimmedDiffers breaks "ChunkLog 17";
    derived_tail_first: DerivedTailFirst breaks "ChunkLog 17";
    punctuates_anywhere: PunctuatesAnywhere breaks "ChunkLog 18";
    punctuates_empty_logs: PunctuatesEmptyLogs breaks "ChunkLog 18";
    punctuation_has_no_time: PunctuationHasNoTime breaks "ChunkLog 18";
    punctuation_is_a_chunk: PunctuationIsAChunk breaks "ChunkLog 18";
    members_immortal: MembersImmortal breaks "GroupStore 1";
    heartbeat_of_dead_accepted: HeartbeatOfDeadAccepted breaks "GroupStore 2";
    start_changes: StartChanges breaks "GroupStore 3";
    fingerprint_ignored: FingerprintIgnored breaks "GroupStore 4";
    owner_robbed: OwnerRobbed breaks "GroupStore 5";
    unclean_not_counted: UncleanNotCounted breaks "GroupStore 5";
    epoch_kept_by_owner: EpochKeptByOwner breaks "GroupStore 5";
    held_by_nobody: HeldByNobody breaks "GroupStore 6";
    dead_may_acquire: DeadMayAcquire breaks "GroupStore 7";
    version_ignored: VersionIgnored breaks "GroupStore 8";
    epoch_ignored: EpochIgnored breaks "GroupStore 8";
    counters_forgotten: CountersForgotten breaks "GroupStore 8";
    repeated_commit_stale: RepeatedCommitStale breaks "GroupStore 9";
    keep_from_goes_back: KeepFromGoesBack breaks "GroupStore 10";
    keep_from_past_end: KeepFromPastEnd breaks "GroupStore 10";
    unclean_stays: UncleanStays breaks "GroupStore 11";
    release_ignores_epoch: ReleaseIgnoresEpoch breaks "GroupStore 12";
    removed_group_commits: RemovedGroupCommits breaks "GroupStore 13";
    removed_group_reuses_epochs: RemovedGroupReusesEpochs breaks "GroupStore 13";
    groups_unsorted: GroupsUnsorted breaks "GroupStore 14";
    pieces_stay: PiecesStay breaks "GroupStore 15";
    pieces_of_heirs_go: PiecesOfHeirsGo breaks "GroupStore 15";
    restart_keeps_checkpoint: RestartKeepsCheckpoint breaks "GroupStore 16";
    all_live: AllLive breaks "GroupStore 17";
    removed_though_changed: RemovedThoughChanged breaks "GroupStore 21";
    notes_appended: NotesAppended breaks "NoteStore 1";
    notes_unsorted: NotesUnsorted breaks "NoteStore 2";
    notes_all_deleted: NotesAllDeleted breaks "NoteStore 3";
    note_kinds_mixed: NoteKindsMixed breaks "NoteStore 4";
    notes_outlive_groups: NotesOutliveGroups breaks "NoteStore 5";
    notes_of_any_size: NotesOfAnySize breaks "NoteStore 6";
    effects_forgotten: EffectsForgotten breaks "GroupStore 18";
    effects_repeated: EffectsRepeated breaks "GroupStore 18";
    effects_of_former_owners: EffectsOfFormerOwners breaks "GroupStore 18";
    refused_effect_half_done: RefusedEffectHalfDone breaks "GroupStore 19";
    refused_effect_committed: RefusedEffectCommitted breaks "GroupStore 19";
    effects_denied: EffectsDenied breaks "GroupStore 20";
    open_once: OpenOnce breaks "general A";
    pieces_for_their_client_only: PiecesForTheirClientOnly breaks "general B";
    dropped_append_blocks: DroppedAppendBlocks breaks "general C";
    dropped_derived_append_blocks: DroppedDerivedAppendBlocks breaks "general C";
    partition_not_checked: PartitionNotChecked breaks "general D";
    former_life_accepted: FormerLifeAccepted breaks "general D";
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_clause_has_a_bug_that_breaks_it() {
    let report = suite(Bug::None).requires("nothing", false).run().await;
    let tested: HashSet<_> = report.cases().iter().map(|case| case.clause).collect();
    assert_eq!(tested, CLAUSES.iter().copied().collect());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn panic_is_a_failure_like_any_other() {
    let report = suite(Bug::Panics).only("stream_03_new").run().await;
    let messages: Vec<_> = report.failures().map(|case| format!("{:?}", case.outcome)).collect();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].contains("panicked: this storage panics"), "{messages:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn storage_that_never_answers_fails_in_time() {
    let report =
        suite(Bug::NeverAnswers).with_patience(std::time::Duration::from_millis(100)).only("log_04").run().await;
    let messages: Vec<_> = report.failures().map(|case| format!("{:?}", case.outcome)).collect();
    assert_eq!(messages.len(), 1);
    assert!(messages[0].contains("gave no verdict"), "{messages:?}");
}

#[tokio::test]
async fn missing_server_skips_everything() {
    let open = |_| async { panic!("opened though the server is missing") };
    let report = Suite::new(open).requires("a server that nobody has", false).run().await;
    assert!(report.passed());
    assert!(report.cases().iter().all(|case| matches!(case.outcome, Outcome::Skipped(_))));
    assert!(report.to_string().starts_with("0 passed, 0 failed, "), "{report}");
}
