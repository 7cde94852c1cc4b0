//! Which web origins may call us (contract/oidc.md 5.2).

use lockstep_core::oauth::redirect_uri::{is_allowed_origin, origin};

use crate::app::App;
use crate::store::clients;
use crate::store::db::DbError;

/// Returns whether any application lists this origin: as a web origin, an allowed origin, or that of a callback.
pub async fn is_known(app: &App, candidate: &str) -> Result<bool, DbError> {
    let mut conn = app.db().read().await?;
    let all = clients::list_all(&mut conn).await?;
    Ok(all.iter().any(|client| {
        is_allowed_origin(candidate, client.web_origins())
            || is_allowed_origin(candidate, client.allowed_origins())
            || client.callbacks().filter_map(origin).any(|o| o.eq_ignore_ascii_case(candidate))
    }))
}
