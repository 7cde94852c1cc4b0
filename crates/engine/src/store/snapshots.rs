//! Snapshots of a whole SQLite database, for the twin: copies of all tables beside the tables themselves.
//!
//! The copies live in a second, attached database of the one writing connection: in memory, they go when the twin stops.

use sqlx::{AssertSqlSafe, Connection as _, Executor as _, Row as _, SqliteConnection};

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
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<sqlx::Error> for SnapshotError {
    fn from(error: sqlx::Error) -> Self {
        Self::Db(DbError::from(error))
    }
}

/// Copies all tables, in one step.
pub async fn take(db: &Db, name: &str) -> Result<(), SnapshotError> {
    let name = checked(name)?;
    let mut held = db.sqlite_writer().await?.ok_or(SnapshotError::Backend)?;
    let conn = held.connection()?;
    attach(conn).await?;
    let tables = tables(conn).await?;
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    for table in tables {
        let copy = format!("snapshots.\"{name}/{table}\"");
        run(&mut tx, format!("drop table if exists {copy}")).await?;
        run(&mut tx, format!("create table {copy} as select * from main.\"{table}\"")).await?;
    }
    Ok(tx.commit().await?)
}

/// Puts all rows back, in one step.
pub async fn restore(db: &Db, name: &str) -> Result<(), SnapshotError> {
    let name = checked(name)?;
    let mut held = db.sqlite_writer().await?.ok_or(SnapshotError::Backend)?;
    let conn = held.connection()?;
    attach(conn).await?;
    let tables = tables(conn).await?;
    let mut tx = conn.begin_with("BEGIN IMMEDIATE").await?;
    let known = sqlx::query("select count(*) as n from snapshots.sqlite_schema where name = $1")
        .bind(format!("{name}/meta"))
        .fetch_one(&mut *tx)
        .await?;
    if known.get::<i64, _>("n") == 0 {
        return Err(SnapshotError::Unknown(name.to_owned()));
    }
    // References are checked at the commit, so the order of the tables does not matter; but deleting must not cascade into rows
    // that were put back already, so all deleting comes first.
    run(&mut tx, "pragma defer_foreign_keys = on".to_owned()).await?;
    for table in &tables {
        run(&mut tx, format!("delete from main.\"{table}\"")).await?;
    }
    for table in &tables {
        run(&mut tx, format!("insert into main.\"{table}\" select * from snapshots.\"{name}/{table}\""))
            .await?;
    }
    let done = tx.commit().await;
    db.configuration_changed();
    done?;
    Ok(db.sync().await?)
}

fn checked(name: &str) -> Result<&str, SnapshotError> {
    let fits = (1..=32).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    if fits { Ok(name) } else { Err(SnapshotError::Name(name.to_owned())) }
}

async fn attach(conn: &mut SqliteConnection) -> Result<(), SnapshotError> {
    let attached = sqlx::query("pragma database_list").fetch_all(&mut *conn).await?;
    if !attached.iter().any(|row| row.get::<String, _>("name") == "snapshots") {
        run(conn, "attach database ':memory:' as snapshots".to_owned()).await?;
    }
    Ok(())
}

async fn tables(conn: &mut SqliteConnection) -> Result<Vec<String>, SnapshotError> {
    let rows = sqlx::query(
        "select name from main.sqlite_schema where type = 'table' and name not like 'sqlite!_%' escape '!'
         and name <> '_sqlx_migrations'",
    )
    .fetch_all(conn)
    .await?;
    Ok(rows.iter().map(|row| row.get("name")).collect())
}

/// Runs a statement made of our own table names and a checked snapshot name.
async fn run(conn: &mut SqliteConnection, sql: String) -> Result<(), SnapshotError> {
    conn.execute(sqlx::raw_sql(AssertSqlSafe(sql))).await?;
    Ok(())
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
