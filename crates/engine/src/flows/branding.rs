//! How the tenant's pages look, and what they say.

use std::sync::Arc;

use crate::app::App;
use crate::store::db::DbError;
pub use crate::store::looks::Look;

/// Returns it with the tenant settings: what every page needs. It is kept in memory, so no page waits for the database because of it.
pub async fn load(app: &App) -> Result<Arc<Look>, DbError> {
    app.catalog().look().await
}
