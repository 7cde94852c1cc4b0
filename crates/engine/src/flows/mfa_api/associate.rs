//! `POST /mfa/associate`: begins an enrolment (contract/mfa-api.md 4).

use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::env::Env;
use lockstep_core::factors::{self, Draft, EnrolAsk, FactorKind, PhoneNumber, Reach, Shown, email, phone};
use lockstep_core::mfa_api::Listed;
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::log_event::{LogEvent, Origin, mfa};
use lockstep_core::model::message::Channel;
use lockstep_core::model::user::normal_email;
use lockstep_core::oauth::params::Params;
use serde_json::{Value, json};

use super::{
    ACCESS_TOKEN, Caller, Ceremony, Facts, Pending, Place, caller, facts, invalid_phone_number, lost_race,
    send,
};
use crate::app::App;
use crate::flows::OAuthFailure;
use crate::store::ceremonies::{self, Stored};
use crate::store::{clients, settings};

/// The parameters that are texts.
const TEXTS: &[&str] = &["phone_number", "email"];
/// How many authenticators one user may have.
const MOST: usize = 20;

/// What somebody with as many authenticators as there may be is told.
const TOO_MANY: &str = "Too many authenticators are enrolled.";

/// What is to be enrolled.
struct Wish {
    kind: FactorKind,
    channels: Vec<Channel>,
    reach: Option<Reach>,
}

/// Begins an enrolment and returns what the person has to scan, or where the code went.
pub async fn associate(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    token: &str,
    params: &Params,
) -> Result<Value, OAuthFailure> {
    let mut tx = app.db().write().await?;
    let caller = caller(&mut tx, app, env, token, Place::Bearer).await?;
    let facts = facts(&mut tx, app, &caller, &caller.proven()).await?;
    match &caller.access {
        Some(access) => access.require("enroll")?,
        None if facts.means.enrolled() => {
            return Err(OAuthError::new(OAuthCode::AccessDenied, "User is already enrolled.").into());
        }
        None => {}
    }
    params.refuse_ambiguous(TEXTS)?;
    let wish = wish(params, &caller, &facts).inspect_err(|error| {
        if error.code == OAuthCode::UnsupportedChallengeType {
            let mut event = LogEvent::new("gd_start_enroll_failed", "")
                .user(&caller.user.id, caller.user.display_name())
                .details(json!({"error": {"message": error.description}}))
                .from(origin);
            event.client = Some(caller.client.clone());
            app.log(env, &event);
        }
    })?;
    if facts.held.len() >= MOST {
        let mut event = LogEvent::new("too_many_records", TOO_MANY).from(origin);
        event = event.user(&caller.user.id, caller.user.display_name());
        event.client = Some(caller.client.clone());
        app.log(env, &event);
        return Err(OAuthError::new(OAuthCode::EnrollmentConflict, TOO_MANY).into());
    }
    let tenant = settings::tenant(&mut tx).await?;
    let ask = |reach| EnrolAsk {
        user: caller.user.id.clone(),
        issuer: tenant.friendly_name().to_owned(),
        account: caller.user.display_name().to_owned(),
        profile: app.config().profile,
        reach,
        key: None,
    };
    let broken = |error: factors::FactorError| OAuthFailure::Internal(error.to_string());
    let (draft, message) = factors::begin_enrolment(wish.kind, &ask(wish.reach), env).map_err(broken)?;
    let recovery = if facts.means.lacks_recovery_code() {
        Some(factors::begin_enrolment(FactorKind::RecoveryCode, &ask(None), env).map_err(broken)?.0)
    } else {
        None
    };
    let client = clients::find(&mut tx, &caller.client).await?.ok_or_else(|| Place::Bearer.invalid())?;
    let mut oob_code = None;
    if let Some(message) = &message {
        send(&mut tx, app, env, origin, &client, &caller.user, message).await?;
        oob_code = Some(format!("Fe26.2*{}", env.rng().url_safe(43)));
    }
    let answer = answer(&draft, &wish.channels, oob_code.as_deref(), recovery.as_ref()).map_err(broken)?;
    let pending = Pending { draft, oob_hash: oob_code.as_deref().map(sha256_b64url) };
    keep(&mut tx, env, &caller, pending, recovery).await?;
    let mut event = LogEvent::new("gd_start_enroll", "")
        .client(&client.id, client.name())
        .user(&caller.user.id, caller.user.display_name())
        .details(json!({"authenticator": mfa::named(wish.kind, None)}))
        .from(origin);
    event.strategy = caller.access.is_some().then_some("access_token");
    app.logs().insert(&mut tx, env, &event).await?;
    tx.commit().await?;
    Ok(answer)
}

