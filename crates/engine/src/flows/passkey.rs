//! `POST /passkey/challenge` and `POST /passkey/register` (contract/oidc.md 12): what a passkey is asked, behind an `auth_session` that the token
//! endpoint takes with the answer. A challenge is the same for everybody, since nobody has said a name.

use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::env::Env;
use lockstep_core::factors::webauthn::passkey::{Login, Registration, relying_party};
use lockstep_core::factors::{PhoneNumber, UserHandle};
use lockstep_core::ids::{ClientId, UserId};
use lockstep_core::model::client::Client;
use lockstep_core::model::connection::Connection;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::user::{Profile, User, normal_email};
use lockstep_core::oauth::params::{Params, printable};
use lockstep_core::time::Span;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::OAuthFailure;
use super::client_auth::{self, Credentials};
use super::linked;
use super::signup::{self, valid_username};
use crate::app::App;
use crate::store::buckets::{self, Budget};
use crate::store::db::{Conn, DbError};
use crate::store::{connections, login_codes, settings};

/// The grant that redeems an answer.
pub(super) const GRANT: &str = "urn:okta:params:oauth:grant-type:webauthn";
/// The parameters that are texts.
const TEXTS: &[&str] =
    &["client_id", "client_secret", "client_assertion", "client_assertion_type", "realm", "organization"];
/// Challenges of one address of the network: thirty, then one each two seconds. Each is a row that a stranger makes.
const BEGUN: Budget = Budget::new(30, Span::seconds(2));
/// Registrations of one address: fewer, since they tell whether there is an account.
const REGISTERED: Budget = Budget::new(10, Span::seconds(30));
/// Refused answers from one address of the network: fifteen, then one each four seconds. Nobody guesses a signature; the limit is for those who
/// try all the same.
pub(super) const REFUSED: Budget = Budget::new(15, Span::seconds(4));
/// What an application's own server begins for all of its people.
const BEGUN_BY_SERVER: Budget = Budget::new(600, Span::millis(100));

/// What stands behind an `auth_session`. Keep it sealed.
#[derive(Serialize, Deserialize)]
pub(super) struct Session {
    /// Who began it: nobody else ends it.
    pub(super) client: ClientId,
    /// The name of the connection.
    pub(super) connection: String,
    /// What the passkey was asked.
    pub(super) asked: Asked,
}

/// What a passkey was asked.
#[derive(Serialize, Deserialize)]
pub(super) enum Asked {
    /// Who it is.
    Login(Login),
    /// To be made for a new user.
    Registration(Registration, Box<NewUser>),
}

/// Who will be a user once the passkey is there.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) struct NewUser {
    email: Option<String>,
    username: Option<String>,
    phone_number: Option<String>,
    profile: Profile,
    user_metadata: Option<Map<String, Value>>,
}

/// What a passkey is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Purpose {
    /// `/passkey/challenge`
    Login,
    /// `/passkey/register`
    Register,
}

/// Returns what a login session is stored under.
pub(super) fn session_key(auth_session: &str) -> String {
    sha256_b64url(format!("passkey\n{auth_session}"))
}

/// Returns the bucket and the budget of one caller. An application's own server has one address for all of its people.
pub(super) fn budget(
    what: &str,
    client: &Client,
    origin: &Origin,
    of_person: Budget,
    of_server: Budget,
) -> (String, Budget) {
    if client.is_public() {
        (format!("passkey:{what}:{}", origin.ip.as_deref().unwrap_or_default()), of_person)
    } else {
        (format!("passkey:{what}:client:{}", client.id), of_server)
    }
}

/// Returns the bucket of refused answers of one address: pages and API share it.
pub(super) fn refused_from(origin: &Origin) -> String {
    format!("passkey:refused:{}", origin.ip.as_deref().unwrap_or_default())
}

pub(super) fn too_many() -> OAuthFailure {
    OAuthError::new(OAuthCode::TooManyRequests, "Too many requests. Wait a moment before retrying.").into()
}

