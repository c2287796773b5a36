//! What a power cut leaves of files: a model of a disk that has what was synced, and any part of what was not.
//!
//! It is fed with the system calls of a process, as `strace -f -y -xx` writes them down.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, bail};

/// A part of a file that reaches the disk, or does not, on its own.
const PAGE: usize = 4_096;

/// The system calls that are to be traced.
pub(crate) const CALLS: &str = "pwrite64,write,ftruncate,fdatasync,fsync,unlink";

/// What strace says of a call that was about to begin when its process was killed: it never took place.
const UNREAD: &str = "???(";

/// One system call on a file, in the order in which they took place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Call {
    /// Bytes were handed over to the system, at a place.
    Write {
        path: String,
        offset: usize,
        bytes: Vec<u8>,
    },
    /// So many bytes were added at the end.
    Added {
        path: String,
        length: usize,
    },
    Truncated {
        path: String,
        length: usize,
    },
    /// Everything before was on the disk by then.
    Synced {
        path: String,
    },
    Removed {
        path: String,
    },
}

/// Reads what `strace` wrote. A call that another thread's interrupts counts where it began, and a sync where it ended.
pub(crate) fn calls(traced: &str) -> Result<Vec<Call>> {
    let mut begun: BTreeMap<&str, &str> = BTreeMap::new();
    let mut calls = Vec::new();
    for line in traced.lines() {
        let Some((thread, said)) = line.split_once(' ') else { continue };
        let said = said.trim_start();
        let call = if said.starts_with("<... ") {
            let succeeded = said.ends_with("= 0");
            begun.remove(thread).filter(|_| succeeded).map(call).transpose()?
        } else if said.starts_with("fsync") || said.starts_with("fdatasync") {
            if said.ends_with("<unfinished ...>") {
                begun.insert(thread, said);
                continue;
            }
            Some(call(said)?)
        } else if said.starts_with(UNREAD) {
            None
        } else if said.contains('(') && !said.contains(" = -1 ") {
            Some(call(said)?)
        } else {
            None
        };
        calls.extend(call);
    }
    Ok(calls)
}

fn call(said: &str) -> Result<Call> {
    let (name, arguments) = said.split_once('(').context("no system call")?;
    let unreadable = || format!("`{name}` is not understood");
    let mut quoted = arguments.split('"');
    let (first, text) = (quoted.next().unwrap_or_default(), quoted.next());
    let path = match first.split_once('<').and_then(|(_, path)| path.split_once('>')) {
        Some((path, _)) => String::from_utf8(unescaped(path)?)?,
        None => String::from_utf8(unescaped(text.unwrap_or_default())?)?,
    };
    let numbers = quoted.next().unwrap_or_else(|| arguments.split_once('>').map_or("", |(_, numbers)| numbers));
    let mut numbers = numbers.split([',', ' ', ')']).filter_map(|number| number.parse::<usize>().ok());
    Ok(match name {
        "pwrite64" => {
            let bytes = unescaped(text.with_context(unreadable)?)?;
            Call::Write { path, offset: numbers.nth(1).with_context(unreadable)?, bytes }
        }
        "write" => Call::Added { path, length: numbers.next().with_context(unreadable)? },
        "ftruncate" => Call::Truncated { path, length: numbers.next().with_context(unreadable)? },
        "fsync" | "fdatasync" => Call::Synced { path },
        "unlink" => Call::Removed { path },
        _ => bail!("`{name}` is not understood"),
    })
}

/// What `\x41\x42` stands for.
fn unescaped(text: &str) -> Result<Vec<u8>> {
    text.split("\\x").skip(1).map(|byte| Ok(u8::from_str_radix(byte, 16)?)).collect()
}

/// The files as they are on the disk for certain, and what may have got there as well.
#[derive(Clone, Debug, Default)]
pub(crate) struct Disk {
    synced: BTreeMap<String, Vec<u8>>,
    pending: BTreeMap<String, Vec<Call>>,
}

impl Disk {
    /// One that has these files.
    pub(crate) fn new(files: BTreeMap<String, Vec<u8>>) -> Self {
        Self { synced: files, pending: BTreeMap::new() }
    }

