//! Dead letters, back into the stream that they come from.

use minibatch_core::{
    Buffer, Error, GroupName, Readiness, Strategy, StreamName, Timestamp, WindowEmitter,
    storage::Position,
    window::{Reason, Selection},
};

use super::{
    Passed, Settlement,
    origin::{all_headers, is_folded, own_headers},
    supervisor::Mode,
};
use crate::{Client, Group, OnStrategyChange, StartAt, Stream, producer::Origin};

/// The group of dead streams whose position says what was redriven.
const GROUP: &str = "redrive";

/// How many letters are appended at once.
const BATCH: usize = 1_000;

/// Whatever there is, some at a time.
struct Batches;

impl WindowEmitter for Batches {
    fn window_ready(&mut self, buffer: &Buffer, _now: Timestamp) -> Readiness {
        if buffer.len() < BATCH { Readiness::wait_for(BATCH - buffer.len()) } else { Readiness::Ready }
    }

    fn query(&mut self, _buffer: &Buffer) -> Selection {
        Selection::first(BATCH, Reason::Count)
    }
}

/// Makes the group before the first letter comes, so that letters stay until they are redriven, whoever else reads them.
pub(super) async fn keep_letters(client: &Client, dead: &Stream<()>) -> Result<(), Error> {
    let fingerprint = (|| Batches).driver(Position::START)?.fingerprint();
    let group = Group::new(client.clone(), dead.info().clone(), GroupName::new(GROUP)?);
    group.open(fingerprint.as_str(), &StartAt::Earliest, &OnStrategyChange::Refuse).await
}

/// Appends the dead letters of `name` to it again, up to the last there is now, each once; returns how many there were.
/// Values that messages were folded into stay dead letters.
pub(crate) async fn redrive(client: &Client, name: &StreamName) -> Result<u64, Error> {
    let dead = name.dead();
    if client.storage().find_stream(&dead).await.map_err(|error| error.during("redrive"))?.is_none() {
        return Ok(0);
    }
    let (stream, dead) = (client.open::<()>(name).await?, client.open::<()>(&dead).await?);
    // what was appended stands under its batch's number, so a batch must stay what it is
    let mut consumer = dead.streaming().window(|| Batches).group(GROUP).idempotent().begin(Mode::Drain).await?;
    let mut kept = 0;
    while let Some(delivery) = consumer.next_delivery().await? {
        let (values, letters): (Vec<_>, Vec<_>) = delivery.formed.members.iter().partition(is_folded);
        kept += values.len() as u64;
        let letters = letters.into_iter().map(|message| (message, own_headers(&message)));
        // no messages of the stream, and nothing may be lost: they go on as dead letters
        let values = values.into_iter().map(|message| (message, all_headers(&message)));
        for (to, messages) in [(&stream, letters.collect::<Vec<_>>()), (&dead, values.collect())] {
            if messages.is_empty() {
                continue;
            }
            let routed = to.router().route_copies(delivery.lane.partition, messages)?;
            to.append_derived(&Origin::of(&delivery), &routed).await.map_err(|error| error.during("redrive"))?;
        }
        Settlement::Done { delivery, passed: Passed::whole(), durable: None }.send();
    }
    Ok(consumer.summary().messages - kept)
}
