//! The authentication methods of a user (contract/management-api.md 4).
//!
//! Methods of kinds whose factor this version does not run are kept and shown; the login does not see them until their factor exists.

use lockstep_core::codes::ManagementCode;
use lockstep_core::factors::totp::{self, Parameters, Seed};
use lockstep_core::factors::webauthn;
use lockstep_core::ids::{AuthenticatorId, UserId};
use lockstep_core::model::log_event::LogEvent;
use lockstep_core::model::settings::Profile;
use lockstep_core::model::user::{User, normal_email};
use serde_json::{Map, Value, json};

use super::query::{Page, Paging};
use super::validate::{Kind, Schema, malformed_path, optional, refused, required};
use super::{Call, Outcome, internal, load_user};
use crate::flows::messages::Notice;
use crate::flows::{admin_reset, changes};
use crate::store::db::{Conn, DbError};
use crate::store::methods::{self, Method};
use crate::store::{authenticators, passkeys, settings, users};

/// How many methods one user may have; also how many passkeys (contract/oidc.md 12).
const LIMIT: usize = 20;
/// How many of them may be keys.
const KEY_LIMIT: usize = 10;

const TYPES: &[&str] = &["phone", "email", "totp", "webauthn-roaming", "webauthn_roaming", "passkey"];
const CHANNEL: Kind = Kind::OneOf(&["sms", "voice"]);
const KEY: Kind = Kind::Text(1, 8192);

/// What a new one is made of.
pub const CREATE: Schema = Schema::closed(&[
    required("type", Kind::OneOf(TYPES)),
    optional("name", Kind::Text(1, 100)),
    optional("totp_secret", Kind::Text(1, 256)),
    optional("phone_number", Kind::Phone),
    optional("preferred_authentication_method", CHANNEL),
    optional("email", Kind::Email),
    optional("key_id", KEY),
    optional("public_key", KEY),
    optional("relying_party_identifier", Kind::Text(1, 253)),
    optional("aaguid", Kind::Text(1, 64)),
    optional("credential_device_type", Kind::OneOf(&["single_device", "multi_device"])),
    optional("credential_backed_up", Kind::Bool),
    optional("identity_user_id", Kind::Text(1, 255)),
    optional("user_agent", Kind::Text(1, 1024)),
    optional("user_handle", Kind::Text(1, 512)),
    optional("transports", Kind::List(&Kind::Text(1, 32), 0, 10)),
]);

const ITEM: Schema = Schema::closed(&[
    required("type", Kind::OneOf(&["phone", "email", "totp"])),
    optional("name", Kind::Text(1, 20)),
    optional("totp_secret", Kind::Text(1, 256)),
    optional("phone_number", Kind::Phone),
    optional("preferred_authentication_method", CHANNEL),
    optional("email", Kind::Email),
]);
/// The list that takes the place of all.
pub const REPLACE: Kind = Kind::List(&Kind::Shape(&ITEM), 0, LIMIT);

/// What may be changed.
pub const UPDATE: Schema = Schema::closed(&[
    optional("name", Kind::Text(1, 100)),
    optional("preferred_authentication_method", CHANNEL),
]);

/// Lists a user's methods.
pub async fn list(call: &mut Call, user: &UserId, paging: &Paging) -> Outcome {
    let mut conn = call.app.db().read().await?;
    load_user(&mut conn, user).await?;
    let view = View::load(&mut conn, Face::Read).await?;
    let all = methods::list_of_user(&mut conn, user).await?;
    let page = Page::cut(all.iter().map(|method| view.of(method)).collect(), paging);
    // Not `authentication_methods`: that is what the wire says.
    Ok(page.answer("authenticators", paging, call.env.now))
}

/// Returns one method.
pub async fn read(call: &mut Call, user: &UserId, id: &str) -> Outcome {
    let mut conn = call.app.db().read().await?;
    let method = load(&mut conn, user, id).await?;
    Ok(View::load(&mut conn, Face::Read).await?.of(&method))
}

