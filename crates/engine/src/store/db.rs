//! The door to the database: SQLite and PostgreSQL behind one small interface.
//!
//! One SQL text with `$n` serves both. Only integers, text and blobs go through: booleans are 0 and 1, times are
//! milliseconds, JSON is text that SQL never looks into. Everything above this file is unaware of which one it is.

mod checkpoint;
mod log_sync;
mod migrations;
mod readers;
mod sqlite;
mod value;
mod writer;

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lockstep_core::crypto::seal::{MasterKeys, SealError};
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgConnection, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, Executor as _, Postgres, Transaction};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use readers::Readers;
use sqlite::SqliteConn;
pub use value::{Column, Row, ToValue, Value};
use writer::{Held, Writer};

/// Which database it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Backend {
    /// SQLite, in a file or in memory.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// What went wrong in the database.
#[derive(Debug, thiserror::Error)]
pub enum DbError {
    /// A unique key is taken already.
    #[error("a row with this key exists already")]
    Conflict,
    /// A referenced row is not there.
    #[error("a referenced row does not exist")]
    Missing,
    /// What a column holds is not what was written there: a wrong master key, or a damaged file.
    #[error("stored data cannot be read: {0}")]
    Corrupt(String),
    /// A statement of this transaction failed before, or it was committed.
    #[error("the transaction is over: one of its statements failed")]
    Over,
    /// What was written may not have reached the disk. SQLite only; nothing more is written until a restart.
    #[error("the database's log could not be synced to the disk")]
    Disk,
    /// A search took longer than [`SEARCH_LIMIT`], or waited so long for its turn.
    #[error("the search took longer than {} seconds", SEARCH_LIMIT.as_secs())]
    TooLong,
    /// All connections were taken for longer than anybody should wait.
    #[error("the database had no connection free in time")]
    Timeout,
    /// It was closed: the server is stopping.
    #[error("the database is closed")]
    Closed,
    /// Anything else from SQLite.
    #[error(transparent)]
    Sqlite(rusqlite::Error),
    /// Anything else from PostgreSQL.
    #[error(transparent)]
    Postgres(sqlx::Error),
}

impl From<rusqlite::Error> for DbError {
    fn from(error: rusqlite::Error) -> Self {
        use rusqlite::ffi;
        match error.sqlite_error().map(|error| error.extended_code) {
            Some(ffi::SQLITE_CONSTRAINT_PRIMARYKEY | ffi::SQLITE_CONSTRAINT_UNIQUE) => Self::Conflict,
            Some(ffi::SQLITE_CONSTRAINT_FOREIGNKEY) => Self::Missing,
            Some(ffi::SQLITE_INTERRUPT) => Self::TooLong,
            _ => Self::Sqlite(error),
        }
    }
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(e) if e.is_unique_violation() => Self::Conflict,
            Some(e) if e.is_foreign_key_violation() => Self::Missing,
            // query_canceled: nothing but statement_timeout cancels ours.
            Some(e) if e.code().as_deref() == Some("57014") => Self::TooLong,
            _ => Self::Postgres(error),
        }
    }
}

impl From<SealError> for DbError {
    fn from(error: SealError) -> Self {
        Self::Corrupt(error.to_string())
    }
}

impl From<serde_json::Error> for DbError {
    fn from(error: serde_json::Error) -> Self {
        Self::Corrupt(error.to_string())
    }
}

/// A database, shared by all requests.
#[derive(Clone, Debug)]
pub struct Db {
    pools: Pools,
    keys: Arc<MasterKeys>,
    /// Whose turn it is to search.
    searches: Arc<Semaphore>,
    /// Counts the changes of configuration that this process made.
    configuration: Arc<AtomicU64>,
}

/// How long what somebody searches for may take; nothing that people wait for at a login may wait for it longer.
pub const SEARCH_LIMIT: Duration = Duration::from_secs(5);

/// How many search at once. Others need connections too, and a processor.
const SEARCHES: usize = 2;

/// Tables that [`crate::catalog`] keeps rows of.
const CONFIGURATION: [&str; 5] = ["clients", "resource_servers", "client_grants", "connections", "settings"];

#[derive(Clone, Debug)]
enum Pools {
    Sqlite {
        /// None in memory: there the writer's connection is the only one.
        read: Option<Readers>,
        write: Writer,
    },
    Postgres(PgPool),
}

static SQLITE_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/store/migrations/sqlite");
static POSTGRES_MIGRATIONS: sqlx::migrate::Migrator = sqlx::migrate!("src/store/migrations/postgres");

