//! Everything the storage holds, and how its parts are found.

use std::collections::BTreeMap;

use minibatch_core::{
    Cause, Error, StreamName,
    storage::{Incarnation, Partition},
};

use crate::{
    groups::{Groups, Members},
    log::Log,
    notes::Notes,
};

#[derive(Default)]
pub(crate) struct State {
    pub(crate) streams: Streams,
    pub(crate) members: Members,
}

/// The streams by name.
#[derive(Default)]
pub(crate) struct Streams(pub(crate) BTreeMap<StreamName, Stream>);

/// One life of a stream.
pub(crate) struct Stream {
    pub(crate) incarnation: Incarnation,
    pub(crate) partitions: Vec<PartitionState>,
}

#[derive(Default)]
pub(crate) struct PartitionState {
    pub(crate) log: Log,
    pub(crate) groups: Groups,
    pub(crate) notes: Notes,
}

impl Streams {
    /// The stream, if it is still in that life.
    pub(crate) fn stream(&mut self, name: &StreamName, incarnation: Incarnation) -> Result<&mut Stream, Error> {
        self.0
            .get_mut(name)
            .filter(|stream| stream.incarnation == incarnation)
            .ok_or_else(|| Cause::StreamDropped.into())
    }

    pub(crate) fn partition(&mut self, partition: &Partition) -> Result<&mut PartitionState, Error> {
        let stream = self.stream(&partition.stream, partition.incarnation)?;
        let partitions = stream.count();
        let found = usize::try_from(partition.index).ok().and_then(|index| stream.partitions.get_mut(index));
        found.ok_or_else(|| Cause::invalid_partition(partition.index, partitions).into())
    }
}

impl Stream {
    #[expect(clippy::cast_possible_truncation, reason = "made from a u32")]
    pub(crate) fn count(&self) -> u32 {
        self.partitions.len() as u32
    }
}
