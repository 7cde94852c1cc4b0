//! Codes that are sent: text messages, calls, mail.

use lockstep_core::model::message::MessageKind;
use lockstep_core::time::Span;
use serde_json::{Value, json};

use super::{OOB, associate, challenge, grant, is, list, mfa_token, tenant, told};
use crate::management::admin;
use crate::support::{Answer, Person, TestApp, claims};

const DEE: &str = "+12025550143";

/// Enrols a telephone by the API, and lets its budgets rest.
async fn with_phone(app: &TestApp, person: &Person) {
    let token = mfa_token(app, person).await;
    let body = json!({"authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": DEE});
    let begun = associate(app, &token, body).await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    let begun = begun.json();
    assert_eq!(
        (&begun["authenticator_type"], &begun["binding_method"], &begun["oob_channel"], &begun["name"]),
        (&json!("oob"), &json!("prompt"), &json!("sms"), &json!("XXXXXXXX0143"))
    );
    let code = app.sent_code().await;
    let oob = begun["oob_code"].as_str().unwrap();
    let done = grant(app, OOB, &[("mfa_token", &token), ("oob_code", oob), ("binding_code", &code)]).await;
    assert_eq!(done.status, 200, "{}", done.body);
    app.clock.advance(Span::hours(2));
}

#[tokio::test]
async fn a_phone_is_enrolled_challenged_and_named_by_both_its_channels() {
    let app = tenant(&["sms"]).await;
    app.message_types(&["sms", "voice"]).await;
    let dee = app.user("dee@example.com").await;
    with_phone(&app, &dee).await;
    let token = mfa_token(&app, &dee).await;
    let listed = list(&app, &token).await;
    let ids: Vec<&str> = listed.iter().map(|a| a["id"].as_str().unwrap()).collect();
    assert!(ids[0].starts_with("sms|dev_") && ids[1] == ids[0].replace("sms|", "voice|"), "{ids:?}");
    assert!(!json!(listed).to_string().contains("2025550143"));

    let called = challenge(&app, &token, &[("challenge_type", "oob"), ("authenticator_id", ids[1])]).await;
    assert_eq!(called.status, 200, "{}", called.body);
    let called = called.json();
    assert_eq!((&called["challenge_type"], &called["binding_method"]), (&json!("oob"), &json!("prompt")));
    let code = app.message(MessageKind::CodeVoice).await.code.unwrap();
    app.clock.advance(Span::seconds(1));
    let texted =
        challenge(&app, &token, &[("challenge_type", "oob"), ("authenticator_id", ids[0])]).await.json();
    let old = called["oob_code"].as_str().unwrap();
    let replaced =
        grant(&app, OOB, &[("mfa_token", &token), ("oob_code", old), ("binding_code", &code)]).await;
    is(&replaced, 403, "invalid_grant", "Malformed oob_code");

    let oob = texted["oob_code"].as_str().unwrap();
    let code = app.sent_code().await;
    let wrong = if code == "000000" { "000001" } else { "000000" };
    let answer = grant(&app, OOB, &[("mfa_token", &token), ("oob_code", oob), ("binding_code", wrong)]).await;
    is(&answer, 403, "invalid_grant", "Invalid binding_code.");
    let missing = grant(&app, OOB, &[("mfa_token", &token), ("oob_code", oob)]).await;
    is(&missing, 400, "invalid_request", "Missing required parameter: binding_code");
    let right = grant(&app, OOB, &[("mfa_token", &token), ("oob_code", oob), ("binding_code", &code)]).await;
    assert_eq!(right.status, 200, "{}", right.body);
    assert_eq!(claims(right.json()["id_token"].as_str().unwrap())["amr"], json!(["pwd", "mfa", "sms"]));
}

