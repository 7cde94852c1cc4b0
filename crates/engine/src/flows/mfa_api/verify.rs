//! The MFA grants: an answer to a challenge, or the first code of an enrolment, becomes tokens (contract/mfa-api.md 8).

use lockstep_core::assurance::MethodName;
use lockstep_core::codes::{OAuthCode, OAuthError};
use lockstep_core::crypto::digest::{same_secret, sha256_b64url};
use lockstep_core::env::Env;
use lockstep_core::factors::{
    self, Challenge, Draft, FactorError, FactorKind, Input, Passed, Verdict, recovery_code,
};
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::client::Client;
use lockstep_core::model::log_event::{LogEvent, Origin, mfa};
use lockstep_core::model::user::User;
use lockstep_core::oauth::params::Params;
use lockstep_core::oauth::scope::Scopes;
use serde_json::{Value, json};

use super::{Ceremony, Facts, Place, Wanted, caller, facts, lost_race};
use crate::app::App;
use crate::flows::client_auth::Authenticated;
use crate::flows::messages::Notice;
use crate::flows::token::TokenResponse;
use crate::flows::token::refresh_token;
use crate::flows::token::user_tokens::{self, Here, Known, tokens_or_mfa};
use crate::flows::{OAuthFailure, attempts, changes};
use crate::store::ceremonies::{self, Stored};
use crate::store::db::Conn;
use crate::store::{authenticators, buckets};

/// Which of the three.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::flows) enum MfaGrant {
    /// `mfa-otp`
    Otp,
    /// `mfa-oob`
    Oob,
    /// `mfa-recovery-code`
    RecoveryCode,
}

/// What an answer is checked against.
enum Against {
    /// An enrolment, by its place.
    Draft(usize),
    /// The challenge that was sent.
    Challenge(Box<Challenge>),
    /// Whatever the person holds of this kind.
    Held(Box<Challenge>),
}

/// What a right answer proves.
struct Right {
    passed: Passed,
    /// The authenticator that was enrolled by it.
    enrolled: Option<Authenticator>,
}

/// What a wrong one is.
enum Not {
    Wrong,
    Malformed,
    Expired,
}

