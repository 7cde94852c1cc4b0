//! The My Account API: a person's own factors and password, changed by an application in her name (contract/mfa-api.md 12).
//!
//! It exists for a tenant that has an API with the audience `/me/`. Every call is opened with [`Call::open`]; every change goes through the
//! four functions of [`lockstep_core::factors`] and through [`super::changes`], as on the pages.

pub mod enrolment;
pub mod methods;
mod passkeys;

use lockstep_core::crypto::jose::claims;
use lockstep_core::env::Env;
use lockstep_core::factors::Keys;
use lockstep_core::ids::{ClientId, UserId};
use lockstep_core::login::demand::{Held, Means};
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::connection::Connection;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::settings::Guardian;
use lockstep_core::model::user::User;
use lockstep_core::my_account::{MyAccountCode, MyAccountError};
use lockstep_core::oauth::scope::Scopes;
use lockstep_core::time::{Span, Timestamp};
use serde_json::{Map, Value, json};
use tracing::error;

use super::held;
use super::management::validate::Broken;
use crate::app::App;
use crate::passwords::PasswordError;
use crate::store::buckets::{self, Budget};
use crate::store::db::{Conn, DbError};
use crate::store::methods::{self as stored_methods, Method};
use crate::store::passkeys as stored_passkeys;
use crate::store::{connections, resource_servers, settings, users};

/// How old the second factor of a token may be for a change.
pub const STEP_UP_AGE: Span = Span::minutes(15);
/// Changes by one user: five at once, then one each twelve seconds.
pub const CHANGES: Budget = Budget::new(5, Span::seconds(12));

/// What a flow returns.
pub type Outcome<T = Value> = Result<T, MyAccountError>;

/// A call by a person's application.
pub struct Call {
    app: App,
    env: Env,
    origin: Origin,
    user: User,
    client: ClientId,
    scopes: Scopes,
    /// When MFA of the token was passed.
    mfa_at: Option<Timestamp>,
}

impl Call {
    /// Checks the token: signature, issuer, audience, expiry, and that its person may log in.
    pub async fn open(app: &App, env: Env, origin: Origin, token: Option<&str>) -> Outcome<Self> {
        let mut conn = app.db().read().await?;
        let audience = env.issuer.my_account_audience();
        if resource_servers::find_by_identifier(&mut conn, &audience).await?.is_none() {
            return Err(MyAccountCode::Inactive.into());
        }
        let invalid = || MyAccountError::from(MyAccountCode::InvalidToken);
        let verified = app.keyring().verify(token.ok_or_else(invalid)?).map_err(|_| invalid())?;
        let c = &verified.claims;
        let fits = claims::issued_by(c, env.issuer.as_str()).is_ok()
            && claims::addressed_to(c, &[audience.as_str()]).is_ok()
            && claims::not_expired(c, env.now, Span::ZERO).is_ok()
            && (verified.header.is_type("JWT") || verified.header.is_type("at+jwt"));
        let subject = claims::text(c, "sub").ok().and_then(|s| UserId::parse(s).ok());
        let client = ["client_id", "azp"].iter().find_map(|name| claims::text(c, name).ok());
        let (true, Some(subject), Some(client)) = (fits, subject, client) else { return Err(invalid()) };
        let user = users::find(&mut conn, &subject).await?.filter(|u| !u.blocked).ok_or_else(invalid)?;
        let amr = c.get("amr").and_then(Value::as_array).into_iter().flatten();
        let auth_time = c.get("auth_time").and_then(Value::as_i64).map(Timestamp::from_secs);
        Ok(Self {
            app: app.clone(),
            origin,
            user,
            client: ClientId::trusted(client),
            scopes: Scopes::trusted(claims::text(c, "scope").unwrap_or_default()),
            mfa_at: auth_time.filter(|_| amr.into_iter().any(|method| method == "mfa")),
            env,
        })
    }

    fn require(&self, scope: &str) -> Outcome<()> {
        if self.scopes.has(scope) {
            return Ok(());
        }
        let text = format!("Insufficient scope, expected: {scope}");
        Err(MyAccountError::new(MyAccountCode::InsufficientScope, text))
    }

    /// Takes one of the user's changes.
    async fn count_change(&self) -> Outcome<()> {
        let mut tx = self.app.db().write().await?;
        let taken = buckets::take(&mut tx, &self.bucket(), CHANGES, self.env.now).await?;
        tx.commit().await?;
        if taken { Ok(()) } else { Err(MyAccountCode::TooMany.into()) }
    }

