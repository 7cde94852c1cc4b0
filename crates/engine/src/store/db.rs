//! The door to the database: SQLite and PostgreSQL behind one small interface.
//!
//! One SQL text with `$n` serves both. Only integers, text and blobs go through: booleans are 0 and 1, times are
//! milliseconds, JSON is text that SQL never looks into. Everything above this file is unaware of which one it is.

mod batch;
mod readers;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use batch::{Batch, Done};
use readers::{Readers, Reading};
use writer::{Held, WriteTx, Writer};

use lockstep_core::crypto::seal::{MasterKeys, SealError};
use lockstep_core::ids;
use lockstep_core::time::Timestamp;
use sqlx::pool::PoolConnection;
use sqlx::postgres::{PgArguments, PgPool, PgPoolOptions, PgRow};
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteConnectOptions, SqliteJournalMode, SqliteRow, SqliteSynchronous};
use sqlx::{AssertSqlSafe, Executor, Postgres, Row as _, Sqlite, Transaction};

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
    /// Anything else.
    #[error(transparent)]
    Sqlx(sqlx::Error),
}

impl From<sqlx::Error> for DbError {
    fn from(error: sqlx::Error) -> Self {
        match error.as_database_error() {
            Some(e) if e.is_unique_violation() => Self::Conflict,
            Some(e) if e.is_foreign_key_violation() => Self::Missing,
            _ => Self::Sqlx(error),
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
    /// Counts the changes of configuration that this process made.
    configuration: Arc<AtomicU64>,
}

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
        let options = sqlite_options(SqliteConnectOptions::new().filename(path).create_if_missing(true))
            .journal_mode(SqliteJournalMode::Wal)
            // An acknowledged write survives a power cut: the writer syncs the log at each commit, and SQLite before a checkpoint.
            .synchronous(SqliteSynchronous::Normal);
        let write = Writer::connect(&options, Some(path)).await?;
        let read = Readers::new(options.read_only(true));
        let pools = Pools::Sqlite { read: Some(read), write };
        Ok(Self { pools, keys: Arc::new(keys), configuration: Arc::default() })
    }

    /// Makes an empty SQLite database in memory; it lives as long as this value.
    pub async fn memory(keys: MasterKeys) -> Result<Self, DbError> {
        let options =
            sqlite_options(SqliteConnectOptions::new().in_memory(true)).synchronous(SqliteSynchronous::Off);
        let pools = Pools::Sqlite { read: None, write: Writer::connect(&options, None).await? };
        Ok(Self { pools, keys: Arc::new(keys), configuration: Arc::default() })
    }

    /// Connects to the PostgreSQL database at `url`, with up to `connections` at a time.
    pub async fn postgres(url: &str, connections: u32, keys: MasterKeys) -> Result<Self, DbError> {
        let pool = PgPoolOptions::new()
            .max_connections(connections)
            .acquire_timeout(Duration::from_secs(10))
            .test_before_acquire(false)
            .connect(url)
            .await?;
        Ok(Self { pools: Pools::Postgres(pool), keys: Arc::new(keys), configuration: Arc::default() })
    }