/// Exchanges an answer.
pub(in crate::flows) async fn exchange(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    authenticated: &Authenticated,
    params: &Params,
    grant: MfaGrant,
) -> Result<TokenResponse, OAuthFailure> {
    let client = &authenticated.client;
    let token = params.require("mfa_token")?;
    let typed = match grant {
        MfaGrant::Otp => params.require("otp")?,
        MfaGrant::RecoveryCode => params.require("recovery_code")?,
        MfaGrant::Oob => {
            params.require("oob_code")?;
            params.require("binding_code")?
        }
    };
    // Read before the transaction begins: what is spent below is spent under the version that was read here.
    let mut conn = app.db().glance().await?;
    let caller = caller(&mut conn, app, env, token, Place::Body).await?;
    if caller.client != client.id {
        return Err(OAuthError::invalid_request("mfa_token not issued to this client").into());
    }
    if let Some(access) = &caller.access {
        access.require("enroll")?;
    }
    // An access token confirms what was begun with it, and nothing else.
    let enrols = |stored: &Stored<Ceremony>| caller.access.is_none() || stored.data.enrols(env.now);
    let Some(stored) = caller.stored.clone().filter(enrols) else { return Err(Place::Body.invalid().into()) };
    let facts = facts(&mut conn, app, &caller, &stored.data.wanted.methods).await?;
    let exempt = user_tokens::is_exempt(app, &mut conn, &caller.user).await?;
    drop(conn);
    let wanted = narrowed(&stored.data.wanted, params, &env.issuer.userinfo_audience())?;
    let by_access = caller.access.is_some();
    let (against, kind) = against(env, &caller.user, &stored.data, &facts, params, grant, by_access)?;
    if matches!(against, Against::Draft(_)) {
        still_enrolling(&facts, kind, by_access)?;
    }
    let told = Told { app, origin, client, user: &caller.user, by_access };
    let bucket = attempts::bucket(&caller.user.id, kind);
    let budget = attempts::budget(kind);
    let found = check(env, &stored.data, &facts, &against, typed);
    let mut tx = app.db().write().await?;
    // Counted before anything is answered or done: of guesses sent at once, no more are answered than the budget has.
    if !buckets::take(&mut tx, &bucket, budget, env.now).await? {
        return Err(too_many(&told, env, grant, kind));
    }
    let right = match found {
        Ok(right) => {
            if !ceremonies::claim(&mut tx, &stored.handle_hash, stored.version, env.now).await? {
                return Err(lost_race().into());
            }
            if !spend(&mut tx, &right).await? {
                // Another request spent it first: to this one it was a wrong code, and it counts.
                drop(tx);
                let mut tx = app.db().write().await?;
                buckets::take(&mut tx, &bucket, budget, env.now).await?;
                tx.commit().await?;
                return Err(wrong(grant).into());
            }
            right
        }
        Err(not) => {
            let answer = match not {
                Not::Malformed => {
                    buckets::give_back(&mut tx, &bucket, budget).await?;
                    wrong(grant)
                }
                Not::Expired => {
                    buckets::give_back(&mut tx, &bucket, budget).await?;
                    dead(env, &stored.data, &against)
                }
                Not::Wrong => {
                    let recovery = grant == MfaGrant::RecoveryCode;
                    let code = if recovery { "gd_recovery_failed" } else { "gd_auth_failed" };
                    told.of(&mut tx, env, code, asked(&stored.data, &against, kind)).await?;
                    count_miss(&mut tx, stored, &against).await?;
                    wrong(grant)
                }
            };
            tx.commit().await?;
            return Err(answer.into());
        }
    };
    buckets::reset(&mut tx, &bucket).await?;
    let fresh = settle(&mut tx, env, &told, &stored.data, &right).await?;
    let mut wanted = wanted;
    wanted.methods.record(right.passed.method().clone());
    wanted.auth_time = env.now;
    let (mut response, mut tx) = match wanted.refresh.clone() {
        Some(hash) => {
            refresh_token::after_mfa(app, env, origin, tx, client, &caller.user, &hash, &wanted).await?
        }
        None => {
            let here = Here {
                asks_mfa: false,
                second: true,
                known: Some(Known {
                    guardian: &facts.guardian,
                    held: &facts.held,
                    keys: &facts.keys,
                    exempt,
                }),
            };
            tokens_or_mfa(app, env, origin, tx, client, &caller.user, wanted, here).await?
        }
    };
    response.recovery_code = fresh;
    let by_passkey = stored.data.wanted.methods.iter().any(|method| method.name == MethodName::Passkey);
    let code = match (grant, by_passkey) {
        (MfaGrant::Otp, false) => "seotpft",
        (MfaGrant::Oob, false) => "seoobft",
        (MfaGrant::RecoveryCode, false) => "sercft",
        (MfaGrant::Otp, true) => "sepkotpft",
        (MfaGrant::Oob, true) => "sepkoobft",
        (MfaGrant::RecoveryCode, true) => "sepkrcft",
    };
    let mut event = told.event(code).details(json!({"access_token_jti": response.jti}));
    event.audience.clone_from(&response.audience);
    event.scope = Some(response.scope.clone());
    app.logs().insert(&mut tx, env, &event).await?;
    tx.commit().await?;
    response.sign(app).await
}

/// Checks, when an enrolment is confirmed, what was checked when it was begun: meanwhile the person may have enrolled, and then only what she
/// holds lets somebody in; or the tenant may have switched the factor off.
fn still_enrolling(facts: &Facts, kind: FactorKind, by_access: bool) -> Result<(), OAuthError> {
    if !facts.means.enabled.contains(&kind) {
        let text = "The authenticator type is not enabled";
        return Err(OAuthError::new(OAuthCode::UnsupportedChallengeType, text).with_status(403));
    }
    if !by_access && facts.means.enrolled() {
        return Err(OAuthError::new(OAuthCode::AccessDenied, "User is already enrolled."));
    }
    Ok(())
}

