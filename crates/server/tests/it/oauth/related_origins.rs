//! Pages and applications on other domains that may ask for passkeys of ours (WebAuthn Level 3 section 5.11), and the domain itself, which does
//! not move.

use std::sync::Arc;

use lockstep_core::env::Issuer;
use lockstep_core::factors::RelatedOrigins;
use lockstep_core::factors::webauthn::device::{Model, VirtualKey};
use lockstep_core::random::SystemRng;
use lockstep_engine::config::Config;
use serde_json::json;

use super::passkey::{begun, post, redeem_as, tenant_with};
use crate::management::admin;
use crate::support::TestApp;

const HERE: &str = "https://lockstep.test";
const SHOP: &str = "https://shop.example.net";
const OTHER: &str = "https://other.example.net";
const APP: &str = "android:apk-key-hash:-sYXRdwJA3hvue3mKpYrOZ9zSPC7b4mbgzJmdZEDO5w";

fn related(config: &mut Config) {
    config.related_origins = RelatedOrigins::parse([SHOP, OTHER, APP]).unwrap();
}

/// Whether an application's page or program at this origin gets a new passkey taken, and the same one at a login.
async fn passkey_at(app: &TestApp, client: &str, origin: &str) -> bool {
    let mut key = VirtualKey::new(Model::SYNCED);
    // The virtual browser knows no list: what a browser that does would sign is put in.
    let mut there = |signing: &mut lockstep_core::factors::webauthn::device::Signing| {
        signing.client_data["origin"] = json!(origin);
    };
    let profile = json!({"user_profile": {"email": format!("ana{}@example.com", app.count())}});
    let (session, options) = begun(&post(app, "/passkey/register", client, profile).await);
    let made = key.create_but(&options, HERE, &mut SystemRng, &mut there).unwrap();
    let answer = redeem_as(app, client, &session, &made, json!({})).await;
    if answer.status != 200 {
        assert_eq!(answer.json()["error"], "invalid_grant", "{}", answer.body);
        return false;
    }
    let (session, options) = begun(&post(app, "/passkey/challenge", client, json!({})).await);
    let right = key.get_but(&options, HERE, &mut there).unwrap();
    let answer = redeem_as(app, client, &session, &right, json!({})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    true
}

#[tokio::test]
async fn pages_elsewhere_may_ask_if_the_operator_and_their_application_name_them() {
    let app = tenant_with(related).await;
    let grants = json!(["urn:okta:params:oauth:grant-type:webauthn"]);
    let own = json!({"name": "Shop", "app_type": "spa", "token_endpoint_auth_method": "none", "grant_types": grants});
    let common = json!({"oidc_conformant": true, "web_origins": [SHOP, "https://unnamed.example.net"]});
    app.client("shop", own, &common).await;
    for (client, origin, may) in [
        ("shop", HERE, true),
        ("shop", SHOP, true),
        ("shop", OTHER, false),
        ("shop", "https://unnamed.example.net", false),
        ("shop", "https://shop.example.net:8443", false),
        ("shop", "https://shop.example.net.evil.example", false),
        ("native", SHOP, false),
        ("native", APP, true),
        ("native", "android:apk-key-hash:AAYXRdwJA3hvue3mKpYrOZ9zSPC7b4mbgzJmdZEDO5w", false),
    ] {
        assert_eq!(passkey_at(&app, client, origin).await, may, "{client} at {origin}");
    }
    let app = tenant_with(|_| {}).await;
    assert!(!passkey_at(&app, "native", APP).await, "nobody named it");
}

#[tokio::test]
async fn browsers_are_told_of_related_pages_and_of_nothing_else() {
    let told = tenant_with(related).await.get("/.well-known/webauthn").await;
    assert_eq!((told.status.as_u16(), told.header("content-type")), (200, Some("application/json")));
    assert_eq!(told.json(), json!({"origins": [SHOP, OTHER]}));
    assert_eq!(TestApp::new().await.get("/.well-known/webauthn").await.status, 404);
    let only_an_app = |config: &mut Config| config.related_origins = RelatedOrigins::parse([APP]).unwrap();
    assert_eq!(TestApp::with(only_an_app).await.get("/.well-known/webauthn").await.status, 404);
}

#[tokio::test]
async fn a_server_whose_issuer_has_moved_does_not_leave_keys_behind_in_passing() {
    let app = TestApp::new().await.with_apps().await;
    let at = |issuer: &'static str, abandoned: Option<&'static str>| {
        TestApp::on(app.app.db().clone(), Arc::clone(&app.clock), move |config| {
            config.issuer = Issuer::parse(issuer).unwrap();
            config.abandoned_domain = abandoned.map(str::to_owned);
        })
    };
    // Nobody has a key: nothing is lost.
    at("https://first.example/", None).await.unwrap();
    at("https://lockstep.test/", None).await.unwrap();
    let ana = app.user("ana@example.com").await;
    app.with_passkey(&ana, Model::SYNCED).await;
    app.with_key(&ana, Model::SECURITY_KEY).await;
    for abandoned in [None, Some("elsewhere.example")] {
        let refused =
            at("https://second.example/", abandoned).await.err().expect("it does not start").to_string();
        let told = "2 security keys and passkeys were made for lockstep.test, when the issuer was https://lockstep.test/";
        assert!(refused.starts_with(told), "{refused}");
        assert!(refused.contains("webauthn.abandoned_domain"), "{refused}");
    }
    // Another port is no other domain.
    at("https://lockstep.test:8443/", None).await.unwrap();
    at("https://second.example/", Some("lockstep.test")).await.unwrap();
    at("https://second.example/", None).await.unwrap();
}

#[tokio::test]
async fn settings_that_would_strand_enrolled_keys_are_refused_in_plain_words() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    let (roaming, platform) =
        ("/guardian/factors/webauthn-roaming/settings", "/guardian/factors/webauthn-platform/settings");
    let above = json!({"overrideRelyingParty": true, "relyingPartyIdentifier": "test"});
    let ana = app.user("ana@example.com").await;
    app.with_key(&ana, Model::SECURITY_KEY).await;
    let told = admin.expect(400, "PUT", roaming, Some(above.clone())).await;
    assert_eq!(
        told["message"],
        "The relying party cannot be changed: 1 enrolled keys were made for lockstep.test and answer to no other domain, so their \
         owners could not log in with them any more. Remove these keys first."
    );
    assert_eq!(admin.expect(200, "GET", roaming, None).await["overrideRelyingParty"], false);
    // What moves no key is taken.
    admin.expect(200, "PUT", roaming, Some(json!({"userVerification": "preferred"}))).await;
    admin.expect(200, "PUT", platform, Some(above.clone())).await;
    let same = json!({"overrideRelyingParty": true, "relyingPartyIdentifier": "lockstep.test"});
    admin.expect(200, "PUT", roaming, Some(same)).await;
    admin.expect(204, "DELETE", &format!("/users/{}/authenticators", ana.id), None).await;
    admin.expect(200, "PUT", roaming, Some(above)).await;
}
