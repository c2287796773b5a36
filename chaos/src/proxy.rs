//! A wire that misbehaves, between the roles and a mongod.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use anyhow::Result;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

use crate::clock::pause;

/// What the wire does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wire {
    #[default]
    Sound,
    /// Each message waits up to so long, and goes out a few bytes at a time.
    Slow(Duration),
    /// Nothing comes through, and no connection is closed.
    Silent,
    /// In the middle of the reply to such a command the connection is reset.
    Cut(&'static str),
    /// Such a command is taken, and delivered when the wire is sound again.
    Held(&'static str),
}

/// Forwards connections to a mongod as long as it lives.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    wire: watch::Sender<Wire>,
    struck: Arc<AtomicU64>,
    _running: JoinSet<()>,
}

impl Proxy {
    pub(crate) async fn start(server: String) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let wire = watch::Sender::new(Wire::Sound);
        let struck = Arc::<AtomicU64>::default();
        let shared = Shared { wire: wire.subscribe(), struck: Arc::clone(&struck) };
        let mut running = JoinSet::new();
        running.spawn(accept(listener, server, shared));
        Ok(Self { port, wire, struck, _running: running })
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("mongodb://127.0.0.1:{}/{database}?directConnection=true", self.port)
    }

    pub(crate) fn set(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }

    /// How many messages it has mistreated.
    pub(crate) fn struck(&self) -> u64 {
        self.struck.load(Ordering::SeqCst)
    }
}

#[derive(Clone)]
struct Shared {
    wire: watch::Receiver<Wire>,
    struck: Arc<AtomicU64>,
}

impl Shared {
    fn now(&self) -> Wire {
        *self.wire.borrow()
    }

    fn strike(&self) {
        self.struck.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits until the wire is sound; never where the proxy is gone.
    async fn sound(&mut self) -> bool {
        self.wire.wait_for(|wire| *wire == Wire::Sound).await.is_ok()
    }
}

async fn accept(listener: TcpListener, server: String, shared: Shared) {
    let mut connections = JoinSet::new();
    while let Ok((client, _)) = listener.accept().await {
        connections.spawn(connection(client, server.clone(), shared.clone()));
        while connections.try_join_next().is_some() {}
    }
}

/// Ends, and closes both ends, when either direction does.
async fn connection(client: TcpStream, server: String, shared: Shared) {
    let Ok(server) = TcpStream::connect(server).await else { return };
    // small messages, one after the other
    let _ = (client.set_nodelay(true), server.set_nodelay(true));
    let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
    let (doom, doomed) = watch::channel(false);
    tokio::select! {
        () = requests(from_client, to_server, shared.clone(), doom) => {}
        () = replies(from_server, to_client, shared, doomed) => {}
    }
}

async fn requests(
    mut client: OwnedReadHalf,
    mut server: OwnedWriteHalf,
    mut shared: Shared,
    doom: watch::Sender<bool>,
) {
    while let Some(request) = message(&mut client).await {
        match shared.now() {
            Wire::Cut(command) if is(&request, command) => {
                shared.strike();
                doom.send_replace(true);
            }
            Wire::Held(command) if is(&request, command) => {
                shared.strike();
                // also after the client has gone: it is on its way
                if !shared.sound().await {
                    return;
                }
            }
            _ => {}
        }
        if !forward(&request, &mut server, &mut shared).await {
            return;
        }
    }
    if matches!(shared.now(), Wire::Held(_)) {
        shared.sound().await;
    }
}

async fn replies(
    mut server: OwnedReadHalf,
    mut client: OwnedWriteHalf,
    mut shared: Shared,
    doomed: watch::Receiver<bool>,
) {
    while let Some(reply) = message(&mut server).await {
        if *doomed.borrow() {
            // the server has done it, and nobody hears of it
            let half = reply.get(..reply.len() / 2).unwrap_or_default();
            let _ = client.write_all(half).await;
            return;
        }
        if !forward(&reply, &mut client, &mut shared).await {
            return;
        }
    }
}

async fn forward(message: &[u8], to: &mut OwnedWriteHalf, shared: &mut Shared) -> bool {
    match shared.now() {
        Wire::Slow(most) => {
            shared.strike();
            pause(most.mul_f64(fastrand::f64())).await;
            let (head, rest) = message.split_at(message.len().min(64));
            for byte in head {
                if to.write_all(&[*byte]).await.is_err() {
                    return false;
                }
            }
            for slice in rest.chunks(97) {
                if to.write_all(slice).await.is_err() {
                    return false;
                }
                tokio::task::yield_now().await;
            }
            true
        }
        Wire::Silent => {
            shared.strike();
            shared.sound().await && to.write_all(message).await.is_ok()
        }
        _ => to.write_all(message).await.is_ok(),
    }
}

/// Whether a request is that command.
fn is(request: &[u8], command: &str) -> bool {
    let name = [command.as_bytes(), &[0]].concat();
    // flags, the section's kind, the document's length, the element's type: then its name
    request.get(16..).is_some_and(|body| body.windows(name.len()).take(64).any(|window| window == name))
}

/// One message of MongoDB's: its length comes first.
async fn message(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length).await.ok()?;
    let mut message = vec![0; usize::try_from(u32::from_le_bytes(length)).ok()?.clamp(16, 48_000_000)];
    let (head, rest) = message.split_at_mut(4);
    head.copy_from_slice(&length);
    from.read_exact(rest).await.ok()?;
    Some(message)
}