/// Adds a method, confirmed at once.
pub async fn create(call: &mut Call, user: &UserId, body: Option<Value>) -> Outcome {
    let body = CREATE.check(body)?;
    let new = New::parse(call, &body)?;
    let mut tx = call.app.db().write().await?;
    let owner = load_user(&mut tx, user).await?;
    let method = add(call, &mut tx, user, new).await?;
    users::note_mfa_change(&mut tx, user, call.env.now).await?;
    tell(call, &mut tx, &owner, std::slice::from_ref(&method)).await?;
    let mut answer = View::load(&mut tx, Face::Created).await?.of(&method);
    if let Some(secret) = body.get("totp_secret").filter(|_| method.kind == "totp") {
        answer["totp_secret"] = secret.clone();
    }
    tx.commit().await?;
    Ok(answer)
}

/// Replaces all methods by the given ones.
pub async fn replace(call: &mut Call, user: &UserId, body: Option<Value>) -> Outcome {
    let body = REPLACE.check(body)?;
    let items = body.as_array().map(Vec::as_slice).unwrap_or_default();
    let mut new = Vec::new();
    for item in items.iter().filter_map(Value::as_object) {
        new.push(New::parse(call, item)?);
    }
    let mut tx = call.app.db().write().await?;
    let owner = load_user(&mut tx, user).await?;
    refuse_passkeys(&mut tx, user).await?;
    let (by, origin) = (call.by(), call.origin_of_operator());
    let taken =
        admin_reset::take_away(&mut tx, &call.app, &mut call.env, &origin, &owner, &by, |_| true).await?;
    // Who gets others in their place is not told that there are none.
    if new.is_empty() {
        admin_reset::tell(&mut tx, &call.app, &mut call.env, &origin, &owner, &taken).await?;
    }
    let mut made = Vec::new();
    for item in new {
        made.push(add(call, &mut tx, user, item).await?);
    }
    tell(call, &mut tx, &owner, &made).await?;
    let view = View::load(&mut tx, Face::Replaced).await?;
    tx.commit().await?;
    Ok(made.iter().map(|method| view.of(method)).collect())
}

/// Changes the label or the preferred channel of a method.
pub async fn update(call: &mut Call, user: &UserId, id: &str, body: Option<Value>) -> Outcome {
    let body = UPDATE.check(body)?;
    let mut tx = call.app.db().write().await?;
    let mut method = load(&mut tx, user, id).await?;
    if let Some(name) = body.get("name").and_then(Value::as_str) {
        method.name = Some(name.to_owned());
    }
    if let Some(channel) = body.get("preferred_authentication_method") {
        if method.kind != "phone" {
            return Err(refused(
                "preferred_authentication_method can only be set for phone authentication methods.",
            ));
        }
        method.data["preferred_authentication_method"] = channel.clone();
    }
    methods::save(&mut tx, &method).await?;
    let owner = load_user(&mut tx, user).await?;
    let details = json!({"authenticator": {"id": method.id, "type": method.kind}});
    let event = LogEvent::new("gd_update_device_account", "").user(user, owner.display_name());
    call.log(&mut tx, event.details(details)).await?;
    let answer = View::load(&mut tx, Face::Created).await?.of(&method);
    tx.commit().await?;
    Ok(answer)
}

/// Deletes a method and those that were made together with it.
pub async fn delete(call: &mut Call, user: &UserId, id: &str) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    let owner = load_user(&mut tx, user).await?;
    let method = load(&mut tx, user, id).await?;
    take_away(call, &mut tx, &owner, |other| other.id == method.id).await?;
    tx.commit().await?;
    Ok(())
}

/// Deletes all methods.
pub async fn delete_all(call: &mut Call, user: &UserId) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    let owner = load_user(&mut tx, user).await?;
    refuse_passkeys(&mut tx, user).await?;
    take_away(call, &mut tx, &owner, |_| true).await?;
    tx.commit().await?;
    Ok(())
}