/// Returns the connection that an application may use for passkeys: the one that is named, else the tenant's default, else the only one.
pub(super) async fn connection(
    conn: &mut Conn,
    client: &Client,
    realm: Option<&str>,
) -> Result<Connection, OAuthFailure> {
    let tenant = settings::tenant(conn).await?;
    let name = realm.or_else(|| tenant.default_directory());
    let enabled = connections::list_for_client(conn, &client.id).await?;
    let mut usable = enabled
        .into_iter()
        .filter(|c| c.is_active() && c.has_passkeys() && name.is_none_or(|name| c.name == name));
    match (usable.next(), usable.next()) {
        (Some(connection), None) => Ok(connection),
        (Some(_), Some(_)) => Err(OAuthError::missing("realm").into()),
        (None, _) => {
            let text =
                "The connection does not exist, has no passkeys enabled or is not enabled for the client";
            Err(OAuthError::invalid_request(text).into())
        }
    }
}

/// Begins a login or a sign-up. A new user is made with the answer, not before.
pub async fn begin(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    params: &Params,
    credentials: &Credentials,
    purpose: Purpose,
) -> Result<Value, OAuthFailure> {
    params.refuse_ambiguous(TEXTS)?;
    let client = client_auth::authenticate(app, env, params, credentials).await?.client;
    let begun = try_begin(app, env, origin, params, &client, purpose).await;
    if let Err(OAuthFailure::Refused(error)) = &begun {
        let purpose = if purpose == Purpose::Login { "login" } else { "register" };
        let event = LogEvent::new("passkey_challenge_failed", error.description.clone())
            .client(&client.id, client.name())
            .details(json!({"error": {"message": error.description}, "purpose": purpose}))
            .from(origin);
        app.log(env, &event);
    }
    begun
}

async fn try_begin(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    params: &Params,
    client: &Client,
    purpose: Purpose,
) -> Result<Value, OAuthFailure> {
    if !client.allows_grant(GRANT) {
        return Err(OAuthError::grant_not_allowed(GRANT).into());
    }
    if let Some(organization) = params.get("organization") {
        let text = format!("parameter organization is invalid: {}", printable(organization));
        return Err(OAuthError::invalid_request(text).into());
    }
    let (what, of_person) =
        if purpose == Purpose::Login { ("login", BEGUN) } else { ("register", REGISTERED) };
    let (bucket, budget) = budget(what, client, origin, of_person, BEGUN_BY_SERVER);
    let mut tx = app.db().write().await?;
    let may = buckets::take(&mut tx, &bucket, budget, env.now).await?;
    tx.commit().await?;
    if !may {
        return Err(too_many());
    }
    let mut tx = app.db().write().await?;
    let connection = connection(&mut tx, client, params.get("realm")).await?;
    let pages = client.web_origins().chain(client.allowed_origins());
    let party = relying_party(app.issuer(), pages, &app.config().related_origins)
        .map_err(|error| OAuthError::invalid_request(format!("Passkeys are not possible here: {error}")))?;
    let (asked, options, expires_at) = match purpose {
        Purpose::Login => {
            let login = Login::draw(party, app.config().profile, env);
            let (options, expires_at) = (login.options(), login.expires_at());
            (Asked::Login(login), options, expires_at)
        }
        Purpose::Register => {
            let new = NewUser::read(&connection, params)?;
            if new.is_taken(&mut tx, &connection).await? {
                return Err(NewUser::exists().into());
            }
            let handle = UserHandle::new(env.rng());
            let registration = Registration::draw(party, handle, env);
            let tenant = settings::tenant(&mut tx).await?;
            let options = registration.options(tenant.friendly_name(), new.account());
            let expires_at = registration.expires_at();
            (Asked::Registration(registration, Box::new(new)), options, expires_at)
        }
    };
    let auth_session = env.rng().url_safe(43);
    let session = Session { client: client.id.clone(), connection: connection.name.clone(), asked };
    login_codes::put(&mut tx, &session_key(&auth_session), &session, env.now, expires_at).await?;
    let mut event =
        LogEvent::new("passkey_challenge_started", "").client(&client.id, client.name()).from(origin);
    event.connection = Some(connection.name.clone());
    event.connection_id = Some(connection.id.to_string());
    app.logs().insert(&mut tx, env, &event).await?;
    tx.commit().await?;
    Ok(json!({"auth_session": auth_session, "authn_params_public_key": options}))
}

