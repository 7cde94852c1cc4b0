//! Text messages and calls.

use lockstep_core::crypto::digest::hmac_sha256_hex;
use lockstep_core::time::Span;
use lockstep_engine::worker::delivery;
use serde_json::{Value, json};

use super::{Mood, Recorder, assert_signed_for_aws, form, tenant, tenant_with_sns};
use crate::management::admin;
use crate::support::{Person, TestApp};

async fn twilio(app: &TestApp) {
    let admin = admin(app).await;
    let account = json!({"sid": "AC123", "auth_token": "t0ken", "from": "+15005550006"});
    admin.expect(200, "PUT", "/guardian/factors/phone/providers/twilio", Some(account)).await;
    let provider = Some(json!({"provider": "twilio"}));
    admin.expect(200, "PUT", "/guardian/factors/phone/selected-provider", provider).await;
}

/// Logs in until a code has been asked for by that channel.
async fn ask(app: &TestApp, dee: &Person, channel: &str) {
    let admin = admin(app).await;
    let path = format!("/users/{}/authentication-methods", dee.id.as_str().replace('|', "%7C"));
    let phone =
        json!({"type": "phone", "phone_number": "+12025550143", "preferred_authentication_method": channel});
    admin.expect(201, "POST", &path, Some(phone)).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(dee).await;
    if browser.screen() == "mfa-otp-challenge" {
        browser.submit(&[("action", "pick-authenticator")]).await;
        browser.submit(&[("action", "phone::0")]).await;
    }
    assert_eq!(app.codes_sent().await, 1, "{}", browser.page.body);
}

#[tokio::test]
async fn twilio_is_given_the_text_and_no_code_is_in_an_address() {
    let recorder = Recorder::start().await;
    let (app, dee) = tenant(&recorder).await;
    twilio(&app).await;
    ask(&app, &dee, "sms").await;
    assert_eq!(delivery::run(&app.app).await.unwrap(), 1);
    assert_eq!(delivery::run(&app.app).await.unwrap(), 0, "sent once");
    let (uri, headers, body) = recorder.calls().remove(0);
    assert_eq!(uri, "/2010-04-01/Accounts/AC123/Messages.json");
    assert_eq!(headers["authorization"], "Basic QUMxMjM6dDBrZW4=");
    let code = app.sent_code().await;
    let form = form(&body);
    let field = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!((field("To"), field("From")), (Some("+12025550143"), Some("+15005550006")));
    assert!(field("Body").unwrap().ends_with(&format!("@lockstep.test #{code}")));
}

#[tokio::test]
async fn a_call_is_spoken_digit_by_digit() {
    let recorder = Recorder::start().await;
    let (app, dee) = tenant(&recorder).await;
    twilio(&app).await;
    ask(&app, &dee, "voice").await;
    delivery::run(&app.app).await.unwrap();
    let (uri, _, body) = recorder.calls().remove(0);
    assert_eq!(uri, "/2010-04-01/Accounts/AC123/Calls.json");
    let code = app.sent_code().await;
    let spoken = code.chars().map(String::from).collect::<Vec<_>>().join(", ");
    let twiml = form(&body).into_iter().find(|(name, _)| name == "Twiml").unwrap().1;
    assert!(twiml.contains("<Say language=\"en-US\">") && twiml.matches(&spoken).count() == 2, "{twiml}");
    assert!(!uri.contains(&code) && !twiml.contains(&code));
}

#[tokio::test]
async fn a_call_speaks_the_persons_language_and_any_name() {
    for (language, spoken_as) in [("en", "en-US"), ("de", "de-DE"), ("es", "es-ES")] {
        let recorder = Recorder::start().await;
        let (app, dee) = tenant(&recorder).await;
        twilio(&app).await;
        let admin = admin(&app).await;
        let settings = json!({"friendly_name": "A & B <Co>", "enabled_locales": ["en", "de", "es"]});
        admin.expect(200, "PATCH", "/tenants/settings", Some(settings)).await;
        let phone = json!({"type": "phone", "phone_number": "+12025550143", "preferred_authentication_method": "voice"});
        admin.expect(201, "POST", "/users/auth0%7Cdee/authentication-methods", Some(phone)).await;
        let mut browser = app.browser();
        browser.authorize(&[("ui_locales", language)]).await.password(&dee).await;
        browser.submit(&[("action", "pick-authenticator")]).await.submit(&[("action", "phone::0")]).await;
        delivery::run(&app.app).await.unwrap();
        let (uri, _, body) = recorder.calls().remove(0);
        let twiml = form(&body).into_iter().find(|(name, _)| name == "Twiml").unwrap().1;
        let code = app.sent_code().await;
        let spoken = code.chars().map(String::from).collect::<Vec<_>>().join(", ");
        assert!(twiml.contains(&format!("<Say language=\"{spoken_as}\">")), "{twiml}");
        assert!(twiml.contains("A &amp; B &lt;Co&gt;") && twiml.matches(&spoken).count() == 2, "{twiml}");
        assert!(!uri.contains(&code));
        app.app.logs().flush().await;
        let logs = admin.expect(200, "GET", "/logs?q=type:gd_send_voice", None).await;
        assert_eq!(logs[0]["details"]["to"], "XXXXXXXX0143", "{logs}");
        assert!(!logs.to_string().contains(&code));
    }
}

