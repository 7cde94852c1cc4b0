//! The document that the API publishes about itself. That answers keep to it is checked by every debug build at every answer.

use lockstep::http::management::PREFIX;
use lockstep::http::management::spec::Takes;
use lockstep::http::management::table::TABLE;
use lockstep_core::model::management_scopes::OF_USER_TOKENS;
use serde_json::{Value, json};

use super::walk::path_of;
use super::{AUDIENCE, token};
use crate::support::TestApp;

#[tokio::test]
async fn it_names_every_route_with_its_scopes_and_needs_no_token() {
    let app = TestApp::new().await;
    let answer = app.get(&format!("{PREFIX}/openapi.json")).await;
    assert_eq!(answer.status, 200);
    let document = answer.json();
    assert_eq!(document["openapi"], "3.1.0");
    let mut ids: Vec<&str> = Vec::new();
    for route in TABLE {
        let operation = &document["paths"][route.path][route.method.to_lowercase()];
        assert_eq!(operation["summary"], route.title, "{} {}", route.method, route.path);
        let scopes: Vec<&str> = operation["security"]
            .as_array()
            .unwrap()
            .iter()
            .flat_map(|way| way["token"].as_array().unwrap())
            .map(|scope| scope.as_str().unwrap())
            .collect();
        assert_eq!(scopes, route.scopes.names(), "{} {}", route.method, route.path);
        ids.push(operation["operationId"].as_str().unwrap());
    }
    ids.sort_unstable();
    let all = ids.len();
    ids.dedup();
    assert_eq!(ids.len(), all, "an operationId stands twice");
}

/// A value that no schema but the one of everything accepts.
fn wrong(schema: &Value) -> Option<Value> {
    let any_of = schema["anyOf"].as_array().cloned().unwrap_or_default();
    let types: Vec<&str> = any_of.iter().chain([schema]).filter_map(|s| s["type"].as_str()).collect();
    if types.is_empty() {
        return None;
    }
    Some(if types.contains(&"string") { json!({"no": "text"}) } else { json!("neither") })
}

#[tokio::test]
async fn the_bodies_it_tells_are_the_bodies_that_are_checked() {
    let app = TestApp::new().await.with_apps().await;
    let ana = app.user("ana@example.com").await;
    let full = token(&app, &[]).await;
    // What only people's own tokens may.
    let own = [("audience", AUDIENCE), ("scope", &*OF_USER_TOKENS.join(" "))];
    let own =
        app.log_in(&mut app.browser(), &ana, &own).await.answer["access_token"].as_str().unwrap().to_owned();
    let mut checked = 0;
    for route in TABLE {
        let of_people = route.scopes.names().iter().all(|scope| OF_USER_TOKENS.contains(scope));
        let token = if of_people { &own } else { &full };
        let (schema, expected): (Value, &dyn Fn(Value) -> Option<String>) = match route.spec.takes {
            Takes::Object(schema) => {
                (schema.to_json_schema(), &move |body| schema.check(Some(body)).err().map(|e| e.message))
            }
            Takes::Value(kind) => {
                (kind.to_json_schema(), &move |body| kind.check(Some(body)).err().map(|e| e.message))
            }
            Takes::Nothing | Takes::Form(_) => continue,
        };
        // The smallest body with one wrong property is refused in the very words of the schema.
        let properties = schema["properties"].as_object().cloned().unwrap_or_default();
        let mut bodies = vec![json!(7)];
        bodies.extend(properties.iter().filter_map(|(name, one)| Some(json!({name: wrong(one)?}))));
        for body in bodies {
            let path = path_of(route.path);
            let answer = app.json(route.method, &path, Some(token), Some(body.clone())).await;
            let told = answer.json();
            let name = format!("{} {} {body}", route.method, route.path);
            let refused = expected(body);
            assert!(refused.is_some(), "{name}: the schema accepts it");
            assert_eq!(
                (answer.status.as_u16(), told["message"].as_str()),
                (400, refused.as_deref()),
                "{name}: {told}"
            );
            checked += 1;
        }
    }
    assert!(checked > 150, "only {checked} bodies were refused");
}
