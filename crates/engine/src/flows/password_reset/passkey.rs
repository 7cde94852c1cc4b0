//! The offer of a passkey after a new password (contract/universal-login.md 10), to who has none yet. Nobody is logged in by it.
//!
//! A mailbox has been proven, and no more: to somebody who has a factor nothing is offered here, since a passkey may log in by itself from then
//! on. She gets the offer at her next login, once she has passed it.

use lockstep_core::crypto::digest::sha256_b64url;
use lockstep_core::env::Env;
use lockstep_core::factors::webauthn::passkey::Registration;
use lockstep_core::ids::ClientId;
use lockstep_core::login::effect::Problem;
use lockstep_core::login::offer::{Leave, OfferKind, PUT_OFF, PasskeyOffers};
use lockstep_core::model::client::Client;
use lockstep_core::model::log_event::Origin;
use lockstep_core::model::user::User;
use lockstep_core::time::Span;

use super::ResetError;
use crate::app::App;
use crate::flows::PasskeyInput;
use crate::flows::new_passkey::{self, Made};
use crate::store::ceremonies::{self, Stored};
use crate::store::db::{Conn, DbError};
use crate::store::{authenticators, clients, connections, declined_offers, settings, users};

/// What such an offer is stored under.
const KIND: &str = "reset_passkey";
/// How long it stands: somebody else may open the browser later.
const LIFETIME: Span = Span::minutes(10);

/// What the page shows.
pub struct Offer {
    /// What the browser is given, as JSON.
    pub options: String,
    /// The application that the person came from.
    pub client: Option<Client>,
    /// What is wrong with the last answer.
    pub trouble: Option<Problem>,
}

/// What the person answers.
pub enum Given {
    /// What the browser says of the new passkey.
    Said(PasskeyInput),
    /// She goes on without.
    Leave(Leave),
}

/// What follows.
pub enum Outcome {
    /// The page again.
    Again(Box<Offer>),
    /// It is over. The application that the person came from.
    Done(Option<Client>),
}

/// Makes an offer, if there is one to be made; returns the handle of its page.
pub(super) async fn make(
    tx: &mut Conn,
    app: &App,
    env: &mut Env,
    user: &User,
    client: &ClientId,
) -> Result<Option<String>, DbError> {
    let Some(offers) = due(tx, app, env, user).await? else { return Ok(None) };
    let handle = env.rng().url_safe(43);
    let stored = Stored {
        handle_hash: hash(&handle),
        version: 0,
        kind: KIND.to_owned(),
        user: user.id.clone(),
        client: client.clone(),
        data: offers.draw(OfferKind::Passkey, env),
        created_at: env.now,
        expires_at: env.now + LIFETIME,
        used_at: None,
    };
    ceremonies::create(tx, &stored).await?;
    Ok(Some(handle))
}

/// Returns what may be made now: by the same rules as after a login, with a proven mailbox in place of a password.
async fn due(
    conn: &mut Conn,
    app: &App,
    env: &mut Env,
    user: &User,
) -> Result<Option<PasskeyOffers>, DbError> {
    let held = authenticators::list_of_user(conn, &user.id).await?;
    // One that is switched off counts too: the mailbox is the weakest of all.
    if user.blocked || held.iter().any(|on| on.confirmed && on.kind.independent()) {
        return Ok(None);
    }
    let declined = declined_offers::list_of_user(conn, &user.id, "", env.now).await?;
    if declined.contains(&OfferKind::Passkey) {
        return Ok(None);
    }
    let connection = connections::find_by_name(conn, &user.connection).await?;
    let offers = new_passkey::offers(conn, app, env, connection.as_ref(), user).await?;
    Ok(offers.filter(|offers| offers.progressive && offers.held.is_empty()))
}

