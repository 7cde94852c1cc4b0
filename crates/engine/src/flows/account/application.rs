//! The account page as an application: its own login goes through `/authorize` like any other, so that no way in goes round the decision
//! about MFA. It is in no list and has no secret; the code that its login ends with is redeemed by nobody.

use lockstep_core::env::Issuer;
use lockstep_core::ids::ClientId;
use lockstep_core::model::client::{Client, with_defaults};
use lockstep_core::model::connection::Connection;
use lockstep_core::time::Timestamp;
use serde_json::{Map, json};

use crate::store::db::{Conn, DbError};
use crate::store::search::{Filter, Slice};
use crate::store::{clients, connections, settings};

/// Its `client_id`.
pub const CLIENT_ID: &str = "lockstep-account";
/// Where it lives, without the leading slash.
pub const PATH: &str = "account";

/// Returns the application with this id: the account page, or one of the tenant's.
pub(in crate::flows) async fn find(
    conn: &mut Conn,
    issuer: &Issuer,
    id: &ClientId,
) -> Result<Option<Client>, DbError> {
    if id.as_str() != CLIENT_ID {
        return clients::find(conn, id).await;
    }
    let tenant = settings::tenant(conn).await?;
    let mut given = Map::new();
    given.insert("name".to_owned(), json!(tenant.friendly_name()));
    given.insert("app_type".to_owned(), json!("regular_web"));
    given.insert("callbacks".to_owned(), json!([issuer.url(PATH)]));
    given.insert("grant_types".to_owned(), json!(["authorization_code"]));
    given.insert("oidc_conformant".to_owned(), json!(true));
    given.insert("initiate_login_uri".to_owned(), json!(issuer.url(PATH)));
    Ok(Some(Client {
        id: id.clone(),
        data: with_defaults(given),
        secret: String::new().into(),
        created_at: Timestamp::from_secs(0),
        updated_at: Timestamp::from_secs(0),
    }))
}

/// Returns the connections that an application may use: the account page all, since whoever has an account has a page for it.
pub(in crate::flows) async fn connections_of(
    conn: &mut Conn,
    client: &ClientId,
) -> Result<Vec<Connection>, DbError> {
    if client.as_str() != CLIENT_ID {
        return connections::list_for_client(conn, client).await;
    }
    let all = Slice::Offset { start: 0, limit: 100 };
    Ok(connections::list(conn, &Filter::all(), &all).await?.0)
}
