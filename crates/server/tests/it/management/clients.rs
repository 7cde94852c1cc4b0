//! Applications and their credentials.

use lockstep_core::crypto::jose::{Alg, SigningKey};
use serde_json::json;

use super::{admin, token};
use crate::support::{API, TestApp};

#[tokio::test]
async fn defaults_follow_the_kind_of_application() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let minimal = admin.expect(201, "POST", "/clients", Some(json!({"name": "Shop"}))).await;
    assert_eq!(minimal["client_id"].as_str().map(str::len), Some(32));
    assert_eq!(minimal["client_secret"].as_str().map(str::len), Some(64));
    assert_eq!(minimal.get("token_endpoint_auth_method"), None);
    assert_eq!(minimal["jwt_configuration"], json!({"lifetime_in_seconds": 36000, "secret_encoded": false}));
    assert!(minimal["signing_keys"][0]["cert"].as_str().unwrap().contains("BEGIN CERTIFICATE"));
    let spa = admin.expect(201, "POST", "/clients", Some(json!({"name": "App", "app_type": "spa"}))).await;
    assert_eq!(spa["token_endpoint_auth_method"], "none");
    assert_eq!(spa["grant_types"], json!(["authorization_code", "implicit", "refresh_token"]));
    for broken in [json!({}), json!({"name": "<b>"}), json!({"name": "x", "app_type": "toaster"})] {
        admin.expect(400, "POST", "/clients", Some(broken)).await;
    }
}

#[tokio::test]
async fn a_secret_shows_only_to_those_who_may_read_keys_and_a_rotated_one_is_dead() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let made = admin.expect(201, "POST", "/clients", Some(json!({"name": "Shop"}))).await;
    let id = made["client_id"].as_str().unwrap();
    let path = format!("/api/v2/clients/{id}");
    let reader = token(&app, &["read:clients"]).await;
    let seen = app.json("GET", &path, Some(&reader), None).await.json();
    assert_eq!((seen.get("client_secret"), seen.get("signing_keys")), (None, None));
    let summary = token(&app, &["read:client_summary"]).await;
    let seen = app.json("GET", &path, Some(&summary), None).await.json();
    assert_eq!(seen, json!({"name": "Shop", "client_id": id, "is_first_party": true}));
    let keys = token(&app, &["read:client_keys"]).await;
    let seen = app.json("GET", &path, Some(&keys), None).await.json();
    assert_eq!(seen["client_secret"], made["client_secret"]);
    let new = admin.expect(200, "POST", &format!("/clients/{id}/rotate-secret"), None).await;
    assert_ne!(new["client_secret"], made["client_secret"]);
    let reads = admin.expect(200, "GET", "/logs?q=type:mgmt_api_read", None).await;
    assert_eq!(reads[0]["details"]["accessedSecrets"], json!(["client_secret"]));
    assert!(!reads.to_string().contains(made["client_secret"].as_str().unwrap()));
}

#[tokio::test]
async fn there_is_one_global_client_and_it_cannot_be_lost() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let only = admin.expect(200, "GET", "/clients?is_global=true&include_totals=true", None).await;
    assert_eq!((&only["total"], &only["clients"][0]["name"]), (&json!(1), &json!("All Applications")));
    let id = only["clients"][0]["client_id"].as_str().unwrap();
    let others = admin.expect(200, "GET", "/clients?is_global=false", None).await;
    assert!(others.as_array().unwrap().iter().all(|c| c["client_id"] != id));
    admin.expect(400, "DELETE", &format!("/clients/{id}"), None).await;
    let body = json!({"name": "Mine", "custom_login_page": "<html></html>"});
    let changed = admin.expect(200, "PATCH", &format!("/clients/{id}"), Some(body)).await;
    assert_eq!(changed["name"], "All Applications");
    assert_eq!(changed["custom_login_page"], "<html></html>");
    admin.expect(400, "PATCH", &format!("/clients/{id}"), Some(json!({"name": 7}))).await;
}

