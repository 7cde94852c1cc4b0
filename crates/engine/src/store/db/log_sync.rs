//! The disk sync that several commits share.
//!
//! SQLite syncs its log at each commit when told to (`synchronous = full`), with the write lock in hand, so the disk alone would say how many
//! commits there are a second. Here SQLite is told not to, and a commit is acknowledged only after a sync of the log that began after it.
//! The next writer is at work meanwhile, and one sync serves all that were waiting for it. What an answer tells is as lasting as before.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use tokio::sync::Mutex;

use super::DbError;

/// Syncs the log for those who have committed, one sync for as many as wait.
pub(super) struct LogSync {
    sync: Box<dyn Fn() -> io::Result<()> + Send + Sync>,
    /// How many commits have asked for a sync.
    asked: AtomicU64,
    /// Up to which of them all is on the disk.
    done: AtomicU64,
    /// A sync failed. What the disk holds is unknown since, also if a later one succeeds.
    failed: AtomicBool,
    /// Whose turn it is to sync.
    turn: Mutex<()>,
}

impl std::fmt::Debug for LogSync {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("LogSync")
            .field("asked", &self.asked)
            .field("done", &self.done)
            .finish_non_exhaustive()
    }
}

impl LogSync {
    /// Returns the one of the database in this file.
    pub(super) fn of_file(database: &Path) -> Self {
        let mut name = database.as_os_str().to_owned();
        name.push("-wal");
        let (path, open) = (PathBuf::from(name), std::sync::OnceLock::<File>::new());
        Self::new(move || {
            // SQLite makes the file with the first transaction, and keeps it for as long as a connection is open.
            let file = match open.get() {
                Some(file) => file,
                None => {
                    let file = File::options().read(true).write(true).open(&path)?;
                    open.get_or_init(|| file)
                }
            };
            file.sync_data()
        })
    }

    fn new(sync: impl Fn() -> io::Result<()> + Send + Sync + 'static) -> Self {
        Self {
            sync: Box::new(sync),
            asked: AtomicU64::new(0),
            done: AtomicU64::new(0),
            failed: AtomicBool::new(false),
            turn: Mutex::new(()),
        }
    }

    /// Tells whether a sync failed: then nothing more may be written.
    pub(super) fn has_failed(&self) -> bool {
        self.failed.load(Ordering::SeqCst)
    }

    /// Waits until what was committed before this call is on the disk.
    pub(super) async fn sync(self: Arc<Self>) -> Result<(), DbError> {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let _turn = self.turn.lock().await;
        if self.has_failed() {
            return Err(DbError::Disk);
        }
        if self.done.load(Ordering::SeqCst) >= mine {
            return Ok(());
        }
        // All who have asked until now committed before they asked, so this sync is theirs too.
        let theirs = self.asked.load(Ordering::SeqCst);
        let this = Arc::clone(&self);
        let synced = tokio::task::spawn_blocking(move || {
            let result = (this.sync)();
            if let Err(error) = &result {
                tracing::error!(%error, "The database's log cannot be synced to the disk: {error}. Nothing more is written until a restart");
                this.failed.store(true, Ordering::SeqCst);
            }
            result
        })
        .await;
        match synced {
            Ok(Ok(())) => {
                self.done.store(theirs, Ordering::SeqCst);
                Ok(())
            }
            _ => Err(DbError::Disk),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Condvar;

    use super::*;
    use crate::store::db::writer::Writer;

    /// A disk that syncs when it is let.
    #[derive(Default)]
    struct Disk {
        state: std::sync::Mutex<(u32, u32)>,
        changed: Condvar,
    }

    impl Disk {
        fn log(self: &Arc<Self>) -> Arc<LogSync> {
            let disk = Arc::clone(self);
            Arc::new(LogSync::new(move || {
                let mut state = disk.state.lock().unwrap();
                state.0 += 1;
                disk.changed.notify_all();
                let mut state = disk.changed.wait_while(state, |(_, let_through)| *let_through == 0).unwrap();
                state.1 -= 1;
                Ok(())
            }))
        }
        fn begun(&self, count: u32) {
            let state = self.state.lock().unwrap();
            drop(self.changed.wait_while(state, |(begun, _)| *begun < count).unwrap());
        }
        fn finish_one(&self) {
            self.state.lock().unwrap().1 += 1;
            self.changed.notify_all();
        }
    }

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn who_asks_during_a_sync_waits_for_the_next_and_shares_it() {
        let disk = Arc::new(Disk::default());
        let log = disk.log();
        let first = tokio::spawn(Arc::clone(&log).sync());
        disk.begun(1);
        let others: Vec<_> = (0..20).map(|_| tokio::spawn(Arc::clone(&log).sync())).collect();
        while log.asked.load(Ordering::SeqCst) < 21 {
            tokio::task::yield_now().await;
        }
        disk.finish_one();
        first.await.unwrap().unwrap();
        disk.begun(2);
        assert!(
            others.iter().all(|one| !one.is_finished()),
            "the first sync began before they had committed"
        );
        disk.finish_one();
        for one in others {
            one.await.unwrap().unwrap();
        }
        assert_eq!(disk.state.lock().unwrap().0, 2);
    }

    #[tokio::test]
    async fn after_a_failed_sync_nothing_is_acknowledged_again() {
        let calls = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&calls);
        let log = Arc::new(LogSync::new(move || {
            if counted.fetch_add(1, Ordering::SeqCst) == 0 {
                Err(io::ErrorKind::Other.into())
            } else {
                Ok(())
            }
        }));
        for _ in 0..2 {
            assert!(matches!(Arc::clone(&log).sync().await, Err(DbError::Disk)));
        }
        assert_eq!(calls.load(Ordering::SeqCst), 1, "a later sync would say nothing about what was lost");
        let folder = tempfile::tempdir().unwrap();
        let writer = Writer::open_with(&folder.path().join("test.db"), log).unwrap();
        assert!(matches!(writer.begin().await, Err(DbError::Disk)));
    }
}
