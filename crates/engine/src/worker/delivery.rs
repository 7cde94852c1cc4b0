//! Sends what waits in the outbox: taken, handed over, noted. What the other side refuses for now comes again, later each time.
//!
//! A message is taken by one server at a time. If that server dies between handing over and noting it, another sends it once more:
//! twice is better than never, and the id in the mail is the same.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use lockstep_core::factors::PhoneNumber;
use lockstep_core::ids::MessageId;
use lockstep_core::model::document::Document;
use lockstep_core::model::log_event::LogEvent;
use lockstep_core::model::message::{Channel, Message};
use lockstep_core::time::Span;
use serde_json::{Value, json};
use tokio::task::{JoinHandle, JoinSet};

use crate::app::App;
use crate::flows::management::emails;
use crate::providers::SendError;
use crate::providers::mail_api::{self, MailApi};
use crate::providers::phone::PhoneProvider;
use crate::providers::smtp::Smtp;
use crate::store::db::{Conn, DbError};
use crate::store::outbox::{self, Claimed, Which};
use crate::store::settings;

/// The setting with the telephone providers of `branding/phone/providers`, sealed: their credentials are secrets.
pub const PHONE_PROVIDERS: &str = "branding.phone.providers";

/// How often the server looks.
const EVERY: Duration = Duration::from_secs(1);
/// How many are sent at a time.
const AT_ONCE: u32 = 8;
/// How long an attempt may take, whatever the carrier: one who is connected and says nothing must not hold up what comes after.
const ATTEMPT: Duration = Duration::from_secs(30);
/// How long a message is nobody else's. Longer than any attempt takes.
const LEASE: Span = Span::minutes(5);

/// Somebody who carries messages.
pub trait Carrier: Send + Sync + 'static {
    /// Hands a message over.
    fn send(&self, id: &MessageId, message: &Message) -> impl Future<Output = Result<(), SendError>> + Send;
}

impl Carrier for Smtp {
    async fn send(&self, id: &MessageId, message: &Message) -> Result<(), SendError> {
        Smtp::send(self, id, message).await
    }
}

impl Carrier for MailApi {
    async fn send(&self, id: &MessageId, message: &Message) -> Result<(), SendError> {
        MailApi::send(self, id, message).await
    }
}

impl Carrier for PhoneProvider {
    async fn send(&self, id: &MessageId, message: &Message) -> Result<(), SendError> {
        PhoneProvider::send(self, id, message).await
    }
}

/// A carrier that takes nothing, and why.
struct Nobody(String);

impl Carrier for Nobody {
    async fn send(&self, _: &MessageId, _: &Message) -> Result<(), SendError> {
        Err(SendError::ForGood(self.0.clone()))
    }
}

/// Sends what is due with the tenant's providers; returns how many were tried.
pub async fn run(app: &App) -> Result<usize, DbError> {
    Ok(run_phone(app).await? + run_mail(app).await?)
}

/// Sends text messages and calls. Where nobody carries them that is told at once, since a code is dead in minutes.
async fn run_phone(app: &App) -> Result<usize, DbError> {
    let mut conn = app.db().read().await?;
    if !outbox::has_due(&mut conn, app.env().now).await? {
        return Ok(0);
    }
    let guardian = settings::guardian(&mut conn).await?;
    let branded: Vec<Document> = settings::find_sealed(&mut conn, PHONE_PROVIDERS).await?.unwrap_or_default();
    drop(conn);
    let phone = PhoneProvider::choose(&branded, &guardian, &app.config().providers, app.env().now);
    send_due(app, Which::Phone, Arc::new(phone)).await
}

/// Sends mail, which waits where no provider is set or it is switched off.
async fn run_mail(app: &App) -> Result<usize, DbError> {
    let mut conn = app.db().read().await?;
    if !outbox::has_due(&mut conn, app.env().now).await? {
        return Ok(0);
    }
    let mail: Option<Document> = settings::find_sealed(&mut conn, emails::SETTING).await?;
    drop(conn);
    let Some(mail) = mail.filter(|p| p.flag("enabled") != Some(false)) else { return Ok(0) };
    let nobody = |error: SendError| Arc::new(Nobody(error.to_string()));
    if is_mail_api(&mail) {
        match MailApi::new(&mail, app.issuer(), &app.config().providers, app.env().now) {
            Ok(api) => send_due(app, Which::Mail, Arc::new(api)).await,
            Err(error) => send_due(app, Which::Mail, nobody(error)).await,
        }
    } else {
        match Smtp::new(&mail, app.issuer()) {
            Ok(smtp) => send_due(app, Which::Mail, Arc::new(smtp)).await,
            Err(error) => send_due(app, Which::Mail, nobody(error)).await,
        }
    }
}

/// Returns why no mail leaves the server with this provider, if none does.
pub fn mail_trouble(app: &App, provider: Option<&Document>) -> Option<String> {
    let Some(provider) = provider else { return Some("no email provider is configured".to_owned()) };
    if provider.flag("enabled") == Some(false) {
        return Some("the email provider is switched off".to_owned());
    }
    let made = if is_mail_api(provider) {
        MailApi::new(provider, app.issuer(), &app.config().providers, app.env().now).map(drop)
    } else {
        Smtp::new(provider, app.issuer()).map(drop)
    };
    made.err().map(|error| error.to_string())
}