    /// Brings the schema up to date. Safe to call from several processes at once.
    pub async fn migrate(&self) -> Result<(), sqlx::migrate::MigrateError> {
        match &self.pools {
            Pools::Sqlite { write, .. } => {
                let refused = |error: DbError| sqlx::migrate::MigrateError::Source(Box::new(error));
                let mut held = write.hold().await.map_err(refused)?;
                SQLITE_MIGRATIONS.run(held.connection().map_err(refused)?).await?;
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
            Pools::Sqlite { read: Some(read), .. } => Inner::Sqlite(read.hold().await?),
            Pools::Sqlite { read: None, write } => Inner::SqliteHeld(write.hold().await?),
            Pools::Postgres(pool) => Inner::Postgres(pool.acquire().await?),
        };
        Ok(self.conn(inner))
    }

    /// Begins a transaction for writing. Dropped without [`Conn::commit`], it is rolled back.
    pub async fn write(&self) -> Result<Conn, DbError> {
        let inner = match &self.pools {
            Pools::Sqlite { write, .. } => Inner::SqliteTx(write.begin().await?),
            Pools::Postgres(pool) => Inner::PostgresTx(pool.begin().await?),
        };
        Ok(self.conn(inner))
    }

    fn conn(&self, inner: Inner) -> Conn {
        let changes = Changes { configuration: Arc::clone(&self.configuration), any: false };
        Conn { inner, keys: Arc::clone(&self.keys), changes }
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

fn sqlite_options(options: SqliteConnectOptions) -> SqliteConnectOptions {
    options.foreign_keys(true).busy_timeout(Duration::from_secs(10)).statement_cache_capacity(512)
}

/// A connection, or a transaction, of either database.
#[derive(Debug)]
pub struct Conn {
    inner: Inner,
    keys: Arc<MasterKeys>,
    /// After `inner`: what is to be told is told when the change has been made or undone.
    changes: Changes,
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
    Sqlite(Reading),
    SqliteHeld(Held),
    SqliteTx(WriteTx),
    Postgres(PoolConnection<Postgres>),
    PostgresTx(Transaction<'static, Postgres>),
}

/// Runs a statement on whichever connection it is. A writing transaction of SQLite puts its statements together itself.
macro_rules! on_connection {
    ($self:ident, $sql:expr, $values:expr, |$query:ident, $conn:ident| $body:expr, |$tx:ident| $on_tx:expr) => {
        match &mut $self.inner {
            Inner::Sqlite(c) => {
                let ($query, $conn) = (bind_sqlite(sqlx::query($sql), $values), c.connection()?);
                $body
            }
            Inner::SqliteHeld(c) => {
                let ($query, $conn) = (bind_sqlite(sqlx::query($sql), $values), c.connection()?);
                $body
            }
            Inner::SqliteTx($tx) => $on_tx,
            Inner::Postgres(c) => {
                let ($query, $conn) = (bind_postgres(sqlx::query($sql), $values), &mut **c);
                $body
            }
            Inner::PostgresTx(c) => {
                let ($query, $conn) = (bind_postgres(sqlx::query($sql), $values), &mut **c);
                $body
            }
        }
    };
}

impl Conn {
    /// Runs a statement and returns how many rows it changed.
    pub async fn execute(&mut self, sql: &'static str, values: Vec<Value>) -> Result<u64, DbError> {
        self.changes.note(sql);
        on_connection!(
            self,
            sql,
            values,
            |query, conn| Ok(conn.execute(query).await?.rows_affected()),
            |tx| tx.execute(sql, values).await
        )
    }

    /// Runs several statements and returns how many rows each changed: all of them, whatever the first ones say. SQLite gets them in one turn.
    pub async fn execute_each<const N: usize>(
        &mut self,
        statements: [Statement; N],
    ) -> Result<[u64; N], DbError> {
        statements.iter().for_each(|statement| self.changes.note(statement.sql));
        if let Inner::SqliteTx(tx) = &mut self.inner {
            return Ok(tx.run_each(statements).await?.map(|done| done.changed));
        }
        let mut changed = [0; N];
        for (Statement { sql, values }, changed) in statements.into_iter().zip(&mut changed) {
            *changed = self.execute(sql, values).await?;
        }
        Ok(changed)
    }

    /// Has a statement run whose result nobody asks for: at the latest with the commit, where it costs SQLite no turn of its own. A statement
    /// that follows sees what it did. If it fails, so does the transaction.
    pub async fn execute_later(&mut self, sql: &'static str, values: Vec<Value>) -> Result<(), DbError> {
        if let Inner::SqliteTx(tx) = &mut self.inner {
            self.changes.note(sql);
            tx.execute_later(sql, values);
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
        on_connection!(
            self,
            sql,
            values,
            |query, conn| Ok(conn.fetch_optional(query).await?.map(Row::from)),
            |tx| Ok(tx.fetch_optional(sql, values).await?.map(Row::from))
        )
    }

    /// Returns all rows.
    pub async fn fetch_all(&mut self, sql: &'static str, values: Vec<Value>) -> Result<Vec<Row>, DbError> {
        self.changes.note(sql);
        on_connection!(
            self,
            sql,
            values,
            |query, conn| Ok(conn.fetch_all(query).await?.into_iter().map(Row::from).collect()),
            |tx| Ok(tx.fetch_all(sql, values).await?.into_iter().map(Row::from).collect())
        )
    }

    /// Returns all rows of each of several queries. SQLite gets them in one turn.
    pub async fn fetch_each<const N: usize>(
        &mut self,
        queries: [Statement; N],
    ) -> Result<[Vec<Row>; N], DbError> {
        let of_sqlite = |done: Done| done.rows.into_iter().map(Row::from).collect();
        let connection = match &mut self.inner {
            Inner::SqliteTx(tx) => return Ok(tx.run_each(queries).await?.map(of_sqlite)),
            Inner::Sqlite(reading) => reading.connection()?,
            Inner::SqliteHeld(held) => held.connection()?,
            Inner::Postgres(_) | Inner::PostgresTx(_) => {
                let mut all = [const { Vec::new() }; N];
                for (Statement { sql, values }, rows) in queries.into_iter().zip(&mut all) {
                    *rows = self.fetch_all(sql, values).await?;
                }
                return Ok(all);
            }
        };
        let mut batch = Batch::default();
        batch.extend(queries);
        Ok(batch.run(connection).await?.map(of_sqlite))
    }

    /// Returns the rows of a statement put together at run time. For `store/search.rs` only: the text must come from our
    /// own constants, never from a caller; what a caller gave goes into `values`.
    pub(super) async fn fetch_all_built(
        &mut self,
        sql: String,
        values: Vec<Value>,
    ) -> Result<Vec<Row>, DbError> {
        on_connection!(
            self,
            AssertSqlSafe(sql),
            values,
            |query, conn| Ok(conn.fetch_all(query).await?.into_iter().map(Row::from).collect()),
            |tx| Ok(tx.fetch_all(&sql, values).await?.into_iter().map(Row::from).collect())
        )
    }

    /// Returns the keys that seal secret columns.
    pub fn keys(&self) -> &MasterKeys {
        &self.keys
    }

    /// Makes the transaction's changes lasting.
    pub async fn commit(self) -> Result<(), DbError> {
        let Self { inner, changes: _told_at_the_end, .. } = self;
        match inner {
            Inner::SqliteTx(tx) => tx.commit().await,
            Inner::PostgresTx(tx) => Ok(tx.commit().await?),
            Inner::Sqlite(_) | Inner::SqliteHeld(_) | Inner::Postgres(_) => Ok(()),
        }
    }
}

/// A statement with its values, to be run together with others.
#[derive(Clone, Debug)]
pub struct Statement {
    sql: &'static str,
    values: Vec<Value>,
}

impl Statement {
    /// Returns the statement.
    pub fn new(sql: &'static str, values: Vec<Value>) -> Self {
        Self { sql, values }
    }
}

/// A value on its way into a statement.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// A 64-bit integer, boolean or time, or null.
    Int(Option<i64>),
    /// Text or null.
    Text(Option<String>),
    /// Bytes or null.
    Blob(Option<Vec<u8>>),
}

type SqliteQuery<'q> = Query<'q, Sqlite, SqliteArguments>;
type PostgresQuery<'q> = Query<'q, Postgres, PgArguments>;

fn bind_sqlite(mut query: SqliteQuery<'_>, values: Vec<Value>) -> SqliteQuery<'_> {
    for value in values {
        query = match value {
            Value::Int(v) => query.bind(v),
            Value::Text(v) => query.bind(v),
            Value::Blob(v) => query.bind(v),
        };
    }
    query
}

fn bind_postgres(mut query: PostgresQuery<'_>, values: Vec<Value>) -> PostgresQuery<'_> {
    for value in values {
        query = match value {
            Value::Int(v) => query.bind(v),
            Value::Text(v) => query.bind(v),
            Value::Blob(v) => query.bind(v),
        };
    }
    query
}

/// Something that can go into a statement.
pub trait ToValue {
    /// The null of this type; PostgreSQL wants to know which it is.
    const NULL: Value;
    /// Returns the value.
    fn to_value(&self) -> Value;
}

macro_rules! to_value {
    ($($type:ty: $variant:ident, |$v:ident| $make:expr;)*) => {$(
        impl ToValue for $type {
            const NULL: Value = Value::$variant(None);
            fn to_value(&self) -> Value {
                let $v = self;
                Value::$variant(Some($make))
            }
        }
    )*};
}

to_value! {
    i64: Int, |v| *v;
    u32: Int, |v| i64::from(*v);
    bool: Int, |v| i64::from(*v);
    Timestamp: Int, |v| v.as_millis();
    str: Text, |v| v.to_owned();
    String: Text, |v| v.clone();
    Vec<u8>: Blob, |v| v.clone();
    [u8]: Blob, |v| v.to_vec();
    serde_json::Value: Text, |v| v.to_string();
    ids::UserId: Text, |v| v.as_str().to_owned();
    ids::ClientId: Text, |v| v.as_str().to_owned();
    ids::ConnectionId: Text, |v| v.as_str().to_owned();
    ids::ClientGrantId: Text, |v| v.as_str().to_owned();
    ids::ResourceServerId: Text, |v| v.as_str().to_owned();
    ids::AuthenticatorId: Text, |v| v.as_str().to_owned();
    ids::TicketId: Text, |v| v.as_str().to_owned();
    ids::SessionId: Text, |v| v.as_str().to_owned();
    ids::TransactionId: Text, |v| v.as_str().to_owned();
    ids::ConsentId: Text, |v| v.as_str().to_owned();
    ids::GrantId: Text, |v| v.as_str().to_owned();
    ids::KeyId: Text, |v| v.as_str().to_owned();
    ids::LogId: Text, |v| v.as_str().to_owned();
    ids::MessageId: Text, |v| v.as_str().to_owned();
    ids::RememberedBrowserId: Text, |v| v.as_str().to_owned();
    ids::RoleId: Text, |v| v.as_str().to_owned();
    ids::CredentialId: Text, |v| v.as_str().to_owned();
    ids::DecisionId: Text, |v| v.as_str().to_owned();
}

impl<T: ToValue + ?Sized> ToValue for &T {
    const NULL: Value = T::NULL;
    fn to_value(&self) -> Value {
        (**self).to_value()
    }
}

impl<T: ToValue> ToValue for Option<T> {
    const NULL: Value = T::NULL;
    fn to_value(&self) -> Value {
        self.as_ref().map_or(T::NULL, ToValue::to_value)
    }
}

/// Makes the list of a statement's values: `values![user_id, now, name.as_deref()]`.
#[macro_export]
macro_rules! values {
    ($($value:expr),* $(,)?) => {
        vec![$($crate::store::db::ToValue::to_value(&$value)),*]
    };
}

/// A row of either database.
#[derive(Debug)]
pub struct Row(RowInner);

#[derive(Debug)]
enum RowInner {
    Sqlite(SqliteRow),
    Postgres(PgRow),
}

impl From<SqliteRow> for Row {
    fn from(row: SqliteRow) -> Self {
        Self(RowInner::Sqlite(row))
    }
}

impl From<PgRow> for Row {
    fn from(row: PgRow) -> Self {
        Self(RowInner::Postgres(row))
    }
}

impl Row {
    /// Returns the column of that name.
    pub fn get<T: Column>(&self, column: &'static str) -> Result<T, DbError> {
        T::read(self, column)
    }

    /// Returns a text column parsed as JSON.
    pub fn json<T: serde::de::DeserializeOwned>(&self, column: &'static str) -> Result<T, DbError> {
        let text: String = self.get(column)?;
        serde_json::from_str(&text).map_err(|e| DbError::Corrupt(format!("column {column}: {e}")))
    }
}

/// Something that can come out of a row.
pub trait Column: Sized {
    /// Reads the column.
    fn read(row: &Row, column: &'static str) -> Result<Self, DbError>;
}

macro_rules! column {
    ($($type:ty),*) => {$(
        impl Column for $type {
            fn read(row: &Row, column: &'static str) -> Result<Self, DbError> {
                Ok(match &row.0 {
                    RowInner::Sqlite(r) => r.try_get(column)?,
                    RowInner::Postgres(r) => r.try_get(column)?,
                })
            }
        }
    )*};
}

column!(i64, String, Vec<u8>, Option<i64>, Option<String>, Option<Vec<u8>>);

impl Column for bool {
    fn read(row: &Row, column: &'static str) -> Result<Self, DbError> {
        Ok(row.get::<i64>(column)? != 0)
    }
}

impl Column for Timestamp {
    fn read(row: &Row, column: &'static str) -> Result<Self, DbError> {
        row.get(column).map(Self::from_millis)
    }
}

impl Column for Option<Timestamp> {
    fn read(row: &Row, column: &'static str) -> Result<Self, DbError> {
        Ok(row.get::<Option<i64>>(column)?.map(Timestamp::from_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;

    #[tokio::test]
    async fn of_statements_run_together_each_tells_what_it_changed() {
        let add = |name: &str| {
            let sql = "insert into buckets (name, tokens, updated_at) values ($1, $2, $2)";
            Statement::new(sql, values![name, 1_i64])
        };
        let raise = |name: &str, to: i64| {
            Statement::new(
                "update buckets set tokens = $2 where name = $1 and tokens < $2",
                values![name, to],
            )
        };
        for db in testing::databases().await {
            let mut tx = db.write().await.unwrap();
            tx.execute_later("delete from buckets where tokens > $1", values![7_i64]).await.unwrap();
            assert_eq!(tx.execute_each([add("a"), raise("b", 5), raise("a", 5)]).await.unwrap(), [1, 0, 1]);
            assert_eq!(
                tx.execute_each([raise("a", 5), add("b")]).await.unwrap(),
                [0, 1],
                "whatever came before"
            );
            let _none: [u64; 0] = tx.execute_each([]).await.unwrap();
            tx.commit().await.unwrap();
            let mut tx = db.write().await.unwrap();
            assert!(matches!(tx.execute_each([add("c"), add("a")]).await, Err(DbError::Conflict)));
            drop(tx);
            let mut tx = db.write().await.unwrap();
            assert_eq!(tx.execute_each([raise("c", 5), raise("b", 5)]).await.unwrap(), [0, 1]);
            drop(tx);
            let named = |from: &str| {
                Statement::new("select name from buckets where name >= $1 order by name", values![from])
            };
            for write in [false, true] {
                let mut conn = if write { db.write().await.unwrap() } else { db.read().await.unwrap() };
                let found = conn.fetch_each([named("c"), named("a"), named("b")]).await.unwrap();
                let names = found.map(|rows| {
                    rows.iter().map(|row| row.get::<String>("name").unwrap()).collect::<Vec<_>>().join(" ")
                });
                assert_eq!(names, ["", "a b", "b"]);
            }
        }
    }

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
