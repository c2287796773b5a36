//! Which partition a message goes to, and one producer for each.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{
        OnceLock,
        atomic::{AtomicU32, Ordering::Relaxed},
    },
};

use futures::future::{join_all, try_join_all};
use minibatch_core::{
    Cause, Error, ErrorKind, Message,
    chunk::{Encoded, Extras},
    storage::StreamInfo,
};
use serde::Serialize;

use super::{Appended, AppendedShare, Done, Producer};
use crate::{Client, random};

/// The producers of a stream's partitions, each started when first needed; shared by all of a client who append to it.
#[derive(Debug)]
pub(crate) struct Router {
    info: StreamInfo,
    producers: Box<[OnceLock<Producer>]>,
    /// Counts the calls without a key: each goes to the next partition.
    turn: AtomicU32,
}

/// The messages of one call, by the partition they go to.
#[derive(Debug, Default)]
pub(crate) struct Routed(BTreeMap<u32, Encoded>);

impl Routed {
    /// What goes to each partition.
    pub(crate) fn shares(&self) -> impl Iterator<Item = (u32, &Encoded)> {
        self.0.iter().map(|(partition, encoded)| (*partition, encoded))
    }

    /// How many messages there are, and of how many bytes.
    pub(crate) fn weight(&self) -> (usize, usize) {
        self.0.values().fold((0, 0), |(messages, bytes), share| (messages + share.len(), bytes + share.size()))
    }
}

impl Router {
    pub(crate) fn new(info: StreamInfo) -> Self {
        let producers = (0..info.partitions).map(|_| OnceLock::new()).collect();
        // at a random one first: processes that append once and end must not all meet at the same
        Self { info, producers, turn: AtomicU32::new(random::number()) }
    }

    /// Messages without a key: all of a call go to one partition, so that a batch stays one.
    pub(crate) fn route(&self, encoded: Encoded) -> Routed {
        match encoded.is_empty() {
            true => Routed::default(),
            false => Routed(BTreeMap::from([(self.next(), encoded)])),
        }
    }

    pub(crate) fn route_one<T: Serialize>(&self, value: &T, extras: &Extras) -> Result<Routed, Error> {
        let encoded = Encoded::with_extras(value, extras)?;
        Ok(Routed(BTreeMap::from([(self.place(extras.key.as_deref()), encoded)])))
    }

    pub(crate) fn route_all<'a, T: Serialize + 'a>(
        &self,
        values: impl IntoIterator<Item = (&'a T, &'a Extras)>,
    ) -> Result<Routed, Error> {
        self.split(values, self.next(), |(_, extras)| extras.key.as_deref(), Encoded::values_with_extras)
    }

    /// Messages that follow from some of a partition elsewhere: each time to the same partitions.
    pub(crate) fn route_outputs<'a, T: Serialize + 'a>(
        &self,
        source: u32,
        values: impl IntoIterator<Item = (&'a T, &'a Extras)>,
    ) -> Result<Routed, Error> {
        self.split(
            values,
            self.beside(source),
            |(_, extras)| extras.key.as_deref(),
            |share: Vec<(&T, &Extras)>| match share.iter().all(|(_, extras)| **extras == Extras::default()) {
                true => Encoded::values(share.into_iter().map(|(value, _)| value)),
                false => Encoded::values_with_extras(share),
            },
        )
    }

    /// Copies of messages that lie in a partition elsewhere, with these headers in place of their own: each time to the
    /// same partitions.
    pub(crate) fn route_copies<'a>(
        &self,
        source: u32,
        messages: impl IntoIterator<Item = (Message<'a>, Vec<(&'a str, Cow<'a, str>)>)>,
    ) -> Result<Routed, Error> {
        self.split(messages, self.beside(source), |(message, _)| message.key(), Encoded::copies)
    }

    /// Splits messages by the partitions of their keys; those without one go to `keyless` together.
    fn split<M>(
        &self,
        messages: impl IntoIterator<Item = M>,
        keyless: u32,
        key: impl Fn(&M) -> Option<&str>,
        encode: impl Fn(Vec<M>) -> Result<Encoded, Error>,
    ) -> Result<Routed, Error> {
        let mut shares: BTreeMap<u32, Vec<M>> = BTreeMap::new();
        for message in messages {
            let partition = key(&message).map_or(keyless, |key| self.info.partition_of(key));
            shares.entry(partition).or_default().push(message);
        }
        let encoded = shares.into_iter().map(|(partition, share)| Ok((partition, encode(share)?)));
        Ok(Routed(encoded.collect::<Result<_, Error>>()?))
    }

    fn place(&self, key: Option<&str>) -> u32 {
        key.map_or_else(|| self.next(), |key| self.info.partition_of(key))
    }

