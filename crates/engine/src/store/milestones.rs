//! Milestones of a column: how many users there are up to each thousandth of its values, in the order of its index.
//!
//! Who types the beginning of a name wants to know how many have it, and types another letter at once. Of a million users that is counted
//! from milestone to milestone; only what lies before the first and after the last one is read.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::db::{Conn, Db, DbError};
use super::search::Filter;
use crate::values;

/// The columns whose beginnings people type. Their indexes have the flags too.
const COLUMNS: [&str; 2] = ["email_normal", "name_normal"];

/// So many users lie between two milestones, and those who have the value of the second one.
const STEP: i64 = 1000;

/// After so long a course is walked again.
const RENEWED: Duration = Duration::from_secs(20);

/// Those whose value of a column begins with something.
#[derive(Clone, Debug)]
pub(super) struct Beginning {
    column: &'static str,
    /// What they begin with: the least that does.
    from: String,
    /// The least that comes after all that do.
    to: String,
    /// Whether their address has to be verified.
    verified: Option<bool>,
    /// Whether they have to be blocked.
    blocked: Option<bool>,
}

impl Beginning {
    /// Returns it, if the column has milestones.
    pub(super) fn new(column: &'static str, from: String, to: String) -> Option<Self> {
        let known = COLUMNS.contains(&column);
        known.then_some(Self { column, from, to, verified: None, blocked: None })
    }

    /// Adds what a flag has to be. None if there is no milestone for that.
    pub(super) fn and(mut self, flag: &str, on: bool) -> Option<Self> {
        let place = match flag {
            "email_verified" => &mut self.verified,
            "blocked" => &mut self.blocked,
            _ => return None,
        };
        (place.replace(on).is_none_or(|before| before == on)).then_some(self)
    }

    /// Writes the condition on the flags.
    fn flags(&self) -> String {
        let flag = |name: &str, on: Option<bool>| {
            on.map_or_else(String::new, |on| format!(" and {name} = {}", u8::from(on)))
        };
        flag("email_verified", self.verified) + &flag("blocked", self.blocked)
    }
}

/// How many users there are: neither verified nor blocked, blocked, verified, both.
#[derive(Clone, Copy, Debug, Default)]
struct Tally([i64; 4]);

impl Tally {
    fn of(self, verified: Option<bool>, blocked: Option<bool>) -> i64 {
        let fits = |n: usize| {
            verified.is_none_or(|on| on == (n & 2 != 0)) && blocked.is_none_or(|on| on == (n & 1 != 0))
        };
        self.0.iter().enumerate().filter(|(n, _)| fits(*n)).map(|(_, count)| count).sum()
    }
}

#[derive(Debug)]
struct Milestone {
    value: String,
    /// How many have this value or one before it.
    passed: Tally,
}

/// The milestones of one column.
#[derive(Debug)]
struct Course {
    begun: Instant,
    milestones: Vec<Milestone>,
}

/// The courses that were walked.
#[derive(Debug)]
pub(super) struct Milestones {
    step: i64,
    courses: Mutex<HashMap<&'static str, Arc<Course>>>,
}

impl Default for Milestones {
    fn default() -> Self {
        Self::every(STEP)
    }
}

impl Milestones {
    /// Returns what has no milestones yet, and will have them `step` users apart.
    pub(super) fn every(step: i64) -> Self {
        Self { step, courses: Mutex::default() }
    }

    /// Counts users, and says since when that may have changed. None where no two milestones younger than `age` lie among them.
    pub(super) async fn count(
        &self,
        conn: &mut Conn,
        who: &Beginning,
        age: Duration,
    ) -> Result<Option<(Instant, i64)>, DbError> {
        let Some(course) = self.course(who.column, age) else { return Ok(None) };
        let place = |value: &str| course.milestones.partition_point(|m| m.value.as_str() < value);
        let [first, .., last] = &course.milestones[place(&who.from)..place(&who.to)] else { return Ok(None) };
        let between = last.passed.of(who.verified, who.blocked) - first.passed.of(who.verified, who.blocked);
        let (column, flags) = (who.column, who.flags());
        let count = format!("(select count(*) from users where {column}");
        let mut rest = Filter::all();
        rest.push(
            "select ",
            &format!("{count} >= ? and {column} <= ?{flags})"),
            values![who.from, first.value],
        );
        rest.push(" + ", &format!("{count} > ? and {column} < ?{flags}) as n"), values![last.value, who.to]);
        let rows = conn.fetch_all_built(rest.sql, rest.values).await?;
        let rest: i64 = rows.first().map_or(Ok(0), |row| row.get("n"))?;
        Ok(Some((course.begun, between + rest)))
    }