/// Returns the page of an offer. What is asked does not live as long as a page may stand open, so it is drawn anew in time.
pub async fn show(app: &App, env: &mut Env, handle: &str) -> Result<Offer, ResetError> {
    let mut conn = app.db().read().await?;
    let (stored, user) = load(&mut conn, env, handle).await?;
    if stored.data.is_fresh(env.now) {
        return Ok(page(&mut conn, &stored, &user, None).await?);
    }
    drop(conn);
    let mut tx = app.db().write().await?;
    let (mut stored, user) = load(&mut tx, env, handle).await?;
    stored.data = stored.data.anew(env);
    ceremonies::save(&mut tx, &stored.handle_hash, stored.version, &stored.data).await?;
    let page = page(&mut tx, &stored, &user, None).await?;
    tx.commit().await?;
    Ok(page)
}

/// Takes an answer.
pub async fn answer(
    app: &App,
    env: &mut Env,
    origin: &Origin,
    handle: &str,
    given: Given,
) -> Result<Outcome, ResetError> {
    let mut tx = app.db().write().await?;
    let (mut stored, user) = load(&mut tx, env, handle).await?;
    let said = match given {
        Given::Said(said) => said,
        Given::Leave(how) => {
            let until = match how {
                Leave::Unable => return done(tx, env, &stored).await,
                Leave::Later => Some(env.now + PUT_OFF),
                Leave::Never => None,
            };
            declined_offers::decline(&mut tx, &user.id, OfferKind::Passkey, "", until).await?;
            return done(tx, env, &stored).await;
        }
    };
    // Switched off, declined in another tab, or no longer hers to add: it ends without.
    if due(&mut tx, app, env, &user).await?.is_none() {
        return done(tx, env, &stored).await;
    }
    let answers = matches!(said, PasskeyInput::Answer(_));
    let problem = match new_passkey::answered(&mut tx, app, env, origin, &user, &stored.data, said).await? {
        Made::Added => return done(tx, env, &stored).await,
        Made::Taken => {
            drop(tx);
            tx = app.db().write().await?;
            Problem::PasskeyNotAdded
        }
        Made::Not(problem) => problem,
    };
    if answers {
        stored.data = stored.data.anew(env);
        if !ceremonies::save(&mut tx, &stored.handle_hash, stored.version, &stored.data).await? {
            return Err(ResetError::Used);
        }
    }
    let page = page(&mut tx, &stored, &user, Some(problem)).await?;
    tx.commit().await?;
    Ok(Outcome::Again(Box::new(page)))
}

async fn done(mut tx: Conn, env: &Env, stored: &Stored<Registration>) -> Result<Outcome, ResetError> {
    if !ceremonies::claim(&mut tx, &stored.handle_hash, stored.version, env.now).await? {
        return Err(ResetError::Used);
    }
    let client = clients::find(&mut tx, &stored.client).await?;
    tx.commit().await?;
    Ok(Outcome::Done(client))
}

async fn load(conn: &mut Conn, env: &Env, handle: &str) -> Result<(Stored<Registration>, User), ResetError> {
    let stored = ceremonies::find::<Registration>(conn, &hash(handle), KIND).await?;
    let stored = stored.ok_or(ResetError::Unknown)?;
    if stored.used_at.is_some() {
        return Err(ResetError::Used);
    }
    if stored.expires_at <= env.now {
        return Err(ResetError::Expired);
    }
    let user = users::find(conn, &stored.user).await?.ok_or(ResetError::Unknown)?;
    Ok((stored, user))
}

async fn page(
    conn: &mut Conn,
    stored: &Stored<Registration>,
    user: &User,
    trouble: Option<Problem>,
) -> Result<Offer, DbError> {
    let tenant = settings::tenant(conn).await?;
    let options = stored.data.options(tenant.friendly_name(), user.display_name()).to_string();
    Ok(Offer { options, client: clients::find(conn, &stored.client).await?, trouble })
}

fn hash(handle: &str) -> String {
    sha256_b64url(format!("reset passkey\n{handle}"))
}
