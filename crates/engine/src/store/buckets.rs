//! Token buckets: how much of a budget is left. One statement counts, so that parallel requests cannot share a token.

use lockstep_core::time::{Span, Timestamp};

use super::db::{Conn, DbError};
use crate::values;

/// A budget: so many at once, then one more each `refill`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    /// How many may come at once.
    pub burst: i64,
    /// How long it takes for one more.
    pub refill: Span,
}

impl Budget {
    /// Returns the budget of `burst` at once and one more each `refill`.
    pub const fn new(burst: i64, refill: Span) -> Self {
        Self { burst, refill }
    }
}

/// Takes one token from the bucket of that name; returns false when it is empty.
///
/// Stored is not a count but the moment from which the bucket is full again ("theoretical arrival time"), which one comparison
/// and one addition keep right on both databases.
pub async fn take(conn: &mut Conn, name: &str, budget: Budget, now: Timestamp) -> Result<bool, DbError> {
    Ok(take_one(conn, name, budget, now).await?.is_some())
}

/// Takes one token and returns how many are left; none when the bucket is empty. Of requests at once, one gets the last.
pub async fn take_one(
    conn: &mut Conn,
    name: &str,
    budget: Budget,
    now: Timestamp,
) -> Result<Option<i64>, DbError> {
    let refill = budget.refill.as_millis();
    let capacity = refill.saturating_mul(budget.burst);
    let values = values![name, now, refill, now.as_millis() + capacity];
    let Some(row) = conn.fetch_optional(TAKE, values).await? else { return Ok(None) };
    Ok(Some(in_bucket(row.get("tokens")?, budget, now)))
}

/// Gives back a token that was taken for nothing.
pub async fn give_back(conn: &mut Conn, name: &str, budget: Budget) -> Result<(), DbError> {
    let sql = "update buckets set tokens = tokens - $2 where name = $1";
    conn.execute_later(sql, values![name, budget.refill.as_millis()]).await
}

/// Returns whether a token is left, without taking it.
pub async fn has(conn: &mut Conn, name: &str, budget: Budget, now: Timestamp) -> Result<bool, DbError> {
    Ok(left(conn, name, budget, now).await? > 0)
}

/// Returns how many tokens are left.
pub async fn left(conn: &mut Conn, name: &str, budget: Budget, now: Timestamp) -> Result<i64, DbError> {
    let row = conn.fetch_optional("select tokens from buckets where name = $1", values![name]).await?;
    let Some(row) = row else { return Ok(budget.burst) };
    Ok(in_bucket(row.get("tokens")?, budget, now))
}

/// Returns how many tokens a bucket has that will be full again at `full_at`.
fn in_bucket(full_at: i64, budget: Budget, now: Timestamp) -> i64 {
    let owed = full_at.saturating_sub(now.as_millis()).max(0);
    let refill = budget.refill.as_millis().max(1);
    (refill.saturating_mul(budget.burst).saturating_sub(owed) / refill).max(0)
}

/// Returns the names of the buckets with this prefix that are empty.
pub async fn list_empty(
    conn: &mut Conn,
    prefix: &str,
    budget: Budget,
    now: Timestamp,
) -> Result<Vec<String>, DbError> {
    let refill = budget.refill.as_millis();
    // As in `take`: another token would lead beyond what the bucket holds.
    let latest = now.as_millis() + refill.saturating_mul(budget.burst) - refill;
    conn.fetch_all(LIST_EMPTY, values![prefix, latest]).await?.iter().map(|row| row.get("name")).collect()
}

/// Fills a bucket again.
pub async fn reset(conn: &mut Conn, name: &str) -> Result<(), DbError> {
    conn.execute_later("delete from buckets where name = $1", values![name]).await
}

