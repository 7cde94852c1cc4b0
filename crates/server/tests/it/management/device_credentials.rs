//! Public keys of devices, and refresh tokens beside them.

use serde_json::{Value, json};

use super::{AUDIENCE, admin};
use crate::support::{Person, TestApp};

async fn own(app: &TestApp, person: &Person) -> String {
    let scope = "openid create:current_user_device_credentials delete:current_user_device_credentials";
    let mut browser = app.browser();
    let tokens = app.log_in(&mut browser, person, &[("audience", AUDIENCE), ("scope", scope)]).await;
    tokens.answer["access_token"].as_str().unwrap().to_owned()
}

async fn call(app: &TestApp, token: &str, method: &str, path: &str, body: Option<Value>) -> (u16, Value) {
    let answer = app.json(method, &format!("/api/v2/device-credentials{path}"), Some(token), body).await;
    let told = if answer.body.is_empty() { Value::Null } else { answer.json() };
    (answer.status.as_u16(), told)
}

fn key(device: &str) -> Value {
    json!({"device_name": "Till", "device_id": device, "type": "public_key", "value": "bm90LWEta2V5"})
}

#[tokio::test]
async fn a_person_stores_a_key_that_operators_see_and_remove() {
    let app = TestApp::new().await.with_apps().await;
    let (ana, ben) = (app.user("ana@example.com").await, app.user("ben@example.com").await);
    let (hers, his) = (own(&app, &ana).await, own(&app, &ben).await);
    let (status, made) = call(&app, &hers, "POST", "", Some(key("d1"))).await;
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(status == 201 && id.starts_with("dcr_") && made.as_object().unwrap().len() == 1, "{made}");
    let all = admin(&app).await;
    let listed = all.expect(200, "GET", "/device-credentials?user_id=auth0|ana&type=public_key", None).await;
    let shown = json!({"id": id, "device_name": "Till", "device_id": "d1", "type": "public_key",
        "user_id": "auth0|ana", "client_id": "web"});
    assert_eq!(listed, json!([shown]));
    for (query, count) in [
        ("", 1),
        ("?user_id=auth0|ben", 0),
        ("?client_id=web", 1),
        ("?client_id=spa", 0),
        ("?type=refresh_token", 0),
        ("?page=1&per_page=1", 0),
    ] {
        let list = all.expect(200, "GET", &format!("/device-credentials{query}"), None).await;
        assert_eq!(list.as_array().unwrap().len(), count, "{query}");
    }
    let page = all.expect(200, "GET", "/device-credentials?include_totals=true&fields=id", None).await;
    assert_eq!(page, json!({"device_credentials": [{"id": id}], "start": 0, "limit": 50, "total": 1}));
    all.expect(400, "GET", "/device-credentials?type=nope", None).await;

    assert_eq!(call(&app, &hers, "POST", "", Some(key("d1"))).await.0, 409, "one key a device");
    assert_eq!(call(&app, &his, "POST", "", Some(key("d1"))).await.0, 201);
    for (name, value) in [
        ("type", json!("refresh_token")),
        ("device_id", json!("")),
        ("value", json!(7)),
        ("client_id", json!("nobody")),
        ("more", json!(1)),
    ] {
        let mut body = key("d2");
        body[name] = value;
        assert_eq!(call(&app, &hers, "POST", "", Some(body)).await.0, 400, "{name}");
    }
    let (status, told) = call(&app, &hers, "GET", "", None).await;
    assert_eq!((status, &told["errorCode"]), (403, &json!("insufficient_scope")));
    all.expect(403, "POST", "/device-credentials", Some(key("d3"))).await;
    assert_eq!(call(&app, &his, "DELETE", &format!("/{id}"), None).await.0, 204);
    let listed = all.expect(200, "GET", "/device-credentials?user_id=auth0|ana", None).await;
    assert_eq!(listed, json!([shown]), "somebody else's stays");
    all.expect(204, "DELETE", &format!("/device-credentials/{id}"), None).await;
    all.expect(204, "DELETE", &format!("/device-credentials/{id}"), None).await;
    all.expect(204, "DELETE", "/device-credentials/nope", None).await;
    assert_eq!(all.expect(200, "GET", "/device-credentials?user_id=auth0|ana", None).await, json!([]));
}

#[tokio::test]
async fn refresh_tokens_are_listed_and_revoked_there_too() {
    let app = TestApp::new().await.with_apps().await;
    let (ana, ben) = (app.user("ana@example.com").await, app.user("ben@example.com").await);
    let mut browser = app.browser();
    let tokens = app.log_in(&mut browser, &ana, &[("scope", "openid offline_access")]).await;
    let all = admin(&app).await;
    let listed = all.expect(200, "GET", "/device-credentials?user_id=auth0|ana", None).await;
    let id = listed[0]["id"].as_str().unwrap();
    assert_eq!((&listed[0]["type"], &listed[0]["client_id"]), (&json!("refresh_token"), &json!("web")));
    assert_eq!(listed.as_array().unwrap().len(), 1);
    let rotating = "/device-credentials?user_id=auth0|ana&type=rotating_refresh_token";
    assert_eq!(all.expect(200, "GET", rotating, None).await, json!([]));
    let refresh = async || {
        let fields = [
            ("grant_type", "refresh_token"),
            ("client_id", "web"),
            ("client_secret", "web-secret"),
            ("refresh_token", tokens.answer["refresh_token"].as_str().unwrap()),
        ];
        app.form("/oauth/token", &fields).await.status.as_u16()
    };
    let his = own(&app, &ben).await;
    assert_eq!(call(&app, &his, "DELETE", &format!("/{id}"), None).await.0, 204);
    assert_eq!(refresh().await, 200, "not his");
    all.expect(204, "DELETE", &format!("/device-credentials/{id}"), None).await;
    assert_eq!(refresh().await, 403);
    assert_eq!(all.expect(200, "GET", "/device-credentials?user_id=auth0|ana", None).await, json!([]));
}
