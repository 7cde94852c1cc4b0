//! Checkpoints: what stands in SQLite's log is copied into the database's file, so that the log can begin anew.
//!
//! SQLite does it by itself at the end of a commit, and that one waits for the disk, twice. Here it is done beside the commits, by a connection of
//! its own: first most of it, while others write; then the rest, while nobody does, since the log begins anew only when all of it was copied.

use std::cell::Cell;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use rusqlite::Connection;
use tokio::sync::Mutex;
use tokio::task::JoinHandle;

use super::DbError;
use super::sqlite::{self, Mode, aside};
use super::writer::Writer;

/// From how many pages (of 4 KiB) in the log on it is time. SQLite itself does it at 1000, and has to: there a commit waits for all of it.
const PAGES: i32 = 4000;

thread_local! {
    /// How many pages were in the log after the last commit on this thread.
    static IN_LOG: Cell<i32> = const { Cell::new(0) };
}

/// Notes after each commit on this connection how long the log is, for [`is_due`].
pub(super) fn watch(connection: &Connection) {
    connection.wal_hook(Some(|_, pages| {
        IN_LOG.set(pages);
        Ok(())
    }));
}

/// Tells whether the commit that this thread has just made left a long log.
pub(super) fn is_due() -> bool {
    IN_LOG.take() >= PAGES
}

/// Makes checkpoints, one at a time.
#[derive(Debug)]
pub(super) struct Checkpoints {
    /// Empty while one is being made, and when it was closed.
    connection: Mutex<Option<Connection>>,
    under_way: AtomicBool,
}

impl Checkpoints {
    pub(super) fn open(path: &Path) -> Result<Self, DbError> {
        let connection = sqlite::open(path, Mode::Write)?;
        Ok(Self { connection: Mutex::new(Some(connection)), under_way: AtomicBool::new(false) })
    }

    /// Has one made, unless one is being made.
    pub(super) fn start(self: &Arc<Self>, writer: &Writer) -> Option<JoinHandle<()>> {
        if self.under_way.swap(true, Ordering::SeqCst) {
            return None;
        }
        let (this, writer) = (Arc::clone(self), writer.clone());
        Some(tokio::spawn(async move {
            if let Err(error) = this.make(&writer).await {
                tracing::warn!(%error, "SQLite's log could not be copied into the database's file: {error}. It grows until that succeeds");
            }
            this.under_way.store(false, Ordering::SeqCst);
        }))
    }

    async fn make(&self, writer: &Writer) -> Result<(), DbError> {
        let mut connection = self.connection.lock().await;
        if connection.is_none() {
            return Ok(());
        }
        aside(&mut connection, copy).await?;
        let nobody_writes = match writer.hold().await {
            // Closing does it.
            Err(DbError::Closed) => return Ok(()),
            held => held?,
        };
        let copied = aside(&mut connection, copy).await;
        drop(nobody_writes);
        copied
    }

    pub(super) async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take()
            && let Err((_, error)) = connection.close()
        {
            tracing::warn!(%error, "SQLite's connection for checkpoints could not be closed in order: {error}");
        }
    }
}

/// Copies what no reader still needs from the log. Waits for nobody.
fn copy(connection: &mut Connection) -> Result<(), DbError> {
    Ok(connection.query_row("pragma wal_checkpoint(passive)", [], |_| Ok(()))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::db::Statement;
    use crate::values;

    /// Which log it is since the file was made (file format, "WAL header": the checkpoint sequence number).
    fn log_number(database: &Path) -> u32 {
        let mut name = database.as_os_str().to_owned();
        name.push("-wal");
        let log = std::fs::read(name).unwrap();
        u32::from_be_bytes(log[12..16].try_into().unwrap())
    }

    async fn write(writer: &Writer, sql: &'static str, bytes: usize) {
        let mut tx = writer.begin().await.unwrap();
        tx.run(Statement::new(sql, values![vec![7_u8; bytes]]), false).await.unwrap();
        tx.commit().await.unwrap();
    }

    const TABLE: &str = "create table things (data blob) strict";
    const ADD: &str = "insert into things (data) values ($1)";

    #[tokio::test]
    async fn after_a_checkpoint_the_log_begins_anew() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let writer = Writer::open(&path).unwrap();
        let checkpoints = Arc::new(Checkpoints::open(&path).unwrap());
        write(&writer, TABLE, 0).await;
        write(&writer, ADD, 100_000).await;
        write(&writer, ADD, 1).await;
        assert_eq!(log_number(&path), 0);
        let making = checkpoints.start(&writer).unwrap();
        assert!(checkpoints.start(&writer).is_none(), "one at a time");
        making.await.unwrap();
        write(&writer, ADD, 1).await;
        assert_eq!(log_number(&path), 1);
        checkpoints.close().await;
        checkpoints.start(&writer).unwrap().await.unwrap();
        writer.close().await;
    }

    #[tokio::test]
    async fn a_long_log_is_noticed_by_the_commit_that_makes_it_one() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("test.db");
        let writer = Writer::open(&path).unwrap();
        write(&writer, TABLE, 0).await;
        let pages = usize::try_from(PAGES).unwrap();
        write(&writer, ADD, 4096 * (pages - 100)).await;
        write(&writer, ADD, 1).await;
        assert_eq!(log_number(&path), 0);
        write(&writer, ADD, 4096 * 200).await;
        // The checkpoint comes to its turn between these writers.
        for _ in 0..1000 {
            write(&writer, ADD, 1).await;
            if log_number(&path) > 0 {
                return;
            }
        }
        panic!("the log only grows");
    }
}
