//! What a consumer tells of itself: a note beside its group, for whoever wants to know in another process.

use minibatch_core::{
    Error, GroupName, Offset, Timestamp,
    storage::{Note, NotePlace, Partition, StreamInfo},
};
use serde::{Deserialize, Serialize};

use crate::{
    Client,
    documents::{self, maybe_timestamp, offset, timestamp},
    retry::until_verdict,
};

const KIND: &str = "status";

/// What a group's consumer of a partition told last. It tells at most once a second, and only where something changed: so
/// what a consumer that died told stays as it was.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct GroupStatus {
    /// Which partition.
    pub partition: u32,
    /// The member that works on it, or did.
    pub member: String,
    /// What it does.
    pub state: ConsumerState,
    /// Where it reads next.
    #[serde(with = "offset")]
    pub position: Offset,
    /// The greatest ordinal of a window that it handed out.
    pub ordinal: u64,
    /// The least ordinal of a window that was begun and is not done.
    #[serde(default)]
    pub oldest_out: Option<u64>,
    /// How many windows it has done since it started,
    pub windows: u64,
    /// with so many messages,
    pub messages: u64,
    /// after so many failed attempts,
    pub failures: u64,
    /// and how many messages it gave up on.
    pub dead: u64,
    /// How many messages were read and are not done, where it has read to the end of the log; `None` where it has not.
    #[serde(default)]
    pub lag: Option<u64>,
    /// What its next window waits for, as [`Explanation`](minibatch_core::Explanation) says it; `None` where it reads no more.
    #[serde(default)]
    pub waits_for: Option<String>,
    /// When the group's last commit was, by the storage's clock.
    #[serde(default, with = "maybe_timestamp")]
    pub committed: Option<Timestamp>,
    /// When this was told, by the storage's clock.
    #[serde(with = "timestamp")]
    pub told: Timestamp,
    /// The version of minibatch that tells it.
    pub version: String,
}

/// What a consumer does with a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum ConsumerState {
    /// It waits until the partition is given to it.
    Waiting,
    /// It reads, and hands out windows, or there is nothing to do.
    Working,
    /// Nothing succeeds, so the function is at fault, or what it depends on. Nothing is given up on; something is tried now
    /// and then until it succeeds.
    ///
    /// Windows are then not done in order, with one worker neither. In each round, at growing waits, four things are tried
    /// one after the other: the first window in doubt, one message of it alone, another window in doubt, and a window that
    /// was not begun yet. Whatever succeeds is done, before those that were formed earlier. That ends it: what is in doubt is
    /// tried again, the first window first, and what follows comes after it as before. Who wants order at any price stops
    /// instead: [`OnExhausted::Stop`](crate::OnExhausted::Stop).
    Failing,
    /// It, or the whole group, was told to pause: nothing is handed out.
    Paused,
    /// It reads no more and waits for the windows that are out.
    Stopping,
    /// It has stopped.
    Stopped,
    /// Something that this version does not know.
    #[serde(other)]
    Unknown,
}

fn place(partition: &Partition, group: &GroupName) -> NotePlace {
    NotePlace { partition: partition.clone(), group: Some(group.clone()), kind: KIND }
}

fn note(status: &GroupStatus) -> Result<Note, Error> {
    documents::encode(format!("{:08x}", status.partition), status)
}

/// Stores a status, once: the next one says more.
pub(crate) async fn tell(client: &Client, partition: &Partition, group: &GroupName, status: &GroupStatus) {
    let told = async { client.storage().put_notes(&place(partition, group), vec![note(status)?]).await };
    if let Err(error) = told.await {
        tracing::debug!(%partition, %group, %error, "could not tell the status");
    }
}

/// What was told of a group, in the order of its partitions.
pub(crate) async fn read(client: &Client, info: &StreamInfo, group: &GroupName) -> Result<Vec<GroupStatus>, Error> {
    let mut told = Vec::new();
    for index in 0..info.partitions {
        let place = place(&info.partition(index), group);
        let notes = until_verdict(&**client.clock(), "status", || client.storage().notes(&place, "", 1)).await?;
        for note in &notes {
            told.push(documents::decode("status", note)?);
        }
    }
    Ok(told)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_newer_version_tells_is_read_as_far_as_it_is_known() {
        let newer = bson::doc! {
            "partition": 3, "member": "m", "state": "meditating", "position": 1_i64 << 20, "ordinal": 7_i64,
            "windows": 1_i64, "messages": 2_i64, "failures": 0_i64, "dead": 0_i64, "told": 5_i64, "version": "9.0.0",
            "mood": "fine",
        };
        let note = Note { key: String::new(), bytes: bson::serialize_to_vec(&newer).unwrap().into() };
        let status: GroupStatus = documents::decode("status", &note).unwrap();
        assert_eq!((status.state, status.position), (ConsumerState::Unknown, Offset::FIRST));
        assert_eq!((status.committed, status.lag, status.waits_for), (None, None, None));
    }
}
