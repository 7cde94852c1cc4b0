//! Applications (contract/management-api.md 7).

use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::crypto::pkcs7;
use lockstep_core::ids::ClientId;
use lockstep_core::model::client::{self, Client, with_defaults};
use lockstep_core::model::connection::DEFAULT_CONNECTION;
use lockstep_core::model::document::merge_metadata;
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use super::query::{Page, Query};
use super::validate::{Field, Kind, Schema, nullable, optional, refused, required};
use super::{Call, Outcome};
use super::{client_credentials, signing_keys};
use crate::store::db::{Conn, DbError};
use crate::store::search::Filter;
use crate::store::{clients, connections, keys, settings};
use crate::values;

const URL: Kind = Kind::Text(0, 2048);
const URLS: Kind = Kind::List(&URL, 0, 500);
const NAME: Kind = Kind::Format("client-name", is_name);
const APP_TYPES: Kind = Kind::OneOf(&[
    "native",
    "spa",
    "regular_web",
    "non_interactive",
    "resource_server",
    "express_configuration",
    "b2b_integration",
    "sso_integration",
    "rms",
    "box",
    "cloudbees",
    "concur",
    "dropbox",
    "mscrm",
    "echosign",
    "egnyte",
    "newrelic",
    "office365",
    "salesforce",
    "sentry",
    "sharepoint",
    "slack",
    "springcm",
    "zendesk",
    "zoom",
    "oag",
]);

const JWT: Schema = Schema::open(&[
    optional("lifetime_in_seconds", Kind::Int(1, 2_592_000)),
    optional("secret_encoded", Kind::Bool),
    optional("alg", Kind::OneOf(&["HS256", "RS256", "RS512", "PS256"])),
]);

const REFRESH: Schema = Schema::open(&[
    required("rotation_type", Kind::OneOf(&["rotating", "non-rotating"])),
    required("expiration_type", Kind::OneOf(&["expiring", "non-expiring"])),
    optional("leeway", Kind::Int(0, 60)),
    optional("token_lifetime", Kind::Int(1, 157_788_000)),
    optional("idle_token_lifetime", Kind::Int(1, 157_788_000)),
    optional("infinite_token_lifetime", Kind::Bool),
    optional("infinite_idle_token_lifetime", Kind::Bool),
]);

const COMMON: &[Field] = &[
    nullable("description", Kind::Text(0, 140)),
    nullable("app_type", APP_TYPES),
    nullable(
        "token_endpoint_auth_method",
        Kind::OneOf(&["none", "client_secret_post", "client_secret_basic"]),
    ),
    nullable("callbacks", URLS),
    nullable("allowed_logout_urls", URLS),
    nullable("allowed_origins", URLS),
    nullable("web_origins", URLS),
    nullable("client_aliases", URLS),
    nullable("allowed_clients", URLS),
    nullable("grant_types", Kind::Set(&Kind::Text(1, 200), 0, 50)),
    nullable("oidc_conformant", Kind::Bool),
    nullable("is_first_party", Kind::Bool),
    nullable("sso", Kind::Bool),
    nullable("sso_disabled", Kind::Bool),
    nullable("cross_origin_authentication", Kind::Bool),
    nullable("cross_origin_auth", Kind::Bool),
    nullable("session_transfer", Kind::Object),
    nullable("mobile", Kind::Object),
    nullable("native_social_login", Kind::Object),
    nullable("oidc_logout", Kind::Object),
    nullable("oidc_backchannel_logout", Kind::Object),
    nullable("addons", Kind::Object),
    nullable("default_organization", Kind::Object),
    nullable("organization_usage", Kind::OneOf(&["deny", "allow", "require"])),
    nullable(
        "organization_require_behavior",
        Kind::OneOf(&["no_prompt", "pre_login_prompt", "post_login_prompt"]),
    ),
    nullable("skip_non_verifiable_callback_uri_confirmation_prompt", Kind::Bool),
    nullable("resource_server_identifier", Kind::Text(1, 600)),
    nullable("custom_login_page_on", Kind::Bool),
    nullable("is_token_endpoint_ip_header_trusted", Kind::Bool),
    nullable("require_pushed_authorization_requests", Kind::Bool),
    nullable("require_proof_of_possession", Kind::Bool),
    nullable("jwt_configuration", Kind::Shape(&JWT)),
    nullable("refresh_token", Kind::Shape(&REFRESH)),
    nullable("client_metadata", Kind::Object),
    nullable("client_authentication_methods", Kind::Object),
    nullable("logo_uri", URL),
    nullable("initiate_login_uri", Kind::HttpsOrEmpty),
    nullable("client_secret", Kind::Text(1, 512)),
    nullable("custom_login_page", Kind::Long(0, 500_000)),
    nullable("form_template", Kind::Long(0, 500_000)),
];

