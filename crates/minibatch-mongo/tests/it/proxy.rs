//! A wire that can be cut: between a client and the server, and cut after a request went through and before its reply
//! came back.

use std::sync::{
    Arc,
    atomic::{AtomicBool, AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{
        TcpListener, TcpStream,
        tcp::{OwnedReadHalf, OwnedWriteHalf},
    },
    task::JoinSet,
};

/// Forwards connections to the server as long as it lives.
pub(crate) struct Proxy {
    pub(crate) port: u16,
    plan: Arc<Plan>,
    _running: JoinSet<()>,
}

/// Which replies are lost.
#[derive(Default)]
struct Plan {
    /// The name of the command.
    command: std::sync::Mutex<Vec<u8>>,
    left: AtomicUsize,
    cut: AtomicUsize,
}

impl Plan {
    /// True when the request is one whose reply is to be lost.
    fn wants(&self, request: &[u8]) -> bool {
        let command = self.command.lock().unwrap();
        let named = !command.is_empty() && request.windows(command.len()).any(|window| window == &**command);
        let less = |left: usize| left.checked_sub(1);
        named && self.left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, less).is_ok()
    }
}

impl Proxy {
    pub(crate) async fn start(server: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (plan, server) = (Arc::<Plan>::default(), server.to_owned());
        let mut running = JoinSet::new();
        let shared = Arc::clone(&plan);
        running.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let server = TcpStream::connect(&server).await.unwrap();
                let doomed = Arc::<AtomicBool>::default();
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                connections.spawn(requests(from_client, to_server, Arc::clone(&shared), Arc::clone(&doomed)));
                connections.spawn(replies(from_server, to_client, Arc::clone(&shared), doomed));
            }
        });
        Self { port, plan, _running: running }
    }

    /// Loses the replies to the next so many requests of that command. Says how many were lost before.
    pub(crate) fn lose_replies(&self, command: &str, times: usize) -> usize {
        let mut name = command.as_bytes().to_vec();
        name.push(0);
        *self.plan.command.lock().unwrap() = name;
        self.plan.left.store(times, Ordering::SeqCst);
        self.plan.cut.swap(0, Ordering::SeqCst)
    }
}

async fn requests(mut client: OwnedReadHalf, mut server: OwnedWriteHalf, plan: Arc<Plan>, doomed: Arc<AtomicBool>) {
    while let Some(request) = message(&mut client).await {
        if plan.wants(&request) {
            doomed.store(true, Ordering::SeqCst);
        }
        if server.write_all(&request).await.is_err() {
            return;
        }
    }
}

async fn replies(mut server: OwnedReadHalf, mut client: OwnedWriteHalf, plan: Arc<Plan>, doomed: Arc<AtomicBool>) {
    while let Some(reply) = message(&mut server).await {
        if doomed.load(Ordering::SeqCst) {
            // the server has done it, and nobody hears of it
            plan.cut.fetch_add(1, Ordering::SeqCst);
            return;
        }
        if client.write_all(&reply).await.is_err() {
            return;
        }
    }
}

/// One message of MongoDB's: its length comes first.
async fn message(from: &mut OwnedReadHalf) -> Option<Vec<u8>> {
    let mut length = [0; 4];
    from.read_exact(&mut length).await.ok()?;
    let mut message = vec![0; u32::from_le_bytes(length) as usize];
    message[..4].copy_from_slice(&length);
    from.read_exact(&mut message[4..]).await.ok()?;
    Some(message)
}
