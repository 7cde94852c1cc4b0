//! `POST /mfa/challenge`: sends a code, or says that none is needed (contract/mfa-api.md 7).

use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::env::Env;
use lockstep_core::factors::{self, FactorKind};
use lockstep_core::mfa_api::{Listed, Named};
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::log_event::{LogEvent, Origin, mfa};
use lockstep_core::model::message::Channel;
use lockstep_core::oauth::params::{Params, printable};
use serde_json::{Value, json};

use super::{Facts, Open, Place, caller, facts, lost_race, send};
use crate::app::App;
use crate::flows::OAuthFailure;
use crate::flows::client_auth::{self, Credentials};
use crate::flows::token::{allows_any_mfa_grant, mfa_grant_missing};
use crate::store::ceremonies;

const TEXTS: &[&str] = &[
    "mfa_token",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "challenge_type",
    "authenticator_id",
    "oob_channel",
];

/// Begins a challenge.
pub async fn challenge(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    params: &Params,
    credentials: &Credentials,
) -> Result<Value, OAuthFailure> {
    params.refuse_ambiguous(TEXTS)?;
    let token = params.require("mfa_token")?;
    let client = client_auth::authenticate(app, env, params, credentials).await?.client;
    if !allows_any_mfa_grant(&client) {
        return Err(mfa_grant_missing().into());
    }
    let types = types(params)?;
    let mut tx = app.db().write().await?;
    let caller = caller(&mut tx, app, env, token, Place::Body).await?;
    if caller.client != client.id {
        return Err(OAuthError::invalid_request("mfa_token not issued to this client").into());
    }
    let facts = facts(&mut tx, app, &caller, &caller.proven()).await?;
    if !facts.means.enrolled() {
        return Err(OAuthError::new(
            OAuthCode::AssociationRequired,
            "User is not enrolled. You can use /mfa/associate endpoint to enroll the first authenticator.",
        )
        .with_status(400)
        .with("error_code", "mfa_registration_required")
        .into());
    }
    let (on, channel) = choose(params, &facts, &types)?;
    let (challenge, message) = factors::begin_challenge(&[on], &facts.asks(&caller.user.id, channel), env)
        .map_err(|error| OAuthFailure::Internal(error.to_string()))?;
    let event = LogEvent::new("gd_start_auth", "")
        .client(&client.id, client.name())
        .user(&caller.user.id, caller.user.display_name())
        .details(json!({"authenticator": mfa::authenticator(on)}))
        .from(origin);
    app.logs().insert(&mut tx, env, &event).await?;
    let Some(message) = message else {
        tx.commit().await?;
        return Ok(json!({"challenge_type": "otp", "authenticator_id": on.method_id()}));
    };
    send(&mut tx, app, env, origin, &client, &caller.user, &message).await?;
    let oob_code = format!("Fe26.2*{}", env.rng().url_safe(43));
    let Some(stored) = &caller.stored else { return Err(Place::Body.invalid().into()) };
    let mut data = stored.data.clone();
    data.challenge = Some(Open { challenge, oob_hash: sha256_b64url(&oob_code) });
    if !ceremonies::save(&mut tx, &stored.handle_hash, stored.version, &data).await? {
        return Err(lost_race().into());
    }
    tx.commit().await?;
    let listed = Listed { on, channel: Some(message.channel) };
    Ok(json!({
        "challenge_type": "oob", "oob_code": oob_code, "binding_method": "prompt",
        "authenticator_id": listed.id(), "oob_channel": message.channel.as_str(),
    }))
}

/// Reads `challenge_type`: a list of `otp` and `oob`; absent, all.
fn types(params: &Params) -> Result<Vec<&str>, OAuthError> {
    let Some(text) = params.get("challenge_type") else { return Ok(vec!["otp", "oob"]) };
    let types: Vec<&str> = text.split_ascii_whitespace().collect();
    match types.iter().find(|name| !matches!(**name, "otp" | "oob")) {
        Some(odd) => Err(OAuthError::new(
            OAuthCode::UnsupportedChallengeType,
            format!("Unsupported challenge type: {}", printable(odd)),
        )
        .with_status(400)),
        None => Ok(types),
    }
}

/// Picks the authenticator: the named one, else the best that is left.
fn choose<'a>(
    params: &Params,
    facts: &'a Facts,
    types: &[&str],
) -> Result<(&'a Authenticator, Option<Channel>), OAuthError> {
    let usable = facts.means.usable();
    let fits = |on: &&Authenticator| {
        on.confirmed && usable.contains(&on.kind) && types.contains(&on.kind.authenticator_type())
    };
    let wanted = match params.get("oob_channel") {
        None => None,
        Some(name) => {
            Some(Channel::parse(name).ok_or_else(|| OAuthError::invalid_request("Unknown oob_channel"))?)
        }
    };
    let reaches = |on: &&Authenticator| match (wanted, on.kind) {
        (None, _) => true,
        (Some(Channel::Email), kind) => kind == FactorKind::Email,
        (Some(channel), kind) => kind == FactorKind::Phone && facts.channels.contains(&channel),
    };
    if let Some(text) = params.get("authenticator_id") {
        let named = Named::parse(text);
        let unknown =
            || OAuthError::new(OAuthCode::AuthenticatorNotFound, OAuthCode::AuthenticatorNotFound.text());
        let named = named.ok_or_else(unknown)?;
        let on = facts.held.iter().find(|on| on.confirmed && named.is(on)).ok_or_else(unknown)?;
        let channel = wanted.or_else(|| named.channel()).filter(|_| on.kind == FactorKind::Phone);
        let enabled = channel.is_none_or(|channel| facts.channels.contains(&channel));
        if !fits(&on) || !enabled {
            return Err(unsupported(types, &usable));
        }
        return Ok((on, channel));
    }
    // The order of the contract: an app before a telephone before mail; of several telephones the one used last.
    let order = [FactorKind::Totp, FactorKind::Phone, FactorKind::Email];
    let latest = |kind: FactorKind| {
        let all = facts.held.iter().filter(fits).filter(reaches).filter(|on| on.kind == kind);
        all.max_by_key(|on| (on.last_auth_at, std::cmp::Reverse(on.created_at)))
    };
    let on = order.into_iter().find_map(latest).ok_or_else(|| unsupported(types, &usable))?;
    let preferred = factors::phone::preferred(on).filter(|channel| facts.channels.contains(channel));
    let channel = wanted.or(preferred).or_else(|| facts.channels.first().copied());
    Ok((on, channel.filter(|_| on.kind == FactorKind::Phone)))
}

fn unsupported(types: &[&str], usable: &[FactorKind]) -> OAuthError {
    let mut has: Vec<&str> = usable.iter().map(|kind| kind.authenticator_type()).collect();
    has.dedup();
    let text = format!("Challenge type requested: {}. Available: {}", types.join(" "), has.join(" "));
    OAuthError::new(OAuthCode::UnsupportedChallengeType, text).with_status(400)
}