fn is_mail_api(provider: &Document) -> bool {
    provider.text("name").is_some_and(|name| mail_api::NAMES.contains(&name))
}

/// Sends what is due with a carrier; returns how many were tried.
pub async fn send_due(app: &App, which: Which, carrier: Arc<impl Carrier>) -> Result<usize, DbError> {
    let now = app.env().now;
    let mut tx = app.db().write().await?;
    let claimed = outbox::claim_due(&mut tx, now, now + LEASE, AT_ONCE, which).await?;
    tx.commit().await?;
    let tried = claimed.len();
    let mut running = JoinSet::new();
    for claim in claimed {
        let carrier = Arc::clone(&carrier);
        running.spawn(async move {
            let sent = tokio::time::timeout(ATTEMPT, carrier.send(&claim.id, &claim.message)).await;
            let late = || SendError::ForNow("the provider did not answer in time".to_owned());
            (claim, sent.unwrap_or_else(|_| Err(late())))
        });
    }
    while let Some(done) = running.join_next().await {
        // A carrier that panicked leaves its message to the next attempt.
        let Ok((claim, result)) = done else { continue };
        note(app, &claim, result).await?;
    }
    Ok(tried)
}

async fn note(app: &App, claim: &Claimed, result: Result<(), SendError>) -> Result<(), DbError> {
    let env = app.env();
    let mut tx = app.db().write().await?;
    match result {
        Ok(()) => outbox::save_sent(&mut tx, &claim.id, env.now).await?,
        Err(error) => {
            let again = env.now + pause(&claim.message, claim.attempt);
            let again = matches!(error, SendError::ForNow(_)).then_some(again);
            let again = again.filter(|at| *at < claim.message.expires_at);
            outbox::save_failure(&mut tx, &claim.id, &error.to_string(), again, env.now).await?;
            // Servers like to repeat the address, and the server log holds none.
            let why = error.to_string().replace(&claim.message.recipient, "the recipient");
            let (id, attempt) = (claim.id.as_str(), claim.attempt);
            match again {
                Some(_) => {
                    tracing::warn!(message.id = id, attempt, "A message was not taken, trying again: {why}")
                }
                None => {
                    tracing::error!(message.id = id, attempt, "A message was not sent: {why}");
                    app.logs().insert(&mut tx, &env, &failure(&claim.message, &error)).await?;
                }
            }
        }
    }
    tx.commit().await
}

/// Removes messages that are of no use any more, and says of those that were never sent that they were not: a code by mail where no
/// provider is set, or what a server took with it when it died. Returns how many were removed.
pub(super) async fn remove_expired(app: &App, tx: &mut Conn) -> Result<u64, DbError> {
    let env = app.env();
    let overdue = outbox::claim_overdue(tx, env.now).await?;
    for lost in &overdue {
        let why = match lost.attempt {
            0 => "nobody took it while it was of use: is a provider set up?".to_owned(),
            n => format!("not sent in {n} attempts while it was of use"),
        };
        tracing::error!(message.id = lost.id.as_str(), "A message was not sent: {why}");
        let event = failure(&lost.message, &SendError::ForGood(why));
        app.logs().insert(tx, &env, &event).await?;
    }
    let removed = outbox::delete_expired(tx, env.now).await?;
    Ok(removed + overdue.len() as u64)
}

/// The record of a message that will not be sent.
fn failure(message: &Message, error: &SendError) -> LogEvent {
    let to = &message.recipient;
    let (code, details) = match message.kind.channel() {
        Channel::Sms => ("gd_send_sms_failure", phone_details(to, error)),
        Channel::Voice => ("gd_send_voice_failure", phone_details(to, error)),
        Channel::Email => {
            let kind = message.kind.email_type();
            (
                "fn",
                json!({"email_type": kind, "notification_type": kind, "to": to, "error": error.to_string()}),
            )
        }
    };
    let description = if code == "fn" { format!("To: {to}") } else { error.to_string() };
    let mut event = LogEvent::new(code, description);
    event.user.clone_from(&message.user);
    event.details = Some(details);
    event
}

fn phone_details(to: &str, error: &SendError) -> Value {
    let to = PhoneNumber::stored(to).map(|number| number.masked());
    let error = error.to_string();
    json!({"to": to, "error": error, "provider_error": {"errorCode": null, "message": error}})
}

/// How long to wait after so many attempts: of a message that is dead in minutes, seconds.
fn pause(message: &Message, attempts: i64) -> Span {
    match (message.code.is_some(), attempts) {
        (true, ..=1) => Span::seconds(5),
        (true, 2) => Span::seconds(15),
        (true, _) => Span::seconds(45),
        (false, ..=1) => Span::seconds(30),
        (false, 2) => Span::minutes(2),
        (false, 3) => Span::minutes(10),
        (false, _) => Span::hours(1),
    }
}

/// Runs both every second, each for itself: a mail server that does not answer holds up no text message.
pub fn start(app: App) -> [JoinHandle<()>; 2] {
    let phone = app.clone();
    [
        super::every(EVERY, move || {
            let app = phone.clone();
            async move { told(run_phone(&app).await) }
        }),
        super::every(EVERY, move || {
            let app = app.clone();
            async move { told(run_mail(&app).await) }
        }),
    ]
}

fn told(result: Result<usize, DbError>) {
    if let Err(error) = result {
        tracing::warn!(%error, "The outbox could not be read; trying again");
    }
}
