//! Writing what a step of the login machine asks for, all in the commit that saves the next state.

use lockstep_core::assurance::Methods;
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::env::Env;
use lockstep_core::ids::{DecisionId, RememberedBrowserId, SessionId, TransactionId, UserId};
use lockstep_core::login::effect::Effect;
use lockstep_core::login::offer::OfferKind;
use lockstep_core::model::client::Client;
use lockstep_core::model::log_event::{LogEvent, Origin, mfa};
use lockstep_core::model::session::{Device, Session};
use lockstep_core::model::settings::{RememberSettings, TenantSettings};
use lockstep_core::model::user::User;
use lockstep_core::time::{Span, Timestamp};
use serde_json::json;

use super::{Browser, NewCookie, Running};
use crate::app::App;
use crate::flows::messages::Notice;
use crate::flows::{attempts, changes, consent, new_passkey};
use crate::store::db::{Conn, DbError};
use crate::store::decisions::Record;
use crate::store::{
    authenticators, buckets, decisions, declined_offers, remembered_browsers, sessions, users,
};

/// How long a browser is known again on which something was declined: as long as the longest refusal.
const DECLINED_COOKIE: Span = Span::days(365);

/// What the effects of one step are written for.
pub(super) struct Applying<'a> {
    pub(super) app: &'a App,
    pub(super) origin: &'a Origin,
    pub(super) transaction: &'a TransactionId,
    pub(super) client: &'a Client,
    pub(super) tenant: &'a TenantSettings,
    pub(super) remember: RememberSettings,
    pub(super) browser: &'a Browser<'a>,
}

/// Why the effects were not written: the caller rolls back.
#[derive(Debug)]
pub(super) enum NotApplied {
    /// Another request spent it first.
    Spent,
    /// The database failed.
    Db(DbError),
}

impl From<DbError> for NotApplied {
    fn from(error: DbError) -> Self {
        Self::Db(error)
    }
}

