//! Logging out: `/v2/logout` and RP-initiated logout (contract/oidc.md 10).

use lockstep_core::codes::OAuthError;
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::crypto::jose::{self, Alg, VerifyingKey, claims};
use lockstep_core::env::Env;
use lockstep_core::ids::{ClientId, SessionId};
use lockstep_core::model::client::Client;
use lockstep_core::model::log_event::{LogEvent, Origin};
use lockstep_core::model::session::Session;
use lockstep_core::model::settings::TenantSettings;
use lockstep_core::oauth::params::Params;
use lockstep_core::oauth::redirect_uri::{is_allowed_logout, is_allowed_return_to};
use serde_json::{Value, json};

use super::OAuthFailure;
use super::login::Browser;
use crate::app::App;
use crate::store::db::{Conn, DbError};
use crate::store::{clients, sessions, settings, transactions, users};

/// What a request to log out leads to.
#[derive(Clone, Debug)]
pub enum LoggedOut {
    /// The session is over; the browser goes there.
    GoTo(String),
    /// The session is over; nobody said where to go.
    Here(Option<Box<Client>>),
    /// The person is asked first: nothing proves that the request comes from an application of theirs.
    Ask {
        /// Whose session it is.
        user_name: String,
        /// The application, where it is known.
        client: Option<Box<Client>>,
    },
}

/// Answers `/v2/logout`: ends the session of this browser, whoever asks.
pub async fn v2(
    app: &App,
    env: &Env,
    origin: &Origin,
    browser: &Browser<'_>,
    params: &Params,
) -> Result<LoggedOut, OAuthFailure> {
    told(app, env, origin, params, try_v2(app, env, origin, browser, params).await)
}

/// Writes a refusal into the tenant's log.
fn told(
    app: &App,
    env: &Env,
    origin: &Origin,
    params: &Params,
    outcome: Result<LoggedOut, OAuthFailure>,
) -> Result<LoggedOut, OAuthFailure> {
    if let Err(OAuthFailure::Refused(error)) = &outcome {
        let mut event = LogEvent::new("flo", error.description.clone()).from(origin);
        event.client = params.get("client_id").and_then(|id| ClientId::parse(id).ok());
        event.details = Some(details(params, None, None));
        app.log(env, &event);
    }
    outcome
}

/// Returns what a record says of a logout (contract/log-events.md 3.4).
fn details(params: &Params, client: Option<&Client>, session: Option<&SessionId>) -> Value {
    let by_oidc = params.get("post_logout_redirect_uri").or_else(|| params.get("id_token_hint"));
    json!({
        "return_to": params.get("returnTo").or_else(|| params.get("post_logout_redirect_uri")),
        "allowed_logout_url": client.map(|client| client.allowed_logout_urls().collect::<Vec<_>>()).unwrap_or_default(),
        "session_id": session, "initiated_by": "application",
        "protocol": if by_oidc.is_some() { "oidc" } else { "v2" },
    })
}

async fn try_v2(
    app: &App,
    env: &Env,
    origin: &Origin,
    browser: &Browser<'_>,
    params: &Params,
) -> Result<LoggedOut, OAuthFailure> {
    let mut tx = app.db().write().await?;
    let tenant = settings::tenant(&mut tx).await?;
    let client = match params.get("client_id") {
        Some(id) => Some(named(&mut tx, id).await?),
        None => None,
    };
    let target = params.get("returnTo");
    if let Some(target) = target {
        let listed = match &client {
            Some(client) => is_allowed_return_to(target, client.allowed_logout_urls()),
            None => is_allowed_return_to(target, tenant.allowed_logout_urls()),
        };
        if !listed {
            return Err(OAuthError::invalid_request(
                "The returnTo URL is not in the list of allowed logout URLs",
            )
            .into());
        }
    }
    end(app, &mut tx, env, origin, browser, client.as_ref(), params).await?;
    tx.commit().await?;
    let first = client.as_ref().and_then(|c| c.allowed_logout_urls().next().map(str::to_owned));
    Ok(match target.map(str::to_owned).or(first) {
        Some(url) => LoggedOut::GoTo(url),
        None => LoggedOut::Here(client.map(Box::new)),
    })
}

