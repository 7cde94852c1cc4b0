//! How many users there are, for lists of all of them.

use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::store::db::{Conn, DbError};
use crate::store::user_search;

/// Up to so many are counted each time; that takes a millisecond.
const SMALL: i64 = 10_000;

/// How long the number of more than that is kept: counting reads an index from end to end.
const KEPT: Duration = Duration::from_secs(30);

/// The number of users, as it was counted last.
#[derive(Debug, Default)]
pub struct UserCount(Mutex<Option<(Instant, i64)>>);

impl UserCount {
    /// Returns how many users there are; of more than [`SMALL`], how many there were up to half a minute ago.
    #[expect(clippy::disallowed_methods, reason = "the clock of the machine measures how old it is")]
    pub async fn load(&self, conn: &mut Conn) -> Result<i64, DbError> {
        let now = Instant::now();
        let kept = *self.0.lock().expect("no code panics while it holds this lock");
        if let Some((at, count)) = kept
            && count > SMALL
            && now.duration_since(at) < KEPT
        {
            return Ok(count);
        }
        let count = user_search::count_everybody(conn).await?;
        *self.0.lock().expect("no code panics while it holds this lock") = Some((now, count));
        Ok(count)
    }
}
