//! APIs (contract/management-api.md 8).

use std::collections::HashMap;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::crypto::jose::pem::PublicPem;
use lockstep_core::ids::{ClientId, ResourceServerId};
use lockstep_core::model::resource_server::{ResourceServer, with_defaults};
use lockstep_core::my_account;
use serde_json::{Map, Value, json};

use super::query::{Page, Query};
use super::validate::{Field, Kind, Schema, nullable, optional, refused, required};
use super::{Call, Outcome, taken};
use crate::store::db::{Conn, DbError};
use crate::store::search::Filter;
use crate::store::{clients, resource_servers, roles};

const SCOPE: Schema =
    Schema::open(&[required("value", Kind::Text(1, 280)), nullable("description", Kind::Text(0, 500))]);
const NAME: Kind = Kind::Format("resource-server-name", is_name);

const TOKEN_ENCRYPTION: Schema = Schema::open(&[
    optional("format", Kind::OneOf(&["compact-nested-jwe"])),
    optional("encryption_key", Kind::Shape(&ENCRYPTION_KEY)),
]);
const ENCRYPTION_KEY: Schema = Schema::open(&[
    optional("name", Kind::Text(1, 128)),
    optional("alg", Kind::OneOf(&["RSA-OAEP-256", "RSA-OAEP-384", "RSA-OAEP-512"])),
    optional("kid", Kind::Text(1, 128)),
    optional("pem", Kind::Long(1, 8192)),
    optional("thumbprint_sha256", Kind::Text(1, 128)),
]);

const FIELDS: &[Field] = &[
    optional("name", NAME),
    nullable("scopes", Kind::List(&Kind::Shape(&SCOPE), 0, 1000)),
    nullable("signing_alg", Kind::OneOf(&["RS256", "RS512", "PS256", "HS256"])),
    nullable("signing_secret", Kind::Text(16, 512)),
    nullable("allow_offline_access", Kind::Bool),
    nullable("allow_online_access", Kind::Bool),
    nullable("skip_consent_for_verifiable_first_party_clients", Kind::Bool),
    nullable("enforce_policies", Kind::Bool),
    nullable("token_lifetime", Kind::Int(0, 2_592_000)),
    nullable("token_lifetime_for_web", Kind::Int(0, 2_592_000)),
    nullable(
        "token_dialect",
        Kind::OneOf(&["access_token", "access_token_authz", "rfc9068_profile", "rfc9068_profile_authz"]),
    ),
    nullable("consent_policy", Kind::OneOf(&["transactional-authorization-with-mfa"])),
    nullable("subject_type_authorization", Kind::Object),
    nullable("proof_of_possession", Kind::Object),
    nullable("token_encryption", Kind::Shape(&TOKEN_ENCRYPTION)),
];

/// What a new one is made of.
pub const CREATE: Schema = Schema::open(&[required("identifier", Kind::Text(1, 600))]).and(FIELDS);
/// What may be changed.
pub const UPDATE: Schema = Schema::open(FIELDS);

/// Where the sealed signing secret stands in the stored document.
const SEALED: &str = "signing_secret_sealed";

/// Lists APIs, the Management API among them.
pub async fn list(call: &mut Call, query: &Query) -> Outcome {
    let paging = query.paging(true, call.env.now)?;
    let fields = query.fields()?;
    let mut filter = Filter::all();
    let wanted: Vec<String> = query.texts("identifiers").map(str::to_owned).collect();
    if !wanted.is_empty() {
        filter = filter.and_in("identifier", wanted);
    }
    let mut conn = call.app.db().read().await?;
    let (mut found, total) = resource_servers::list(&mut conn, &filter, &paging.slice()).await?;
    let next = paging.next(&mut found, |api| (api.created_at, api.id.to_string()));
    let linked = clients::of_apis(&mut conn).await?;
    let items = found.iter().map(|api| render(&conn, api, &linked)).collect::<Result<_, _>>()?;
    let page = fields.keep_page(Page { items, total, next });
    Ok(page.answer("resource_servers", &paging, call.env.now))
}

