//! `/authorize`: what the browser brings along decides whether a page is shown at all.

use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::env::Env;
use lockstep_core::ids::TransactionId;
use lockstep_core::login::demand::Asks;
use lockstep_core::login::effect::Step;
use lockstep_core::login::session::Prompt;
use lockstep_core::login::state::{Login, Request};
use lockstep_core::login::steps::{self, BrowserSession};
use lockstep_core::model::client::Client;
use lockstep_core::model::connection::Connection;
use lockstep_core::model::document::Document;
use lockstep_core::model::log_event::Origin;
use lockstep_core::model::session::Session;
use lockstep_core::model::settings::TenantSettings;
use lockstep_core::model::user::User;
use lockstep_core::oauth::request::{AuthorizeRequest, ScreenHint};
use lockstep_core::oauth::response::AuthorizeResponse;

use super::step::{finish, refusal, refuse, showing};
use super::{
    Browser, Here, LIFETIME, Loaded, LoginError, NewCookie, Next, Running, Showing, apply, passkeys, signup,
};
use crate::app::App;
use crate::flows::account::application;
use crate::flows::management::documents;
use crate::flows::management::prompts::PROMPTS;
use crate::store::db::{Conn, DbError};
use crate::store::transactions::{self, Stored};
use crate::store::{sessions, settings, users};

/// What `/authorize` leads to.
#[derive(Debug)]
pub enum Begun {
    /// A page.
    Page(Box<Showing>),
    /// An answer for the application at once.
    Answer(AuthorizeResponse),
    /// The person is told that MFA cannot be done.
    Status(Box<Showing>),
}

/// Begins a login for a request that passed every check.
pub async fn begin(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    browser: &Browser<'_>,
    client: Client,
    request: AuthorizeRequest,
) -> Result<(Begun, Vec<NewCookie>), LoginError> {
    let mut tx = app.db().write().await?;
    let tenant = settings::tenant(&mut tx).await?;
    let session = match browser.session {
        Some(handle) => current_session(&mut tx, env, &tenant, &client, handle).await?,
        None => None,
    };
    let connection = choose_connection(&mut tx, &client, request.connection.as_deref()).await?;
    let prompts = documents::load(&mut tx, &PROMPTS).await?;
    let mut machine = machine_request(env, &request, session.as_ref().is_some(), &prompts);
    machine.signup_by = connection.as_ref().map(|c| signup::by(app, c)).unwrap_or_default();
    let held = session.as_ref().map(|(session, user)| BrowserSession {
        user: user.id.clone(),
        identifier: user.email.clone().or_else(|| user.username.clone()),
        methods: session.methods.clone(),
        auth_time: session.auth_time,
    });
    let login = steps::begin(machine, held, env.now);
    if connection.is_none() && login.screen().is_some() {
        tx.commit().await?;
        let error = OAuthError::new(OAuthCode::InvalidRequest, "no connections enabled for the client");
        return Ok((Begun::Answer(request.reply_to.error(&error)), Vec::new()));
    }
    let (session_id, user) = match session {
        Some((session, user)) => (Some(session.id), Some(user)),
        None => (None, None),
    };
    let (transaction_cookie, handle) = transaction_cookie(env, browser);
    let id = TransactionId::new(env.rng());
    let mut running = Running {
        login,
        session: session_id,
        language: None,
        connection: connection.map(|c| c.name),
        request,
        passkey: None,
    };
    passkeys::offer(&mut tx, app, env, &mut running).await?;
    let stored = Stored {
        id: id.clone(),
        version: 0,
        cookie_hash: sha256_b64url(&handle),
        client: client.id.clone(),
        data: running,
        created_at: env.now,
        expires_at: env.now + LIFETIME,
    };
    let loaded = Loaded { stored, client, tenant };
    if let Login::Refused(refused) = &loaded.stored.data.login {
        tx.commit().await?;
        let answer = refuse(app, env, origin, &loaded, user.as_ref(), &refusal(refused.why));
        return Ok((Begun::Answer(answer), Vec::new()));
    }
    transactions::create(&mut tx, &loaded.stored).await?;
    if !matches!(loaded.stored.data.login, Login::Deciding(_)) {
        let showing = showing(&mut tx, &id, &loaded, None).await?;
        tx.commit().await?;
        return Ok((Begun::Page(Box::new(showing)), transaction_cookie));
    }
    let step = Step { next: loaded.stored.data.login.clone(), effects: Vec::new(), problem: None };
    let (next, mut cookies) = finish(Here { app, origin, browser }, env, tx, loaded, user, step).await?;
    Ok(match next {
        Next::Answer(answer) => (Begun::Answer(answer), cookies),
        Next::Status(showing) => (Begun::Status(showing), cookies),
        Next::GoTo(showing) | Next::Again(showing) => {
            cookies.extend(transaction_cookie);
            (Begun::Page(showing), cookies)
        }
    })
}

