//! Users: create, read, change, delete (contract/management-api.md 3).

use lockstep_core::codes::{ManagementCode, ManagementError};
use lockstep_core::env::Issuer;
use lockstep_core::ids::UserId;
use lockstep_core::model::connection::Connection;
use lockstep_core::model::document::merge_metadata;
use lockstep_core::model::log_event::LogEvent;
use lockstep_core::model::user::{Profile, User, normal_email};
use serde_json::{Map, Value, json};

use super::query::{Fields, Page};
use super::validate::{Kind, Schema, nullable, optional, refused, required};
use super::{Call, Outcome, load_user, taken};
use crate::flows::admin_reset::INDEPENDENT;
use crate::flows::{changes, email_verification, signup};
use crate::store::db::{Conn, DbError};
use crate::store::{ceremonies, connections, methods, sessions, transactions, users};

const NAME: Kind = Kind::Text(1, 300);
const PART: Kind = Kind::Text(1, 150);
/// Longer ones cost the hash more than they protect (cases.md C063).
const PASSWORD: Kind = Kind::Text(1, 1024);
const USERNAME: Kind = Kind::Text(1, 128);

/// What a new one is made of.
pub const CREATE: Schema = Schema::closed(&[
    required("connection", Kind::Text(1, 128)),
    optional("email", Kind::Email),
    optional("password", PASSWORD),
    optional("username", USERNAME),
    optional("phone_number", Kind::Phone),
    optional("user_id", Kind::Format("user-id-part", is_id_part)),
    optional("user_metadata", Kind::Object),
    optional("app_metadata", Kind::Object),
    optional("blocked", Kind::Bool),
    optional("email_verified", Kind::Bool),
    optional("phone_verified", Kind::Bool),
    optional("verify_email", Kind::Bool),
    optional("given_name", PART),
    optional("family_name", PART),
    optional("name", NAME),
    optional("nickname", NAME),
    optional("picture", Kind::Uri),
]);

/// What may be changed.
pub const UPDATE: Schema = Schema::closed(&[
    optional("connection", Kind::Text(1, 128)),
    optional("client_id", Kind::Text(1, 64)),
    nullable("email", Kind::Email),
    nullable("password", PASSWORD),
    nullable("username", USERNAME),
    nullable("phone_number", Kind::Phone),
    optional("user_metadata", Kind::Object),
    optional("app_metadata", Kind::Object),
    optional("blocked", Kind::Bool),
    optional("email_verified", Kind::Bool),
    optional("phone_verified", Kind::Bool),
    optional("verify_email", Kind::Bool),
    optional("verify_phone_number", Kind::Bool),
    optional("verify_password", Kind::Bool),
    nullable("given_name", PART),
    nullable("family_name", PART),
    nullable("name", NAME),
    nullable("nickname", NAME),
    nullable("picture", Kind::Uri),
]);

