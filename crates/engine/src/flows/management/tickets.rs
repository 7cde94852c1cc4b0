//! Tickets: links that an operator hands out, to prove an address or to set a password; and the mail with the first
//! (contract/management-api.md 17).

use lockstep_core::codes::ManagementCode;
use lockstep_core::ids::{ClientId, ConnectionId, UserId};
use lockstep_core::model::client::Client;
use lockstep_core::model::connection::Connection;
use lockstep_core::model::user::{User, normal_email};
use lockstep_core::time::Span;
use serde_json::{Map, Value, json};
use url::Url;

use super::validate::{Field, Kind, Schema, optional, refused, required};
use super::{Call, Outcome, jobs, load_user};
use crate::flows::email_verification::{self, Verification};
use crate::flows::linked;
use crate::flows::password_reset::{self, Reset};
use crate::store::db::Conn;
use crate::store::{clients, connections, users};

const USER: Kind = Kind::Text(1, 1024);
const CLIENT: Kind = Kind::Text(1, 64);
/// In seconds; none, or zero, is five days. A year at most.
const TTL: Kind = Kind::Int(0, 31_536_000);
const IDENTITY: Schema = Schema::closed(&[
    required("user_id", Kind::Text(1, 255)),
    required("provider", Kind::Text(1, 64)),
    optional("connection_id", Kind::Text(1, 64)),
]);
const ORGANIZATION: Field = optional("organization_id", Kind::Text(1, 50));

/// The body of a ticket that proves an address.
pub const EMAIL_VERIFICATION: Schema = Schema::closed(&[
    required("user_id", USER),
    optional("result_url", Kind::Uri),
    optional("client_id", CLIENT),
    ORGANIZATION,
    optional("ttl_sec", TTL),
    optional("includeEmailInRedirect", Kind::Bool),
    optional("identity", Kind::Shape(&IDENTITY)),
]);

/// The body of a ticket that sets a password.
pub const PASSWORD_CHANGE: Schema = Schema::closed(&[
    optional("user_id", USER),
    optional("connection_id", Kind::Text(1, 64)),
    optional("email", Kind::Email),
    optional("result_url", Kind::Uri),
    optional("client_id", CLIENT),
    ORGANIZATION,
    optional("ttl_sec", TTL),
    optional("mark_email_as_verified", Kind::Bool),
    optional("includeEmailInRedirect", Kind::Bool),
    optional("identity", Kind::Shape(&IDENTITY)),
]);

/// The body of a job that sends the mail.
pub const VERIFICATION_EMAIL: Schema = Schema::closed(&[
    required("user_id", USER),
    optional("client_id", CLIENT),
    ORGANIZATION,
    optional("identity", Kind::Shape(&IDENTITY)),
]);

/// Makes a ticket that proves an address.
pub async fn email_verification(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = EMAIL_VERIFICATION.check(body)?;
    if body.contains_key("result_url") && body.contains_key("client_id") {
        return Err(refused("result_url cannot be used together with client_id."));
    }
    let mut tx = call.app.db().write().await?;
    let (user, client) = (user(&mut tx, &body).await?, client(&mut tx, &body).await?);
    own_address(&mut tx, &user, &body).await?;
    let email = user.email.clone().ok_or_else(|| refused("The user has no email address."))?;
    let data = Verification {
        email,
        client: client.map(|client| client.id),
        result_url: url_of(&body)?,
        with_email: flag(&body, "includeEmailInRedirect"),
    };
    let link = email_verification::create(&mut tx, &mut call.env, &user, data, lifetime(&body)).await?;
    tx.commit().await?;
    Ok(json!({"ticket": format!("{link}#")}))
}

/// Makes a ticket that sets a password. It makes older ones void.
pub async fn password_change(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = PASSWORD_CHANGE.check(body)?;
    let mut tx = call.app.db().write().await?;
    let by_email = body.contains_key("connection_id") || body.contains_key("email");
    let user = match (body.contains_key("user_id"), by_email) {
        (true, false) => user(&mut tx, &body).await?,
        (false, true) => by_address(&mut tx, &body).await?,
        _ => return Err(refused("Either user_id, or connection_id and email, have to be given.")),
    };
    let linked = linked_account(&mut tx, &user, &body).await?;
    let account = linked.as_ref().unwrap_or(&user);
    let connection = connections::find_by_name(&mut tx, &account.connection).await?;
    let connection = connection.filter(Connection::is_database);
    let connection = connection.ok_or_else(|| refused("The user's connection has no passwords."))?;
    let client = client(&mut tx, &body).await?;
    let verifies = flag(&body, "mark_email_as_verified").then(|| account.email.clone()).flatten();
    let data = Reset {
        client: Some(client.map_or_else(|| call.caller.client.clone(), |client| client.id)),
        connection: connection.name,
        result_url: url_of(&body)?,
        with_email: flag(&body, "includeEmailInRedirect"),
        verifies,
        account: linked.map(|account| account.id),
    };
    let (link, _) = password_reset::create(&mut tx, &mut call.env, &user, data, lifetime(&body)).await?;
    tx.commit().await?;
    Ok(json!({"ticket": format!("{link}#")}))
}