/// What the tokens will be for: the original wish, or less of it. `/userinfo` is no API of its own (as in the request that came first).
fn narrowed(wanted: &Wanted, params: &Params, userinfo: &str) -> Result<Wanted, OAuthError> {
    let mut wanted = wanted.clone();
    let named = params.get("audience").map(|audience| Some(audience).filter(|a| *a != userinfo));
    if named.is_some_and(|audience| audience != wanted.audience.as_deref()) {
        return Err(OAuthError::invalid_request("audience does not match the mfa_token"));
    }
    if let Some(scope) = params.get("scope") {
        let asked = Scopes::parse(scope)?;
        wanted.scope = Scopes::trusted(&wanted.scope).filter(|scope| asked.has(scope)).to_string();
    }
    Ok(wanted)
}

/// Finds what the answer is checked against.
fn against(
    env: &mut Env,
    user: &User,
    ceremony: &Ceremony,
    facts: &Facts,
    params: &Params,
    grant: MfaGrant,
    only_drafts: bool,
) -> Result<(Against, FactorKind), OAuthError> {
    let usable = facts.means.usable();
    let mut held = |kind: FactorKind| -> Option<Box<Challenge>> {
        if only_drafts || !usable.contains(&kind) {
            return None;
        }
        let all: Vec<&Authenticator> =
            facts.held.iter().filter(|on| on.kind == kind && on.confirmed).collect();
        let begun = factors::begin_challenge(&all, &facts.asks(&user.id, None), env).ok()?;
        Some(Box::new(begun.0))
    };
    match grant {
        MfaGrant::Otp => {
            let kind = FactorKind::Totp;
            if let Some(at) = ceremony.drafts.iter().position(|p| p.draft.kind == kind) {
                return Ok((Against::Draft(at), kind));
            }
            let Some(held) = held(kind) else {
                let text = "User is not enrolled. You can use /mfa/associate endpoint to enroll the first authenticator.";
                return Err(OAuthError::new(OAuthCode::UnsupportedChallengeType, text));
            };
            Ok((Against::Held(held), kind))
        }
        MfaGrant::RecoveryCode => {
            let kind = FactorKind::RecoveryCode;
            let Some(held) = held(kind) else {
                let text = "User does not have a recovery-code.";
                return Err(OAuthError::new(OAuthCode::UnsupportedChallengeType, text).with_status(403));
            };
            Ok((Against::Held(held), kind))
        }
        MfaGrant::Oob => {
            let hash = sha256_b64url(params.require("oob_code")?);
            let fits = |stored: &str| same_secret(stored, &hash);
            let draft = |p: &super::Pending| p.oob_hash.as_deref().is_some_and(fits);
            if let Some(at) = ceremony.drafts.iter().position(draft) {
                return Ok((Against::Draft(at), ceremony.drafts[at].draft.kind));
            }
            let open = ceremony.challenge.as_ref().filter(|open| !only_drafts && fits(&open.oob_hash));
            let challenge = open.map(|open| open.challenge.clone()).ok_or_else(malformed_oob)?;
            let kind = challenge.kind;
            if !usable.contains(&kind) {
                return Err(malformed_oob());
            }
            Ok((Against::Challenge(Box::new(challenge)), kind))
        }
    }
}