#[tokio::test]
async fn a_code_dies_of_age_and_of_guesses_and_is_only_its_own_tokens() {
    let app = tenant(&["sms"]).await;
    let dee = app.user("dee@example.com").await;
    with_phone(&app, &dee).await;
    let token = mfa_token(&app, &dee).await;
    let begun = challenge(&app, &token, &[]).await.json();
    let (oob, code) = (begun["oob_code"].as_str().unwrap().to_owned(), app.sent_code().await);
    let other = mfa_token(&app, &dee).await;
    let foreign =
        grant(&app, OOB, &[("mfa_token", &other), ("oob_code", &oob), ("binding_code", &code)]).await;
    is(&foreign, 403, "invalid_grant", "Malformed oob_code");
    app.clock.advance(Span::millis(300_001));
    let late = grant(&app, OOB, &[("mfa_token", &token), ("oob_code", &oob), ("binding_code", &code)]).await;
    is(&late, 401, "expired_token", "oob_code is expired");

    let begun = challenge(&app, &token, &[]).await.json();
    let (oob, code) = (begun["oob_code"].as_str().unwrap().to_owned(), app.sent_code().await);
    let wrong = if code == "000000" { "000001" } else { "000000" };
    for _ in 0..5 {
        let answer =
            grant(&app, OOB, &[("mfa_token", &token), ("oob_code", &oob), ("binding_code", wrong)]).await;
        is(&answer, 403, "invalid_grant", "Invalid binding_code.");
    }
    let dead = grant(&app, OOB, &[("mfa_token", &token), ("oob_code", &oob), ("binding_code", &code)]).await;
    is(&dead, 403, "invalid_grant", "Malformed oob_code");
}

#[tokio::test]
async fn numbers_that_cannot_be_are_refused_and_one_is_enrolled_once() {
    let app = tenant(&["sms", "otp"]).await;
    let cy = app.user("cy@example.com").await;
    let token = mfa_token(&app, &cy).await;
    let wish = |number: serde_json::Value| json!({"authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": number});
    for odd in
        ["12025550143", "+1202", "＋12025550143", "+12025550143;ext=1", "+979123456789", "+19005550143"]
    {
        is(
            &associate(&app, &token, wish(json!(odd))).await,
            400,
            "invalid_phone_number",
            "The phone number is invalid.",
        );
    }
    for body in [
        wish(json!(["+12025550143", "+12025550144"])),
        json!({}),
        json!({"authenticator_types": ["otp", "oob"]}),
        json!({"authenticator_types": []}),
        json!({"authenticator_types": ["oob"]}),
        json!({"authenticator_types": ["oob"], "oob_channels": ["sms"]}),
        json!({"authenticator_types": ["oob"], "oob_channels": ["pigeon"], "phone_number": DEE}),
    ] {
        let answer = associate(&app, &token, body.clone()).await;
        assert_eq!((told(&answer).0, told(&answer).1.as_str()), (400, "invalid_request"), "{body}");
    }
    for channels in [json!(["auth0"]), json!(["voice"])] {
        let body = json!({"authenticator_types": ["oob"], "oob_channels": channels, "phone_number": DEE});
        assert_eq!(told(&associate(&app, &token, body).await).1, "unsupported_challenge_type");
    }
    assert_eq!(app.codes_sent().await, 0, "nobody was sent anything");
}

#[tokio::test]
async fn what_costs_money_is_refused_at_the_api_too_and_the_log_names_the_policy() {
    let app = TestApp::with(|config| config.phone_countries = vec!["1".into(), "49".into()]).await;
    let app = app.with_apps().await.with_password_grants().await;
    app.mfa(&["otp", "sms"], &["all-applications"]).await;
    let wish = async |name: &str, number: &str| {
        let person = app.user(&format!("{name}@example.com")).await;
        let body = json!({"authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": number});
        associate(&app, &mfa_token(&app, &person).await, body).await
    };
    // Satellite, premium, a country that is not on the list, premium in one that is.
    let refused = ["+88213000000", "+979123456789", "+447700900123", "+19005550143"];
    for (n, number) in refused.into_iter().enumerate() {
        let answer = wish(&format!("r{n}"), number).await;
        is(&answer, 400, "invalid_phone_number", "The phone number is invalid.");
    }
    assert_eq!(app.outbox().await.len(), 0);
    // "1" is all of +1.
    for (n, number) in ["+12025550143", "+4915123456789", "+18765550143"].into_iter().enumerate() {
        assert_eq!(wish(&format!("t{n}"), number).await.status, 200, "{number}");
    }
    // Somebody who came with such a number has another method.
    let dee = app.user_with_totp("dee@example.com").await;
    let admin = admin(&app).await;
    let phone = json!({"type": "phone", "phone_number": "+447700900123"});
    admin.expect(201, "POST", "/users/auth0%7Cdee/authentication-methods", Some(phone)).await;
    let token = mfa_token(&app, &dee).await;
    let answer = challenge(&app, &token, &[("challenge_type", "oob")]).await;
    is(&answer, 400, "invalid_phone_number", "The phone number is invalid.");
    assert_eq!(app.codes_sent().await, 3, "nothing was sent there");
    let code = app.code(&dee);
    let right = grant(&app, super::OTP, &[("mfa_token", &token), ("otp", &code)]).await;
    assert_eq!(right.status, 200, "{}", right.body);
    app.app.logs().flush().await;
    let logs = admin.expect(200, "GET", "/logs?q=type:gd_send_sms_failure", None).await;
    let newest = &logs[0];
    assert_eq!(newest["details"]["policy"], "country not in phone.countries or country_codes", "{logs}");
    assert_eq!(newest["details"]["to"], "XXXXXXXXX0123");
    assert!(!logs.to_string().contains("7700900123"), "{logs}");
}

