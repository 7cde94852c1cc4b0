//! A connection to SQLite, and what runs on one.
//!
//! Statements run on the thread that asks for them. SQLite answers from memory in some tens of microseconds, which is what handing a question
//! to another thread and its answer back would cost. What may take long runs [`aside`].

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rusqlite::{CachedStatement, OpenFlags};

use super::readers::Reading;
use super::writer::{Held, WriteTx};
use super::{DbError, Row, Statement, Value};

/// How long a connection waits for another process inside SQLite: while files are opened, closed or recovered.
pub(super) const BUSY: Duration = Duration::from_secs(10);

/// How much of the file a connection keeps in memory, at most: a search among a million users reads the same two or three MiB of indexes again
/// and again, which is more than SQLite keeps if it is not told.
const CACHE: i64 = 8 << 20;

/// More than there are different statements in `store/`.
const STATEMENTS: usize = 512;

/// After so many steps of SQLite's machine, some tenths of a millisecond, a statement with an end is asked whether it is over.
const STEPS: i32 = 20_000;

/// From when on a statement is told as a warning: what sqlx does for PostgreSQL.
const SLOW: Duration = Duration::from_secs(1);

/// How a database is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    /// Made, if it is not there, and written.
    Write,
    /// Only read.
    Read,
}

/// Opens the database in a file.
pub(super) fn open(path: &Path, mode: Mode) -> Result<rusqlite::Connection, DbError> {
    let access = match mode {
        Mode::Write => OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE,
        Mode::Read => OpenFlags::SQLITE_OPEN_READ_ONLY,
    };
    let connection = rusqlite::Connection::open_with_flags(path, access | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    let connection = prepared(connection)?;
    if mode == Mode::Write {
        connection.pragma_update(None, "journal_mode", "wal")?;
        // An acknowledged write survives a power cut: the writer syncs the log at each commit, and SQLite before a checkpoint.
        connection.pragma_update(None, "synchronous", "normal")?;
        // `checkpoint.rs` does it.
        connection.pragma_update(None, "wal_autocheckpoint", 0)?;
    }
    Ok(connection)
}

/// Makes an empty database in memory.
pub(super) fn memory() -> Result<rusqlite::Connection, DbError> {
    prepared(rusqlite::Connection::open_in_memory()?)
}

fn prepared(connection: rusqlite::Connection) -> Result<rusqlite::Connection, DbError> {
    connection.busy_timeout(BUSY)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    // Negative: in KiB, not in pages.
    connection.pragma_update(None, "cache_size", -(CACHE >> 10))?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS);
    Ok(connection)
}

/// Runs a statement and returns what it did.
#[expect(clippy::disallowed_methods, reason = "the clock of the machine measures how long it took")]
pub(super) fn run(connection: &rusqlite::Connection, statement: &Statement) -> Result<Done, DbError> {
    let Some(until) = statement.until else { return run_unlimited(connection, statement) };
    connection.progress_handler(STEPS, Some(move || Instant::now() >= until))?;
    let result = run_unlimited(connection, statement);
    connection.progress_handler(0, None::<fn() -> bool>)?;
    result
}

#[expect(clippy::disallowed_methods, reason = "the clock of the machine measures how long it took")]
fn run_unlimited(connection: &rusqlite::Connection, statement: &Statement) -> Result<Done, DbError> {
    let begun = Instant::now();
    let mut prepared = connection.prepare_cached(&statement.sql)?;
    bind(&mut prepared, &statement.values)?;
    let (mut found, mut rows) = (prepared.raw_query(), Vec::new());
    let mut columns = None::<Arc<[String]>>;
    while let Some(row) = found.next()? {
        let columns = columns
            .get_or_insert_with(|| row.as_ref().column_names().into_iter().map(str::to_owned).collect());
        rows.push(Row::of_sqlite(columns, row)?);
    }
    drop(found);
    let (sql, took) = (&*statement.sql, begun.elapsed());
    if took >= SLOW {
        tracing::warn!(sql, ?took, "A statement took long");
    } else {
        tracing::debug!(sql, ?took, "Ran a statement");
    }
    Ok(Done { changed: connection.changes(), rows })
}

/// SQLite takes `$1` for a name, and numbers such names in the order in which they come.
fn bind(prepared: &mut CachedStatement<'_>, values: &[Value]) -> Result<(), DbError> {
    for index in 1..=prepared.parameter_count() {
        let number = prepared.parameter_name(index).and_then(|name| name.get(1..)?.parse::<usize>().ok());
        let value = number
            .and_then(|number| values.get(number.checked_sub(1)?))
            .ok_or(rusqlite::Error::InvalidParameterCount(values.len(), index))?;
        prepared.raw_bind_parameter(index, value)?;
    }
    Ok(())
}

/// What a statement did.
#[derive(Debug)]
pub(super) struct Done {
    /// How many rows it changed, if it was one that changes rows.
    pub(super) changed: u64,
    /// What it returned.
    pub(super) rows: Vec<Row>,
}

