//! The APIs that tokens may be for: those of the tenant, and the MFA API, which is always there.

use std::sync::Arc;

use lockstep_core::env::Issuer;
use lockstep_core::ids::ResourceServerId;
use lockstep_core::model::resource_server::{ResourceServer, with_defaults};
use lockstep_core::time::Timestamp;
use serde_json::{Map, json};

use crate::app::App;
use crate::store::db::{Conn, DbError};

/// Returns the API of an audience.
pub(super) async fn find(
    app: &App,
    conn: &mut Conn,
    issuer: &Issuer,
    audience: &str,
) -> Result<Option<Arc<ResourceServer>>, DbError> {
    if audience == issuer.mfa_audience() {
        return Ok(Some(Arc::new(mfa_api(issuer))));
    }
    app.catalog().api_in(conn, audience).await
}

/// The MFA API: not configurable, and in no list (contract/mfa-api.md 3.2).
fn mfa_api(issuer: &Issuer) -> ResourceServer {
    let mut data = with_defaults(Map::new());
    data.set("name", "MFA API");
    data.set("allow_offline_access", true);
    data.set("skip_consent_for_verifiable_first_party_clients", true);
    let scope = |value: &str, description: &str| json!({"value": value, "description": description});
    data.set(
        "scopes",
        json!([
            scope("enroll", "Set up a second step for your account"),
            scope("read:authenticators", "See the second steps of your account"),
            scope("remove:authenticators", "Remove second steps from your account"),
        ]),
    );
    ResourceServer {
        id: ResourceServerId::trusted("mfa-api"),
        identifier: issuer.mfa_audience(),
        data,
        created_at: Timestamp::from_secs(0),
        updated_at: Timestamp::from_secs(0),
    }
}