#[tokio::test]
async fn texts_and_calls_to_one_number_share_ten_messages_however_it_is_spelled() {
    let app = tenant(&["sms", "otp"]).await;
    app.message_types(&["sms", "voice"]).await;
    let dee = app.user("dee@example.com").await;
    with_phone(&app, &dee).await;
    let spellings =
        [DEE, "+1 202 555 0143", "+1-202-555-0143", "+1(202)5550143", "＋12025550143", "+12025550143;ext=1"];
    let (mut refused, mut odd) = (0, 0);
    let mut count = |answer: &Answer| match (answer.status.as_u16(), told(answer).1.as_str()) {
        (200, _) => {}
        (429, "too_many_attempts") => refused += 1,
        (400, "invalid_phone_number") => odd += 1,
        _ => panic!("{}", answer.body),
    };
    for n in 0..18 {
        let person = app.user(&format!("u{}@example.com", n)).await;
        let token = mfa_token(&app, &person).await;
        let number = spellings[n % spellings.len()];
        let body = json!({"authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": number});
        count(&associate(&app, &token, body).await);
        if n % 3 == 0 {
            let channel = if n % 2 == 0 { "sms" } else { "voice" };
            let token = mfa_token(&app, &dee).await;
            count(&challenge(&app, &token, &[("challenge_type", "oob"), ("oob_channel", channel)]).await);
        }
    }
    let sent = app.codes_sent().await - 1;
    assert_eq!((sent, refused, odd), (10, 8, 6), "one of all was the code of her enrolment");
    assert!(app.outbox().await.iter().filter(|m| m.code.is_some()).all(|message| message.recipient == DEE));
    // However it is spelled, she has it once.
    app.clock.advance(Span::hours(2));
    let held = list(&app, &mfa_token(&app, &dee).await).await;
    assert_eq!(held.iter().filter(|a| a["oob_channel"] == "sms").count(), 1, "{held:?}");
}

#[tokio::test]
async fn an_address_that_could_break_a_mail_is_no_mailbox() {
    let app = tenant(&["otp", "email"]).await;
    let cy = app.user("cy@example.com").await;
    let token = mfa_token(&app, &cy).await;
    for odd in [
        "a@example.com\r\nBcc: x@evil.example",
        "a@example.com%0d%0aDATA",
        "\"a\r\nb\"@example.com",
        "a@exam\u{0}ple.com",
        "a@example.com, x@evil.example",
        "a@b@example.com",
        &format!("a@{}", "a.".repeat(50_000)),
        &format!("{}!", "a".repeat(50_000)),
    ] {
        let body = json!({"authenticator_types": ["oob"], "oob_channels": ["email"], "email": odd});
        let answer = associate(&app, &token, body).await;
        assert_eq!((told(&answer).0, told(&answer).1.as_str()), (400, "invalid_request"), "{odd:.60}");
    }
    assert_eq!(app.outbox().await.len(), 0);
}

