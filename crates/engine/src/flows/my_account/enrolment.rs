//! Enrolling by API: `POST /me/v1/authentication-methods` and its `verify` (contract/mfa-api.md 12.3).

use lockstep_core::crypto::digest::{same_secret, sha256_b64url};
use lockstep_core::factors::webauthn::passkey::Registration;
use lockstep_core::factors::{
    self, Draft, EnrolAsk, FactorError, FactorKind, Input, PhoneNumber, Reach, Shown, email, phone,
};
use lockstep_core::mfa_api::Named;
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::connection::{Connection, PasswordRule};
use lockstep_core::model::languages::choose_locale;
use lockstep_core::model::log_event::{LogEvent, mfa};
use lockstep_core::model::message::{Channel, CodeToSend};
use lockstep_core::model::user::normal_email;
use lockstep_core::my_account::{self, MyAccountCode, MyAccountError};
use lockstep_core::time::Span;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{Call, Facts, Outcome, internal, passkeys};
use crate::flows::management::validate::{Kind, Schema, optional, required};
use crate::flows::messages::About;
use crate::flows::sending::{self, SendError};
use crate::flows::{attempts, changes};
use crate::store::ceremonies::{self, Stored};
use crate::store::db::Conn;
use crate::store::{buckets, connections, settings};

/// What its rows are stored as.
const KIND: &str = "my_account";
/// How long an `auth_session` lives.
pub(super) const LIFETIME: Span = Span::minutes(10);
/// How many wrong codes end it.
const TRIES: u8 = 5;
/// How many methods one user may have.
pub(super) const MOST: usize = 20;
/// The id of a password that is being set.
const NEW_PASSWORD: &str = "password|new";

const TYPE: Kind = Kind::OneOf(&[
    "passkey",
    "password",
    "phone",
    "email",
    "totp",
    "push-notification",
    "recovery-code",
    "webauthn-platform",
    "webauthn-roaming",
]);
const ANY: Schema = Schema::open(&[required("type", TYPE)]);
const PLAIN: Schema = Schema::closed(&[required("type", TYPE)]);
const PHONE: Schema = Schema::closed(&[
    required("type", TYPE),
    required("phone_number", Kind::Text(1, 30)),
    optional("preferred_authentication_method", Kind::OneOf(&["sms", "voice"])),
]);
const EMAIL: Schema = Schema::closed(&[required("type", TYPE), required("email", Kind::Text(1, 320))]);
const CONNECTION: Kind = Kind::Format("connection", is_connection);
/// Whose password or passkey it will be.
pub(super) const IDENTITY: Schema = Schema::closed(&[
    required("type", TYPE),
    optional("connection", CONNECTION),
    optional("identity_user_id", Kind::Text(1, 128)),
]);
const VERIFY: Schema = Schema::closed(&[
    optional("auth_session", Kind::Text(1, 1024)),
    optional("otp_code", Kind::Text(1, 16)),
    optional("new_password", Kind::Text(1, 256)),
    optional("authn_response", Kind::Shape(&passkeys::ANSWER)),
]);

/// What an `auth_session` stands for.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Session {
    hash: String,
    pub(super) misses: u8,
    what: What,
}

#[derive(Clone, Serialize, Deserialize)]
pub(super) enum What {
    Factor(Draft),
    Password,
    Passkey(Registration),
}

/// An enrolment that was begun: its id for the `Location`, and the answer.
pub struct Begun {
    /// The id of the method to be.
    pub id: String,
    /// The body.
    pub body: Value,
}

/// Begins an enrolment.
pub async fn begin(call: &mut Call, body: Option<Value>) -> Outcome<Begun> {
    let kind = body.as_ref().and_then(|b| b["type"].as_str()).unwrap_or_default().to_owned();
    let outcome = try_begin(call, body).await;
    let id = outcome.as_ref().map_or(kind.as_str(), |begun| begun.id.as_str());
    call.record("enroll", id, ("POST", "/me/v1/authentication-methods"), &outcome);
    outcome
}