/// Returns an API, by id or identifier.
pub async fn read(call: &mut Call, id: &str, query: &Query) -> Outcome {
    let fields = query.fields()?;
    let mut conn = call.app.db().read().await?;
    let api = load(&mut conn, id).await?;
    Ok(fields.keep(rendered(&mut conn, &api).await?))
}

/// Creates an API.
pub async fn create(call: &mut Call, body: Option<Value>) -> Outcome {
    let mut body = CREATE.check(body)?;
    strip(&mut body);
    let identifier = match body.remove("identifier") {
        Some(Value::String(identifier)) => identifier,
        _ => return Err(refused("Payload validation error: 'Missing required property: identifier'.")),
    };
    if identifier == call.env.issuer.my_account_audience() {
        my_account::fill_in(&mut body);
    }
    check_scopes(&body)?;
    name_encryption_key(&mut body)?;
    let id = ResourceServerId::new(call.env.rng());
    let mut tx = call.app.db().write().await?;
    seal_secret(&tx, &id, &mut body);
    let mut data = with_defaults(body);
    if data.text("name").is_none() {
        data.set("name", identifier.clone());
    }
    let now = call.env.now;
    let api = ResourceServer { id, identifier, data, created_at: now, updated_at: now };
    resource_servers::create(&mut tx, &api).await.map_err(taken(ManagementCode::ResourceServerConflict))?;
    let answer = rendered(&mut tx, &api).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Changes an API. Permissions on scopes that it no longer has are gone for everybody.
pub async fn update(call: &mut Call, id: &str, body: Option<Value>) -> Outcome {
    let mut body = UPDATE.check(body)?;
    if body.contains_key("identifier") {
        return Err(refused("Payload validation error: 'Additional properties not allowed: identifier'."));
    }
    strip(&mut body);
    check_scopes(&body)?;
    name_encryption_key(&mut body)?;
    let mut tx = call.app.db().write().await?;
    let mut api = load(&mut tx, id).await?;
    if api.is_system() && body.keys().any(|name| name != "token_lifetime") {
        return Err(system_api());
    }
    seal_secret(&tx, &api.id, &mut body);
    api.data.patch(&body);
    let (life, web) = (api.token_lifetime(), api.token_lifetime_for_web());
    if body.contains_key("token_lifetime_for_web") && web > life {
        return Err(refused("token_lifetime_for_web must not be greater than token_lifetime."));
    }
    api.updated_at = call.env.now;
    resource_servers::save(&mut tx, &api).await?;
    if body.contains_key("scopes") {
        let defined = api.scopes().map(str::to_owned).collect();
        roles::delete_undefined(&mut tx, &api.identifier, defined).await?;
    }
    let answer = rendered(&mut tx, &api).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Deletes an API. None there is no error.
pub async fn delete(call: &mut Call, id: &str) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    let Some(api) = find(&mut tx, id).await? else { return Ok(()) };
    if api.is_system() {
        return Err(system_api());
    }
    resource_servers::delete(&mut tx, &api.id).await?;
    tx.commit().await?;
    Ok(())
}

async fn load(conn: &mut Conn, id: &str) -> Outcome<ResourceServer> {
    find(conn, id).await?.ok_or_else(|| ManagementCode::InexistentResourceServer.into())
}

/// Finds an API by id or identifier. One Terraform data source encodes the identifier twice, so what still looks encoded is
/// decoded once more when nothing was found (contract 1.1).
async fn find(conn: &mut Conn, id: &str) -> Result<Option<ResourceServer>, DbError> {
    if let Ok(id) = ResourceServerId::parse(id)
        && let Some(api) = resource_servers::find(conn, &id).await?
    {
        return Ok(Some(api));
    }
    if let Some(api) = resource_servers::find_by_identifier(conn, id).await? {
        return Ok(Some(api));
    }
    if !id.to_ascii_uppercase().contains("%2F") {
        return Ok(None);
    }
    match percent_encoding::percent_decode_str(id).decode_utf8() {
        Ok(decoded) => resource_servers::find_by_identifier(conn, &decoded).await,
        Err(_) => Ok(None),
    }
}

async fn rendered(conn: &mut Conn, api: &ResourceServer) -> Result<Value, DbError> {
    let linked = clients::of_apis(conn).await?;
    render(conn, api, &linked)
}

/// Returns the object of the wire. `client_id` is the application that stands for the API (`app_type` `resource_server`).
fn render(conn: &Conn, api: &ResourceServer, linked: &HashMap<String, ClientId>) -> Result<Value, DbError> {
    let mut out = api.data.0.clone();
    out.insert("id".to_owned(), json!(api.id));
    out.insert("identifier".to_owned(), json!(api.identifier));
    if let Some(client) = linked.get(&api.identifier) {
        out.insert("client_id".to_owned(), json!(client));
    }
    if let Some(Value::Object(key)) =
        out.get_mut("token_encryption").and_then(|e| e.get_mut("encryption_key"))
    {
        key.remove("pem");
    }
    if let Some(sealed) = out.remove(SEALED) {
        let sealed = sealed.as_str().and_then(|text| STANDARD.decode(text).ok()).unwrap_or_default();
        let secret: String = conn.keys().open_json(&sealed, &aad(&api.id))?;
        out.insert("signing_secret".to_owned(), secret.into());
    }
    Ok(Value::Object(out))
}

/// Replaces the signing secret in a body by its sealed form.
fn seal_secret(conn: &Conn, id: &ResourceServerId, body: &mut Map<String, Value>) {
    match body.remove("signing_secret") {
        Some(Value::String(secret)) => {
            let sealed = conn.keys().seal(json!(secret).to_string().as_bytes(), &aad(id));
            body.insert(SEALED.to_owned(), STANDARD.encode(sealed).into());
        }
        Some(_) => {
            body.insert(SEALED.to_owned(), Value::Null);
        }
        None => {}
    }
}

fn aad(id: &ResourceServerId) -> String {
    format!("resource_servers:signing_secret:{id}")
}

/// What the server decides, and what must not be smuggled in.
fn strip(body: &mut Map<String, Value>) {
    for name in ["id", "client_id", "is_system", "created_at", "updated_at", SEALED] {
        body.remove(name);
    }
}

/// Reads the key that tokens would be encrypted for: it is answered by its thumbprint.
fn name_encryption_key(body: &mut Map<String, Value>) -> Outcome<()> {
    let key = body.get_mut("token_encryption").and_then(|e| e.get_mut("encryption_key"));
    let Some(Value::Object(key)) = key else { return Ok(()) };
    let Some(pem) = key.get("pem").and_then(Value::as_str) else { return Ok(()) };
    let parsed = PublicPem::parse(pem).map_err(|e| refused(format!("The pem is not valid: {e}.")))?;
    key.insert("thumbprint_sha256".to_owned(), parsed.thumbprint().into());
    Ok(())
}

fn check_scopes(body: &Map<String, Value>) -> Outcome<()> {
    let scopes = body.get("scopes").and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let mut values: Vec<&str> = scopes.iter().filter_map(|s| s.get("value")?.as_str()).collect();
    values.sort_unstable();
    match values.windows(2).find(|pair| pair[0] == pair[1]) {
        Some(pair) => Err(refused(format!("The scope {} is defined twice.", pair[0]))),
        None => Ok(()),
    }
}

fn system_api() -> ManagementError {
    ManagementError::new(
        ManagementCode::OperationNotSupported,
        "The Management API cannot be changed or deleted, apart from its token_lifetime.",
    )
}

fn is_name(text: &str) -> bool {
    (1..=200).contains(&text.chars().count())
        && !text.chars().any(|c| matches!(c, '<' | '>') || c.is_control())
}