impl Db {
    /// Opens (and makes, if need be) the SQLite file at `path`.
    pub async fn sqlite(path: &Path, keys: MasterKeys) -> Result<Self, DbError> {
        let write = Writer::open(path)?;
        let pools = Pools::Sqlite { read: Some(Readers::new(path.to_owned())), write };
        Ok(Self::new(pools, keys))
    }

    /// Makes an empty SQLite database in memory; it lives as long as this value.
    pub async fn memory(keys: MasterKeys) -> Result<Self, DbError> {
        let pools = Pools::Sqlite { read: None, write: Writer::memory()? };
        Ok(Self::new(pools, keys))
    }

    /// Connects to the PostgreSQL database at `url`, with up to `connections` at a time.
    pub async fn postgres(url: &str, connections: u32, keys: MasterKeys) -> Result<Self, DbError> {
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(10))
            .test_before_acquire(false)
            .connect(url)
            .await?;
        Ok(Self::new(Pools::Postgres(pool), keys))
    }

    fn new(pools: Pools, keys: MasterKeys) -> Self {
        let searches = Arc::new(Semaphore::new(SEARCHES));
        Self { pools, keys: Arc::new(keys), searches, configuration: Arc::default() }
    }

    /// Brings the schema up to date. Safe to call from several processes at once.
    pub async fn migrate(&self) -> Result<(), sqlx::migrate::MigrateError> {
        match &self.pools {
            Pools::Sqlite { write, .. } => {
                let refused = |error: DbError| sqlx::migrate::MigrateError::Source(Box::new(error));
                let mut held = write.hold().await.map_err(refused)?;
                migrations::run(held.connection_mut().map_err(refused)?, &SQLITE_MIGRATIONS)?;
                write.sync().await.map_err(refused)
            }
            Pools::Postgres(pool) => POSTGRES_MIGRATIONS.run(pool).await,
        }
    }

    /// Returns which database it is.
    pub fn backend(&self) -> Backend {
        match self.pools {
            Pools::Sqlite { .. } => Backend::Sqlite,
            Pools::Postgres(_) => Backend::Postgres,
        }
    }

    /// Takes a connection for reading. Hold one at a time: a second one in the same task can wait for the first for ever.
    pub async fn read(&self) -> Result<Conn, DbError> {
        let inner = match &self.pools {
            Pools::Sqlite { read: Some(read), .. } => {
                Inner::Sqlite(SqliteConn::Reading(Some(read.hold().await?)))
            }
            Pools::Sqlite { read: None, write } => Inner::Sqlite(SqliteConn::Held(Some(write.hold().await?))),
            Pools::Postgres(pool) => Inner::Postgres(pool.acquire().await?),
        };
        Ok(self.conn(inner))
    }

    /// Takes a connection for a few small reads with nothing but those between them. With SQLite that is the writing one if nobody writes: each
    /// commit empties what the reading ones keep in memory, and never that one's. Until it is dropped nobody writes.
    pub async fn glance(&self) -> Result<Conn, DbError> {
        if let Pools::Sqlite { write, .. } = &self.pools
            && let Some(held) = write.try_hold()?
        {
            return Ok(self.conn(Inner::Sqlite(SqliteConn::Held(Some(held)))));
        }
        self.read().await
    }

    /// Takes a connection for a search that somebody put together: its statements run aside, and no longer than [`SEARCH_LIMIT`] (SQLite: in all,
    /// PostgreSQL: each). Few search at once; the others wait, as long at most.
    #[expect(clippy::disallowed_methods, reason = "the clock of the machine measures how long it takes")]
    pub async fn search(&self) -> Result<Conn, DbError> {
        let until = Instant::now() + SEARCH_LIMIT;
        let turn = tokio::time::timeout(SEARCH_LIMIT, Arc::clone(&self.searches).acquire_owned());
        let turn = turn.await.map_err(|_| DbError::TooLong)?.map_err(|_| DbError::Closed)?;
        let mut conn = match &self.pools {
            Pools::Sqlite { .. } => self.read().await?,
            Pools::Postgres(pool) => {
                let mut tx = pool.begin().await?;
                let milliseconds = SEARCH_LIMIT.as_millis();
                let limit = format!("set local statement_timeout = {milliseconds}");
                tx.execute(sqlx::query(AssertSqlSafe(limit))).await?;
                self.conn(Inner::PostgresTx(tx))
            }
        };
        conn.long = true;
        conn.until = Some(until);
        conn.turn = Some(turn);
        Ok(conn)
    }

    /// Begins a transaction for writing. Dropped without [`Conn::commit`], it is rolled back.
    pub async fn write(&self) -> Result<Conn, DbError> {
        let inner = match &self.pools {
            Pools::Sqlite { write, .. } => Inner::Sqlite(SqliteConn::Tx(write.begin().await?)),
            Pools::Postgres(pool) => Inner::PostgresTx(pool.begin().await?),
        };
        Ok(self.conn(inner))
    }

    fn conn(&self, inner: Inner) -> Conn {
        let changes = Changes { configuration: Arc::clone(&self.configuration), any: false };
        Conn { inner, keys: Arc::clone(&self.keys), changes, long: false, until: None, turn: None }
    }

    /// Returns a number that grows whenever this process has changed clients, APIs, client grants, connections or settings.
    pub fn configuration(&self) -> u64 {
        self.configuration.load(Ordering::SeqCst)
    }

    /// Notes a change of configuration that went past [`Conn`].
    pub(crate) fn configuration_changed(&self) {
        self.configuration.fetch_add(1, Ordering::SeqCst);
    }

    /// Waits for running statements and closes all connections.
    pub async fn close(&self) {
        match &self.pools {
            Pools::Sqlite { read, write } => {
                if let Some(read) = read {
                    read.close().await;
                }
                write.close().await;
            }
            Pools::Postgres(pool) => pool.close().await,
        }
    }

    /// Holds the raw SQLite writer, for copying a whole database (snapshot, backup).
    pub(super) async fn sqlite_writer(&self) -> Result<Option<Held>, DbError> {
        match &self.pools {
            Pools::Sqlite { write, .. } => write.hold().await.map(Some),
            Pools::Postgres(_) => Ok(None),
        }
    }

    /// Makes lasting what was written through [`Self::sqlite_writer`].
    pub(super) async fn sync(&self) -> Result<(), DbError> {
        match &self.pools {
            Pools::Sqlite { write, .. } => write.sync().await,
            Pools::Postgres(_) => Ok(()),
        }
    }
}

