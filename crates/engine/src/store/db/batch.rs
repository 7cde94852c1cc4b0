//! Statements that go to SQLite together: each on its own costs a change of threads there and back.

use futures_util::TryStreamExt as _;
use sqlx::sqlite::{SqliteConnection, SqliteRow};
use sqlx::{AssertSqlSafe, Either, Executor as _};

use super::{Statement, Value, bind_sqlite};

/// The statements and their values.
#[derive(Debug, Default)]
pub(super) struct Batch {
    pub(super) sql: String,
    pub(super) values: Vec<Value>,
}

impl Batch {
    pub(super) fn is_empty(&self) -> bool {
        self.sql.is_empty()
    }

    pub(super) fn append(&mut self, other: Self) {
        if !other.is_empty() {
            self.push(&other.sql, other.values);
        }
    }

    /// Adds statements.
    pub(super) fn extend(&mut self, statements: impl IntoIterator<Item = Statement>) {
        for Statement { sql, values } in statements {
            self.push(sql, values);
        }
    }

    /// Adds a statement. Its `$n` become the numbers that its values have in the whole.
    pub(super) fn push(&mut self, sql: &str, values: Vec<Value>) {
        if !self.sql.is_empty() {
            self.sql.push_str(";\n");
        }
        let before = self.values.len();
        let mut parts = sql.split('$');
        self.sql.push_str(parts.next().unwrap_or_default());
        for part in parts {
            let digits = part.bytes().take_while(u8::is_ascii_digit).count();
            let (number, rest) = part.split_at(digits);
            self.sql.push('$');
            match number.parse::<usize>() {
                Ok(number) if before > 0 => self.sql.push_str(&(number + before).to_string()),
                _ => self.sql.push_str(number),
            }
            self.sql.push_str(rest);
        }
        self.values.extend(values);
    }

    /// Runs all of them and returns what the last `N` did.
    pub(super) async fn run<const N: usize>(
        self,
        connection: &mut SqliteConnection,
    ) -> Result<[Done; N], sqlx::Error> {
        let mut last = std::array::from_fn(|_| Done::default());
        let mut rows = Vec::new();
        let mut results =
            connection.fetch_many(bind_sqlite(sqlx::query(AssertSqlSafe(self.sql)), self.values));
        while let Some(result) = results.try_next().await? {
            match result {
                Either::Right(row) => rows.push(row),
                Either::Left(done) => {
                    let rows = std::mem::take(&mut rows);
                    last.rotate_left(N.min(1));
                    if let Some(last) = last.last_mut() {
                        *last = Done { changed: done.rows_affected(), rows };
                    }
                }
            }
        }
        Ok(last)
    }
}

/// What a statement did.
#[derive(Default)]
pub(super) struct Done {
    /// How many rows it changed.
    pub(super) changed: u64,
    /// What it returned.
    pub(super) rows: Vec<SqliteRow>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::values;

    #[test]
    fn statements_sent_together_keep_their_own_values() {
        let mut batch = Batch::default();
        batch.push("begin immediate", vec![]);
        batch.push("update a set x = $2 where id = $1", values![1_i64, "x"]);
        batch.push("insert into b values ($1, $1, $12, 'costs 3 $')", values![2_i64]);
        assert_eq!(
            batch.sql,
            "begin immediate;\nupdate a set x = $2 where id = $1;\ninsert into b values ($3, $3, $14, 'costs 3 $')"
        );
        assert_eq!(batch.values, values![1_i64, "x", 2_i64]);
    }
}
