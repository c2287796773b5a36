//! Dead letters: messages that were given up on, kept with the reason.

use std::borrow::Cow;

use minibatch_core::{Error, Message, StreamName, chunk::Encoded, window::WindowId};
use tokio::sync::oneshot;

use super::ladder::Condemned;
use crate::Client;

const ERROR: &str = "minibatch-error";
const ATTEMPTS: &str = "minibatch-attempts";
const WINDOW: &str = "minibatch-window";
const PARTITION: &str = "minibatch-partition";
const OFFSET: &str = "minibatch-offset";

/// The headers of a message without those of a dead letter.
pub(super) fn own_headers<'a>(message: &Message<'a>) -> Vec<(&'a str, Cow<'a, str>)> {
    let own = message.headers().filter(|(name, _)| ![ERROR, ATTEMPTS, WINDOW, PARTITION, OFFSET].contains(name));
    own.map(|(name, value)| (name, Cow::Borrowed(value))).collect()
}

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
        let Condemned { members, reasons, attempt, .. } = &self.condemned;
        members.iter().zip(reasons).map(|(message, reason)| {
            let mut headers = own_headers(&message);
            headers.extend([
                (ERROR, Cow::Borrowed(reason.as_str())),
                (ATTEMPTS, attempt.to_string().into()),
                (WINDOW, self.window.to_string().into()),
                (PARTITION, self.partition.to_string().into()),
                (OFFSET, message.offset().to_string().into()),
            ]);
            (message, headers)
        })
    }
}

/// Appends the letters to the stream `dead`, in order; returns once they are durable.
pub(super) async fn bury(client: &Client, dead: &StreamName, burials: &[Burial]) -> Result<(), Error> {
    let encoded = Encoded::copies(burials.iter().flat_map(Burial::letters))?;
    let stream = client.open::<()>(dead).await?;
    stream.append_encoded(encoded).await.map(drop)
}
