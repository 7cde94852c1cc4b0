//! The account page: a person's own factors, passkeys, sessions and remembered browsers.
//!
//! It is opened by the browser's session, and only by one that has passed MFA if the person has a factor. Everything that changes something
//! needs a fresh proof beside ([`Visitor::require_fresh`]); who lacks one is sent through `/authorize` and comes back.

pub mod application;
pub mod enrolment;

use lockstep_core::assurance::{PAPE, multi_factor_at};
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::env::{Env, Issuer};
use lockstep_core::factors::webauthn::passkey::on_our_pages;
use lockstep_core::factors::{FactorKind, Keys, Listed};
use lockstep_core::ids::{RememberedBrowserId, SessionId, UserId};
use lockstep_core::login::demand::{Asks, Held, Means, Situation, decide};
use lockstep_core::login::offer::MOST_PASSKEYS;
use lockstep_core::login::session::Proven;
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::session::Session;
use lockstep_core::model::settings::Guardian;
use lockstep_core::model::user::User;
use lockstep_core::time::Span;
use serde_json::{Value, json};

use super::{changes, held};
use crate::app::App;
use crate::store::db::{Conn, DbError};
use crate::store::methods::Method;
use crate::store::remembered_browsers::RememberedBrowser;
use crate::store::{
    authenticators, connections, methods, passkeys, remembered_browsers, sessions, settings, user_handles,
    users,
};

/// How old the proof of who changes something may be.
const FRESH: Span = Span::minutes(15);

/// Why the account page does not do what was asked.
#[derive(Debug, thiserror::Error)]
pub enum AccountError {
    /// Nobody is logged in here, or not well enough: through this login.
    #[error("a login is needed")]
    LogIn(Proof),
    /// There is no such factor, session, or enrolment of this person.
    #[error("there is no such thing in this account")]
    NotFound,
    /// It is the last factor, and the tenant demands one.
    #[error("the last factor cannot be removed while the tenant demands one")]
    LastFactor,
    /// It is the last way to begin a login.
    #[error("the last passkey cannot be removed from an account without a password")]
    LastPasskey,
    /// No factor can be added.
    #[error("no factor can be enrolled")]
    NoFactor,
    /// The name is empty or too long.
    #[error("a name has one to a hundred characters")]
    BadName,
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
    /// Something of ours failed.
    #[error("{0}")]
    Internal(String),
}

/// What a login has to prove.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// MFA, because the person has a factor.
    mfa: bool,
    /// Proven just now.
    fresh: bool,
}

impl Proof {
    /// Returns the address of the login. `next` is what the person wanted to do, and comes back as `state`.
    pub fn url(self, issuer: &Issuer, next: &str) -> String {
        let mut query = url::form_urlencoded::Serializer::new(String::new());
        query.append_pair("client_id", application::CLIENT_ID);
        query.append_pair("response_type", "code");
        query.append_pair("scope", "openid");
        query.append_pair("redirect_uri", &issuer.url(application::PATH));
        query.append_pair("state", next);
        if self.mfa {
            query.append_pair("acr_values", PAPE);
        }
        if self.fresh {
            query.append_pair("max_age", &FRESH.as_secs().to_string());
        }
        issuer.url(&format!("authorize?{}", query.finish()))
    }
}

/// A person on her account page.
pub struct Visitor {
    /// Who.
    pub user: User,
    session: Session,
    /// What forms have to bring: only a page of this session knows it.
    pub form_token: String,
    guardian: Guardian,
    held: Vec<Authenticator>,
    /// Whether the tenant asks this person for MFA.
    demanded: bool,
    fresh: bool,
    has_factor: bool,
    passkeys: Vec<Method>,
    /// Whether the connection has passkeys, and this server can ask for them.
    passkeys_possible: bool,
    has_password: bool,
}

