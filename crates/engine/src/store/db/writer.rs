//! SQLite's one writing connection: a transaction on it, and the disk sync that several of them share.
//!
//! SQLite syncs its log at each commit when told to (`synchronous = full`), with the write lock in hand, so the disk alone would say how many
//! commits there are a second. Here SQLite is told not to, and a commit is acknowledged only after a sync of the log that began after it.
//! The next writer is at work meanwhile, and one sync serves all that were waiting for it. What an answer tells is as lasting as before.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, Executor as _};
use tokio::sync::{Mutex, OwnedMutexGuard};

use super::batch::{Batch, Done};
use super::{DbError, Statement, Value, bind_sqlite};

/// How long somebody waits for a connection.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// The connection that writes. Writers queue for it here, in order, and not inside SQLite.
#[derive(Clone, Debug)]
pub(super) struct Writer {
    /// Empty when it has been closed.
    connection: Arc<Mutex<Option<SqliteConnection>>>,
    /// None in memory.
    log: Option<Arc<LogSync>>,
}

impl Writer {
    /// Connects. `file` is the database's, if it has one.
    pub(super) async fn connect(
        options: &SqliteConnectOptions,
        file: Option<&Path>,
    ) -> Result<Self, DbError> {
        let connection = options.connect().await?;
        Ok(Self {
            connection: Arc::new(Mutex::new(Some(connection))),
            log: file.map(|file| Arc::new(LogSync::of_file(file))),
        })
    }

    /// Waits for the connection and holds it. No transaction is begun.
    pub(super) async fn hold(&self) -> Result<Held, DbError> {
        let connection = match Arc::clone(&self.connection).try_lock_owned() {
            Ok(free) => free,
            Err(_) => tokio::time::timeout(PATIENCE, Arc::clone(&self.connection).lock_owned())
                .await
                .map_err(|_| DbError::Sqlx(sqlx::Error::PoolTimedOut))?,
        };
        if connection.is_none() {
            return Err(DbError::Sqlx(sqlx::Error::PoolClosed));
        }
        Ok(Held(connection))
    }

    /// Waits for the connection and begins a transaction, with its first statement.
    pub(super) async fn begin(&self) -> Result<WriteTx, DbError> {
        if self.log.as_ref().is_some_and(|log| log.failed.load(Ordering::SeqCst)) {
            return Err(DbError::Disk);
        }
        let held = self.hold().await?;
        Ok(WriteTx {
            held: Some(held),
            log: self.log.clone(),
            state: State::Unbegun,
            later: Batch::default(),
        })
    }

    /// Waits until all that was committed is on the disk.
    pub(super) async fn sync(&self) -> Result<(), DbError> {
        match &self.log {
            Some(log) => Arc::clone(log).sync().await,
            None => Ok(()),
        }
    }

    /// Waits for the transaction under way, and closes the connection.
    pub(super) async fn close(&self) {
        if let Some(connection) = self.connection.lock().await.take()
            && let Err(error) = connection.close().await
        {
            tracing::warn!(%error, "SQLite's writing connection could not be closed in order: {error}");
        }
    }
}

/// The writing connection, held. Statements run outside a transaction.
#[derive(Debug)]
pub(in crate::store) struct Held(OwnedMutexGuard<Option<SqliteConnection>>);