#[tokio::test]
async fn a_provider_that_fails_is_tried_within_the_codes_life_and_not_after() {
    let recorder = Recorder::start().await;
    let (app, dee) = tenant(&recorder).await;
    twilio(&app).await;
    ask(&app, &dee, "sms").await;
    for (mood, wait, calls) in [
        (Mood::Status(500), 0, 1),
        (Mood::Garbage, 5, 2),
        (Mood::Status(429), 15, 3),
        (Mood::Status(503), 44, 3),
        (Mood::Status(503), 1, 4),
    ] {
        recorder.is(mood);
        app.clock.advance(Span::seconds(wait));
        delivery::run(&app.app).await.unwrap();
        assert_eq!(recorder.calls().len(), calls, "after {wait} s more");
    }
    // Meanwhile the person goes on by another method.
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&dee).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
    let code = app.code(&dee);
    browser.code(&code).await;
    browser.back_with_code();
    for _ in 0..60 {
        app.clock.advance(Span::seconds(5));
        delivery::run(&app.app).await.unwrap();
    }
    let tried = recorder.calls().len();
    recorder.is(Mood::Takes);
    app.clock.advance(Span::minutes(10));
    delivery::run(&app.app).await.unwrap();
    assert_eq!(recorder.calls().len(), tried, "a dead code is not sent");
    let logs = admin(&app).await.expect(200, "GET", "/logs?q=type:gd_send_sms_failure", None).await;
    assert_eq!(logs[0]["details"]["to"], "XXXXXXXX0143", "{logs}");
    assert!(logs[0]["details"]["error"].as_str().unwrap().contains("503"), "{logs}");
}

#[tokio::test]
async fn what_is_refused_for_good_is_not_tried_again() {
    let recorder = Recorder::start().await;
    let (app, dee) = tenant(&recorder).await;
    twilio(&app).await;
    recorder.is(Mood::Status(400));
    ask(&app, &dee, "sms").await;
    delivery::run(&app.app).await.unwrap();
    app.clock.advance(Span::minutes(1));
    delivery::run(&app.app).await.unwrap();
    assert_eq!(recorder.calls().len(), 1);
    let logs = admin(&app).await.expect(200, "GET", "/logs?q=type:gd_send_sms_failure", None).await;
    assert!(logs[0]["details"]["error"].as_str().unwrap().contains("21211"), "{logs}");
}

#[tokio::test]
async fn the_operators_hook_is_called_with_a_signature() {
    let recorder = Recorder::start().await;
    let (app, dee) = tenant(&recorder).await;
    let provider = Some(json!({"provider": "phone-message-hook"}));
    admin(&app).await.expect(200, "PUT", "/guardian/factors/phone/selected-provider", provider).await;
    ask(&app, &dee, "sms").await;
    delivery::run(&app.app).await.unwrap();
    let (uri, headers, body) = recorder.calls().remove(0);
    assert_eq!(uri, "/hook?k=1");
    let signature = format!("sha256={}", hmac_sha256_hex(b"hook-secret", body.as_bytes()));
    assert_eq!(headers["lockstep-signature"], signature.as_str());
    let told: Value = serde_json::from_str(&body).unwrap();
    assert_eq!(
        (&told["message_type"], &told["recipient"], &told["code"]),
        (&json!("sms"), &json!("+12025550143"), &json!(app.sent_code().await))
    );
}

