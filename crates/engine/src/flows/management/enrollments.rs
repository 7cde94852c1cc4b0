//! Guardian enrolments, and tickets that let somebody enrol (contract/management-api.md 2.8).

use lockstep_core::codes::ManagementCode;
use lockstep_core::ids::{AuthenticatorId, UserId};
use lockstep_core::model::languages::choose_locale;
use lockstep_core::model::message::MessageKind;
use lockstep_core::model::user::normal_email;
use serde_json::{Value, json};

use super::authentication_methods::{Face, View, take_away};
use super::validate::{Kind, Schema, optional, refused, required};
use super::{Call, Outcome, load_user};
use crate::flows::enrollment_ticket::{self, Allows};
use crate::flows::messages::{self, About, Link};
use crate::store::methods::{self, Method};
use crate::store::settings;

/// What a new ticket is made of.
pub const TICKET: Schema = Schema::closed(&[
    required("user_id", Kind::Text(1, 1024)),
    optional("email", Kind::Email),
    optional("send_mail", Kind::Bool),
    optional("send_email", Kind::Bool),
    optional("email_locale", Kind::Text(1, 35)),
    optional(
        "factor",
        Kind::OneOf(&["push-notification", "phone", "email", "otp", "webauthn-roaming", "webauthn-platform"]),
    ),
    optional("allow_multiple_enrollments", Kind::Bool),
]);

/// Makes a ticket, and sends it if asked to.
pub async fn create_ticket(call: &mut Call, body: Option<Value>) -> Outcome {
    let body = TICKET.check(body)?;
    let text = |name: &str| body.get(name).and_then(Value::as_str);
    let flag = |name: &str| body.get(name).and_then(Value::as_bool).unwrap_or(false);
    let user =
        UserId::parse(text("user_id").unwrap_or_default()).map_err(|_| ManagementCode::InexistentUser)?;
    let mut tx = call.app.db().write().await?;
    let owner = load_user(&mut tx, &user).await?;
    let allows = Allows {
        factor: text("factor").map(str::to_owned),
        allow_multiple: flag("allow_multiple_enrollments"),
    };
    let id = enrollment_ticket::create(&mut tx, &mut call.env, &user, allows).await?;
    let link = enrollment_ticket::url(&call.env, &id);
    if flag("send_mail") || flag("send_email") {
        let to = text("email").and_then(|e| normal_email(e).ok()).or(owner.email.clone());
        let recipient = to.ok_or_else(|| refused("The user has no email address to send the ticket to."))?;
        let tenant = settings::tenant(&mut tx).await?;
        let about = About {
            tenant: &tenant,
            client: None,
            user: Some(&owner),
            language: choose_locale(text("email_locale"), None, None, &tenant.enabled_locales()),
            host: call.app.issuer().host(),
        };
        let written = messages::link(&mut tx, &about, Link::Enrolment, &link).await?;
        let expires_at = call.env.now + enrollment_ticket::LIFETIME;
        let kind = MessageKind::EnrollmentEmail;
        messages::queue(&mut tx, &mut call.env, &about, kind, recipient, written, expires_at).await?;
    }
    tx.commit().await?;
    Ok(json!({"ticket_id": id, "ticket_url": link}))
}

/// Returns an enrolment.
pub async fn read(call: &mut Call, id: &str) -> Outcome {
    let mut conn = call.app.db().read().await?;
    let method = load(&mut conn, id).await?;
    let shown = View::load(&mut conn, Face::Read).await?.of(&method);
    let mut object =
        json!({"id": method.id, "status": if method.confirmed { "confirmed" } else { "pending" }});
    for (name, value) in [
        ("name", shown.get("name").cloned()),
        ("phone_number", shown.get("phone_number").cloned()),
        ("enrolled_at", method.enrolled_at.map(|t| json!(t.to_iso()))),
        ("last_auth", method.last_auth_at.map(|t| json!(t.to_iso()))),
    ] {
        if let Some(value) = value {
            object[name] = value;
        }
    }
    Ok(object)
}

/// Deletes an enrolment and what was made together with it.
pub async fn delete(call: &mut Call, id: &str) -> Outcome<()> {
    let mut tx = call.app.db().write().await?;
    let method = load(&mut tx, id).await?;
    let owner = load_user(&mut tx, &method.user).await?;
    take_away(call, &mut tx, &owner, |other| other.id == method.id).await?;
    tx.commit().await?;
    Ok(())
}

async fn load(conn: &mut crate::store::db::Conn, text: &str) -> Outcome<Method> {
    let device = text.rsplit_once('|').map_or(text, |(_, device)| device);
    let id = AuthenticatorId::parse(device).map_err(|_| ManagementCode::EnrollmentNotFound)?;
    methods::find(conn, &id).await?.ok_or_else(|| ManagementCode::EnrollmentNotFound.into())
}