impl Visitor {
    /// Finds who visits, by the handle of the session.
    pub async fn find(
        conn: &mut Conn,
        app: &App,
        env: &Env,
        handle: Option<&str>,
    ) -> Result<Self, AccountError> {
        let nobody = || AccountError::LogIn(Proof { mfa: false, fresh: false });
        let handle = handle.ok_or_else(nobody)?;
        let session = sessions::find_by_handle(conn, &sha256_b64url(handle)).await?;
        let session = session.filter(|s| s.is_live(env.now)).ok_or_else(nobody)?;
        let user = users::find(conn, &session.user).await?.filter(|u| !u.blocked).ok_or_else(nobody)?;
        let guardian = settings::guardian(conn).await?;
        let held = held::load(conn, &user, &guardian).await?;
        let connection = connections::find_by_name(conn, &user.connection).await?;
        let demanded = guardian.always() && connection.as_ref().is_none_or(|c| c.mfa_active());
        let rules = app.config().rules();
        let keys = Keys::of(app.issuer(), &guardian);
        let all = held.iter().map(|on| Held::of(on, &keys));
        let means = Means::new(all, &guardian.enabled(), &session.methods, rules);
        let has_factor = means.enrolled();
        let decision = decide(&Situation {
            now: env.now,
            rules,
            asks: Asks { policy_always: demanded, acr_mfa: has_factor, ..Asks::default() },
            proven: Some(Proven {
                methods: session.methods.clone(),
                auth_time: session.auth_time,
                first_here: false,
                second_here: false,
            }),
            means,
            remembered: false,
            remember_display: false,
        });
        if decision.not_needed().is_none() {
            return Err(AccountError::LogIn(Proof { mfa: has_factor, fresh: false }));
        }
        let mut passkeys = methods::list_of_user(conn, &user.id).await?;
        passkeys.retain(|method| method.kind == passkeys::KIND);
        let party = on_our_pages(app.issuer());
        let passkeys_possible = connection.is_some_and(|c| c.has_passkeys()) && party.is_ok();
        let has_password = users::password_hash(conn, &user.id).await?.is_some();
        let proven_at =
            if has_factor { multi_factor_at(&session.methods, rules) } else { Some(session.auth_time) };
        Ok(Self {
            fresh: proven_at.is_some_and(|at| env.now.since(at) <= FRESH),
            form_token: sha256_b64url(format!("form of the account page\n{handle}")),
            user,
            session,
            guardian,
            held,
            demanded,
            has_factor,
            passkeys,
            passkeys_possible,
            has_password,
        })
    }

    /// Refuses a change without a fresh proof (ASVS 7.5.1): a browser that was left open must not give the account away.
    pub fn require_fresh(&self) -> Result<(), AccountError> {
        if self.fresh {
            Ok(())
        } else {
            Err(AccountError::LogIn(Proof { mfa: self.has_factor, fresh: true }))
        }
    }

    /// Returns the person's factors, the recovery code not among them.
    pub fn factors(&self) -> impl Iterator<Item = &Authenticator> {
        self.held.iter().filter(|on| on.confirmed && on.kind != FactorKind::RecoveryCode)
    }

    /// Returns the recovery code.
    pub fn recovery_code(&self) -> Option<&Authenticator> {
        self.held.iter().find(|on| on.confirmed && on.kind == FactorKind::RecoveryCode)
    }

    /// Returns whether a recovery code can be had: the tenant has them, and there is a factor to recover from the loss of.
    pub fn may_have_recovery_code(&self) -> bool {
        self.guardian.enabled().contains(&FactorKind::RecoveryCode) && self.has_factor
    }

    /// Returns the factors that can be added: mail and the device's own key only beside one that can stand alone.
    pub fn addable(&self) -> Vec<FactorKind> {
        let fits = |kind: &FactorKind| match kind {
            FactorKind::Totp => true,
            FactorKind::Phone => !self.guardian.channels().is_empty(),
            FactorKind::WebauthnRoaming => true,
            FactorKind::Email | FactorKind::WebauthnPlatform => self.has_factor,
            FactorKind::RecoveryCode => false,
        };
        self.guardian.enabled().into_iter().filter(fits).collect()
    }

