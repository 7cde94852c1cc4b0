//! Where the operator allows certain models of keys only: what proves its model is enrolled, and everything else is told why not, on every face.

use std::sync::Arc;

use lockstep_core::factors::webauthn::attestation::Models;
use lockstep_core::factors::webauthn::device::{Model, VirtualKey};
use lockstep_core::factors::webauthn::virtual_maker;
use lockstep_core::model::settings::Profile;
use lockstep_core::random::SystemRng;
use lockstep_engine::config::Config;
use lockstep_engine::store::authenticators;
use serde_json::{Value, json};

use crate::management::{admin, logged};
use crate::support::{Browser, TestApp};

const ORIGIN: &str = "https://lockstep.test";

/// Only the virtual keys whose maker vouches for them.
fn certain_models(config: &mut Config) {
    config.profile = Profile::Assured;
    config.key_models = Some(Arc::new(Models::read(&virtual_maker::metadata().to_string(), &[]).unwrap()));
}

fn options(browser: &Browser<'_>) -> Value {
    let text = browser.attribute("[data-key]", "data-options").unwrap_or_else(|| browser.page.body.clone());
    serde_json::from_str(&text).unwrap()
}

async fn create(browser: &mut Browser<'_>, model: Model) -> VirtualKey {
    let mut key = VirtualKey::new(model);
    let made = key.create(&options(browser), ORIGIN, &mut SystemRng).unwrap();
    browser.submit(&[("response", &made.to_string())]).await;
    key
}

#[tokio::test]
async fn a_security_key_has_to_prove_its_model_and_the_proof_is_kept() {
    let app = TestApp::with(certain_models).await.with_apps().await;
    app.mfa(&["webauthn-roaming"], &["all-applications"]).await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let asked = options(&browser);
    assert_eq!((&asked["attestation"], &asked["attestationFormats"]), (&json!("direct"), &json!(["packed"])));
    for model in [Model::SECURITY_KEY, Model { self_attests: true, ..Model::SECURITY_KEY }] {
        create(&mut browser, model).await;
        assert_eq!(browser.screen(), "mfa-webauthn-roaming-enrollment");
        assert_eq!(browser.error_shown().as_deref(), Some("webauthn-model-refused"));
        assert!(browser.text(".alert").unwrap().contains("make and model"), "{}", browser.page.body);
    }
    let failed = logged(&app, "gd_webauthn_enrollment_failed").await;
    let mut notes: Vec<&str> = failed.iter().filter_map(|log| log["details"]["note"].as_str()).collect();
    notes.sort_unstable();
    assert_eq!(notes, ["attestation_by_the_key_itself", "attestation_missing"], "{failed:?}");
    let mut key = create(&mut browser, Model::ATTESTED).await;
    browser.submit(&[("nickname", "Blue key")]).await;
    assert_eq!(browser.screen(), "mfa-webauthn-enrollment-success", "{}", browser.page.body);
    browser.submit(&[]).await;
    browser.back_with_code();
    let mut conn = app.app.db().read().await.unwrap();
    let held = authenticators::list_of_user(&mut conn, &ana.id).await.unwrap();
    let data = &held.iter().find(|on| on.data.get("key_id").is_some()).unwrap().data;
    assert_eq!(data["aaguid"], "6c6f636b-7374-6570-2d76-69727475616c");
    assert_eq!(data["attestation_format"], "packed");
    assert!(data["attestation_object"].as_str().unwrap().len() > 500, "with the certificate");
    assert_eq!(data["attestation_client_data_hash"].as_str().unwrap().len(), 43);
    drop(conn);
    // That is for an audit; no list has it.
    let path = format!("/users/{}/authentication-methods", ana.id.as_str().replace('|', "%7C"));
    let listed = admin(&app).await.expect(200, "GET", &path, None).await;
    assert!(!listed.to_string().contains("attestation_object"), "{listed}");
    let mut again = app.browser();
    again.authorize(&[]).await.password(&ana).await;
    let signed = key.get(&options(&again), ORIGIN).unwrap();
    again.submit(&[("response", &signed.to_string())]).await;
    again.back_with_code();
}

#[tokio::test]
async fn a_key_of_the_device_has_to_prove_its_model_too() {
    let app = TestApp::with(certain_models).await.with_apps().await;
    app.mfa(&["webauthn-platform", "otp"], &["all-applications"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.goto("/account").await.password(&ana).await;
    let code = app.code(&ana);
    browser.code(&code).await;
    browser.goto("/account/add").await.submit(&[("action", "webauthn-platform::0")]).await;
    assert_eq!(browser.screen(), "mfa-webauthn-platform-enrollment", "{}", browser.page.body);
    create(&mut browser, Model::SYNCED).await;
    assert_eq!(browser.error_shown().as_deref(), Some("webauthn-platform-model-refused"));
    create(&mut browser, Model { roaming: false, ..Model::ATTESTED }).await;
    assert_eq!(browser.error_shown(), None, "{}", browser.page.body);
    assert_eq!(logged(&app, "gd_webauthn_enrollment_failed").await.len(), 1);
}

#[tokio::test]
async fn a_passkey_that_is_offered_has_to_prove_its_model_or_is_left() {
    let app = TestApp::with(certain_models).await.with_apps().await;
    app.passkeys(json!({})).await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "passkey-enrollment", "{}", browser.page.body);
    assert_eq!(options(&browser)["attestation"], "direct");
    create(&mut browser, Model::SYNCED).await;
    assert_eq!(browser.error_shown().as_deref(), Some("passkey-model-refused"));
    let failed = logged(&app, "passkey_challenge_failed").await;
    assert_eq!(failed[0]["details"]["error"]["message"], "attestation_missing", "{failed:?}");
    create(&mut browser, Model::ATTESTED).await;
    browser.back_with_code();
}
