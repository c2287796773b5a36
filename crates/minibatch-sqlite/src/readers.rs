//! The threads that read: each has a connection of its own, all take from one queue.

use std::sync::{Arc, Mutex, PoisonError};

use minibatch_core::{Cause, Error};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::{connection::Opener, error::Failed, threads::Threads};

/// How many readings may wait before callers do.
const QUEUE: usize = 64;

type Reading = Box<dyn FnOnce(Result<&Connection, Failed>) -> Health + Send>;
type Queue = mpsc::Receiver<Option<Reading>>;

/// Whether a connection can go on being used.
enum Health {
    Good,
    Doubtful,
}

/// The way to the reading threads, which end with the last of these.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    queue: mpsc::Sender<Option<Reading>>,
}

impl Readers {
    pub(crate) fn start(opener: &Opener, threads: &Threads) -> Result<Self, Error> {
        let (queue, readings) = mpsc::channel(QUEUE);
        let readings = Arc::new(Mutex::new(readings));
        for _ in 0..opener.options().readers.clamp(1, 16) {
            let (opener, readings) = (opener.clone(), Arc::clone(&readings));
            threads.spawn("sqlite-read", move || serve(&opener, &readings))?;
        }
        Ok(Self { queue })
    }

    /// Runs `read` on one of the threads, with one view of the whole file.
    pub(crate) async fn run<T: Send + 'static>(
        &self,
        operation: &'static str,
        read: impl FnOnce(&Connection) -> Result<T, Failed> + Send + 'static,
    ) -> Result<T, Error> {
        self.run_alone(operation, move |conn| -> Result<T, Failed> {
            let view = conn.unchecked_transaction()?;
            let result = read(&view)?;
            view.commit()?;
            Ok(result)
        })
        .await
    }

    /// Runs `read` on one of the threads, in whatever transactions it begins itself.
    pub(crate) async fn run_alone<T: Send + 'static, E: Into<Failed>>(
        &self,
        operation: &'static str,
        read: impl FnOnce(&Connection) -> Result<T, E> + Send + 'static,
    ) -> Result<T, Error> {
        let (reply, answer) = oneshot::channel();
        let reading: Reading = Box::new(move |conn| {
            let result = conn.and_then(|conn| read(conn).map_err(Into::into));
            let health = result.as_ref().map_or_else(Failed::health, |_| Health::Good);
            // whoever asked may have gone
            let _ = reply.send(result.map_err(|failed| failed.during(operation)));
            health
        });
        self.queue.send(Some(reading)).await.map_err(|_| Error::new(Cause::Closed).during(operation))?;
        answer.await.map_err(|_| Error::new(Cause::Closed).during(operation))?
    }

    /// Lets the threads finish what waits, and end.
    pub(crate) async fn close(&self) {
        // an error says that they have ended
        let _ = self.queue.send(None).await;
    }
}

fn serve(opener: &Opener, readings: &Mutex<Queue>) {
    let mut open = None;
    while let Some(reading) = next(readings) {
        let conn = match open.take() {
            Some(conn) => Ok(conn),
            None => opener.reader(),
        };
        match conn {
            Ok(conn) => {
                if matches!(reading(Ok(&conn)), Health::Good) {
                    open = Some(conn);
                }
            }
            Err(failed) => drop(reading(Err(failed))),
        }
    }
}

fn next(readings: &Mutex<Queue>) -> Option<Reading> {
    let mut queue = readings.lock().unwrap_or_else(PoisonError::into_inner);
    loop {
        match queue.blocking_recv()? {
            Some(reading) => return Some(reading),
            None => queue.close(),
        }
    }
}

impl Failed {
    fn health(&self) -> Health {
        match self {
            Self::Sql(_) if !self.is_busy() => Health::Doubtful,
            _ => Health::Good,
        }
    }
}
