//! Loads what [`lockstep_core::doctor`] looks at.

use lockstep_core::doctor::{self, CredentialFacts, Facts, Finding};
use lockstep_core::model::document::Document;
use lockstep_core::time::Timestamp;

use super::management::emails;
use crate::app::App;
use crate::providers::phone::PhoneProvider;
use crate::store::db::DbError;
use crate::store::{actions, clients, credentials, keys, settings};
use crate::worker::delivery::{self, PHONE_PROVIDERS};

/// Whether messages leave the server, or stay where the twin shows them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outbox {
    /// Providers carry them.
    Sent,
    /// The twin shows them.
    Shown,
}

/// Examines the tenant; the worst comes first.
pub async fn examine(app: &App, outbox: Outbox) -> Result<Vec<Finding>, DbError> {
    let now = app.env().now;
    let mut conn = app.db().read().await?;
    let guardian = settings::guardian(&mut conn).await?;
    let branded: Vec<Document> = settings::find_sealed(&mut conn, PHONE_PROVIDERS).await?.unwrap_or_default();
    let mail: Option<Document> = settings::find_sealed(&mut conn, emails::SETTING).await?;
    let providers = &app.config().providers;
    let (mut phone_trouble, mut mail_trouble) = (None, None);
    if outbox == Outbox::Sent {
        if let PhoneProvider::Nobody(why) = PhoneProvider::choose(&branded, &guardian, providers, now) {
            phone_trouble = Some(why);
        }
        mail_trouble = delivery::mail_trouble(app, mail.as_ref());
    }
    let all = clients::list_all(&mut conn).await?;
    let mut dated = Vec::new();
    for client in &all {
        for credential in credentials::list_of_client(&mut conn, &client.id).await? {
            let Some(expires_at) = credential.data.text("expires_at").and_then(Timestamp::parse_iso) else {
                continue;
            };
            let name = credential.data.text("name").map_or_else(|| credential.id.to_string(), str::to_owned);
            dated.push(CredentialFacts { client_name: client.name().to_owned(), name, expires_at });
        }
    }
    let signing = keys::list_all(&mut conn).await?;
    let previous = signing.iter().filter_map(|key| key.rotated_at).max();
    let current = signing.iter().find(|key| key.state == "current");
    let bound = actions::list_all_bound(&mut conn).await?;
    let facts = Facts {
        phone_trouble,
        mail_trouble,
        credentials: dated,
        // It became the current one when the one before it stepped down, or was made as such.
        signing_key_since: current.map(|key| previous.map_or(key.created_at, |at| at.max(key.created_at))),
        next_signing_key: signing.iter().any(|key| key.state == "next"),
        metadata_overdue: app
            .config()
            .key_models
            .as_ref()
            .and_then(|models| models.overdue(now).map(str::to_owned)),
        bound_actions: bound.into_iter().map(|(trigger, name)| format!("{name} ({trigger})")).collect(),
        guardian,
        clients: all,
    };
    Ok(doctor::examine(&facts, now))
}
