//! APIs and client grants.

use lockstep_core::crypto::jose::{Alg, SigningKey};
use serde_json::{Value, json};

use super::{AUDIENCE, admin};
use crate::support::{API, TestApp};

#[tokio::test]
async fn an_api_is_found_by_id_and_by_its_identifier_however_often_it_is_encoded() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let body = json!({"identifier": "https://shop.example/a"});
    let made = admin.expect(201, "POST", "/resource-servers", Some(body.clone())).await;
    assert_eq!(made["signing_alg"], "RS256");
    assert_eq!(made["token_lifetime"], 86400);
    for id in
        [made["id"].as_str().unwrap(), "https:%2F%2Fshop.example%2Fa", "https:%252F%252Fshop.example%252Fa"]
    {
        let found = admin.expect(200, "GET", &format!("/resource-servers/{id}"), None).await;
        assert_eq!(found["id"], made["id"], "{id}");
    }
    let (answer, told) = admin.call("POST", "/resource-servers", Some(body)).await;
    assert_eq!((answer.status.as_u16(), &told["errorCode"]), (409, &json!("resource_server_conflict")));
    admin.expect(404, "GET", "/resource-servers/https:%2F%2Fnope.example", None).await;
    admin.expect(204, "DELETE", &format!("/resource-servers/{}", made["id"].as_str().unwrap()), None).await;
}

#[tokio::test]
async fn the_management_api_is_listed_with_its_scopes_and_cannot_be_broken() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let list = admin.expect(200, "GET", "/resource-servers?include_totals=true", None).await;
    let system =
        list["resource_servers"].as_array().unwrap().iter().find(|a| a["is_system"] == true).unwrap();
    assert_eq!((&system["name"], &system["identifier"]), (&json!("Auth0 Management API"), &json!(AUDIENCE)));
    assert!(system["scopes"].as_array().unwrap().iter().any(|s| s["value"] == "read:guardian_factors"));
    let path = format!("/resource-servers/{}", system["id"].as_str().unwrap());
    for (method, body) in [("PATCH", Some(json!({"scopes": []}))), ("DELETE", None)] {
        let (answer, told) = admin.call(method, &path, body).await;
        assert_eq!((answer.status.as_u16(), &told["errorCode"]), (400, &json!("operation_not_supported")));
    }
    admin.expect(200, "PATCH", &path, Some(json!({"token_lifetime": 3600}))).await;
}

#[tokio::test]
async fn a_signing_secret_comes_back_and_is_not_stored_in_clear() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let secret = "a-secret-of-enough-length";
    let body = json!({"identifier": "https://hs.example", "signing_alg": "HS256", "signing_secret": secret});
    let made = admin.expect(201, "POST", "/resource-servers", Some(body)).await;
    assert_eq!(made["signing_secret"], secret);
    let mut conn = app.app.db().read().await.unwrap();
    let stored =
        lockstep_engine::store::resource_servers::find_by_identifier(&mut conn, "https://hs.example");
    let stored = stored.await.unwrap().unwrap();
    assert!(!serde_json::to_string(&stored.data).unwrap().contains(secret));
}

#[tokio::test]
async fn a_grant_needs_its_client_and_api_and_is_there_once() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    let grant = |client: &str, audience: &str| json!({"client_id": client, "audience": audience, "scope": ["read:a"]});
    let (_, told) = admin.call("POST", "/client-grants", Some(grant("nobody", API))).await;
    assert_eq!(told["errorCode"], "inexistent_client");
    let (_, told) = admin.call("POST", "/client-grants", Some(grant("web", "https://nope.example"))).await;
    assert_eq!(told["errorCode"], "inexistent_resource_server");
    let made = admin.expect(201, "POST", "/client-grants", Some(grant("web", API))).await;
    assert_eq!(made["subject_type"], "client");
    admin.expect(409, "POST", "/client-grants", Some(grant("web", API))).await;
    let path = format!("/client-grants/{}", made["id"].as_str().unwrap());
    let changed = admin.expect(200, "PATCH", &path, Some(json!({"scope": []}))).await;
    assert_eq!(changed["scope"], json!([]));
    let list =
        admin.expect(200, "GET", "/client-grants?client_id=web&take=10&include_totals=true", None).await;
    assert_eq!(list["client_grants"].as_array().map(Vec::len), Some(1));
    assert_eq!(list.get("next"), None, "no empty next: it would make tools loop");
    admin.expect(204, "DELETE", &path, None).await;
    let gone: Value = admin.expect(404, "GET", &path, None).await;
    assert_eq!(gone["message"], "The grant does not exist.");
}

#[tokio::test]
async fn the_key_that_tokens_would_be_encrypted_for_is_answered_by_its_thumbprint() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let key = |pem: &str| {
        json!({"format": "compact-nested-jwe",
               "encryption_key": {"name": "k", "alg": "RSA-OAEP-256", "pem": pem}})
    };
    let body = json!({"identifier": "https://api.acme.test", "token_encryption": key(&super::clients::pem_of(&SigningKey::generate(Alg::RS256).unwrap()))});
    let made = admin.expect(201, "POST", "/resource-servers", Some(body)).await;
    let shown = &made["token_encryption"]["encryption_key"];
    assert_eq!(shown.get("pem"), None);
    assert!(shown["thumbprint_sha256"].as_str().is_some_and(|t| t.len() == 43), "{shown}");
    let path = format!("/resource-servers/{}", made["id"].as_str().unwrap());
    admin.expect(400, "PATCH", &path, Some(json!({"token_encryption": key("no key")}))).await;
    let gone = admin.expect(200, "PATCH", &path, Some(json!({"token_encryption": null}))).await;
    assert_eq!(gone.get("token_encryption"), None);
}

#[tokio::test]
async fn an_api_shows_the_application_that_stands_for_it_while_there_is_one() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let body = json!({"identifier": "https://linked.example", "client_id": "smuggled"});
    let made = admin.expect(201, "POST", "/resource-servers", Some(body)).await;
    assert_eq!(made.get("client_id"), None, "no body sets it");
    admin
        .expect(201, "POST", "/resource-servers", Some(json!({"identifier": "https://other.example"})))
        .await;
    let link = |app_type: &str| json!({"name": "Shop", "app_type": app_type, "resource_server_identifier": "https://linked.example"});
    admin.expect(201, "POST", "/clients", Some(link("regular_web"))).await;
    let client = admin.expect(201, "POST", "/clients", Some(link("resource_server"))).await;
    let path = format!("/resource-servers/{}", made["id"].as_str().unwrap());
    let read = admin.expect(200, "GET", &path, None).await;
    assert_eq!(read["client_id"], client["client_id"]);
    let changed = admin.expect(200, "PATCH", &path, Some(json!({"name": "Linked"}))).await;
    assert_eq!(changed["client_id"], client["client_id"]);
    let list = admin.expect(200, "GET", "/resource-servers", None).await;
    let linked: Vec<&Value> =
        list.as_array().unwrap().iter().filter(|a| a.get("client_id").is_some()).collect();
    assert_eq!(linked, [&changed]);
    let client = format!("/clients/{}", client["client_id"].as_str().unwrap());
    admin.expect(204, "DELETE", &client, None).await;
    assert_eq!(admin.expect(200, "GET", &path, None).await.get("client_id"), None);
}