/// Creates a user.
pub async fn create(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = CREATE.check(body)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str).map(str::to_owned);
    let flag = |name: &str| body.get(name).and_then(Value::as_bool).unwrap_or(false);
    let name = text("connection").unwrap_or_default();
    let connection = connections::find_by_name(&mut call.app.db().read().await?, &name).await?;
    let connection = connection.ok_or_else(|| refused("The connection does not exist."))?;
    if !connection.is_active() {
        return Err(refused("Connection is disabled."));
    }
    if !connection.is_database() && !connection.is_passwordless() {
        return Err(refused(
            "Connection does not support user creation through the API. It must either be a database or passwordless \
             connection.",
        ));
    }
    let email = text("email").map(|e| normal_email(&e)).transpose().map_err(|e| refused(e.to_string()))?;
    let username = text("username");
    check_username(&connection, username.as_deref())?;
    let phone_number = text("phone_number");
    if email.is_none() && username.is_none() && phone_number.is_none() {
        return Err(missing("email"));
    }
    if connection.requires_username() && username.is_none() {
        return Err(missing("username"));
    }
    let drawn = UserId::new(call.env.rng());
    let identity = text("user_id").unwrap_or_else(|| drawn.parts().1.to_owned());
    let mut id = UserId::database(&identity).map_err(|e| refused(e.to_string()))?;
    let mut hash = None;
    if connection.is_passwordless() {
        let by_mail = connection.strategy() == "email";
        if by_mail && email.is_none() {
            return Err(missing("email"));
        }
        if !by_mail && phone_number.is_none() {
            return Err(missing("phone_number"));
        }
        if body.contains_key("password") {
            return Err(refused("Users of a passwordless connection have no password."));
        }
        id = UserId::parse(format!("{}|{identity}", connection.strategy()))
            .map_err(|e| refused(e.to_string()))?;
    } else {
        let password = text("password").ok_or_else(|| missing("password"))?;
        hash = Some(hash_password(call, &connection, password).await?);
    }
    let mut user = User {
        email,
        email_verified: flag("email_verified"),
        username,
        phone_number,
        phone_verified: flag("phone_verified"),
        profile: Profile {
            name: text("name"),
            nickname: text("nickname"),
            given_name: text("given_name"),
            family_name: text("family_name"),
            picture: text("picture"),
        },
        user_metadata: object(&body, "user_metadata"),
        app_metadata: object(&body, "app_metadata"),
        blocked: flag("blocked"),
        blocked_set: body.contains_key("blocked"),
        ..User::new(id, &name, call.env.now)
    };
    fill_profile(&mut user, &call.env.issuer);
    let mut tx = call.app.db().write().await?;
    users::create(&mut tx, &user, hash.as_deref()).await.map_err(taken(ManagementCode::UserExists))?;
    call.log(&mut tx, signed_up(&user, &connection)).await?;
    let wanted = body.get("verify_email").and_then(Value::as_bool) != Some(false);
    if connection.is_database() && wanted && !user.email_verified {
        email_verification::send(&mut tx, &call.app, &mut call.env, &user, None).await?;
    }
    tx.commit().await?;
    Ok(render(&user, false))
}

/// Gives a new user the name, nickname and picture that were not said: from the address, else from the user name or number.
pub(crate) fn fill_profile(user: &mut User, issuer: &Issuer) {
    let main = user.email.as_ref().or(user.username.as_ref()).or(user.phone_number.as_ref());
    let short = user.email.as_deref().and_then(|e| e.split('@').next()).or(main.map(String::as_str));
    let initials: String =
        main.iter().flat_map(|m| m.chars()).filter(char::is_ascii_alphanumeric).take(2).collect();
    let (main, short) = (main.cloned(), short.map(str::to_owned));
    let profile = &mut user.profile;
    profile.name = profile.name.take().or(main);
    profile.nickname = profile.nickname.take().or(short);
    let picture = issuer.url(&format!("avatars/{}.png", initials.to_lowercase()));
    profile.picture = profile.picture.take().or(Some(picture));
}

/// Returns a user.
pub async fn read(call: &mut Call, id: &UserId, fields: &Fields) -> Outcome {
    let mut conn = call.app.db().read().await?;
    let user = load_user(&mut conn, id).await?;
    Ok(fields.keep(rendered(&mut conn, vec![user]).await?.remove(0)))
}

/// Returns the users of an address.
pub async fn by_email(call: &mut Call, email: &str, fields: &Fields) -> Outcome {
    let mut conn = call.app.db().read().await?;
    let found = match normal_email(email) {
        Ok(email) => users::list_by_email(&mut conn, &email).await?,
        Err(_) => Vec::new(),
    };
    let items = rendered(&mut conn, found).await?;
    Ok(Value::Array(fields.keep_page(Page { items, ..Page::default() }).items))
}

