//! All sealed columns together: sealed anew when the master key has changed.

use super::db::{Conn, DbError};
use crate::values;

/// A column whose values are sealed for `table:column:key of the row`.
#[derive(Debug)]
pub struct Column {
    /// `table:column`.
    pub place: &'static str,
    list: &'static str,
    save: &'static str,
}

macro_rules! column {
    ($table:literal, $key:literal, $column:literal) => {
        Column {
            place: concat!($table, ":", $column),
            list: concat!(
                "select ",
                $key,
                " as id, ",
                $column,
                " as sealed from ",
                $table,
                " where ",
                $column,
                " is not null and ",
                $key,
                " > $1 order by ",
                $key,
                " limit $2"
            ),
            // What somebody else has written meanwhile is sealed with his key, and stays.
            save: concat!(
                "update ",
                $table,
                " set ",
                $column,
                " = $3 where ",
                $key,
                " = $1 and ",
                $column,
                " = $2"
            ),
        }
    };
}

/// Every sealed column. The canary in `meta` is not among them: it is text.
pub const COLUMNS: [Column; 16] = [
    column!("settings", "name", "sealed"),
    column!("clients", "client_id", "secret"),
    column!("authenticators", "id", "data"),
    column!("transactions", "id", "data"),
    column!("ceremonies", "handle_hash", "data"),
    column!("login_codes", "key_hash", "data"),
    column!("signing_keys", "kid", "private"),
    column!("jobs", "id", "input"),
    column!("outbox", "id", "recipient"),
    column!("outbox", "id", "content"),
    column!("log_streams", "id", "sink"),
    column!("encryption_keys", "kid", "wrapping"),
    column!("actions", "id", "secrets"),
    column!("action_versions", "id", "secrets"),
    column!("action_modules", "id", "secrets"),
    column!("action_module_versions", "id", "secrets"),
];

/// Looks at up to `limit` values after a row and seals those anew that lie under an older key. Returns the last row that it looked at,
/// none at the end, and how many values it sealed.
pub async fn reseal(
    conn: &mut Conn,
    column: &Column,
    after: &str,
    limit: u32,
) -> Result<(Option<String>, u64), DbError> {
    let rows = conn.fetch_all(column.list, values![after, limit]).await?;
    let (mut last, mut count) = (None, 0);
    for row in rows {
        let (id, old): (String, Vec<u8>) = (row.get("id")?, row.get("sealed")?);
        if conn.keys().needs_reseal(&old) {
            let aad = format!("{}:{id}", column.place);
            let plain = conn.keys().open(&old, &aad)?;
            let new = conn.keys().seal(&plain, &aad);
            count += conn.execute(column.save, values![id, old, new]).await?;
        }
        last = Some(id);
    }
    Ok((last, count))
}
