//! The pages up to the first factor: identifier, password, sign-up.

use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::env::Env;
use lockstep_core::ids::TransactionId;
use lockstep_core::login::signup::Names;
use lockstep_core::login::state::Login;
use lockstep_core::login::steps::{FirstAnswer, PasswordCheck};
use lockstep_core::model::connection::Connection;
use lockstep_core::model::log_event::Origin;
use lockstep_core::model::user::User;

use super::step::{finish, load, showing};
use super::{Browser, Here, Loaded, LoginError, NewCookie, Next, Trouble, Typed};
use super::{passkeys, signup as login_signup};
use crate::app::App;
use crate::flows::PasskeyInput;
use crate::flows::credentials::{self, CredentialsError};
use crate::flows::signup::{self, Signup, SignupError};
use crate::store::{connections, transactions};

/// What was typed or pressed on a page before the first factor.
#[derive(Clone)]
pub enum FirstInput {
    /// An identifier, on a page of its own.
    Identifier(String),
    /// "Edit" beside it.
    EditIdentifier,
    /// The link to sign-up.
    GoToSignup,
    /// The link to login.
    GoToLogin,
    /// A password; the identifier too on the one-page form.
    Password {
        /// The identifier.
        identifier: String,
        /// The password.
        password: String,
    },
    /// What the browser says of a passkey.
    Passkey {
        /// What it says.
        input: PasskeyInput,
        /// What stood in the field beside it.
        identifier: String,
    },
    /// The sign-up form. Where the names were given before, the password alone counts.
    Signup(Signup),
    /// What the browser says of the passkey that makes an account.
    SignupPasskey(PasskeyInput),
    /// "Continue without a passkey".
    WithoutPasskey,
}

/// What the check of an input came to, before it is a step.
enum Checked {
    Step(FirstAnswer, Option<Box<User>>),
    Trouble(Trouble),
    Blocked,
}

/// Takes an answer up to the first factor.
pub async fn first_factor(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    browser: &Browser<'_>,
    id: &TransactionId,
    input: FirstInput,
) -> Result<(Next, Vec<NewCookie>), LoginError> {
    if let FirstInput::Passkey { input: said, .. } = &input {
        let (said, typed) = (said.clone(), typed(&input));
        return passkeys::answered(Here { app, origin, browser }, env, id, said, typed).await;
    }
    if let FirstInput::SignupPasskey(said) = input {
        return login_signup::passkey_answered(Here { app, origin, browser }, env, id, said).await;
    }
    let mut conn = app.db().read().await?;
    let loaded = load(&mut conn, app, env, browser, id).await?;
    let connection = match &loaded.stored.data.connection {
        Some(name) => connections::find_by_name(&mut conn, name).await?,
        None => None,
    };
    drop(conn);
    let typed = typed(&input);
    let checked = check(app, env, origin, &loaded, connection, input).await?;
    let mut tx = app.db().write().await?;
    let again = load(&mut tx, app, env, browser, id).await?;
    match checked {
        Checked::Step(answer, user) => {
            let step = again.stored.data.login.clone().first_factor(answer, env.now);
            finish(Here { app, origin, browser }, env, tx, again, user.map(|u| *u), step).await
        }
        Checked::Trouble(trouble) => {
            let mut showing = showing(&mut tx, id, &again, Some(trouble)).await?;
            showing.typed = typed;
            Ok((Next::Again(Box::new(showing)), Vec::new()))
        }
        Checked::Blocked => {
            transactions::claim(&mut tx, id, again.stored.version).await?;
            tx.commit().await?;
            let error = OAuthError::new(OAuthCode::Unauthorized, "user is blocked");
            Ok((Next::Answer(again.stored.data.request.reply_to.error(&error)), Vec::new()))
        }
    }
}

/// What the form shows again if it comes back: everything but secrets.
fn typed(input: &FirstInput) -> Typed {
    let short = |text: &String| text.chars().take(320).collect();
    match input {
        FirstInput::Identifier(text)
        | FirstInput::Password { identifier: text, .. }
        | FirstInput::Passkey { identifier: text, .. }
            if !text.is_empty() =>
        {
            Typed { identifier: Some(short(text)), ..Typed::default() }
        }
        FirstInput::Signup(given) => Typed {
            identifier: Some(short(&given.email)),
            username: given.username.as_ref().map(short),
            ..Typed::default()
        },
        _ => Typed::default(),
    }
}