/// A connection, or a transaction, of either database.
#[derive(Debug)]
pub struct Conn {
    inner: Inner,
    keys: Arc<MasterKeys>,
    /// After `inner`: what is to be told is told when the change has been made or undone.
    changes: Changes,
    /// Its statements may take long.
    long: bool,
    /// When the search that it is for has taken too long.
    until: Option<Instant>,
    /// Given back after the connection.
    turn: Option<OwnedSemaphorePermit>,
}

/// Tells of changes of configuration, at the latest when dropped: also when a commit was asked and its answer not awaited.
#[derive(Debug)]
struct Changes {
    configuration: Arc<AtomicU64>,
    any: bool,
}

impl Changes {
    fn note(&mut self, sql: &str) {
        self.any |= changed_table(sql).is_some_and(|table| CONFIGURATION.contains(&table));
    }
}

impl Drop for Changes {
    fn drop(&mut self) {
        if self.any {
            self.configuration.fetch_add(1, Ordering::SeqCst);
        }
    }
}

/// Returns the table that a statement of ours changes.
fn changed_table(sql: &str) -> Option<&str> {
    let mut words = sql.split_ascii_whitespace();
    match words.next()? {
        "insert" | "delete" => words.nth(1),
        "update" => words.next(),
        _ => None,
    }
}

#[derive(Debug)]
enum Inner {
    Sqlite(SqliteConn),
    Postgres(PoolConnection<Postgres>),
    PostgresTx(Transaction<'static, Postgres>),
}

impl Inner {
    /// Returns the connection to PostgreSQL, or the one to SQLite.
    fn postgres(&mut self) -> Result<&mut PgConnection, &mut SqliteConn> {
        match self {
            Self::Sqlite(conn) => Err(conn),
            Self::Postgres(conn) => Ok(&mut *conn),
            Self::PostgresTx(tx) => Ok(&mut *tx),
        }
    }
}

impl Conn {
    /// Has the statements that follow run where they hold up nobody else: for what may take longer than some milliseconds.
    pub fn expect_long(&mut self) {
        self.long = true;
    }

    /// Leaves a search a hundredth of a second, for a test of its end.
    #[cfg(test)]
    #[expect(clippy::disallowed_methods, reason = "the clock of the machine measures how long it takes")]
    pub(super) async fn end_search_soon(&mut self) {
        let soon = Duration::from_millis(10);
        self.until = Some(Instant::now() + soon);
        if let Ok(conn) = self.inner.postgres() {
            conn.execute("set local statement_timeout = 10").await.expect("a setting can be set");
        }
    }

    /// Runs a statement and returns how many rows it changed.
    pub async fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, DbError> {
        self.changes.note(sql);
        match self.inner.postgres() {
            Ok(conn) => {
                Ok(conn.execute(value::bind_postgres(sqlx::query(sql), values)).await?.rows_affected())
            }
            Err(conn) => {
                let done = conn.run(Statement::new(sql, values).until(self.until), self.long).await?;
                Ok(done.changed)
            }
        }
    }

