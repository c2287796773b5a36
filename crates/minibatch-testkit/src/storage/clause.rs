//! The clauses of the contracts, in short, as failure messages quote them.

/// One clause of a contract in `minibatch_core::storage`.
#[derive(Debug)]
pub(crate) struct Clause {
    /// How the names of its cases begin.
    pub(crate) prefix: &'static str,
    /// Trait and number.
    pub(crate) id: &'static str,
    /// What it says.
    pub(crate) rule: &'static str,
}

macro_rules! clauses {
    ($($prefix:literal $id:literal $rule:literal)*) => {
        &[$(Clause { prefix: $prefix, id: $id, rule: $rule }),*]
    };
}

pub(crate) const CLAUSES: &[Clause] = clauses! {
    "stream_01_" "StreamStore 1" "open_stream creates or finds, and of many calls at once all get the same incarnation"
    "stream_02_" "StreamStore 2" "the number of partitions is fixed, and not 0"
    "stream_03_" "StreamStore 3" "a new stream's partitions are empty"
    "stream_04_" "StreamStore 4" "find_stream creates nothing"
    "stream_05_" "StreamStore 5" "list_streams has every stream once, by name"
    "stream_06_" "StreamStore 6" "a dropped stream's name is free, and its next life shares nothing with the former"
    "stream_07_" "StreamStore 7" "now does not lag behind a stamped time by more than a second"
    "log_01_" "ChunkLog 1" "a chunk is visible entirely or not"
    "log_02_" "ChunkLog 2" "appending the same (producer, sequence) again writes nothing and returns the first one's slot"
    "log_03_" "ChunkLog 3" "every reader finds the same record in the same slot, and slots are dense from 1 on"
    "log_04_" "ChunkLog 4" "a chunk whose append returned before another began has the lower slot"
    "log_05_" "ChunkLog 5" "a sequence that skips, was never given, or was used for other content is refused"
    "log_06_" "ChunkLog 6" "registering a producer again fences the earlier registration, and the next sequence follows the last"
    "log_07_" "ChunkLog 7" "read returns contiguous records from `from` on, at least one when there is one"
    "log_08_" "ChunkLog 8" "read stops after the record that reaches a limit"
    "log_09_" "ChunkLog 9" "reading what was deleted gives OffsetTrimmed, never a silent skip"
    "log_10_" "ChunkLog 10" "a damaged record gives CorruptRecord, after the good ones before it"
    "log_11_" "ChunkLog 11" "a record's time is the producer's clock within the bounds of clamp_time"
    "log_12_" "ChunkLog 12" "wait returns within a second of an append by whatever client, at once when there is a record"
    "log_13_" "ChunkLog 13" "trim deletes what all groups have finished with, or lies below its cut, as it is told, and never the last record"
    "log_14_" "ChunkLog 14" "an empty payload is a chunk like any other"
    "log_15_" "ChunkLog 15" "survey returns what read would, without the messages"
    "log_16_" "ChunkLog 16" "floor_count and the messages from the floor on are all that were ever appended"
    "log_17_" "ChunkLog 17" "of the derived chunks of one id and number the first stands for ever, trimmed or not"
    "log_18_" "ChunkLog 18" "a punctuation follows the tail that its writer knows or is not written, is no message, and nothing later is before it"
    "group_01_" "GroupStore 1" "join draws a new id, alive until its ttl after the last heartbeat"
    "group_02_" "GroupStore 2" "the heartbeat of a member that left or was found dead gives MemberDead"
    "group_03_" "GroupStore 3" "open_group creates or finds, with one generation and a start that does not change"
    "group_04_" "GroupStore 4" "another fingerprint than the stored one gives StrategyChanged"
    "group_05_" "GroupStore 5" "acquire takes what is free, its own or a dead member's, with a greater epoch"
    "group_06_" "GroupStore 6" "of many that acquire at once one becomes owner, and the others learn who"
    "group_07_" "GroupStore 7" "a dead member cannot acquire"
    "group_08_" "GroupStore 8" "commit stores all or nothing, and only on the stored epoch and version"
    "group_09_" "GroupStore 9" "a commit repeated with the same bytes and fence succeeds with the same version"
    "group_10_" "GroupStore 10" "keep_from neither goes back nor lies past the end of the log"
    "group_11_" "GroupStore 11" "a successful commit sets unclean to 0"
    "group_12_" "GroupStore 12" "release frees the partition of the owner's epoch, and otherwise does nothing"
    "group_13_" "GroupStore 13" "remove_group frees what the group held, and fences its owner"
    "group_14_" "GroupStore 14" "groups lists the groups of a partition by name"
    "group_15_" "GroupStore 15" "a piece is read back whole until retain_pieces leaves it out"
    "group_16_" "GroupStore 16" "restart_group begins the group anew in every partition, and fences its owner"
    "group_17_" "GroupStore 17" "living returns the members that are alive, and finds nobody dead"
    "group_18_" "GroupStore 18" "a commit's effects take place with it, in order and once, or not at all"
    "group_19_" "GroupStore 19" "a refused effect says which it is, and nothing of its commit is stored"
    "group_20_" "GroupStore 20" "transactional says whether commits may have effects"
    "group_21_" "GroupStore 21" "remove_group as it was seen removes what nobody has worked for since, and otherwise nothing"
    "note_01_" "NoteStore 1" "put_notes stores notes whole, each in the place of its key's former one"
    "note_02_" "NoteStore 2" "notes returns those from a key on, in the order of the keys' bytes"
    "note_03_" "NoteStore 3" "delete_notes deletes a range of keys"
    "note_04_" "NoteStore 4" "places share nothing"
    "note_05_" "NoteStore 5" "notes go with their group and their stream, and outlive a restart"
    "note_06_" "NoteStore 6" "notes and keys are limited in size"
    "general_a_" "general A" "a call that is repeated gets its verdict"
    "general_b_" "general B" "an effect that was reported is visible to every later call of every client"
    "general_c_" "general C" "a future that is dropped may take effect, and breaks nothing else"
    "general_d_" "general D" "a dropped stream's partition gives StreamDropped, one it never had InvalidPartition"
};

impl Clause {
    /// The clause that a case is named after.
    pub(crate) fn of(case: &str) -> Option<&'static Self> {
        CLAUSES.iter().find(|clause| case.starts_with(clause.prefix))
    }
}
