//! Ways round MFA that were open once, and what happens between the beginning and the end of a grant.

use lockstep_core::factors::totp::device::AuthenticatorApp;
use serde_json::{Value, json};

use super::{OOB, OTP, associate, grant, is, list, mfa_token, tenant, told};
use crate::management::admin;
use crate::support::{API, PASSWORD, TestApp, claims};

const PASSWORDLESS: &str = "http://auth0.com/oauth/grant-type/passwordless/otp";

/// Begins to enrol an authenticator app behind an `mfa_token`; returns the app.
async fn begin(app: &TestApp, token: &str) -> AuthenticatorApp {
    let begun = associate(app, token, json!({"authenticator_types": ["otp"]})).await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    AuthenticatorApp::scan(begun.json()["barcode_uri"].as_str().unwrap()).unwrap()
}

#[tokio::test]
async fn a_new_password_ends_what_the_old_one_began() {
    let app = tenant(&["otp"]).await;
    let cy = app.user("cy@example.com").await;
    let token = mfa_token(&app, &cy).await;
    let thiefs = begin(&app, &token).await;
    let admin = admin(&app).await;
    let path = format!("/users/{}", cy.id.as_str().replace('|', "%7C"));
    let changed = admin.call("PATCH", &path, Some(json!({"password": "Another-Passw0rd"}))).await;
    assert_eq!(changed.0.status, 200, "{}", changed.0.body);
    let code = thiefs.code_at(app.now());
    let late = grant(&app, OTP, &[("mfa_token", &token), ("otp", &code)]).await;
    is(&late, 403, "invalid_grant", "Malformed mfa_token");
}

#[tokio::test]
async fn a_reset_that_ends_sessions_and_a_block_end_running_enrolments_too() {
    let app = tenant(&["otp"]).await;
    let cy = app.user("cy@example.com").await;
    let admin = admin(&app).await;
    let id = cy.id.as_str().replace('|', "%7C");
    let token = mfa_token(&app, &cy).await;
    begin(&app, &token).await;
    let path = format!("/users/{id}/authentication-methods?end_sessions=true");
    assert_eq!(admin.call("DELETE", &path, None).await.0.status, 204);
    let again = associate(&app, &token, json!({"authenticator_types": ["otp"]})).await;
    assert_eq!(told(&again).0, 401, "{}", again.body);

    let token = mfa_token(&app, &cy).await;
    for blocked in [true, false] {
        admin.call("PATCH", &format!("/users/{id}"), Some(json!({"blocked": blocked}))).await;
    }
    let again = associate(&app, &token, json!({"authenticator_types": ["otp"]})).await;
    assert_eq!(told(&again).0, 401, "{}", again.body);
}

#[tokio::test]
async fn an_enrolment_is_not_confirmed_once_the_person_has_a_factor_of_her_own() {
    let app = tenant(&["otp"]).await;
    let cy = app.user("cy@example.com").await;
    let (hers, thiefs) = (mfa_token(&app, &cy).await, mfa_token(&app, &cy).await);
    let (her_app, thiefs_app) = (begin(&app, &hers).await, begin(&app, &thiefs).await);
    let done = grant(&app, OTP, &[("mfa_token", &hers), ("otp", &her_app.code_at(app.now()))]).await;
    assert_eq!(done.status, 200, "{}", done.body);
    let code = thiefs_app.code_at(app.now());
    let late = grant(&app, OTP, &[("mfa_token", &thiefs), ("otp", &code)]).await;
    is(&late, 403, "access_denied", "User is already enrolled.");
    assert_eq!(list(&app, &mfa_token(&app, &cy).await).await.len(), 1);
}

#[tokio::test]
async fn an_enrolment_of_a_factor_that_was_switched_off_meanwhile_is_not_confirmed() {
    let app = tenant(&["otp", "sms"]).await;
    let cy = app.user("cy@example.com").await;
    let token = mfa_token(&app, &cy).await;
    let device = begin(&app, &token).await;
    app.mfa(&["sms"], &["all-applications"]).await;
    let code = device.code_at(app.now());
    let late = grant(&app, OTP, &[("mfa_token", &token), ("otp", &code)]).await;
    assert_eq!((told(&late).0, told(&late).1.as_str()), (403, "unsupported_challenge_type"));
}

