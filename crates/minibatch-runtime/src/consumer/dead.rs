//! Dead letters: messages that were given up on, kept with the reason.

use std::borrow::Cow;

use minibatch_core::{
    Error, Message, Offset, ProducerId, StreamName,
    chunk::{ChunkBuilder, DerivedChunk, Encoded},
    window::WindowId,
};
use tokio::sync::oneshot;

use super::{
    GroupRun,
    ladder::Condemned,
    origin::{self, ATTEMPTS, ERROR, FOLDED},
    redrive,
};
use crate::Client;

/// Messages of a window on their way to the dead letters.
pub(super) struct Burial {
    pub(super) partition: u32,
    pub(super) ordinal: u64,
    pub(super) window: WindowId,
    pub(super) condemned: Condemned,
    pub(super) durable: Option<oneshot::Sender<()>>,
}

impl Burial {
    /// The letters: the messages with why they are here.
    fn letters(&self) -> impl Iterator<Item = (Message<'_>, Vec<(&str, Cow<'_, str>)>)> {
        let Condemned { members, folded, reasons, attempt, .. } = &self.condemned;
        members.iter().zip(reasons).map(|(message, reason)| {
            let mut headers = origin::own_headers(&message);
            headers.extend([(ERROR, Cow::Borrowed(reason.as_str())), (ATTEMPTS, attempt.to_string().into())]);
            headers.extend(origin::headers(&message, self.window, self.partition));
            if message.is_folded() {
                headers.push((FOLDED, folded.to_string().into()));
            }
            (message, headers)
        })
    }
}

/// Which messages the letters are of.
#[derive(Clone, Copy, Debug)]
pub(super) struct Grave {
    pub(super) partition: u32,
    pub(super) run: GroupRun,
    /// The group is durably done with every message before this offset.
    pub(super) below: Offset,
}

/// Appends the letters to the stream `dead`, in order; returns once they are durable. A message of a group's run has one
/// letter, however often it comes: the first.
pub(super) async fn bury(client: &Client, dead: &StreamName, grave: Grave, burials: &[Burial]) -> Result<(), Error> {
    let stream = client.open::<()>(dead).await?;
    redrive::keep_letters(client, &stream).await?;
    let id = |of: &str| ProducerId::reserved(&format!("{of}.{:016x}.{}", grave.run.generation.get(), grave.partition));
    let (of_messages, of_values) = (id("dead"), id("dead.folded"));
    let time = client.clock().now();
    let chunk = |ordinal: u64, letter: (Message<'_>, _)| {
        // a message may be the last one of several values
        let (id, number, below) = match letter.0.is_folded() {
            true => (of_values.clone(), ordinal, grave.run.done_before),
            false => (of_messages.clone(), letter.0.offset().to_u64(), grave.below.to_u64()),
        };
        let mut chunk = ChunkBuilder::new();
        chunk.fill(&Encoded::copies([letter])?, 0);
        Ok(DerivedChunk { id, number, below, time, payload: chunk.finish() })
    };
    let letters = burials.iter().flat_map(|burial| burial.letters().map(|letter| chunk(burial.ordinal, letter)));
    let chunks = letters.collect::<Result<_, Error>>()?;
    let partition = stream.info().partition(grave.partition % stream.partitions());
    client.storage().append_derived(&partition, chunks).await.map(drop)
}
