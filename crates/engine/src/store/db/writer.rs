//! SQLite's one writing connection, and a transaction on it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::checkpoint::{self, Checkpoints};
use super::log_sync::LogSync;
use super::sqlite::{self, Done, Mode, aside};
use super::{DbError, Statement};

/// How long somebody waits for a connection, or for the write lock when another process has it.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// How long until the write lock is asked for again.
const AGAIN: Duration = Duration::from_millis(2);

/// The connection that writes. Writers queue for it here, in order, and not inside SQLite.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    /// Empty when it has been closed.
    connection: Arc<Mutex<Option<Connection>>>,
    /// None in memory.
    log: Option<Log>,
}

/// What makes the writing to a file lasting.
#[derive(Clone, Debug)]
struct Log {
    sync: Arc<LogSync>,
    checkpoints: Arc<Checkpoints>,
}

impl Writer {
    /// Opens the database in a file, and makes it if need be.
    pub(super) fn open(path: &Path) -> Result<Self, DbError> {
        Self::open_with(path, Arc::new(LogSync::of_file(path)))
    }

    pub(super) fn open_with(path: &Path, sync: Arc<LogSync>) -> Result<Self, DbError> {
        let connection = sqlite::open(path, Mode::Write)?;
        checkpoint::watch(&connection);
        let log = Log { sync, checkpoints: Arc::new(Checkpoints::open(path)?) };
        Ok(Self { connection: Arc::new(Mutex::new(Some(connection))), log: Some(log) })
    }

    /// Makes an empty database in memory.
    pub(super) fn memory() -> Result<Self, DbError> {
        Ok(Self { connection: Arc::new(Mutex::new(Some(sqlite::memory()?))), log: None })
    }

    /// Holds the connection if nobody does. No transaction is begun.
    pub(super) fn try_hold(&self) -> Result<Option<Held>, DbError> {
        Arc::clone(&self.connection).try_lock_owned().ok().map(Held::new).transpose()
    }

    /// Waits for the connection and holds it. No transaction is begun.
    pub(super) async fn hold(&self) -> Result<Held, DbError> {
        match self.try_hold()? {
            Some(held) => Ok(held),
            None => tokio::time::timeout(PATIENCE, Arc::clone(&self.connection).lock_owned())
                .await
                .map_err(|_| DbError::Timeout)
                .and_then(Held::new),
        }
    }

    /// Waits for the connection and begins a transaction, with its first statement.
    pub(super) async fn begin(&self) -> Result<WriteTx, DbError> {
        if self.log.as_ref().is_some_and(|log| log.sync.has_failed()) {
            return Err(DbError::Disk);
        }
        let tx = Tx { held: self.hold().await?, state: State::Unbegun };
        Ok(WriteTx { tx: Some(tx), later: Vec::new(), writer: self.clone() })
    }

    /// Waits until all that was committed is on the disk.
    pub(super) async fn sync(&self) -> Result<(), DbError> {
        match &self.log {
            Some(log) => Arc::clone(&log.sync).sync().await,
            None => Ok(()),
        }
    }

    /// Waits for the transaction under way, and closes the connection.
    pub(super) async fn close(&self) {
        if let Some(log) = &self.log {
            log.checkpoints.close().await;
        }
        if let Some(connection) = self.connection.lock().await.take()
            && let Err((_, error)) = connection.close()
        {
            tracing::warn!(%error, "SQLite's writing connection could not be closed in order: {error}");
        }
    }
}

/// The writing connection, held. Statements run outside a transaction.
#[derive(Debug)]
pub(in crate::store) struct Held(OwnedMutexGuard<Option<Connection>>);

impl Held {
    fn new(connection: OwnedMutexGuard<Option<Connection>>) -> Result<Self, DbError> {
        if connection.is_none() { Err(DbError::Closed) } else { Ok(Self(connection)) }
    }

    pub(in crate::store) fn connection(&self) -> Result<&Connection, DbError> {
        self.0.as_ref().ok_or(DbError::Closed)
    }

    pub(in crate::store) fn connection_mut(&mut self) -> Result<&mut Connection, DbError> {
        self.0.as_mut().ok_or(DbError::Closed)
    }

    /// Begins a transaction, unless another process has the write lock.
    fn try_begin(&self) -> Result<bool, DbError> {
        let connection = self.connection()?;
        connection.busy_timeout(Duration::ZERO)?;
        // IMMEDIATE takes the write lock now: a later upgrade could fail with "busy" after work was done.
        let begun = connection.prepare_cached("begin immediate")?.execute([]);
        connection.busy_timeout(sqlite::BUSY)?;
        match begun {
            Ok(_) => Ok(true),
            Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }
}

/// How far a transaction is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No statement has run yet.
    Unbegun,
    /// Under way.
    Open,
    /// A statement failed. As on PostgreSQL, nothing else is done in it.
    Failed,
}

