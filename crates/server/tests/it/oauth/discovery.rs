//! What we say about ourselves, and who may read answers from a web page.

use http::Request;

use crate::support::TestApp;

#[tokio::test]
async fn links_come_from_configuration_and_not_from_the_request() {
    let app = TestApp::new().await.with_apps().await;
    for (name, value) in [
        ("host", "evil.example"),
        ("x-forwarded-host", "evil.example"),
        ("forwarded", "host=evil.example"),
        ("x-forwarded-proto", "http"),
        ("host", "lockstep.test@evil.example"),
    ] {
        let request = Request::get("/.well-known/openid-configuration").header(name, value);
        let answer = app.send(request.body("".into()).unwrap()).await;
        let document = answer.json();
        assert_eq!(document["issuer"], "https://lockstep.test/", "{name}: {value}");
        assert!(!answer.body.contains("evil"), "{name}: {value}");
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
