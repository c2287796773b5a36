//! A network that falls in two, as far as one machine has one: connections between processes of the two sides stand still.

use std::{collections::BTreeSet, fs, io, net::SocketAddr, path::Path};

use nix::unistd::Pid;
use tokio::sync::watch;

/// Which processes are cut off from all others, and not from one another.
#[derive(Clone, Debug, Default)]
pub(crate) struct Cut(watch::Sender<BTreeSet<Pid>>);

/// The two processes of a connection, and what may come between them.
#[derive(Clone, Debug)]
pub(crate) struct Ends {
    pub(crate) cut: Cut,
    pub(crate) ends: [Pid; 2],
}

impl Cut {
    /// Cuts them off.
    pub(crate) fn part(&self, lonely: impl IntoIterator<Item = Pid>) {
        self.0.send_replace(lonely.into_iter().collect());
    }

    /// Nobody is cut off any more.
    pub(crate) fn heal(&self) {
        self.part([]);
    }
}

impl Ends {
    /// Whether they are on different sides.
    pub(crate) fn are_parted(&self) -> bool {
        self.parted_by(&self.cut.0.borrow())
    }

    /// Waits until they are on the same.
    pub(crate) async fn joined(&self) {
        // the sender is in `self`
        let _ = self.cut.0.subscribe().wait_for(|lonely| !self.parted_by(lonely)).await;
    }

    fn parted_by(&self, lonely: &BTreeSet<Pid>) -> bool {
        let [one, other] = self.ends.map(|end| lonely.contains(&end));
        one != other
    }
}

/// Whether it can be told here which process a connection is of.
pub(crate) fn works() -> bool {
    Path::new("/proc/net/tcp").exists()
}

/// The process that has connected from there to a port of this machine.
pub(crate) fn process_of(from: SocketAddr, to: u16) -> io::Result<Option<Pid>> {
    let Some(inode) = inode(&fs::read_to_string("/proc/net/tcp")?, from.port(), to) else { return Ok(None) };
    let socket = format!("socket:[{inode}]");
    for process in fs::read_dir("/proc")?.flatten() {
        let Some(id) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // one that has ended meanwhile, or is another user's
        let Ok(files) = fs::read_dir(process.path().join("fd")) else { continue };
        for file in files.flatten() {
            if fs::read_link(file.path()).is_ok_and(|target| target.as_os_str() == socket.as_str()) {
                return Ok(Some(Pid::from_raw(id)));
            }
        }
    }
    Ok(None)
}

/// The socket of that end, in the kernel's table of connections.
fn inode(table: &str, from: u16, to: u16) -> Option<u64> {
    let port = |address: &str| u16::from_str_radix(address.rsplit_once(':')?.1, 16).ok();
    table.lines().skip(1).find_map(|line| {
        let mut words = line.split_whitespace().skip(1);
        let (local, remote) = (port(words.next()?)?, port(words.next()?)?);
        let inode = words.nth(6)?.parse().ok()?;
        ((local, remote) == (from, to)).then_some(inode)
    })
}

#[cfg(test)]
mod tests {
    use std::net::{TcpListener, TcpStream};

    use super::*;

    #[test]
    fn a_connection_is_told_whose_it_is() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let to = listener.local_addr().unwrap();
        let client = TcpStream::connect(to).unwrap();
        let from = client.local_addr().unwrap();
        assert_eq!(process_of(from, to.port()).unwrap(), Some(Pid::this()));
        assert_eq!(process_of(from, from.port()).unwrap(), None);
    }

    #[test]
    fn sides() {
        let [a, b, c] = [1, 2, 3].map(Pid::from_raw);
        let cut = Cut::default();
        let between = |one, other| Ends { cut: cut.clone(), ends: [one, other] }.are_parted();
        assert!(!between(a, b));
        cut.part([a, b]);
        assert_eq!([between(a, b), between(a, c), between(c, b), between(c, c)], [false, true, true, false]);
        cut.heal();
        assert!(!between(a, c));
    }
}