/// What a new one is made of.
pub const CREATE: Schema = Schema::open(&[required("name", NAME)]).and(COMMON);
/// What may be changed.
pub const UPDATE: Schema = Schema::open(&[optional("name", NAME)]).and(COMMON);

/// What the server decides; a tool that sends back what it read must not change it.
const SERVER_SIDE: &[&str] =
    &["client_id", "tenant", "global", "signing_keys", "callback_url_template", "created_at"];

/// Lists applications.
pub async fn list(call: &mut Call, query: &Query) -> Outcome<(Value, bool)> {
    let paging = query.paging(true, call.env.now)?;
    let fields = query.fields()?.always(&["tenant"]);
    let mut filter = Filter::all();
    for (name, column) in [("is_global", "is_global = ?"), ("is_first_party", "is_first_party = ?")] {
        if let Some(flag) = query.flag(name)? {
            filter = filter.and(column, values![flag]);
        }
    }
    if let Some(types) = query.text("app_type") {
        filter = filter.and_in("app_type", types.split(',').map(|t| t.trim().to_owned()).collect());
    }
    let mut conn = call.app.db().read().await?;
    let (mut found, total) = clients::list(&mut conn, &filter, &paging.slice()).await?;
    let next = paging.next(&mut found, |c| (c.created_at, c.id.to_string()));
    let key = signing_key(&mut conn).await?;
    let items = found.iter().map(|client| visible(call, render(client, &key))).collect();
    let page = fields.keep_page(Page { items, total, next });
    let secret = page.items.iter().any(|item| item.get("client_secret").is_some());
    Ok((page.answer("clients", &paging, call.env.now), secret))
}

/// Returns an application.
pub async fn read(call: &mut Call, id: &str, query: &Query) -> Outcome<(Value, bool)> {
    let fields = query.fields()?.always(&["tenant"]);
    let mut conn = call.app.db().read().await?;
    let client = load(&mut conn, id).await?;
    let shown = fields.keep(visible(call, rendered(&mut conn, &client).await?));
    let secret = shown.get("client_secret").is_some();
    Ok((shown, secret))
}

/// Creates an application. Its secret is in the answer whatever the scopes: its creator must get to know it.
pub async fn create(call: &mut Call, body: Option<Value>) -> Outcome {
    let mut body = CREATE.check(body)?;
    strip(&mut body);
    check(&body, None)?;
    let given = body.remove("client_secret").and_then(|s| s.as_str().map(str::to_owned));
    let new_keys = client_credentials::take_new(&mut body)?;
    let id = ClientId::new(call.env.rng());
    let secret = given.unwrap_or_else(|| call.env.rng().url_safe(64));
    let mut client = Client {
        id,
        data: with_defaults(body),
        secret: Zeroizing::new(secret),
        created_at: call.env.now,
        updated_at: call.env.now,
    };
    let mut tx = call.app.db().write().await?;
    clients::create(&mut tx, &client).await?;
    let mut shown = None;
    if let Some(keys) = new_keys {
        let (kept, whole) = client_credentials::create_all(call, &mut tx, &client.id, keys).await?;
        client.data.set("client_authentication_methods", kept);
        clients::save(&mut tx, &client).await?;
        shown = Some(whole);
    }
    enable_on_default_connection(&mut tx, &client).await?;
    let mut answer = rendered(&mut tx, &client).await?;
    if let Some(whole) = shown {
        answer["client_authentication_methods"] = whole;
    }
    tx.commit().await?;
    Ok(answer)
}