/// Begins a job that sends the mail with a link that proves the address.
pub async fn verification_email(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = VERIFICATION_EMAIL.check(body)?;
    let mut tx = call.app.db().write().await?;
    let (user, client) = (user(&mut tx, &body).await?, client(&mut tx, &body).await?);
    own_address(&mut tx, &user, &body).await?;
    if user.email.is_none() {
        return Err(refused("The user has no email address."));
    }
    let answer = jobs::verification(call, &mut tx, &user, client.as_ref()).await?;
    tx.commit().await?;
    Ok(answer)
}

async fn user(conn: &mut Conn, body: &Map<String, Value>) -> Outcome<User> {
    let id = UserId::parse(text(body, "user_id")).map_err(|_| ManagementCode::InexistentUser)?;
    let user = load_user(conn, &id).await?;
    own_identity(&user, body)?;
    Ok(user)
}

async fn by_address(conn: &mut Conn, body: &Map<String, Value>) -> Outcome<User> {
    let (id, email) = (text(body, "connection_id"), text(body, "email"));
    if id.is_empty() || email.is_empty() {
        return Err(refused("connection_id and email have to be given together."));
    }
    let connection = match ConnectionId::parse(id) {
        Ok(id) => connections::find(conn, &id).await?,
        Err(_) => None,
    };
    let connection = connection.ok_or_else(|| refused("The connection does not exist."))?;
    let email = normal_email(email).map_err(|e| refused(e.to_string()))?;
    let found = users::list_by_email(conn, &email).await?;
    let user = found.into_iter().find(|user| user.connection == connection.name);
    let user = user.ok_or(ManagementCode::InexistentUser)?;
    own_identity(&user, body)?;
    Ok(user)
}

/// Whoever names an identity, or an organization, has to name one that is there.
fn own_identity(user: &User, body: &Map<String, Value>) -> Outcome<()> {
    if body.contains_key("organization_id") {
        return Err(refused("The organization does not exist."));
    }
    let Some(named) = body.get("identity") else { return Ok(()) };
    let has = user
        .identities
        .iter()
        .any(|own| named["provider"] == own.provider.as_str() && named["user_id"] == own.user_id.as_str());
    if has { Ok(()) } else { Err(refused("The user has no such identity.")) }
}

/// Returns the linked account that is named by `identity`; none where that is the user's own, or not said.
async fn linked_account(conn: &mut Conn, user: &User, body: &Map<String, Value>) -> Outcome<Option<User>> {
    let Some(named) = body.get("identity") else { return Ok(None) };
    let id = UserId::parse(format!(
        "{}|{}",
        named["provider"].as_str().unwrap_or_default(),
        named["user_id"].as_str().unwrap_or_default()
    ));
    let Ok(id) = id else { return Ok(None) };
    Ok(linked::find(conn, &user.id, &id).await?.map(|linked| linked.account))
}

/// The address of a linked account is proven by a code, or with a new password; by a link of its own only while it is a user.
async fn own_address(conn: &mut Conn, user: &User, body: &Map<String, Value>) -> Outcome<()> {
    match linked_account(conn, user, body).await? {
        Some(_) => Err(refused("The address of a linked account cannot be verified by a link.")),
        None => Ok(()),
    }
}

async fn client(conn: &mut Conn, body: &Map<String, Value>) -> Outcome<Option<Client>> {
    if !body.contains_key("client_id") {
        return Ok(None);
    }
    let found = match ClientId::parse(text(body, "client_id")) {
        Ok(id) => clients::find(conn, &id).await?,
        Err(_) => None,
    };
    found.map(Some).ok_or_else(|| ManagementCode::InexistentClient.into())
}

/// A link to another kind of address could run something in a browser.
fn url_of(body: &Map<String, Value>) -> Outcome<Option<String>> {
    let Some(given) = body.get("result_url").and_then(Value::as_str) else { return Ok(None) };
    match Url::parse(given) {
        Ok(url) if matches!(url.scheme(), "https" | "http") => Ok(Some(url.into())),
        _ => Err(refused("result_url has to be an http or https address.")),
    }
}

fn lifetime(body: &Map<String, Value>) -> Span {
    match body.get("ttl_sec").and_then(Value::as_i64) {
        None | Some(0) => email_verification::LIFETIME,
        Some(seconds) => Span::seconds(seconds),
    }
}

fn flag(body: &Map<String, Value>, name: &str) -> bool {
    body.get(name).and_then(Value::as_bool).unwrap_or(false)
}

fn text<'b>(body: &'b Map<String, Value>, name: &str) -> &'b str {
    body.get(name).and_then(Value::as_str).unwrap_or_default()
}
