//! Database connections (contract/management-api.md 9).

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::ids::{ClientId, ConnectionId};
use lockstep_core::model::connection::{Connection, default_options, default_password_options};
use lockstep_core::model::document::{Document, change_leaves, merge_metadata};
use lockstep_core::model::user::normal_email;
use serde_json::{Map, Value, json};

use super::query::{Page, Query, invalid};
use super::validate::{Field, Kind, Schema, nullable, refused, required};
use super::{Call, Outcome, taken};
use crate::flows::linked::{self, Account};
use crate::store::db::{Conn, DbError};
use crate::store::search::Filter;
use crate::store::{clients, connections, users};
use crate::values;

/// What the answer holds also when other properties are asked for.
const ALWAYS: &[&str] = &["id", "is_domain_connection", "authentication", "connected_accounts"];

const COMMON: &[Field] = &[
    nullable("options", Kind::Object),
    nullable("display_name", Kind::Text(0, 128)),
    nullable("is_domain_connection", Kind::Bool),
    nullable("show_as_button", Kind::Bool),
    nullable("realms", Kind::List(&Kind::Text(1, 128), 0, 10)),
    nullable("enabled_clients", Kind::List(&Kind::Text(1, 64), 0, 10_000)),
    nullable("metadata", Kind::Object),
    nullable("authentication", Kind::Object),
    nullable("connected_accounts", Kind::Object),
];
/// What a new one is made of.
pub const CREATE: Schema = Schema::open(&[
    required("name", Kind::Format("connection-name", is_name)),
    required("strategy", Kind::Text(1, 64)),
])
.and(COMMON);
/// What may be changed.
pub const UPDATE: Schema = Schema::open(COMMON);

const SWITCH: Schema =
    Schema::closed(&[required("client_id", Kind::Text(1, 64)), required("status", Kind::Bool)]);
/// Which clients it is on for.
pub const SWITCHES: Kind = Kind::List(&Kind::Shape(&SWITCH), 1, 50);

/// Lists connections.
pub async fn list(call: &mut Call, query: &Query) -> Outcome {
    let paging = query.paging(true, call.env.now)?;
    let fields = query.fields()?.always(ALWAYS);
    let mut filter = Filter::all();
    let strategies: Vec<String> = query.texts("strategy").map(str::to_owned).collect();
    if !strategies.is_empty() {
        filter = filter.and_in("strategy", strategies);
    }
    if let Some(name) = query.text("name") {
        filter = filter.and("name = ?", values![name]);
    }
    let mut conn = call.app.db().read().await?;
    let (mut found, total) = connections::list(&mut conn, &filter, &paging.slice()).await?;
    let next = paging.next(&mut found, |c| (c.created_at, c.id.to_string()));
    let mut items = Vec::new();
    for connection in &found {
        items.push(rendered(&mut conn, connection).await?);
    }
    let page = fields.keep_page(Page { items, total, next });
    Ok(page.answer("connections", &paging, call.env.now))
}

/// Returns a connection.
pub async fn read(call: &mut Call, id: &str, query: &Query) -> Outcome {
    let fields = query.fields()?.always(ALWAYS);
    let mut conn = call.app.db().read().await?;
    let connection = load(&mut conn, id).await?;
    Ok(fields.keep(rendered(&mut conn, &connection).await?))
}