fn check(
    env: &mut Env,
    ceremony: &Ceremony,
    facts: &Facts,
    against: &Against,
    typed: &str,
) -> Result<Right, Not> {
    let input = Input::code(typed);
    let judged = |verdict: Verdict| match verdict {
        Verdict::Passed(passed) => Ok(Right { passed, enrolled: None }),
        Verdict::Malformed => Err(Not::Malformed),
        Verdict::Expired | Verdict::Pending | Verdict::Denied => Err(Not::Expired),
        Verdict::Wrong | Verdict::Replayed | Verdict::Copied(_) => Err(Not::Wrong),
    };
    match against {
        Against::Draft(at) => match factors::confirm(&ceremony.drafts[*at].draft, &input, env) {
            Ok(enrolled) => match enrolled.passed {
                Some(passed) => Ok(Right { passed, enrolled: Some(enrolled.authenticator) }),
                None => Err(Not::Malformed),
            },
            Err(FactorError::Wrong) => Err(Not::Wrong),
            Err(FactorError::Malformed) => Err(Not::Malformed),
            Err(_) => Err(Not::Expired),
        },
        Against::Challenge(challenge) | Against::Held(challenge) => {
            judged(factors::verify(&facts.held, challenge, &input, env))
        }
    }
}

/// Counts a wrong answer on what it was for, also when another answer was saved meanwhile: of guesses sent at once each one counts.
async fn count_miss(
    tx: &mut Conn,
    mut stored: Stored<Ceremony>,
    against: &Against,
) -> Result<(), OAuthFailure> {
    let draft = match against {
        Against::Draft(at) => Some(stored.data.drafts[*at].draft.id.clone()),
        Against::Challenge(_) => None,
        // A code of an app belongs to no ceremony; the budget has counted it.
        Against::Held(_) => return Ok(()),
    };
    for _ in 0..MOST_RETRIES {
        match &draft {
            Some(id) => {
                let all = &mut stored.data.drafts;
                all.iter_mut().filter(|p| p.draft.id == *id).for_each(|p| p.draft.miss());
            }
            None => {
                if let Some(open) = &mut stored.data.challenge {
                    open.challenge.miss();
                }
            }
        }
        if ceremonies::save(tx, &stored.handle_hash, stored.version, &stored.data).await? {
            break;
        }
        match ceremonies::find(tx, &stored.handle_hash, &stored.kind).await? {
            Some(newer) => stored = newer,
            None => break,
        }
    }
    Ok(())
}

/// How often a count is tried again: each try that fails is one of somebody else's that succeeded.
const MOST_RETRIES: usize = 10;

/// Spends what a right answer uses up; returns false if another request was faster.
async fn spend(tx: &mut Conn, right: &Right) -> Result<bool, OAuthFailure> {
    // What was just enrolled nobody else knows yet.
    if right.enrolled.is_some() {
        return Ok(true);
    }
    let (id, at) = (right.passed.authenticator(), right.passed.method().at);
    Ok(authenticators::spend(tx, id, right.passed.spend(), at).await?)
}

/// Writes what a success changes: the enrolment with the recovery code that came with it, or the code that replaces a used one. Returns a
/// new recovery code.
async fn settle(
    tx: &mut Conn,
    env: &mut Env,
    told: &Told<'_>,
    ceremony: &Ceremony,
    right: &Right,
) -> Result<Option<String>, OAuthFailure> {
    let Told { app, origin, user, .. } = *told;
    if let Some(new) = &right.enrolled {
        changes::enrolled(tx, app, env, origin, user, new).await?;
        if let Some(code) = recovery(ceremony, env)? {
            changes::added(tx, app, env, origin, user, &code).await?;
        }
        return Ok(None);
    }
    let (kind, id) = (right.passed.kind(), right.passed.authenticator());
    if kind != FactorKind::RecoveryCode {
        told.of(tx, env, "gd_auth_succeed", mfa::named(kind, Some(id))).await?;
        return Ok(None);
    }
    let fresh =
        recovery_code::replacement(&user.id, env).map_err(|e| OAuthFailure::Internal(e.to_string()))?;
    authenticators::delete_of_user(tx, &user.id, id).await?;
    authenticators::create(tx, &fresh.authenticator).await?;
    changes::tell(tx, app, env, origin, user, &Notice::RecoveryCodeUsed).await?;
    told.of(tx, env, "gd_recovery_succeed", mfa::named(kind, Some(id))).await?;
    Ok(Some(fresh.code))
}