/// Changes an application.
pub async fn update(call: &mut Call, id: &str, body: Option<Value>) -> Outcome {
    let mut body = UPDATE.check(body)?;
    strip(&mut body);
    let mut tx = call.app.db().write().await?;
    let mut client = load(&mut tx, id).await?;
    if client.is_global() {
        body.retain(|name, _| name.starts_with("custom_login_page"));
    }
    check(&body, Some(&client))?;
    if let Some(Value::String(secret)) = body.remove("client_secret") {
        client.secret = Zeroizing::new(secret);
    }
    if let Some(change) = body.remove("client_metadata") {
        let stored = client.data.0.get("client_metadata").and_then(Value::as_object).cloned();
        match merge_metadata(stored, &change) {
            Some(merged) => client.data.set("client_metadata", Value::Object(merged)),
            None => {
                client.data.0.remove("client_metadata");
            }
        }
    }
    if let Some(new) = client_credentials::take_new(&mut body)? {
        let (kept, _) = client_credentials::create_all(call, &mut tx, &client.id, new).await?;
        body.insert("client_authentication_methods".to_owned(), kept);
    }
    client::patch(&mut client.data, &body);
    client.updated_at = call.env.now;
    clients::save(&mut tx, &client).await?;
    let answer = visible(call, rendered(&mut tx, &client).await?);
    tx.commit().await?;
    Ok(answer)
}

/// Deletes an application. None there is no error.
pub async fn delete(call: &mut Call, id: &str) -> Outcome<()> {
    let Ok(id) = ClientId::parse(id) else { return Ok(()) };
    let mut tx = call.app.db().write().await?;
    if clients::find(&mut tx, &id).await?.is_some_and(|c| c.is_global()) {
        return Err(ManagementError::new(
            ManagementCode::OperationNotSupported,
            "The global client cannot be deleted.",
        ));
    }
    clients::delete(&mut tx, &id).await?;
    tx.commit().await?;
    Ok(())
}

