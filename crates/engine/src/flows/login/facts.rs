//! Loading what is true at a decision.

use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::env::Env;
use lockstep_core::factors::Keys;
use lockstep_core::login::offer::Offers;
use lockstep_core::login::steps::Facts;
use lockstep_core::model::connection::Connection;
use lockstep_core::model::log_event::Origin;
use lockstep_core::model::settings::Guardian;
use lockstep_core::model::user::User;
use lockstep_core::time::Span;

use super::{Here, Loaded};
use crate::flows::{consent, enrolling, held, new_passkey};
use crate::store::db::{Conn, DbError};
use crate::store::{connections, declined_offers, remembered_browsers};

/// Returns what is true of a user now: the tenant's policy, the factors that are on and that the user holds, the remembered browser,
/// the consent. Nothing of it is kept from an earlier page.
pub(super) async fn load(
    conn: &mut Conn,
    here: Here<'_>,
    env: &mut Env,
    loaded: &Loaded,
    guardian: &Guardian,
    user: &User,
) -> Result<Facts, DbError> {
    let idle = Span::seconds(guardian.remember.mfa_session_inactivity_timeout);
    let remembered = match here.browser.remembered {
        Some(handle) => {
            remembered_browsers::is_remembered(conn, &sha256_b64url(handle), &user.id, idle, env.now).await?
        }
        None => false,
    };
    let connection = connections::find_by_name(conn, &user.connection).await?;
    let mfa_active = connection.as_ref().is_none_or(|c| c.mfa_active());
    Ok(Facts {
        user: user.id.clone(),
        rules: here.app.config().rules(),
        policy_always: guardian.always() && mfa_active,
        enabled: guardian.enabled(),
        held: held::load(conn, user, guardian).await?,
        remembered,
        remember_display: guardian.remember.display_remember_me_checkbox,
        channels: guardian.channels(),
        show_options: loaded.tenant.flag("mfa_show_factor_list_on_enrollment"),
        consent_needed: consent::is_needed(conn, &loaded.client, &loaded.stored.data.request, &user.id)
            .await?,
        key_first: is_phone(here.origin),
        issuer: loaded.tenant.friendly_name().to_owned(),
        account: user.display_name().to_owned(),
        keys: Keys::of(here.app.issuer(), guardian),
        place: enrolling::place(here.origin),
        user_handle: enrolling::user_handle(conn, env, guardian, user).await?,
        offers: offers(conn, here, env, connection.as_ref(), user).await?,
    })
}

/// Returns what may be offered to a user of this connection.
async fn offers(
    conn: &mut Conn,
    here: Here<'_>,
    env: &mut Env,
    connection: Option<&Connection>,
    user: &User,
) -> Result<Offers, DbError> {
    let browser = here.browser.declined.map(sha256_b64url).unwrap_or_default();
    let declined = declined_offers::list_of_user(conn, &user.id, &browser, env.now).await?;
    let passkeys = new_passkey::offers(conn, here.app, env, connection, user).await?;
    Ok(Offers { passkeys, declined })
}

/// A phone cannot scan its own screen: it is shown the key first (contract/universal-login.md 6.2).
pub(in crate::flows) fn is_phone(origin: &Origin) -> bool {
    origin.user_agent.as_deref().is_some_and(|ua| ua.contains("Mobi") || ua.contains("iPhone"))
}
