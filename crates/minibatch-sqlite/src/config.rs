//! What can be chosen when a file is opened, and how a URL says it.

use std::{path::PathBuf, time::Duration};

use minibatch_core::{Cause, Error};

/// What survives a power cut.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Durability {
    /// Everything that was reported as written: each commit is synced to the disk before anybody hears of it.
    #[default]
    Full,
    /// A beginning of what was reported, without the last commits: the log is synced now and then. What was reported
    /// survives the process in any case.
    Normal,
}

/// How to open a file.
///
/// ```
/// use minibatch_sqlite::{Durability, SqliteOptions};
///
/// let options = SqliteOptions::default().with_durability(Durability::Normal);
/// assert_eq!(options.readers, 3);
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct SqliteOptions {
    /// What survives a power cut. Default: everything.
    pub durability: Durability,
    /// How many threads read, 1 to 16. Default: 3.
    pub readers: usize,
    /// For how long an operation waits for other processes to let go of the file before it gives up with an error of
    /// kind [`Retry`](minibatch_core::ErrorKind::Retry). Default: 10 s.
    pub busy_timeout: Duration,
    /// The longest time between two looks at the file while somebody waits for records, 1 to 500 ms: what waking up takes
    /// at most when another process appends and its doorbell is not heard. Default: 50 ms.
    pub poll_max: Duration,
}

impl Default for SqliteOptions {
    fn default() -> Self {
        Self {
            durability: Durability::default(),
            readers: 3,
            busy_timeout: Duration::from_secs(10),
            poll_max: Duration::from_millis(50),
        }
    }
}

impl SqliteOptions {
    /// Sets [`SqliteOptions::durability`].
    #[must_use]
    pub fn with_durability(mut self, durability: Durability) -> Self {
        self.durability = durability;
        self
    }

    /// Sets [`SqliteOptions::readers`].
    #[must_use]
    pub fn with_readers(mut self, readers: usize) -> Self {
        self.readers = readers;
        self
    }

    /// Sets [`SqliteOptions::busy_timeout`].
    #[must_use]
    pub fn with_busy_timeout(mut self, timeout: Duration) -> Self {
        self.busy_timeout = timeout;
        self
    }

    /// Sets [`SqliteOptions::poll_max`].
    #[must_use]
    pub fn with_poll_max(mut self, interval: Duration) -> Self {
        self.poll_max = interval;
        self
    }

    /// Reads a URL: the path of the file, and the options.
    ///
    /// `sqlite://quakes.db` is relative to the working directory, `sqlite:///var/lib/quakes.db` absolute. The one option
    /// is `?durability=full` or `?durability=normal`. In a path `%`, `?` and `#` are written `%25`, `%3F` and `%23`.
    ///
    /// ```
    /// use minibatch_sqlite::SqliteOptions;
    ///
    /// let (path, _) = SqliteOptions::from_url("sqlite:///var/lib/quakes.db")?;
    /// assert_eq!(path.to_str(), Some("/var/lib/quakes.db"));
    /// # Ok::<(), minibatch_core::Error>(())
    /// ```
    ///
    /// # Errors
    /// [`Cause::InvalidUrl`] with what is wrong with it.
    pub fn from_url(url: &str) -> Result<(PathBuf, Self), Error> {
        let rest = url
            .strip_prefix("sqlite://")
            .ok_or_else(|| Cause::invalid_url("it must begin with sqlite://, as sqlite://quakes.db"))?;
        if rest.contains('#') {
            return Err(Cause::invalid_url("it has a fragment, write a # of the file's name as %23").into());
        }
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        let mut options = Self::default();
        for pair in query.split('&').filter(|pair| !pair.is_empty()) {
            options.durability = match pair {
                "durability=full" => Durability::Full,
                "durability=normal" => Durability::Normal,
                _ => return Err(Cause::invalid_url("its only option is durability=full or durability=normal").into()),
            };
        }
        Ok((path_of(path)?, options))
    }
}

fn path_of(encoded: &str) -> Result<PathBuf, Error> {
    let path = decode_percent(encoded)
        .ok_or_else(|| Cause::invalid_url("its path is not percent-encoded UTF-8, write a % as %25"))?;
    if path.is_empty() {
        return Err(Cause::invalid_url("it names no file, write sqlite://quakes.db").into());
    }
    if path == ":memory:" {
        return Err(Cause::invalid_url("nothing is kept of an SQLite database in memory, write memory:").into());
    }
    if path.contains('\0') {
        return Err(Cause::invalid_url("its path holds a zero byte").into());
    }
    Ok(path.into())
}

fn decode_percent(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || char::from(rest.next()?).to_digit(16);
        bytes.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
    }
    String::from_utf8(bytes).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str, path: &str, durability: Durability) {
        let (found, options) = SqliteOptions::from_url(url).unwrap();
        assert_eq!((found.to_str(), options.durability), (Some(path), durability), "{url}");
    }

    #[test]
    fn reads_paths_and_options() {
        check("sqlite://quakes.db", "quakes.db", Durability::Full);
        check("sqlite://data/quakes.db", "data/quakes.db", Durability::Full);
        check("sqlite://./quakes.db?", "./quakes.db", Durability::Full);
        check("sqlite:///abs/path.db", "/abs/path.db", Durability::Full);
        check("sqlite:///a%20b%3F%23%25.db?durability=normal", "/a b?#%.db", Durability::Normal);
        check("sqlite://q.db?durability=normal&durability=full", "q.db", Durability::Full);
        check("sqlite://b%C3%ABven.db", "bëven.db", Durability::Full);
    }

    #[test]
    fn refuses_the_rest() {
        for url in [
            "",
            "quakes.db",
            "sqlite:",
            "sqlite:quakes.db",
            "sqlite://",
            "sqlite://?durability=full",
            "sqlite://q.db#x",
            "sqlite://q.db?mode=ro",
            "sqlite://q.db?durability",
            "sqlite://:memory:",
            "sqlite://q%",
            "sqlite://q%2",
            "sqlite://q%zz",
            "sqlite://q%00.db",
            "sqlite://q%ff.db",
            "mongodb://host",
            "SQLITE://q.db",
        ] {
            let error = SqliteOptions::from_url(url).unwrap_err();
            assert!(matches!(error.cause(), Cause::InvalidUrl { .. }), "{url}: {error}");
        }
    }
}
