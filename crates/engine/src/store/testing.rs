//! Databases for the store's contract tests: each test runs on SQLite and, when one is at hand, on PostgreSQL.

use std::sync::atomic::{AtomicU32, Ordering};

use lockstep_core::crypto::seal::MasterKeys;
use lockstep_core::random::SystemRng;

use super::db::{Backend, Db};

static NEXT: AtomicU32 = AtomicU32::new(0);

/// Returns an empty database of each kind. PostgreSQL is used when `LOCKSTEP_TEST_POSTGRES` holds the URL of a server on which
/// databases may be made; `bin/test` starts one and sets it.
pub(crate) async fn databases() -> Vec<Db> {
    let mut all = vec![Db::memory(MasterKeys::generate(&mut SystemRng)).await.unwrap()];
    if let Ok(url) = std::env::var("LOCKSTEP_TEST_POSTGRES") {
        all.push(postgres(&url).await);
    }
    for db in &all {
        db.migrate().await.unwrap();
    }
    all
}

async fn postgres(url: &str) -> Db {
    let name = format!("store_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
    let admin = sqlx::PgPool::connect(url).await.unwrap();
    sqlx::query(sqlx::AssertSqlSafe(format!("create database {name}"))).execute(&admin).await.unwrap();
    admin.close().await;
    let mut own = url::Url::parse(url).unwrap();
    own.set_path(&name);
    Db::postgres(own.as_str(), 4, MasterKeys::generate(&mut SystemRng)).await.unwrap()
}

/// Returns whether a statement waits for a row that another transaction has locked. On SQLite none does: the whole transaction waits.
pub(crate) async fn somebody_waits(db: &Db) -> bool {
    if db.backend() == Backend::Sqlite {
        return true;
    }
    let mut conn = db.read().await.unwrap();
    let row = conn.fetch_optional(WAITING, Vec::new()).await.unwrap().unwrap();
    row.get::<i64>("n").unwrap() > 0
}

const WAITING: &str = "select count(*) as n from pg_stat_activity
 where datname = current_database() and wait_event_type = 'Lock'";
