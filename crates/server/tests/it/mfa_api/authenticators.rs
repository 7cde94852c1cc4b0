//! Listing and removing, with an access token for the MFA API.

use lockstep_core::factors::totp::device::AuthenticatorApp;
use lockstep_core::factors::webauthn::device::Model;
use lockstep_core::model::message::MessageKind;
use lockstep_core::time::Span;
use serde_json::json;

use super::{associate, is, list, mfa_token, tenant, told};
use crate::support::{Person, TestApp, claims};

const SCOPE: &str = "enroll read:authenticators remove:authenticators";

/// Logs in on our pages and returns an access token for the MFA API.
async fn access_token(app: &TestApp, person: &Person, scope: &str) -> String {
    let mut browser = app.browser();
    let asked = [("audience", "https://lockstep.test/mfa/"), ("scope", scope)];
    let tokens = app.log_in(&mut browser, person, &asked).await;
    assert_eq!(tokens.answer["expires_in"], 600);
    tokens.answer["access_token"].as_str().unwrap().to_owned()
}

#[tokio::test]
async fn an_access_token_lists_enrols_and_removes_by_its_scopes() {
    let app = tenant(&["otp", "sms", "recovery-code"]).await;
    app.message_types(&["sms", "voice"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let token = access_token(&app, &ana, SCOPE).await;
    assert_eq!(claims(&token)["aud"], "https://lockstep.test/mfa/");
    let body = json!({"authenticator_types": ["oob"], "oob_channels": ["sms", "voice"], "phone_number": "+12025550143"});
    let begun = associate(&app, &token, body).await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    let begun = begun.json();
    let code = app.message(MessageKind::CodeSms).await.code.unwrap();
    let confirmed = app
        .form(
            "/oauth/token",
            &[
                ("grant_type", super::OOB),
                ("client_id", "web"),
                ("client_secret", "web-secret"),
                ("mfa_token", &token),
                ("oob_code", begun["oob_code"].as_str().unwrap()),
                ("binding_code", &code),
            ],
        )
        .await;
    assert_eq!(told(&confirmed).1, "unauthorized_client", "web has no MFA grant");
    let mut tx = app.app.db().write().await.unwrap();
    let id = lockstep_core::ids::ClientId::parse("web").unwrap();
    let mut web = lockstep_engine::store::clients::find(&mut tx, &id).await.unwrap().unwrap();
    web.data.set("grant_types", json!(["authorization_code", super::OOB]));
    lockstep_engine::store::clients::save(&mut tx, &web).await.unwrap();
    tx.commit().await.unwrap();
    let confirmed = app
        .form(
            "/oauth/token",
            &[
                ("grant_type", super::OOB),
                ("client_id", "web"),
                ("client_secret", "web-secret"),
                ("mfa_token", &token),
                ("oob_code", begun["oob_code"].as_str().unwrap()),
                ("binding_code", &code),
            ],
        )
        .await;
    assert_eq!(confirmed.status, 200, "{}", confirmed.body);
    let ids: Vec<String> =
        list(&app, &token).await.iter().map(|a| a["id"].as_str().unwrap().to_owned()).collect();
    assert_eq!(ids.len(), 4, "{ids:?}");

    let sms = ids.iter().find(|id| id.starts_with("sms|")).unwrap();
    let delete = |id: String| {
        let (app, token) = (&app, &token);
        async move { app.json("DELETE", &format!("/mfa/authenticators/{id}"), Some(token), None).await }
    };
    for odd in ["totp%7Cdev_", "totp|dev_0000000000000000", "..%2Fx", "*"] {
        let answer = delete(odd.to_owned()).await;
        assert_eq!((told(&answer).0, told(&answer).1.as_str()), (404, "authenticator_not_found"), "{odd}");
    }
    let gone = delete(sms.replace('|', "%7C")).await;
    assert_eq!((gone.status.as_u16(), gone.body.as_str()), (204, ""));
    let mut left: Vec<String> =
        list(&app, &token).await.iter().map(|a| a["type"].as_str().unwrap().to_owned()).collect();
    left.sort_unstable();
    assert_eq!(left, ["otp", "recovery-code"], "text and call go together");
    let notice = app.message(MessageKind::NoticeEmail).await;
    assert!(notice.text.contains("removed") && notice.text.contains("XXXXXXXX0143"), "{}", notice.text);
    // The last factor takes the recovery code along.
    let totp = ids.iter().find(|id| id.starts_with("totp|")).unwrap();
    assert_eq!(delete(totp.clone()).await.status, 204);
    assert_eq!(list(&app, &token).await.len(), 0);
}

#[tokio::test]
async fn another_mailbox_is_enrolled_by_the_code_that_reached_it() {
    let app = tenant(&["otp", "email"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let token = access_token(&app, &ana, SCOPE).await;
    let wish =
        |email: &str| json!({"authenticator_types": ["oob"], "oob_channels": ["email"], "email": email});
    let known = associate(&app, &token, wish("ANA@example.com")).await;
    assert_eq!((told(&known).0, told(&known).1.as_str()), (409, "enrollment_conflict"), "her account's own");
    let begun = associate(&app, &token, wish("Ana@Work.test")).await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    let begun = begun.json();
    assert_eq!(
        (&begun["authenticator_type"], &begun["binding_method"], &begun["oob_channel"]),
        (&json!("oob"), &json!("prompt"), &json!("email"))
    );
    let mail = app.message(MessageKind::CodeEmail).await;
    assert_eq!(mail.recipient, "ana@work.test");
    let code = mail.code.unwrap();
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let oob = begun["oob_code"].as_str().unwrap();
    let mut tx = app.app.db().write().await.unwrap();
    let id = lockstep_core::ids::ClientId::parse("web").unwrap();
    let mut web = lockstep_engine::store::clients::find(&mut tx, &id).await.unwrap().unwrap();
    web.data.set("grant_types", json!(["authorization_code", super::OOB]));
    lockstep_engine::store::clients::save(&mut tx, &web).await.unwrap();
    tx.commit().await.unwrap();
    let confirm = async |code: &str| {
        let fields = [("grant_type", super::OOB), ("client_id", "web"), ("client_secret", "web-secret")];
        let more = [("mfa_token", token.as_str()), ("oob_code", oob), ("binding_code", code)];
        app.form("/oauth/token", &[fields, more].concat()).await
    };
    is(&confirm(wrong).await, 403, "invalid_grant", "Invalid binding_code.");
    let done = confirm(&code).await;
    assert_eq!(done.status, 200, "{}", done.body);
    assert!(app.message(MessageKind::NoticeEmail).await.text.contains("added"));
    let mailboxes: Vec<_> = list(&app, &token)
        .await
        .into_iter()
        .filter(|a| a["type"] == "email" && a["active"] == true)
        .collect();
    assert_eq!(mailboxes.len(), 2, "{mailboxes:?}");
    let id = begun["id"].as_str().unwrap();
    assert!(mailboxes.iter().any(|a| a["id"] == id));
    // It answers a challenge, and can be taken away; the one of the account cannot.
    let mfa = mfa_token(&app, &ana).await;
    app.clock.advance(Span::seconds(31));
    let asked = super::challenge(&app, &mfa, &[("authenticator_id", id)]).await;
    assert_eq!(asked.status, 200, "{}", asked.body);
    let again = app.message(MessageKind::CodeEmail).await;
    assert_eq!((again.recipient.as_str(), app.codes_sent().await), ("ana@work.test", 2));
    for (mailbox, status) in mailboxes.iter().map(|a| (a, if a["id"] == id { 204 } else { 400 })) {
        let path = format!("/mfa/authenticators/{}", mailbox["id"].as_str().unwrap().replace('|', "%7C"));
        assert_eq!(app.json("DELETE", &path, Some(&token), None).await.status, status, "{mailbox}");
    }
}

#[tokio::test]
async fn a_key_is_listed_and_asked_for_in_a_browser_only() {
    let app = tenant(&["otp", "webauthn-roaming"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let (on, _) = app.with_key(&ana, Model::SECURITY_KEY).await;
    let token = mfa_token(&app, &ana).await;
    let all = list(&app, &token).await;
    let key = all.iter().find(|a| a["type"] == "webauthn-roaming").unwrap();
    assert_eq!((&key["authenticator_type"], &key["active"]), (&json!("webauthn-roaming"), &json!(true)));
    assert_eq!(key["id"], on.method_id());
    let asked = super::challenge(&app, &token, &[("authenticator_id", &on.method_id())]).await;
    assert_eq!((told(&asked).0, told(&asked).1.as_str()), (400, "unsupported_challenge_type"));
    let cy = app.user("cy@example.com").await;
    let begun =
        associate(&app, &mfa_token(&app, &cy).await, json!({"authenticator_types": ["webauthn-roaming"]}))
            .await;
    assert_eq!((told(&begun).0, told(&begun).1.as_str()), (400, "invalid_request"), "{}", begun.body);
    let code = app.code(&ana);
    let right = super::grant(&app, super::OTP, &[("mfa_token", &token), ("otp", &code)]).await;
    assert_eq!(right.status, 200, "{}", right.body);
}

#[tokio::test]
async fn scopes_and_owners_are_checked() {
    let app = tenant(&["otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let ben = app.user_with_totp("ben@example.com").await;
    let weak = access_token(&app, &ana, "openid").await;
    for (method, path) in [
        ("GET", "/mfa/authenticators"),
        ("DELETE", "/mfa/authenticators/totp%7Cdev_0000000000000000"),
        ("POST", "/mfa/associate"),
    ] {
        let body = (method == "POST").then(|| json!({"authenticator_types": ["otp"]}));
        let answer = app.json(method, path, Some(&weak), body).await;
        assert_eq!(
            (told(&answer).0, told(&answer).1.as_str()),
            (403, "insufficient_scope"),
            "{method} {path}"
        );
        assert_eq!(answer.header("www-authenticate"), None);
    }
    app.clock.advance(lockstep_core::time::Span::seconds(30));
    let strong = access_token(&app, &ana, SCOPE).await;
    let bens = list(&app, &mfa_token(&app, &ben).await).await[0]["id"].as_str().unwrap().to_owned();
    let answer = app.json("DELETE", &format!("/mfa/authenticators/{bens}"), Some(&strong), None).await;
    assert_eq!(answer.status, 404, "somebody else's id is unknown");
    assert_eq!(list(&app, &mfa_token(&app, &ben).await).await.len(), 1);
    let pending = mfa_token(&app, &ana).await;
    let answer = app.json("DELETE", &format!("/mfa/authenticators/{bens}"), Some(&pending), None).await;
    is(&answer, 403, "access_denied", "Access token with scope remove:authenticators is required");
    app.clock.advance(lockstep_core::time::Span::minutes(10));
    let answer = app.json("GET", "/mfa/authenticators", Some(&strong), None).await;
    assert_eq!((told(&answer).0, told(&answer).1.as_str()), (401, "expired_token"));
}

#[tokio::test]
async fn the_audience_of_the_mfa_api_asks_for_mfa_and_of_nobody_without_a_factor() {
    let app = tenant(&["otp"]).await;
    app.mfa(&["otp"], &[]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    let asked = [("audience", "https://lockstep.test/mfa/"), ("scope", SCOPE)];
    browser.authorize(&asked).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
    let cy = app.user("cy@example.com").await;
    let token = access_token(&app, &cy, SCOPE).await;
    let begun = associate(&app, &token, json!({"authenticator_types": ["otp"]})).await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    assert_eq!(list(&app, &token).await.len(), 1);
}

#[tokio::test]
async fn web_pages_may_call_from_an_applications_origin() {
    let app = tenant(&["otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let token = mfa_token(&app, &ana).await;
    for (origin, allowed) in [("https://app.example", true), ("https://evil.example", false)] {
        let request = http::Request::get("/mfa/authenticators")
            .header("host", "lockstep.test")
            .header("origin", origin)
            .header("authorization", format!("Bearer {token}"));
        let answer = app.send(request.body(axum::body::Body::empty()).unwrap()).await;
        assert_eq!(answer.header("access-control-allow-origin").is_some(), allowed, "{origin}");
    }
}

#[tokio::test]
async fn an_abandoned_enrolment_leaves_the_old_factor_working_and_satisfies_nothing() {
    let app = tenant(&["otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let token = access_token(&app, &ana, SCOPE).await;
    let begun = associate(&app, &token, json!({"authenticator_types": ["otp"]})).await.json();
    let fresh = AuthenticatorApp::scan(begun["barcode_uri"].as_str().unwrap()).unwrap();
    let active =
        |all: Vec<serde_json::Value>| all.iter().map(|a| a["active"].as_bool().unwrap()).collect::<Vec<_>>();
    assert_eq!(active(list(&app, &token).await), [true, false]);
    app.clock.advance(Span::seconds(60));
    let login = mfa_token(&app, &ana).await;
    let code = fresh.code_at(app.now());
    let refused = super::grant(&app, super::OTP, &[("mfa_token", &login), ("otp", &code)]).await;
    is(&refused, 403, "invalid_grant", "Invalid otp_code.");
    let code = app.code(&ana);
    let right = super::grant(&app, super::OTP, &[("mfa_token", &login), ("otp", &code)]).await;
    assert_eq!(right.status, 200, "{}", right.body);
    app.clock.advance(Span::minutes(6));
    assert_eq!(active(list(&app, &token).await), [true], "nobody waits for it any more");
}