    /// Returns whether a factor can be removed: not the address of the account, and not the last one while the tenant demands one.
    pub fn may_remove(&self, on: &Authenticator) -> bool {
        let stands_alone = |on: &&Authenticator| {
            on.confirmed && on.kind.independent() && self.guardian.enabled().contains(&on.kind)
        };
        let is_last = stands_alone(&on) && self.held.iter().filter(stands_alone).count() == 1;
        !(self.is_address_of_account(on) || (self.demanded && is_last))
    }

    /// Returns whether it is the verified address of the account, which is a factor without having been added.
    pub fn is_address_of_account(&self, on: &Authenticator) -> bool {
        lockstep_core::factors::email::of_account(&self.user).is_some_and(|own| own.id == on.id)
    }

    /// Returns a factor by its id.
    pub fn factor(&self, id: &str) -> Result<&Authenticator, AccountError> {
        self.factors().find(|on| on.id.as_str() == id).ok_or(AccountError::NotFound)
    }

    /// Returns the person's passkeys.
    pub fn passkeys(&self) -> &[Method] {
        &self.passkeys
    }

    /// Returns whether another passkey can be added.
    pub fn may_add_passkey(&self) -> bool {
        self.passkeys_possible && self.passkeys.len() < MOST_PASSKEYS
    }

    /// Returns whether passkeys can be removed: not the last way to begin a login.
    pub fn may_remove_passkey(&self) -> bool {
        self.has_password || self.passkeys.len() > 1
    }

    /// Returns a passkey by its id.
    pub fn passkey(&self, id: &str) -> Result<&Method, AccountError> {
        self.passkeys.iter().find(|method| method.id.as_str() == id).ok_or(AccountError::NotFound)
    }

    /// Returns whether a session is the one of this browser.
    pub fn is_current(&self, session: &Session) -> bool {
        session.id == self.session.id
    }
}

/// All that the page shows.
pub struct Overview {
    /// Who.
    pub visitor: Visitor,
    /// Where the person is logged in, this browser first.
    pub sessions: Vec<Session>,
    /// The browsers that are not asked for MFA.
    pub remembered: Vec<RememberedBrowser>,
    /// The keys that know the person, for her browser to forget those that are none any more.
    pub keys: Option<Value>,
}

/// Returns what the page shows.
pub async fn overview(app: &App, env: &Env, handle: Option<&str>) -> Result<Overview, AccountError> {
    let mut conn = app.db().read().await?;
    let visitor = Visitor::find(&mut conn, app, env, handle).await?;
    let mut all = sessions::list_of_user(&mut conn, &visitor.user.id, env.now).await?;
    all.sort_by_key(|session| (!visitor.is_current(session), std::cmp::Reverse(session.last_used_at)));
    let idle = Span::seconds(visitor.guardian.remember.mfa_session_inactivity_timeout);
    let remembered = remembered_browsers::list_of_user(&mut conn, &visitor.user.id, idle, env.now).await?;
    let keys = accepted_keys(&mut conn, app, &visitor.user.id).await?;
    Ok(Overview { visitor, sessions: all, remembered, keys })
}

/// Returns which keys of this domain a user may log in with, as browsers are told (WebAuthn section 5.1.10.3): passkeys and second factors
/// alike, since a browser hides what is not listed. None where no key has ever been told who the user is.
async fn accepted_keys(conn: &mut Conn, app: &App, user: &UserId) -> Result<Option<Value>, DbError> {
    let party = on_our_pages(app.issuer());
    let (Some(handle), Ok(party)) = (user_handles::find(conn, user).await?, party) else { return Ok(None) };
    let methods = methods::list_of_user(conn, user).await?;
    let keys: Vec<_> = methods.iter().filter_map(|method| Listed::stored(&method.data, &party)).collect();
    let ids: Vec<&str> = keys.iter().map(Listed::id).collect();
    Ok(Some(json!({"rpId": party.id(), "userId": handle.as_str(), "allAcceptedCredentialIds": ids})))
}

/// Returns who visits for a page that leads to a change.
pub async fn before_change(app: &App, env: &Env, handle: Option<&str>) -> Result<Visitor, AccountError> {
    let mut conn = app.db().read().await?;
    let visitor = Visitor::find(&mut conn, app, env, handle).await?;
    visitor.require_fresh()?;
    Ok(visitor)
}