/// Finds a method by what a path says: `totp|dev_…`, a nested `sms|dev_…`, or `dev_…` alone.
pub(super) async fn load(conn: &mut Conn, user: &UserId, text: &str) -> Outcome<Method> {
    let device = text.rsplit_once('|').map_or(text, |(_, device)| device);
    let id = AuthenticatorId::parse(device).map_err(|_| {
        malformed_path("authentication-method-id", text, "authentication_method_id", "The ID of the method.")
    })?;
    load_user(conn, user).await?;
    let found = methods::find_of_user(conn, user, &id).await?;
    let prefix = text.split_once('|').map(|(prefix, _)| prefix);
    let fits = |method: &Method| {
        prefix.is_none_or(|prefix| prefix == method.kind || nested(&method.kind).contains(&prefix))
    };
    found.filter(fits).ok_or_else(|| ManagementCode::InexistentAuthenticationMethod.into())
}

/// Takes away those methods that a test picks, and tells the person.
pub(super) async fn take_away(
    call: &mut Call,
    tx: &mut Conn,
    owner: &User,
    picks: impl Fn(&Method) -> bool,
) -> Result<(), DbError> {
    let (by, origin) = (call.by(), call.origin_of_operator());
    let taken = admin_reset::take_away(tx, &call.app, &mut call.env, &origin, owner, &by, picks).await?;
    admin_reset::tell(tx, &call.app, &mut call.env, &origin, owner, &taken).await
}

async fn refuse_passkeys(conn: &mut Conn, user: &UserId) -> Outcome<()> {
    let has = methods::list_of_user(conn, user).await?.iter().any(|m| m.kind == "passkey");
    if has { Err(ManagementCode::HasPasskey.into()) } else { Ok(()) }
}

