//! Copies of a whole SQLite database: snapshots for the twin, beside the tables themselves, and backups in a file.
//!
//! The copies live in a second, attached database of the one writing connection: in memory, they go when the twin stops.

use rusqlite::{Connection, OptionalExtension as _, Transaction, TransactionBehavior};

use super::db::{Db, DbError};

/// Why a snapshot cannot be taken or restored.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// There is none of that name.
    #[error("there is no snapshot {0:?}")]
    Unknown(String),
    /// The name is not one.
    #[error("a snapshot's name has 1 to 32 characters of a-z, 0-9 and -; {0:?} does not")]
    Name(String),
    /// The database is not SQLite.
    #[error("only SQLite databases have snapshots")]
    Backend,
    /// The name of a file that SQLite cannot take.
    #[error("{0:?} is not UTF-8")]
    Path(std::path::PathBuf),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<rusqlite::Error> for SnapshotError {
    fn from(error: rusqlite::Error) -> Self {
        Self::Db(DbError::from(error))
    }
}

/// Copies all tables, in one step.
pub async fn take(db: &Db, name: &str) -> Result<(), SnapshotError> {
    let name = checked(name)?;
    let mut held = db.sqlite_writer().await?.ok_or(SnapshotError::Backend)?;
    copy(held.connection_mut()?, name)
}

/// Puts all rows back, in one step.
pub async fn restore(db: &Db, name: &str) -> Result<(), SnapshotError> {
    let name = checked(name)?;
    let mut held = db.sqlite_writer().await?.ok_or(SnapshotError::Backend)?;
    let done = put_back(held.connection_mut()?, name);
    drop(held);
    db.configuration_changed();
    done?;
    Ok(db.sync().await?)
}

/// Writes the whole database as it is now into another file, which has to be empty or not there. Whoever else has the database open,
/// this process or another, may write meanwhile.
pub async fn copy_to(db: &Db, file: &std::path::Path) -> Result<(), SnapshotError> {
    let file = file.to_str().ok_or_else(|| SnapshotError::Path(file.to_owned()))?.to_owned();
    let held = db.sqlite_writer().await?.ok_or(SnapshotError::Backend)?;
    let work = move || held.connection()?.execute("vacuum main into ?1", [file]).map_err(DbError::from);
    let done = tokio::task::spawn_blocking(work).await;
    done.map_err(|_| DbError::Closed)??;
    Ok(())
}

fn copy(conn: &mut Connection, name: &str) -> Result<(), SnapshotError> {
    let tx = begin(conn)?;
    for table in tables(&tx)? {
        let copy = format!("snapshots.\"{name}/{table}\"");
        tx.execute_batch(&format!("drop table if exists {copy}"))?;
        tx.execute_batch(&format!("create table {copy} as select * from main.\"{table}\""))?;
    }
    Ok(tx.commit()?)
}

fn put_back(conn: &mut Connection, name: &str) -> Result<(), SnapshotError> {
    let tx = begin(conn)?;
    let sql = "select 1 from snapshots.sqlite_schema where name = ?1";
    let known = tx.query_row(sql, [format!("{name}/meta")], |_| Ok(())).optional()?;
    if known.is_none() {
        return Err(SnapshotError::Unknown(name.to_owned()));
    }
    // References are checked at the commit, so the order of the tables does not matter; but deleting must not cascade into rows
    // that were put back already, so all deleting comes first.
    tx.execute_batch("pragma defer_foreign_keys = on")?;
    let tables = tables(&tx)?;
    for table in &tables {
        tx.execute_batch(&format!("delete from main.\"{table}\""))?;
    }
    for table in &tables {
        let copy = format!("snapshots.\"{name}/{table}\"");
        tx.execute_batch(&format!("insert into main.\"{table}\" select * from {copy}"))?;
    }
    Ok(tx.commit()?)
}

fn checked(name: &str) -> Result<&str, SnapshotError> {
    let fits = (1..=32).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits { Ok(name) } else { Err(SnapshotError::Name(name.to_owned())) }
}

/// Begins a transaction beside which the copies' database is attached.
fn begin(conn: &mut Connection) -> Result<Transaction<'_>, SnapshotError> {
    let sql = "select 1 from pragma_database_list where name = 'snapshots'";
    if conn.query_row(sql, [], |_| Ok(())).optional()?.is_none() {
        conn.execute_batch("attach database ':memory:' as snapshots")?;
    }
    Ok(conn.transaction_with_behavior(TransactionBehavior::Immediate)?)
}

/// Returns our own tables' names.
fn tables(tx: &Transaction<'_>) -> Result<Vec<String>, SnapshotError> {
    let mut select = tx.prepare(
        "select name from main.sqlite_schema where type = 'table' and name not like 'sqlite!_%' escape '!'
         and name <> '_sqlx_migrations'",
    )?;
    let names = select.query_map([], |row| row.get(0))?.collect::<Result<_, _>>()?;
    Ok(names)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::app::new_master_keys;
    use crate::store::meta;

    async fn names(db: &Db) -> (bool, bool) {
        let mut conn = db.read().await.unwrap();
        (
            meta::find(&mut conn, "a").await.unwrap().is_some(),
            meta::find(&mut conn, "b").await.unwrap().is_some(),
        )
    }

    async fn add(db: &Db, name: &str) {
        let mut tx = db.write().await.unwrap();
        meta::create(&mut tx, name, "1").await.unwrap();
        tx.commit().await.unwrap();
    }

    #[tokio::test]
    async fn a_copy_has_what_the_database_had_and_replaces_no_file() {
        let db = Db::memory(new_master_keys()).await.unwrap();
        db.migrate().await.unwrap();
        add(&db, "a").await;
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("copy.db");
        copy_to(&db, &file).await.unwrap();
        add(&db, "b").await;
        assert!(copy_to(&db, &file).await.is_err(), "there is one already");
        assert!(copy_to(&db, &folder.path().join("nowhere/copy.db")).await.is_err());
        let copy = Db::sqlite(&file, new_master_keys()).await.unwrap();
        assert_eq!(names(&copy).await, (true, false));
        copy.close().await;
    }

    #[tokio::test]
    async fn a_restored_snapshot_has_what_it_had_and_nothing_else() {
        let db = Db::memory(new_master_keys()).await.unwrap();
        db.migrate().await.unwrap();
        take(&db, "empty").await.unwrap();
        add(&db, "a").await;
        take(&db, "one").await.unwrap();
        add(&db, "b").await;
        restore(&db, "one").await.unwrap();
        assert_eq!(names(&db).await, (true, false));
        restore(&db, "empty").await.unwrap();
        assert_eq!(names(&db).await, (false, false));
        restore(&db, "one").await.unwrap();
        assert_eq!(names(&db).await, (true, false));
        take(&db, "empty").await.unwrap();
        restore(&db, "empty").await.unwrap();
        assert_eq!(names(&db).await, (true, false), "a snapshot of the same name is replaced");
    }

    #[tokio::test]
    async fn an_unknown_or_odd_name_changes_nothing() {
        let db = Db::memory(new_master_keys()).await.unwrap();
        db.migrate().await.unwrap();
        add(&db, "a").await;
        assert!(matches!(restore(&db, "gone").await, Err(SnapshotError::Unknown(_))));
        for odd in ["", "A", "a\"b", "a/b", &"x".repeat(33)] {
            assert!(matches!(restore(&db, odd).await, Err(SnapshotError::Name(_))), "{odd}");
            assert!(matches!(take(&db, odd).await, Err(SnapshotError::Name(_))), "{odd}");
        }
        assert_eq!(names(&db).await, (true, false));
    }
}
