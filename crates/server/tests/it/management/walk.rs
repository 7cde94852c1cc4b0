//! Every route of the table, tried with no token, a token without the scope, and one for another audience.

use lockstep::http::management::table::TABLE;
use serde_json::json;

use super::{machine, token};
use crate::support::{API, TestApp};

/// Fills the parameters of a path with something well-formed.
pub(super) fn path_of(path: &str) -> String {
    let filled = path
        .replace("/users/{id}", "/users/auth0%7Cana")
        .replace("{name}", "otp")
        .replace("{provider}", "guardian")
        .replace("{user_id}", "x")
        .replace("{method}", "totp%7Cdev_0000000000000000")
        .replace("{credential}", "cred_0000000000000000000000")
        .replace("{version}", "x")
        .replace("{kid}", "x")
        .replace("{trigger}", "post-login")
        .replace("{prompt}", "login")
        .replace("{screen}", "login")
        .replace("{language}", "en")
        .replace("{theme}", "default")
        .replace("{domain}", "cd_0000000000000001")
        .replace("{ip}", "203.0.113.9")
        .replace("{id}", "x");
    assert!(!filled.contains('{'), "fill the parameters of {filled}");
    format!("/api/v2{filled}")
}

#[tokio::test]
async fn no_route_answers_without_a_token_of_its_scope_and_audience() {
    let app = TestApp::new().await.with_apps().await;
    let weak = token(&app, &["read:insights"]).await;
    app.grant("web", API, &["read:a"]).await;
    let foreign = machine(&app, "web", API).await;
    assert!(TABLE.len() > 90, "the table has {} routes", TABLE.len());
    for route in TABLE {
        let path = path_of(route.path);
        let body = (route.method != "GET").then(|| json!({}));
        let name = format!("{} {}", route.method, route.path);
        let none = app.json(route.method, &path, None, body.clone()).await;
        assert_eq!(
            (none.status.as_u16(), none.json()["message"].as_str()),
            (401, Some("Missing authentication")),
            "{name}"
        );
        let other = app.json(route.method, &path, Some(&foreign), body.clone()).await;
        assert_eq!(
            (other.status.as_u16(), other.json()["message"].as_str()),
            (401, Some("Invalid token")),
            "{name}"
        );
        let lacking = app.json(route.method, &path, Some(&weak), body).await;
        let told = lacking.json();
        assert_eq!(
            (lacking.status.as_u16(), told["errorCode"].as_str()),
            (403, Some("insufficient_scope")),
            "{name}"
        );
        let expected = format!("Insufficient scope, expected any of: {}", route.scopes.names().join(","));
        assert_eq!(told["message"], expected, "{name}");
    }
}

#[tokio::test]
async fn every_scope_that_a_route_asks_for_can_be_granted() {
    let listed: Vec<String> = lockstep_core::model::management_scopes::all().collect();
    for route in TABLE {
        for scope in route.scopes.names() {
            let of_users = scope.contains("current_user");
            assert!(
                of_users || listed.iter().any(|s| s == scope),
                "{scope} of {} {}",
                route.method,
                route.path
            );
        }
    }
}

#[tokio::test]
async fn no_route_answers_500_to_a_full_token_and_an_odd_body() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    let full = token(&app, &[]).await;
    for route in TABLE {
        let path = path_of(route.path);
        let bodies = [
            json!({}),
            json!([]),
            json!({"__proto__": 1}),
            json!([{"x": 1}]),
            json!("text"),
            json!({"name": {"$gt": ""}}),
        ];
        for body in bodies {
            let body = (route.method != "GET").then_some(body);
            let answer = app.json(route.method, &path, Some(&full), body.clone()).await;
            let status = answer.status.as_u16();
            assert!(
                status < 500 || route.spec.errors.contains(&status),
                "{} {} {body:?}: {}",
                route.method,
                route.path,
                answer.body
            );
            assert!(answer.header("x-ratelimit-reset").is_some(), "{} {}", route.method, route.path);
        }
    }
}
