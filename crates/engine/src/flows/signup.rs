//! Somebody makes an account.

use lockstep_core::codes::OAuthError;
use lockstep_core::env::Env;
use lockstep_core::factors::webauthn::passkey::Proven;
use lockstep_core::ids::UserId;
use lockstep_core::login::signup::Names;
use lockstep_core::login::state::AskSignupPasskey;
use lockstep_core::model::client::Client;
use lockstep_core::model::connection::{Connection, PasswordRule};
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::user::{Profile, User, normal_email};
use lockstep_core::oauth::params::Params;
use serde_json::{Map, Value, json};
use url::Url;

use super::new_passkey::{self, NotMade};
use crate::app::App;
use crate::passwords::PasswordError;
use crate::store::db::{Conn, DbError};
use crate::store::users;

/// What somebody typed.
#[derive(Clone, Default)]
pub struct Signup {
    /// The address.
    pub email: String,
    /// The user name, where the connection has them.
    pub username: Option<String>,
    /// The password.
    pub password: String,
    /// How she is called, where it is said.
    pub profile: Profile,
    /// What the application keeps of her.
    pub user_metadata: Option<Map<String, Value>>,
}

/// Why no account was made.
#[derive(Debug, thiserror::Error)]
pub enum SignupError {
    /// The connection lets nobody sign up.
    #[error("signing up is disabled")]
    Disabled,
    /// Not an address.
    #[error("not a valid e-mail address")]
    InvalidEmail,
    /// Not a user name that the connection allows.
    #[error("not a valid user name")]
    InvalidUsername,
    /// The password does not meet the policy.
    #[error("the password is too weak")]
    WeakPassword(Vec<(PasswordRule, bool)>),
    /// Somebody has this address or name. What a stranger is told of it is up to the face.
    #[error("the user already exists")]
    Exists,
    /// The passkey cannot be used.
    #[error(transparent)]
    Passkey(#[from] NotMade),
    /// Hashing failed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

/// Makes an account in a connection, with a password.
pub async fn sign_up(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    client: &Client,
    connection: &Connection,
    given: Signup,
) -> Result<User, SignupError> {
    let result = try_sign_up(app, env, origin, client, connection, &given).await;
    if let Err(error) = &result {
        log_refusal(app, env, origin, client, connection, &given.email, error);
    }
    result
}

async fn try_sign_up(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    client: &Client,
    connection: &Connection,
    given: &Signup,
) -> Result<User, SignupError> {
    if !connection.allows_signup() || !connection.is_active() {
        return Err(SignupError::Disabled);
    }
    let names = names(connection, given)?;
    let rules = connection.password_policy().check(&given.password);
    if rules.iter().any(|(_, met)| !met) {
        return Err(SignupError::WeakPassword(rules));
    }
    // Hashed before the look-up, so that it takes as long when the address is taken.
    let hash = app.passwords().hash(given.password.clone()).await?;
    let user = new_user(env, connection, names, given);
    let mut tx = app.db().write().await?;
    match users::create(&mut tx, &user, Some(&hash)).await {
        Err(DbError::Conflict) => return Err(SignupError::Exists),
        other => other?,
    }
    app.logs().insert(&mut tx, env, &signed_up(client, &user, origin, connection, &["pwd"])).await?;
    tx.commit().await?;
    Ok(user)
}

/// Makes an account with the passkey that has answered, in the commit that goes on with the login. After a refusal nothing of that commit
/// may be kept.
#[expect(clippy::too_many_arguments, reason = "the parts of one sign-up, each from another place")]
pub(super) async fn by_passkey(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    origin: &Origin,
    client: &Client,
    connection: &Connection,
    asking: &AskSignupPasskey,
    right: Proven,
) -> Result<User, SignupError> {
    // Asked when it was begun, and again: nobody may sign up any more, or without a user name.
    if !connection.allows_passkey_signup() || !connection.is_active() {
        return Err(SignupError::Disabled);
    }
    let Names { email, username } = asking.names().clone();
    let given = Signup { email, username, ..Signup::default() };
    let user = new_user(env, connection, names(connection, &given)?, &given);
    match new_passkey::make_user(tx, env, origin, &user, asking.registration(), right).await {
        Err(NotMade::Exists) => return Err(SignupError::Exists),
        other => other?,
    }
    app.logs().insert(tx, env, &signed_up(client, &user, origin, connection, &["passkey"])).await?;
    Ok(user)
}

/// Reads who signs up.
pub(super) fn names(connection: &Connection, given: &Signup) -> Result<Names, SignupError> {
    let email = normal_email(&given.email).map_err(|_| SignupError::InvalidEmail)?;
    let username = valid_username(connection, given.username.as_deref())?;
    Ok(Names { email, username })
}

/// Records that no account was made.
pub(super) fn log_refusal(
    app: &App,
    env: &Env,
    origin: &Origin,
    client: &Client,
    connection: &Connection,
    email: &str,
    error: &SignupError,
) {
    let text = error.to_string();
    let mut event =
        LogEvent::new("fs", text.clone()).client(&client.id, client.name()).error(&text).from(origin);
    event.user_name = Some(email.chars().take(254).collect());
    event.connection = Some(connection.name.clone());
    event.connection_id = Some(connection.id.to_string());
    app.log(env, &event);
}

/// Returns the record of a sign-up on the pages.
fn signed_up(
    client: &Client,
    user: &User,
    origin: &Origin,
    connection: &Connection,
    methods: &[&str],
) -> LogEvent {
    let mut event = LogEvent::new("ss", "")
        .client(&client.id, client.name())
        .user(&user.id, user.display_name())
        .details(record(connection, user, Some(client), methods, true))
        .from(origin);
    event.connection = Some(connection.name.clone());
    event.connection_id = Some(connection.id.to_string());
    event
}

/// Returns the details of a sign-up (contract/log-events.md 3.4): what was asked, and by which method she logs in.
pub(super) fn record(
    connection: &Connection,
    user: &User,
    client: Option<&Client>,
    methods: &[&str],
    is_signup: bool,
) -> Value {
    let mut body = json!({
        "tenant": "lockstep", "client_id": client.map(|client| &client.id), "connection": connection.name,
        "email": user.email, "username": user.username, "is_signup": is_signup,
    });
    if methods.contains(&"pwd") {
        body["password"] = json!("*****");
    }
    json!({"authentication_methods": methods, "body": body})
}

pub(super) fn valid_username(
    connection: &Connection,
    given: Option<&str>,
) -> Result<Option<String>, SignupError> {
    if !connection.requires_username() {
        return Ok(None);
    }
    let name = given.unwrap_or_default().trim_matches(' ');
    let (min, max) = connection.username_length();
    let length = name.chars().count();
    let plain = name.chars().all(|c| c.is_alphanumeric() || "_+-.!#$'^`~@".contains(c));
    if length < min || length > max || !plain || name.contains('@') {
        return Err(SignupError::InvalidUsername);
    }
    Ok(Some(name.to_owned()))
}

/// Reads how somebody is called who signs up by an API. `read` gives a text that has no more than so many characters.
pub(super) fn profile(
    read: impl Fn(&str, usize) -> Result<Option<String>, OAuthError>,
    wrong: impl Fn(&str) -> OAuthError,
) -> Result<Profile, OAuthError> {
    let picture = read("picture", 2048)?;
    let web =
        |picture: &String| Url::parse(picture).is_ok_and(|url| matches!(url.scheme(), "https" | "http"));
    if picture.as_ref().is_some_and(|picture| !web(picture)) {
        return Err(wrong("picture"));
    }
    Ok(Profile {
        name: read("name", 300)?,
        nickname: read("nickname", 300)?,
        given_name: read("given_name", 150)?,
        family_name: read("family_name", 150)?,
        picture,
    })
}

/// Returns whether a text of a profile can be kept.
pub(super) fn fits(text: &str, longest: usize) -> bool {
    (1..=longest).contains(&text.chars().count()) && !text.chars().any(char::is_control)
}

/// Reads `user_metadata` within the bounds of Auth0's sign-up: ten texts of 500 characters.
pub(super) fn metadata(params: &Params) -> Result<Option<Map<String, Value>>, OAuthError> {
    let wrong = || OAuthError::invalid_request("user_metadata must have at most 10 texts of 500 characters");
    if params.has("user_metadata") || params.list("user_metadata").is_some() {
        return Err(wrong());
    }
    let Some(metadata) = params.object("user_metadata") else { return Ok(None) };
    let fits = |(name, value): (&String, &Value)| {
        name.chars().count() <= 100 && value.as_str().is_some_and(|text| text.chars().count() <= 500)
    };
    if metadata.len() > 10 || !metadata.iter().all(fits) {
        return Err(wrong());
    }
    Ok(Some(metadata.clone()).filter(|metadata| !metadata.is_empty()))
}

fn new_user(env: &mut Env, connection: &Connection, names: Names, given: &Signup) -> User {
    let Names { email, username } = names;
    let id = UserId::new(env.rng());
    let mut profile = given.profile.clone();
    profile.nickname = profile.nickname.or_else(|| email.split('@').next().map(str::to_owned));
    profile.name = profile.name.or_else(|| Some(email.clone()));
    User {
        username,
        profile,
        user_metadata: given.user_metadata.clone(),
        email: Some(email),
        ..User::new(id, &connection.name, env.now)
    }
}
