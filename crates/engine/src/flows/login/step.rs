//! One answer: load, step, save.

use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::crypto::digest::{same_secret, sha256_b64url};
use lockstep_core::env::Env;
use lockstep_core::ids::TransactionId;
use lockstep_core::login::demand::NotNeeded;
use lockstep_core::login::effect::{Effect, Problem, Step};
use lockstep_core::login::state::{LoggedIn, Login, MfaOutcome, Refusal, Refused};
use lockstep_core::login::steps::Answer;
use lockstep_core::model::languages::choose_locale;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::user::User;
use lockstep_core::time::Span;
use serde_json::json;

use super::apply::{Applying, NotApplied};
use super::{
    Browser, Here, Loaded, LoginError, Lost, NewCookie, Next, Running, Showing, Trouble, Typed, facts,
    passkeys,
};
use crate::app::App;
use crate::flows::account::application;
use crate::flows::messages::About;
use crate::flows::sending::{self, SendError};
use crate::flows::token::told;
use crate::flows::{attempts, authorize, consent};
use crate::store::db::Conn;
use crate::store::{
    buckets, connections, remembered_browsers, resource_servers, settings, transactions, users,
};

/// Returns what the page of a login shows now. Looking changes nothing, except that an enrolment somebody looks at stays open.
pub async fn show(
    app: &App,
    env: &Env,
    browser: &Browser<'_>,
    id: &TransactionId,
) -> Result<Showing, LoginError> {
    let mut conn = app.db().read().await?;
    let mut loaded = load(&mut conn, app, env, browser, id).await?;
    let before = loaded.stored.data.login.clone();
    loaded.stored.data.login.looked_at(env.now);
    let showing = showing(&mut conn, id, &loaded, None).await?;
    drop(conn);
    if before != loaded.stored.data.login {
        let mut tx = app.db().write().await?;
        // If somebody answered meanwhile, that is newer than this look.
        transactions::save(&mut tx, id, loaded.stored.version, None, &loaded.stored.data).await?;
        tx.commit().await?;
    }
    Ok(showing)
}

/// Keeps the language that the person chose.
pub async fn language(
    app: &App,
    env: &Env,
    browser: &Browser<'_>,
    id: &TransactionId,
    language: &str,
) -> Result<Showing, LoginError> {
    let mut tx = app.db().write().await?;
    let mut loaded = load(&mut tx, app, env, browser, id).await?;
    loaded.stored.data.language = Some(language.to_owned());
    transactions::save(&mut tx, id, loaded.stored.version, None, &loaded.stored.data).await?;
    let showing = showing(&mut tx, id, &loaded, None).await?;
    tx.commit().await?;
    Ok(showing)
}

/// Takes an answer behind the first factor.
pub async fn answer(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    browser: &Browser<'_>,
    id: &TransactionId,
    answer: Answer,
) -> Result<(Next, Vec<NewCookie>), LoginError> {
    let here = Here { app, origin, browser };
    let mut tx = app.db().write().await?;
    let loaded = load(&mut tx, app, env, browser, id).await?;
    let Some(user) = loaded.stored.data.user().cloned() else {
        let showing = showing(&mut tx, id, &loaded, None).await?;
        return Ok((Next::GoTo(Box::new(showing)), Vec::new()));
    };
    let Some(user) = users::find(&mut tx, &user).await? else { return Err(lost(app, &loaded)) };
    let login = loaded.stored.data.login.clone();
    let guessed = login.asked_kind().filter(|_| answer.guesses());
    let reported = matches!(answer, Answer::KeyFailed(_));
    // Counted before it is judged: of guesses sent at once, no more are looked at than the budget has.
    let allowed = match guessed {
        Some(kind) => {
            buckets::take(&mut tx, &attempts::bucket(&user.id, kind), attempts::budget(kind), env.now).await?
        }
        None => true,
    };
    let mut step = if allowed {
        let guardian = settings::guardian(&mut tx).await?;
        let facts = facts::load(&mut tx, here, env, &loaded, &guardian, &user).await?;
        login.answer(answer, &facts, env)
    } else {
        login.too_many_failures()
    };
    let counts = step.effects.iter().any(|e| matches!(e, Effect::CountFailure(_) | Effect::ClearFailures(_)));
    if let (Some(kind), true, false) = (guessed, allowed, counts) {
        buckets::give_back(&mut tx, &attempts::bucket(&user.id, kind), attempts::budget(kind)).await?;
    }
    // What a browser says costs it nothing: it does not fill the log.
    if reported
        && !buckets::take(&mut tx, &attempts::key_reports(&user.id), attempts::KEY_REPORTS, env.now).await?
    {
        step.effects.retain(|effect| !matches!(effect, Effect::Log { .. } | Effect::PasskeyReport(_)));
    }
    finish(here, env, tx, loaded, Some(user), step).await
}