async fn try_begin(call: &mut Call, body: Option<Value>) -> Outcome<Begun> {
    call.require("create:me:authentication_methods")?;
    call.count_change().await?;
    let body = ANY.parse(body)?;
    let kind = body["type"].as_str().unwrap_or_default().to_owned();
    let mut tx = call.app.db().write().await?;
    let facts = call.facts(&mut tx).await?;
    call.require_step_up(&facts)?;
    let begun = match (kind.as_str(), FactorKind::from_method_type(&kind)) {
        ("password", _) => begin_password(call, &mut tx, body).await?,
        ("passkey", _) => passkeys::begin(call, &mut tx, &facts, body).await?,
        (_, Some(kind)) if kind.is_key() => {
            return Err(MyAccountError::property("can be read and removed here, and not enrolled", "type"));
        }
        (_, Some(kind)) => begin_factor(call, &mut tx, &facts, kind, body).await?,
        _ => return Err(MyAccountCode::NotAvailable.into()),
    };
    tx.commit().await?;
    Ok(begun)
}

async fn begin_factor(
    call: &mut Call,
    tx: &mut Conn,
    facts: &Facts,
    kind: FactorKind,
    body: Map<String, Value>,
) -> Outcome<Begun> {
    if !facts.may_enrol(kind) {
        return Err(MyAccountCode::NotAvailable.into());
    }
    if facts.count() >= MOST {
        let event = LogEvent::new("too_many_records", MyAccountCode::TooManyMethods.text());
        let event = event.client(&call.client, "").user(&call.user.id, call.user.display_name());
        call.app.log(&call.env, &event.from(&call.origin));
        return Err(MyAccountCode::TooManyMethods.into());
    }
    let reach = reach(facts, kind, body)?;
    let tenant = settings::tenant(tx).await?;
    let ask = EnrolAsk {
        user: call.user.id.clone(),
        issuer: tenant.friendly_name().to_owned(),
        account: call.user.display_name().to_owned(),
        profile: call.app.config().profile,
        reach,
        key: None,
    };
    let (draft, message) = factors::begin_enrolment(kind, &ask, &mut call.env).map_err(|e| internal(&e))?;
    let draft = draft.lasting(LIFETIME);
    if let Some(message) = &message {
        send(call, tx, message).await?;
    }
    let id = kind.method_id(&draft.id);
    let mut answer = json!({"id": id});
    match factors::shown(&draft).map_err(|e| internal(&e))? {
        Shown::Totp { secret, uri, .. } => {
            answer["barcode_uri"] = json!(uri);
            answer["manual_input_code"] = json!(secret);
        }
        Shown::RecoveryCode(code) => answer["recovery_code"] = json!(code),
        // A key is enrolled in a browser only: refused above.
        Shown::Sent { .. } | Shown::PublicKey(_) => {}
    }
    answer["auth_session"] = json!(keep(call, tx, draft.id.as_str(), What::Factor(draft.clone())).await?);
    let event = LogEvent::new("gd_start_enroll", "")
        .client(&call.client, "")
        .user(&call.user.id, call.user.display_name())
        .details(json!({"authenticator": mfa::named(kind, Some(&draft.id))}))
        .from(&call.origin);
    call.app.logs().insert(tx, &call.env, &event).await?;
    Ok(Begun { id, body: answer })
}

/// Reads where a code has to go.
fn reach(facts: &Facts, kind: FactorKind, body: Map<String, Value>) -> Outcome<Option<Reach>> {
    let body = Some(Value::Object(body));
    match kind {
        FactorKind::WebauthnPlatform
        | FactorKind::WebauthnRoaming
        | FactorKind::Totp
        | FactorKind::RecoveryCode => {
            PLAIN.parse(body)?;
            Ok(None)
        }
        FactorKind::Phone => {
            let body = PHONE.parse(body)?;
            let text = body["phone_number"].as_str().unwrap_or_default();
            let number = PhoneNumber::parse(text)
                .map_err(|_| MyAccountError::property("must be a valid phone number", "phone_number"))?;
            let wanted = body.get("preferred_authentication_method").and_then(Value::as_str);
            let channels = facts.guardian.channels();
            let channel = match wanted.and_then(Channel::parse) {
                Some(channel) if !channels.contains(&channel) => {
                    let text = "the tenant does not send such messages";
                    return Err(MyAccountError::property(text, "preferred_authentication_method"));
                }
                Some(channel) => channel,
                None => channels.first().copied().unwrap_or(Channel::Sms),
            };
            let same = |on: &Authenticator| on.confirmed && phone::number(on).as_ref() == Some(&number);
            if facts.held.iter().any(same) {
                return Err(MyAccountCode::Duplicate.into());
            }
            Ok(Some(Reach::Phone { number, channel }))
        }
        FactorKind::Email => {
            let body = EMAIL.parse(body)?;
            let address = normal_email(body["email"].as_str().unwrap_or_default())
                .map_err(|_| MyAccountError::property("must be a valid email address", "email"))?;
            let same = |on: &Authenticator| on.confirmed && email::address(on).as_ref() == Some(&address);
            if facts.held.iter().any(same) {
                return Err(MyAccountCode::Duplicate.into());
            }
            Ok(Some(Reach::Email(address)))
        }
    }
}

