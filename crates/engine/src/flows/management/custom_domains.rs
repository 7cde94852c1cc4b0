//! Custom domains (contract/management-api.md 18, contract/tools-needs.md 0.5): a server has the one domain of its issuer, and no others.
//!
//! Some tools do nothing before they see a domain that is ready. The server's setting `expose_primary_domain` lists the issuer's host as
//! one; other tools then export a domain that they never made, so it is off by default.

use lockstep_core::codes::ManagementCode;
use serde_json::{Value, json};

use super::query::Query;
use super::validate::{Kind, Schema, nullable};
use super::{Call, Outcome};

/// The id of the issuer's domain.
const ID: &str = "cd_0000000000000001";

/// The body of a change, of which nothing is kept.
pub const PATCH: Schema = Schema::open(&[
    nullable("tls_policy", Kind::OneOf(&["recommended"])),
    nullable("custom_client_ip_header", Kind::Text(0, 64)),
]);

/// Lists the domain, or nothing.
pub fn list(call: &Call, query: &Query) -> Value {
    let all = Value::Array(exposed(call).into_iter().collect());
    let paged = ["take", "from", "q"].iter().any(|name| query.text(name).is_some());
    if paged { json!({"custom_domains": all}) } else { all }
}

/// Returns the domain that links are made with.
pub fn read_default(call: &Call) -> Value {
    json!({"domain": call.env.issuer.authority()})
}

/// Returns the domain of this id.
pub fn read(call: &Call, id: &str) -> Outcome {
    exposed(call).filter(|_| id == ID).ok_or_else(|| ManagementCode::NotFound.into())
}

/// Accepts what a tool exported, and changes nothing: the domain is the server's configuration.
pub fn update(call: &Call, id: &str, body: Option<Value>) -> Outcome {
    PATCH.check(body)?;
    read(call, id)
}

fn exposed(call: &Call) -> Option<Value> {
    call.app.config().expose_primary_domain.then(|| {
        json!({
            "custom_domain_id": ID, "domain": call.env.issuer.authority(), "primary": true, "status": "ready",
            "type": "self_managed_certs", "verification": {"methods": []}, "tls_policy": "recommended"
        })
    })
}