    /// Walks the courses again that were walked some time ago, a step at a time, so that nobody waits for it.
    #[expect(clippy::disallowed_methods, reason = "the clock of the machine measures how old it is")]
    pub(super) async fn renew(&self, db: &Db) -> Result<(), DbError> {
        for column in COLUMNS {
            if self.course(column, RENEWED).is_none() {
                let begun = Instant::now();
                let milestones = self.walked(db, column).await?;
                self.lock().insert(column, Arc::new(Course { begun, milestones }));
            }
        }
        Ok(())
    }

    /// Forgets all milestones: they are addresses and names of people.
    pub(super) fn forget(&self) {
        self.lock().clear();
    }

    async fn walked(&self, db: &Db, column: &'static str) -> Result<Vec<Milestone>, DbError> {
        let after = format!("from users where {column} > ?");
        let sql = format!(
            "select max({column}) as value, count(*) filter (where email_verified = 0 and blocked = 0) as n0,
             count(*) filter (where email_verified = 0 and blocked = 1) as n1,
             count(*) filter (where email_verified = 1 and blocked = 0) as n2,
             count(*) filter (where email_verified = 1 and blocked = 1) as n3
             {after} and {column} <= (select {column} {after} order by {column} limit 1 offset ?)"
        );
        let mut course: Vec<Milestone> = Vec::new();
        loop {
            // Those before the first milestone are between no two.
            let (from, mut passed) = course.last().map_or(("", Tally::default()), |m| (&*m.value, m.passed));
            let mut step = Filter::all();
            step.push("", &sql, values![from, from, self.step - 1]);
            let mut conn = db.read().await?;
            // A value that many have makes a long step.
            conn.expect_long();
            let rows = conn.fetch_all_built(step.sql, step.values).await?;
            let Some(row) = rows.first() else { return Ok(course) };
            let Some(value) = row.get("value")? else { return Ok(course) };
            for (n, sum) in ["n0", "n1", "n2", "n3"].into_iter().zip(&mut passed.0) {
                *sum += row.get::<i64>(n)?;
            }
            course.push(Milestone { value, passed });
            tokio::task::yield_now().await;
        }
    }

    fn course(&self, column: &str, age: Duration) -> Option<Arc<Course>> {
        self.lock().get(column).filter(|course| course.begun.elapsed() < age).cloned()
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, HashMap<&'static str, Arc<Course>>> {
        self.courses.lock().expect("no code panics while it holds this lock")
    }
}

#[cfg(test)]
mod tests {
    use lockstep_core::ids::UserId;
    use lockstep_core::model::user::{Profile, User};
    use lockstep_core::search::parse;
    use lockstep_core::time::Timestamp;

    use super::*;
    use crate::store::user_search::{Sought, beginning};
    use crate::store::{testing, users};

    /// Fewer than three of one name, more than a step of another, and names that letters of several bytes order.
    const NAMES: [&str; 16] = [
        "Ana",
        "Ana",
        "Anaïs",
        "Andrea",
        "Anna",
        "Ben",
        "Ben",
        "Ben",
        "Ben",
        "Ben",
        "Bengt",
        "Zoe",
        "Zoë",
        "Øde",
        "Øyvind",
        "\u{1f600}",
    ];

    async fn create(conn: &mut Conn, n: usize, name: &str) {
        let id = UserId::parse(format!("auth0|{n}")).unwrap();
        let user = User {
            profile: Profile { name: Some(name.to_owned()), ..Profile::default() },
            email_verified: n.is_multiple_of(2),
            blocked: n.is_multiple_of(3),
            ..User::new(id, "db", Timestamp::from_millis(n as i64))
        };
        users::create(conn, &user, None).await.unwrap();
    }

