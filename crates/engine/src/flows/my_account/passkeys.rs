//! Passkeys in the My Account API: made for somebody who has an account already (contract/mfa-api.md 12.3, 12.4).
//!
//! The options carry no list of the keys that she has: the web SDKs hand what stands there to the browser without decoding it.

use lockstep_core::factors::UserHandle;
use lockstep_core::factors::webauthn::passkey::{No, Registration, relying_party};
use lockstep_core::model::connection::Connection;
use lockstep_core::my_account::{self, MyAccountCode, MyAccountError};
use serde_json::{Map, Value, json};

use super::enrolment::{Begun, IDENTITY, LIFETIME, MOST, Session, What, connection, end, keep, missing};
use super::{Call, Facts, Outcome};
use crate::flows::management::validate::{Kind, Schema, nullable, optional, required};
use crate::flows::{changes, new_passkey};
use crate::store::ceremonies::{self, Stored};
use crate::store::db::{Conn, DbError};
use crate::store::methods::Method;
use crate::store::{clients, passkeys, settings, user_handles};

/// The id of a passkey that is being made.
pub(super) const NEW: &str = "passkey|new";
/// What its enrolment is stored under.
pub(super) const METHOD: &str = "passkey";

/// The characters of an attestation object that proves nothing (contract/mfa-api.md 12.3).
const LONGEST_UNATTESTED: usize = 2000;
const KEY_ID: Kind = Kind::Text(1, 1364);
const RESPONSE: Schema = Schema::open(&[
    // 2000 without the certificates of a model's maker: see `confirm`.
    required("attestationObject", Kind::Text(1, 20_000)),
    required("clientDataJSON", Kind::Text(1, 1000)),
]);
/// The answer of a browser. It is open: browsers add to it as WebAuthn grows, and the transports of a passkey come that way.
pub(super) const ANSWER: Schema = Schema::open(&[
    required("id", KEY_ID),
    required("rawId", KEY_ID),
    required("type", Kind::OneOf(&["public-key"])),
    required("response", Kind::Shape(&RESPONSE)),
    nullable("authenticatorAttachment", Kind::OneOf(&["platform", "cross-platform"])),
    optional("clientExtensionResults", Kind::Object),
]);

/// Begins a passkey.
pub(super) async fn begin(
    call: &mut Call,
    tx: &mut Conn,
    facts: &Facts,
    body: Map<String, Value>,
) -> Outcome<Begun> {
    call.check_identity(&IDENTITY.parse(Some(Value::Object(body)))?)?;
    usable(call, tx, facts).await?;
    let client = clients::find(tx, &call.client).await?;
    let pages = client.iter().flat_map(|client| client.web_origins().chain(client.allowed_origins()));
    let party =
        relying_party(call.app.issuer(), pages, &call.app.config().related_origins).map_err(|error| {
            MyAccountError::new(
                MyAccountCode::NotAvailable,
                format!("Passkeys are not possible here: {error}"),
            )
        })?;
    let fresh = UserHandle::new(call.env.rng());
    let handle = user_handles::ensure(tx, &call.user.id, &fresh).await?;
    let registration = Registration::draw(party, handle, &mut call.env).lasting(LIFETIME, call.env.now);
    let tenant = settings::tenant(tx).await?;
    let options = registration.options(tenant.friendly_name(), call.user.display_name());
    let auth_session = keep(call, tx, METHOD, What::Passkey(registration)).await?;
    let body = json!({"auth_session": auth_session, "authn_params_public_key": options});
    Ok(Begun { id: NEW.to_owned(), body })
}

