//! Dead letters: messages that were given up on, kept with the reason.

use minibatch_core::{Error, StreamName, chunk::Encoded};

use super::Delivery;
use crate::{Client, window::Rejected};

const ERROR: &str = "minibatch-error";
const ATTEMPTS: &str = "minibatch-attempts";
const WINDOW: &str = "minibatch-window";
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

/// Appends the letters to the stream `dead`; returns how many there were, once they are durable.
pub(super) async fn bury(
    client: &Client,
    dead: &StreamName,
    delivery: &Delivery,
    letters: &Letters,
) -> Result<u64, Error> {
    let messages = delivery.formed.members.iter().enumerate().filter_map(|(place, message)| {
        let reason = letters.reason(place)?;
        let headers = vec![
            (ERROR, reason.to_owned()),
            (ATTEMPTS, delivery.attempt.to_string()),
            (WINDOW, delivery.id.to_string()),
            (OFFSET, message.offset().to_string()),
        ];
        Some((message, headers))
    });
    let encoded = Encoded::copies(messages)?;
    let stream = client.open::<()>(dead).await?;
    let appended = stream.append_encoded(encoded).await?;
    Ok(appended.count as u64)
}
