//! The tenant's log (contract/management-api.md 15).

use lockstep_core::codes::ManagementCode;
use lockstep_core::ids::{LogId, UserId};
use serde_json::{Value, json};

use super::query::{Page, Paging, Query, invalid};
use super::{Call, Outcome};
use crate::logs::{SETTLED, first_id};
use crate::store::db::Backend;
use crate::store::logs;
use crate::store::search::{Field, Filter, Kind, Slice};
use crate::values;

const FIELDS: &[Field] = &[
    Field::new("log_id", "log_id", Kind::Text),
    Field::new("_id", "log_id", Kind::Text),
    Field::new("type", "type", Kind::Text),
    Field::new("date", "date", Kind::Time),
    Field::new("client_id", "client_id", Kind::Text),
    Field::new("user_id", "user_id", Kind::Text),
    Field::new("connection", "connection", Kind::Text),
    Field::new("ip", "ip", Kind::Text),
    Field::new("connection_id", "connection_id", Kind::Text),
    Field::new("client_name", "client_name", Kind::Text),
    Field::new("user_name", "user_name", Kind::Text),
    Field::new("description", "description", Kind::Text),
    Field::new("hostname", "hostname", Kind::Text),
    Field::new("user_agent", "user_agent", Kind::Text),
    // Every connection is a database.
    Field::new("strategy", "(case when connection is not null then 'auth0' end)", Kind::Text),
    Field::new("strategy_type", "(case when connection is not null then 'database' end)", Kind::Text),
    // There are none.
    Field::new("organization_id", "(case when 1 = 0 then '' end)", Kind::Text),
];

/// Where a term without a field is looked for.
const BARE: &[&str] = &["client_name", "connection", "description", "ip", "log_id", "type", "user_name"];

/// Greater than every id.
const AFTER_ALL: &str = "99";

/// No search reaches further.
const REACH: i64 = 1000;

/// What a list of records answers, and for a checkpoint the link to what follows.
pub struct Listing {
    /// The records, in the shape that was asked for.
    pub body: Value,
    /// The URL of the next page.
    pub next: Option<String>,
}

/// Lists records by search, or after a checkpoint.
pub async fn list(call: &mut Call, query: &Query) -> Outcome<Listing> {
    // Whoever reads must see what was answered before he asked.
    call.app.logs().flush().await;
    if query.text("from").is_some() || query.text("take").is_some() {
        return checkpoint(call, query).await;
    }
    let mut filter = Filter::all();
    let name = if query.text("q").is_some() { "q" } else { "search" };
    if let Some(node) = query.search(name)? {
        filter = filter.and_search(&node, FIELDS, BARE)?;
    }
    Ok(Listing { body: search(call, query, filter).await?, next: None })
}

/// Lists the records about a user.
pub async fn list_of_user(call: &mut Call, user: &UserId, query: &Query) -> Outcome {
    call.app.logs().flush().await;
    search(call, query, Filter::all().and("user_id = ?", values![user])).await
}

/// Returns a record.
pub async fn read(call: &mut Call, id: &str) -> Outcome {
    call.app.logs().flush().await;
    let id = LogId::parse(id).map_err(|_| ManagementCode::InexistentLog)?;
    let found = logs::find(&mut call.app.db().read().await?, &id).await?;
    found.ok_or_else(|| ManagementCode::InexistentLog.into())
}

async fn search(call: &mut Call, query: &Query, filter: Filter) -> Outcome {
    let Paging::Offset { start, limit, totals } = query.paging(false, call.env.now)? else {
        return Ok(json!([]));
    };
    if start + limit > REACH {
        return Err(ManagementCode::InvalidPaging.into());
    }
    let descending = match query.text("sort") {
        None | Some("date:-1") => true,
        Some("date:1") => false,
        Some(_) => return Err(invalid("Logs can be sorted by date:1 or date:-1", "sort")),
    };
    let fields = query.fields()?;
    let mut conn = call.app.db().read().await?;
    let slice = Slice::Offset { start, limit };
    let (items, total) = logs::list(&mut conn, &filter, descending, &slice).await?;
    let page = fields.keep_page(Page { items, total, next: None });
    if !totals {
        return Ok(Value::Array(page.items));
    }
    Ok(
        json!({"start": start, "limit": limit, "length": page.items.len(), "total": total, "logs": page.items}),
    )
}

async fn checkpoint(call: &mut Call, query: &Query) -> Outcome<Listing> {
    let take = query.int("take", 1, 100)?.unwrap_or(50);
    let from = query.text("from").unwrap_or_default();
    let mut conn = call.app.db().read().await?;
    // Whoever goes on from an id would miss what another server writes before it a moment later.
    let until = match call.app.db().backend() {
        Backend::Sqlite => AFTER_ALL.to_owned(),
        Backend::Postgres => first_id(call.env.now - SETTLED),
    };
    let found = logs::list_between(&mut conn, from, &until, u32::try_from(take).unwrap_or(50)).await?;
    // With nothing new the link leads here again.
    let last = found.last().and_then(|r| r.get("log_id")).and_then(Value::as_str).unwrap_or(from);
    let escaped: String = url::form_urlencoded::byte_serialize(last.as_bytes()).collect();
    let next = call.env.issuer.url(&format!("api/v2/logs?from={escaped}&take={take}"));
    Ok(Listing { body: Value::Array(found), next: Some(next) })
}
