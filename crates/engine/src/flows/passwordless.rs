//! `POST /passwordless/start`: sends a code that logs in (contract/oidc.md 11.3). Whether there is an account is not told: answer, limits and
//! id are the same for everybody.

use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::crypto::digest::sha256;
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::env::Env;
use lockstep_core::factors::{PhoneNumber, Reach};
use lockstep_core::ids::UserId;
use lockstep_core::model::client::Client;
use lockstep_core::model::connection::Connection;
use lockstep_core::model::languages::choose_locale;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::message::Channel;
use lockstep_core::model::user::{User, normal_email};
use lockstep_core::oauth::params::Params;
use lockstep_core::passwordless::LoginCode;
use serde_json::{Value, json};

use super::OAuthFailure;
use super::client_auth::{self, Credentials};
use super::linked::{self, Account};
use super::messages::About;
use super::sending::{self, SendError};
use crate::app::App;
use crate::store::db::{Conn, DbError};
use crate::store::{connections, login_codes, settings};

/// The grant that redeems a code.
pub(super) const GRANT: &str = "http://auth0.com/oauth/grant-type/passwordless/otp";
/// The parameters that are texts.
const TEXTS: &[&str] = &[
    "client_id",
    "client_secret",
    "connection",
    "email",
    "phone_number",
    "send",
    "username",
    "otp",
    "realm",
];

/// Where codes of a connection go, and whose they are.
pub(super) struct Place {
    /// The connection.
    pub(super) connection: Connection,
    /// The mailbox or telephone.
    pub(super) reach: Reach,
}

impl Place {
    /// Reads the connection that an application may use, and the address or number.
    pub(super) async fn find(
        conn: &mut Conn,
        client: &Client,
        name: &str,
        to: Option<&str>,
    ) -> Result<Self, OAuthFailure> {
        let enabled = connections::list_for_client(conn, &client.id).await?;
        let connection = enabled.into_iter().find(|c| c.name == name && c.is_active() && c.is_passwordless());
        let connection = connection.ok_or_else(|| {
            OAuthError::new(
                OAuthCode::BadConnection,
                "The connection does not exist, is not passwordless or is not enabled for the client",
            )
        })?;
        let reach = if connection.strategy() == "email" {
            let address = normal_email(to.ok_or_else(|| OAuthError::missing("email"))?)
                .map_err(|_| OAuthError::new(OAuthCode::BadEmail, OAuthCode::BadEmail.text()))?;
            Reach::Email(address)
        } else {
            let number = PhoneNumber::parse(to.ok_or_else(|| OAuthError::missing("phone_number"))?)
                .map_err(|_| OAuthError::new(OAuthCode::BadPhoneNumber, OAuthCode::BadPhoneNumber.text()))?;
            Reach::Phone { number, channel: Channel::Sms }
        };
        Ok(Self { connection, reach })
    }

    /// Returns what stands for this place in tables: the same for all applications, so that only the newest code works.
    pub(super) fn key(&self) -> String {
        sha256_b64url(format!("login code\n{}\n{}", self.connection.id, self.to()))
    }

    fn to(&self) -> &str {
        match &self.reach {
            Reach::Email(address) => address,
            Reach::Phone { number, .. } => number.as_str(),
        }
    }

    /// Returns whose account it is.
    pub(super) async fn account(&self, conn: &mut Conn) -> Result<Option<Account>, DbError> {
        let name = &self.connection.name;
        match &self.reach {
            Reach::Email(address) => linked::by_email(conn, name, address).await,
            Reach::Phone { number, .. } => linked::by_phone(conn, name, number.as_str()).await,
        }
    }

    /// Returns whether this account has it.
    pub(super) fn is_of(&self, account: &User) -> bool {
        let own = match &self.reach {
            Reach::Email(_) => &account.email,
            Reach::Phone { .. } => &account.phone_number,
        };
        own.as_deref() == Some(self.to())
    }

