//! Enrolling by API.

use lockstep_core::factors::totp::device::AuthenticatorApp;
use lockstep_core::model::message::MessageKind;
use lockstep_core::time::Span;
use serde_json::json;

use super::{ALL, METHODS, account, refused, tenant};
use crate::support::{PASSWORD, at_once};

const MFA: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

#[tokio::test]
async fn an_authenticator_app_is_begun_confirmed_once_and_named_in_the_location() {
    let app = tenant(&["otp", "recovery-code"]).await;
    let ana = app.user("ana@example.com").await;
    let own = account(&app, &ana, ALL, &[]).await;
    let factors = own.call("GET", "/me/v1/factors", None).await.json();
    assert_eq!(
        factors["factors"],
        json!([{"type": "password", "usage": ["primary"]}, {"type": "totp", "usage": ["secondary"]}]),
        "a recovery code only goes beside a factor"
    );
    let begun = own.begin(json!({"type": "totp"})).await;
    assert_eq!(begun.status, 202, "{}", begun.body);
    let body = begun.json();
    let id = body["id"].as_str().unwrap().to_owned();
    assert_eq!(begun.location(), format!("https://lockstep.test{METHODS}/{}", id.replace('|', "%7C")));
    assert!(body["auth_session"].is_string() && body["manual_input_code"].as_str().unwrap().len() >= 16);
    let pending = own.list().await;
    assert_eq!((pending.len(), &pending[1]["id"], &pending[1]["confirmed"]), (2, &json!(id), &json!(false)));

    let phone = AuthenticatorApp::scan(body["barcode_uri"].as_str().unwrap()).unwrap();
    refused(&own.verify(&id, json!({"otp_code": "000000"})).await, 400, "Invalid one-time code");
    let other = own.verify("totp|dev_0000000000000000", json!({"otp_code": phone.code_at(app.now())})).await;
    refused(&other, 404, "The authentication method was not found");
    let bad = json!({"otp_code": phone.code_at(app.now()), "auth_session": "x"});
    refused(&own.verify(&id, bad).await, 400, "The auth_session is invalid or has expired");
    app.clock.advance(Span::seconds(-12));
    let code = phone.code_at(app.now() + Span::seconds(12));
    app.clock.advance(Span::seconds(12));
    let right = json!({"otp_code": code, "auth_session": body["auth_session"]});
    let done = own.verify(&id, right.clone()).await;
    assert_eq!(done.status, 201, "{}", done.body);
    assert_eq!((&done.json()["id"], &done.json()["confirmed"]), (&json!(id), &json!(true)));
    assert!(done.location().ends_with(&id.replace('|', "%7C")));
    refused(&own.verify(&id, right).await, 400, "The auth_session is invalid or has expired");
    assert_eq!(own.types().await, ["password", "totp"]);
    let notice = app.message(MessageKind::NoticeEmail).await;
    assert!(notice.text.contains("added"), "{}", notice.text);
}

#[tokio::test]
async fn a_telephone_gets_a_code_and_is_bound_to_its_auth_session() {
    let app = tenant(&["otp", "sms"]).await;
    let ana = app.user("ana@example.com").await;
    let own = account(&app, &ana, ALL, &[]).await;
    let number = json!({"type": "phone", "phone_number": "+12025550143"});
    let begun = own.begin(number.clone()).await;
    assert_eq!(begun.status, 202, "{}", begun.body);
    let body = begun.json();
    let id = body["id"].as_str().unwrap().to_owned();
    let code = app.message(MessageKind::CodeSms).await.code.unwrap();
    let without = own.verify(&id, json!({"otp_code": code})).await;
    assert_eq!(without.json()["validation_errors"][0]["field"], "auth_session");
    let right = json!({"otp_code": code, "auth_session": body["auth_session"]});
    // Somebody else's token finds nothing there.
    let bob = app.user("bob@example.com").await;
    let stranger = account(&app, &bob, ALL, &[]).await;
    refused(&stranger.verify(&id, right.clone()).await, 404, "The authentication method was not found");
    let done = own.verify(&id, right).await;
    assert_eq!(done.status, 201, "{}", done.body);
    let method = done.json();
    assert_eq!(
        (&method["type"], &method["phone_number"], &method["preferred_authentication_method"]),
        (&json!("phone"), &json!("+12025550143"), &json!("sms"))
    );
    let stepped = account_after_mfa(&app, &ana).await;
    refused(&stepped.begin(number).await, 409, "This authentication method is already enrolled");
    let called = stepped
        .begin(json!({"type": "phone", "phone_number": "+12025550199", "preferred_authentication_method": "voice"}))
        .await;
    assert_eq!(called.status, 202, "{}", called.body);
    app.message(MessageKind::CodeVoice).await;
}

