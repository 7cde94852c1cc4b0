//! How the tenant's pages look.

use lockstep_core::model::document::Document;
use lockstep_core::model::settings::TenantSettings;

use crate::app::App;
use crate::flows::management::branding::BRANDING;
use crate::flows::management::{documents, themes};
use crate::store::db::DbError;
use crate::store::settings;

/// The branding documents of the Management API.
#[derive(Clone, Debug, Default)]
pub struct Branding {
    /// `GET /branding`: logo, colours, favicon.
    pub branding: Document,
    /// `GET /branding/themes/default`, if there is one.
    pub theme: Option<Document>,
}

/// Returns the branding and the tenant settings: what every page needs.
pub async fn load(app: &App) -> Result<(Branding, TenantSettings), DbError> {
    let mut conn = app.db().read().await?;
    let branding = Branding {
        branding: documents::load(&mut conn, &BRANDING).await?,
        theme: settings::find(&mut conn, themes::SETTING).await?,
    };
    Ok((branding, settings::tenant(&mut conn).await?))
}
