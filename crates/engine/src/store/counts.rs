//! How many there are of many: counting reads an index from end to end, so the answer is kept for a while.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::db::{Conn, DbError, Value};

/// Of no more users than these everything is counted each time; that takes a millisecond.
const SMALL: i64 = 10_000;

/// Of more users, what is found up to so many times is counted each time: as many as a search lets through, page by page.
const SHOWN: i64 = 1000;

/// Of more users, what took longer to count is kept too: the few of a search that reads them all.
const SLOW: Duration = Duration::from_millis(10);

/// How long a count is kept.
const KEPT: Duration = Duration::from_secs(30);

/// So many are kept.
const MOST: usize = 1000;

/// What was counted in the last half minute.
#[derive(Debug, Default)]
pub struct Counts(Mutex<HashMap<String, (Instant, i64)>>);

impl Counts {
    /// Returns the number that a statement counts as `n`; where there are many, how many there were up to half a minute ago.
    #[expect(clippy::disallowed_methods, reason = "the clock of the machine measures how long it takes")]
    pub(super) async fn of(&self, conn: &mut Conn, sql: String, values: Vec<Value>) -> Result<i64, DbError> {
        let what = format!("{sql} {values:?}");
        if let Some(count) = self.kept(&what) {
            return Ok(count);
        }
        let begun = Instant::now();
        let count = counted(conn, sql, values).await?;
        let dear = count > SHOWN || begun.elapsed() > SLOW;
        if count > SMALL || dear && self.of_everybody(conn).await? > SMALL {
            self.keep(what, count);
        }
        Ok(count)
    }

    /// Returns how many users there are.
    pub async fn of_everybody(&self, conn: &mut Conn) -> Result<i64, DbError> {
        let sql = "select count(*) as n from users";
        if let Some(count) = self.kept(sql) {
            return Ok(count);
        }
        let count = counted(conn, sql.to_owned(), Vec::new()).await?;
        if count > SMALL {
            self.keep(sql.to_owned(), count);
        }
        Ok(count)
    }

    fn kept(&self, what: &str) -> Option<i64> {
        let kept = self.0.lock().expect("no code panics while it holds this lock");
        kept.get(what).filter(|(at, _)| at.elapsed() < KEPT).map(|(_, count)| *count)
    }

    #[expect(clippy::disallowed_methods, reason = "the clock of the machine measures how old it is")]
    fn keep(&self, what: String, count: i64) {
        let mut kept = self.0.lock().expect("no code panics while it holds this lock");
        if kept.len() >= MOST {
            kept.retain(|_, (at, _)| at.elapsed() < KEPT);
        }
        if kept.len() < MOST {
            kept.insert(what, (Instant::now(), count));
        }
    }
}

async fn counted(conn: &mut Conn, sql: String, values: Vec<Value>) -> Result<i64, DbError> {
    let rows = conn.fetch_all_built(sql, values).await?;
    rows.first().map_or(Ok(0), |row| row.get("n"))
}

#[cfg(test)]
mod tests {
    use lockstep_core::ids::UserId;
    use lockstep_core::model::user::User;
    use lockstep_core::random::SystemRng;
    use lockstep_core::time::{Clock as _, SystemClock};

    use super::*;
    use crate::store::{testing, users};

    #[tokio::test]
    async fn a_great_number_is_kept_and_a_small_one_is_counted_each_time() {
        let great = "select 10000 + count(*) as n from users";
        let small = "select count(*) as n from users";
        for db in testing::databases().await {
            let counts = Counts::default();
            let mut numbers = Vec::new();
            for _ in 0..3 {
                let mut tx = db.write().await.unwrap();
                let user = User::new(UserId::new(&mut SystemRng), "db", SystemClock.now());
                users::create(&mut tx, &user, None).await.unwrap();
                let great = counts.of(&mut tx, great.to_owned(), vec![]).await.unwrap();
                let small = counts.of(&mut tx, small.to_owned(), vec![]).await.unwrap();
                numbers.push((great, small, counts.of_everybody(&mut tx).await.unwrap()));
                tx.commit().await.unwrap();
            }
            assert_eq!(numbers, [(10_001, 1, 1), (10_001, 2, 2), (10_001, 3, 3)]);
        }
    }
}
