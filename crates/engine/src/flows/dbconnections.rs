//! `POST /dbconnections/signup` and `/dbconnections/change_password` (contract/oidc.md 11.1 and 11.2): what applications with forms of their own
//! ask for. Neither logs anybody in, and neither asks for a secret: whoever knows an application's id may call them, as whoever opens its login
//! page may do the same there.

use lockstep_core::codes::OAuthError;
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::dbconnections::Refusal;
use lockstep_core::env::Env;
use lockstep_core::ids::ClientId;
use lockstep_core::model::client::Client;
use lockstep_core::model::connection::Connection;
use lockstep_core::model::log_event::Origin;
use lockstep_core::model::user::{User, normal_email};
use lockstep_core::oauth::params::{Params, printable};
use lockstep_core::time::Span;
use serde_json::{Value, json};

use super::password_reset;
use super::signup::{self, Signup, SignupError};
use crate::app::App;
use crate::passwords::PasswordError;
use crate::store::buckets::{self, Budget};
use crate::store::db::{Conn, DbError};
use crate::store::{clients, connections};

/// Sign-ups of one address of the network (contract/oidc.md 13). Each hashes a password.
const SIGNUPS: Budget = Budget::new(50, Span::millis(1200));
/// Requests for a new password of one address of the network for one person (contract/oidc.md 13).
const RESETS: Budget = Budget::new(10, Span::minutes(1));
/// The parameters that are texts.
const TEXTS: &[&str] = &[
    "client_id",
    "connection",
    "email",
    "username",
    "phone_number",
    "password",
    "organization",
    "name",
    "nickname",
    "given_name",
    "family_name",
    "picture",
];

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The request is refused.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Too many passwords are being hashed.
    #[error(transparent)]
    Password(#[from] PasswordError),
    /// The database failed.
    #[error(transparent)]
    Db(#[from] DbError),
}

impl From<OAuthError> for Failure {
    fn from(error: OAuthError) -> Self {
        Self::Refused(error.into())
    }
}

/// Makes an account with a password, and returns what the answer says of it.
pub async fn sign_up(app: &App, env: &mut Env, origin: &Origin, params: &Params) -> Result<Value, Failure> {
    params.refuse_ambiguous(TEXTS)?;
    let given = read(params)?;
    let mut conn = app.db().read().await?;
    let client = client(&mut conn, params.require("client_id")?).await?;
    let connection = connection(&mut conn, Some(&client), params).await?;
    drop(conn);
    take(app, env, &format!("signup:{}", ip(origin)), SIGNUPS).await?;
    let user = match signup::sign_up(app, env, origin, &client, &connection, given).await {
        Ok(user) => user,
        Err(SignupError::Disabled) => return Err(Refusal::SignupDisabled.into()),
        Err(SignupError::WeakPassword(rules)) => return Err(Refusal::WeakPassword(rules).into()),
        Err(SignupError::InvalidEmail) => return Err(wrong("email").into()),
        Err(SignupError::InvalidUsername) => return Err(wrong("username").into()),
        Err(SignupError::Exists | SignupError::Passkey(_)) => return Err(Refusal::Signup.into()),
        Err(SignupError::Password(error)) => return Err(error.into()),
        Err(SignupError::Db(error)) => return Err(error.into()),
    };
    Ok(answer(&user, params))
}

/// Sends a link for a new password, if there is somebody to send it to. The answer is the same if not.
pub async fn change_password(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    params: &Params,
    language: Option<&str>,
) -> Result<(), Failure> {
    params.refuse_ambiguous(TEXTS)?;
    let name = match (params.get("email"), params.get("username")) {
        (Some(email), _) => normal_email(email).map_err(|_| wrong("email"))?,
        (None, Some(username)) => username.trim().to_owned(),
        (None, None) => return Err(OAuthError::missing("email").into()),
    };
    if let Some(organization) = params.get("organization") {
        let text = format!("parameter organization is invalid: {}", printable(organization));
        return Err(Refusal::Invalid(text).into());
    }
    let mut conn = app.db().read().await?;
    let client = match params.get("client_id") {
        Some(id) => Some(client(&mut conn, id).await?),
        None => None,
    };
    let connection = connection(&mut conn, client.as_ref(), params).await?;
    drop(conn);
    if !connection.allows_password_reset() {
        return Err(Refusal::Invalid("The connection has no password reset.".to_owned()).into());
    }
    let person = sha256_b64url(name.to_lowercase());
    take(app, env, &format!("change_password:{}:{person}", ip(origin)), RESETS).await?;
    password_reset::request(app, env, origin, client.as_ref(), &connection, &name, language).await?;
    Ok(())
}

/// Reads who signs up. Nothing but these fields is taken over.
fn read(params: &Params) -> Result<Signup, OAuthError> {
    // Kept nowhere, it would be a number that does not log in.
    if params.get("phone_number").is_some() {
        return Err(OAuthError::invalid_request("Signing up with a telephone number is not supported"));
    }
    let text = |name: &str, longest: usize| match params.get(name) {
        Some(text) if !signup::fits(text, longest) => Err(wrong_parameter(name)),
        text => Ok(text.map(str::to_owned)),
    };
    Ok(Signup {
        email: params.require("email")?.to_owned(),
        username: params.get("username").map(str::to_owned),
        password: params.require("password")?.to_owned(),
        profile: signup::profile(text, wrong_parameter)?,
        user_metadata: signup::metadata(params)?,
    })
}

fn wrong_parameter(name: &str) -> OAuthError {
    OAuthError::invalid_request(format!("parameter {name} is not valid"))
}

fn wrong(name: &str) -> Refusal {
    wrong_parameter(name).into()
}

async fn client(conn: &mut Conn, id: &str) -> Result<Client, Failure> {
    let client = match ClientId::parse(id) {
        Ok(id) => clients::find(conn, &id).await?,
        Err(_) => None,
    };
    client.ok_or_else(|| Refusal::Invalid("The client does not exist".to_owned()).into())
}

/// Returns the database that is named, if people of the application may use it.
async fn connection(
    conn: &mut Conn,
    client: Option<&Client>,
    params: &Params,
) -> Result<Connection, Failure> {
    let name = params.require("connection")?;
    let connection = match client {
        Some(client) => {
            let enabled = connections::list_for_client(conn, &client.id).await?;
            enabled.into_iter().find(|connection| connection.name == name)
        }
        None => connections::find_by_name(conn, name).await?,
    };
    connection.filter(|connection| connection.is_database() && connection.is_active()).ok_or_else(|| {
        Refusal::Invalid("The connection does not exist or is not enabled for the client".to_owned()).into()
    })
}

async fn take(app: &App, env: &Env, bucket: &str, budget: Budget) -> Result<(), Failure> {
    let mut tx = app.db().write().await?;
    let may = buckets::take(&mut tx, bucket, budget, env.now).await?;
    tx.commit().await?;
    let (limit, seconds) = (budget.burst, budget.refill.as_secs().max(1));
    if may { Ok(()) } else { Err(Refusal::TooMany { limit, seconds }.into()) }
}

fn ip(origin: &Origin) -> &str {
    origin.ip.as_deref().unwrap_or_default()
}

/// Returns what is told of a new account: its id without the provider, and what was sent.
fn answer(user: &User, params: &Params) -> Value {
    let mut body = json!({
        "_id": user.id.parts().1, "email": user.email, "email_verified": user.email_verified,
    });
    if let Some(username) = &user.username {
        body["username"] = json!(username);
    }
    for name in ["name", "nickname", "given_name", "family_name", "picture"] {
        if let Some(text) = params.get(name) {
            body[name] = json!(text);
        }
    }
    if let Some(metadata) = &user.user_metadata {
        body["user_metadata"] = json!(metadata);
    }
    body
}