impl Held {
    pub(in crate::store) fn connection(&mut self) -> Result<&mut SqliteConnection, DbError> {
        self.0.as_mut().ok_or(DbError::Sqlx(sqlx::Error::PoolClosed))
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

/// A transaction on the writing connection. Dropped without a commit, it is rolled back.
#[derive(Debug)]
pub(super) struct WriteTx {
    /// Always there until it is dropped.
    held: Option<Held>,
    log: Option<Arc<LogSync>>,
    state: State,
    later: Batch,
}

impl WriteTx {
    /// Runs a statement and returns how many rows it changed.
    pub(super) async fn execute(&mut self, sql: &str, values: Vec<Value>) -> Result<u64, DbError> {
        let batch = self.with_pending(sql, values).await?;
        let [done] = self.run(batch).await?;
        Ok(done.changed)
    }

    /// Runs several statements at one go and returns what each did.
    pub(super) async fn run_each<const N: usize>(
        &mut self,
        statements: [Statement; N],
    ) -> Result<[Done; N], DbError> {
        let mut batch = self.begun()?;
        batch.append(std::mem::take(&mut self.later));
        batch.extend(statements);
        self.run(batch).await
    }

    /// Returns the first row of a statement, if there is one.
    pub(super) async fn fetch_optional(
        &mut self,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<Option<SqliteRow>, DbError> {
        let Batch { sql, values } = self.with_pending(sql, values).await?;
        let query = bind_sqlite(sqlx::query(AssertSqlSafe(sql)), values);
        let result = self.connection()?.fetch_optional(query).await;
        self.noting_failure(result)
    }

    /// Returns all rows of a statement.
    pub(super) async fn fetch_all(
        &mut self,
        sql: &str,
        values: Vec<Value>,
    ) -> Result<Vec<SqliteRow>, DbError> {
        let Batch { sql, values } = self.with_pending(sql, values).await?;
        let query = bind_sqlite(sqlx::query(AssertSqlSafe(sql)), values);
        let result = self.connection()?.fetch_all(query).await;
        self.noting_failure(result)
    }

    /// Has a statement run with the commit, or before the next statement that is not left for later.
    pub(super) fn execute_later(&mut self, sql: &str, values: Vec<Value>) {
        self.later.push(sql, values);
    }

    /// Commits, and waits until the disk has it.
    pub(super) async fn commit(mut self) -> Result<(), DbError> {
        if self.state == State::Unbegun && self.later.is_empty() {
            return Ok(());
        }
        let mut batch = self.begun()?;
        batch.append(std::mem::take(&mut self.later));
        batch.push("commit", vec![]);
        let [] = self.run(batch).await?;
        self.state = State::Unbegun;
        let log = self.log.take();
        // Who comes next writes while this one waits for the disk.
        drop(self);
        match log {
            Some(log) => log.sync().await,
            None => Ok(()),
        }
    }

    /// Returns a statement behind what has to come before it; what was left for later is done now.
    async fn with_pending(&mut self, sql: &str, values: Vec<Value>) -> Result<Batch, DbError> {
        let mut batch = self.begun()?;
        if !self.later.is_empty() {
            batch.append(std::mem::take(&mut self.later));
            let [] = self.run(batch).await?;
            batch = Batch::default();
        }
        batch.push(sql, values);
        Ok(batch)
    }

    /// Returns what opens the transaction, if nothing has yet.
    fn begun(&mut self) -> Result<Batch, DbError> {
        let mut batch = Batch::default();
        match self.state {
            State::Failed => return Err(DbError::Over),
            State::Open => {}
            State::Unbegun => {
                // IMMEDIATE takes the write lock now: a later upgrade could fail with "busy" after work was done.
                batch.push("begin immediate", vec![]);
                // From here on also when nobody waits for the answer: then there is something to roll back.
                self.state = State::Open;
            }
        }
        Ok(batch)
    }

    /// Runs statements at one go and returns what the last `N` of them did.
    async fn run<const N: usize>(&mut self, batch: Batch) -> Result<[Done; N], DbError> {
        let done = batch.run(self.connection()?).await;
        self.noting_failure(done)
    }

    fn connection(&mut self) -> Result<&mut SqliteConnection, DbError> {
        self.held.as_mut().ok_or(DbError::Over)?.connection()
    }

    fn noting_failure<T>(&mut self, result: Result<T, sqlx::Error>) -> Result<T, DbError> {
        result.map_err(|error| {
            self.state = State::Failed;
            error.into()
        })
    }
}

impl Drop for WriteTx {
    fn drop(&mut self) {
        let Some(mut held) = self.held.take() else { return };
        if self.state == State::Unbegun {
            return;
        }
        let rollback = async move {
            // It fails when the commit was under way and its answer not awaited, or when SQLite has rolled back by itself.
            if let Ok(connection) = held.connection() {
                let _nothing_to_undo = connection.execute("rollback").await;
            }
        };
        match tokio::runtime::Handle::try_current() {
            Ok(runtime) => drop(runtime.spawn(rollback)),
            // Nobody is left to wait: the process ends, and SQLite rolls back when the file is opened again.
            Err(_) => drop(rollback),
        }
    }
}

/// Syncs the log for those who have committed, one sync for as many as wait.
struct LogSync {
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
    fn of_file(database: &Path) -> Self {
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

    /// Waits until what was committed before this call is on the disk.
    async fn sync(self: Arc<Self>) -> Result<(), DbError> {
        let mine = self.asked.fetch_add(1, Ordering::SeqCst) + 1;
        let _turn = self.turn.lock().await;
        if self.failed.load(Ordering::SeqCst) {
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
    use crate::app::new_master_keys;
    use crate::store::db::Db;
    use crate::values;

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
        let options = SqliteConnectOptions::new().in_memory(true);
        let writer = Writer { log: Some(log), ..Writer::connect(&options, None).await.unwrap() };
        assert!(matches!(writer.begin().await, Err(DbError::Disk)));
    }

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
        assert!(matches!(db.write().await, Err(DbError::Sqlx(sqlx::Error::PoolClosed))));
        assert!(!folder.path().join("test.db-wal").exists(), "SQLite tidied up");
    }
}