#[tokio::test]
async fn without_a_provider_the_log_says_so_at_once() {
    let recorder = Recorder::start().await;
    let (app, dee) = tenant(&recorder).await;
    ask(&app, &dee, "sms").await;
    delivery::run(&app.app).await.unwrap();
    let logs = admin(&app).await.expect(200, "GET", "/logs?q=type:gd_send_sms_failure", None).await;
    assert_eq!(logs[0]["details"]["error"], "no phone provider is configured");
}

#[tokio::test]
async fn amazon_sns_carries_text_messages_by_the_operators_account_signed() {
    let recorder = Recorder::start().await;
    let (app, dee) = tenant_with_sns(&recorder).await;
    ask(&app, &dee, "sms").await;
    assert_eq!(delivery::run(&app.app).await.unwrap(), 1);
    app.clock.advance(Span::minutes(1));
    assert_eq!(delivery::run(&app.app).await.unwrap(), 0, "sent once");
    let call = recorder.calls().remove(0);
    assert_signed_for_aws(&call, "s3cret", "20260202/eu-west-1/sns/aws4_request");
    let (uri, _, body) = call;
    assert_eq!(uri, "/");
    let form = form(&body);
    let field = |name: &str| form.iter().find(|(n, _)| n == name).map(|(_, v)| v.as_str());
    assert_eq!((field("Action"), field("PhoneNumber")), (Some("Publish"), Some("+12025550143")));
    let code = app.sent_code().await;
    assert!(field("Message").unwrap().ends_with(&format!("@lockstep.test #{code}")));
    assert_eq!(field("MessageAttributes.entry.1.Name"), Some("AWS.SNS.SMS.SMSType"));
    assert_eq!(field("MessageAttributes.entry.2.Value.StringValue"), Some("ACME"));
}

#[tokio::test]
async fn amazon_sns_makes_no_calls_and_the_person_goes_on_by_another_method() {
    let recorder = Recorder::start().await;
    let (app, dee) = tenant_with_sns(&recorder).await;
    ask(&app, &dee, "voice").await;
    delivery::run(&app.app).await.unwrap();
    assert!(recorder.calls().is_empty());
    let logs = admin(&app).await.expect(200, "GET", "/logs?q=type:gd_send_voice_failure", None).await;
    assert!(logs[0]["details"]["error"].as_str().unwrap().contains("makes no calls"), "{logs}");
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&dee).await;
    let code = app.code(&dee);
    browser.code(&code).await;
    browser.back_with_code();
}

#[tokio::test]
async fn amazon_sns_is_tried_again_within_the_codes_life_and_not_where_it_refuses() {
    let recorder = Recorder::start().await;
    let (app, dee) = tenant_with_sns(&recorder).await;
    ask(&app, &dee, "sms").await;
    for (mood, wait, calls) in
        [(Mood::Garbage, 0, 1), (Mood::Status(500), 5, 2), (Mood::Throttles, 15, 3), (Mood::Takes, 45, 4)]
    {
        recorder.is(mood);
        app.clock.advance(Span::seconds(wait));
        delivery::run(&app.app).await.unwrap();
        assert_eq!(recorder.calls().len(), calls, "after {wait} s more");
    }
    let signed: Vec<String> = recorder
        .calls()
        .iter()
        .map(|(_, headers, _)| headers["x-amz-date"].to_str().unwrap().to_owned())
        .collect();
    assert!(signed.windows(2).all(|two| two[0] < two[1]), "each attempt is signed anew: {signed:?}");
    // Another code, refused for good, then one that nobody takes while it lives.
    for (mood, calls) in [(Mood::Status(403), 1), (Mood::Status(503), 5)] {
        recorder.is(mood);
        let before = recorder.calls().len();
        app.clock.advance(Span::minutes(10));
        let mut browser = app.browser();
        browser.authorize(&[]).await.password(&dee).await;
        browser.submit(&[("action", "pick-authenticator")]).await;
        browser.submit(&[("action", "phone::0")]).await;
        for _ in 0..120 {
            delivery::run(&app.app).await.unwrap();
            app.clock.advance(Span::seconds(5));
        }
        let made = recorder.calls().len() - before;
        assert!(if calls == 1 { made == 1 } else { (calls..12).contains(&made) }, "{made} calls");
        let logs = admin(&app).await.expect(200, "GET", "/logs?q=type:gd_send_sms_failure", None).await;
        assert_eq!(logs.as_array().unwrap().len(), if calls == 1 { 1 } else { 2 }, "{logs}");
    }
}
