//! Who may call, and with what.

use lockstep_core::time::Span;
use serde_json::json;

use super::{ALL, AUDIENCE, METHODS, account, refused, tenant};
use crate::support::{API, TestApp};

#[tokio::test]
async fn the_api_is_off_until_it_is_activated() {
    let app = TestApp::new().await.with_apps().await;
    let answer = app.json("GET", "/me/v1/factors", Some("a.b.c"), None).await;
    assert_eq!(answer.status, 404);
    assert!(answer.json()["detail"].as_str().unwrap().contains("not activated"), "{}", answer.body);
}

#[tokio::test]
async fn only_a_token_of_a_person_for_this_audience_opens_it() {
    let app = tenant(&["otp"]).await;
    let ana = app.user("ana@example.com").await;
    let own = account(&app, &ana, ALL, &[]).await;
    assert_eq!(own.call("GET", "/me/v1/factors", None).await.status, 200);
    let mut browser = app.browser();
    let other = app.log_in(&mut browser, &ana, &[("audience", API), ("scope", "openid read:a")]).await;
    let other = other.answer["access_token"].as_str().unwrap().to_owned();
    let mut forged = own.token.clone();
    forged.replace_range(forged.len() - 4.., "AAAA");
    for token in [None, Some("x"), Some(other.as_str()), Some(forged.as_str())] {
        let answer = app.json("GET", METHODS, token, None).await;
        refused(&answer, 401, "The access token is missing, expired or invalid");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
    }
    app.block(&ana, true).await;
    assert_eq!(own.call("GET", METHODS, None).await.status, 401, "a blocked user's token opens nothing");
    app.block(&ana, false).await;
    app.clock.advance(Span::days(2));
    assert_eq!(own.call("GET", METHODS, None).await.status, 401, "it has expired");
}

#[tokio::test]
async fn an_application_without_a_grant_gets_no_token_for_it() {
    let app = tenant(&["otp"]).await;
    let mut browser = app.browser();
    let asked = [
        ("audience", AUDIENCE),
        ("scope", ALL),
        ("client_id", "spa"),
        ("code_challenge", "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"),
        ("code_challenge_method", "S256"),
    ];
    browser.authorize(&asked).await;
    let (error, text) = browser.back_with_error();
    assert_eq!(error, "access_denied", "{text}");
    // Nor does a machine.
    let machine = app
        .form(
            "/oauth/token",
            &[
                ("grant_type", "client_credentials"),
                ("client_id", "web"),
                ("client_secret", "web-secret"),
                ("audience", AUDIENCE),
            ],
        )
        .await;
    assert_eq!(machine.status, 403, "{}", machine.body);
}

#[tokio::test]
async fn each_operation_asks_for_its_scope() {
    let app = tenant(&["otp"]).await;
    let ana = app.user("ana@example.com").await;
    let none = account(&app, &ana, "openid", &[]).await;
    let one = format!("{METHODS}/totp%7Cdev_0000000000000000");
    for (method, path, scope) in [
        ("GET", "/me/v1/factors", "read:me:factors"),
        ("GET", METHODS, "read:me:authentication_methods"),
        ("GET", &one, "read:me:authentication_methods"),
        ("POST", METHODS, "create:me:authentication_methods"),
        ("POST", &format!("{one}/verify"), "create:me:authentication_methods"),
        ("PATCH", &one, "update:me:authentication_methods"),
        ("DELETE", &one, "delete:me:authentication_methods"),
    ] {
        let body = (method != "GET").then(|| json!({"type": "totp"}));
        let answer = none.call(method, path, body).await;
        refused(&answer, 403, &format!("Insufficient scope, expected: {scope}"));
        assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"insufficient_scope\""));
    }
}

#[tokio::test]
async fn a_body_is_json_and_of_its_shape() {
    let app = tenant(&["otp", "sms"]).await;
    let ana = app.user("ana@example.com").await;
    let own = account(&app, &ana, ALL, &[]).await;
    let form = {
        let bearer = format!("Bearer {}", own.token);
        app.raw(METHODS, "application/x-www-form-urlencoded", "type=totp", Some(&bearer)).await
    };
    refused(&form, 415, "Send the body as application/json");
    for (body, field) in [
        (json!({}), ""),
        (json!([]), ""),
        (json!({"type": "carrier-pigeon"}), "type"),
        (json!({"type": "totp", "x": 1}), ""),
        (json!({"type": "phone"}), ""),
        (json!({"type": "phone", "phone_number": "12"}), "phone_number"),
        (
            json!({"type": "phone", "phone_number": "+12025550143", "preferred_authentication_method": "fax"}),
            "preferred_authentication_method",
        ),
        (json!({"type": "webauthn-roaming"}), "type"),
    ] {
        let answer = own.begin(body.clone()).await;
        refused(&answer, 400, "Invalid request body");
        let problem = &answer.json()["validation_errors"][0];
        assert_eq!(problem["field"], field, "{body} {}", answer.body);
        assert!(problem["detail"].is_string() && problem["source"] == "body");
    }
    let query = own.call("GET", &format!("{METHODS}?type=x"), None).await;
    assert_eq!(query.status, 400);
    let unknown = own.call("GET", "/me/v1/nothing", None).await;
    refused(&unknown, 404, "Not found");
}

#[tokio::test]
async fn the_sixth_change_of_a_moment_waits() {
    let app = tenant(&["otp"]).await;
    let ana = app.user("ana@example.com").await;
    let own = account(&app, &ana, ALL, &[]).await;
    for left in (0..5).rev() {
        let answer = app.json("POST", METHODS, Some(&own.token), Some(json!({"type": "totp"}))).await;
        assert_eq!(answer.status, 202, "{}", answer.body);
        assert_eq!(answer.header("x-ratelimit-remaining"), Some(left.to_string().as_str()));
    }
    let answer = app.json("POST", METHODS, Some(&own.token), Some(json!({"type": "totp"}))).await;
    refused(&answer, 429, "Too many requests");
    assert_eq!(answer.header("retry-after"), Some("12"));
    assert!(answer.header("x-auth0-error-kind").is_some());
    assert_eq!(app.json("GET", METHODS, Some(&own.token), None).await.status, 200, "questions are free");
}

#[tokio::test]
async fn a_page_of_an_application_may_call_and_read_the_location() {
    let app = tenant(&["otp"]).await;
    let request = http::Request::builder()
        .method("OPTIONS")
        .uri(METHODS)
        .header("origin", "https://app.example")
        .header("access-control-request-method", "POST")
        .body(axum::body::Body::empty())
        .unwrap();
    let answer = app.send(request).await;
    assert_eq!(answer.status, 204);
    assert_eq!(answer.header("access-control-allow-origin"), Some("https://app.example"));
    assert!(answer.header("access-control-expose-headers").is_some_and(|v| v.contains("Location")));
    assert!(answer.header("vary").is_some_and(|v| v.contains("Origin")));
}