    /// Returns how many changes are left to the user.
    pub async fn changes_left(&self) -> Outcome<i64> {
        let mut conn = self.app.db().read().await?;
        Ok(buckets::left(&mut conn, &self.bucket(), CHANGES, self.env.now).await?)
    }

    fn bucket(&self) -> String {
        format!("my_account:{}", self.user.id)
    }

    async fn facts(&self, conn: &mut Conn) -> Outcome<Facts> {
        let guardian = settings::guardian(conn).await?;
        let held = held::load(conn, &self.user, &guardian).await?;
        let connection = connections::find_by_name(conn, &self.user.connection).await?;
        let has_password = users::password_hash(conn, &self.user.id).await?.is_some();
        let mut passkeys = stored_methods::list_of_user(conn, &self.user.id).await?;
        passkeys.retain(|method| method.kind == stored_passkeys::KIND);
        Ok(Facts { guardian, held, connection, has_password, passkeys })
    }

    /// Checks that a password or passkey is for the account of the token.
    fn check_identity(&self, body: &Map<String, Value>) -> Outcome<()> {
        let text = |name: &str| body.get(name).and_then(Value::as_str);
        if text("connection").is_some_and(|name| name != self.user.connection) {
            return Err(MyAccountError::property("the account is not of this connection", "connection"));
        }
        if text("identity_user_id").is_some_and(|id| id != self.user.id.parts().1) {
            return Err(MyAccountError::property("the account has no such identity", "identity_user_id"));
        }
        Ok(())
    }

    /// Refuses a change by a token without a fresh second factor, if the person has one: a stolen token must not add its thief's phone.
    fn require_step_up(&self, facts: &Facts) -> Outcome<()> {
        let rules = self.app.config().rules();
        let keys = Keys::of(self.app.issuer(), &facts.guardian);
        let held = facts.held.iter().map(|on| Held::of(on, &keys));
        let means = Means::new(held, &facts.guardian.enabled(), &Default::default(), rules);
        let fresh = self.mfa_at.is_some_and(|at| self.env.now.since(at) <= STEP_UP_AGE);
        if fresh || !means.enrolled() { Ok(()) } else { Err(MyAccountCode::StepUp.into()) }
    }

    /// Records how a change went.
    fn record<T>(&self, operation: &str, method: &str, path: (&str, &str), outcome: &Outcome<T>) {
        let mut details = json!({
            "operation": operation,
            "authentication_method": method.split('|').next().unwrap_or_default(),
            "authentication_method_id": method,
            "request": {"method": path.0, "path": path.1}, "session_id": null,
        });
        let code = match outcome {
            Ok(_) => "my_account_authentication_method_succeeded",
            Err(error) => {
                details["error"] = error.body(error.code.text());
                "my_account_authentication_method_failed"
            }
        };
        let event = LogEvent::new(code, "")
            .client(&self.client, "")
            .user(&self.user.id, self.user.display_name())
            .details(details)
            .from(&self.origin);
        self.app.log(&self.env, &event);
    }
}

/// What the person holds, and what the tenant has switched on.
struct Facts {
    guardian: Guardian,
    held: Vec<Authenticator>,
    connection: Option<Connection>,
    has_password: bool,
    passkeys: Vec<Method>,
}

impl Facts {
    /// Returns how many methods there are, of those whose number is limited.
    fn count(&self) -> usize {
        self.held.len() + self.passkeys.len()
    }
}

impl From<DbError> for MyAccountError {
    fn from(cause: DbError) -> Self {
        internal(&cause)
    }
}

impl From<PasswordError> for MyAccountError {
    fn from(cause: PasswordError) -> Self {
        match cause {
            PasswordError::Overloaded => MyAccountCode::Busy.into(),
            PasswordError::Hash(cause) => Self::property(cause.to_string(), "new_password"),
        }
    }
}

impl From<Broken> for MyAccountError {
    fn from(broken: Broken) -> Self {
        Self::property(broken.rule, &broken.path)
    }
}

fn internal(cause: &dyn std::fmt::Display) -> MyAccountError {
    error!(%cause, "A My Account API call failed: {cause}");
    MyAccountCode::Internal.into()
}
