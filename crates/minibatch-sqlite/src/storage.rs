//! The handle, and how a file is opened and closed.

use std::{
    fmt,
    path::{Path, PathBuf},
    sync::Arc,
};

use minibatch_core::{Cause, Clock, Error};
use tokio::sync::oneshot;

use crate::{
    backup,
    bell::Ringer,
    clock::Wall,
    config::SqliteOptions,
    connection::Opener,
    error::Failed,
    migrate::{self, Migration},
    random,
    readers::Readers,
    tails::Tails,
    threads::Threads,
    watcher::Watcher,
    writer::{Desk, Writer},
};

/// A storage in one SQLite file. Cheap to clone; all clones share the connections.
///
/// Other processes may have the same file open, and so may other storages in this one.
///
/// Dropping the last clone lets the threads finish what they were given, and end; it does not wait for them.
/// [`SqliteStorage::close`] does. Whatever was reported as written is durable either way.
#[derive(Clone)]
pub struct SqliteStorage {
    shared: Arc<Shared>,
}

struct Shared {
    path: PathBuf,
    writer: Writer,
    readers: Readers,
    watcher: Watcher,
    wall: Arc<Wall>,
    /// The writing thread, which outlives all others.
    writing: Threads,
}

impl SqliteStorage {
    /// Opens the file, or creates it where there is none.
    ///
    /// # Errors
    /// All say what to do and are decided before anything is written to a file that is not minibatch's.
    /// - [`Misconfigured`](minibatch_core::ErrorKind::Misconfigured): the path is a directory or its directory is
    ///   missing, the file may not be read or written, it is not an SQLite database or another program's, it is on a
    ///   network file system, it was written by a newer version ([`Cause::NewerFormat`]), or SQLite is older than 3.51.3.
    /// - [`Corrupt`](minibatch_core::ErrorKind::Corrupt): SQLite finds the file damaged.
    /// - [`Retry`](minibatch_core::ErrorKind::Retry): other processes hold the file locked, or reading it failed.
    ///
    /// # Cancel safety
    /// A dropped call may still create the file.
    pub async fn open(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Self, Error> {
        Self::start(path.as_ref(), options, Wall::new(None)).await
    }

    /// Opens the file that a URL names, as [`SqliteOptions::from_url`] reads it.
    ///
    /// # Errors
    /// [`Cause::InvalidUrl`], and those of [`SqliteStorage::open`].
    ///
    /// # Cancel safety
    /// A dropped call may still create the file.
    pub async fn connect(url: &str) -> Result<Self, Error> {
        let (path, options) = SqliteOptions::from_url(url)?;
        Self::open(path, options).await
    }

    /// Opens the file with another clock than the machine's: [`Clock::now`] stamps records and says whether members are
    /// alive. For tests: all who share a file must share the clock.
    ///
    /// # Errors
    /// Those of [`SqliteStorage::open`].
    ///
    /// # Cancel safety
    /// A dropped call may still create the file.
    pub async fn open_with_clock(
        path: impl AsRef<Path>,
        options: SqliteOptions,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, Error> {
        Self::start(path.as_ref(), options, Wall::new(Some(clock))).await
    }

    /// Says what [`SqliteStorage::migrate`] would do to the file, and does nothing.
    ///
    /// # Errors
    /// As [`SqliteStorage::open`]; a file that is not there is not created.
    pub async fn plan_migration(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Migration, Error> {
        let path = path.as_ref().to_owned();
        on_a_thread("plan_migration", move || migrate::plan(&Opener::existing(&path, options)?)).await
    }

    /// Brings the file to the format of this version, all or nothing. Make a [`backup`](SqliteStorage::backup) first, with
    /// the version that wrote it.
    ///
    /// Programs of an older version that have the file open go on working with it, and cannot open it again: upgrade them
    /// one by one after this.
    ///
    /// # Errors
    /// As [`SqliteStorage::open`]; a file that is not there is not created.
    ///
    /// # Cancel safety
    /// A dropped call may still migrate the file.
    pub async fn migrate(path: impl AsRef<Path>, options: SqliteOptions) -> Result<Migration, Error> {
        let path = path.as_ref().to_owned();
        on_a_thread("migrate", move || migrate::migrate(&mut Opener::existing(&path, options)?)).await
    }

    async fn start(path: &Path, options: SqliteOptions, wall: Wall) -> Result<Self, Error> {
        let path = path.to_owned();
        let (opener, conn) = on_a_thread("open", move || Opener::create(&path, options)).await?;
        let (others, writing) = (Threads::default(), Threads::default());
        let path = opener.path().clone();
        let instance = random::instance();
        let (wall, tails) = (Arc::new(wall), Arc::new(Tails::default()));
        let readers = Readers::start(&opener, &others)?;
        let watcher = Watcher::new(opener.clone(), instance.clone(), Arc::clone(&tails), others.clone());
        let ringer = Ringer::new(&path, &instance);
        let desk = Desk { wall: Arc::clone(&wall), tails, ringer, others };
        let writer = Writer::start(opener, conn, desk, &writing)?;
        Ok(Self { shared: Arc::new(Shared { path, writer, readers, watcher, wall, writing }) })
    }

    /// Copies everything to a new file, while this and other processes go on using this one. The copy is what one
    /// transaction saw, compact, and on the disk when this returns; it has its name only then.
    ///
    /// A storage that is opened on the copy goes on from there. What was appended and done afterwards is not in it, and
    /// its windows come again: with the same ids for the same members as far as the copy reaches, and beyond with ids that
    /// meanwhile stood for others. Where a sink goes by window ids, let the groups begin anew.
    ///
    /// # Errors
    /// [`Misconfigured`](minibatch_core::ErrorKind::Misconfigured) when there is a file at `to` or none can be created
    /// there, [`Retry`](minibatch_core::ErrorKind::Retry) when the disk fails or is full, [`Cause::Closed`].
    ///
    /// # Cancel safety
    /// A dropped call goes on, and may leave a whole copy.
    pub async fn backup(&self, to: impl AsRef<Path>) -> Result<(), Error> {
        let to = to.as_ref().to_owned();
        self.shared.readers.run_alone("backup", move |conn| backup::backup(conn, &to)).await
    }

    /// Finishes what was begun, closes the file, and waits for that. All clones are closed: what they are asked later, and
    /// whoever waits for records, gets [`Cause::Closed`]. Closing twice is fine.
    ///
    /// The last process to close a file leaves it alone in its directory, without a write-ahead log beside it.
    ///
    /// # Cancel safety
    /// A dropped call closes nevertheless, unless it was dropped at once; call it again to wait.
    pub async fn close(&self) {
        self.shared.watcher.close();
        self.shared.readers.close().await;
        self.shared.writer.close().await;
        self.shared.writing.ended().await;
    }

    pub(crate) fn writer(&self) -> &Writer {
        &self.shared.writer
    }

    pub(crate) fn readers(&self) -> &Readers {
        &self.shared.readers
    }

    pub(crate) fn watcher(&self) -> &Watcher {
        &self.shared.watcher
    }

    pub(crate) fn wall(&self) -> &Arc<Wall> {
        &self.shared.wall
    }
}

/// Runs what blocks on a thread of its own.
async fn on_a_thread<T: Send + 'static, E: Into<Failed>>(
    operation: &'static str,
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, Error> {
    let (reply, answer) = oneshot::channel();
    Threads::default().spawn(&format!("sqlite-{operation}"), move || {
        // whoever asked may have gone
        let _ = reply.send(work().map_err(|failed| failed.into().during(operation)));
    })?;
    answer.await.map_err(|_| Cause::bug("a thread ended without an answer"))?
}

impl Drop for Shared {
    fn drop(&mut self) {
        // the other threads end with their queues
        self.watcher.close();
    }
}

impl fmt::Debug for SqliteStorage {
    /// Never the data: they are the user's.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStorage")
            .field("path", &self.shared.path)
            .field("wall", &self.shared.wall)
            .finish_non_exhaustive()
    }
}