    /// Notes a call on one of its files; others are nothing to it.
    pub(crate) fn saw(&mut self, call: &Call) {
        match call {
            Call::Synced { path } => {
                let Some(file) = self.synced.get_mut(path) else { return };
                for pending in self.pending.remove(path).unwrap_or_default() {
                    apply(file, &pending);
                }
            }
            Call::Write { path, .. } | Call::Truncated { path, .. } | Call::Removed { path } => {
                if self.synced.contains_key(path) {
                    self.pending.entry(path.clone()).or_default().push(call.clone());
                }
            }
            Call::Added { .. } => {}
        }
    }

    /// The files after a power cut: what was synced, and of the rest each page that `reached` says.
    pub(crate) fn cut(&self, mut reached: impl FnMut() -> bool) -> BTreeMap<String, Vec<u8>> {
        let mut files = self.synced.clone();
        for (path, pending) in &self.pending {
            let Some(file) = files.get_mut(path) else { continue };
            for call in pending {
                let Call::Write { path, offset, bytes } = call else {
                    if reached() {
                        apply(file, call);
                    }
                    continue;
                };
                for (number, page) in bytes.chunks(PAGE).enumerate().filter(|_| reached()) {
                    let (path, offset) = (path.clone(), offset + number * PAGE);
                    apply(file, &Call::Write { path, offset, bytes: page.to_vec() });
                }
            }
        }
        files
    }
}

fn apply(file: &mut Vec<u8>, call: &Call) {
    match call {
        Call::Write { offset, bytes, .. } => {
            let end = offset + bytes.len();
            if file.len() < end {
                file.resize(end, 0);
            }
            if let Some(place) = file.get_mut(*offset..end) {
                place.copy_from_slice(bytes);
            }
        }
        Call::Truncated { length, .. } => file.resize(*length, 0),
        Call::Removed { .. } => file.clear(),
        Call::Added { .. } | Call::Synced { .. } => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TRACED: &str = r#"7 pwrite64(3<\x2f\x61>, "\x61\x62\x63", 3, 0) = 3
8 write(4<\x2f\x68>, "\x7b\x7d\x0a", 3) = 3
7 fdatasync(3<\x2f\x61> <unfinished ...>
8 pwrite64(3<\x2f\x61>, "\x64", 1, 4) = 1
7 <... fdatasync resumed>)            = 0
7 ftruncate(3<\x2f\x61>, 1) = 0
7 pwrite64(3<\x2f\x61>, "\x64", 1, 4) = -1 ENOSPC (No space left on device)
7 unlink("\x2f\x61") = 0
7 ???( <unfinished ...>
8 +++ killed by SIGKILL +++
7 <... ??? resumed>)                = ?
7 +++ killed by SIGKILL +++"#;

    #[test]
    fn what_strace_says_is_understood() {
        let path = || "/a".to_owned();
        let write = |offset, bytes: &[u8]| Call::Write { path: path(), offset, bytes: bytes.to_vec() };
        let expected = [
            write(0, b"abc"),
            Call::Added { path: "/h".to_owned(), length: 3 },
            write(4, b"d"),
            Call::Synced { path: path() },
            Call::Truncated { path: path(), length: 1 },
            Call::Removed { path: path() },
        ];
        assert_eq!(calls(TRACED).unwrap(), expected);
    }

    #[test]
    fn what_was_synced_is_there_and_the_rest_may_be() {
        let mut disk = Disk::new([("/a".to_owned(), b"xy".to_vec())].into());
        let seen = |disk: &Disk, reached: bool| disk.cut(|| reached)["/a"].clone();
        let calls = calls(TRACED).unwrap();
        disk.saw(&calls[0]);
        assert_eq!((seen(&disk, false), seen(&disk, true)), (b"xy".to_vec(), b"abc".to_vec()));
        disk.saw(&calls[3]);
        assert_eq!(seen(&disk, false), b"abc");
        disk.saw(&calls[4]);
        assert_eq!((seen(&disk, false), seen(&disk, true)), (b"abc".to_vec(), b"a".to_vec()));
    }
}