/// A method to be made.
enum New {
    Totp { seed: Seed, name: Option<String> },
    Other { kind: &'static str, name: Option<String>, data: Value },
}

impl New {
    fn parse(call: &Call, body: &Map<String, Value>) -> Outcome<Self> {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        let needed = |name: &str| {
            text(name).ok_or_else(|| {
                refused(format!("Payload validation error: 'Missing required property: {name}'."))
            })
        };
        let name = text("name").map(str::to_owned);
        let (kind, data) = match text("type").unwrap_or_default() {
            "totp" => {
                let seed = Seed::parse(needed("totp_secret")?)
                    .map_err(|e| refused(format!("The totp_secret is not valid: {e}.")))?;
                return Ok(Self::Totp { seed, name });
            }
            "phone" => {
                let channel = text("preferred_authentication_method").unwrap_or("sms");
                let number = needed("phone_number")?;
                ("phone", json!({"phone_number": number, "preferred_authentication_method": channel}))
            }
            "email" => {
                let email = normal_email(needed("email")?).map_err(|e| refused(e.to_string()))?;
                ("email", json!({"email": email}))
            }
            kind => {
                let kind = if kind == "passkey" { "passkey" } else { "webauthn-roaming" };
                let (key_id, public_key) = (needed("key_id")?, needed("public_key")?);
                let host = text("relying_party_identifier").unwrap_or(call.env.issuer.host());
                let mut data = webauthn::imported(key_id, public_key, host)
                    .map_err(|error| refused(format!("Payload validation error: '{error}'.")))?;
                if kind == "passkey" {
                    for extra in PASSKEY {
                        if let Some(value) = body.get(*extra) {
                            data[*extra] = value.clone();
                        }
                    }
                }
                (kind, data)
            }
        };
        Ok(Self::Other { kind, name, data })
    }
}

const PASSKEY: &[&str] = &[
    "aaguid",
    "credential_device_type",
    "credential_backed_up",
    "identity_user_id",
    "user_agent",
    "user_handle",
    "transports",
];

async fn add(call: &mut Call, tx: &mut Conn, user: &UserId, new: New) -> Outcome<Method> {
    let present = methods::list_of_user(tx, user).await?;
    if present.len() >= LIMIT {
        return Err(ManagementCode::TooManyMethods.into());
    }
    let id = AuthenticatorId::new(call.env.rng());
    match new {
        New::Totp { seed, name } => {
            let apps = authenticators::list_of_user(tx, user).await?;
            if apps.iter().any(|app| totp::holds_seed(app, &seed)) {
                return Err(ManagementCode::MethodConflict.into());
            }
            let made = totp::imported(id.clone(), user.clone(), &Parameters::usual(seed), name, call.env.now)
                .map_err(|cause| internal(&cause))?;
            authenticators::create(tx, &made).await?;
            methods::find(tx, &id).await?.ok_or_else(|| internal(&"a method that was just made is not there"))
        }
        New::Other { kind, name, data } => {
            let of = |data: &'_ Value, key: &str| data.get(key).and_then(Value::as_str).map(str::to_owned);
            let same =
                |m: &Method, key: &str| of(&m.data, key).is_some() && of(&m.data, key) == of(&data, key);
            let same_key = |m: &Method| {
                let (theirs, ours) = (of(&m.data, "key_id"), of(&data, "key_id"));
                theirs.zip(ours).is_some_and(|(theirs, ours)| webauthn::same_key(&theirs, &ours))
            };
            // A key is one and the same under whatever type it stands.
            let twin = |m: &Method| {
                same_key(m) || (m.kind == kind && ["phone_number", "email"].iter().any(|k| same(m, k)))
            };
            let keys = present.iter().filter(|m| m.kind.starts_with("webauthn-")).count();
            if kind == "webauthn-roaming" && keys >= KEY_LIMIT {
                return Err(ManagementCode::TooManyMethods.into());
            }
            if present.iter().any(twin) {
                return Err(ManagementCode::MethodConflict.into());
            }
            if kind == passkeys::KIND {
                let new = passkeys::Passkey {
                    id,
                    user: user.clone(),
                    name,
                    data,
                    sign_count: None,
                    created_at: call.env.now,
                    enrolled_at: None,
                };
                return add_passkey(tx, new).await;
            }
            let method = Method {
                id,
                user: user.clone(),
                kind: kind.to_owned(),
                confirmed: true,
                name,
                data,
                link_id: None,
                created_at: call.env.now,
                enrolled_at: None,
                last_auth_at: None,
            };
            methods::create(tx, &method).await?;
            Ok(method)
        }
    }
}

/// Adds a passkey. It logs in by itself, so it is one person's alone.
async fn add_passkey(tx: &mut Conn, new: passkeys::Passkey) -> Outcome<Method> {
    let hash = new.data.get("key_id").and_then(Value::as_str).and_then(webauthn::passkey::credential_hash);
    let hash = hash.ok_or_else(|| internal(&"an imported passkey has no identifier"))?;
    match passkeys::create(tx, &new, &hash).await {
        Err(DbError::Conflict) => return Err(ManagementCode::MethodConflict.into()),
        other => other?,
    }
    methods::find(tx, &new.id).await?.ok_or_else(|| internal(&"a passkey that was just made is not there"))
}

/// Tells the person what an operator added (ASVS 6.3.7). Only in the profile `assured`: Auth0 sends nothing, and who imports users by these
/// calls would write to all of them.
async fn tell(call: &mut Call, tx: &mut Conn, owner: &User, made: &[Method]) -> Result<(), DbError> {
    if call.app.config().profile != Profile::Assured {
        return Ok(());
    }
    let origin = call.origin_of_operator();
    let held = authenticators::list_of_user(tx, &owner.id).await?;
    for new in held.iter().filter(|held| made.iter().any(|method| method.id == held.id)) {
        changes::tell(tx, &call.app, &mut call.env, &origin, owner, &Notice::Added(new)).await?;
    }
    for _ in made.iter().filter(|method| method.kind == passkeys::KIND) {
        changes::tell(tx, &call.app, &mut call.env, &origin, owner, &Notice::PasskeyAdded).await?;
    }
    Ok(())
}

/// Returns the id on the wire.
pub(super) fn method_id(method: &Method) -> String {
    format!("{}|{}", method.kind, method.id)
}

fn nested(kind: &str) -> &'static [&'static str] {
    match kind {
        "phone" => &["sms", "voice"],
        "push" => &["totp"],
        _ => &[],
    }
}

/// Which answer shows a method: they differ in small ways.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Face {
    /// GET: with `confirmed`, all masked.
    Read,
    /// POST and PATCH: the address is masked, the number is not.
    Created,
    /// PUT: in clear.
    Replaced,
}

/// Shows methods.
pub(super) struct View {
    face: Face,
    mask_phone: bool,
    voice: bool,
}

