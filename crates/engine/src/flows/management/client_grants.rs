//! Client grants: which client may ask for which scopes of which API (contract/management-api.md 7.3).

use lockstep_core::codes::ManagementCode;
use lockstep_core::ids::{ClientGrantId, ClientId};
use lockstep_core::model::document::Document;
use lockstep_core::model::resource_server::ClientGrant;
use serde_json::{Map, Value, json};

use super::query::{Page, Query};
use super::validate::{Field, Kind, Schema, nullable, optional, required};
use super::{Call, Outcome, taken};
use crate::store::db::Conn;
use crate::store::search::Filter;
use crate::store::{client_grants, clients, resource_servers};
use crate::values;

const SCOPE: Field = nullable("scope", Kind::Set(&Kind::Text(1, 280), 0, 5000));
const ORGANIZATION_USAGE: Field = nullable("organization_usage", Kind::OneOf(&["deny", "allow", "require"]));
const ANY_ORGANIZATION: Field = nullable("allow_any_organization", Kind::Bool);
const DETAILS: Field = nullable("authorization_details_types", Kind::Set(&Kind::Text(1, 255), 0, 100));
const ALL_SCOPES: Field = nullable("allow_all_scopes", Kind::Bool);

/// What a new one is made of.
pub const CREATE: Schema = Schema::open(&[
    required("client_id", Kind::Text(1, 64)),
    required("audience", Kind::Text(1, 600)),
    optional("subject_type", Kind::OneOf(&["client", "user"])),
    SCOPE,
    ORGANIZATION_USAGE,
    ANY_ORGANIZATION,
    DETAILS,
    ALL_SCOPES,
]);
/// What may be changed.
pub const UPDATE: Schema = Schema::open(&[SCOPE, ORGANIZATION_USAGE, ANY_ORGANIZATION, DETAILS, ALL_SCOPES]);

/// Lists grants.
pub async fn list(call: &mut Call, query: &Query) -> Outcome {
    let paging = query.paging(true, call.env.now)?;
    let mut filter = Filter::all();
    for (name, condition) in
        [("audience", "audience = ?"), ("client_id", "client_id = ?"), ("subject_type", "subject_type = ?")]
    {
        if let Some(text) = query.text(name) {
            filter = filter.and(condition, values![text]);
        }
    }
    // Neither exists here, so that nothing has it.
    if query.text("default_for").is_some() || query.flag("allow_any_organization")? == Some(true) {
        filter = filter.and("1 = 0", values![]);
    }
    let mut conn = call.app.db().read().await?;
    let (mut found, total) = client_grants::list(&mut conn, &filter, &paging.slice()).await?;
    let next = paging.next(&mut found, |grant| (grant.created_at, grant.id.to_string()));
    let page = Page { items: found.iter().map(render).collect(), total, next };
    Ok(page.answer("client_grants", &paging, call.env.now))
}

/// Returns a grant.
pub async fn read(call: &mut Call, id: &str) -> Outcome {
    Ok(render(&load(&mut call.app.db().read().await?, id).await?))
}

/// Creates a grant.
pub async fn create(call: &mut Call, body: Option<Value>) -> Outcome {
    let mut body = CREATE.check(body)?;
    let mut take = |name: &str| body.remove(name).and_then(|v| v.as_str().map(str::to_owned));
    let (client, audience) = (take("client_id").unwrap_or_default(), take("audience").unwrap_or_default());
    let subject_type = take("subject_type").unwrap_or_else(|| "client".to_owned());
    let client = ClientId::parse(client).map_err(|_| ManagementCode::InexistentClient)?;
    let mut tx = call.app.db().write().await?;
    if clients::find(&mut tx, &client).await?.is_none() {
        return Err(ManagementCode::InexistentClient.into());
    }
    if resource_servers::find_by_identifier(&mut tx, &audience).await?.is_none() {
        return Err(ManagementCode::InexistentResourceServer.into());
    }
    let mut data = Document::default();
    data.patch(&body);
    data.0.remove("id");
    if data.at("scope").is_none() {
        data.set("scope", json!([]));
    }
    let id = ClientGrantId::new(call.env.rng());
    let grant = ClientGrant { id, client, audience, subject_type, data, created_at: call.env.now };
    client_grants::create(&mut tx, &grant).await.map_err(taken(ManagementCode::ClientGrantConflict))?;
    tx.commit().await?;
    Ok(render(&grant))
}

/// Changes a grant.
pub async fn update(call: &mut Call, id: &str, body: Option<Value>) -> Outcome {
    let body = UPDATE.check(body)?;
    let mut tx = call.app.db().write().await?;
    let mut grant = load(&mut tx, id).await?;
    let known = [
        "scope",
        "organization_usage",
        "allow_any_organization",
        "authorization_details_types",
        "allow_all_scopes",
    ];
    let changes: Map<String, Value> = body.into_iter().filter(|(k, _)| known.contains(&k.as_str())).collect();
    grant.data.patch(&changes);
    client_grants::save(&mut tx, &grant).await?;
    tx.commit().await?;
    Ok(render(&grant))
}

/// Deletes a grant. None there is no error.
pub async fn delete(call: &mut Call, id: &str) -> Outcome<()> {
    let Ok(id) = ClientGrantId::parse(id) else { return Ok(()) };
    let mut tx = call.app.db().write().await?;
    client_grants::delete(&mut tx, &id).await?;
    tx.commit().await?;
    Ok(())
}

/// Lists the organizations of a grant: there are none.
pub async fn organizations(call: &mut Call, id: &str, query: &Query) -> Outcome {
    load(&mut call.app.db().read().await?, id).await?;
    let paging = query.paging(true, call.env.now)?;
    Ok(Page::default().answer("organizations", &paging, call.env.now))
}

async fn load(conn: &mut Conn, id: &str) -> Outcome<ClientGrant> {
    let id = ClientGrantId::parse(id).map_err(|_| ManagementCode::InexistentClientGrant)?;
    client_grants::find(conn, &id).await?.ok_or_else(|| ManagementCode::InexistentClientGrant.into())
}

fn render(grant: &ClientGrant) -> Value {
    let mut out = grant.data.0.clone();
    out.insert("id".to_owned(), json!(grant.id));
    out.insert("client_id".to_owned(), json!(grant.client));
    out.insert("audience".to_owned(), json!(grant.audience));
    out.insert("subject_type".to_owned(), json!(grant.subject_type));
    Value::Object(out)
}