/// Changes a user.
pub async fn update(call: &mut Call, id: &UserId, body: Option<Value>) -> Outcome {
    let body = UPDATE.check(body)?;
    check_writable(call, &body)?;
    check_combination(&body)?;
    let mut conn = call.app.db().read().await?;
    let user = load_user(&mut conn, id).await?;
    let connection = match body.get("connection").and_then(Value::as_str) {
        Some(name) if name != user.connection => {
            let linked = user.identities.iter().any(|identity| identity.connection == name);
            let told = if linked {
                "A linked account cannot be changed. Unlink it first."
            } else {
                "Connection does not exist."
            };
            return Err(refused(told));
        }
        _ => connections::find_by_name(&mut conn, &user.connection).await?,
    };
    drop(conn);
    let connection = connection.ok_or_else(|| refused("Connection does not exist."))?;
    let changes_login = body.contains_key("email") || body.contains_key("password");
    if changes_login && !connection.is_active() {
        return Err(refused("Cannot change email or password for users in a disabled connection."));
    }
    let hash = match body.get("password").and_then(Value::as_str) {
        Some(password) => Some(hash_password(call, &connection, password.to_owned()).await?),
        None => None,
    };
    let mut tx = call.app.db().write().await?;
    // Loaded again: what another request changed meanwhile must not be undone.
    let user = users::find_to_change(&mut tx, id).await?;
    let mut user = user.ok_or(ManagementCode::InexistentUser)?;
    let before = user.clone();
    apply(&mut user, &body, &connection)?;
    user.updated_at = call.env.now;
    users::save(&mut tx, &user).await.map_err(taken(ManagementCode::UserExists))?;
    for (code, text, changed) in [
        ("sce", "Successful change email", before.email != user.email),
        ("scu", "Successful change username", before.username != user.username),
        ("scpn", "Successful change phone number", before.phone_number != user.phone_number),
    ] {
        if changed {
            let mut event = LogEvent::new(code, text).user(id, user.display_name());
            event.details = Some(json!({"body": {
                "user_id": id, "connection": user.connection, "email": user.email, "username": user.username,
                "phone_number": user.phone_number,
            }}));
            event.connection = Some(user.connection.clone());
            event.connection_id = Some(connection.id.to_string());
            call.log(&mut tx, event).await?;
        }
    }
    let asked = body.get("verify_email").and_then(Value::as_bool) == Some(true);
    if asked && before.email != user.email && !user.email_verified {
        email_verification::send(&mut tx, &call.app, &mut call.env, &user, None).await?;
    }
    if user.blocked {
        // Not only refused while blocked: unblocking must not bring back what somebody else may hold. Refresh tokens are applications', and
        // sleep.
        sessions::delete_of_user(&mut tx, id, None).await?;
        transactions::delete_of_user(&mut tx, id).await?;
        ceremonies::end_of_user(&mut tx, id, call.env.now).await?;
    }
    if let Some(hash) = hash {
        let (client, origin) = (call.caller.client.clone(), call.origin_of_operator());
        changes::password(&mut tx, &call.app, &mut call.env, &origin, &user, Some(&client), &hash).await?;
        user.password_changed_at = Some(call.env.now);
    }
    let answer = rendered(&mut tx, vec![user]).await?.remove(0);
    tx.commit().await?;
    Ok(answer)
}

/// Deletes a user with everything that hangs on them. No such user is no error.
pub async fn delete(call: &mut Call, id: &UserId) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    let Some(user) = users::find(&mut tx, id).await? else { return Ok(()) };
    users::delete(&mut tx, id).await?;
    let mut event = LogEvent::new("sdu", "User successfully deleted").user(id, user.display_name());
    event.details =
        Some(json!({"body": {"user_id": id, "connection": user.connection, "email": user.email}}));
    event.connection = Some(user.connection.clone());
    call.log(&mut tx, event).await?;
    tx.commit().await?;
    Ok(())
}

