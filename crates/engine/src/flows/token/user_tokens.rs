//! Tokens for a person who was identified without our pages: given, or refused until MFA is passed. The one way for the grants of passwords and
//! codes, so that none of them can leave the decision out.

use std::sync::Arc;

use lockstep_core::assurance::claims as assurance;
use lockstep_core::codes::OAuthError;
use lockstep_core::env::Env;
use lockstep_core::factors::Keys;
use lockstep_core::ids::GrantId;
use lockstep_core::login::demand::{Asks, Held, Means, Situation, decide};
use lockstep_core::login::session::Proven;
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::client::Client;
use lockstep_core::model::log_event::Origin;
use lockstep_core::model::settings::Guardian;
use lockstep_core::model::user::User;
use lockstep_core::oauth::scope::Scopes;

use super::issue::{self, Unsigned, UserGrant};
use super::{allows_any_mfa_grant, mfa_grant_missing};
use crate::app::App;
use crate::flows::mfa_api::{self, Wanted};
use crate::flows::{OAuthFailure, held};
use crate::store::db::{Conn, DbError};

/// What was proven for this very request, and what is known of the person already.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::flows) struct Here<'a> {
    /// Whether `acr_values` asks for MFA.
    pub(in crate::flows) asks_mfa: bool,
    /// Whether the second factor was passed.
    pub(in crate::flows) second: bool,
    /// What was read for this request already.
    pub(in crate::flows) known: Option<Known<'a>>,
}

/// What was read of the tenant and the person for this very request.
#[derive(Clone, Copy, Debug)]
pub(in crate::flows) struct Known<'a> {
    /// The tenant's settings.
    pub(in crate::flows) guardian: &'a Arc<Guardian>,
    /// What the person holds.
    pub(in crate::flows) held: &'a [Authenticator],
    /// Whether the policy does not apply to the person's connection.
    pub(in crate::flows) exempt: bool,
    /// How keys are asked for.
    pub(in crate::flows) keys: &'a Keys,
}

/// Returns whether the tenant's policy does not apply to the connection of a person.
pub(in crate::flows) async fn is_exempt(app: &App, conn: &mut Conn, user: &User) -> Result<bool, DbError> {
    let connection = app.catalog().connection_in(conn, &user.connection).await?;
    Ok(connection.is_some_and(|c| !c.mfa_active()))
}

/// Decides, and gives tokens or `mfa_required`. Commits in both cases.
#[expect(clippy::too_many_arguments, reason = "the parts of one grant, each from another place")]
pub(in crate::flows) async fn tokens_or_mfa(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    mut tx: Conn,
    client: &Client,
    user: &User,
    mut wanted: Wanted,
    here: Here<'_>,
) -> Result<(Unsigned, Conn), OAuthFailure> {
    if user.blocked {
        return Err(OAuthError::user_blocked().into());
    }
    // Before MFA is asked: nobody should pass it for what is then refused.
    let (api, _) = issue::admitted(app, &mut tx, &env.issuer, client, wanted.audience.as_deref()).await?;
    // An application of our own that asks for nothing in particular gets all that the API has (contract/oidc.md 2.2). Asked once: what was
    // narrowed to nothing afterwards is nothing.
    if wanted.scope.is_empty()
        && !here.second
        && client.is_first_party()
        && let Some(api) = &api
    {
        wanted.scope = api.scopes().collect::<Scopes>().to_string();
    }
    let read;
    let known = match here.known {
        Some(known) => known,
        None => {
            let guardian = app.catalog().guardian_in(&mut tx).await?;
            let held = held::load(&mut tx, user, &guardian).await?;
            let keys = Keys::of(app.issuer(), &guardian);
            let exempt = is_exempt(app, &mut tx, user).await?;
            read = (guardian, held, keys);
            Known { guardian: &read.0, held: &read.1, keys: &read.2, exempt }
        }
    };
    let rules = app.config().rules();
    let decision = decide(&Situation {
        now: env.now,
        rules,
        asks: Asks {
            policy_always: known.guardian.always() && !known.exempt,
            acr_mfa: here.asks_mfa,
            mfa_audience: wanted.audience.as_deref() == Some(env.issuer.mfa_audience().as_str()),
            ..Asks::default()
        },
        proven: Some(Proven {
            methods: wanted.methods.clone(),
            auth_time: wanted.auth_time,
            first_here: true,
            second_here: here.second,
        }),
        means: Means::new(
            known.held.iter().map(|on| Held::of(on, known.keys)),
            &known.guardian.enabled(),
            &wanted.methods,
            rules,
        ),
        remembered: false,
        remember_display: false,
    });
    if decision.not_needed().is_none() {
        if !allows_any_mfa_grant(client) {
            return Err(mfa_grant_missing().into());
        }
        return Err(mfa_api::required(app, tx, env, origin, client, user, &decision, wanted).await?);
    }
    let scope = Scopes::trusted(&wanted.scope);
    let asked = UserGrant {
        user,
        session: None,
        audience: wanted.audience.as_deref(),
        scope: &scope,
        assurance: assurance(&wanted.methods, wanted.auth_time, rules),
        nonce: None,
        gty: match wanted.gty.as_deref() {
            Some("password") => Some("password"),
            Some("passwordless") => Some("passwordless"),
            _ => None,
        },
    };
    let issuer = env.issuer.clone();
    let granted = issue::grant(app, &mut tx, &issuer, client, &asked, true).await?;
    let id = GrantId::new(env.rng());
    let refresh_token = if granted.scopes.has("offline_access") {
        let family = issue::Family { id: &id, methods: &wanted.methods, auth_time: wanted.auth_time };
        Some(issue::begin_family(&mut tx, env, origin, client, &asked, &granted, &family).await?)
    } else {
        None
    };
    let family = refresh_token.is_some().then_some(&id);
    let mut response = issue::for_user(env, &mut tx, client, &asked, &granted, family).await?;
    response.refresh_token = refresh_token;
    Ok((response, tx))
}