    /// Has a statement run whose result nobody asks for: at the latest with the commit, for which SQLite's one writer is waited for then and not
    /// before. A statement that follows sees what it did. If it fails, so does the transaction.
    pub async fn execute_later(&mut self, sql: &'static str, values: Vec<Value>) -> Result<(), DbError> {
        if let Inner::Sqlite(SqliteConn::Tx(tx)) = &mut self.inner {
            self.changes.note(sql);
            tx.execute_later(Statement::new(sql, values));
            return Ok(());
        }
        self.execute(sql, values).await.map(|_| ())
    }

    /// Returns the first row, if there is one.
    pub async fn fetch_optional(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Option<Row>, DbError> {
        self.changes.note(sql);
        match self.inner.postgres() {
            Ok(conn) => {
                let query = value::bind_postgres(sqlx::query(sql), values);
                Ok(conn.fetch_optional(query).await?.map(Row::from))
            }
            Err(conn) => {
                let done = conn.run(Statement::new(sql, values).until(self.until), self.long).await?;
                Ok(done.rows.into_iter().next())
            }
        }
    }

    /// Returns the first row, if there is one, for a change: who else reads it so, or changes it, waits until this transaction ends. On SQLite
    /// transactions that write come one after the other anyway.
    pub(super) async fn fetch_to_change(
        &mut self,
        sql: &'static str,
        values: Vec<Value>,
    ) -> Result<Option<Row>, DbError> {
        match self.inner.postgres() {
            Ok(conn) => {
                // Not `for update`: rows that refer to this one may still be added meanwhile.
                let locking = AssertSqlSafe(format!("{sql} for no key update"));
                let query = value::bind_postgres(sqlx::query(locking), values);
                Ok(conn.fetch_optional(query).await?.map(Row::from))
            }
            Err(_) => self.fetch_optional(sql, values).await,
        }
    }

    /// Returns all rows.
    pub async fn fetch_all(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>, DbError> {
        self.changes.note(sql);
        self.rows(sql.into(), values).await
    }

    /// Returns the rows of a statement put together at run time. For `store/search.rs` only: the text must come from our
    /// own constants, never from a caller; what a caller gave goes into `values`.
    pub(super) async fn fetch_all_built(
        &mut self,
        sql: String,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, DbError> {
        self.expect_long();
        self.rows(sql.into(), values).await
    }

    async fn rows(&mut self, sql: Cow<'static, str>, values: Vec<Value>) -> Result<Vec<Row>, DbError> {
        match self.inner.postgres() {
            Ok(conn) => {
                let query = value::bind_postgres(sqlx::query(AssertSqlSafe(sql.into_owned())), values);
                Ok(conn.fetch_all(query).await?.into_iter().map(Row::from).collect())
            }
            Err(conn) => {
                let done = conn.run(Statement { sql, values, until: self.until }, self.long).await?;
                Ok(done.rows)
            }
        }
    }

    /// Returns the keys that seal secret columns.
    pub fn keys(&self) -> &MasterKeys {
        &self.keys
    }

    /// Makes the transaction's changes lasting.
    pub async fn commit(self) -> Result<(), DbError> {
        let Self { inner, changes: _told_at_the_end, .. } = self;
        match inner {
            Inner::Sqlite(SqliteConn::Tx(tx)) => tx.commit().await,
            Inner::PostgresTx(tx) => Ok(tx.commit().await?),
            Inner::Sqlite(_) | Inner::Postgres(_) => Ok(()),
        }
    }
}

/// A statement with its values.
#[derive(Debug)]
struct Statement {
    sql: Cow<'static, str>,
    values: Vec<Value>,
    /// When it has taken too long.
    until: Option<Instant>,
}

impl Statement {
    fn new(sql: &'static str, values: Vec<Value>) -> Self {
        Self { sql: sql.into(), values, until: None }
    }

    fn until(self, until: Option<Instant>) -> Self {
        Self { until, ..self }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_statement_tells_which_table_it_changes() {
        for (sql, table) in [
            ("insert into clients (client_id) values ($1)", Some("clients")),
            ("update resource_servers set data = $2 where id = $1", Some("resource_servers")),
            ("delete from client_grants where id = $1", Some("client_grants")),
            ("delete from\n sessions where id = $1 returning id", Some("sessions")),
            ("select data from clients where client_id = $1", None),
            ("", None),
        ] {
            assert_eq!(changed_table(sql), table, "{sql}");
        }
    }
}
