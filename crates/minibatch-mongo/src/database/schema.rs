//! The collections and their indexes.

/// The newest format of the documents of streams and partitions.
pub(crate) const FORMAT: i64 = 1;

/// A collection, named with the prefix of the options before it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Collection {
    /// `{_id: name, inc, partitions, config, created, format}`
    Streams,
    /// `{s, p, inc, head, reserver, registrations, groups, removed_epoch, floor_slot, floor_time, floor_counts, format}`
    Partitions,
    /// `{s, p, inc, pid, epoch, last_pe, last_ps}`, and where chunks are derived `below, seen`
    Producers,
    /// `{s, p, inc, slot, kind, n, pid, pe, ps, ts, sts, codec, crc, bytes, data}`, and where it is derived `below`
    Chunks,
    /// `{s, p, inc, g, owner, epoch, ver, generation, fingerprint, start, starts, keep_from, counters, unclean, checkpoint,
    /// counted, acquired, removal}`
    Groups,
    /// `{_id: member, sessions, seen_from, seen_until}`
    Members,
    /// `{s, p, inc, g, epoch, number, bytes}`
    Snapshots,
    /// `{s, p, inc, g, kind, key, bytes}`; without a group `g` is empty
    Notes,
}

/// An index that the protocol relies on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Index {
    pub(crate) collection: Collection,
    pub(crate) fields: &'static [&'static str],
    pub(crate) kind: IndexKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum IndexKind {
    Unique,
    /// Deletes documents whose date lies so many seconds back.
    Expiry(i64),
}

/// Fields of the index that says who has a slot.
pub(crate) const SLOT_KEY: &[&str] = &["s", "p", "inc", "slot"];
/// Fields of the index that says who wrote what.
pub(crate) const PRODUCER_KEY: &[&str] = &["s", "p", "inc", "pid", "ps"];

const fn unique(collection: Collection, fields: &'static [&'static str]) -> Index {
    Index { collection, fields, kind: IndexKind::Unique }
}

impl Collection {
    pub(crate) const ALL: [Self; 8] = [
        Self::Streams,
        Self::Partitions,
        Self::Producers,
        Self::Chunks,
        Self::Groups,
        Self::Members,
        Self::Snapshots,
        Self::Notes,
    ];

    /// The name without its prefix.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Streams => "streams",
            Self::Partitions => "partitions",
            Self::Producers => "producers",
            Self::Chunks => "chunks",
            Self::Groups => "groups",
            Self::Members => "members",
            Self::Snapshots => "snapshots",
            Self::Notes => "notes",
        }
    }
}

impl Index {
    pub(crate) const ALL: [Self; 8] = [
        unique(Collection::Partitions, &["s", "p", "inc"]),
        unique(Collection::Producers, &["s", "p", "inc", "pid"]),
        unique(Collection::Chunks, SLOT_KEY),
        unique(Collection::Chunks, PRODUCER_KEY),
        unique(Collection::Groups, &["s", "p", "inc", "g"]),
        unique(Collection::Snapshots, &["s", "p", "inc", "g", "epoch", "number"]),
        unique(Collection::Notes, &["s", "p", "inc", "g", "kind", "key"]),
        // a member that died a day ago and that nobody found dead: its heartbeats are over in any case
        Self { collection: Collection::Members, fields: &["seen_until"], kind: IndexKind::Expiry(86_400) },
    ];
}