async fn send(call: &mut Call, tx: &mut Conn, code: &CodeToSend) -> Outcome<()> {
    let tenant = settings::tenant(tx).await?;
    let about = About {
        tenant: &tenant,
        client: None,
        user: Some(&call.user),
        language: choose_locale(None, None, call.origin.languages.as_deref(), &tenant.enabled_locales()),
        host: call.app.issuer().host(),
    };
    sending::send_code(tx, &call.app, &mut call.env, &about, &call.origin, code).await.map_err(|error| {
        match error {
            SendError::TooMany(_) => MyAccountError::new(
                MyAccountCode::TooMany,
                "Too many codes were sent. Wait for some minutes.",
            ),
            SendError::NotAllowed(_) => MyAccountCode::NotSent.into(),
            SendError::Db(error) => error.into(),
        }
    })
}

async fn begin_password(call: &mut Call, tx: &mut Conn, body: Map<String, Value>) -> Outcome<Begun> {
    call.check_identity(&IDENTITY.parse(Some(Value::Object(body)))?)?;
    let connection = connection(call, tx).await?;
    let policy = policy(&connection);
    let auth_session = keep(call, tx, "password", What::Password).await?;
    let answer = json!({"id": NEW_PASSWORD, "auth_session": auth_session, "policy": policy});
    Ok(Begun { id: NEW_PASSWORD.to_owned(), body: answer })
}

pub(super) async fn connection(call: &Call, conn: &mut Conn) -> Outcome<Connection> {
    let found = connections::find_by_name(conn, &call.user.connection).await?;
    found.filter(Connection::is_database).ok_or_else(|| MyAccountCode::NotAvailable.into())
}

/// The password policy of a connection, as this API shows it.
fn policy(connection: &Connection) -> Value {
    let policy = connection.password_policy();
    let mut complexity = json!({
        "min_length": policy.min_length,
        "identical_characters": if policy.max_run.is_some() { "block" } else { "allow" },
        "sequential_characters": "allow",
        "max_length_exceeded": "error",
    });
    if policy.kinds > 0 {
        complexity["character_types"] = json!(["lowercase", "uppercase", "number", "special"]);
        complexity["character_type_rule"] = json!(if policy.kinds == 4 { "all" } else { "three_of_four" });
    }
    json!({
        "complexity": complexity,
        "profile_data": {"active": false},
        "history": {"active": false},
        "dictionary": {"active": false},
    })
}

/// Stores what an enrolment waits for, and returns its `auth_session`. One that was begun for the same method before is over.
pub(super) async fn keep(call: &mut Call, tx: &mut Conn, method: &str, what: What) -> Outcome<String> {
    let auth_session = call.env.rng().url_safe(43);
    let handle_hash = handle(call, method);
    ceremonies::delete(tx, &handle_hash).await?;
    let stored = Stored {
        handle_hash,
        version: 0,
        kind: KIND.to_owned(),
        user: call.user.id.clone(),
        client: call.client.clone(),
        data: Session { hash: sha256_b64url(&auth_session), misses: 0, what },
        created_at: call.env.now,
        expires_at: call.env.now + LIFETIME,
        used_at: None,
    };
    ceremonies::create(tx, &stored).await?;
    Ok(auth_session)
}

/// The row of a method: bound to user and application, since another one's id leads to another row. `totp` and `email` are verified without
/// naming the `auth_session`, so the row is not found by it.
fn handle(call: &Call, method: &str) -> String {
    sha256_b64url(format!("my account\n{}\n{}\n{method}", call.user.id, call.client))
}

fn handle_of(call: &Call, id: &str) -> Option<String> {
    if id == NEW_PASSWORD {
        return Some(handle(call, "password"));
    }
    if id == passkeys::NEW {
        return Some(handle(call, passkeys::METHOD));
    }
    Named::parse(id).map(|named| handle(call, named.id.as_str()))
}

/// Ends an enrolment: with its code, with nothing but its `auth_session`, with the new password, or with the passkey's answer. Returns the method and its id.
pub async fn verify(call: &mut Call, id: &str, body: Option<Value>) -> Outcome<Value> {
    let outcome = try_verify(call, id, body).await;
    call.record("verify", id, ("POST", "/me/v1/authentication-methods/{id}/verify"), &outcome);
    outcome
}

