//! What the members of a group tell each other: who is there, and who works on which partitions.
//!
//! Each has a note beside the group. Nothing depends on what the notes say but who tries to get what: who owns a partition
//! is between the storage and those who acquire it.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use minibatch_core::{
    Error, MemberId,
    storage::{Note, NotePlace},
};

use super::{assignment::assign, supervisor::Setup};
use crate::{Client, retry::until_verdict};

/// How many notes are read at once.
const PAGE: usize = 1_000;

/// What a note begins with; those of another version say nothing of partitions.
const VERSION: &str = "1";

/// This member's view of all.
pub(super) struct Members {
    client: Client,
    place: NotePlace,
    partitions: u32,
    /// The note that was written last.
    told: Option<Note>,
}

impl Members {
    pub(super) fn new(setup: &Setup, partitions: u32) -> Self {
        let group = Some(setup.group.clone());
        let place = NotePlace { partition: setup.partition.clone(), group, kind: "member" };
        Self { client: setup.client.clone(), place, partitions, told: None }
    }

    /// Tells the others what this member has, and returns what it wants now, less what they have not given up yet.
    pub(super) async fn look(&mut self, has: BTreeSet<u32>) -> Result<BTreeSet<u32>, Error> {
        let me = self.client.membership().await?.id().clone();
        let mut notes = self.read().await?;
        let mine = note(&me, &has);
        if notes.remove(&me).as_ref() != Some(&mine.bytes) {
            self.write(mine.clone()).await?;
        }
        self.told = Some(mine);
        let mut claims = self.living(notes).await?;
        let held: BTreeSet<u32> = claims.values().flatten().copied().collect();
        claims.insert(me.clone(), has.clone());
        let mut wanted = assign(self.partitions, &claims).remove(&me).unwrap_or_default();
        wanted.retain(|partition| has.contains(partition) || !held.contains(partition));
        Ok(wanted)
    }

    /// Takes this member's note away.
    pub(super) async fn leave(self) {
        let Some(Note { key, .. }) = self.told else { return };
        if let Err(error) = forget(&self.client, &self.place, &key).await {
            tracing::debug!(%error, "could not take back a note; others do when this member is dead");
        }
    }

    async fn read(&self) -> Result<BTreeMap<MemberId, Bytes>, Error> {
        let (storage, clock) = (self.client.storage(), &**self.client.clock());
        let (mut all, mut from) = (BTreeMap::new(), String::new());
        loop {
            let page = until_verdict(clock, "members", || storage.notes(&self.place, &from, PAGE)).await?;
            let Some(last) = page.last() else { return Ok(all) };
            from = after(&last.key);
            all.extend(page.into_iter().map(|note| (MemberId::stored(&note.key), note.bytes)));
        }
    }

    async fn write(&self, note: Note) -> Result<(), Error> {
        let (storage, clock) = (self.client.storage(), &**self.client.clock());
        until_verdict(clock, "members", || storage.put_notes(&self.place, vec![note.clone()])).await
    }

    /// What the others claim who live; the notes of those who do not are taken away. One who is late with its heartbeat
    /// writes its note again.
    async fn living(&self, notes: BTreeMap<MemberId, Bytes>) -> Result<BTreeMap<MemberId, BTreeSet<u32>>, Error> {
        if notes.is_empty() {
            return Ok(BTreeMap::new());
        }
        let (storage, clock) = (self.client.storage(), &**self.client.clock());
        let all: Vec<MemberId> = notes.keys().cloned().collect();
        let living: BTreeSet<MemberId> =
            until_verdict(clock, "members", || storage.living(&all)).await?.into_iter().collect();
        let mut claims = BTreeMap::new();
        for (member, bytes) in notes {
            if living.contains(&member) {
                claims.insert(member, claimed(&bytes));
            } else {
                until_verdict(clock, "members", || forget(&self.client, &self.place, member.as_str())).await?;
            }
        }
        Ok(claims)
    }
}

async fn forget(client: &Client, place: &NotePlace, key: &str) -> Result<(), Error> {
    client.storage().delete_notes(place, key, Some(&after(key))).await
}

/// The least key of a member above this one.
fn after(key: &str) -> String {
    // ids are letters and digits
    format!("{key}!")
}

/// As `1 0 2`: the version, and the partitions.
fn note(member: &MemberId, partitions: &BTreeSet<u32>) -> Note {
    let words = partitions.iter().map(u32::to_string);
    let text = std::iter::once(VERSION.to_owned()).chain(words).collect::<Vec<_>>().join(" ");
    Note { key: member.as_str().to_owned(), bytes: text.into() }
}

fn claimed(bytes: &[u8]) -> BTreeSet<u32> {
    let mut words = std::str::from_utf8(bytes).unwrap_or_default().split(' ');
    match words.next() {
        Some(VERSION) => words.filter_map(|word| word.parse().ok()).collect(),
        _ => BTreeSet::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_say_what_a_member_has() {
        let member = MemberId::stored("m1");
        assert_eq!(note(&member, &BTreeSet::from([10, 0, 2])).bytes, "1 0 2 10");
        assert_eq!(note(&member, &BTreeSet::new()).bytes, "1");
        assert_eq!(claimed(b"1 0 2 10"), BTreeSet::from([0, 2, 10]));
        assert_eq!(claimed(b"1"), BTreeSet::new());
        assert_eq!(claimed(b"2 0 4"), BTreeSet::new());
    }
}