/// Loads a login for the browser that began it.
pub(super) async fn load(
    conn: &mut Conn,
    app: &App,
    env: &Env,
    browser: &Browser<'_>,
    id: &TransactionId,
) -> Result<Loaded, LoginError> {
    let tenant = settings::tenant(conn).await?;
    let Some(stored) = transactions::find::<Running>(conn, id).await? else {
        let elsewhere = tenant.default_redirection_uri().map(|uri| start_again(app, uri));
        return Err(LoginError::Lost(elsewhere.map_or(Lost::Nowhere, Lost::StartAgain)));
    };
    let Some(client) = application::find(conn, app.issuer(), &stored.client).await? else {
        return Err(LoginError::Lost(Lost::Nowhere));
    };
    let loaded = Loaded { stored, client, tenant };
    let ours = browser.transaction.is_some_and(|h| same_secret(sha256_b64url(h), &loaded.stored.cookie_hash));
    if !ours || loaded.stored.expires_at <= env.now {
        return Err(LoginError::Lost(where_to(app, &loaded)));
    }
    Ok(loaded)
}

fn where_to(app: &App, loaded: &Loaded) -> Lost {
    let uri = loaded.client.initiate_login_uri().or_else(|| loaded.tenant.default_redirection_uri());
    uri.map_or(Lost::Nowhere, |uri| Lost::StartAgain(start_again(app, uri)))
}

fn lost(app: &App, loaded: &Loaded) -> LoginError {
    let uri = loaded.client.initiate_login_uri();
    LoginError::Lost(uri.map_or(Lost::Nowhere, |uri| Lost::StartAgain(start_again(app, uri))))
}

/// The application's Login URI with `iss` (OpenID Connect Core section 4).
fn start_again(app: &App, uri: &str) -> String {
    match url::Url::parse(uri) {
        Ok(mut url) => {
            url.query_pairs_mut().append_pair("iss", app.issuer().as_str());
            url.into()
        }
        Err(_) => uri.to_owned(),
    }
}

/// Decides if the first factor has just been given, writes all effects with the next state, and says what follows.
pub(super) async fn finish(
    here: Here<'_>,
    env: &mut Env,
    mut tx: Conn,
    mut loaded: Loaded,
    user: Option<User>,
    step: Step,
) -> Result<(Next, Vec<NewCookie>), LoginError> {
    let Here { app, origin, browser } = here;
    let Step { next, mut effects, problem } = step;
    let guardian = settings::guardian(&mut tx).await?;
    let (next, problem) = match next {
        Login::Deciding(deciding) => {
            let Some(user) = &user else { return Err(lost(app, &loaded)) };
            let facts = facts::load(&mut tx, here, env, &loaded, &guardian, user).await?;
            let decided = deciding.decide(&facts, env);
            effects.extend(decided.effects);
            (decided.next, decided.problem.or(problem))
        }
        other => (other, problem),
    };
    let sent = send(here, env, &mut tx, &loaded, user.as_ref(), &mut effects).await?;
    // A number that nothing may be sent to is edited, not waited for.
    let (next, problem) = match (sent, &loaded.stored.data.login) {
        (Some(why), before @ Login::Enrol(_)) => {
            effects.clear();
            (before.clone(), Some(why))
        }
        (sent, _) => (next, sent.or(problem)),
    };
    let id = loaded.stored.id.clone();
    let applying = Applying {
        app,
        origin,
        transaction: &id,
        client: &loaded.client,
        tenant: &loaded.tenant,
        remember: guardian.remember,
        browser,
    };
    let user_id = user.as_ref().map(|u| u.id.clone());
    let mut running = loaded.stored.data.clone();
    let cookies = match applying.apply(&mut tx, env, &mut running, user.as_ref(), effects).await {
        Ok(cookies) => cookies,
        Err(NotApplied::Spent) => {
            drop(tx);
            return spent_elsewhere(app, env, loaded, user).await;
        }
        Err(NotApplied::Db(error)) => return Err(error.into()),
    };
    running.login = next;
    passkeys::offer(&mut tx, app, env, &mut running).await?;
    let over = matches!(running.login, Login::LoggedIn(_) | Login::Refused(_))
        && !matches!(running.login, Login::Refused(Refused { why: Refusal::NoFactorAvailable }));
    let version = loaded.stored.version;
    let won = if over {
        transactions::claim(&mut tx, &id, version).await?
    } else {
        transactions::save(&mut tx, &id, version, user_id.as_ref(), &running).await?
    };
    if !won {
        // Another tab or a double click was faster: nothing of this step counts.
        drop(tx);
        let mut conn = app.db().read().await?;
        let loaded = load(&mut conn, app, env, browser, &id).await?;
        let showing = showing(&mut conn, &id, &loaded, None).await?;
        return Ok((Next::GoTo(Box::new(showing)), Vec::new()));
    }
    if let (Login::LoggedIn(done), Some(handle), Some(user)) = (&running.login, browser.remembered, &user_id)
        && *done.mfa() == MfaOutcome::NotNeeded(NotNeeded::RememberedBrowser)
    {
        let idle = Span::seconds(guardian.remember.mfa_session_inactivity_timeout);
        remembered_browsers::claim_use(&mut tx, &sha256_b64url(handle), user, idle, env.now).await?;
    }
    loaded.stored.data = running;
    let showing =
        if over { None } else { Some(showing(&mut tx, &id, &loaded, problem.map(Trouble::Problem)).await?) };
    tx.commit().await?;
    let next = match showing {
        Some(showing) if matches!(showing.running.login, Login::Refused(_)) => {
            Next::Status(Box::new(showing))
        }
        Some(showing) if problem.is_some() => Next::Again(Box::new(showing)),
        Some(showing) => Next::GoTo(Box::new(showing)),
        None => Next::Answer(end(app, env, origin, &loaded, user.as_ref()).await?),
    };
    Ok((next, cookies))
}