impl Applying<'_> {
    /// Writes the effects. `running` learns of the session; the cookies to set are returned.
    pub(super) async fn apply(
        &self,
        tx: &mut Conn,
        env: &mut Env,
        running: &mut Running,
        user: Option<&User>,
        effects: Vec<Effect>,
    ) -> Result<Vec<NewCookie>, NotApplied> {
        let mut cookies = Vec::new();
        let user_id = user.map(|user| &user.id);
        let remembers = effects.iter().any(|effect| matches!(effect, Effect::RememberBrowser(_)));
        for effect in effects {
            match effect {
                Effect::Spend { authenticator, spend, at } => {
                    if !authenticators::spend(tx, &authenticator, spend.as_ref(), at).await? {
                        return Err(NotApplied::Spent);
                    }
                }
                Effect::SaveAuthenticator(new) => {
                    if let Some(user) = user {
                        changes::added(tx, self.app, env, self.origin, user, &new).await?;
                    }
                }
                Effect::ReplaceRecoveryCode { old, new } => {
                    authenticators::delete_of_user(tx, &new.user, &old).await?;
                    authenticators::create(tx, &new).await?;
                    if let Some(user) = user {
                        changes::tell(tx, self.app, env, self.origin, user, &Notice::RecoveryCodeUsed)
                            .await?;
                    }
                }
                Effect::SaveSession { user, methods, auth_time, new_login } => {
                    cookies.push(self.save_session(tx, env, running, &user, methods, auth_time).await?);
                    if new_login {
                        users::note_login(tx, &user, self.origin.ip.as_deref(), env.now).await?;
                    }
                }
                Effect::RememberBrowser(user) => cookies.push(self.remember(tx, env, &user).await?),
                Effect::DeclineOffer { kind, until } => {
                    if let Some(user) = user {
                        cookies.extend(self.decline(tx, env, user, kind, until).await?);
                    }
                }
                Effect::SaveConsent => {
                    if let Some(user) = user {
                        consent::save(tx, env, self.client, &running.request, &user.id).await?;
                    }
                }
                Effect::TellOfCopy(id) => {
                    // Once an hour: who tries again and again must not fill the mailbox.
                    if let Some(user) = user
                        && buckets::take(tx, &attempts::copy_told(&user.id), attempts::COPY_TOLD, env.now)
                            .await?
                        && let Some(on) = authenticators::find_of_user(tx, &user.id, &id).await?
                    {
                        let notice = Notice::KeyCopied(&on);
                        changes::tell(tx, self.app, env, self.origin, user, &notice).await?;
                    }
                }
                Effect::SavePasskey(new) => {
                    let Some(user) = user else { continue };
                    let added = new_passkey::add(tx, self.app, env, self.origin, user, *new).await?;
                    let event = added.ok_or(NotApplied::Spent)?;
                    let event = event.client(&self.client.id, self.client.name());
                    self.app.logs().insert(tx, env, &event).await?;
                }
                Effect::PasskeyReport(why) => {
                    if let Some(user) = user {
                        let event = self.event("passkey_challenge_failed", why, user);
                        let details = json!({"error": {"message": why}, "purpose": "register"});
                        self.app.logs().insert(tx, env, &event.details(details)).await?;
                    }
                }
                // Taken before the answer was looked at: see `step::answer`.
                Effect::CountFailure(_) => {}
                // Sent before all else: see `step::finish`.
                Effect::Send(_) => {}
                Effect::ClearFailures(kind) => {
                    if let Some(user) = user {
                        buckets::reset(tx, &attempts::bucket(&user.id, kind)).await?;
                    }
                }
                Effect::Decided(decision) => {
                    let record = Record {
                        transaction: self.transaction.clone(),
                        user: user_id.cloned(),
                        client: self.client.id.clone(),
                        decision: serde_json::to_value(&decision).map_err(DbError::from)?,
                        created_at: env.now,
                    };
                    let id = DecisionId::new(env.rng());
                    decisions::create(tx, &id, &record).await?;
                }
                Effect::Log { code, kind, authenticator, note } => {
                    let mut event =
                        LogEvent::new(code, "").client(&self.client.id, self.client.name()).from(self.origin);
                    if let Some(user) = user {
                        event = event.user(&user.id, user.display_name());
                    }
                    event.details = Some(json!({
                        "authenticator": kind.map(|kind| mfa::named(kind, authenticator.as_ref())),
                        "session_id": running.session, "remember_browser": remembers,
                    }));
                    if let (Some(note), Some(details)) = (note, &mut event.details) {
                        details["note"] = json!(note);
                    }
                    self.app.logs().insert(tx, env, &event).await?;
                }
            }
        }
        Ok(cookies)
    }

    fn event(&self, code: &'static str, text: &str, user: &User) -> LogEvent {
        LogEvent::new(code, text)
            .client(&self.client.id, self.client.name())
            .user(&user.id, user.display_name())
            .from(self.origin)
    }

    /// Saves what was proven in the browser's session, under a new handle: every change of privilege changes the cookie. The session
    /// stays the same for the same user; another user gets a new one.
    async fn save_session(
        &self,
        tx: &mut Conn,
        env: &mut Env,
        running: &mut Running,
        user: &UserId,
        methods: Methods,
        auth_time: Timestamp,
    ) -> Result<NewCookie, DbError> {
        let handle = env.rng().url_safe(43);
        let hash = sha256_b64url(&handle);
        let lifetimes = self.tenant.session_lifetimes();
        let before = match &running.session {
            Some(id) => sessions::find(tx, id).await?,
            None => None,
        };
        let now = env.now;
        let session = match before.filter(|s| s.user == *user && s.is_live(now)) {
            Some(mut session) => {
                session.methods = methods;
                session.auth_time = auth_time;
                session.device.last_ip.clone_from(&self.origin.ip);
                session.device.last_user_agent.clone_from(&self.origin.user_agent);
                session.touch(now, lifetimes);
                note_client(&mut session, self.client);
                sessions::save(tx, &session, Some(&hash)).await?;
                session
            }
            None => {
                if let Some(other) = running.session.take() {
                    sessions::delete(tx, &other).await?;
                }
                let session = Session {
                    id: SessionId::new(env.rng()),
                    user: user.clone(),
                    methods,
                    auth_time,
                    clients: vec![self.client.id.clone()],
                    device: Device::first(self.origin.ip.as_deref(), self.origin.user_agent.as_deref()),
                    created_at: now,
                    last_used_at: now,
                    idle_expires_at: now + lifetimes.idle.min(lifetimes.absolute),
                    expires_at: now + lifetimes.absolute,
                };
                sessions::create(tx, &session, &hash).await?;
                session
            }
        };
        running.session = Some(session.id);
        let lifetime = self.tenant.cookies_persist().then_some(lifetimes.absolute);
        Ok(NewCookie::Session { handle, lifetime })
    }

    /// Keeps what was declined: for this browser, or everywhere. All people of a browser share its handle, which opens nothing.
    async fn decline(
        &self,
        tx: &mut Conn,
        env: &mut Env,
        user: &User,
        kind: OfferKind,
        until: Option<Timestamp>,
    ) -> Result<Option<NewCookie>, DbError> {
        if !kind.of_browser() {
            declined_offers::decline(tx, &user.id, kind, "", until).await?;
            return Ok(None);
        }
        let handle = self.browser.declined.map_or_else(|| env.rng().url_safe(43), str::to_owned);
        declined_offers::decline(tx, &user.id, kind, &sha256_b64url(&handle), until).await?;
        let lifetime = self.tenant.cookies_persist().then_some(DECLINED_COOKIE);
        Ok(Some(NewCookie::Declined { handle, lifetime }))
    }

    async fn remember(&self, tx: &mut Conn, env: &mut Env, user: &UserId) -> Result<NewCookie, DbError> {
        let handle = env.rng().url_safe(43);
        let hash = sha256_b64url(&handle);
        if let Some(old) = self.browser.remembered {
            let old = sha256_b64url(old);
            remembered_browsers::delete_of_browser(tx, &old, user).await?;
            remembered_browsers::rotate(tx, &old, &hash).await?;
        }
        let lifetime = Span::seconds(self.remember.mfa_session_overall_timeout);
        let id = RememberedBrowserId::new(env.rng());
        let agent: String = self.origin.user_agent.as_deref().unwrap_or_default().chars().take(256).collect();
        remembered_browsers::create(tx, &id, &hash, user, &agent, env.now, env.now + lifetime).await?;
        Ok(NewCookie::Remembered { handle, lifetime: self.tenant.cookies_persist().then_some(lifetime) })
    }
}

/// Notes that an application used a session.
pub(super) fn note_client(session: &mut Session, client: &Client) {
    if !session.clients.contains(&client.id) {
        session.clients.push(client.id.clone());
    }
}
