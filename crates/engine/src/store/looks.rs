//! What every page needs to know of the tenant, in one reading: how pages look, what they say, and the tenant's settings.

use std::collections::BTreeMap;
use std::sync::Arc;

use lockstep_core::model::document::Document;
use lockstep_core::model::settings::TenantSettings;
use serde_json::{Map, Value};

use super::db::{Conn, DbError};
use super::settings;
use crate::values;

/// The row of the colours, logo and favicon.
pub const BRANDING: &str = "branding";
/// The row of the theme.
pub const THEME: &str = "branding.theme";
/// The row of the page template, as its `body`.
pub const PAGE_TEMPLATE: &str = "branding.universal-login";
/// The rows of the tenant's own texts begin so, and end with the language.
pub const TEXTS: &str = "prompts.custom-text.";

/// How a tenant's pages look and what they say.
#[derive(Clone, Debug, Default)]
pub struct Look {
    /// `GET /branding`.
    pub branding: Document,
    /// `GET /branding/themes/default`, if there is one.
    pub theme: Option<Document>,
    /// The tenant's own frame around the pages.
    pub template: Option<Arc<str>>,
    /// The tenant's own texts by language: prompt, screen, key.
    pub texts: BTreeMap<String, Arc<Map<String, Value>>>,
    /// `GET /tenants/settings`.
    pub tenant: TenantSettings,
}

impl Look {
    /// Returns the tenant's own texts of a language, or of the language that it is a variant of.
    pub fn texts_of(&self, locale: &str) -> Option<Arc<Map<String, Value>>> {
        let language = locale.split('-').next().unwrap_or(locale);
        self.texts.get(locale).or_else(|| self.texts.get(language)).cloned()
    }
}

/// Reads it.
pub async fn load(conn: &mut Conn) -> Result<Look, DbError> {
    let mut look = Look { tenant: settings::tenant(conn).await?, ..Look::default() };
    for row in conn.fetch_all(FIND, values![BRANDING, THEME, PAGE_TEMPLATE, TEXTS]).await? {
        let name: String = row.get("name")?;
        let data: Document = row.json("data")?;
        match name.as_str() {
            BRANDING => look.branding = data,
            THEME => look.theme = Some(data),
            PAGE_TEMPLATE => look.template = data.filled("body").map(Arc::from),
            _ => {
                let language = name.strip_prefix(TEXTS).unwrap_or_default().to_owned();
                look.texts.insert(language, Arc::new(data.0));
            }
        }
    }
    Ok(look)
}

const FIND: &str =
    "select name, data from settings where name in ($1, $2, $3) or substr(name, 1, length($4)) = $4";

#[cfg(test)]
mod tests {
    use lockstep_core::time::Timestamp;
    use serde_json::json;

    use super::*;
    use crate::store::testing;

    #[tokio::test]
    async fn a_look_holds_what_belongs_to_pages_and_nothing_else() {
        for db in testing::databases().await {
            let now = Timestamp::from_secs(1_770_055_315);
            let mut tx = db.write().await.unwrap();
            for (name, data) in [
                (BRANDING, json!({"logo_url": "https://a.test/l.png"})),
                (PAGE_TEMPLATE, json!({"body": "<html>"})),
                ("prompts.custom-text.fr", json!({"login": {"login": {"title": "Bonjour"}}})),
                ("prompts.partials", json!({"login": {}})),
            ] {
                settings::save(&mut tx, name, &data, now).await.unwrap();
            }
            tx.commit().await.unwrap();
            let look = load(&mut db.read().await.unwrap()).await.unwrap();
            assert_eq!(look.branding.text("logo_url"), Some("https://a.test/l.png"));
            assert_eq!((look.theme, look.template.as_deref()), (None, Some("<html>")));
            assert_eq!(look.texts.keys().collect::<Vec<_>>(), ["fr"]);
            let look = load(&mut db.read().await.unwrap()).await.unwrap();
            assert_eq!(look.texts_of("fr-CA").unwrap()["login"]["login"]["title"], "Bonjour");
            assert!(look.texts_of("en").is_none());
        }
    }
}