/// Returns the objects of the wire of these users.
pub(crate) async fn rendered(conn: &mut Conn, found: Vec<User>) -> Result<Vec<Value>, DbError> {
    let ids: Vec<String> = found.iter().map(|user| user.id.to_string()).collect();
    let enrolled = methods::list_enrolled(conn, ids, INDEPENDENT).await?;
    Ok(found.iter().map(|user| render(user, enrolled.iter().any(|id| id == user.id.as_str()))).collect())
}

/// Returns the object of the wire. What is not set is left out.
fn render(user: &User, enrolled: bool) -> Value {
    let mut out = Map::new();
    let mut put = |name: &str, value: Value| {
        if !value.is_null() {
            out.insert(name.to_owned(), value);
        }
    };
    put("user_id", json!(user.id));
    put("email", json!(user.email));
    if user.email.is_some() {
        put("email_verified", json!(user.email_verified));
    }
    put("username", json!(user.username));
    put("phone_number", json!(user.phone_number));
    if user.phone_number.is_some() {
        put("phone_verified", json!(user.phone_verified));
    }
    put("name", json!(user.profile.name));
    put("nickname", json!(user.profile.nickname));
    put("given_name", json!(user.profile.given_name));
    put("family_name", json!(user.profile.family_name));
    put("picture", json!(user.profile.picture));
    put("created_at", json!(user.created_at.to_iso()));
    put("updated_at", json!(user.updated_at.to_iso()));
    put("identities", json!(user.identities));
    put("user_metadata", json!(user.user_metadata));
    put("app_metadata", json!(user.app_metadata));
    put("last_ip", json!(user.last_ip));
    put("last_login", json!(user.last_login.map(|t| t.to_iso())));
    if user.logins_count > 0 {
        put("logins_count", json!(user.logins_count));
    }
    put("last_password_reset", json!(user.password_changed_at.map(|t| t.to_iso())));
    if user.blocked || user.blocked_set {
        put("blocked", json!(user.blocked));
    }
    if enrolled {
        put("multifactor", json!(["guardian"]));
    }
    put("multifactor_last_modified", json!(user.mfa_changed_at.map(|t| t.to_iso())));
    Value::Object(out)
}

/// What narrower scopes may change.
fn check_writable(call: &Call, body: &Map<String, Value>) -> Outcome<()> {
    let only: &[&str] = if call.caller.has("update:users") {
        return Ok(());
    } else if call.caller.has("update:users_app_metadata") {
        &["app_metadata"]
    } else {
        &["user_metadata"]
    };
    let others: Vec<&str> = body.keys().map(String::as_str).filter(|name| !only.contains(name)).collect();
    if others.is_empty() {
        return Ok(());
    }
    let message =
        format!("Insufficient scope, expected any of: update:users (to change {})", others.join(", "));
    Err(ManagementError::new(ManagementCode::InsufficientScope, message))
}

fn check_combination(body: &Map<String, Value>) -> Outcome<()> {
    const PAIRS: [(&str, &str); 5] = [
        ("password", "email"),
        ("password", "email_verified"),
        ("username", "email"),
        ("username", "email_verified"),
        ("username", "password"),
    ];
    match PAIRS.iter().find(|(a, b)| body.contains_key(*a) && body.contains_key(*b)) {
        Some((a, b)) => Err(refused(format!("Cannot update {a} and {b} simultaneously."))),
        None => Ok(()),
    }
}