    fn whom(q: &str) -> Option<Beginning> {
        beginning(&Sought::new(&parse(q).unwrap().unwrap()).unwrap().terms)
    }

    async fn count(milestones: &Milestones, conn: &mut Conn, q: &str) -> Option<i64> {
        let who = whom(q).unwrap();
        milestones.count(conn, &who, Duration::MAX).await.unwrap().map(|(_, count)| count)
    }

    #[tokio::test]
    async fn from_milestone_to_milestone_as_many_are_counted_as_one_by_one() {
        for db in testing::databases().await {
            let mut tx = db.write().await.unwrap();
            for (n, name) in NAMES.iter().enumerate() {
                create(&mut tx, n, name).await;
            }
            tx.commit().await.unwrap();
            let mut counted = 0;
            for step in 1..=5 {
                let milestones = Milestones::every(step);
                milestones.renew(&db).await.unwrap();
                let mut conn = db.read().await.unwrap();
                for start in ["a", "AN", "ana", "b", "ben", "beng", "zo", "ø", "\u{1f600}"] {
                    for (flags, fits) in [
                        ("", (|_| true) as fn(usize) -> bool),
                        (" AND email_verified:true", |n| n.is_multiple_of(2)),
                        (" AND blocked:false", |n| !n.is_multiple_of(3)),
                        (" AND blocked:true AND email_verified:false", |n| {
                            n.is_multiple_of(3) && !n.is_multiple_of(2)
                        }),
                    ] {
                        let q = format!("name:{start}*{flags}");
                        let begins = |name: &str| name.to_lowercase().starts_with(&start.to_lowercase());
                        let who = NAMES.iter().enumerate().filter(|(n, name)| fits(*n) && begins(name));
                        if let Some(count) = count(&milestones, &mut conn, &q).await {
                            assert_eq!(count, who.count() as i64, "{q}, every {step}");
                            counted += 1;
                        }
                    }
                }
            }
            assert!(counted > 30, "{counted} were counted with milestones");
        }
    }

    #[tokio::test]
    async fn what_came_between_two_is_counted_when_the_course_is_walked_again() {
        for db in testing::databases().await {
            let mut tx = db.write().await.unwrap();
            for n in 0..9 {
                create(&mut tx, n, &format!("Ana {n}")).await;
            }
            tx.commit().await.unwrap();
            let (before, after) = (Milestones::every(3), Milestones::every(3));
            before.renew(&db).await.unwrap();
            let mut tx = db.write().await.unwrap();
            create(&mut tx, 9, "Ana 4").await;
            create(&mut tx, 10, "Ana 9").await;
            tx.commit().await.unwrap();
            before.renew(&db).await.unwrap();
            after.renew(&db).await.unwrap();
            let mut conn = db.read().await.unwrap();
            assert_eq!(
                count(&before, &mut conn, "name:ana*").await,
                Some(10),
                "it is not old enough to be renewed"
            );
            assert_eq!(count(&after, &mut conn, "name:ana*").await, Some(11));
            let who = whom("name:ana*").unwrap();
            assert!(
                after.count(&mut conn, &who, Duration::ZERO).await.unwrap().is_none(),
                "it is too old to count"
            );
        }
    }

    #[test]
    fn milestones_are_for_beginnings_of_names_and_addresses_with_flags() {
        for q in ["name:An*", "email:an*", "blocked:false AND name:an*"] {
            assert!(whom(q).is_some(), "{q}");
        }
        for q in [
            "name:Ana",
            "name:*ana*",
            "nickname:an*",
            "name:an* OR email:an*",
            "name:an* AND email:an*",
            "name:an* AND phone_verified:true",
            "name:an* AND NOT blocked:true",
            "name:an* AND blocked:true AND blocked:false",
            "name:an* AND _exists_:blocked",
            "blocked:true",
        ] {
            assert!(whom(q).is_none(), "{q}");
        }
    }
}