#[tokio::test]
async fn scopes_narrowed_to_nothing_are_nothing() {
    let app = tenant(&["otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    // Without a scope an application of our own gets all of the API's; with one at the second step, that one.
    for (first, second, expected) in [
        (None, Some("read:a"), Some("read:a")),
        (Some("read:a"), Some("openid"), None),
        (None, None, Some("read:a transfer:b")),
    ] {
        let mut fields = vec![("username", ana.email.as_str()), ("password", PASSWORD), ("audience", API)];
        fields.extend(first.map(|scope| ("scope", scope)));
        let asked = grant(&app, "password", &fields).await;
        let token = asked.json()["mfa_token"].as_str().unwrap().to_owned();
        app.clock.advance(lockstep_core::time::Span::seconds(30));
        let code = app.code(&ana);
        let mut fields = vec![("mfa_token", token.as_str()), ("otp", code.as_str())];
        fields.extend(second.map(|scope| ("scope", scope)));
        let answer = grant(&app, OTP, &fields).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let access = claims(answer.json()["access_token"].as_str().unwrap());
        let got = access.get("scope").and_then(Value::as_str).filter(|scope| !scope.is_empty());
        assert_eq!(got, expected, "{first:?} {second:?}");
    }
}

#[tokio::test]
async fn the_audience_of_userinfo_is_none_at_both_steps() {
    let app = tenant(&["otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let userinfo = ("audience", "https://lockstep.test/userinfo");
    let fields = [("username", ana.email.as_str()), ("password", PASSWORD), ("scope", "openid"), userinfo];
    let asked = grant(&app, "password", &fields).await;
    let token = asked.json()["mfa_token"].as_str().unwrap().to_owned();
    let code = app.code(&ana);
    let other = grant(&app, OTP, &[("mfa_token", &token), ("otp", &code), ("audience", API)]).await;
    is(&other, 400, "invalid_request", "audience does not match the mfa_token");
    let answer = grant(&app, OTP, &[("mfa_token", &token), ("otp", &code), userinfo]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
}

/// A tenant with the connection `sms`, the My Account API, and the application `ropg` that has no client grant for it.
async fn with_texts_and_my_account() -> TestApp {
    let app = TestApp::new().await.with_apps().await.with_password_grants().await;
    let admin = admin(&app).await;
    let sms = json!({"name": "sms", "strategy": "sms", "enabled_clients": ["ropg"]});
    assert_eq!(admin.call("POST", "/connections", Some(sms)).await.0.status, 201);
    let api = json!({"identifier": "https://lockstep.test/me/"});
    assert_eq!(admin.call("POST", "/resource-servers", Some(api)).await.0.status, 201);
    app
}

async fn by_text(app: &TestApp, more: &[(&str, &str)]) -> crate::support::Answer {
    let body = json!({"client_id": "ropg", "client_secret": "ropg-secret", "connection": "sms",
        "phone_number": "+12025550143"});
    let sent = app.json("POST", "/passwordless/start", None, Some(body)).await;
    assert_eq!(sent.status, 200, "{}", sent.body);
    let code = app.sent_code().await;
    let mut fields = vec![("realm", "sms"), ("username", "+12025550143"), ("otp", code.as_str())];
    fields.extend_from_slice(more);
    grant(app, PASSWORDLESS, &fields).await
}

#[tokio::test]
async fn one_telephone_is_not_two_factors() {
    let app = with_texts_and_my_account().await;
    app.mfa(&["otp", "sms"], &["all-applications"]).await;
    let asked = by_text(&app, &[("scope", "openid")]).await;
    assert_eq!(asked.json()["mfa_requirements"], json!({"enroll": [{"type": "otp"}]}), "{}", asked.body);
    let token = asked.json()["mfa_token"].as_str().unwrap().to_owned();
    let body =
        json!({"authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": "+12025550143"});
    let refused = associate(&app, &token, body).await;
    assert_eq!((told(&refused).0, told(&refused).1.as_str()), (400, "unsupported_challenge_type"));
    let none =
        grant(&app, OOB, &[("mfa_token", &token), ("oob_code", "x"), ("binding_code", "123456")]).await;
    assert_eq!(told(&none).0, 403);
}

#[tokio::test]
async fn an_api_that_wants_a_client_grant_wants_it_at_every_grant() {
    let app = with_texts_and_my_account().await;
    let ana = app.user("ana@example.com").await;
    let me = ("audience", "https://lockstep.test/me/");
    let text = "Client \"ropg\" is not authorized to access resource server \"https://lockstep.test/me/\".";
    let fields = [("username", ana.email.as_str()), ("password", PASSWORD), me];
    is(&grant(&app, "password", &fields).await, 403, "access_denied", text);
    is(&by_text(&app, &[me]).await, 403, "access_denied", text);
    // With the grant it is given; and a refresh after the grant was withdrawn is not.
    let admin = admin(&app).await;
    let given =
        json!({"client_id": "ropg", "audience": me.1, "subject_type": "user", "scope": ["read:me:factors"]});
    let (made, given) = admin.call("POST", "/client-grants", Some(given)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let allowed = json!({"allow_offline_access": true});
    let (_, apis) = admin.call("GET", "/resource-servers?identifiers=https://lockstep.test/me/", None).await;
    let api = apis.as_array().and_then(|all| all.iter().find(|api| api["identifier"] == me.1)).unwrap();
    let path = format!("/resource-servers/{}", api["id"].as_str().unwrap());
    assert_eq!(admin.call("PATCH", &path, Some(allowed)).await.0.status, 200);
    let all = [fields.as_slice(), &[("scope", "read:me:factors offline_access")]].concat();
    let answer = grant(&app, "password", &all).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let refresh = answer.json()["refresh_token"].as_str().unwrap().to_owned();
    let path = format!("/client-grants/{}", given["id"].as_str().unwrap());
    assert_eq!(admin.call("DELETE", &path, None).await.0.status, 204);
    is(&grant(&app, "refresh_token", &[("refresh_token", &refresh)]).await, 403, "access_denied", text);
}
