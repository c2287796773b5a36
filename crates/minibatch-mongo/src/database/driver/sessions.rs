//! The sessions that transactions are in.
//!
//! A client that dies in the middle of a transaction leaves the documents locked that it has changed, until the server loses
//! patience: a minute. So its sessions are known to the others, and who takes over has the server end what they are in.

use std::sync::Arc;

use bson::Document;
use mongodb::{Client, ClientSession, error::Error};
use tokio::sync::{Mutex, OwnedMutexGuard};

/// How many transactions at once can be broken off by others; one more takes a session that nobody knows.
const KNOWN: usize = 8;

/// Those that others know.
#[derive(Clone, Default)]
pub(super) struct Sessions {
    known: Vec<Arc<Mutex<ClientSession>>>,
    ids: Vec<Document>,
}

impl Sessions {
    pub(super) async fn start(client: &Client) -> Result<Self, Error> {
        let mut sessions = Self::default();
        for _ in 0..KNOWN {
            let session = start(client).await?;
            sessions.ids.push(session.id().clone());
            sessions.known.push(Arc::new(Mutex::new(session)));
        }
        Ok(sessions)
    }

    pub(super) fn ids(&self) -> Vec<Document> {
        self.ids.clone()
    }

    /// One in which nothing is under way.
    pub(super) async fn take(&self, client: &Client) -> Result<OwnedMutexGuard<ClientSession>, Error> {
        match self.known.iter().find_map(|session| Arc::clone(session).try_lock_owned().ok()) {
            Some(session) => Ok(session),
            None => Ok(Arc::new(Mutex::new(start(client).await?)).lock_owned().await),
        }
    }
}

async fn start(client: &Client) -> Result<ClientSession, Error> {
    client.start_session().causal_consistency(true).await
}