/// Answers `/oidc/logout`. `confirmed` is what the person answered when asked.
pub async fn oidc(
    app: &App,
    env: &Env,
    origin: &Origin,
    browser: &Browser<'_>,
    params: &Params,
    confirmed: bool,
) -> Result<LoggedOut, OAuthFailure> {
    told(app, env, origin, params, try_oidc(app, env, origin, browser, params, confirmed).await)
}

async fn try_oidc(
    app: &App,
    env: &Env,
    origin: &Origin,
    browser: &Browser<'_>,
    params: &Params,
    confirmed: bool,
) -> Result<LoggedOut, OAuthFailure> {
    params.refuse_ambiguous(&[
        "id_token_hint",
        "logout_hint",
        "post_logout_redirect_uri",
        "client_id",
        "state",
    ])?;
    let mut tx = app.db().write().await?;
    let tenant = settings::tenant(&mut tx).await?;
    let hint = match params.get("id_token_hint") {
        Some(token) => Some(read_hint(app, &mut tx, token).await?),
        None => None,
    };
    let client = client_of(&mut tx, params, hint.as_ref()).await?;
    let sid = hint.as_ref().and_then(|h| h.sid.clone());
    if let (Some(hinted), Some(sid)) = (params.get("logout_hint"), &sid)
        && hinted != sid
    {
        return Err(OAuthError::invalid_request("logout_hint does not fit id_token_hint").into());
    }
    let target = target(&tenant, client.as_ref(), params)?;
    let session = current(&mut tx, env, browser).await?;
    let sid = sid.or_else(|| params.get("logout_hint").map(str::to_owned));
    let proven = session.as_ref().is_some_and(|s| sid.as_deref() == Some(s.id.as_str()));
    if let (Some(session), false) = (&session, proven || confirmed || !tenant.logout_prompt()) {
        let user = users::find(&mut tx, &session.user).await?;
        let user_name = user.map(|u| u.display_name().to_owned()).unwrap_or_default();
        return Ok(LoggedOut::Ask { user_name, client: client.map(Box::new) });
    }
    end(app, &mut tx, env, origin, browser, client.as_ref(), params).await?;
    tx.commit().await?;
    Ok(match target {
        Some(url) => LoggedOut::GoTo(url),
        None => LoggedOut::Here(client.map(Box::new)),
    })
}

/// Returns where the browser goes, with `state`; an unlisted URL is refused.
fn target(
    tenant: &TenantSettings,
    client: Option<&Client>,
    params: &Params,
) -> Result<Option<String>, OAuthError> {
    let Some(target) = params.get("post_logout_redirect_uri") else {
        return Ok(client
            .filter(|_| params.has("client_id"))
            .and_then(|c| c.allowed_logout_urls().next().map(str::to_owned)));
    };
    let listed = match client {
        Some(client) => is_allowed_logout(target, client.allowed_logout_urls()),
        None => is_allowed_logout(target, tenant.allowed_logout_urls()),
    };
    if !listed {
        return Err(OAuthError::invalid_request(
            "The post_logout_redirect_uri is not in the list of allowed logout URLs",
        ));
    }
    let Some(state) = params.get("state") else { return Ok(Some(target.to_owned())) };
    let mut url = url::Url::parse(target)
        .map_err(|_| OAuthError::invalid_request("Malformed post_logout_redirect_uri"))?;
    url.query_pairs_mut().append_pair("state", state);
    Ok(Some(url.into()))
}

/// What an ID token that was sent along says. It may have expired; its signature may not be wrong.
struct Hint {
    client: ClientId,
    sid: Option<String>,
}