/// What a person changes with one press.
#[derive(Clone, Debug)]
pub enum Change {
    /// Gives a factor or passkey a name.
    Rename {
        /// Its id.
        id: String,
        /// The name; an empty one takes it away.
        name: String,
    },
    /// Removes a factor or passkey.
    Remove {
        /// Its id.
        id: String,
    },
    /// Ends a session.
    EndSession {
        /// Its id.
        id: String,
    },
    /// Ends all sessions but this one.
    EndOtherSessions,
    /// Forgets a browser.
    ForgetBrowser {
        /// Its id.
        id: String,
    },
}

/// Makes a change.
pub async fn change(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    handle: Option<&str>,
    change: Change,
) -> Result<(), AccountError> {
    let mut tx = app.db().write().await?;
    let mut visitor = Visitor::find(&mut tx, app, env, handle).await?;
    visitor.require_fresh()?;
    if matches!(change, Change::Remove { .. }) {
        // Whether it is the last factor is looked up again once nobody else can remove one.
        authenticators::lock_of_user(&mut tx, &visitor.user.id).await?;
        visitor = Visitor::find(&mut tx, app, env, handle).await?;
    }
    let user = &visitor.user;
    match change {
        Change::Rename { id, name } => {
            let name = name.trim();
            if name.chars().count() > 100 || name.chars().any(char::is_control) {
                return Err(AccountError::BadName);
            }
            let on = visitor.factor(&id).map(|on| &on.id);
            let on = on.or_else(|_| visitor.passkey(&id).map(|passkey| &passkey.id))?;
            authenticators::rename(&mut tx, on, (!name.is_empty()).then_some(name)).await?;
        }
        Change::Remove { id } if visitor.passkey(&id).is_ok() => {
            if !visitor.may_remove_passkey() {
                return Err(AccountError::LastPasskey);
            }
            let passkey = visitor.passkey(&id)?;
            if !changes::passkey_removed(&mut tx, app, env, origin, user, passkey).await? {
                return Err(AccountError::NotFound);
            }
        }
        Change::Remove { id } => {
            let on = visitor.factor(&id)?;
            if visitor.is_address_of_account(on) {
                return Err(AccountError::NotFound);
            }
            if !visitor.may_remove(on) {
                return Err(AccountError::LastFactor);
            }
            if !changes::removed(&mut tx, app, env, origin, user, on).await? {
                return Err(AccountError::NotFound);
            }
        }
        Change::EndSession { id } => {
            let id = SessionId::parse(id).map_err(|_| AccountError::NotFound)?;
            let session = sessions::find(&mut tx, &id).await?.filter(|s| s.user == user.id);
            if session.is_none_or(|s| visitor.is_current(&s)) {
                return Err(AccountError::NotFound);
            }
            sessions::delete(&mut tx, &id).await?;
            ended(&mut tx, app, env, origin, user, "one session").await?;
        }
        Change::EndOtherSessions => {
            sessions::delete_of_user(&mut tx, &user.id, Some(&visitor.session.id)).await?;
            ended(&mut tx, app, env, origin, user, "all other sessions").await?;
        }
        Change::ForgetBrowser { id } => {
            let id = RememberedBrowserId::parse(id).map_err(|_| AccountError::NotFound)?;
            if !remembered_browsers::delete(&mut tx, &id, &user.id).await? {
                return Err(AccountError::NotFound);
            }
        }
    }
    tx.commit().await?;
    Ok(())
}

/// Records that a person ended sessions from afar.
async fn ended(
    tx: &mut Conn,
    app: &App,
    env: &Env,
    origin: &Origin,
    user: &User,
    what: &str,
) -> Result<(), DbError> {
    let event = LogEvent::new("slo", "")
        .user(&user.id, user.display_name())
        .details(
            json!({"return_to": null, "allowed_logout_url": [], "session_id": null, "initiated_by": "user",
            "protocol": null, "ended": what}),
        )
        .from(origin);
    app.logs().insert(tx, env, &event).await
}