/// Draws a new secret; the old one dies at once.
pub async fn rotate_secret(call: &mut Call, id: &str) -> Outcome {
    let mut tx = call.app.db().write().await?;
    let mut client = load(&mut tx, id).await?;
    client.secret = Zeroizing::new(call.env.rng().url_safe(64));
    client.updated_at = call.env.now;
    clients::save(&mut tx, &client).await?;
    let answer = rendered(&mut tx, &client).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Lists the connections that an application may use.
pub async fn list_connections(call: &mut Call, id: &str, query: &Query) -> Outcome {
    let mut conn = call.app.db().read().await?;
    let client = load(&mut conn, id).await?;
    let mut items = Vec::new();
    for connection in connections::list_for_client(&mut conn, &client.id).await? {
        items.push(super::connections::rendered(&mut conn, &connection).await?);
    }
    let paging = query.checkpoints(call.env.now)?;
    Ok(Page::cut(items, &paging).answer("connections", &paging, call.env.now))
}

/// Returns an application, or the error that says there is none.
pub(super) async fn load(conn: &mut Conn, id: &str) -> Outcome<Client> {
    let id = ClientId::parse(id).map_err(|_| ManagementCode::InexistentClient)?;
    clients::find(conn, &id).await?.ok_or_else(|| ManagementCode::InexistentClient.into())
}

async fn rendered(conn: &mut Conn, client: &Client) -> Result<Value, DbError> {
    let key = signing_key(conn).await?;
    Ok(render(client, &key))
}

/// Returns the certificate of the key that signs ID tokens, as applications show it.
async fn signing_key(conn: &mut Conn) -> Result<Value, DbError> {
    let all = keys::list_all(conn).await?;
    let current = all.into_iter().find(|key| key.state == "current" && key.algorithm == "RS256");
    let certificate = current.and_then(|key| key.certificate);
    let mut shown = json!({"cert": certificate, "subject": "deprecated"});
    if let Some(der) = certificate.as_deref().and_then(signing_keys::der) {
        shown["pkcs7"] = pkcs7::certificates_only(&der).into();
    }
    Ok(shown)
}

fn render(client: &Client, key: &Value) -> Value {
    let mut out = client.data.0.clone();
    out.insert("client_id".to_owned(), json!(client.id));
    out.insert("client_secret".to_owned(), json!(client.secret.as_str()));
    out.insert("tenant".to_owned(), "lockstep".into());
    for name in ["global", "callback_url_template"] {
        out.entry(name).or_insert(false.into());
    }
    // Older tools know these by their older names.
    if let Some(value) = out.get("cross_origin_authentication").cloned() {
        out.insert("cross_origin_auth".to_owned(), value);
    }
    if let Some(urls) = client.data.at("oidc_logout.backchannel_logout_urls") {
        out.insert("oidc_backchannel_logout".to_owned(), json!({"backchannel_logout_urls": urls}));
    }
    out.insert("signing_keys".to_owned(), json!([key]));
    Value::Object(out)
}

/// Hides what the caller's scopes do not show.
fn visible(call: &Call, mut object: Value) -> Value {
    let Value::Object(map) = &mut object else { return object };
    if !call.caller.has("read:client_keys") {
        for secret in ["client_secret", "encryption_key", "signing_keys"] {
            map.remove(secret);
        }
    }
    let whole = [
        "read:clients",
        "read:client_keys",
        "read:client_credentials",
        "update:clients",
        "update:client_keys",
    ];
    if !whole.iter().any(|scope| call.caller.has(scope)) {
        map.retain(|name, _| {
            ["name", "client_id", "app_type", "logo_uri", "is_first_party"].contains(&name.as_str())
        });
    }
    object
}

/// Takes out what the server decides, and turns older names into newer ones; the newer one counts where both are there.
fn strip(body: &mut Map<String, Value>) {
    body.retain(|name, _| !SERVER_SIDE.contains(&name.as_str()));
    for (older, newer) in
        [("cross_origin_auth", "cross_origin_authentication"), ("oidc_backchannel_logout", "oidc_logout")]
    {
        if let Some(value) = body.remove(older) {
            body.entry(newer).or_insert(value);
        }
    }
}

fn check(body: &Map<String, Value>, stored: Option<&Client>) -> Outcome<()> {
    let methods = body.get("client_authentication_methods").is_some_and(|m| !m.is_null());
    let after = match body.get("token_endpoint_auth_method") {
        Some(value) => value.as_str(),
        None => stored.and_then(|client| client.data.text("token_endpoint_auth_method")),
    };
    if methods && after.is_some() {
        return Err(refused(
            "The client_authentication_methods property cannot be set together with token_endpoint_auth_method.",
        ));
    }
    let metadata = body.get("client_metadata").and_then(Value::as_object);
    let small = |map: &Map<String, Value>| {
        map.len() <= 10
            && map.iter().all(|(key, value)| {
                key.chars().count() <= 255
                    && (value.is_null() || value.as_str().is_some_and(|text| text.chars().count() <= 255))
            })
    };
    if metadata.is_some_and(|map| !small(map)) {
        return Err(refused(
            "client_metadata has at most 10 properties, each a string of at most 255 characters.",
        ));
    }
    Ok(())
}

/// New applications can use the default connection, unless the tenant says otherwise.
async fn enable_on_default_connection(tx: &mut Conn, client: &Client) -> Result<(), DbError> {
    if !settings::tenant(tx).await?.flag("enable_client_connections") {
        return Ok(());
    }
    if let Some(connection) = connections::find_by_name(tx, DEFAULT_CONNECTION).await? {
        connections::enable_client(tx, &connection.id, &client.id).await?;
    }
    Ok(())
}

fn is_name(text: &str) -> bool {
    (1..=255).contains(&text.chars().count())
        && !text.chars().any(|c| matches!(c, '<' | '>') || c.is_control())
}