/// Creates a connection.
pub async fn create(call: &mut Call, body: Option<Value>) -> Outcome {
    let mut body = CREATE.check(body)?;
    let mut take = |name: &str| body.remove(name).and_then(|v| v.as_str().map(str::to_owned));
    let (name, strategy) = (take("name").unwrap_or_default(), take("strategy").unwrap_or_default());
    if !matches!(strategy.as_str(), "auth0" | "email" | "sms") {
        return Err(ManagementError::new(
            ManagementCode::OperationNotSupported,
            "Only database connections (strategy auth0) and passwordless ones (email, sms) are supported.",
        ));
    }
    let given = body.remove("options").and_then(|o| o.as_object().cloned()).unwrap_or_default();
    check_options(&given)?;
    let id = ConnectionId::new(call.env.rng());
    let mut tx = call.app.db().write().await?;
    let enabled = body.remove("enabled_clients");
    let mut data = Document::default();
    data.set("is_domain_connection", false);
    data.set("authentication", json!({"active": true}));
    data.set("connected_accounts", json!({"active": false}));
    data.set("realms", json!([name]));
    strip(&mut body);
    data.patch(&body);
    let options =
        if strategy == "auth0" { with_default_options(&tx, &id, given) } else { passwordless_options(given) };
    data.set("strategy", strategy);
    data.set("options", options);
    let now = call.env.now;
    let connection = Connection { id, name, data, created_at: now, updated_at: now };
    connections::create(&mut tx, &connection).await.map_err(taken(ManagementCode::ConnectionConflict))?;
    if let Some(Value::Array(wanted)) = enabled {
        enable_exactly(&mut tx, &connection.id, &wanted).await?;
    }
    let answer = rendered(&mut tx, &connection).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Changes a connection. `options` is replaced as a whole.
pub async fn update(call: &mut Call, id: &str, body: Option<Value>) -> Outcome {
    let mut body = UPDATE.check(body)?;
    strip(&mut body);
    let mut tx = call.app.db().write().await?;
    let mut connection = load(&mut tx, id).await?;
    if let Some(Value::Object(options)) = body.remove("options") {
        check_options(&options)?;
        check_addresses_stay_unique(&connection, &options)?;
        let options = if connection.is_database() {
            with_default_options(&tx, &connection.id, options)
        } else {
            passwordless_options(options)
        };
        connection.data.set("options", options);
    }
    if let Some(change) = body.remove("metadata") {
        let stored = connection.data.0.remove("metadata").and_then(|m| m.as_object().cloned());
        if let Some(merged) = merge_metadata(stored, &change) {
            connection.data.set("metadata", Value::Object(merged));
        }
    }
    let enabled = body.remove("enabled_clients");
    connection.data.patch(&body);
    connection.updated_at = call.env.now;
    connections::save(&mut tx, &connection).await?;
    if let Some(Value::Array(wanted)) = enabled {
        enable_exactly(&mut tx, &connection.id, &wanted).await?;
    }
    let answer = rendered(&mut tx, &connection).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Deletes a connection with its users; returns nothing if there is none.
pub async fn delete(call: &mut Call, id: &str) -> Outcome<Option<Value>> {
    let Ok(id) = ConnectionId::parse(id) else { return Ok(None) };
    let mut tx = call.app.db().write().await?;
    let Some(connection) = connections::find(&mut tx, &id).await? else { return Ok(None) };
    // Those of users of other connections; the others go with their users.
    users::delete_of_connection(&mut tx, &connection.name).await?;
    linked::remove_of_connection(&mut tx, &call.env, &connection.name).await?;
    connections::delete(&mut tx, &id).await?;
    tx.commit().await?;
    Ok(Some(json!({"deleted_at": call.env.now.to_iso()})))
}

/// Lists the clients that may use a connection.
pub async fn list_clients(call: &mut Call, id: &str, query: &Query) -> Outcome {
    let paging = query.checkpoints(call.env.now)?;
    let mut conn = call.app.db().read().await?;
    let connection = load(&mut conn, id).await?;
    let all = connections::list_clients(&mut conn, &connection.id).await?;
    let page = Page::cut(all.iter().map(|client| json!({"client_id": client})).collect(), &paging);
    Ok(page.answer("clients", &paging, call.env.now))
}

/// Lets clients use a connection, or not any more.
pub async fn switch_clients(call: &mut Call, id: &str, body: Option<Value>) -> Outcome<()> {
    let body = SWITCHES.check(body)?;
    let mut tx = call.app.db().write().await?;
    let connection = load(&mut tx, id).await?;
    for item in body.as_array().map(Vec::as_slice).unwrap_or_default() {
        let client = item.get("client_id").and_then(Value::as_str).unwrap_or_default();
        let client = ClientId::parse(client).map_err(|_| ManagementCode::InexistentClient)?;
        if clients::find(&mut tx, &client).await?.is_none() {
            return Err(refused(format!("One or more of the specified clients do not exist: {client}")));
        }
        if item.get("status") == Some(&Value::Bool(true)) {
            connections::enable_client(&mut tx, &connection.id, &client).await?;
        } else {
            connections::disable_client(&mut tx, &connection.id, &client).await?;
        }
    }
    tx.commit().await?;
    Ok(())
}

/// Says that a database connection is reachable: it is the database that answers.
pub async fn status(call: &mut Call, id: &str) -> Outcome {
    load(&mut call.app.db().read().await?, id).await?;
    Ok(json!({"status": "online"}))
}

/// Returns the signing keys of a connection: databases have none.
pub async fn keys(call: &mut Call, id: &str) -> Outcome {
    load(&mut call.app.db().read().await?, id).await?;
    Ok(json!([]))
}

/// Checks that a connection is there, for what no database connection has.
pub async fn without(call: &mut Call, id: &str) -> Outcome {
    load(&mut call.app.db().read().await?, id).await?;
    Err(ManagementCode::NotFound.into())
}

/// Deletes the user of an address.
pub async fn delete_user(call: &mut Call, id: &str, query: &Query) -> Outcome<()> {
    let email = query.text("email").ok_or_else(|| invalid("Missing required property: email", "email"))?;
    let mut tx = call.app.db().write().await?;
    let connection = load(&mut tx, id).await?;
    let email = normal_email(email).map_err(|e| invalid(&e.to_string(), "email"))?;
    match linked::by_email(&mut tx, &connection.name, &email).await? {
        Some(Account { user, linked: None }) => {
            users::delete(&mut tx, &user.id).await?;
        }
        Some(Account { user, linked: Some(account) }) => {
            if let Some(mut owner) = users::find_to_change(&mut tx, &user.id).await? {
                linked::remove(&mut tx, &call.env, &mut owner, &account).await?;
            }
        }
        None => {}
    }
    tx.commit().await?;
    Ok(())
}

/// Returns the object of the wire.
pub(super) async fn rendered(conn: &mut Conn, connection: &Connection) -> Result<Value, DbError> {
    let mut out = connection.data.0.clone();
    out.insert("id".to_owned(), json!(connection.id));
    out.insert("name".to_owned(), json!(connection.name));
    out.insert("enabled_clients".to_owned(), json!(connections::list_clients(conn, &connection.id).await?));
    Ok(Value::Object(out))
}

/// The options of a passwordless connection. How long and how old codes may be is not configurable: what is said of it is what is done.
fn passwordless_options(given: Map<String, Value>) -> Value {
    let mut options = given;
    options.entry("disable_signup").or_insert(json!(false));
    options.entry("brute_force_protection").or_insert(json!(true));
    options.insert("totp".to_owned(), json!({"length": 6, "time_step": 180}));
    Value::Object(options)
}

async fn load(conn: &mut Conn, id: &str) -> Outcome<Connection> {
    let id = ConnectionId::parse(id).map_err(|_| ManagementCode::InexistentConnection)?;
    connections::find(conn, &id).await?.ok_or_else(|| ManagementCode::InexistentConnection.into())
}

/// The old way of saying who may use a connection: the whole list.
async fn enable_exactly(tx: &mut Conn, id: &ConnectionId, wanted: &[Value]) -> Outcome<()> {
    let wanted: Vec<&str> = wanted.iter().filter_map(Value::as_str).collect();
    for client in connections::list_clients(tx, id).await? {
        if !wanted.contains(&client.as_str()) {
            connections::disable_client(tx, id, &client).await?;
        }
    }
    for text in wanted {
        let client = ClientId::parse(text).map_err(|_| ManagementCode::InexistentClient)?;
        if clients::find(tx, &client).await?.is_none() {
            return Err(refused(format!("One or more of the specified clients do not exist: {client}")));
        }
        connections::enable_client(tx, id, &client).await?;
    }
    Ok(())
}

/// Adds what the server manages, and seals what scripts are configured with: it never comes back in clear.
fn with_default_options(conn: &Conn, id: &ConnectionId, mut given: Map<String, Value>) -> Value {
    if let Some(Value::Object(configuration)) = given.get_mut("configuration") {
        for value in configuration.values_mut() {
            let plain = value.as_str().unwrap_or_default();
            if !plain.starts_with(SEALED) {
                let sealed = conn.keys().seal(plain.as_bytes(), &format!("connections:configuration:{id}"));
                *value = format!("{SEALED}{}", STANDARD.encode(sealed)).into();
            }
        }
    }
    let chosen = given.contains_key(CHANGE_PASSWORD);
    let mut options = default_options();
    // The newer form takes the place of the older one.
    if given.contains_key("password_options") {
        options.remove("passwordPolicy");
    }
    for (name, value) in given {
        match value {
            Value::Null => drop(options.remove(&name)),
            Value::Object(part) => {
                let whole = match name.as_str() {
                    "password_options" => default_password_options(),
                    "authentication_methods" | "passkey_options" => {
                        options.remove(&name).and_then(|o| o.as_object().cloned()).unwrap_or_default()
                    }
                    _ => {
                        options.insert(name, Value::Object(part));
                        continue;
                    }
                };
                let mut whole = whole;
                change_leaves(&mut whole, &part);
                options.insert(name, Value::Object(whole));
            }
            other => drop(options.insert(name, other)),
        }
    }
    if let Some(Value::Object(email)) = options.get_mut("attributes").and_then(|a| a.get_mut("email")) {
        email.entry("unique").or_insert(true.into());
        email.entry("verification_method").or_insert("link".into());
    }
    // Where there are no passwords there is none to change.
    let passwords =
        options.get("authentication_methods").and_then(|methods| methods.pointer("/password/enabled"));
    if !chosen && passwords == Some(&Value::Bool(false)) {
        options.insert(CHANGE_PASSWORD.to_owned(), json!(true));
    }
    Value::Object(options)
}

const CHANGE_PASSWORD: &str = "disable_self_service_change_password";
const SEALED: &str = "2.0$";

fn check_options(options: &Map<String, Value>) -> Outcome<()> {
    let options = Document(options.clone());
    let Some(attributes) = options.at("attributes") else { return Ok(()) };
    let attributes = Document(attributes.as_object().cloned().unwrap_or_default());
    if options.at("validation").is_some() {
        return Err(refused("Cannot set both options.attributes and options.validation"));
    }
    if options.flag("requires_username") == Some(true) {
        return Err(refused("Cannot set both options.attributes and options.requires_username"));
    }
    let names = ["email", "phone_number", "username"];
    if !names.iter().any(|n| attributes.flag(&format!("{n}.identifier.active")) == Some(true)) {
        return Err(refused("attributes must contain one active identifier"));
    }
    for name in names {
        let required = attributes.flag(&format!("{name}.profile_required")) == Some(true);
        if required && attributes.text(&format!("{name}.signup.status")) == Some("inactive") {
            return Err(refused(format!("attribute {name} must also be required on signup")));
        }
    }
    Ok(())
}

/// Whether several accounts may have one address is chosen when the connection is made (contract/management-api.md 9): whoever relied on
/// unique addresses must not lose that by a change.
fn check_addresses_stay_unique(stored: &Connection, options: &Map<String, Value>) -> Outcome<()> {
    let shared = |options: Option<&Value>| {
        options.and_then(|o| o.pointer("/attributes/email/unique")) == Some(&Value::Bool(false))
    };
    if shared(Some(&Value::Object(options.clone()))) && !shared(stored.data.at("options")) {
        return Err(refused("cannot add non-unique email attribute"));
    }
    Ok(())
}

fn strip(body: &mut Map<String, Value>) {
    for name in ["id", "name", "strategy", "created_at", "updated_at"] {
        body.remove(name);
    }
}

/// Letters, digits and single hyphens between them.
fn is_name(text: &str) -> bool {
    (1..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !text.starts_with('-')
        && !text.ends_with('-')
        && !text.contains("--")
}