/// The recovery code that came with the enrolment: the answer of the enrolment was the one time that it was shown.
fn recovery(ceremony: &Ceremony, env: &mut Env) -> Result<Option<Authenticator>, OAuthFailure> {
    let confirmed = |draft: &Draft, env: &mut Env| {
        factors::confirm(draft, &Input::Saved, env).map_err(|e| OAuthFailure::Internal(e.to_string()))
    };
    match &ceremony.recovery {
        Some(draft) => Ok(Some(confirmed(draft, env)?.authenticator)),
        None => Ok(None),
    }
}

fn wrong(grant: MfaGrant) -> OAuthError {
    let text = match grant {
        MfaGrant::Otp => "Invalid otp_code.",
        MfaGrant::Oob => "Invalid binding_code.",
        MfaGrant::RecoveryCode => "MFA Authorization rejected.",
    };
    OAuthError::new(OAuthCode::InvalidGrant, text).with_status(403).with("error_code", "mfa_invalid_code")
}

fn malformed_oob() -> OAuthError {
    OAuthError::new(OAuthCode::InvalidGrant, "Malformed oob_code").with_status(403)
}

/// The answer about a code that has died: of age, or of wrong answers.
fn dead(env: &Env, ceremony: &Ceremony, against: &Against) -> OAuthError {
    let sent = match against {
        Against::Draft(at) => ceremony.drafts[*at].draft.sent,
        Against::Challenge(challenge) => challenge.sent,
        Against::Held(_) => None,
    };
    match sent {
        Some(sent) if env.now <= sent.expires_at => malformed_oob(),
        Some(_) => OAuthError::new(OAuthCode::ExpiredToken, "oob_code is expired").with_status(401),
        None => OAuthError::new(OAuthCode::ExpiredToken, "The enrollment has expired").with_status(401),
    }
}

fn too_many(told: &Told<'_>, env: &Env, grant: MfaGrant, kind: FactorKind) -> OAuthFailure {
    let code = match grant {
        MfaGrant::RecoveryCode => "gd_recovery_rate_limit_exceed",
        MfaGrant::Otp | MfaGrant::Oob => "gd_otp_rate_limit_exceed",
    };
    let event = told.event(code).details(json!({"authenticator": mfa::named(kind, None)}));
    told.app.log(env, &event);
    OAuthError::new(
        OAuthCode::TooManyAttempts,
        "Too many failed codes. Wait for some minutes before retrying.",
    )
    .into()
}

/// Returns what a record says of the authenticator that was asked: without an id where any of several would do.
fn asked(ceremony: &Ceremony, against: &Against, kind: FactorKind) -> Value {
    let id = match against {
        Against::Draft(at) => Some(&ceremony.drafts[*at].draft.id),
        Against::Challenge(challenge) | Against::Held(challenge) => match challenge.authenticators.as_slice()
        {
            [one] => Some(one),
            _ => None,
        },
    };
    mfa::named(kind, id)
}

/// What all records of one exchange say.
struct Told<'a> {
    app: &'a App,
    origin: &'a Origin,
    client: &'a Client,
    user: &'a User,
    by_access: bool,
}

impl Told<'_> {
    fn event(&self, code: &'static str) -> LogEvent {
        let mut event = LogEvent::new(code, "")
            .client(&self.client.id, self.client.name())
            .user(&self.user.id, self.user.display_name())
            .from(self.origin);
        event.strategy = self.by_access.then_some("access_token");
        event
    }

    /// Records what became of an authenticator.
    async fn of(
        &self,
        tx: &mut Conn,
        env: &Env,
        code: &'static str,
        authenticator: Value,
    ) -> Result<(), OAuthFailure> {
        let event = self.event(code).details(json!({"authenticator": authenticator}));
        Ok(self.app.logs().insert(tx, env, &event).await?)
    }
}
