//! What we say about ourselves, and who may read answers from a web page.

use http::Request;
use lockstep_engine::store::outbox;
use serde_json::json;

use crate::management::token;
use crate::support::TestApp;

#[tokio::test]
async fn links_come_from_configuration_and_not_from_the_request() {
    let app = TestApp::new().await.with_apps().await;
    for (name, value) in [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
        ("x-forwarded-proto", "http"),
        ("auth0-custom-domain", "evil.example"),
        ("host", "lockstep.test@evil.example"),
    ] {
        let request = Request::get("/.well-known/openid-configuration").header(name, value);
        let answer = app.send(request.body("".into()).unwrap()).await;
        let document = answer.json();
        assert_eq!(document["issuer"], "https://lockstep.test/", "{name}: {value}");
        assert!(!answer.body.contains("evil"), "{name}: {value}");
    }
    // The absolute form of a request's target, and two Host headers.
    let absolute = Request::get("http://evil.example/.well-known/openid-configuration");
    let doubled = Request::get("/.well-known/openid-configuration").header("host", "lockstep.test");
    for request in [absolute, doubled.header("host", "evil.example")] {
        let answer = app.send(request.body("".into()).unwrap()).await;
        assert!(!answer.body.contains("evil"), "{}", answer.body);
        assert!(answer.status.is_client_error() || answer.json()["issuer"] == "https://lockstep.test/");
    }
}

#[tokio::test]
async fn links_in_mails_come_from_configuration_too() {
    for (name, value) in [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
        ("x-forwarded-proto", "http"),
        ("auth0-custom-domain", "evil.example"),
        ("host", "lockstep.test@evil.example"),
    ] {
        let app = TestApp::new().await.with_apps().await;
        app.user("ana@example.com").await;
        let mut browser = app.browser();
        browser.send_header(name, value);
        browser.authorize(&[]).await;
        let state = browser.query("state").unwrap();
        browser
            .goto(&format!("/u/reset-password/request/Username-Password-Authentication?state={state}"))
            .await;
        browser.submit(&[("email", "ana@example.com")]).await;
        let ticket = Request::post("http://evil.example/api/v2/guardian/enrollments/ticket")
            .header(name, value)
            .header("authorization", format!("Bearer {}", token(&app, &[]).await))
            .header("content-type", "application/json");
        let body = json!({"user_id": "auth0|ana", "send_mail": true});
        let answer = app.send(ticket.body(body.to_string().into()).unwrap()).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        assert!(answer.json()["ticket_url"].as_str().unwrap().starts_with("https://lockstep.test/"));
        let mut conn = app.app.db().read().await.unwrap();
        let mails = outbox::list(&mut conn, 10).await.unwrap();
        assert_eq!(mails.len(), 2, "{name}: {value}");
        for mail in mails {
            let text = format!("{}{}", mail.message.text, mail.message.html.unwrap_or_default());
            assert!(text.contains("https://lockstep.test/") && !text.contains("evil"), "{name}: {value}");
        }
    }
}

#[tokio::test]
async fn the_document_and_its_alias_name_what_is_there() {
    let app = TestApp::new().await.with_apps().await;
    let document = app.get("/.well-known/openid-configuration").await.json();
    assert_eq!(document, app.get("/.well-known/oauth-authorization-server").await.json());
    assert_eq!(
        document["acr_values_supported"][0],
        "http://schemas.openid.net/pape/policies/2007/06/multi-factor"
    );
    for endpoint in
        ["authorization_endpoint", "token_endpoint", "userinfo_endpoint", "jwks_uri", "end_session_endpoint"]
    {
        let path =
            document[endpoint].as_str().unwrap().strip_prefix("https://lockstep.test").unwrap().to_owned();
        assert_ne!(app.get(&path).await.status, 404, "{endpoint}");
    }
    let keys = app.get("/.well-known/jwks.json").await.json();
    for key in keys["keys"].as_array().unwrap() {
        assert_eq!((&key["kty"], &key["use"], &key["alg"]), (&"RSA".into(), &"sig".into(), &"RS256".into()));
        assert!(
            key["kid"].is_string()
                && key["n"].is_string()
                && key["x5c"][0].is_string()
                && key.get("d").is_none()
        );
    }
}

#[tokio::test]
async fn a_page_of_a_known_origin_may_read_tokens_and_another_may_not() {
    let app = TestApp::new().await.with_apps().await;
    for (origin, allowed) in [("https://app.example", true), ("https://evil.example", false), ("null", false)]
    {
        let preflight = Request::options("/oauth/token")
            .header("host", "lockstep.test")
            .header("origin", origin)
            .header("access-control-request-method", "POST");
        let answer = app.send(preflight.body("".into()).unwrap()).await;
        assert_eq!(answer.header("access-control-allow-origin"), allowed.then_some(origin));
        assert_eq!(answer.header("access-control-allow-credentials"), None);
    }
}
