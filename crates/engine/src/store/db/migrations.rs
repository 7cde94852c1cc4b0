//! Brings a SQLite database's schema up to date. The migrations, and the table that remembers them, are sqlx's, as on PostgreSQL.

use rusqlite::Connection;
use sqlx::migrate::{MigrateError, Migrator};

use super::DbError;

const TABLE: &str = "create table if not exists _sqlx_migrations (
  version bigint primary key,
  description text not null,
  installed_on timestamp not null default current_timestamp,
  success boolean not null,
  checksum blob not null,
  execution_time bigint not null
)";

/// Runs the migrations that have not been run, all or none.
pub(super) fn run(connection: &mut Connection, migrator: &Migrator) -> Result<(), MigrateError> {
    let failed = |error: rusqlite::Error| MigrateError::Source(Box::new(DbError::from(error)));
    let tx =
        connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate).map_err(failed)?;
    tx.execute_batch(TABLE).map_err(failed)?;
    let mut applied: Vec<(i64, Vec<u8>)> = tx
        .prepare("select version, checksum from _sqlx_migrations order by version")
        .and_then(|mut select| select.query_map([], |row| Ok((row.get(0)?, row.get(1)?)))?.collect())
        .map_err(failed)?;
    for migration in migrator.iter() {
        let version = migration.version;
        match applied.iter().position(|(one, _)| *one == version).map(|at| applied.remove(at)) {
            Some((_, checksum)) if checksum == *migration.checksum => {}
            Some(_) => return Err(MigrateError::VersionMismatch(version)),
            None => {
                tx.execute_batch(migration.sql.as_str()).map_err(failed)?;
                tx.execute(
                    "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
                     values (?1, ?2, true, ?3, 0)",
                    (version, &migration.description, &migration.checksum),
                )
                .map_err(failed)?;
            }
        }
    }
    if let Some((version, _)) = applied.first() {
        return Err(MigrateError::VersionMissing(*version));
    }
    tx.commit().map_err(failed)
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use sqlx::SqlStr;
    use sqlx::migrate::{Migration, MigrationType};

    use super::*;
    use crate::store::db::sqlite;

    fn migrator(migrations: &[(i64, &'static str)]) -> Migrator {
        let migration = |(version, sql): &(i64, &'static str)| {
            let (name, sql) = (Cow::Borrowed("test"), SqlStr::from_static(sql));
            Migration::new(*version, name, MigrationType::Simple, sql, false)
        };
        Migrator { migrations: migrations.iter().map(migration).collect(), ..Migrator::DEFAULT }
    }

    fn tables(connection: &Connection) -> i64 {
        let sql = "select count(*) from sqlite_schema where type = 'table' and name <> '_sqlx_migrations'";
        connection.query_row(sql, [], |row| row.get(0)).unwrap()
    }

    #[test]
    fn each_migration_runs_once_and_one_that_was_changed_or_lost_is_told() {
        let mut connection = sqlite::memory().unwrap();
        let (a, b) = ((1, "create table a (x)"), (2, "create table b (x); insert into b values (1)"));
        run(&mut connection, &migrator(&[a])).unwrap();
        for _ in 0..2 {
            run(&mut connection, &migrator(&[a, b])).unwrap();
            assert_eq!(tables(&connection), 2);
        }
        let changed = run(&mut connection, &migrator(&[(1, "create table a (y)"), b]));
        assert!(matches!(changed, Err(MigrateError::VersionMismatch(1))), "{changed:?}");
        let lost = run(&mut connection, &migrator(&[a]));
        assert!(matches!(lost, Err(MigrateError::VersionMissing(2))), "{lost:?}");
    }

    #[test]
    fn one_that_fails_leaves_nothing_of_any() {
        let mut connection = sqlite::memory().unwrap();
        let bad = migrator(&[(1, "create table a (x)"), (2, "create table b (x); nonsense")]);
        assert!(matches!(run(&mut connection, &bad), Err(MigrateError::Source(_))));
        assert_eq!(tables(&connection), 0);
        run(&mut connection, &migrator(&[(1, "create table a (y)")])).unwrap();
    }
}
