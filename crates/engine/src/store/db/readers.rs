//! SQLite's reading connections.

use std::path::PathBuf;
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::DbError;
use super::sqlite::{self, Mode};
use super::writer::PATIENCE;

/// How many read at once; the others wait.
const MOST: u32 = 4;

/// The connections that read, opened as they are needed.
#[derive(Clone, Debug)]
pub(super) struct Readers(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    path: PathBuf,
    turns: Arc<Semaphore>,
    /// The one that was used last is on top: it has the most in its cache.
    idle: Mutex<Vec<Connection>>,
}

impl Inner {
    fn idle(&self) -> std::sync::MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().expect("no code panics while it holds this lock")
    }
}

impl Readers {
    /// Returns those of the database in this file, which is there already.
    pub(super) fn new(path: PathBuf) -> Self {
        let (turns, idle) = (Arc::new(Semaphore::new(MOST as usize)), Mutex::default());
        Self(Arc::new(Inner { path, turns, idle }))
    }

    /// Waits for a connection and holds it.
    pub(super) async fn hold(&self) -> Result<Reading, DbError> {
        let turn = match Arc::clone(&self.0.turns).try_acquire_owned() {
            Ok(turn) => turn,
            Err(_) => tokio::time::timeout(PATIENCE, Arc::clone(&self.0.turns).acquire_owned())
                .await
                .map_err(|_| DbError::Timeout)?
                .map_err(|_| DbError::Closed)?,
        };
        let idle = self.0.idle().pop();
        let connection = match idle {
            Some(connection) => connection,
            None => sqlite::open(&self.0.path, Mode::Read)?,
        };
        Ok(Reading { connection: Some(connection), home: Arc::clone(&self.0), _turn: turn })
    }

    /// Waits for those who read, and closes all connections.
    pub(super) async fn close(&self) {
        // Fails only when it is closed already.
        let _all = self.0.turns.acquire_many(MOST).await;
        self.0.turns.close();
        let idle = std::mem::take(&mut *self.0.idle());
        for connection in idle {
            if let Err((_, error)) = connection.close() {
                tracing::warn!(%error, "A reading connection of SQLite could not be closed in order: {error}");
            }
        }
    }
}

/// A reading connection, held.
#[derive(Debug)]
pub(super) struct Reading {
    /// Always there until it is dropped.
    connection: Option<Connection>,
    home: Arc<Inner>,
    /// Given back after the connection.
    _turn: OwnedSemaphorePermit,
}

impl Reading {
    pub(super) fn connection(&self) -> Result<&Connection, DbError> {
        self.connection.as_ref().ok_or(DbError::Over)
    }
}

impl Drop for Reading {
    fn drop(&mut self) {
        if let Some(connection) = self.connection.take()
            && !self.home.turns.is_closed()
        {
            self.home.idle().push(connection);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::app::new_master_keys;
    use crate::store::db::Db;

    async fn database(folder: &Path) -> Db {
        let db = Db::sqlite(&folder.join("test.db"), new_master_keys()).await.unwrap();
        let mut tx = db.write().await.unwrap();
        tx.execute("create table things (id integer primary key)", vec![]).await.unwrap();
        tx.commit().await.unwrap();
        db
    }

    #[tokio::test]
    async fn many_readers_take_turns_and_see_what_is_committed() {
        let folder = tempfile::tempdir().unwrap();
        let db = database(folder.path()).await;
        let mut first = db.read().await.unwrap();
        assert!(first.fetch_all("select id from things", vec![]).await.unwrap().is_empty());
        let mut tx = db.write().await.unwrap();
        tx.execute("insert into things (id) values (1)", vec![]).await.unwrap();
        tx.commit().await.unwrap();
        assert_eq!(first.fetch_all("select id from things", vec![]).await.unwrap().len(), 1);
        drop(first);
        let all: Vec<_> = (0..40)
            .map(|_| {
                let db = db.clone();
                tokio::spawn(async move {
                    let mut conn = db.read().await.unwrap();
                    conn.fetch_all("select id from things", vec![]).await.unwrap().len()
                })
            })
            .collect();
        for one in all {
            assert_eq!(one.await.unwrap(), 1);
        }
    }

    #[tokio::test]
    async fn a_reader_that_was_dropped_while_it_waited_leaves_a_sound_connection() {
        let folder = tempfile::tempdir().unwrap();
        let db = database(folder.path()).await;
        for n in 0..20 {
            let mut conn = db.read().await.unwrap();
            let mut asking =
                Box::pin(conn.fetch_all("select id from things union all select 7 as id", vec![]));
            for _ in 0..n {
                tokio::select! {
                    biased;
                    _ = &mut asking => break,
                    () = tokio::task::yield_now() => {}
                }
            }
            drop(asking);
            drop(conn);
            let mut next = db.read().await.unwrap();
            let rows = next.fetch_all("select 5 as id", vec![]).await.unwrap();
            assert_eq!(rows[0].get::<i64>("id").unwrap(), 5, "the answer to its own question");
        }
    }

    #[tokio::test]
    async fn reading_writes_nothing_and_ends_with_the_database() {
        let folder = tempfile::tempdir().unwrap();
        let db = database(folder.path()).await;
        let mut conn = db.read().await.unwrap();
        assert!(conn.execute("insert into things (id) values (1)", vec![]).await.is_err());
        drop(conn);
        db.close().await;
        assert!(matches!(db.read().await, Err(DbError::Closed)));
    }
}
