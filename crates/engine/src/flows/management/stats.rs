//! Numbers about the tenant (contract/management-api.md 18), counted in the users and in the tenant's log: so no further back than the log.

use lockstep_core::time::{Span, Timestamp};
use serde_json::{Value, json};

use super::query::{Query, invalid};
use super::{Call, Outcome};
use crate::store::{logs, users};

/// Who logged in within this time is an active user.
const ACTIVE: Span = Span::days(30);
/// How many days one answer has at most.
const MOST_DAYS: i64 = 366;
/// How many days there are where nobody says which.
const DEFAULT_DAYS: i64 = 30;

/// What is a login: of a browser, and by the password grant.
const LOGINS: &[&str] = &["s", "sepft"];
const SIGNUPS: &[&str] = &["ss"];
const LEAKS: &[&str] = &["pwd_leak", "signup_pwd_leak", "reset_pwd_leak"];

/// Returns how many users logged in within the last thirty days.
pub async fn active_users(call: &mut Call) -> Outcome {
    let mut conn = call.app.db().read().await?;
    Ok(json!(users::count_active(&mut conn, call.env.now - ACTIVE).await?))
}

/// Returns logins and sign-ups of each day of a range, days in UTC.
pub async fn daily(call: &mut Call, query: &Query) -> Outcome {
    let today = day_of(call.env.now);
    let last = date(query, "to")?.unwrap_or(today);
    let first = date(query, "from")?.unwrap_or(last - (DEFAULT_DAYS - 1));
    if first > last {
        return Err(invalid("The range ends before it begins", "from"));
    }
    if last - first >= MOST_DAYS {
        return Err(invalid("The range has more than 366 days", "from"));
    }
    call.app.logs().flush().await;
    let mut conn = call.app.db().read().await?;
    conn.expect_long();
    let counted = logs::count_by_day(&mut conn, start(first), start(last + 1)).await?;
    let sum = |day: i64, codes: &[&str]| -> i64 {
        let of = counted.iter().filter(|(on, code, _)| *on == day && codes.contains(&code.as_str()));
        of.map(|(_, _, n)| n).sum()
    };
    let item = |day: i64| {
        let updated = if day >= today { call.env.now } else { start(day + 1) };
        json!({
            "date": start(day).to_iso(), "logins": sum(day, LOGINS), "signups": sum(day, SIGNUPS),
            "leaked_passwords": sum(day, LEAKS), "created_at": start(day).to_iso(), "updated_at": updated.to_iso()
        })
    };
    // Days to come have no numbers.
    Ok(Value::Array((first..=last.min(today)).map(item).collect()))
}

fn day_of(at: Timestamp) -> i64 {
    at.as_secs().div_euclid(86_400)
}

fn start(day: i64) -> Timestamp {
    Timestamp::from_secs(day.saturating_mul(86_400))
}

/// Reads a day, `YYYYMMDD`.
fn date(query: &Query, name: &str) -> Result<Option<i64>, lockstep_core::codes::ManagementError> {
    let Some(text) = query.text(name) else { return Ok(None) };
    let parsed = match (text.len(), text.bytes().all(|b| b.is_ascii_digit())) {
        (8, true) => Timestamp::parse_iso(&format!("{}-{}-{}", &text[..4], &text[4..6], &text[6..])),
        _ => None,
    };
    parsed
        .map(|at| Some(day_of(at)))
        .ok_or_else(|| invalid("Object didn't pass validation for format YYYYMMDD", name))
}