    /// The partition for what has no key and follows from that partition of another stream.
    fn beside(&self, source: u32) -> u32 {
        source % self.info.partitions.max(1)
    }

    fn next(&self) -> u32 {
        self.turn.fetch_add(1, Relaxed) % self.info.partitions.max(1)
    }

    fn producer(&self, client: &Client, partition: u32) -> Result<&Producer, Error> {
        let producer = self.producers.get(partition as usize);
        let producer = producer.ok_or_else(|| Cause::invalid_partition(partition, self.info.partitions))?;
        Ok(producer.get_or_init(|| Producer::start(client, self.info.partition(partition))))
    }

    /// Appends to all partitions at once; returns when everything is durable.
    ///
    /// Dropped before, the messages may still be appended.
    pub(crate) async fn append(&self, client: &Client, Routed(shares): Routed) -> Result<Appended, Error> {
        let of = shares.iter().map(|(&partition, encoded)| (partition, encoded.len())).collect();
        let calls = shares.into_iter().map(|(partition, encoded)| async move {
            (partition, async { self.producer(client, partition)?.append(encoded).await }.await)
        });
        sum_up(join_all(calls).await, of)
    }

    /// Returns once every call before this one has its answer.
    pub(crate) async fn flush(&self, client: &Client) -> Result<(), Error> {
        if client.stopping().is_cancelled() {
            return Err(Error::new(Cause::Closed).during("flush"));
        }
        try_join_all(self.producers.iter().filter_map(OnceLock::get).map(Producer::flush)).await.map(drop)
    }
}

/// What a call did that went to several partitions. What is unclear of one is unclear of the call.
fn sum_up(verdicts: Vec<(u32, Result<Done, Error>)>, of: Vec<(u32, usize)>) -> Result<Appended, Error> {
    let mut appended = Appended::default();
    let mut failed: Option<Error> = None;
    let mut durable = Vec::new();
    for (partition, verdict) in verdicts {
        match verdict {
            Ok(Done { count, first, last }) => {
                appended.count += count;
                appended.shares.push(AppendedShare { partition, count, first, last });
                durable.push((partition, count));
            }
            Err(error) => {
                let count = if let Cause::PartlyAppended { durable, .. } = error.cause() { *durable } else { 0 };
                durable.push((partition, count));
                if failed.as_ref().is_none_or(|failed| is_unclear(&error) && !is_unclear(failed)) {
                    failed = Some(error);
                }
            }
        }
    }
    let total = durable.iter().map(|(_, count)| count).sum();
    match failed {
        None => Ok(appended),
        // of one partition it says all by itself; where nothing is durable it says why
        Some(error) if of.len() == 1 || total == 0 || is_unclear(&error) => Err(error),
        Some(error) => {
            let all = of.into_iter().map(|(_, count)| count).sum();
            Err(Error::new(Cause::partly_appended(total, all, durable)).during("append").with_source(error))
        }
    }
}

/// Whether more may have been appended than is known.
fn is_unclear(error: &Error) -> bool {
    error.kind() == ErrorKind::Retry && !matches!(error.cause(), Cause::PartlyAppended { .. })
}

#[cfg(test)]
mod tests {
    use minibatch_core::Offset;

    use super::*;

    fn done(count: usize) -> Result<Done, Error> {
        Ok(Done { count, first: Offset::FIRST, last: Offset::FIRST })
    }

    fn check(verdicts: [Result<Done, Error>; 2]) -> Result<usize, Cause> {
        let verdicts = (0..).zip(verdicts).collect();
        sum_up(verdicts, vec![(0, 4), (1, 2)]).map(|done| done.count).map_err(|error| error.cause().clone())
    }

    #[test]
    fn what_is_durable_of_each_partition_is_said() {
        let refused = || Err(Cause::StreamDropped.into());
        let partly = || Err(Cause::partly_appended(3, 4, Vec::new()).into());
        assert_eq!(check([done(4), done(2)]), Ok(6));
        assert_eq!(check([done(4), refused()]), Err(Cause::partly_appended(4, 6, vec![(0, 4), (1, 0)])));
        assert_eq!(check([partly(), refused()]), Err(Cause::partly_appended(3, 6, vec![(0, 3), (1, 0)])));
        assert_eq!(check([refused(), refused()]), Err(Cause::StreamDropped));
    }

    #[test]
    fn unclear_is_never_reported_as_failed() {
        let unclear = || Cause::unavailable("no answer");
        for other in [done(4), Err(Cause::StreamDropped.into()), Err(Cause::partly_appended(3, 4, Vec::new()).into())] {
            assert_eq!(check([other, Err(unclear().into())]), Err(unclear()));
        }
    }
}
