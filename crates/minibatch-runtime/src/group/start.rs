//! Where a group begins, as users say it.

use minibatch_core::{
    Cause, Error, Offset, Timestamp,
    storage::{Start, StreamInfo},
};

use super::locate::{Point, locate};
use crate::Client;

/// Where a group begins, or goes to.
///
/// It is turned into a place in every partition once, when the group is created or moved; the group then goes on from
/// there, whatever it is told at its later starts.
///
/// A place that retention has taken away already is the first one that is still kept; one past the end is the end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StartAt {
    /// At the first message that is still kept.
    #[default]
    Earliest,
    /// After the last message there is now.
    Latest,
    /// At these offsets, one for each partition in their order: each is that of the first message to be read.
    Offsets(Vec<Offset>),
    /// In each partition at the first message whose append time is at or after this one.
    Time(Timestamp),
}

impl StartAt {
    /// The points to look for in each partition.
    pub(super) fn points(&self, stream: &StreamInfo) -> Result<Vec<Point>, Error> {
        let all = |point| (0..stream.partitions).map(|_| point).collect();
        match self {
            Self::Earliest => Ok(all(Point::First)),
            Self::Latest => Ok(all(Point::End)),
            Self::Time(time) => Ok(all(Point::Time(*time))),
            Self::Offsets(offsets) if usize::try_from(stream.partitions) == Ok(offsets.len()) => {
                Ok(offsets.iter().copied().map(Point::Offset).collect())
            }
            Self::Offsets(_) => Err(Cause::out_of_range("a start has one offset for each partition").into()),
        }
    }

    /// The places for the storage, looked up where it cannot find them by itself.
    pub(super) async fn resolve(&self, client: &Client, stream: &StreamInfo) -> Result<Start, Error> {
        match self {
            Self::Earliest => Ok(Start::Earliest),
            Self::Latest => Ok(Start::Latest),
            _ => resolve(client, stream, self.points(stream)?).await,
        }
    }
}

/// The places of one point in each partition.
pub(super) async fn resolve(client: &Client, stream: &StreamInfo, points: Vec<Point>) -> Result<Start, Error> {
    let mut places = Vec::with_capacity(points.len());
    for (index, point) in (0..).zip(points) {
        let [place] = locate(client, &stream.partition(index), [point]).await?;
        places.push(place.position);
    }
    Ok(Start::At(places))
}
