//! Searching users with `q` (contract/management-api.md 3.1).

use lockstep_core::codes::{ManagementCode, ManagementError};
use serde_json::{Value, json};

use super::query::{Page, Paging, Query, invalid};
use super::users::rendered;
use super::{Call, Outcome};
use crate::store::search::Order;
use crate::store::user_lists;
use crate::store::user_search::{self, Sought};

/// No search reaches further.
const REACH: i64 = 1000;

/// Lists users.
pub async fn list(call: &mut Call, query: &Query) -> Outcome {
    match query.text("search_engine") {
        Some("v1") => {
            return Err(unusable("You are not allowed to use search_engine=v1."));
        }
        Some("v2") => {
            return Err(unusable(
                "You are not allowed to use search_engine=v2. Use search_engine=v3 instead.",
            ));
        }
        _ => {}
    }
    let Paging::Offset { start, limit, totals } = query.paging(false, call.env.now)? else {
        return Ok(json!([]));
    };
    if start + limit > REACH {
        return Err(ManagementCode::InvalidPaging.into());
    }
    let order = order(query.text("sort"))?;
    let fields = query.fields()?;
    let sought = query.search("q")?.map(|node| Sought::new(&node)).transpose()?.unwrap_or_default();
    let mut conn = call.app.db().search().await?;
    let counts = call.app.counts();
    let found = user_lists::list(&mut conn, counts, &sought, order, start, limit, totals).await?;
    let total = found.total.unwrap_or_default();
    let page = Page { items: rendered(&mut conn, found.users).await?, total, next: None };
    let page = fields.keep_page(page);
    if !totals {
        return Ok(Value::Array(page.items));
    }
    Ok(
        json!({"start": start, "limit": limit, "length": page.items.len(), "users": page.items, "total": total}),
    )
}

fn order(sort: Option<&str>) -> Outcome<Order> {
    let Some(sort) = sort else { return Ok(Order::by("created_at", "user_id").always()) };
    let (name, direction) = sort.split_once(':').unwrap_or((sort, "1"));
    let descending = match direction {
        "1" => false,
        "-1" => true,
        _ => return Err(invalid("Sort direction has to be 1 or -1", "sort")),
    };
    let order = user_search::order(name);
    let order = order.ok_or_else(|| invalid("Sorting by this field is not supported", "sort"))?;
    Ok(order.descending(descending))
}

fn unusable(message: &str) -> ManagementError {
    ManagementError::new(ManagementCode::OperationNotSupported, message)
}
