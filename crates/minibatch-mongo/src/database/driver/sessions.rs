//! The sessions that transactions are in.
//!
//! A client that dies in the middle of a transaction leaves the documents locked that it has changed, until the server loses
//! patience: a minute. So its sessions are known to the others, and who takes over has the server end what they are in.

use std::sync::Arc;

use bson::Document;
use futures::future::select_all;
use mongodb::{Client, ClientSession, error::Error};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How many transactions may be under way at once; one more waits until another is over.
const KNOWN: usize = 32;

/// Those that others know; none where the server has no transactions.
#[derive(Clone, Default)]
pub(super) struct Sessions {
    known: Arc<[Arc<Mutex<ClientSession>>]>,
    ids: Arc<[Document]>,
}

impl Sessions {
    pub(super) async fn start(client: &Client) -> Result<Self, Error> {
        let (mut known, mut ids) = (Vec::new(), Vec::new());
        for _ in 0..KNOWN {
            let session = client.start_session().causal_consistency(true).await?;
            ids.push(session.id().clone());
            known.push(Arc::new(Mutex::new(session)));
        }
        Ok(Self { known: known.into(), ids: ids.into() })
    }

    pub(super) fn ids(&self) -> Vec<Document> {
        self.ids.to_vec()
    }

    /// One in which nothing is under way, when there is one; `None` where there are no sessions.
    pub(super) async fn take(&self) -> Option<OwnedMutexGuard<ClientSession>> {
        if self.known.is_empty() {
            return None;
        }
        let locks = self.known.iter().map(|session| Box::pin(Arc::clone(session).lock_owned()));
        Some(select_all(locks).await.0)
    }
}

#[cfg(test)]
mod tests {
    use std::pin::pin;

    use futures::poll;

    use super::*;

    #[tokio::test]
    async fn no_transaction_is_in_a_session_that_nobody_knows() {
        // there is no server, and sessions ask none
        let client = Client::with_uri_str("mongodb://127.0.0.1:9").await.unwrap();
        let sessions = Sessions::start(&client).await.unwrap();
        let mut taken = Vec::new();
        for _ in 0..KNOWN {
            taken.push(sessions.take().await.unwrap());
        }
        let mut waiting = pin!(sessions.take());
        assert!(poll!(&mut waiting).is_pending());
        taken.pop();
        assert!(sessions.ids().contains(waiting.await.unwrap().id()));
        assert!(Sessions::default().take().await.is_none());
    }
}
