//! Sending a code: may it go out, what does it say, into the outbox with it. The one way for every code to a person.
//!
//! Limits come before the message exists: per person, per destination (texts and calls together), per address of the asker, and per day
//! for the whole tenant, so that nobody can run up a bill. What is refused costs nothing and is in the log.

use lockstep_core::env::Env;
use lockstep_core::factors::phone::PhoneCountries;
use lockstep_core::factors::{PhoneNumber, email};
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::message::{Channel, CodeToSend, MessageKind};
use lockstep_core::time::Span;
use serde_json::{Value, json};

use super::messages::{self, About, CodeTemplates};
use crate::app::App;
use crate::store::buckets::{self, Budget};
use crate::store::db::{Conn, DbError};
use crate::store::settings;

/// Texts and calls to one person: ten, then one an hour.
const TO_PERSON: Budget = Budget::new(10, Span::hours(1));
/// Mails to one person: twenty, then one a minute.
const MAILS_TO_PERSON: Budget = Budget::new(20, Span::minutes(1));
/// Texts and calls to one number, whoever asks: ten in an hour.
const TO_NUMBER: Budget = Budget::new(10, Span::minutes(6));
/// Mails to one mailbox, whoever asks.
const TO_MAILBOX: Budget = Budget::new(20, Span::minutes(1));
/// Codes that one address of the network may ask for: fifty, then one a minute.
const FROM_ADDRESS: Budget = Budget::new(50, Span::minutes(1));