/// Adds the passkey that has answered. The inner error is one whose counting has to be saved.
pub(super) async fn confirm(
    call: &mut Call,
    tx: &mut Conn,
    facts: &Facts,
    mut stored: Stored<Session>,
    registration: &Registration,
    answer: Option<&Value>,
) -> Outcome<Result<Value, MyAccountError>> {
    let answer = answer.ok_or_else(|| missing("authn_response"))?;
    let object = answer.pointer("/response/attestationObject").and_then(Value::as_str).unwrap_or_default();
    if call.env.key_models.is_none() && object.len() > LONGEST_UNATTESTED {
        let field = "authn_response.response.attestationObject";
        return Err(MyAccountError::property("is too long", field));
    }
    let answer = answer.to_string();
    // Asked when it was begun, and again: it may have been switched off since, and she may have got others.
    usable(call, tx, facts).await?;
    let right = match registration.answer(&answer, &call.env) {
        Ok(right) => right,
        Err(No::Expired) => return Err(MyAccountCode::BadSession.into()),
        Err(no) => {
            stored.data.misses = stored.data.misses.saturating_add(1);
            // Lost to another answer at the same moment: that one was counted too.
            ceremonies::save(tx, &stored.handle_hash, stored.version, &stored.data).await?;
            return Ok(Err(match no {
                No::Malformed => malformed(),
                No::Model(why) => {
                    let text = format!("The passkey cannot be used here: {why}");
                    MyAccountError::new(MyAccountCode::WrongAnswer, text)
                }
                _ => MyAccountCode::WrongAnswer.into(),
            }));
        }
    };
    let made = new_passkey::new_row(right, &call.user.id, &call.origin, &mut call.env);
    let (new, hash) = made.ok_or_else(malformed)?;
    // A key that somebody has already cannot be another's too.
    if passkeys::find(tx, &hash).await?.is_some() {
        return Err(MyAccountCode::Duplicate.into());
    }
    end(call, tx, &stored).await?;
    let (app, user, origin) = (&call.app, &call.user, &call.origin);
    match changes::passkey_added(tx, app, &mut call.env, origin, user, &new, &hash).await {
        Err(DbError::Conflict) => return Err(MyAccountCode::Duplicate.into()),
        other => other?,
    }
    let shown = my_account::Passkey {
        id: &new.id,
        name: None,
        data: &new.data,
        created_at: new.created_at,
        last_auth_at: None,
    };
    Ok(Ok(shown.method()))
}

/// Returns whether the users of a connection may have passkeys.
pub(super) fn may_enrol(connection: &Connection) -> bool {
    connection.is_active() && connection.has_passkeys()
}

/// Returns the object of a stored passkey.
pub(super) fn object(method: &Method) -> Value {
    shown(method).method()
}

/// Finds a passkey by its id, `passkey|dev_…`, or `dev_…` alone.
pub(super) fn find<'f>(facts: &'f Facts, id: &str) -> Option<&'f Method> {
    facts.passkeys.iter().find(|method| shown(method).method_id() == id || method.id.as_str() == id)
}

/// Removes a passkey, unless it is the last way to begin a login.
pub(super) async fn remove(call: &mut Call, tx: &mut Conn, facts: &Facts, method: &Method) -> Outcome<()> {
    if !facts.has_password && facts.passkeys.len() <= 1 {
        let text = "The passkey cannot be removed: it is the last way to begin a login";
        return Err(MyAccountError::new(MyAccountCode::NotDeletable, text));
    }
    let (app, user, origin) = (&call.app, &call.user, &call.origin);
    if changes::passkey_removed(tx, app, &mut call.env, origin, user, method).await? {
        Ok(())
    } else {
        Err(MyAccountCode::NotFound.into())
    }
}

async fn usable(call: &Call, tx: &mut Conn, facts: &Facts) -> Outcome<()> {
    if !may_enrol(&connection(call, tx).await?) {
        return Err(MyAccountCode::NotAvailable.into());
    }
    if facts.count() >= MOST {
        return Err(MyAccountCode::TooManyMethods.into());
    }
    Ok(())
}

fn shown(method: &Method) -> my_account::Passkey<'_> {
    my_account::Passkey {
        id: &method.id,
        name: method.name.as_deref(),
        data: &method.data,
        created_at: method.created_at,
        last_auth_at: method.last_auth_at,
    }
}

fn malformed() -> MyAccountError {
    MyAccountError::property("is not the JSON of a new public key credential", "authn_response")
}