impl NewUser {
    /// Reads who signs up.
    fn read(connection: &Connection, params: &Params) -> Result<Self, OAuthError> {
        if !connection.allows_passkey_signup() {
            return Err(OAuthError::invalid_request("Public signup is disabled"));
        }
        let given = params.object("user_profile").ok_or_else(|| OAuthError::missing("user_profile"))?;
        let wrong = |name: &str| OAuthError::invalid_request(format!("user_profile.{name} is not valid"));
        let read = |name: &str, longest: usize| -> Result<Option<String>, OAuthError> {
            match given.get(name) {
                None | Some(Value::Null) => Ok(None),
                Some(Value::String(text)) if signup::fits(text, longest) => Ok(Some(text.clone())),
                Some(_) => Err(wrong(name)),
            }
        };
        let email = read("email", 254)?.map(|email| normal_email(&email)).transpose();
        let email = email.map_err(|_| wrong("email"))?;
        let phone_number = read("phone_number", 32)?.map(|number| PhoneNumber::parse(&number)).transpose();
        let phone_number = phone_number.map_err(|_| wrong("phone_number"))?;
        let username = read("username", 128)?;
        // What does not name anybody in this connection is no way to sign up.
        if username.is_some() && !connection.requires_username() {
            return Err(wrong("username"));
        }
        if phone_number.is_some() && !connection.has_phone_identifier() {
            return Err(wrong("phone_number"));
        }
        let username = valid_username(connection, username.as_deref()).map_err(|_| wrong("username"))?;
        if email.is_none() && phone_number.is_none() {
            return Err(OAuthError::missing("user_profile.email"));
        }
        let mut profile = signup::profile(read, wrong)?;
        let phone_number = phone_number.map(|number| number.as_str().to_owned());
        let account = email.clone().or_else(|| phone_number.clone());
        let short = account.as_deref().and_then(|account| account.split('@').next()).map(str::to_owned);
        profile.name = profile.name.or(account);
        profile.nickname = profile.nickname.or(short);
        Ok(Self { email, username, phone_number, profile, user_metadata: signup::metadata(params)? })
    }

    /// Returns what the passkey's owner reads in the list of her passkeys.
    fn account(&self) -> &str {
        let names = [&self.email, &self.username, &self.phone_number];
        names.into_iter().flatten().next().map_or("", String::as_str)
    }

    /// Returns whether somebody has one of these names.
    pub(super) async fn is_taken(&self, conn: &mut Conn, connection: &Connection) -> Result<bool, DbError> {
        let realm = &connection.name;
        let by_email = match &self.email {
            Some(email) => linked::by_email(conn, realm, email).await?,
            None => None,
        };
        let by_username = match &self.username {
            Some(username) => linked::by_username(conn, realm, username).await?,
            None => None,
        };
        let by_phone = match &self.phone_number {
            Some(number) => linked::by_phone(conn, realm, number).await?,
            None => None,
        };
        Ok(by_email.or(by_username).or(by_phone).is_some())
    }

    /// Returns the refusal of a name that somebody has.
    pub(super) fn exists() -> OAuthError {
        OAuthError::invalid_request("The user already exists.")
    }

    /// Returns the user. Nothing but the passkey is proven.
    pub(super) fn user(&self, connection: &Connection, env: &mut Env) -> User {
        let id = UserId::new(env.rng());
        User {
            email: self.email.clone(),
            username: self.username.clone(),
            phone_number: self.phone_number.clone(),
            profile: self.profile.clone(),
            user_metadata: self.user_metadata.clone(),
            ..User::new(id, &connection.name, env.now)
        }
    }
}