    /// Returns the account that a right code makes. Its id is drawn, not computed of the address: an address that comes to another person
    /// must not bring along the old one's `sub`.
    pub(super) fn new_user(&self, env: &mut Env) -> User {
        let id = UserId::trusted(format!("{}|{}", self.connection.strategy(), env.rng().hex(24)));
        let mut user = User::new(id, &self.connection.name, env.now);
        match &self.reach {
            Reach::Email(address) => {
                user.profile.name = Some(address.clone());
                user.profile.nickname = address.split('@').next().map(str::to_owned);
                user.email = Some(address.clone());
                user.email_verified = true;
            }
            Reach::Phone { number, .. } => {
                user.profile.name = Some(number.as_str().to_owned());
                user.phone_number = Some(number.as_str().to_owned());
                user.phone_verified = true;
            }
        }
        user
    }

    /// What the answer of the start calls the account: the same whether there is one or not.
    fn identity(&self) -> String {
        let hash = sha256(format!("passwordless\n{}\n{}", self.connection.id, self.to()).as_bytes());
        hash.iter().take(12).map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Sends a code.
pub async fn start(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    params: &Params,
    credentials: &Credentials,
    language: Option<&str>,
) -> Result<Value, OAuthFailure> {
    params.refuse_ambiguous(TEXTS)?;
    let authenticated = client_auth::authenticate(app, env, params, credentials).await?;
    let client = &authenticated.client;
    if !client.allows_grant(GRANT) {
        return Err(OAuthError::grant_not_allowed(GRANT).into());
    }
    let mut tx = app.db().write().await?;
    let to = params.get("email").or_else(|| params.get("phone_number"));
    let place = Place::find(&mut tx, client, params.require("connection")?, to).await?;
    if place.connection.strategy() == "email" && params.get("send") != Some("code") {
        let text = "Links are not supported by this server yet: set send to \"code\"";
        return Err(OAuthError::invalid_request(text).into());
    }
    let user = place.account(&mut tx).await?.map(|account| account.user);
    let may_log_in = match &user {
        Some(user) => !user.blocked,
        None => place.connection.allows_signup(),
    };
    let origin = &Origin { of_server: !client.is_public(), ..origin.clone() };
    let (code, message) = LoginCode::draw(&place.reach, env);
    let tenant = settings::tenant(&mut tx).await?;
    let about = About {
        tenant: &tenant,
        client: Some(client),
        // No word of the account, and no limit of its own: both would tell that there is one.
        user: None,
        language: choose_locale(language, None, origin.languages.as_deref(), &tenant.enabled_locales()),
        host: app.issuer().host(),
    };
    // Kept in both cases, so that wrong answers look the same; where nobody may log in nobody learns the code, and it opens nothing.
    login_codes::put(&mut tx, &place.key(), &code, env.now, code.expires_at()).await?;
    if may_log_in {
        sending::send_code(&mut tx, app, env, &about, origin, &message).await.map_err(refusal)?;
        let mut event = LogEvent::new("cs", "Passwordless code sent").client(&client.id, client.name());
        event.connection = Some(place.connection.name.clone());
        if let Some(user) = &user {
            event = event.user(&user.id, user.display_name());
        }
        app.logs().insert(&mut tx, env, &event.from(origin)).await?;
    } else {
        // Nobody could use it, so it is not sent; that it was asked for counts.
        sending::admit(&mut tx, app, env, &about, origin, &message).await.map_err(refusal)?;
    }
    tx.commit().await?;
    let id = place.identity();
    Ok(match &place.reach {
        Reach::Email(address) => json!({"_id": id, "email": address, "email_verified": false}),
        Reach::Phone { number, .. } => {
            json!({"_id": id, "phone_number": number.as_str(), "phone_verified": false})
        }
    })
}

fn refusal(error: SendError) -> OAuthFailure {
    match error {
        SendError::TooMany(_) => OAuthError::new(
            OAuthCode::TooManyRequests,
            "Too many codes were sent. Wait for some minutes before retrying.",
        )
        .into(),
        SendError::NotAllowed(_) => {
            OAuthError::new(OAuthCode::BadPhoneNumber, "Messages are not sent to this number").into()
        }
        SendError::Db(error) => error.into(),
    }
}