#[tokio::test]
async fn what_the_server_decides_cannot_be_sent_along_with_an_enrolment() {
    let app = tenant(&["otp"]).await;
    let (cy, ben) = (app.user("cy@example.com").await, app.user("ben@example.com").await);
    let token = mfa_token(&app, &cy).await;
    let body = json!({"authenticator_types": ["otp"], "active": true, "confirmed": true, "user_id": ben.id,
        "id": "totp|dev_0000000000000000", "secret": "JBSWY3DPEHPK3PXP", "__proto__": {"active": true}});
    let begun = associate(&app, &token, body).await;
    assert_eq!(begun.status, 200, "{}", begun.body);
    assert_ne!(begun.json()["secret"], "JBSWY3DPEHPK3PXP");
    let held = list(&app, &token).await;
    assert_eq!((held.len(), &held[0]["active"]), (1, &Value::Bool(false)));
    assert_ne!(held[0]["id"], "totp|dev_0000000000000000");
    assert_eq!(list(&app, &mfa_token(&app, &ben).await).await.len(), 0);
}

#[tokio::test]
async fn a_code_of_somebody_who_was_blocked_meanwhile_is_dead_for_good() {
    let app = tenant(&["sms"]).await;
    let dee = app.user("dee@example.com").await;
    with_phone(&app, &dee).await;
    let token = mfa_token(&app, &dee).await;
    let oob = challenge(&app, &token, &[]).await.json()["oob_code"].as_str().unwrap().to_owned();
    let code = app.sent_code().await;
    let fields = [("mfa_token", token.as_str()), ("oob_code", &oob), ("binding_code", &code)];
    app.block(&dee, true).await;
    is(&grant(&app, OOB, &fields).await, 401, "unauthorized", "user is blocked");
    let again = challenge(&app, &token, &[]).await;
    assert_eq!(again.status, 401, "{}", again.body);
    assert_eq!(app.codes_sent().await, 2, "one at the enrolment, one before the block");
}

#[tokio::test]
async fn mail_serves_beside_an_app_and_the_address_of_the_account_cannot_be_removed() {
    let app = tenant(&["otp", "email"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let token = mfa_token(&app, &ana).await;
    let listed = list(&app, &token).await;
    let mail = listed.iter().find(|a| a["type"] == "email").expect("her verified address");
    assert_eq!(mail["name"], "****@exam*******");
    let id = mail["id"].as_str().unwrap();
    let begun = challenge(&app, &token, &[("authenticator_id", id)]).await.json();
    let code = app.message(MessageKind::CodeEmail).await.code.unwrap();
    let oob = begun["oob_code"].as_str().unwrap();
    let right = grant(&app, OOB, &[("mfa_token", &token), ("oob_code", oob), ("binding_code", &code)]).await;
    assert_eq!(right.status, 200, "{}", right.body);
    assert_eq!(claims(right.json()["id_token"].as_str().unwrap())["amr"], json!(["pwd", "mfa", "email"]));
}

#[tokio::test]
async fn a_challenge_without_a_wish_takes_the_app_and_types_restrict_it() {
    let app = tenant(&["otp", "sms"]).await;
    let dee = app.user("dee@example.com").await;
    with_phone(&app, &dee).await;
    let token = mfa_token(&app, &dee).await;
    let otp = challenge(&app, &token, &[("challenge_type", "otp")]).await;
    assert_eq!((told(&otp).0, told(&otp).1.as_str()), (400, "unsupported_challenge_type"));
    assert_eq!(
        challenge(&app, &token, &[("challenge_type", "otp oob")]).await.json()["challenge_type"],
        "oob"
    );
    let ana = app.user_with_totp("ana@example.com").await;
    let token = mfa_token(&app, &ana).await;
    assert_eq!(challenge(&app, &token, &[]).await.json()["challenge_type"], "otp");
    let theirs = list(&app, &mfa_token(&app, &dee).await).await[0]["id"].as_str().unwrap().to_owned();
    for id in [theirs.as_str(), "totp|dev_0000000000000000", "totp|dev_", "x"] {
        let answer = challenge(&app, &token, &[("authenticator_id", id)]).await;
        assert_eq!((told(&answer).0, told(&answer).1.as_str()), (404, "authenticator_not_found"), "{id}");
    }
    let two = json!({"mfa_token": token, "client_id": "ropg", "client_secret": "ropg-secret", "authenticator_id": ["a", "b"]});
    assert_eq!(app.json("POST", "/mfa/challenge", None, Some(two)).await.status, 400);
}