/// Sends the codes of a step; returns why one could not be sent. The person can choose another method then: the login goes on.
async fn send(
    here: Here<'_>,
    env: &mut Env,
    tx: &mut Conn,
    loaded: &Loaded,
    user: Option<&User>,
    effects: &mut Vec<Effect>,
) -> Result<Option<Problem>, LoginError> {
    let running = &loaded.stored.data;
    let asked = running.request.ui_locales.join(" ");
    let enabled = loaded.tenant.enabled_locales();
    let (chosen, browser) = (running.language.as_deref(), here.origin.languages.as_deref());
    let about = About {
        tenant: &loaded.tenant,
        client: Some(&loaded.client),
        user,
        language: choose_locale(
            chosen,
            Some(&asked).filter(|a| !a.is_empty()).map(String::as_str),
            browser,
            &enabled,
        ),
        host: here.app.issuer().host(),
    };
    let mut problem = None;
    for effect in effects.extract_if(.., |effect| matches!(effect, Effect::Send(_))) {
        let Effect::Send(code) = effect else { continue };
        match sending::send_code(tx, here.app, env, &about, here.origin, &code).await {
            Ok(()) => {}
            Err(SendError::TooMany(channel)) => problem = Some(Problem::TooManySends(channel)),
            Err(SendError::NotAllowed(channel)) => problem = Some(Problem::NotSent(channel)),
            Err(SendError::Db(error)) => return Err(error.into()),
        }
    }
    Ok(problem)
}

/// What a success would have spent was spent by a faster request: it counts as a wrong code.
async fn spent_elsewhere(
    app: &App,
    env: &Env,
    loaded: Loaded,
    user: Option<User>,
) -> Result<(Next, Vec<NewCookie>), LoginError> {
    let mut tx = app.db().write().await?;
    if let (Some(user), Some(kind)) = (&user, loaded.stored.data.login.asked_kind()) {
        buckets::take(&mut tx, &attempts::bucket(&user.id, kind), attempts::budget(kind), env.now).await?;
    }
    let id = loaded.stored.id.clone();
    let problem = match &loaded.stored.data.login {
        Login::AskOffer(_) => Problem::PasskeyNotAdded,
        _ => Problem::InvalidCode,
    };
    let showing = showing(&mut tx, &id, &loaded, Some(Trouble::Problem(problem))).await?;
    tx.commit().await?;
    Ok((Next::Again(Box::new(showing)), Vec::new()))
}