async fn try_verify(call: &mut Call, id: &str, body: Option<Value>) -> Outcome<Value> {
    call.require("create:me:authentication_methods")?;
    call.count_change().await?;
    let body = VERIFY.parse(body)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let handle = handle_of(call, id).ok_or(MyAccountCode::NotFound)?;
    let hash = match id {
        NEW_PASSWORD => Some(hash_password(call, &handle, text("auth_session"), text("new_password")).await?),
        _ => None,
    };
    let mut tx = call.app.db().write().await?;
    let stored = load(call, &mut tx, &handle, text("auth_session")).await?;
    let answer = match (&stored.data.what, hash) {
        (What::Password, Some(hash)) => {
            end(call, &mut tx, &stored).await?;
            let (user, client, origin) = (&call.user, &call.client, &call.origin);
            changes::password(&mut tx, &call.app, &mut call.env, origin, user, Some(client), &hash).await?;
            call.user.password_changed_at = Some(call.env.now);
            my_account::password(&call.user)
        }
        (What::Password, None) => return Err(MyAccountCode::BadSession.into()),
        (What::Passkey(registration), _) => {
            let facts = call.facts(&mut tx).await?;
            call.require_step_up(&facts)?;
            text("auth_session").ok_or_else(|| missing("auth_session"))?;
            let registration = registration.clone();
            let answer = body.get("authn_response");
            match passkeys::confirm(call, &mut tx, &facts, stored, &registration, answer).await? {
                Ok(method) => method,
                Err(refused) => {
                    tx.commit().await?;
                    return Err(refused);
                }
            }
        }
        (What::Factor(draft), _) => {
            // Asked when it was begun, and again: she may have enrolled since, and then this token proves too little.
            let facts = call.facts(&mut tx).await?;
            call.require_step_up(&facts)?;
            let draft = draft.clone();
            let code = text("otp_code");
            match confirm(call, &mut tx, stored, &draft, code, text("auth_session").is_some()).await? {
                Ok(new) => my_account::method(&new),
                Err(refused) => {
                    tx.commit().await?;
                    return Err(refused);
                }
            }
        }
    };
    tx.commit().await?;
    Ok(answer)
}

/// Checks and hashes a new password, before the database is locked for writing.
async fn hash_password(
    call: &Call,
    handle: &str,
    session: Option<&str>,
    password: Option<&str>,
) -> Outcome<String> {
    let mut conn = call.app.db().read().await?;
    load(call, &mut conn, handle, session).await?;
    // Nothing but the token speaks for the person here: no code was sent, and no secret shown.
    let facts = call.facts(&mut conn).await?;
    call.require_step_up(&facts)?;
    let password = password.ok_or_else(|| missing("new_password"))?;
    check_password(&connection(call, &mut conn).await?, password)?;
    drop(conn);
    Ok(call.app.passwords().hash(password.to_owned()).await?)
}

/// Confirms a factor. The inner error is one whose counting has to be saved.
async fn confirm(
    call: &mut Call,
    tx: &mut Conn,
    mut stored: Stored<Session>,
    draft: &Draft,
    code: Option<&str>,
    named_session: bool,
) -> Outcome<Result<Authenticator, MyAccountError>> {
    let written_down = draft.kind == FactorKind::RecoveryCode;
    if !named_session && matches!(draft.kind, FactorKind::Phone | FactorKind::RecoveryCode) {
        return Err(missing("auth_session"));
    }
    let input = match code {
        _ if written_down => Input::Saved,
        Some(code) => Input::code(code),
        None => return Err(missing("otp_code")),
    };
    let bucket = attempts::bucket(&call.user.id, draft.kind);
    let budget = attempts::budget(draft.kind);
    // Counted before it is judged: of guesses sent at once, no more are looked at than the budget has.
    if !written_down && !buckets::take(tx, &bucket, budget, call.env.now).await? {
        return Err(MyAccountError::new(
            MyAccountCode::TooMany,
            "Too many wrong codes. Wait for some minutes.",
        ));
    }
    let enrolled = match factors::confirm(draft, &input, &mut call.env) {
        Ok(enrolled) => enrolled.authenticator,
        Err(FactorError::Wrong) => {
            stored.data.misses = stored.data.misses.saturating_add(1);
            let mut missed = draft.clone();
            missed.miss();
            stored.data.what = What::Factor(missed);
            // Lost to another answer at the same moment: that one was counted too.
            ceremonies::save(tx, &stored.handle_hash, stored.version, &stored.data).await?;
            return Ok(Err(MyAccountCode::WrongCode.into()));
        }
        Err(FactorError::Malformed) => {
            buckets::give_back(tx, &bucket, budget).await?;
            return Ok(Err(MyAccountError::property("must be a code of six digits", "otp_code")));
        }
        Err(FactorError::Expired) => return Err(MyAccountCode::BadSession.into()),
        Err(error) => return Err(internal(&error)),
    };
    end(call, tx, &stored).await?;
    let (app, user, origin) = (&call.app, &call.user, &call.origin);
    if written_down {
        changes::recovery_code_replaced(tx, app, &mut call.env, origin, user, &enrolled).await?;
    } else {
        buckets::reset(tx, &bucket).await?;
        changes::enrolled(tx, app, &mut call.env, origin, user, &enrolled).await?;
    }
    Ok(Ok(enrolled))
}

