//! Removes what is over: the files on disk stay as small as what is in use, and personal data goes when its time is up.
//!
//! Nothing depends on it: every reader compares the time itself. So a cleanup that fails is told and tried again.

use std::time::Duration;

use lockstep_core::time::Timestamp;
use tokio::task::JoinHandle;

use super::delivery;
use crate::app::App;
use crate::store::db::{Conn, DbError};
use crate::store::{
    assertion_ids, authorization_codes, buckets, ceremonies, decisions, declined_offers, grants, jobs,
    login_codes, logs, opaque_tokens, pushed_requests, remembered_browsers, sessions, tickets, transactions,
};

/// How often the server looks.
const EVERY: Duration = Duration::from_secs(60);

/// What is removed, in this order: what refers to something goes before it.
#[derive(Clone, Copy, Debug)]
enum Kind {
    Transactions,
    Ceremonies,
    LoginCodes,
    PushedRequests,
    AuthorizationCodes,
    OpaqueTokens,
    AssertionIds,
    Grants,
    Sessions,
    RememberedBrowsers,
    DeclinedOffers,
    Tickets,
    Buckets,
    Messages,
    Jobs,
    Logs,
    Decisions,
}

const ALL: &[Kind] = &[
    Kind::Transactions,
    Kind::Ceremonies,
    Kind::LoginCodes,
    Kind::PushedRequests,
    Kind::AuthorizationCodes,
    Kind::OpaqueTokens,
    Kind::AssertionIds,
    Kind::Grants,
    Kind::Sessions,
    Kind::RememberedBrowsers,
    Kind::DeclinedOffers,
    Kind::Tickets,
    Kind::Buckets,
    Kind::Messages,
    Kind::Jobs,
    Kind::Logs,
    Kind::Decisions,
];

impl Kind {
    async fn remove(self, app: &App, conn: &mut Conn, now: Timestamp) -> Result<u64, DbError> {
        let kept = app.config().log_retention;
        match self {
            Self::Transactions => transactions::delete_expired(conn, now).await,
            Self::Ceremonies => ceremonies::delete_expired(conn, now).await,
            Self::LoginCodes => login_codes::delete_expired(conn, now).await,
            Self::PushedRequests => pushed_requests::delete_expired(conn, now).await,
            Self::AuthorizationCodes => authorization_codes::delete_expired(conn, now).await,
            Self::OpaqueTokens => opaque_tokens::delete_expired(conn, now).await,
            Self::AssertionIds => assertion_ids::delete_expired(conn, now).await,
            Self::Grants => grants::delete_ended(conn, now).await,
            Self::Sessions => sessions::delete_expired(conn, now).await,
            Self::RememberedBrowsers => remembered_browsers::delete_expired(conn, now).await,
            Self::DeclinedOffers => declined_offers::delete_expired(conn, now).await,
            Self::Tickets => tickets::delete_expired(conn, now).await,
            Self::Buckets => buckets::delete_full(conn, now).await,
            Self::Messages => delivery::remove_expired(app, conn).await,
            Self::Jobs => jobs::delete_expired(conn, now).await,
            Self::Logs => logs::delete_before(conn, now - kept).await,
            Self::Decisions => decisions::delete_before(conn, now - kept).await,
        }
    }
}

/// Removes everything that is over now; returns how many rows.
///
/// Each kind has a commit of its own: on SQLite there is one writer, and logins wait for it.
pub async fn run(app: &App) -> Result<u64, DbError> {
    let now = app.env().now;
    let mut removed = 0;
    for kind in ALL {
        let mut tx = app.db().write().await?;
        tx.expect_long();
        removed += kind.remove(app, &mut tx, now).await?;
        tx.commit().await?;
    }
    Ok(removed)
}

/// Runs it every minute.
pub fn start(app: App) -> JoinHandle<()> {
    super::every(EVERY, move || {
        let app = app.clone();
        async move {
            match run(&app).await {
                Ok(0) => {}
                Ok(rows) => tracing::debug!(rows, "Removed what was over"),
                Err(error) => {
                    tracing::warn!(%error, "Expired data could not be removed; trying again in a minute");
                }
            }
        }
    })
}