fn apply(user: &mut User, body: &Map<String, Value>, connection: &Connection) -> Outcome<()> {
    let text = |name: &str| body.get(name).map(|value| value.as_str().map(str::to_owned));
    let flag = |name: &str| body.get(name).and_then(Value::as_bool);
    if let Some(email) = text("email") {
        let email = email.map(|e| normal_email(&e)).transpose().map_err(|e| refused(e.to_string()))?;
        if email != user.email {
            user.email_verified = false;
        }
        user.email = email;
    }
    if let Some(number) = text("phone_number") {
        if number != user.phone_number {
            user.phone_verified = false;
        }
        user.phone_number = number;
    }
    if let Some(username) = text("username") {
        check_username(connection, username.as_deref())?;
        user.username = username;
    }
    if user.email.is_none() && user.username.is_none() && user.phone_number.is_none() {
        return Err(refused("A user needs an email, a username or a phone_number."));
    }
    user.email_verified = flag("email_verified").unwrap_or(user.email_verified);
    user.phone_verified = flag("phone_verified").unwrap_or(user.phone_verified);
    if let Some(blocked) = flag("blocked") {
        user.blocked = blocked;
        user.blocked_set = true;
    }
    let profile = &mut user.profile;
    for (name, part) in [
        ("name", &mut profile.name),
        ("nickname", &mut profile.nickname),
        ("given_name", &mut profile.given_name),
        ("family_name", &mut profile.family_name),
        ("picture", &mut profile.picture),
    ] {
        if let Some(new) = text(name) {
            *part = new;
        }
    }
    for (name, stored) in
        [("user_metadata", &mut user.user_metadata), ("app_metadata", &mut user.app_metadata)]
    {
        if let Some(change) = body.get(name) {
            *stored = merge_metadata(stored.take(), change);
        }
    }
    // Cleared, the one reads back as empty and the other as absent (contract 1.5).
    if body.get("user_metadata").is_some() && user.user_metadata.is_none() {
        user.user_metadata = Some(Map::new());
    }
    Ok(())
}

fn check_username(connection: &Connection, username: Option<&str>) -> Outcome<()> {
    let Some(username) = username else { return Ok(()) };
    if !connection.requires_username() {
        return Err(refused("Cannot set username for connection without requires_username."));
    }
    let (min, max) = connection.username_length();
    let count = username.chars().count();
    if count < min || count > max {
        return Err(refused(format!("Username must be between {min} and {max} characters long.")));
    }
    Ok(())
}

async fn hash_password(call: &Call, connection: &Connection, password: String) -> Outcome<String> {
    if !connection.password_policy().accepts(&password) {
        return Err(refused("PasswordStrengthError: Password is too weak"));
    }
    Ok(call.app.passwords().hash(password).await?)
}

fn signed_up(user: &User, connection: &Connection) -> LogEvent {
    let details = signup::record(connection, user, None, &["pwd"], false);
    let mut event = LogEvent::new("ss", "").user(&user.id, user.display_name()).details(details);
    event.connection = Some(connection.name.clone());
    event.connection_id = Some(connection.id.to_string());
    event
}

fn object(body: &Map<String, Value>, name: &str) -> Option<Map<String, Value>> {
    body.get(name).and_then(Value::as_object).cloned()
}

fn missing(name: &str) -> ManagementError {
    refused(format!("Payload validation error: 'Missing required property: {name}'."))
}

fn is_id_part(text: &str) -> bool {
    (1..=255).contains(&text.chars().count()) && !text.chars().any(|c| c.is_whitespace() || c.is_control())
}

/// The properties that PATCH knows; a test holds them against what must never be writable.
#[cfg(test)]
const NEVER_WRITABLE: [&str; 7] = [
    "user_id",
    "identities",
    "last_login",
    "multifactor",
    "logins_count",
    "created_at",
    "authentication_methods",
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn privileged_fields_are_no_fields() {
        for name in NEVER_WRITABLE {
            let refused = UPDATE.check(Some(json!({name: "x"}))).unwrap_err();
            assert_eq!(
                refused.message,
                format!("Payload validation error: 'Additional properties not allowed: {name}'.")
            );
        }
    }

    #[test]
    fn two_changes_that_do_not_go_together_are_named() {
        let body = json!({"password": "x", "email": "a@b.example"}).as_object().cloned().unwrap();
        assert_eq!(
            check_combination(&body).unwrap_err().message,
            "Cannot update password and email simultaneously."
        );
    }
}
