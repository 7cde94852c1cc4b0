//! How many there are of many: counting reads an index from end to end, so the answer is kept for a while. What begins with something is
//! counted from milestone to milestone.

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use super::db::{Conn, Db, DbError, Value};
use super::milestones::{Beginning, Milestones};

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
pub struct Counts {
    kept: Mutex<HashMap<String, (Instant, i64)>>,
    milestones: Milestones,
    /// When somebody was last told of a great number.
    great_told: Mutex<Option<Instant>>,
}

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
            self.keep(what, begun, count);
        }
        Ok(count)
    }

    /// Returns how many users there are.
    #[expect(clippy::disallowed_methods, reason = "the clock of the machine measures how old it is")]
    pub async fn of_everybody(&self, conn: &mut Conn) -> Result<i64, DbError> {
        let sql = "select count(*) as n from users";
        if let Some(count) = self.kept(sql) {
            return Ok(count);
        }
        let begun = Instant::now();
        let count = counted(conn, sql.to_owned(), Vec::new()).await?;
        if count > SMALL {
            self.keep(sql.to_owned(), begun, count);
        }
        Ok(count)
    }

    /// Returns how many begin so, up to half a minute ago, if there are milestones among them.
    pub(super) async fn of_beginning(
        &self,
        conn: &mut Conn,
        who: &Beginning,
    ) -> Result<Option<i64>, DbError> {
        let what = format!("{who:?}");
        if let Some(count) = self.kept(&what) {
            return Ok(Some(count));
        }
        let Some((begun, count)) = self.milestones.count(conn, who, KEPT).await? else { return Ok(None) };
        self.keep(what, begun, count);
        Ok(Some(count))
    }

    /// Notes what somebody was told. Who is told of many people looks for one of them.
    #[expect(clippy::disallowed_methods, reason = "the clock of the machine measures how long ago it was")]
    pub(super) fn told(&self, count: i64) {
        if count > SMALL {
            *self.great_told.lock().expect("no code panics while it holds this lock") = Some(Instant::now());
        }
    }

    /// Renews the milestones, if there are many people and somebody looks for one of them; else forgets them. To be called every second or so.
    pub async fn renew(&self, db: &Db) -> Result<(), DbError> {
        let told = *self.great_told.lock().expect("no code panics while it holds this lock");
        match told {
            Some(at) if at.elapsed() < KEPT => self.milestones.renew(db).await,
            _ => {
                self.milestones.forget();
                Ok(())
            }
        }
    }

    /// Returns what has counted nothing yet, and has its milestones `step` users apart.
    #[cfg(test)]
    pub(super) async fn with_milestones(step: i64, db: &Db) -> Self {
        let milestones = Milestones::every(step);
        milestones.renew(db).await.unwrap();
        Self { milestones, ..Self::default() }
    }

    fn kept(&self, what: &str) -> Option<i64> {
        let kept = self.kept.lock().expect("no code panics while it holds this lock");
        kept.get(what).filter(|(at, _)| at.elapsed() < KEPT).map(|(_, count)| *count)
    }

    fn keep(&self, what: String, at: Instant, count: i64) {
        let mut kept = self.kept.lock().expect("no code panics while it holds this lock");
        if kept.len() >= MOST {
            kept.retain(|_, (at, _)| at.elapsed() < KEPT);
        }
        if kept.len() < MOST {
            kept.insert(what, (at, count));
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

    #[tokio::test]
    async fn milestones_are_laid_when_somebody_was_told_of_a_great_number() {
        for db in testing::databases().await {
            let counts = Counts { milestones: Milestones::every(1), ..Counts::default() };
            let mut tx = db.write().await.unwrap();
            for name in ["ann", "ben", "bob"] {
                let id = UserId::parse(format!("auth0|{name}")).unwrap();
                let mut user = User::new(id, "db", SystemClock.now());
                user.email = Some(format!("{name}@a.test"));
                users::create(&mut tx, &user, None).await.unwrap();
            }
            tx.commit().await.unwrap();
            let begins_b = Beginning::new("email_normal", "b".to_owned(), "c".to_owned()).unwrap();
            let mut told = Vec::new();
            for number in [SMALL, SMALL + 1] {
                counts.told(number);
                counts.renew(&db).await.unwrap();
                let mut conn = db.read().await.unwrap();
                told.push(counts.of_beginning(&mut conn, &begins_b).await.unwrap());
            }
            assert_eq!(told, [None, Some(2)]);
            let begins = Beginning::new("email_normal", "a".to_owned(), "c".to_owned()).unwrap();
            *counts.great_told.lock().unwrap() = None;
            counts.renew(&db).await.unwrap();
            let mut conn = db.read().await.unwrap();
            assert!(counts.of_beginning(&mut conn, &begins).await.unwrap().is_none(), "they are forgotten");
        }
    }
}