async fn check(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    loaded: &Loaded,
    connection: Option<Connection>,
    input: FirstInput,
) -> Result<Checked, LoginError> {
    let step = |answer| Ok(Checked::Step(answer, None));
    match input {
        FirstInput::Identifier(text) if text.trim().is_empty() => {
            Ok(Checked::Trouble(Trouble::Form("no-username", "username")))
        }
        FirstInput::Identifier(text) => step(FirstAnswer::Identifier(text.chars().take(320).collect())),
        FirstInput::EditIdentifier => step(FirstAnswer::EditIdentifier),
        FirstInput::GoToSignup => step(FirstAnswer::GoToSignup),
        FirstInput::GoToLogin => step(FirstAnswer::GoToLogin),
        // Judged with the login in hand, since it spends what the page asked: see `passkeys`.
        FirstInput::Passkey { .. } => step(FirstAnswer::EditIdentifier),
        FirstInput::SignupPasskey(_) => step(FirstAnswer::GoToSignup),
        FirstInput::WithoutPasskey => step(FirstAnswer::WithoutPasskey),
        FirstInput::Password { identifier, password } => {
            // On the second page of identifier-first the identifier is the one of the first page, whatever was posted.
            let fixed = match &loaded.stored.data.login {
                login @ Login::AskPassword(_) if identifier.is_empty() => {
                    login.identifier().map(str::to_owned)
                }
                _ => None,
            };
            let identifier = fixed.unwrap_or(identifier);
            if identifier.trim().is_empty() {
                return Ok(Checked::Trouble(Trouble::Form("no-username", "username")));
            }
            if password.is_empty() {
                return Ok(Checked::Trouble(Trouble::Form("no-password", "password")));
            }
            if !matches!(loaded.stored.data.login, Login::AskPassword(_)) {
                // An old tab: nothing is checked, the page is shown as it is now.
                return step(FirstAnswer::EditIdentifier);
            }
            let connection = connection.ok_or(LoginError::NoConnection)?;
            let result =
                credentials::check(app, env, origin, &loaded.client, &connection, &identifier, &password)
                    .await;
            let (check, user) = match result {
                Ok(user) => (PasswordCheck::Right(user.id.clone()), Some(Box::new(user))),
                Err(CredentialsError::Wrong) => (PasswordCheck::Wrong, None),
                Err(CredentialsError::TooManyFailures) => (PasswordCheck::Blocked, None),
                Err(CredentialsError::UserBlocked) => return Ok(Checked::Blocked),
                Err(CredentialsError::Password(error)) => return Err(error.into()),
                Err(CredentialsError::Db(error)) => return Err(error.into()),
            };
            let identifier = identifier.chars().take(320).collect();
            Ok(Checked::Step(FirstAnswer::Password { identifier, check }, user))
        }
        FirstInput::Signup(given) => {
            let connection = connection.ok_or(LoginError::NoConnection)?;
            let given = match &loaded.stored.data.login {
                Login::AskSignup(asking) if asking.names_only() => {
                    return match login_signup::names(app, env, &connection, &given) {
                        Ok(answer) => step(answer),
                        Err(SignupError::InvalidUsername) => {
                            Ok(Checked::Trouble(Trouble::Form("invalid-username", "username")))
                        }
                        Err(_) => Ok(Checked::Trouble(Trouble::Form("invalid-email-format", "email"))),
                    };
                }
                Login::AskSignup(_) => given,
                Login::AskSignupPassword(asking) => {
                    let Names { email, username } = asking.names().clone();
                    Signup { email, username, ..given }
                }
                // An old tab: nothing is made, the page is shown as it is now.
                _ => return step(FirstAnswer::GoToSignup),
            };
            let by_names = matches!(loaded.stored.data.login, Login::AskSignupPassword(_));
            match signup::sign_up(app, env, origin, &loaded.client, &connection, given).await {
                Ok(user) => Ok(Checked::Step(FirstAnswer::SignedUp(user.id.clone()), Some(Box::new(user)))),
                // Its page has no field for what is wrong.
                Err(
                    SignupError::InvalidEmail
                    | SignupError::InvalidUsername
                    | SignupError::Exists
                    | SignupError::Disabled,
                ) if by_names => step(FirstAnswer::NotSignedUp),
                Err(SignupError::InvalidEmail) => {
                    Ok(Checked::Trouble(Trouble::Form("invalid-email-format", "email")))
                }
                Err(SignupError::InvalidUsername) => {
                    Ok(Checked::Trouble(Trouble::Form("invalid-username", "username")))
                }
                Err(SignupError::WeakPassword(rules)) => Ok(Checked::Trouble(Trouble::WeakPassword(rules))),
                Err(SignupError::Exists | SignupError::Disabled | SignupError::Passkey(_)) => {
                    Ok(Checked::Trouble(Trouble::Form("email-in-use", "email")))
                }
                Err(SignupError::Password(error)) => Err(error.into()),
                Err(SignupError::Db(error)) => Err(error.into()),
            }
        }
    }
}