/// Logs in anew and passes MFA by the newest text.
async fn account_after_mfa<'a>(
    app: &'a crate::support::TestApp,
    person: &crate::support::Person,
) -> super::Account<'a> {
    let mut browser = app.browser();
    let asked = [("audience", super::AUDIENCE), ("scope", ALL), ("acr_values", MFA)];
    app.clock.advance(Span::minutes(1));
    browser.authorize(&asked).await.password(person).await;
    let code = app.sent_code().await;
    browser.submit(&[("code", &code), ("action", "default")]).await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    super::Account { app, token: tokens.answer["access_token"].as_str().unwrap().to_owned() }
}

#[tokio::test]
async fn five_wrong_codes_end_the_session_and_time_does() {
    let app = tenant(&["email", "otp"]).await;
    let ana = app.user("ana@example.com").await;
    let own = account(&app, &ana, ALL, &[]).await;
    refused(
        &own.begin(json!({"type": "email", "email": "ANA@example.com"})).await,
        409,
        "This authentication method is already enrolled",
    );
    let begin = || own.begin(json!({"type": "email", "email": "ana@work.test"}));
    let id = begin().await.json()["id"].as_str().unwrap().to_owned();
    let code = app.sent_code().await;
    let wrong = if code == "000000" { "111111" } else { "000000" };
    for _ in 0..5 {
        refused(&own.verify(&id, json!({"otp_code": wrong})).await, 400, "Invalid one-time code");
    }
    let late = own.verify(&id, json!({"otp_code": code})).await;
    refused(&late, 400, "The auth_session is invalid or has expired");
    let id = begin().await.json()["id"].as_str().unwrap().to_owned();
    let code = app.sent_code().await;
    app.clock.advance(Span::minutes(6));
    assert_eq!(own.verify(&id, json!({"otp_code": code})).await.status, 400);
    let id = begin().await.json()["id"].as_str().unwrap().to_owned();
    let code = app.sent_code().await;
    let malformed = own.verify(&id, json!({"otp_code": "12"})).await;
    assert_eq!(malformed.json()["validation_errors"][0]["field"], "otp_code", "{}", malformed.body);
    assert_eq!(own.verify(&id, json!({"otp_code": code})).await.status, 201);
}

#[tokio::test]
async fn of_twenty_confirmations_at_once_one_counts() {
    let app = tenant(&["otp"]).await;
    let ana = app.user("ana@example.com").await;
    let own = account(&app, &ana, ALL, &[]).await;
    let begun = own.begin(json!({"type": "totp"})).await.json();
    let id = begun["id"].as_str().unwrap().replace('|', "%7C");
    let phone = AuthenticatorApp::scan(begun["barcode_uri"].as_str().unwrap()).unwrap();
    app.clock.advance(Span::minutes(2));
    let body = json!({"otp_code": phone.code_at(app.now())});
    let path = format!("{METHODS}/{id}/verify");
    let answers =
        at_once((0..20).map(|_| app.json("POST", &path, Some(&own.token), Some(body.clone())))).await;
    let created = answers.iter().filter(|a| a.status == 201).count();
    assert_eq!(created, 1);
    assert!(answers.iter().all(|a| matches!(a.status.as_u16(), 201 | 400 | 429)), "no 500");
    assert_eq!(own.types().await, ["password", "totp"]);
}

