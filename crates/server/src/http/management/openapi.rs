//! The API's own OpenAPI document, made from the table of routes: what is served, who may call it, what it takes and gives.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use axum::response::{IntoResponse as _, Response};
use http::header::{CACHE_CONTROL, CONTENT_TYPE};
use lockstep_engine::flows::management::access::Scopes;
use serde_json::{Map, Value, json};

use super::spec::{Gives, Paging, Param, Spec, Takes};
use super::table::{Route, TABLE};

static DOCUMENT: LazyLock<String> = LazyLock::new(|| document().to_string());

/// Answers `GET /api/v2/openapi.json`. It says nothing about the tenant, so it asks for no token.
pub(super) async fn serve() -> Response {
    let headers = [(CONTENT_TYPE, "application/json; charset=utf-8"), (CACHE_CONTROL, "public, max-age=300")];
    (headers, DOCUMENT.as_str()).into_response()
}

/// Returns the document (OpenAPI 3.1).
pub fn document() -> Value {
    let mut paths: Map<String, Value> = Map::new();
    let mut scopes: BTreeMap<&str, &str> = BTreeMap::new();
    for route in TABLE {
        for scope in route.scopes.names() {
            scopes.insert(scope, "");
        }
        let path =
            paths.entry(route.path).or_insert_with(|| json!({"parameters": path_parameters(route.path)}));
        path[route.method.to_lowercase()] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Lockstep Management API",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Configures a tenant and its users, in the wire format of Auth0's Management API v2. \
                            Made from the server's own table of routes.",
        },
        "servers": [{"url": super::PREFIX}],
        "paths": paths,
        "components": {
            "schemas": {"Error": error_schema()},
            "securitySchemes": {"token": {
                "type": "oauth2",
                "description": "An access token for the audience `https://DOMAIN/api/v2/`.",
                "flows": {"clientCredentials": {"tokenUrl": "/oauth/token", "scopes": scopes}},
            }},
        },
    })
}

fn operation(route: &Route) -> Value {
    let mut operation = json!({
        "operationId": operation_id(route),
        "summary": route.title,
        "tags": [route.path.split('/').nth(1).unwrap_or_default()],
        "security": security(&route.scopes),
        "parameters": query_parameters(&route.spec),
        "responses": responses(route),
    });
    match route.spec.takes {
        Takes::Nothing => {}
        Takes::Object(schema) => operation["requestBody"] = json_body(schema.to_json_schema()),
        Takes::Value(kind) => operation["requestBody"] = json_body(kind.to_json_schema()),
        Takes::Form(parts) => {
            let properties: Map<String, Value> =
                parts.iter().map(|part| ((*part).to_owned(), json!({"type": "string"}))).collect();
            operation["requestBody"] = json!({
                "required": true,
                "content": {"multipart/form-data": {"schema": {"type": "object", "properties": properties}}}
            });
        }
    }
    operation
}

fn json_body(schema: Value) -> Value {
    json!({"required": true, "content": {"application/json": {"schema": schema}}})
}

/// `GET /users/{id}/roles` is `get_users_id_roles`.
fn operation_id(route: &Route) -> String {
    let path: String = route.path.chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '_' }).collect();
    let words: Vec<&str> = path.split('_').filter(|word| !word.is_empty()).collect();
    format!("{}_{}", route.method.to_lowercase(), words.join("_"))
}

/// Each entry is one way to be allowed.
fn security(scopes: &Scopes) -> Value {
    let ways: Vec<Vec<&str>> = match scopes {
        Scopes::Any(names) => names.iter().map(|name| vec![*name]).collect(),
        Scopes::AllOr(all, others) => {
            std::iter::once(all.to_vec()).chain(others.iter().map(|name| vec![*name])).collect()
        }
    };
    ways.into_iter().map(|way| json!({"token": way})).collect()
}

fn path_parameters(path: &str) -> Value {
    let names = path.split('/').filter_map(|part| part.strip_prefix('{').and_then(|p| p.strip_suffix('}')));
    names
        .map(|name| json!({"name": name, "in": "path", "required": true, "schema": {"type": "string", "minLength": 1}}))
        .collect()
}

fn query_parameters(spec: &Spec) -> Value {
    let parameter =
        |name: &str, schema: Value| json!({"name": name, "in": "query", "required": false, "schema": schema});
    let text = json!({"type": "string"});
    let flag = json!({"type": "boolean"});
    let mut all = Vec::new();
    if matches!(spec.paging, Paging::Offset | Paging::Both) {
        all.push(parameter("page", json!({"type": "integer", "minimum": 0, "maximum": u32::MAX})));
        all.push(parameter("per_page", json!({"type": "integer", "minimum": 1, "maximum": 100})));
        all.push(parameter("include_totals", flag.clone()));
    }
    if matches!(spec.paging, Paging::Checkpoint | Paging::Both) {
        all.push(parameter("from", text.clone()));
        all.push(parameter("take", json!({"type": "integer", "minimum": 1, "maximum": 100})));
    }
    if spec.fields {
        all.push(parameter("fields", text));
        all.push(parameter("include_fields", flag));
    }
    all.extend(spec.query.iter().map(|Param { name, kind, required }| {
        json!({"name": name, "in": "query", "required": required, "schema": kind.to_json_schema()})
    }));
    Value::Array(all)
}

fn responses(route: &Route) -> Value {
    let mut all = Map::new();
    for status in route.spec.statuses {
        let mut response = json!({"description": phrase(*status)});
        if let Some(schema) = success_schema(&route.spec).filter(|_| *status != 204) {
            response["content"] = json!({"application/json": {"schema": schema}});
        }
        all.insert(status.to_string(), response);
    }
    for status in route.spec.failures(route.method) {
        let content = json!({"application/json": {"schema": {"$ref": "#/components/schemas/Error"}}});
        all.insert(status.to_string(), json!({"description": phrase(status), "content": content}));
    }
    Value::Object(all)
}

fn phrase(status: u16) -> String {
    let status = http::StatusCode::from_u16(status).ok();
    status.and_then(|s| s.canonical_reason()).unwrap_or_default().to_owned()
}

fn success_schema(spec: &Spec) -> Option<Value> {
    let rows = json!({"type": "array", "items": {"type": "object"}});
    let envelope = |key: &str| {
        json!({
            "type": "object", "required": [key],
            "properties": {
                key: rows, "start": {"type": "integer"}, "limit": {"type": "integer"}, "length": {"type": "integer"},
                "total": {"type": "integer"}, "page": {"type": "integer"}, "per_page": {"type": "integer"},
                "next": {"type": "string", "minLength": 1}
            }
        })
    };
    match spec.gives {
        Gives::Nothing | Gives::Perhaps => None,
        Gives::Object => Some(json!({"type": "object"})),
        Gives::Number => Some(json!({"type": "number"})),
        Gives::Rows => Some(json!({"type": "array"})),
        Gives::List(key) => Some(json!({"anyOf": [rows, envelope(key)]})),
        Gives::Envelope(key) => Some(envelope(key)),
    }
}

fn error_schema() -> Value {
    json!({
        "type": "object", "required": ["statusCode", "error", "message"],
        "properties": {
            "statusCode": {"type": "integer"}, "error": {"type": "string"}, "message": {"type": "string"},
            "errorCode": {"type": "string"}
        }
    })
}