/// Fills again all buckets whose name begins with `prefix`.
pub async fn reset_all(conn: &mut Conn, prefix: &str) -> Result<u64, DbError> {
    let length = i64::try_from(prefix.chars().count()).unwrap_or(i64::MAX);
    conn.execute(
        "delete from buckets where substr(name, 1, cast($2 as integer)) = $1",
        values![prefix, length],
    )
    .await
}

/// Removes buckets that are full again.
pub async fn delete_full(conn: &mut Conn, now: Timestamp) -> Result<u64, DbError> {
    conn.execute("delete from buckets where tokens <= $1", values![now]).await
}

const LIST_EMPTY: &str =
    "select name from buckets where substr(name, 1, length($1)) = $1 and tokens > $2 order by name";
const TAKE: &str = "insert into buckets (name, tokens, updated_at) values ($1, $2 + $3, $2)
 on conflict (name) do update set
  tokens = case when buckets.tokens > $2 then buckets.tokens else $2 end + $3, updated_at = $2
 where case when buckets.tokens > $2 then buckets.tokens else $2 end + $3 <= $4
 returning tokens";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::testing;

    const TEN_PER_HOUR: Budget = Budget::new(10, Span::minutes(6));

    #[tokio::test]
    async fn a_bucket_gives_its_burst_and_then_one_each_refill() {
        for db in testing::databases().await {
            let mut conn = db.write().await.unwrap();
            let mut now = Timestamp::from_secs(1_000_000);
            for n in 0..10 {
                assert!(take(&mut conn, "otp:ana", TEN_PER_HOUR, now).await.unwrap(), "{n}");
            }
            assert!(!has(&mut conn, "otp:ana", TEN_PER_HOUR, now).await.unwrap());
            for left in [Some(9), Some(8)] {
                assert_eq!(take_one(&mut conn, "otp:dee", TEN_PER_HOUR, now).await.unwrap(), left);
            }
            assert_eq!(take_one(&mut conn, "otp:ana", TEN_PER_HOUR, now).await.unwrap(), None);
            assert_eq!(left(&mut conn, "otp:ana", TEN_PER_HOUR, now).await.unwrap(), 0);
            let soon = now + Span::minutes(13);
            assert_eq!(left(&mut conn, "otp:ana", TEN_PER_HOUR, soon).await.unwrap(), 2);
            assert_eq!(left(&mut conn, "otp:new", TEN_PER_HOUR, now).await.unwrap(), 10);
            take(&mut conn, "otp:ann", TEN_PER_HOUR, now).await.unwrap();
            assert_eq!(list_empty(&mut conn, "otp:an", TEN_PER_HOUR, now).await.unwrap(), ["otp:ana"]);
            assert!(!take(&mut conn, "otp:ana", TEN_PER_HOUR, now).await.unwrap());
            assert!(
                take(&mut conn, "otp:ben", TEN_PER_HOUR, now).await.unwrap(),
                "changing A leaves B alone"
            );
            now = now + Span::minutes(6);
            assert!(has(&mut conn, "otp:ana", TEN_PER_HOUR, now).await.unwrap());
            assert!(take(&mut conn, "otp:ana", TEN_PER_HOUR, now).await.unwrap());
            assert!(!take(&mut conn, "otp:ana", TEN_PER_HOUR, now).await.unwrap());
            reset(&mut conn, "otp:ana").await.unwrap();
            assert!(take(&mut conn, "otp:ana", TEN_PER_HOUR, now).await.unwrap());
        }
    }

    #[tokio::test]
    async fn buckets_are_reset_by_prefix_and_not_by_pattern() {
        for db in testing::databases().await {
            let mut conn = db.write().await.unwrap();
            let now = Timestamp::from_secs(1_000_000);
            for name in ["login:a%", "login:ab", "other:a"] {
                take(&mut conn, name, TEN_PER_HOUR, now).await.unwrap();
            }
            assert_eq!(reset_all(&mut conn, "login:a%").await.unwrap(), 1);
            assert_eq!(reset_all(&mut conn, "login:").await.unwrap(), 1);
        }
    }
}
