//! The first start: what every tenant has (contract/tools-needs.md 0.4).

use lockstep_core::env::Env;
use lockstep_core::ids::{ClientId, ConnectionId, ResourceServerId};
use lockstep_core::model::client::{self, Client};
use lockstep_core::model::connection::{Connection, DEFAULT_CONNECTION, default_options};
use lockstep_core::model::document::Document;
use lockstep_core::model::resource_server::{self, ResourceServer};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

use crate::app::StartError;
use crate::keyring;
use crate::store::db::{Conn, Db, DbError};
use crate::store::{clients, connections, keys, meta, resource_servers};

/// Makes the signing keys, the Management API, the global client and the default connection, all or nothing, once.
pub async fn run(db: &Db, env: &mut Env) -> Result<(), StartError> {
    let mut tx = db.write().await?;
    if !meta::create(&mut tx, "first_start", &env.now.to_iso()).await? {
        return Ok(());
    }
    if keys::list_all(&mut tx).await?.is_empty() {
        let now = env.now;
        keyring::create_first(&mut tx, env.rng(), now).await?;
    }
    resource_servers::create(&mut tx, &management_api(env)).await?;
    clients::create(&mut tx, &global_client(env)).await?;
    create_default_connection(&mut tx, env).await?;
    tx.commit().await?;
    Ok(())
}

fn management_api(env: &mut Env) -> ResourceServer {
    let scopes: Vec<Value> = lockstep_core::model::management_scopes::all()
        .map(|scope| json!({"value": scope, "description": lockstep_core::model::management_scopes::description(&scope)}))
        .collect();
    let mut data = resource_server::with_defaults(Map::new());
    data.set("name", "Auth0 Management API");
    data.set("is_system", true);
    data.set("scopes", scopes);
    ResourceServer {
        id: ResourceServerId::new(env.rng()),
        identifier: env.issuer.management_audience(),
        data,
        created_at: env.now,
        updated_at: env.now,
    }
}

fn global_client(env: &mut Env) -> Client {
    let mut data = client::with_defaults(Map::new());
    data.set("name", "All Applications");
    data.set("global", true);
    data.set("callbacks", json!([]));
    data.set("cross_origin_authentication", true);
    data.set("oidc_conformant", true);
    data.set("sso", false);
    data.set("jwt_configuration", json!({"alg": "RS256", "secret_encoded": false}));
    data.set("grant_types", json!([]));
    Client {
        id: ClientId::new(env.rng()),
        data,
        secret: Zeroizing::new(env.rng().url_safe(64)),
        created_at: env.now,
        updated_at: env.now,
    }
}

async fn create_default_connection(tx: &mut Conn, env: &mut Env) -> Result<(), DbError> {
    let mut data = Document::default();
    data.set("strategy", "auth0");
    data.set("is_domain_connection", false);
    data.set("authentication", json!({"active": true}));
    data.set("connected_accounts", json!({"active": false}));
    data.set("realms", json!([DEFAULT_CONNECTION]));
    data.set("options", default_options());
    let connection = Connection {
        id: ConnectionId::new(env.rng()),
        name: DEFAULT_CONNECTION.to_owned(),
        data,
        created_at: env.now,
        updated_at: env.now,
    };
    connections::create(tx, &connection).await
}
