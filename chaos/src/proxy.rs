//! A wire that misbehaves, between the roles and a mongod.

use std::{sync::Arc, time::Duration};

use anyhow::Result;
use nix::unistd::Pid;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    sync::watch,
    task::JoinSet,
};

use crate::{
    clock::pause,
    cut::{Cut, Ends, process_of},
};

/// What the wire does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Wire {
    #[default]
    Sound,
    /// Each message waits up to so long, and goes out a few bytes at a time.
    Slow(Duration),
    /// Nothing comes through, and no connection is closed.
    Silent,
    /// In the middle of the reply to such a command the connection is closed, so many times.
    Cut(&'static str, u64),
    /// Such a command is taken, and delivered when the wire is sound again, so many times.
    Held(&'static str, u64),
}

/// Forwards connections to a mongod as long as it lives.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    wire: watch::Sender<Wire>,
    struck: watch::Receiver<u64>,
    _running: JoinSet<()>,
}

impl Proxy {
    /// Before a server.
    pub(crate) async fn start(server: String) -> Result<Self> {
        Self::start_with(server, None).await
    }

    /// Before a server that is that process, and of whose connections some may be cut.
    pub(crate) async fn with_cut(server: String, process: Pid, cut: Cut) -> Result<Self> {
        Self::start_with(server, Some((process, cut))).await
    }

    async fn start_with(server: String, cut: Option<(Pid, Cut)>) -> Result<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await?;
        let port = listener.local_addr()?.port();
        let wire = watch::Sender::new(Wire::Sound);
        let (strike, struck) = watch::channel(0);
        let shared = Shared { wire: wire.clone(), strike: Arc::new(strike), ends: None };
        let mut running = JoinSet::new();
        running.spawn(accept(listener, server, shared, cut));
        Ok(Self { port, wire, struck, _running: running })
    }

    pub(crate) fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn url(&self, database: &str) -> String {
        format!("mongodb://{}/{database}?directConnection=true", self.host())
    }

    pub(crate) fn set(&self, wire: Wire) {
        self.wire.send_replace(wire);
    }

    /// How many messages it has mistreated.
    pub(crate) fn struck(&self) -> u64 {
        *self.struck.borrow()
    }

    /// Waits until it has done all that it was set to do; how often that was.
    pub(crate) async fn spent(&self) -> u64 {
        let times = self.wire.borrow().times();
        let mut wire = self.wire.subscribe();
        // the sender is in `self`
        let _ = wire.wait_for(|wire| wire.times() == 0).await;
        times
    }
}

impl Wire {
    /// How often it strikes yet.
    fn times(self) -> u64 {
        match self {
            Self::Cut(_, times) | Self::Held(_, times) => times,
            Self::Sound | Self::Slow(_) | Self::Silent => 0,
        }
    }
}

#[derive(Clone)]
struct Shared {
    wire: watch::Sender<Wire>,
    strike: Arc<watch::Sender<u64>>,
    /// Of this connection, where it may be cut.
    ends: Option<Ends>,
}

impl Shared {
    fn now(&self) -> Wire {
        let parted = self.ends.as_ref().is_some_and(Ends::are_parted);
        if parted { Wire::Silent } else { *self.wire.borrow() }
    }

    fn strike(&self) {
        self.strike.send_modify(|struck| *struck += 1);
    }

    /// What becomes of a request: one that is struck is counted.
    fn meet(&self, request: &[u8]) -> Wire {
        let mut met = Wire::Sound;
        self.wire.send_if_modified(|wire| match wire {
            Wire::Cut(command, times) | Wire::Held(command, times) if *times > 0 && is(request, command) => {
                *times -= 1;
                met = *wire;
                true
            }
            _ => false,
        });
        if met != Wire::Sound {
            self.strike();
        }
        met
    }

    /// Waits until the wire is sound.
    async fn sound(&self) {
        // the sender is in `self`
        let _ = self.wire.subscribe().wait_for(|wire| *wire == Wire::Sound).await;
        if let Some(ends) = &self.ends {
            ends.joined().await;
        }
    }
}

async fn accept(listener: TcpListener, server: String, shared: Shared, cut: Option<(Pid, Cut)>) {
    let mut connections = JoinSet::new();
    while let Ok((client, from)) = listener.accept().await {
        let mut shared = shared.clone();
        if let Some((process, cut)) = &cut {
            let to = client.local_addr().map_or(0, |to| to.port());
            // one that has gone again is nobody's
            let Ok(Some(other)) = process_of(from, to) else { continue };
            shared.ends = Some(Ends { cut: cut.clone(), ends: [*process, other] });
        }
        connections.spawn(connection(client, server.clone(), shared));
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

async fn requests(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, shared: Shared, doom: watch::Sender<bool>) {
    while let Some(request) = message(&mut client).await {
        match shared.meet(&request) {
            Wire::Cut(..) => drop(doom.send_replace(true)),
            // also after the client has gone: it is on its way
            Wire::Held(..) => shared.sound().await,
            _ => {}
        }
        if !forward(&request, &mut server, &shared).await {
            return;
        }
    }
}

async fn replies(mut server: OwnedReadHalf, mut client: OwnedWriteHalf, shared: Shared, doomed: watch::Receiver<bool>) {
    while let Some(reply) = message(&mut server).await {
        if *doomed.borrow() {
            // the server has done it, and nobody hears of it
            let half = reply.get(..reply.len() / 2).unwrap_or_default();
            let _ = client.write_all(half).await;
            return;
        }
        if !forward(&reply, &mut client, &shared).await {
            return;
        }
    }
}

async fn forward(message: &[u8], to: &mut OwnedWriteHalf, shared: &Shared) -> bool {
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
            shared.sound().await;
            to.write_all(message).await.is_ok()
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
