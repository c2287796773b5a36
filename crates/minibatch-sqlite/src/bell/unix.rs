//! Doorbells as Unix datagram sockets.

use std::{
    fs, io,
    os::unix::net::UnixDatagram,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use super::directory;
use crate::clock;

const RING: &[u8] = b"!";

/// Hears the rings of other processes, and the nudges of this one.
#[derive(Debug)]
pub(crate) struct Ear {
    socket: UnixDatagram,
    /// Where others ring; `None` where no socket could be put there, so that only nudges are heard.
    file: Option<PathBuf>,
}

/// Makes the ear of this process hear.
#[derive(Debug)]
pub(crate) struct Nudge(UnixDatagram);

impl Ear {
    pub(crate) fn new(file: &Path, instance: &str) -> io::Result<(Self, Nudge)> {
        let (ear, nudge) = match bind(&directory(file).join(instance)) {
            Ok(bound) => bound,
            Err(error) => {
                tracing::debug!(%error, "no doorbell: other processes' appends are found by polling alone");
                let (socket, nudge) = UnixDatagram::pair()?;
                (Self { socket, file: None }, nudge)
            }
        };
        // a full queue holds hints enough
        nudge.set_nonblocking(true)?;
        Ok((ear, Nudge(nudge)))
    }

    /// Returns when it has heard something, or after `timeout`.
    pub(crate) fn listen(&self, timeout: Option<Duration>) {
        let timeout = timeout.map(|timeout| timeout.max(Duration::from_millis(1)));
        let heard = self.socket.set_read_timeout(timeout).and_then(|()| self.socket.recv(&mut [0; 1]));
        match heard {
            Ok(_) => {}
            Err(error) if matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut) => {}
            // a deaf ear must not turn waiting into a busy loop
            Err(_) => clock::pause(timeout.unwrap_or(Duration::from_millis(100))),
        }
    }
}

fn bind(file: &Path) -> io::Result<(Ear, UnixDatagram)> {
    if let Some(directory) = file.parent() {
        match fs::create_dir(directory) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
    }
    let ear = Ear { socket: UnixDatagram::bind(file)?, file: Some(file.to_owned()) };
    let nudge = UnixDatagram::unbound()?;
    // connected to the socket itself: it is reached even if its file is removed
    nudge.connect(file)?;
    Ok((ear, nudge))
}

impl Drop for Ear {
    fn drop(&mut self) {
        let Some(file) = &self.file else { return };
        // what is left is removed by whoever rings there; the directory goes with the last socket
        let _ = fs::remove_file(file);
        let _ = file.parent().map(fs::remove_dir);
    }
}

impl Nudge {
    pub(crate) fn nudge(&self) {
        // a full queue holds hints enough; a broken socket leaves polling
        let _ = self.0.send(RING);
    }
}

/// Rings at all other doors.
#[derive(Debug)]
pub(crate) struct Ringer {
    directory: PathBuf,
    own: PathBuf,
    socket: Option<UnixDatagram>,
    doors: Vec<PathBuf>,
    /// When the directory had last changed when it was listed; `None` when it must be listed again.
    listed: Option<SystemTime>,
}

impl Ringer {
    pub(crate) fn new(file: &Path, instance: &str) -> Self {
        let directory = directory(file);
        let own = directory.join(instance);
        Self { directory, own, socket: None, doors: Vec::new(), listed: None }
    }

    /// Rings at every door of another process. Never blocks on one.
    pub(crate) fn ring(&mut self) {
        let Ok(changed) = fs::metadata(&self.directory).and_then(|directory| directory.modified()) else {
            self.listed = None;
            return;
        };
        if self.listed != Some(changed) {
            self.doors = self.list();
            self.listed = (!clock::is_fresh(changed)).then_some(changed);
        }
        if self.doors.is_empty() {
            return;
        }
        if self.socket.is_none() {
            self.socket = silent_socket().ok();
        }
        let Some(socket) = &self.socket else { return };
        for door in &self.doors {
            match socket.send_to(RING, door) {
                // whoever listened there was killed
                Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => drop(fs::remove_file(door)),
                _ => {}
            }
        }
    }

    fn list(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(&self.directory) else { return Vec::new() };
        entries.filter_map(|entry| Some(entry.ok()?.path())).filter(|door| *door != self.own).collect()
    }
}

fn silent_socket() -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rings_are_heard_and_dead_doors_removed() {
        let temp = tempfile::tempdir().unwrap();
        let file = temp.path().join("q.db");
        let (ear, nudge) = Ear::new(&file, "one").unwrap();
        let mut ringer = Ringer::new(&file, "other");
        ringer.ring();
        ear.listen(None);
        nudge.nudge();
        ear.listen(None);

        let dead = directory(&file).join("dead");
        drop(UnixDatagram::bind(&dead).unwrap());
        ringer.ring();
        assert!(!dead.exists());
        ear.listen(None);

        drop(ear);
        assert!(!directory(&file).exists());
    }

    #[test]
    fn a_path_too_long_for_a_socket_leaves_the_nudge() {
        let temp = tempfile::tempdir().unwrap();
        let (ear, nudge) = Ear::new(&temp.path().join("x".repeat(150)), "one").unwrap();
        assert!(ear.file.is_none());
        nudge.nudge();
        ear.listen(None);
    }
}