#[tokio::test]
async fn metadata_merges_null_removes_and_the_empty_object_clears() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let body = json!({"name": "Shop", "client_metadata": {"a": "1", "b": "2"}, "description": "x"});
    let made = admin.expect(201, "POST", "/clients", Some(body)).await;
    let path = format!("/clients/{}", made["client_id"].as_str().unwrap());
    let change = json!({"client_metadata": {"a": null, "c": "3"}, "description": null});
    let changed = admin.expect(200, "PATCH", &path, Some(change)).await;
    assert_eq!(changed["client_metadata"], json!({"b": "2", "c": "3"}));
    assert_eq!(changed.get("description"), None);
    let cleared = admin.expect(200, "PATCH", &path, Some(json!({"client_metadata": {}}))).await;
    assert_eq!(cleared.get("client_metadata"), None);
    admin.expect(204, "DELETE", &path, None).await;
    admin.expect(204, "DELETE", &path, None).await;
    let gone = admin.expect(404, "GET", &path, None).await;
    assert_eq!(
        (&gone["message"], &gone["errorCode"]),
        (&json!("The client does not exist"), &json!("inexistent_client"))
    );
}

#[tokio::test]
async fn lists_page_in_all_three_shapes() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    for name in ["a", "b", "c"] {
        admin.expect(201, "POST", "/clients", Some(json!({"name": name}))).await;
    }
    let all = admin.expect(200, "GET", "/clients?fields=name", None).await;
    let count = all.as_array().unwrap().len();
    let envelope = admin.expect(200, "GET", "/clients?include_totals=true&per_page=2&page=9", None).await;
    assert_eq!(envelope, json!({"clients": [], "start": 18, "limit": 2, "total": count}));
    let mut names = Vec::new();
    let mut path = "/clients?take=2&fields=name".to_owned();
    loop {
        let page = admin.expect(200, "GET", &path, None).await;
        names.extend(page["clients"].as_array().unwrap().clone());
        let Some(next) = page.get("next") else { break };
        path = format!("/clients?take=2&fields=name&from={}", next.as_str().unwrap());
    }
    assert_eq!(json!(names), all);
}

const PEM: &str = "-----BEGIN PUBLIC KEY-----
MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEAAAA
-----END PUBLIC KEY-----";

#[tokio::test]
async fn a_key_that_is_no_key_is_refused() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let made = admin.expect(201, "POST", "/clients", Some(json!({"name": "Shop"}))).await;
    let path = format!("/clients/{}/credentials", made["client_id"].as_str().unwrap());
    for pem in [PEM, "nonsense"] {
        let body = json!({"credential_type": "public_key", "pem": pem});
        admin.expect(400, "POST", &path, Some(body)).await;
    }
    assert_eq!(admin.expect(200, "GET", &path, None).await, json!([]));
    let both = json!({"name": "x", "token_endpoint_auth_method": "client_secret_post",
                      "client_authentication_methods": {"private_key_jwt": {"credentials": []}}});
    admin.expect(400, "POST", "/clients", Some(both)).await;
}

/// Returns the public key as PEM.
pub(super) fn pem_of(key: &SigningKey) -> String {
    let pkcs8 = key.to_pkcs8().unwrap().to_vec();
    let pair =
        rcgen::KeyPair::from_pkcs8_der_and_sign_algo(&pkcs8.as_slice().into(), &rcgen::PKCS_RSA_SHA256);
    pair.unwrap().public_key_pem()
}

#[tokio::test]
async fn a_key_logs_its_client_in_until_the_client_no_longer_names_it() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    let key = SigningKey::generate(Alg::RS256).unwrap();
    let pem = pem_of(&key);
    let credentials = json!([{"credential_type": "public_key", "name": "ci", "pem": pem}]);
    let body = json!({"name": "Signer", "client_authentication_methods": {"private_key_jwt": {"credentials": credentials}}});
    let made = admin.expect(201, "POST", "/clients", Some(body)).await;
    let shown = &made["client_authentication_methods"]["private_key_jwt"]["credentials"][0];
    assert_eq!((&shown["name"], shown.get("pem")), (&json!("ci"), None));
    let (id, kid) = (made["client_id"].as_str().unwrap(), shown["kid"].as_str().unwrap());
    let path = format!("/clients/{id}");
    let read = admin.expect(200, "GET", &path, None).await;
    let named = &read["client_authentication_methods"]["private_key_jwt"]["credentials"];
    assert_eq!(*named, json!([{"id": shown["id"]}]));
    app.grant(id, API, &["read:a"]).await;
    let key = key.with_kid(kid);
    let ask = async |jti: &str| {
        let now = app.now().as_secs();
        let claims = json!({"iss": id, "sub": id, "aud": "https://lockstep.test/", "iat": now, "exp": now + 60, "jti": jti});
        let assertion = key.sign_jwt("JWT", &claims).unwrap();
        let fields = [
            ("grant_type", "client_credentials"),
            ("client_id", id),
            ("audience", API),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", &assertion),
        ];
        app.form("/oauth/token", &fields).await.status.as_u16()
    };
    assert_eq!(ask("1").await, 200);
    let none = json!({"client_authentication_methods": {"private_key_jwt": {"credentials": []}}});
    admin.expect(200, "PATCH", &path, Some(none)).await;
    assert_eq!(ask("2").await, 401, "the credential is still stored, but retired");
}

