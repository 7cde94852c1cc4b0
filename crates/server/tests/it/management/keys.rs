//! The keys that sign tokens, and the entries of `keys/encryption`.

use lockstep_core::time::Span;
use lockstep_engine::flows::signing_keys;
use serde_json::{Value, json};

use super::{AUDIENCE, admin, machine, token};
use crate::support::{Shared, TestApp, at_once};

/// Returns the id of the key that signed a token.
fn kid(token: &str) -> String {
    lockstep_core::crypto::jose::peek_header(token).unwrap().kid.unwrap()
}

async fn published(app: &TestApp) -> Vec<String> {
    let keys = app.get("/.well-known/jwks.json").await.json();
    keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

async fn works(app: &TestApp, token: &str) -> u16 {
    app.json("GET", "/api/v2/roles", Some(token), None).await.status.as_u16()
}

fn state(list: &Value, state: &str) -> Vec<String> {
    let all = list.as_array().unwrap().iter().filter(|key| key[state] == true);
    all.map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_rotation_makes_the_next_key_sign_and_tokens_of_before_stay_good_until_their_key_is_revoked() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let before = admin.expect(200, "GET", "/keys/signing", None).await;
    let (old, next) = (state(&before, "current")[0].clone(), state(&before, "next")[0].clone());
    for key in before.as_array().unwrap() {
        assert!(key["cert"].as_str().unwrap().starts_with("-----BEGIN CERTIFICATE-----"));
        assert!(key["pkcs7"].as_str().unwrap().starts_with("-----BEGIN PKCS7-----"));
        let thumbprint = key["thumbprint"].as_str().unwrap();
        assert_eq!(
            (thumbprint.len(), key["fingerprint"].as_str().unwrap().replace(':', "")),
            (40, thumbprint.to_owned())
        );
    }
    let early = token(&app, &["read:roles"]).await;
    assert_eq!(kid(&early), old);
    app.clock.advance(Span::hours(1));

    let rotated = admin.expect(201, "POST", "/keys/signing/rotate", None).await;
    assert_eq!((&rotated["kid"], &rotated["current"]), (&json!(next), &json!(true)));
    assert_eq!(rotated["current_since"], "2026-02-02T19:01:55.000Z");
    let after = admin.expect(200, "GET", "/keys/signing", None).await;
    assert_eq!(
        (state(&after, "current"), state(&after, "previous")),
        (vec![next.clone()], vec![old.clone()])
    );
    let fresh = state(&after, "next")[0].clone();
    assert!(published(&app).await.contains(&fresh), "clients have seen a key before it signs");
    let late = token(&app, &["read:roles"]).await;
    assert_eq!(kid(&late), next);
    assert_eq!((works(&app, &early).await, works(&app, &late).await), (200, 200));

    for (kid, status) in [(next.as_str(), 400), (&fresh, 400), ("nope", 404)] {
        admin.expect(status, "PUT", &format!("/keys/signing/{kid}/revoke"), None).await;
    }
    let caller = token(&app, &["update:signing_keys", "read:signing_keys"]).await;
    let path = format!("/api/v2/keys/signing/{old}/revoke");
    let revoked = app.json("PUT", &path, Some(&caller), None).await;
    assert_eq!((revoked.status.as_u16(), &revoked.json()["kid"]), (200, &json!(old)));
    assert_eq!((works(&app, &early).await, works(&app, &late).await), (401, 200));
    assert!(!published(&app).await.contains(&old));
    assert_eq!(app.json("PUT", &path, Some(&caller), None).await.status, 400, "once");
    let path = format!("/api/v2/keys/signing/{old}");
    let shown = app.json("GET", &path, Some(&caller), None).await.json();
    assert_eq!((&shown["revoked"], &shown["revoked_at"]), (&json!(true), &json!("2026-02-02T19:01:55.000Z")));
}

#[tokio::test]
async fn rotating_asks_for_both_scopes() {
    let app = TestApp::new().await;
    for scope in ["create:signing_keys", "update:signing_keys"] {
        let half = token(&app, &[scope]).await;
        assert_eq!(app.json("POST", "/api/v2/keys/signing/rotate", Some(&half), None).await.status, 403);
    }
}

#[tokio::test]
async fn another_server_follows_a_rotation_and_a_revocation() {
    for shared in Shared::each().await {
        let here = shared.server().await.with_apps().await;
        here.grant("web", AUDIENCE, &["read:roles"]).await;
        let there = shared.server().await;
        let early = machine(&there, "web", AUDIENCE).await;
        let mut env = here.app.env();
        signing_keys::rotate(here.app.db(), &mut env).await.unwrap();
        here.app.keyring().reload().await.unwrap();
        let late = machine(&here, "web", AUDIENCE).await;
        assert_ne!(kid(&early), kid(&late));
        assert_eq!(works(&there, &late).await, 200, "it knew the next key");
        assert_eq!(
            kid(&machine(&there, "web", AUDIENCE).await),
            kid(&early),
            "and signs with the old one yet"
        );
        assert!(there.app.keyring().follow().await.unwrap());
        assert!(!there.app.keyring().follow().await.unwrap());
        assert_eq!(kid(&machine(&there, "web", AUDIENCE).await), kid(&late));
        assert_eq!((works(&here, &early).await, works(&there, &early).await), (200, 200));
        signing_keys::revoke(here.app.db(), &env, &kid(&early)).await.unwrap();
        assert!(there.app.keyring().follow().await.unwrap() && here.app.keyring().follow().await.unwrap());
        assert_eq!((works(&here, &early).await, works(&there, &early).await), (401, 401));
        assert_eq!((works(&here, &late).await, works(&there, &late).await), (200, 200));
    }
}

#[tokio::test]
async fn of_many_rotations_at_once_each_that_succeeds_leaves_one_key_that_signs() {
    for shared in Shared::each().await {
        let apps = [shared.server().await, shared.server().await];
        let rotate = async |n: usize| {
            let app = &apps[n % 2].app;
            signing_keys::rotate(app.db(), &mut app.env()).await.is_ok()
        };
        let done = at_once((0..6).map(rotate)).await;
        assert!(done.iter().any(|ok| *ok));
        let all = signing_keys::list(apps[0].app.db()).await.unwrap();
        let count = |state: &str| all.iter().filter(|key| key.state == state).count();
        let rotations = done.iter().filter(|ok| **ok).count();
        assert_eq!((count("current"), count("next"), count("previous")), (1, 1, rotations));
    }
}

#[tokio::test]
async fn keys_of_other_algorithms_are_rotated_too() {
    let app = TestApp::new().await;
    let claims = json!({"sub": "x"});
    let alg = lockstep_core::crypto::jose::Alg::ES256;
    let early = app.app.keyring().sign(alg, "JWT", &claims).await.unwrap();
    let admin = admin(&app).await;
    admin.expect(201, "POST", "/keys/signing/rotate", None).await;
    let late = app.app.keyring().sign(alg, "JWT", &claims).await.unwrap();
    assert_ne!(kid(&early), kid(&late));
    assert!(app.app.keyring().verify(&early).is_ok() && app.app.keyring().verify(&late).is_ok());
    let listed = admin.expect(200, "GET", "/keys/signing", None).await;
    assert_eq!(listed[0]["alg"], "RS256", "what tools look for comes first");
    assert_eq!(state(&listed, "current").len(), 2);
}

#[tokio::test]
async fn an_encryption_key_is_an_entry_that_encrypts_nothing() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let empty = admin.expect(200, "GET", "/keys/encryption?include_totals=true", None).await;
    assert_eq!(empty, json!({"keys": [], "start": 0, "limit": 50, "total": 0}));
    let root = json!({"type": "customer-provided-root-key"});
    let made = admin.expect(201, "POST", "/keys/encryption", Some(root)).await;
    assert_eq!((&made["state"], &made["parent_kid"]), (&json!("pre-activation"), &Value::Null));
    let path = format!("/keys/encryption/{}", made["kid"].as_str().unwrap());
    let wrapping = admin.expect(201, "POST", &format!("{path}/wrapping-key"), None).await;
    let pem = wrapping["public_key"].as_str().unwrap();
    assert!(lockstep_core::crypto::jose::pem::PublicPem::parse(pem).is_ok(), "{pem}");
    admin.expect(400, "POST", &path, Some(json!({"wrapped_key": "bad-key-value"}))).await;
    let wrapped = json!({"wrapped_key": "A".repeat(400)});
    let told = admin.expect(501, "POST", &path, Some(wrapped)).await;
    assert!(told["message"].as_str().unwrap().contains("lockstep keys rotate"), "{told}");
    admin.expect(501, "POST", "/keys/encryption/rekey", None).await;
    admin.expect(501, "POST", "/keys/encryption", Some(json!({"type": "tenant-encryption-key"}))).await;
    admin.expect(204, "DELETE", &path, None).await;
    assert_eq!(admin.expect(200, "GET", &path, None).await["state"], "destroyed");
    admin.expect(400, "POST", &format!("{path}/wrapping-key"), None).await;
    admin.expect(404, "GET", "/keys/encryption/x", None).await;
}

#[tokio::test]
async fn a_rotation_and_a_revocation_end_no_session_and_no_remembered_browser() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let code = app.code(&ana);
    browser.submit(&[("code", &code), ("rememberBrowser", "true")]).await;
    browser.back_with_code();
    let db = app.app.db();
    let old = signing_keys::list(db).await.unwrap().remove(0).kid;
    signing_keys::rotate(db, &mut app.app.env()).await.unwrap();
    signing_keys::revoke(db, &app.app.env(), old.as_str()).await.unwrap();
    app.app.keyring().reload().await.unwrap();
    browser.authorize(&[("prompt", "none")]).await;
    app.redeem(&browser.back_with_code()).await;
    browser.authorize(&[("prompt", "login")]).await.password(&ana).await;
    app.redeem(&browser.back_with_code()).await;
}