/// Finds an enrolment that still can be ended.
async fn load(call: &Call, conn: &mut Conn, handle: &str, named: Option<&str>) -> Outcome<Stored<Session>> {
    let stored = ceremonies::find::<Session>(conn, handle, KIND).await?.ok_or(MyAccountCode::NotFound)?;
    let is_over =
        stored.used_at.is_some() || stored.expires_at <= call.env.now || stored.data.misses >= TRIES;
    let fits = |session: &str| same_secret(sha256_b64url(session), &stored.data.hash);
    if is_over || named.is_some_and(|session| !fits(session)) {
        return Err(MyAccountCode::BadSession.into());
    }
    Ok(stored)
}

pub(super) async fn end(call: &Call, tx: &mut Conn, stored: &Stored<Session>) -> Outcome<()> {
    if ceremonies::claim(tx, &stored.handle_hash, stored.version, call.env.now).await? {
        Ok(())
    } else {
        Err(MyAccountCode::BadSession.into())
    }
}

/// Gives an enrolment up; returns false if there is none of this id.
pub(super) async fn give_up(call: &Call, tx: &mut Conn, id: &str) -> Outcome<bool> {
    let Some(handle) = handle_of(call, id) else { return Ok(false) };
    let found = ceremonies::find::<Session>(tx, &handle, KIND).await?;
    if found.is_none_or(|stored| stored.used_at.is_some() || stored.expires_at <= call.env.now) {
        return Ok(false);
    }
    Ok(ceremonies::delete(tx, &handle).await?)
}

/// Returns the methods that wait for their confirmation.
pub(super) async fn pending(call: &Call, conn: &mut Conn) -> Outcome<Vec<Value>> {
    let all = ceremonies::list_of_user::<Session>(conn, &call.user.id, KIND, call.env.now).await?;
    let mut shown = Vec::new();
    for stored in all.into_iter().filter(|s| s.client == call.client && s.data.misses < TRIES) {
        let What::Factor(draft) = stored.data.what else { continue };
        let mut object = my_account::method(&draft.pending());
        match factors::reach_of(&draft, None) {
            Some(Reach::Phone { number, channel }) => {
                object["phone_number"] = json!(number.as_str());
                object["preferred_authentication_method"] = json!(channel.as_str());
            }
            Some(Reach::Email(address)) => object["email"] = json!(address),
            None => {}
        }
        shown.push(object);
    }
    Ok(shown)
}

fn check_password(connection: &Connection, password: &str) -> Outcome<()> {
    let broken: Vec<(String, String)> = connection
        .password_policy()
        .check(password)
        .into_iter()
        .filter(|(_, met)| !met)
        .map(|(rule, _)| {
            let text = match rule {
                PasswordRule::Length(least) => format!("must have at least {least} characters"),
                PasswordRule::Kinds(count, _) => format!(
                    "must have {count} of: lower case letters, upper case letters, digits, special characters"
                ),
                PasswordRule::Run(most) => {
                    format!("must not have more than {most} identical characters in a row")
                }
            };
            (text, "new_password".to_owned())
        })
        .collect();
    if broken.is_empty() {
        return Ok(());
    }
    Err(MyAccountError { problems: broken, ..MyAccountCode::WeakPassword.into() })
}

pub(super) fn missing(property: &str) -> MyAccountError {
    MyAccountError::property(format!("Missing required property: {property}"), property)
}

fn is_connection(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
}
