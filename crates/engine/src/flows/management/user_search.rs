//! Searching users with `q` (contract/management-api.md 3.1).

use lockstep_core::codes::{ManagementCode, ManagementError};
use serde_json::{Value, json};

use super::query::{Page, Paging, Query, invalid};
use super::users::rendered;
use super::{Call, Outcome};
use crate::store::search::{Field, Filter, Kind, Order, Slice};
use crate::store::users;

/// What can be searched. Metadata cannot yet: it is text that SQL does not look into.
const FIELDS: &[Field] = &[
    Field::new("user_id", "user_id", Kind::Text),
    Field::new("email", "email", Kind::Folded),
    Field::new("email_verified", "email_verified", Kind::Flag),
    Field::new("username", "username", Kind::Text),
    Field::new("phone_number", "phone_number", Kind::Text),
    Field::new("phone_verified", "phone_verified", Kind::Flag),
    Field::new("name", "name", Kind::Folded),
    Field::new("nickname", "nickname", Kind::Folded),
    Field::new("given_name", "given_name", Kind::Folded),
    Field::new("family_name", "family_name", Kind::Folded),
    Field::new("created_at", "created_at", Kind::Time),
    Field::new("updated_at", "updated_at", Kind::Time),
    Field::new("last_login", "last_login", Kind::Time),
    Field::new("last_password_reset", "password_changed_at", Kind::Time),
    Field::new("last_ip", "last_ip", Kind::Text),
    Field::new("logins_count", "logins_count", Kind::Int),
    Field::new("blocked", "blocked", Kind::Flag),
    Field::new("identities.connection", "connection", Kind::Text),
];

/// Where a term without a field is looked for.
const BARE: &[&str] = &["email", "name", "username", "nickname", "user_id"];

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
    let mut filter = Filter::all();
    if let Some(node) = query.search("q")? {
        filter = filter.and_search(&node, FIELDS, BARE)?;
    }
    let mut conn = call.app.db().read().await?;
    let (found, total) = users::list(&mut conn, &filter, order, &Slice::Offset { start, limit }).await?;
    let page = fields.keep_page(Page { items: rendered(&mut conn, found).await?, total, next: None });
    if !totals {
        return Ok(Value::Array(page.items));
    }
    Ok(
        json!({"start": start, "limit": limit, "length": page.items.len(), "users": page.items, "total": total}),
    )
}

fn order(sort: Option<&str>) -> Outcome<Order> {
    let Some(sort) = sort else { return Ok(Order::by("created_at", "user_id")) };
    let (name, direction) = sort.split_once(':').unwrap_or((sort, "1"));
    let descending = match direction {
        "1" => false,
        "-1" => true,
        _ => return Err(invalid("Sort direction has to be 1 or -1", "sort")),
    };
    let field = FIELDS.iter().find(|field| field.name == name);
    let field = field.ok_or_else(|| invalid("Sorting by this field is not supported", "sort"))?;
    Ok(Order::by(field.column, "user_id").descending(descending))
}

fn unusable(message: &str) -> ManagementError {
    ManagementError::new(ManagementCode::OperationNotSupported, message)
}