/// The login is over: builds what goes to the application.
async fn end(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    loaded: &Loaded,
    user: Option<&User>,
) -> Result<lockstep_core::oauth::response::AuthorizeResponse, LoginError> {
    let error = match (&loaded.stored.data.login, user) {
        (Login::LoggedIn(_), Some(user)) if user.blocked => {
            OAuthError::new(OAuthCode::Unauthorized, "user is blocked")
        }
        (Login::LoggedIn(done), Some(user)) => return complete(app, env, origin, loaded, done, user).await,
        (Login::Refused(Refused { why }), _) => refusal(*why),
        _ => OAuthError::new(OAuthCode::ServerError, OAuthCode::ServerError.text()),
    };
    Ok(refuse(app, env, origin, loaded, user, &error))
}

/// Builds the error that goes to the application, and writes it into the tenant's log: of a silent request nobody saw a page that could
/// tell why people are sent to log in again.
pub(super) fn refuse(
    app: &App,
    env: &Env,
    origin: &Origin,
    loaded: &Loaded,
    user: Option<&User>,
    error: &OAuthError,
) -> lockstep_core::oauth::response::AuthorizeResponse {
    let request = &loaded.stored.data.request;
    let code = if request.is_silent() { "fsa" } else { "f" };
    let mut event = LogEvent::new(code, error.description.clone())
        .client(&loaded.client.id, loaded.client.name())
        .from(origin);
    if let Some(user) = user {
        event = event.user(&user.id, user.display_name());
        event.connection = Some(user.connection.clone());
    }
    event.audience.clone_from(&request.audience);
    event.scope = Some(request.scope.to_string());
    event.details = Some(json!({"error": told(error), "session_id": loaded.stored.data.session}));
    app.log(env, &event);
    request.reply_to.error(error)
}

async fn complete(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    loaded: &Loaded,
    done: &LoggedIn,
    user: &User,
) -> Result<lockstep_core::oauth::response::AuthorizeResponse, LoginError> {
    let proof = authorize::Proof {
        user: user.clone(),
        session: loaded.stored.data.session.clone(),
        methods: done.methods().clone(),
        auth_time: done.auth_time(),
        interactive: done.auth_time() >= loaded.stored.created_at,
        begun_at: loaded.stored.created_at,
        consented: done.consented(),
    };
    authorize::complete(app, env, origin, &loaded.client, &loaded.stored.data.request, &proof)
        .await
        .map_err(|e| LoginError::Internal(e.to_string()))
}

/// Returns the error that a refusal is on the wire (contract/oidc.md 3.5).
pub(super) fn refusal(why: Refusal) -> OAuthError {
    match why {
        Refusal::LoginRequired => OAuthError::new(OAuthCode::LoginRequired, OAuthCode::LoginRequired.text()),
        Refusal::MfaRequired => {
            OAuthError::new(OAuthCode::LoginRequired, "Multifactor authentication required")
        }
        Refusal::ConsentRequired => {
            OAuthError::new(OAuthCode::ConsentRequired, OAuthCode::ConsentRequired.text())
        }
        Refusal::ConsentDeclined => {
            OAuthError::new(OAuthCode::AccessDenied, "User did not authorize the request")
        }
        Refusal::UnmetAuthenticationRequirements => OAuthError::new(
            OAuthCode::UnmetAuthenticationRequirements,
            "Multi-factor authentication was asked for, and no factor is enabled",
        ),
        Refusal::NoFactorAvailable => OAuthError::new(OAuthCode::AccessDenied, "No factor is available"),
        Refusal::Internal => OAuthError::new(OAuthCode::ServerError, OAuthCode::ServerError.text()),
    }
}

/// Gathers what the page of the present state may need.
pub(super) async fn showing(
    conn: &mut Conn,
    id: &TransactionId,
    loaded: &Loaded,
    trouble: Option<Trouble>,
) -> Result<Showing, LoginError> {
    let running = loaded.stored.data.clone();
    let connection = match &running.connection {
        Some(name) => connections::find_by_name(conn, name).await?,
        None => None,
    };
    let user_name = match running.user() {
        Some(user) => users::find(conn, user).await?.map(|u| u.display_name().to_owned()),
        None => None,
    };
    let (mut scopes, mut api_name) = (Vec::new(), None);
    if matches!(running.login, Login::AskConsent(_)) {
        let api = match &running.request.audience {
            Some(audience) => resource_servers::find_by_identifier(conn, audience).await?,
            None => None,
        };
        scopes = consent::described(&running.request, api.as_ref());
        api_name = api.map(|a| a.name().to_owned());
    }
    Ok(Showing {
        transaction: id.clone(),
        client: loaded.client.clone(),
        tenant: loaded.tenant.clone(),
        connection,
        user_name,
        scopes,
        channels: settings::guardian(conn).await?.channels(),
        api_name,
        trouble,
        typed: Typed::default(),
        running,
    })
}