/// Reads what is to be enrolled, and whether that may be.
fn wish(params: &Params, caller: &Caller, facts: &Facts) -> Result<Wish, OAuthError> {
    let types = params.list("authenticator_types").or_else(|| params.list("authentication_types"));
    let types = types.ok_or_else(|| OAuthError::missing("authenticator_types"))?;
    let unsupported = || {
        OAuthError::new(OAuthCode::UnsupportedChallengeType, "The authenticator type is not enabled")
            .with_status(400)
    };
    // Not all that the tenant has: what is the channel of the first factor proves nothing beside it.
    let enabled = |kind| if facts.means.enabled.contains(&kind) { Ok(()) } else { Err(unsupported()) };
    match types.as_slice() {
        ["otp"] => {
            enabled(FactorKind::Totp)?;
            return Ok(Wish { kind: FactorKind::Totp, channels: Vec::new(), reach: None });
        }
        ["oob"] => {}
        _ => {
            return Err(OAuthError::invalid_request(
                "authenticator_types must be exactly one of \"otp\", \"oob\"",
            ));
        }
    }
    let channels = params.list("oob_channels").ok_or_else(|| OAuthError::missing("oob_channels"))?;
    if channels == ["auth0"] {
        return Err(unsupported());
    }
    let parsed: Option<Vec<Channel>> = channels.iter().map(|name| Channel::parse(name)).collect();
    let channels = parsed.filter(|list| !list.is_empty() && list.len() <= 2).ok_or_else(|| {
        OAuthError::invalid_request(
            "oob_channels must be \"sms\", \"voice\" or both, \"email\", or \"auth0\"",
        )
    })?;
    let conflict = || OAuthError::new(OAuthCode::EnrollmentConflict, OAuthCode::EnrollmentConflict.text());
    if channels == [Channel::Email] {
        enabled(FactorKind::Email)?;
        let given = params.get("email").or(caller.user.email.as_deref());
        let address = normal_email(given.ok_or_else(|| OAuthError::missing("email"))?)
            .map_err(|_| OAuthError::invalid_request("The email address is invalid"))?;
        let same = |on: &Authenticator| on.confirmed && email::address(on).as_ref() == Some(&address);
        if facts.held.iter().any(same) {
            return Err(conflict());
        }
        return Ok(Wish { kind: FactorKind::Email, channels, reach: Some(Reach::Email(address)) });
    }
    if channels.contains(&Channel::Email) {
        return Err(OAuthError::invalid_request("oob_channels: \"email\" stands alone"));
    }
    enabled(FactorKind::Phone)?;
    if channels.iter().any(|channel| !facts.channels.contains(channel)) {
        return Err(unsupported());
    }
    let text = params.get("phone_number").ok_or_else(|| OAuthError::missing("phone_number"))?;
    let number = PhoneNumber::parse(text).map_err(|_| invalid_phone_number())?;
    let same = |on: &Authenticator| on.confirmed && phone::number(on).as_ref() == Some(&number);
    if facts.held.iter().any(same) {
        return Err(conflict());
    }
    // Of two channels the first code goes by text.
    let channel = if channels.contains(&Channel::Sms) { Channel::Sms } else { Channel::Voice };
    Ok(Wish { kind: FactorKind::Phone, channels, reach: Some(Reach::Phone { number, channel }) })
}

fn answer(
    draft: &Draft,
    channels: &[Channel],
    oob_code: Option<&str>,
    recovery: Option<&Draft>,
) -> Result<Value, factors::FactorError> {
    let on = draft.pending();
    let channel = draft.sent.map(|sent| sent.channel);
    let mut body = json!({
        "authenticator_type": draft.kind.authenticator_type(), "id": Listed { on: &on, channel }.id(),
    });
    match factors::shown(draft)? {
        Shown::Totp { secret, uri, .. } => {
            body["secret"] = json!(secret);
            body["barcode_uri"] = json!(uri);
        }
        Shown::Sent { channel, to } => {
            body["binding_method"] = json!("prompt");
            body["oob_channel"] = json!(channel.as_str());
            body["oob_channels"] = channels.iter().map(|channel| json!(channel.as_str())).collect();
            body["oob_code"] = json!(oob_code);
            body["name"] = json!(to);
        }
        // A key is enrolled in a browser only: no wish names one.
        Shown::RecoveryCode(_) | Shown::PublicKey(_) => {}
    }
    if let Some(Shown::RecoveryCode(code)) = recovery.map(factors::shown).transpose()? {
        body["recovery_codes"] = json!([code]);
    }
    Ok(body)
}

/// Keeps the enrolment behind the handle; one of the same kind is replaced.
async fn keep(
    tx: &mut crate::store::db::Conn,
    env: &Env,
    caller: &Caller,
    pending: Pending,
    recovery: Option<Draft>,
) -> Result<(), OAuthFailure> {
    let add = |ceremony: &mut Ceremony| {
        ceremony.drafts.retain(|other| other.draft.kind != pending.draft.kind);
        ceremony.drafts.push(pending.clone());
        ceremony.recovery = recovery.clone();
    };
    if let Some(stored) = &caller.stored {
        let mut data = stored.data.clone();
        add(&mut data);
        if !ceremonies::save(tx, &stored.handle_hash, stored.version, &data).await? {
            return Err(lost_race().into());
        }
        return Ok(());
    }
    let access = caller.access.as_ref().ok_or_else(|| Place::Bearer.invalid())?;
    let mut data = Ceremony::new(access.wanted.clone());
    add(&mut data);
    let stored = Stored {
        handle_hash: access.hash.clone(),
        version: 0,
        kind: ACCESS_TOKEN.to_owned(),
        user: caller.user.id.clone(),
        client: caller.client.clone(),
        data,
        created_at: env.now,
        expires_at: access.expires_at,
        used_at: None,
    };
    ceremonies::create(tx, &stored).await?;
    Ok(())
}
