//! Dead letters: messages that were given up on, kept with the reason.

use std::borrow::Cow;

use minibatch_core::{Error, Message, StreamName, chunk::Encoded, storage::Effect};
use tokio::sync::oneshot;

use super::Delivery;
use crate::{Client, window::Rejected};

const ERROR: &str = "minibatch-error";
const ATTEMPTS: &str = "minibatch-attempts";
const WINDOW: &str = "minibatch-window";
const PARTITION: &str = "minibatch-partition";
const OFFSET: &str = "minibatch-offset";

/// Which messages of a window are given up on, and why.
pub(super) enum Letters {
    All { reason: String },
    Some(Vec<Rejected>),
}

impl Letters {
    fn reason(&self, place: usize) -> Option<&str> {
        match self {
            Self::All { reason } => Some(reason),
            Self::Some(rejected) => {
                let at = rejected.binary_search_by_key(&place, |one| one.place).ok()?;
                rejected.get(at).map(|one| one.reason.as_str())
            }
        }
    }
}

/// The headers of a message without those of a dead letter.
pub(super) fn own_headers<'a>(message: &Message<'a>) -> Vec<(&'a str, Cow<'a, str>)> {
    let own = message.headers().filter(|(name, _)| ![ERROR, ATTEMPTS, WINDOW, PARTITION, OFFSET].contains(name));
    own.map(|(name, value)| (name, Cow::Borrowed(value))).collect()
}

/// Messages of a window on their way to the dead letters; the window is done when they are durable.
pub(super) struct Burial {
    pub(super) delivery: Delivery,
    pub(super) letters: Letters,
    pub(super) effects: Vec<Effect>,
    pub(super) durable: Option<oneshot::Sender<()>>,
}

impl Burial {
    /// Their places in the window, ascending.
    pub(super) fn places(&self) -> Vec<usize> {
        match &self.letters {
            Letters::All { .. } => (0..self.delivery.formed.members.len()).collect(),
            Letters::Some(rejected) => rejected.iter().map(|one| one.place).collect(),
        }
    }

    /// The letters: the messages with why they are here.
    fn letters(&self) -> impl Iterator<Item = (Message<'_>, Vec<(&str, Cow<'_, str>)>)> {
        let Self { delivery, letters, .. } = self;
        delivery.formed.members.iter().enumerate().filter_map(|(place, message)| {
            let mut headers = own_headers(&message);
            headers.extend([
                (ERROR, Cow::Borrowed(letters.reason(place)?)),
                (ATTEMPTS, delivery.attempt.to_string().into()),
                (WINDOW, delivery.id.to_string().into()),
                (PARTITION, delivery.lane.partition.to_string().into()),
                (OFFSET, message.offset().to_string().into()),
            ]);
            Some((message, headers))
        })
    }
}

/// Appends the letters to the stream `dead`, in order; returns once they are durable.
pub(super) async fn bury(client: &Client, dead: &StreamName, burials: &[Burial]) -> Result<(), Error> {
    let encoded = Encoded::copies(burials.iter().flat_map(Burial::letters))?;
    let stream = client.open::<()>(dead).await?;
    stream.append_encoded(encoded).await.map(drop)
}