/// Does something with `thing` on a thread where it may take long. Not waited for, it is done all the same, and then dropped.
pub(super) async fn aside<T: Send + 'static, R: Send + 'static>(
    thing: &mut Option<T>,
    work: impl FnOnce(&mut T) -> Result<R, DbError> + Send + 'static,
) -> Result<R, DbError> {
    let mut taken = thing.take().ok_or(DbError::Over)?;
    let worked = tokio::task::spawn_blocking(move || {
        let result = work(&mut taken);
        (taken, result)
    });
    // Fails when the work panicked, or the runtime is being shut down.
    let (taken, result) = worked.await.map_err(|_| DbError::Over)?;
    *thing = Some(taken);
    result
}

/// A connection of any of the three kinds, held.
#[derive(Debug)]
pub(super) enum SqliteConn {
    /// For reading.
    Reading(Option<Reading>),
    /// In memory the one connection reads too.
    Held(Option<Held>),
    /// A transaction.
    Tx(WriteTx),
}

impl SqliteConn {
    /// Runs a statement and returns what it did.
    pub(super) async fn run(&mut self, statement: Statement, long: bool) -> Result<Done, DbError> {
        match self {
            Self::Reading(reading) if long => {
                aside(reading, move |reading| run(reading.connection()?, &statement)).await
            }
            Self::Reading(reading) => run(reading.as_ref().ok_or(DbError::Over)?.connection()?, &statement),
            Self::Held(held) if long => aside(held, move |held| run(held.connection()?, &statement)).await,
            Self::Held(held) => run(held.as_ref().ok_or(DbError::Over)?.connection()?, &statement),
            Self::Tx(tx) => tx.run(statement, long).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values;

    fn numbers(connection: &rusqlite::Connection, sql: &'static str, values: Vec<Value>) -> Vec<i64> {
        let done = run(connection, &Statement::new(sql, values)).unwrap();
        done.rows.iter().map(|row| row.get("n").unwrap()).collect()
    }

    #[test]
    fn values_go_where_their_numbers_are_in_whatever_order() {
        let connection = memory().unwrap();
        let sql = "select $2 + 10 * $1 as n union all select $1 as n union all select $3 as n";
        assert_eq!(numbers(&connection, sql, values![1_i64, 2_i64, 3_i64]), [12, 1, 3]);
        for _ in 0..2 {
            let few = run(&connection, &Statement::new(sql, values![1_i64, 2_i64]));
            assert!(matches!(few, Err(DbError::Sqlite(_))), "the third is not there: {few:?}");
        }
        assert_eq!(numbers(&connection, sql, values![4_i64, 5_i64, 6_i64]), [45, 4, 6]);
    }

    #[test]
    fn a_column_of_another_kind_or_none_is_told() {
        let connection = memory().unwrap();
        let select =
            Statement::new("select $1 as a, $2 as b, $3 as c", values!["x", None::<i64>, vec![1_u8]]);
        let row = run(&connection, &select).unwrap().rows.pop().unwrap();
        assert_eq!(row.get::<String>("a").unwrap(), "x");
        assert_eq!(row.get::<Option<String>>("b").unwrap(), None);
        assert_eq!(row.get::<Option<i64>>("b").unwrap(), None);
        assert_eq!(row.get::<Vec<u8>>("c").unwrap(), [1]);
        for wrong in [
            row.get::<i64>("a").err(),
            row.get::<i64>("b").err(),
            row.get::<Option<String>>("c").err(),
            row.get::<String>("d").err(),
        ] {
            assert!(matches!(wrong, Some(DbError::Corrupt(_))), "{wrong:?}");
        }
    }

    #[tokio::test]
    async fn what_runs_aside_comes_back_or_is_dropped_when_it_is_done() {
        let mut thing = Some(vec![1]);
        let seen = aside(&mut thing, |thing| {
            thing.push(2);
            Ok(thing.len())
        });
        assert_eq!(seen.await.unwrap(), 2);
        assert_eq!(thing, Some(vec![1, 2]));
        let (told, dropped) = tokio::sync::oneshot::channel::<()>();
        let mut thing = Some(told);
        drop(Box::pin(aside(&mut thing, |_| Ok(()))));
        assert!(thing.is_some(), "not begun");
        let (go, wait) = std::sync::mpsc::channel::<()>();
        let mut working = Box::pin(aside(&mut thing, move |_| {
            let _gone = wait.recv();
            Ok(())
        }));
        tokio::select! {
            biased;
            _ = &mut working => unreachable!("it waits for us"),
            () = std::future::ready(()) => {}
        }
        drop(working);
        drop(go);
        assert!(dropped.await.is_err(), "dropped with its work");
        assert!(matches!(aside(&mut thing, |_| Ok(())).await, Err(DbError::Over)));
    }

    #[test]
    fn connections_share_no_cache_that_one_lock_guards() {
        let connection = memory().unwrap();
        let option = |name: &str| {
            let sql = "select count(*) from pragma_compile_options where compile_options = $1";
            connection.query_row(sql, [name], |row| row.get::<_, i64>(0)).unwrap()
        };
        assert_eq!(option("THREADSAFE=1"), 1);
        assert_eq!(option("DEFAULT_MEMSTATUS=0"), 1, "set by .cargo/config.toml");
        assert_eq!(option("ENABLE_MEMORY_MANAGEMENT"), 0, "unset by .cargo/config.toml");
    }
}
