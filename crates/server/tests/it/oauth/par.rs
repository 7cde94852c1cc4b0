//! Pushed authorization requests.

use lockstep_core::time::Span;

use crate::support::{CALLBACK, TestApp};

async fn push(app: &TestApp, more: &[(&str, &str)]) -> (u16, serde_json::Value) {
    let mut fields = vec![
        ("client_id", "web"),
        ("client_secret", "web-secret"),
        ("response_type", "code"),
        ("redirect_uri", CALLBACK),
        ("scope", "openid"),
        ("state", "st4te"),
    ];
    for (name, value) in more {
        fields.retain(|(n, _)| n != name);
        fields.push((name, value));
    }
    let answer = app.form("/oauth/par", &fields).await;
    (answer.status.as_u16(), answer.json())
}

#[tokio::test]
async fn a_pushed_request_is_good_once_for_its_client_and_for_thirty_seconds() {
    let app = TestApp::new().await.with_apps().await;
    let ana = app.user("ana@example.com").await;
    let (status, answer) = push(&app, &[]).await;
    assert_eq!((status, answer["expires_in"].as_i64()), (201, Some(30)));
    let uri = answer["request_uri"].as_str().unwrap().to_owned();
    assert!(uri.starts_with("urn:ietf:params:oauth:request_uri:"));
    let mut browser = app.browser();
    browser.goto(&format!("/authorize?client_id=spa&request_uri={uri}")).await;
    assert_eq!(browser.page.status, 400, "another client's");
    browser
        .goto(&format!("/authorize?client_id=web&request_uri={uri}&redirect_uri=https%3A%2F%2Fevil.example"))
        .await;
    browser.password(&ana).await;
    browser.back_with_code();
    browser.goto(&format!("/authorize?client_id=web&request_uri={uri}")).await;
    assert_eq!(browser.page.status, 400, "used");
    let late = push(&app, &[]).await.1["request_uri"].as_str().unwrap().to_owned();
    app.clock.advance(Span::seconds(31));
    browser.goto(&format!("/authorize?client_id=web&request_uri={late}")).await;
    assert_eq!(browser.page.status, 400, "expired");
}

#[tokio::test]
async fn what_authorize_would_refuse_is_refused_when_pushed() {
    let app = TestApp::new().await.with_apps().await;
    assert_eq!(push(&app, &[("redirect_uri", "https://evil.example/")]).await.0, 400);
    assert_eq!(push(&app, &[("client_secret", "wrong")]).await.1["error"], "invalid_client");
    assert_eq!(
        push(&app, &[("client_id", "spa"), ("client_secret", "")]).await.0,
        401,
        "public clients cannot push"
    );
    assert_eq!(push(&app, &[("request_uri", "urn:x")]).await.0, 400);
    let json = app.json("POST", "/oauth/par", None, Some(serde_json::json!({"client_id": "web"}))).await;
    assert_eq!(json.status, 400, "forms only");
}
