//! `lockstep init`: a machine client that may do everything in the Management API. Without one nobody could make any other.

use lockstep_core::env::Env;
use lockstep_core::ids::{ClientGrantId, ClientId};
use lockstep_core::model::client::{self, Client};
use lockstep_core::model::connection::DEFAULT_CONNECTION;
use lockstep_core::model::document::Document;
use lockstep_core::model::log_event::LogEvent;
use lockstep_core::model::management_scopes;
use lockstep_core::model::resource_server::ClientGrant;
use serde_json::{Map, json};
use zeroize::Zeroizing;

use crate::app::App;
use crate::store::db::DbError;
use crate::store::{client_grants, clients, connections, meta};

/// A new client; its secret is shown once.
#[derive(Debug)]
pub struct NewClient {
    /// The client id.
    pub id: ClientId,
    /// The secret.
    pub secret: Zeroizing<String>,
}

/// Makes the first machine client; returns none if it was made before, unless `another` is wanted.
pub async fn create(
    app: &App,
    env: &mut Env,
    name: &str,
    another: bool,
) -> Result<Option<NewClient>, DbError> {
    let mut tx = app.db().write().await?;
    if !meta::create(&mut tx, "first_client", &env.now.to_iso()).await? && !another {
        return Ok(None);
    }
    let mut given = Map::new();
    given.insert("name".to_owned(), json!(name));
    given.insert("app_type".to_owned(), json!("non_interactive"));
    given.insert("grant_types".to_owned(), json!(["client_credentials"]));
    given.insert("token_endpoint_auth_method".to_owned(), json!("client_secret_post"));
    given.insert("oidc_conformant".to_owned(), json!(true));
    let client = Client {
        id: ClientId::new(env.rng()),
        data: client::with_defaults(given),
        secret: Zeroizing::new(env.rng().url_safe(64)),
        created_at: env.now,
        updated_at: env.now,
    };
    let mut data = Document::default();
    data.set("scope", management_scopes::all().collect::<Vec<_>>());
    let grant = ClientGrant {
        id: ClientGrantId::new(env.rng()),
        client: client.id.clone(),
        audience: env.issuer.management_audience(),
        subject_type: "client".to_owned(),
        data,
        created_at: env.now,
    };
    clients::create(&mut tx, &client).await?;
    client_grants::create(&mut tx, &grant).await?;
    // Official tools make no users in a connection that no application uses.
    if let Some(connection) = connections::find_by_name(&mut tx, DEFAULT_CONNECTION).await? {
        connections::enable_client(&mut tx, &connection.id, &client.id).await?;
    }
    let event = LogEvent::new("sapi", "Create a client").client(&client.id, client.name());
    app.logs().insert(&mut tx, env, &event).await?;
    tx.commit().await?;
    Ok(Some(NewClient { id: client.id, secret: client.secret }))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use lockstep_core::env::Issuer;
    use lockstep_core::time::SystemClock;

    use super::*;
    use crate::app::new_master_keys;
    use crate::config::Config;
    use crate::store::db::Db;

    #[tokio::test]
    async fn the_first_client_is_made_once_and_another_only_on_request() {
        let db = Db::memory(new_master_keys()).await.unwrap();
        let config = Config::new(Issuer::parse("https://login.example.org/").unwrap());
        let app = App::open(config, db, Arc::new(SystemClock)).await.unwrap();
        let first = create(&app, &mut app.env(), "Admin", false).await.unwrap().unwrap();
        assert!(create(&app, &mut app.env(), "Admin", false).await.unwrap().is_none());
        let second = create(&app, &mut app.env(), "Admin", true).await.unwrap().unwrap();
        assert_ne!(first.id, second.id);
        assert_eq!(first.secret.len(), 64);
    }
}