#[tokio::test]
async fn objects_sent_in_part_keep_what_they_leave_out() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let ios = json!({"team_id": "T", "app_bundle_identifier": "com.acme"});
    let body = json!({"name": "Native", "app_type": "native", "mobile": {"ios": ios},
                      "session_transfer": {"enforce_device_binding": "asn"}});
    let made = admin.expect(201, "POST", "/clients", Some(body)).await;
    assert_eq!(
        made["session_transfer"],
        json!({"can_create_session_transfer_token": false, "allowed_authentication_methods": [],
               "enforce_device_binding": "asn", "allow_refresh_token": false, "enforce_online_refresh_tokens": true,
               "enforce_cascade_revocation": true})
    );
    let path = format!("/clients/{}", made["client_id"].as_str().unwrap());
    let android = json!({"app_package_name": "com.acme"});
    let body = json!({"mobile": {"android": android}, "session_transfer": {"delegation": null},
                      "jwt_configuration": {"alg": "PS256"}, "refresh_token": {"rotation_type": "rotating",
                      "expiration_type": "expiring", "leeway": 5}});
    let changed = admin.expect(200, "PATCH", &path, Some(body)).await;
    assert_eq!(changed["mobile"], json!({"ios": ios, "android": android}));
    assert_eq!(changed["session_transfer"], made["session_transfer"]);
    assert_eq!(changed["jwt_configuration"]["lifetime_in_seconds"], 36000);
    assert_eq!(changed["refresh_token"]["token_lifetime"], made["refresh_token"]["token_lifetime"]);
    let gone = admin.expect(200, "PATCH", &path, Some(json!({"session_transfer": null}))).await;
    assert_eq!(gone.get("session_transfer"), None);
}

#[tokio::test]
async fn older_names_are_shown_and_taken_and_the_newer_one_counts() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let logout = json!({"backchannel_logout_urls": ["https://acme.test/out"]});
    let body = json!({"name": "Web", "cross_origin_auth": true, "oidc_logout": logout});
    let made = admin.expect(201, "POST", "/clients", Some(body)).await;
    assert_eq!(
        (&made["cross_origin_authentication"], &made["cross_origin_auth"]),
        (&json!(true), &json!(true))
    );
    assert_eq!(made["oidc_backchannel_logout"], logout);
    let path = format!("/clients/{}", made["client_id"].as_str().unwrap());
    let body = json!({"cross_origin_auth": true, "cross_origin_authentication": false});
    let changed = admin.expect(200, "PATCH", &path, Some(body)).await;
    assert_eq!(
        (&changed["cross_origin_authentication"], &changed["cross_origin_auth"]),
        (&json!(false), &json!(false))
    );
    // What was read can be sent back: nothing changes.
    let mut whole = changed.clone();
    for secret in ["client_secret", "signing_keys"] {
        whole.as_object_mut().unwrap().remove(secret);
    }
    let again = admin.expect(200, "PATCH", &path, Some(whole)).await;
    assert_eq!(again, changed);
    let some = admin.expect(200, "GET", "/clients?fields=client_id&include_fields=true", None).await;
    assert_eq!(
        some[0].as_object().map(|o| o.keys().cloned().collect::<Vec<_>>()),
        Some(vec!["client_id".to_owned(), "tenant".to_owned()])
    );
}

#[tokio::test]
async fn a_credential_can_be_deleted_twice() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let made = admin.expect(201, "POST", "/clients", Some(json!({"name": "Machine"}))).await;
    let path = format!("/clients/{}/credentials", made["client_id"].as_str().unwrap());
    let body = json!({"name": "key", "credential_type": "public_key", "pem": pem_of(&SigningKey::generate(Alg::RS256).unwrap())});
    let made = admin.expect(201, "POST", &path, Some(body)).await;
    let list = admin.expect(200, "GET", &path, None).await;
    assert_eq!(list[0]["expires_at"], json!(null), "the list says that it never ends");
    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    admin.expect(204, "DELETE", &one, None).await;
    admin.expect(204, "DELETE", &one, None).await;
    admin.expect(404, "GET", &one, None).await;
    admin.expect(404, "DELETE", "/clients/nobody/credentials/cred_1", None).await;
}