/// Why a code is not sent.
#[derive(Debug, thiserror::Error)]
pub enum SendError {
    /// Too many were.
    #[error("too many codes were sent")]
    TooMany(Channel),
    /// It may not go there. The same for a country that is not on the list and for a premium number.
    #[error("codes are not sent there")]
    NotAllowed(Channel),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Puts a code into the outbox, in the caller's transaction.
pub async fn send_code(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    about: &About<'_>,
    origin: &Origin,
    code: &CodeToSend,
) -> Result<(), SendError> {
    admit(tx, app, env, about, origin, code).await?;
    let channel = code.channel;
    let guardian = settings::guardian(tx).await?;
    let templates = CodeTemplates::load(tx, &guardian, code).await?;
    let written = messages::code(about, &templates, code);
    let kind = match channel {
        Channel::Sms => MessageKind::CodeSms,
        Channel::Voice => MessageKind::CodeVoice,
        Channel::Email => MessageKind::CodeEmail,
    };
    messages::queue(tx, env, about, kind, code.to.clone(), written, code.expires_at).await?;
    let (code_sent, text) = match channel {
        Channel::Sms => ("gd_send_sms", "Guardian - Sent SMS"),
        Channel::Voice => ("gd_send_voice", "Guardian - Sent voice call"),
        Channel::Email => ("gd_send_email", "Guardian - Sent email"),
    };
    let mut event = log(about, origin, code_sent, text.to_owned());
    event.details = Some(json!({"to": masked(code), "authenticator": reached(code)}));
    app.logs().insert(tx, env, &event).await?;
    Ok(())
}

/// Counts a code against all limits, and refuses it if one is reached or it must not go there.
pub async fn admit(
    tx: &mut Conn,
    app: &App,
    env: &Env,
    about: &About<'_>,
    origin: &Origin,
    code: &CodeToSend,
) -> Result<(), SendError> {
    let channel = code.channel;
    if let Some(policy) = refused_by(app, about, code) {
        let mut event = log(about, origin, failure_code(channel), format!("Not sent: {policy}"));
        event.details = Some(json!({
            "to": masked(code), "policy": policy, "authenticator": reached(code),
            "provider_error": {"errorCode": null, "message": policy},
        }));
        app.log(env, &event);
        return Err(SendError::NotAllowed(channel));
    }
    if let Some((limit, budget)) = take(tx, app, env, about, origin, code).await? {
        let text = format!("Too many codes: {limit}");
        let mut event = log(about, origin, limit_code(channel), text.clone());
        let to = masked(code);
        event.details = Some(if channel == Channel::Email {
            let kind = MessageKind::CodeEmail.email_type();
            json!({"email_type": kind, "notification_type": kind, "to": to, "error": text})
        } else {
            let again = (env.now + budget.refill).to_iso();
            json!({"delivery_method": channel.as_str(), "type": limit, "trigger_time": env.now.to_iso(),
                   "reset_time": again, "body": {"to": to}})
        });
        app.log(env, &event);
        return Err(SendError::TooMany(channel));
    }
    Ok(())
}

/// Returns the policy that keeps a code from going out.
fn refused_by(app: &App, about: &About<'_>, code: &CodeToSend) -> Option<&'static str> {
    if code.channel == Channel::Email {
        return None;
    }
    match PhoneNumber::stored(&code.to) {
        None => Some("not a telephone number"),
        Some(number) if number.is_premium() => Some("premium, shared-cost or satellite number"),
        Some(number) if !PhoneCountries::new(&app.config().phone_countries, about.tenant).has(&number) => {
            Some("country not in phone.countries or country_codes")
        }
        Some(_) => None,
    }
}

/// Takes a token from each bucket that counts, or from none: then returns which one is empty, and its budget.
async fn take(
    tx: &mut Conn,
    app: &App,
    env: &Env,
    about: &About<'_>,
    origin: &Origin,
    code: &CodeToSend,
) -> Result<Option<(&'static str, Budget)>, DbError> {
    let by_mail = code.channel == Channel::Email;
    let kind = if by_mail { "mail" } else { "phone" };
    let to = lockstep_core::crypto::digest::sha256_b64url(&code.to);
    let per_day = app.config().phone_messages_per_day;
    let day = Budget::new(per_day, Span::millis((86_400_000 / per_day.max(1)).max(1)));
    let all = [
        about.user.map(|user| {
            ("user", format!("send:{kind}:{}", user.id), if by_mail { MAILS_TO_PERSON } else { TO_PERSON })
        }),
        Some(("destination", format!("send:to:{to}"), if by_mail { TO_MAILBOX } else { TO_NUMBER })),
        origin
            .ip
            .as_ref()
            .filter(|_| !origin.of_server)
            .map(|ip| ("ip", format!("send:from:{ip}"), FROM_ADDRESS)),
        (!by_mail).then(|| ("tenant", "send:tenant".to_owned(), day)),
    ];
    let mut taken: Vec<(String, Budget)> = Vec::new();
    for (limit, name, budget) in all.into_iter().flatten() {
        if buckets::take(tx, &name, budget, env.now).await? {
            taken.push((name, budget));
            continue;
        }
        for (name, budget) in taken {
            buckets::give_back(tx, &name, budget).await?;
        }
        return Ok(Some((limit, budget)));
    }
    Ok(None)
}

fn log(about: &About<'_>, origin: &Origin, code: &'static str, text: String) -> LogEvent {
    let mut event = LogEvent::new(code, text).from(origin);
    if let Some(client) = about.client {
        event = event.client(&client.id, client.name());
    }
    if let Some(user) = about.user {
        event = event.user(&user.id, user.display_name());
    }
    event
}

const fn failure_code(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms => "gd_send_sms_failure",
        Channel::Voice => "gd_send_voice_failure",
        Channel::Email => "fn",
    }
}

const fn limit_code(channel: Channel) -> &'static str {
    match channel {
        Channel::Sms | Channel::Voice => "limit_phone",
        Channel::Email => "fn",
    }
}

/// Returns what a record says of where a code goes: which authenticator of the person's has that address is not at hand.
fn reached(code: &CodeToSend) -> Value {
    let number = (code.channel != Channel::Email).then(|| masked(code));
    json!({"id": null, "type": code.channel.as_str(), "phone_number": number})
}

fn masked(code: &CodeToSend) -> String {
    match PhoneNumber::stored(&code.to) {
        Some(number) => number.masked(),
        None => email::masked(&code.to),
    }
}