/// Returns the live session of a handle with its user, and notes the use: any `/authorize` starts the idle timer again.
async fn current_session(
    tx: &mut Conn,
    env: &Env,
    tenant: &TenantSettings,
    client: &Client,
    handle: &str,
) -> Result<Option<(Session, User)>, DbError> {
    let Some(mut session) = sessions::find_by_handle(tx, &sha256_b64url(handle)).await? else {
        return Ok(None);
    };
    if !session.is_live(env.now) {
        sessions::delete(tx, &session.id).await?;
        return Ok(None);
    }
    let Some(user) = users::find(tx, &session.user).await? else { return Ok(None) };
    session.touch(env.now, tenant.session_lifetimes());
    if !session.is_live(env.now) {
        sessions::delete(tx, &session.id).await?;
        return Ok(None);
    }
    apply::note_client(&mut session, client);
    sessions::save(tx, &session, None).await?;
    Ok(Some((session, user)))
}

/// Returns the connection that the request names if the client may use it, else the client's first active one. The pages know passwords only.
pub(crate) async fn choose_connection(
    conn: &mut Conn,
    client: &Client,
    named: Option<&str>,
) -> Result<Option<Connection>, DbError> {
    let mut enabled = application::connections_of(conn, &client.id).await?;
    enabled.retain(|c| c.is_active() && c.is_database());
    Ok(match named {
        Some(name) => enabled.into_iter().find(|c| c.name == name),
        None => enabled.into_iter().next(),
    })
}

fn machine_request(env: &Env, request: &AuthorizeRequest, has_session: bool, prompts: &Document) -> Request {
    let prompt = if request.prompt.none {
        Prompt::None
    } else if request.prompt.login {
        Prompt::Login
    } else if request.prompt.select_account {
        Prompt::SelectAccount
    } else if request.prompt.consent {
        Prompt::Consent
    } else {
        Prompt::Absent
    };
    let signup = request.screen_hint == Some(ScreenHint::Signup);
    let mut machine = Request::default();
    machine.asks = Asks {
        acr_mfa: request.asks_mfa(),
        mfa_audience: request.audience.as_deref() == Some(env.issuer.mfa_audience().as_str()),
        prompt,
        max_age: request.max_age,
        ..Asks::default()
    };
    machine.signup_first = signup && (!has_session || request.prompt.login);
    machine.identifier_first = prompts.flag("identifier_first").unwrap_or(false);
    machine.login_hint.clone_from(&request.login_hint);
    machine
}

/// Returns the handle that binds logins to this browser. One handle serves all its tabs; each login has a `state` of its own.
fn transaction_cookie(env: &mut Env, browser: &Browser<'_>) -> (Vec<NewCookie>, String) {
    match browser.transaction {
        Some(handle) => (Vec::new(), handle.to_owned()),
        None => {
            let handle = env.rng().url_safe(43);
            (vec![NewCookie::Transaction { handle: handle.clone() }], handle)
        }
    }
}