async fn read_hint(app: &App, tx: &mut Conn, token: &str) -> Result<Hint, OAuthFailure> {
    let bad = || OAuthFailure::from(OAuthError::invalid_request("The id_token_hint is not a valid ID token"));
    let header = jose::peek_header(token).map_err(|_| bad())?;
    let verified = if header.alg == Alg::HS256 {
        // Signed with the client's secret: whose it is has to be read before it is verified.
        let payload = token.split('.').nth(1).unwrap_or_default();
        let client = unverified_audience(payload).ok_or_else(bad)?;
        let client = clients::find(tx, &client).await?.ok_or_else(bad)?;
        let key = VerifyingKey::from_secret(client.secret.as_bytes()).map_err(|_| bad())?;
        jose::decode_any(token, &[Alg::HS256], [&key]).map_err(|_| bad())?
    } else {
        app.keyring().verify(token).map_err(|_| bad())?
    };
    claims::issued_by(&verified.claims, app.issuer().as_str()).map_err(|_| bad())?;
    let client = claims::text(&verified.claims, "aud").map_err(|_| bad())?;
    Ok(Hint {
        client: ClientId::parse(client).map_err(|_| bad())?,
        sid: claims::text(&verified.claims, "sid").ok().map(str::to_owned),
    })
}

fn unverified_audience(payload: &str) -> Option<ClientId> {
    use base64::Engine as _;
    let bytes = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(payload).ok()?;
    let value: serde_json::Value = serde_json::from_slice(&bytes).ok()?;
    ClientId::parse(value.get("aud")?.as_str()?).ok()
}

async fn client_of(
    tx: &mut Conn,
    params: &Params,
    hint: Option<&Hint>,
) -> Result<Option<Client>, OAuthFailure> {
    let client = match params.get("client_id") {
        Some(id) => Some(named(tx, id).await?),
        None => match hint {
            Some(hint) => clients::find(tx, &hint.client).await?,
            None => None,
        },
    };
    if let (Some(client), Some(hint)) = (&client, hint)
        && client.id != hint.client
    {
        return Err(OAuthError::invalid_request("client_id does not fit id_token_hint").into());
    }
    Ok(client)
}

async fn named(tx: &mut Conn, id: &str) -> Result<Client, OAuthFailure> {
    let unknown = || OAuthFailure::from(OAuthError::invalid_request("Unknown client"));
    let id = ClientId::parse(id).map_err(|_| unknown())?;
    clients::find(tx, &id).await?.ok_or_else(unknown)
}

async fn current(tx: &mut Conn, env: &Env, browser: &Browser<'_>) -> Result<Option<Session>, DbError> {
    let Some(handle) = browser.session else { return Ok(None) };
    let found = sessions::find_by_handle(tx, &sha256_b64url(handle)).await?;
    Ok(found.filter(|s| s.is_live(env.now)))
}

/// Ends the browser's session and whatever login is half open in it. The remembered browser stays.
async fn end(
    app: &App,
    tx: &mut Conn,
    env: &Env,
    origin: &Origin,
    browser: &Browser<'_>,
    client: Option<&Client>,
    params: &Params,
) -> Result<(), DbError> {
    if let Some(handle) = browser.transaction {
        transactions::delete_of_browser(tx, &sha256_b64url(handle)).await?;
    }
    let Some(session) = current(tx, env, browser).await? else { return Ok(()) };
    sessions::delete(tx, &session.id).await?;
    let mut event = LogEvent::new("slo", "").from(origin);
    if let Some(user) = users::find(tx, &session.user).await? {
        event = event.user(&user.id, user.display_name());
        event.connection = Some(user.connection);
    }
    event.details = Some(details(params, client, Some(&session.id)));
    if let Some(client) = client {
        event = event.client(&client.id, client.name());
    }
    app.logs().insert(tx, env, &event).await
}