/// What a transaction has in hand. Dropped without a commit, it is rolled back.
#[derive(Debug)]
struct Tx {
    held: Held,
    state: State,
}

impl Tx {
    /// Runs statements in it and returns what the last one did.
    fn run(&mut self, before: &[Statement], statement: &Statement) -> Result<Done, DbError> {
        let connection = self.held.connection()?;
        let result = before
            .iter()
            .try_for_each(|statement| sqlite::run(connection, statement).map(|_| ()))
            .and_then(|()| sqlite::run(connection, statement));
        if result.is_err() {
            self.state = State::Failed;
        }
        result
    }
}

impl Drop for Tx {
    fn drop(&mut self) {
        if self.state != State::Unbegun
            && let Ok(connection) = self.held.connection()
        {
            // It fails when SQLite has rolled back by itself.
            let _nothing_to_undo = connection.execute_batch("rollback");
        }
    }
}

/// A transaction on the writing connection. Dropped without a commit, it is rolled back.
#[derive(Debug)]
pub(super) struct WriteTx {
    /// Not there while statements run aside, and after that if nobody waited for them.
    tx: Option<Tx>,
    later: Vec<Statement>,
    writer: Writer,
}

impl WriteTx {
    /// Runs a statement, after those that were left for later, and returns what it did.
    pub(super) async fn run(&mut self, statement: Statement, long: bool) -> Result<Done, DbError> {
        self.begin().await?;
        let before = std::mem::take(&mut self.later);
        if long {
            return aside(&mut self.tx, move |tx| tx.run(&before, &statement)).await;
        }
        self.tx.as_mut().ok_or(DbError::Over)?.run(&before, &statement)
    }

    /// Has a statement run with the commit, or before the next statement that is not left for later.
    pub(super) fn execute_later(&mut self, statement: Statement) {
        self.later.push(statement);
    }

    /// Commits, and waits until the disk has it.
    pub(super) async fn commit(mut self) -> Result<(), DbError> {
        let nothing_done = self.tx.as_ref().is_some_and(|tx| tx.state == State::Unbegun);
        if nothing_done && self.later.is_empty() {
            return Ok(());
        }
        self.run(Statement::new("commit", vec![]), false).await?;
        if let Some(mut tx) = self.tx.take() {
            tx.state = State::Unbegun;
            // Who comes next writes while this one waits for the disk.
            drop(tx);
        }
        if let Some(log) = &self.writer.log
            && checkpoint::is_due()
        {
            let _goes_on_by_itself = log.checkpoints.start(&self.writer);
        }
        self.writer.sync().await
    }

    /// Takes the write lock, if that has not been done. Waits when another process has it, without keeping this thread.
    async fn begin(&mut self) -> Result<(), DbError> {
        let tx = self.tx.as_mut().ok_or(DbError::Over)?;
        match tx.state {
            State::Failed => return Err(DbError::Over),
            State::Open => return Ok(()),
            State::Unbegun => {}
        }
        let waiting = tokio::time::Instant::now();
        while !tx.held.try_begin()? {
            if waiting.elapsed() > PATIENCE {
                return Err(DbError::Timeout);
            }
            tokio::time::sleep(AGAIN).await;
        }
        tx.state = State::Open;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::new_master_keys;
    use crate::store::db::Db;
    use crate::values;

    async fn things(db: &Db) -> Vec<i64> {
        let mut conn = db.read().await.unwrap();
        let rows = conn.fetch_all("select id from things order by id", vec![]).await.unwrap();
        rows.iter().map(|row| row.get("id").unwrap()).collect()
    }

    async fn database(folder: &Path) -> Db {
        let db = Db::sqlite(&folder.join("test.db"), new_master_keys()).await.unwrap();
        let mut tx = db.write().await.unwrap();
        tx.execute("create table things (id integer primary key)", vec![]).await.unwrap();
        tx.commit().await.unwrap();
        db
    }

    const ADD: &str = "insert into things (id) values ($1)";

    #[tokio::test]
    async fn what_was_left_for_later_is_seen_by_what_follows_and_is_done_with_the_commit() {
        let folder = tempfile::tempdir().unwrap();
        let db = database(folder.path()).await;
        let mut tx = db.write().await.unwrap();
        tx.execute_later(ADD, values![1_i64]).await.unwrap();
        let seen = tx.fetch_all("select id from things", vec![]).await.unwrap();
        assert_eq!(seen.len(), 1);
        assert_eq!(tx.execute("delete from things where id = $1", values![7_i64]).await.unwrap(), 0);
        assert_eq!(tx.execute(ADD, values![2_i64]).await.unwrap(), 1);
        tx.execute_later(ADD, values![3_i64]).await.unwrap();
        tx.execute_later(ADD, values![4_i64]).await.unwrap();
        assert_eq!(things(&db).await, Vec::<i64>::new());
        tx.commit().await.unwrap();
        assert_eq!(things(&db).await, [1, 2, 3, 4]);
        let mut tx = db.write().await.unwrap();
        assert_eq!(
            tx.execute("update things set id = id + 10 where id > $1", values![2_i64]).await.unwrap(),
            2,
            "rows of the first statement alone are counted, whatever was changed before"
        );
        drop(tx);
        assert_eq!(
            db.write().await.unwrap().execute("delete from things where id > 9", vec![]).await.unwrap(),
            0
        );
    }

    #[tokio::test]
    async fn a_failure_ends_the_transaction_and_leaves_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let db = database(folder.path()).await;
        for later in [false, true] {
            let mut tx = db.write().await.unwrap();
            tx.execute(ADD, values![1_i64]).await.unwrap();
            if later {
                tx.execute_later(ADD, values![1_i64]).await.unwrap();
                assert!(matches!(tx.commit().await, Err(DbError::Conflict)));
            } else {
                assert!(matches!(tx.execute(ADD, values![1_i64]).await, Err(DbError::Conflict)));
                assert!(matches!(tx.execute(ADD, values![2_i64]).await, Err(DbError::Over)));
                assert!(matches!(tx.commit().await, Err(DbError::Over)));
            }
            let next = db.write().await.unwrap();
            drop(next);
            assert_eq!(things(&db).await, Vec::<i64>::new());
        }
    }

