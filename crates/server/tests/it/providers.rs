//! Text messages, calls and mails through providers, with a small recorder in their place.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use lockstep_core::crypto::digest::hmac_sha256_hex;
use lockstep_core::time::Span;
use lockstep_engine::worker::delivery;
use serde_json::{Value, json};

use crate::management::admin;
use crate::support::{Person, TestApp};

/// What a stand-in answers.
#[derive(Clone, Copy)]
enum Mood {
    Takes,
    Status(u16),
    Garbage,
    Silent,
}

#[derive(Clone)]
struct Recorder {
    mood: Arc<Mutex<Mood>>,
    calls: Arc<Mutex<Vec<(String, HeaderMap, String)>>>,
    url: String,
}

impl Recorder {
    async fn start() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let recorder = Self { mood: Arc::new(Mutex::new(Mood::Takes)), calls: Arc::default(), url };
        let router = Router::new().fallback(record).with_state(recorder.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
        recorder
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn calls(&self) -> Vec<(String, HeaderMap, String)> {
        self.calls.lock().unwrap().clone()
    }
}

async fn record(State(it): State<Recorder>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    it.calls.lock().unwrap().push((uri.to_string(), headers, String::from_utf8_lossy(&body).into_owned()));
    let mood = *it.mood.lock().unwrap();
    match mood {
        Mood::Takes if uri.path().ends_with("/send.json") => {
            axum::Json(json!([{"status": "sent"}])).into_response()
        }
        // What each of them says when it took something.
        Mood::Takes => {
            let taken = json!({"sid": "SM1", "status": "queued", "id": "1", "results": {"id": "1"}});
            (StatusCode::CREATED, axum::Json(taken)).into_response()
        }
        Mood::Status(code) => {
            (StatusCode::from_u16(code).unwrap(), axum::Json(json!({"code": 21211}))).into_response()
        }
        Mood::Garbage => (StatusCode::OK, "<html>hotel wifi</html>").into_response(),
        Mood::Silent => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            StatusCode::OK.into_response()
        }
    }
}

async fn tenant(recorder: &Recorder) -> (TestApp, Person) {
    let (twilio, mail) = (recorder.url.clone(), recorder.url.clone());
    let hook = format!("{}/hook?k=1", recorder.url);
    let app = TestApp::with(|config| {
        config.providers.twilio_url = twilio;
        config.providers.mail_api_url = Some(mail);
        config.providers.hook_url = Some(hook);
        config.providers.hook_secret = Some("hook-secret".to_owned());
        config.providers.private_networks = true;
    })
    .await
    .with_apps()
    .await;
    app.mfa(&["otp", "sms"], &["all-applications"]).await;
    app.message_types(&["sms", "voice"]).await;
    let dee = app.user_with_totp("dee@example.com").await;
    (app, dee)
}

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

fn form(body: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
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
async fn a_silent_provider_blocks_nobody() {
    let recorder = Recorder::start().await;
    let (app, dee) = tenant(&recorder).await;
    twilio(&app).await;
    recorder.is(Mood::Silent);
    ask(&app, &dee, "sms").await;
    let sending = tokio::spawn({
        let app = app.app.clone();
        async move { delivery::run(&app).await }
    });
    while recorder.calls().is_empty() {
        tokio::task::yield_now().await;
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&dee).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
    sending.abort();
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

/// Sets who carries the mail, and asks for one: a ticket.
async fn mail_by(app: &TestApp, dee: &Person, name: &str, credentials: Value) {
    let admin = admin(app).await;
    let provider = json!({"name": name, "credentials": credentials, "default_from_address": "Acme <no-reply@acme.test>"});
    admin.expect(201, "POST", "/emails/provider", Some(provider)).await;
    let ticket = json!({"user_id": dee.id, "send_mail": true, "allow_multiple_enrollments": true});
    admin.expect(200, "POST", "/guardian/enrollments/ticket", Some(ticket)).await;
}

#[tokio::test]
async fn mail_goes_by_the_api_of_each_provider_whose_api_is_one_post() {
    let key = json!({"api_key": "k3y"});
    for (name, credentials, path, authorization) in [
        ("sendgrid", key.clone(), "/v3/mail/send", Some("Bearer k3y")),
        (
            "mailgun",
            json!({"api_key": "k3y", "domain": "mg.acme.test", "region": "eu"}),
            "/v3/mg.acme.test/messages",
            Some("Basic YXBpOmszeQ=="),
        ),
        ("mandrill", key.clone(), "/api/1.0/messages/send.json", None),
        ("sparkpost", key.clone(), "/api/v1/transmissions", Some("k3y")),
        ("resend", key.clone(), "/emails", Some("Bearer k3y")),
    ] {
        let recorder = Recorder::start().await;
        let (app, dee) = tenant(&recorder).await;
        mail_by(&app, &dee, name, credentials).await;
        // An answer that is not the provider's is none: but the one that says nothing at all cannot be told from another.
        if name != "sendgrid" {
            recorder.is(Mood::Garbage);
            delivery::run(&app.app).await.unwrap();
            app.clock.advance(Span::minutes(2));
            recorder.is(Mood::Takes);
        }
        assert_eq!(delivery::run(&app.app).await.unwrap(), 1, "{name}");
        app.clock.advance(Span::hours(1));
        assert_eq!(delivery::run(&app.app).await.unwrap(), 0, "{name}: sent once");
        let (uri, headers, body) = recorder.calls().pop().unwrap();
        assert_eq!(uri, path);
        assert_eq!(headers.get("authorization").and_then(|v| v.to_str().ok()), authorization, "{name}");
        let body = if name == "mailgun" { form(&body).into_iter().map(|(_, v)| v).collect() } else { body };
        for part in [
            "dee@example.com",
            "no-reply@acme.test",
            "Acme",
            "Set up two-step verification",
            "/guardian/enroll?ticket=",
        ] {
            assert!(body.contains(part), "{name}: {part} in {body}");
        }
        assert_eq!(body.contains("k3y"), name == "mandrill", "only Mandrill wants the key in the body");
    }
}

#[tokio::test]
async fn a_mail_that_its_provider_refuses_is_in_the_log_and_not_tried_again() {
    for (name, status, why) in [("sendgrid", Some(401), "401"), ("ses", None, "not built yet")] {
        let recorder = Recorder::start().await;
        let (app, dee) = tenant(&recorder).await;
        let credentials = match name {
            "ses" => json!({"accessKeyId": "a", "secretAccessKey": "b", "region": "eu-west-1"}),
            _ => json!({"api_key": "k3y"}),
        };
        mail_by(&app, &dee, name, credentials).await;
        recorder.is(status.map_or(Mood::Takes, Mood::Status));
        delivery::run(&app.app).await.unwrap();
        app.clock.advance(Span::hours(1));
        delivery::run(&app.app).await.unwrap();
        assert_eq!(recorder.calls().len(), usize::from(status.is_some()));
        let logs = admin(&app).await.expect(200, "GET", "/logs?q=type:fn", None).await;
        assert!(logs[0]["details"]["error"].as_str().unwrap().contains(why), "{logs}");
    }
}
