//! Bodies that mean harm, at every route that takes one.

use std::time::Duration;

use lockstep::http::management::table::TABLE;
use serde_json::{Value, json};

use super::walk::path_of;
use super::{admin, token};
use crate::support::TestApp;

#[tokio::test]
async fn huge_deep_and_odd_bodies_are_refused_at_every_route_and_cost_nothing() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    let full = format!("Bearer {}", token(&app, &[]).await);
    let bodies = [
        ("deep", format!("{}1{}", "{\"a\":[".repeat(50_000), "]}".repeat(50_000))),
        ("huge", format!("{{\"name\":\"{}\"}}", "a".repeat(2 * 1024 * 1024))),
        ("many", format!("{{{}\"z\":1}}", (0..50_000).map(|n| format!("\"k{n}\":1,")).collect::<String>())),
        ("number", "{\"name\":1e400,\"x\":123456789012345678901234567890}".to_owned()),
        ("surrogate", "{\"name\":\"\\ud800\"}".to_owned()),
        ("twice", "{\"name\":\"a\",\"name\":\"b\"}".to_owned()),
        ("half", "{\"name\":".to_owned()),
        ("bytes", "\u{feff}{}".to_owned()),
    ];
    for route in TABLE.iter().filter(|route| route.method != "GET") {
        for (what, body) in &bodies {
            let request = http::Request::builder()
                .method(route.method)
                .uri(path_of(route.path))
                .header("host", "lockstep.test")
                .header("authorization", &full)
                .header("content-type", "application/json")
                .body(body.clone().into())
                .unwrap();
            let name = format!("{} {} {what}", route.method, route.path);
            let answer = tokio::time::timeout(Duration::from_secs(5), app.send(request)).await;
            let answer = answer.unwrap_or_else(|_| panic!("{name} takes too long"));
            let status = answer.status.as_u16();
            // A route that takes no body does not look at one.
            let known = status < 500 || route.spec.errors.contains(&status);
            assert!(known, "{name}: {status} {}", answer.body);
            assert!(
                answer.body.len() < 4096 || status < 300,
                "{name} is echoed: {} bytes",
                answer.body.len()
            );
            if status >= 400 {
                assert_eq!(answer.json()["statusCode"], status, "{name}: {}", answer.body);
            }
        }
    }
}

#[tokio::test]
async fn control_characters_are_refused_or_stored_and_never_break_a_list() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    for (path, body) in [
        ("/roles", json!({"name": "a\u{0}b"})),
        ("/clients", json!({"name": "a\u{0}b"})),
        ("/resource-servers", json!({"name": "a\u{0}b", "identifier": "https://a\u{0}b/"})),
        ("/connections", json!({"name": "a\u{0}b", "strategy": "auth0"})),
        (
            "/actions/actions",
            json!({"name": "a\u{0}b", "supported_triggers": [{"id": "post-login", "version": "v3"}]}),
        ),
        (
            "/users",
            json!({"connection": "Username-Password-Authentication", "email": "nul@example.com", "name": "a\u{0}b",
                   "password": "Pw-nul-1!", "user_metadata": {"a\u{0}b": "\u{0}"}}),
        ),
    ] {
        let (answer, told) = admin.call("POST", path, Some(body)).await;
        assert!(answer.status.as_u16() < 500, "{path}: {told}");
        admin.expect(200, "GET", path, None).await;
    }
    admin.expect(200, "GET", "/logs?per_page=100", None).await;
}

/// A path, what makes a resource there, and what it must not take.
type Case<'a> = (&'a str, Value, &'a [(&'a str, Value)]);

#[tokio::test]
async fn what_only_the_server_decides_of_a_resource_cannot_be_sent_along() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    let stolen = json!("stolen0000000000000000");
    let cases: [Case; 6] = [
        (
            "/clients",
            json!({"name": "NEW"}),
            &[
                ("client_id", stolen.clone()),
                ("global", json!(true)),
                ("tenant", json!("other")),
                ("signing_keys", json!([{"cert": "stolen"}])),
            ],
        ),
        (
            "/roles",
            json!({"name": "NEW"}),
            &[("id", json!("rol_0000000000000001")), ("users", json!(["auth0|ana"]))],
        ),
        (
            "/resource-servers",
            json!({"name": "NEW", "identifier": "https://NEW.example/"}),
            &[("id", stolen.clone()), ("is_system", json!(true)), ("client_id", stolen.clone())],
        ),
        (
            "/connections",
            json!({"name": "NEW", "strategy": "auth0"}),
            &[("id", json!("con_0000000000000001"))],
        ),
        (
            "/users",
            json!({"connection": "Username-Password-Authentication", "email": "NEW@example.com", "password": "Pw-new-1!"}),
            &[
                ("logins_count", json!(7)),
                ("last_login", json!("2020-01-01T00:00:00.000Z")),
                ("identities", json!([])),
                ("multifactor", json!(["guardian"])),
                ("created_at", json!("2020-01-01T00:00:00.000Z")),
            ],
        ),
        (
            "/client-grants",
            json!({"client_id": "web", "audience": crate::support::API, "scope": []}),
            &[("id", json!("cgr_0000000000000001"))],
        ),
    ];
    for (path, body, fields) in cases {
        for (n, (field, value)) in fields.iter().enumerate() {
            let text = body.to_string().replace("NEW", &format!("new{n}"));
            let mut body: Value = serde_json::from_str(&text).unwrap();
            body[*field] = value.clone();
            let (answer, told) = admin.call("POST", path, Some(body)).await;
            let status = answer.status.as_u16();
            assert!(
                status == 400 || (status == 201 || status == 200) && told[*field] != *value,
                "{path} takes {field}: {status} {told}"
            );
        }
    }
}
