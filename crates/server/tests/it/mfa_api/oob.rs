//! Codes that are sent: text messages, calls, mail.

use lockstep_core::model::message::MessageKind;
use lockstep_core::time::Span;
use serde_json::json;

use super::{OOB, associate, challenge, grant, is, list, mfa_token, tenant, told};
use crate::support::{Person, TestApp, claims};

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
async fn spellings_of_one_number_share_its_ten_messages() {
    let app = tenant(&["sms", "otp"]).await;
    let spellings = [DEE, "+1 202 555 0143", "+1-202-555-0143", "+1(202)5550143"];
    let mut refused = 0;
    for n in 0..14 {
        let person = app.user(&format!("u{n}@example.com")).await;
        let token = mfa_token(&app, &person).await;
        let body = json!({"authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": spellings[n % 4]});
        let answer = associate(&app, &token, body).await;
        refused += usize::from(answer.status == 429);
    }
    assert_eq!((app.codes_sent().await, refused), (10, 4));
    assert!(app.outbox().await.iter().all(|message| message.recipient == DEE));
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