    #[tokio::test]
    async fn a_dropped_transaction_is_rolled_back_before_the_next_begins() {
        let folder = tempfile::tempdir().unwrap();
        let db = database(folder.path()).await;
        for n in 0_i64..50 {
            let mut tx = db.write().await.unwrap();
            let mut adding = Box::pin(async {
                tx.execute(ADD, values![n]).await.unwrap();
                tx.execute_later(ADD, values![n + 1000]).await.unwrap();
                tx.commit().await
            });
            // Dropped after so many polls: before, during and after each statement.
            for _ in 0..n {
                tokio::select! {
                    biased;
                    done = &mut adding => { done.unwrap(); break }
                    () = tokio::task::yield_now() => {}
                }
            }
            drop(adding);
            let mut next = db.write().await.unwrap();
            let sql = "select count(*) as n from things where id in ($1, $2)";
            let row = next.fetch_optional(sql, values![n, n + 1000]).await.unwrap().unwrap();
            assert!([0, 2].contains(&row.get::<i64>("n").unwrap()), "all of it or nothing");
        }
    }

    #[tokio::test]
    async fn a_closed_database_says_so() {
        let folder = tempfile::tempdir().unwrap();
        let db = database(folder.path()).await;
        db.close().await;
        assert!(matches!(db.write().await, Err(DbError::Closed)));
        assert!(!folder.path().join("test.db-wal").exists(), "SQLite tidied up");
    }

    #[tokio::test]
    async fn another_process_that_writes_is_waited_for_without_keeping_the_thread() {
        let folder = tempfile::tempdir().unwrap();
        let db = database(folder.path()).await;
        let other = Connection::open(folder.path().join("test.db")).unwrap();
        other.execute_batch("begin immediate; insert into things (id) values (1)").unwrap();
        let theirs = db.clone();
        let writing = tokio::spawn(async move {
            let mut tx = theirs.write().await.unwrap();
            tx.execute(ADD, values![2_i64]).await.unwrap();
            tx.commit().await.unwrap();
        });
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        assert!(!writing.is_finished());
        assert_eq!(things(&db).await, Vec::<i64>::new(), "and reading goes on");
        other.execute_batch("commit").unwrap();
        writing.await.unwrap();
        assert_eq!(things(&db).await, [1, 2]);
    }

    #[tokio::test]
    async fn a_long_statement_that_nobody_waits_for_is_rolled_back_like_any_other() {
        let folder = tempfile::tempdir().unwrap();
        let db = database(folder.path()).await;
        for polls in 0..4 {
            let mut tx = db.write().await.unwrap();
            tx.expect_long();
            let mut adding = Box::pin(tx.execute(ADD, values![1_i64]));
            for _ in 0..polls {
                tokio::select! {
                    biased;
                    done = &mut adding => { done.unwrap(); break }
                    () = tokio::task::yield_now() => {}
                }
            }
            drop(adding);
            drop(tx);
            let mut next = db.write().await.unwrap();
            assert_eq!(next.execute(ADD, values![1_i64]).await.unwrap(), 1, "after {polls} polls");
        }
        assert_eq!(things(&db).await, Vec::<i64>::new());
    }
}