impl View {
    /// Reads what the tenant wants to have shown.
    pub(super) async fn load(conn: &mut Conn, face: Face) -> Result<Self, DbError> {
        let tenant = settings::tenant(conn).await?;
        let guardian = settings::guardian(conn).await?;
        Ok(Self {
            face,
            mask_phone: face == Face::Read && !tenant.flag("disable_management_api_sms_obfuscation"),
            voice: guardian.message_types.iter().any(|t| t == "voice"),
        })
    }

    /// Returns the object of the wire. Secrets never get into it: each property is named.
    pub(super) fn of(&self, method: &Method) -> Value {
        let mut out = Map::new();
        let mut put = |name: &str, value: Value| {
            if !value.is_null() {
                out.insert(name.to_owned(), value);
            }
        };
        put("id", json!(method_id(method)));
        put("type", json!(method.kind));
        if self.face == Face::Read {
            put("confirmed", json!(method.confirmed));
        }
        put("name", json!(method.name));
        put("created_at", json!(method.created_at.to_iso()));
        if self.face == Face::Read {
            put("enrolled_at", json!(method.enrolled_at.map(|t| t.to_iso())));
            put("last_auth_at", json!(method.last_auth_at.map(|t| t.to_iso())));
        }
        put("link_id", json!(method.link_id));
        let data = |name: &str| method.data.get(name).cloned().unwrap_or_default();
        match method.kind.as_str() {
            "phone" => {
                let number = data("phone_number");
                let number = number.as_str().unwrap_or_default();
                put(
                    "phone_number",
                    json!(if self.mask_phone { masked_phone(number) } else { number.to_owned() }),
                );
                let channel = data("preferred_authentication_method");
                let mut channels = vec!["sms"];
                if self.voice || channel == "voice" {
                    channels.push("voice");
                }
                put("preferred_authentication_method", channel);
                let channels =
                    channels.iter().map(|c| json!({"type": c, "id": format!("{c}|{}", method.id)}));
                put("authentication_methods", channels.collect());
            }
            "email" | "email-verification" => {
                let email = data("email");
                let email = email.as_str().unwrap_or_default();
                let shown = if self.face == Face::Replaced { email.to_owned() } else { masked_email(email) };
                put("email", json!(shown));
            }
            "webauthn-roaming" | "webauthn-platform" | "passkey" => {
                let more = if method.kind == "passkey" { PASSKEY } else { &[] };
                for name in ["key_id", "public_key", "relying_party_identifier"].iter().chain(more) {
                    put(name, data(name));
                }
            }
            _ => {}
        }
        Value::Object(out)
    }
}

/// `+15005554412` is `XXXXXXXX4412`.
pub(super) fn masked_phone(number: &str) -> String {
    let hidden = number.chars().count().saturating_sub(4);
    number.chars().enumerate().map(|(n, c)| if n < hidden { 'X' } else { c }).collect()
}

/// `chris77@acme.test` is `chri****@acme*****`.
pub(super) fn masked_email(email: &str) -> String {
    let (local, domain) = email.rsplit_once('@').unwrap_or((email, ""));
    let shown: String =
        if local.chars().count() > 4 { local.chars().take(4).collect() } else { String::new() };
    let domain: String = domain.chars().enumerate().map(|(n, c)| if n < 4 { c } else { '*' }).collect();
    format!("{shown}****@{domain}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_addresses_are_masked_as_documented() {
        assert_eq!(masked_phone("+15005554412"), "XXXXXXXX4412");
        assert_eq!(masked_phone("+12"), "+12");
        assert_eq!(masked_email("chris77@acme.test"), "chri****@acme*****");
        assert_eq!(masked_email("foo@acme.test"), "****@acme*****");
    }

    #[test]
    fn what_the_server_decides_cannot_be_sent() {
        for name in ["id", "confirmed", "created_at", "last_auth_at", "__proto__"] {
            let body = json!({"type": "email", "email": "a@b.example", name: "x"});
            assert!(CREATE.check(Some(body)).unwrap_err().message.contains(name), "{name}");
        }
    }
}