#[tokio::test]
async fn a_person_with_a_factor_changes_nothing_without_a_fresh_second_factor() {
    let app = tenant(&["otp", "sms", "recovery-code"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let weak = account(&app, &ana, ALL, &[]).await;
    let held = weak.list().await[1]["id"].as_str().unwrap().replace('|', "%7C");
    let one = format!("{METHODS}/{held}");
    for (method, path, body) in [
        ("POST", METHODS, Some(json!({"type": "totp"}))),
        ("POST", METHODS, Some(json!({"type": "password"}))),
        ("PATCH", &one, Some(json!({"name": "x"}))),
        ("DELETE", &one, None),
    ] {
        let answer = weak.call(method, path, body).await;
        refused(&answer, 403, "Recent multi-factor authentication is required");
        assert_eq!(
            answer.header("www-authenticate"),
            Some(
                "Bearer error=\"insufficient_user_authentication\", \
                 acr_values=\"http://schemas.openid.net/pape/policies/2007/06/multi-factor\", max_age=\"900\""
            )
        );
    }
    let strong = account(&app, &ana, ALL, &[("acr_values", MFA)]).await;
    let begun = strong.begin(json!({"type": "recovery-code"})).await;
    assert_eq!(begun.status, 202, "{}", begun.body);
    app.clock.advance(Span::minutes(16));
    refused(
        &strong.begin(json!({"type": "totp"})).await,
        403,
        "Recent multi-factor authentication is required",
    );
}

#[tokio::test]
async fn a_new_recovery_code_replaces_the_old_one_when_it_was_written_down() {
    let app = tenant(&["otp", "recovery-code"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let own = account(&app, &ana, ALL, &[("acr_values", MFA)]).await;
    let mut ids = Vec::new();
    for _ in 0..2 {
        let begun = own.begin(json!({"type": "recovery-code"})).await.json();
        assert_eq!(begun["recovery_code"].as_str().unwrap().len(), 24);
        let id = begun["id"].as_str().unwrap().to_owned();
        assert_eq!(own.verify(&id, json!({})).await.status, 400);
        let done = own.verify(&id, json!({"auth_session": begun["auth_session"]})).await;
        assert_eq!(done.status, 201, "{}", done.body);
        ids.push(id);
    }
    let codes: Vec<_> = own.list().await.into_iter().filter(|m| m["type"] == "recovery-code").collect();
    assert_eq!((codes.len(), &codes[0]["id"]), (1, &json!(ids[1])));
    assert!(app.message(MessageKind::NoticeEmail).await.text.contains("recovery code"));
}

#[tokio::test]
async fn a_new_password_meets_the_policy_and_ends_everything_else() {
    let app = tenant(&["otp"]).await;
    let ana = app.user("ana@example.com").await;
    let own = account(&app, &ana, ALL, &[]).await;
    let other = own.begin(json!({"type": "password", "connection": "elsewhere"})).await;
    assert_eq!(other.json()["validation_errors"][0]["field"], "connection");
    let begun = own.begin(json!({"type": "password"})).await;
    assert_eq!(begun.status, 202, "{}", begun.body);
    let begun = begun.json();
    assert_eq!(
        (&begun["id"], &begun["policy"]["complexity"]["min_length"]),
        (&json!("password|new"), &json!(8))
    );
    let session = &begun["auth_session"];
    let weak = own.verify("password|new", json!({"auth_session": session, "new_password": "password"})).await;
    refused(&weak, 400, "The password does not meet the password policy");
    assert_eq!(weak.json()["validation_errors"][0]["pointer"], "/new_password");
    let body = json!({"auth_session": session, "new_password": "Brand-new-1"});
    let done = own.verify("password|new", body.clone()).await;
    assert_eq!(done.status, 201, "{}", done.body);
    assert!(done.json()["last_password_reset"].is_string() && done.json()["usage"] == json!(["primary"]));
    refused(&own.verify("password|new", body).await, 400, "The auth_session is invalid or has expired");
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    browser.submit(&[("username", &ana.email), ("password", PASSWORD), ("action", "default")]).await;
    assert!(browser.error_shown().is_some(), "the old password opens nothing");
    browser.submit(&[("username", &ana.email), ("password", "Brand-new-1"), ("action", "default")]).await;
    assert!(!browser.back_with_code().is_empty());
    let notice = app.message(MessageKind::NoticeEmail).await;
    assert!(notice.text.contains("password"), "{}", notice.text);
}

#[tokio::test]
async fn a_token_without_mfa_does_not_finish_a_change_of_password_that_another_began() {
    let app = tenant(&["otp"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let weak = account(&app, &ana, ALL, &[]).await;
    let strong = account(&app, &ana, ALL, &[("acr_values", MFA)]).await;
    assert_eq!(strong.begin(json!({"type": "password"})).await.status, 202);
    let body = json!({"new_password": "Brand-new-1"});
    let refusal = weak.verify("password|new", body.clone()).await;
    refused(&refusal, 403, "Recent multi-factor authentication is required");
    assert_eq!(strong.verify("password|new", body).await.status, 201);
}

#[tokio::test]
async fn what_was_begun_without_a_factor_is_not_confirmed_without_one_she_enrolled_since() {
    let app = tenant(&["otp"]).await;
    let ana = app.user("ana@example.com").await;
    let (hers, thiefs) = (account(&app, &ana, ALL, &[]).await, account(&app, &ana, ALL, &[]).await);
    let mut begun = Vec::new();
    for account in [&hers, &thiefs] {
        let body = account.begin(json!({"type": "totp"})).await.json();
        let device = AuthenticatorApp::scan(body["barcode_uri"].as_str().unwrap()).unwrap();
        begun.push((body["id"].as_str().unwrap().to_owned(), device));
    }
    // An API has no page: ten minutes, whatever a page allows.
    app.clock.advance(Span::minutes(6));
    for ((id, device), (account, status)) in begun.iter().zip([(&hers, 201), (&thiefs, 403)]) {
        app.clock.advance(Span::seconds(30));
        let at = app.now() + Span::seconds(12);
        let answer = account.verify(id, json!({"otp_code": device.code_at(at)})).await;
        assert_eq!(answer.status, status, "{}", answer.body);
    }
}
