//! Logging in with a code that was sent (contract/oidc.md 11.3 and 6.3).

use lockstep_core::model::message::MessageKind;
use lockstep_core::time::Span;
use serde_json::{Value, json};

use crate::management::admin;
use crate::support::{Answer, TestApp, at_once, claims};

const GRANT: &str = "http://auth0.com/oauth/grant-type/passwordless/otp";

/// A tenant with both passwordless connections, for the application `ropg`.
async fn tenant(options: Value) -> TestApp {
    let app = TestApp::new().await.with_apps().await.with_password_grants().await;
    let admin = admin(&app).await;
    for name in ["email", "sms"] {
        let body = json!({"name": name, "strategy": name, "options": options, "enabled_clients": ["ropg"]});
        let (made, connection) = admin.call("POST", "/connections", Some(body)).await;
        assert_eq!(
            (made.status.as_u16(), &connection["options"]["totp"]["time_step"]),
            (201, &json!(180)),
            "{}",
            made.body
        );
    }
    app
}

async fn start(app: &TestApp, more: Value) -> Answer {
    let mut body = json!({"client_id": "ropg", "client_secret": "ropg-secret", "send": "code"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.json("POST", "/passwordless/start", None, Some(body)).await
}

async fn mail(app: &TestApp, address: &str) -> Answer {
    start(app, json!({"connection": "email", "email": address})).await
}

async fn redeem(app: &TestApp, realm: &str, username: &str, otp: &str) -> Answer {
    let fields = [
        ("grant_type", GRANT),
        ("client_id", "ropg"),
        ("client_secret", "ropg-secret"),
        ("realm", realm),
        ("username", username),
        ("otp", otp),
        ("scope", "openid email phone"),
    ];
    app.form("/oauth/token", &fields).await
}

#[track_caller]
fn told(answer: &Answer) -> (u16, String) {
    let body = answer.json();
    (answer.status.as_u16(), body["error_description"].as_str().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_mailed_code_logs_in_once_and_makes_the_account() {
    let app = tenant(json!({})).await;
    let sent = mail(&app, " New@Example.com").await;
    assert_eq!(sent.status, 200, "{}", sent.body);
    let id = sent.json()["_id"].as_str().unwrap().to_owned();
    assert_eq!(sent.json(), json!({"_id": id, "email": "new@example.com", "email_verified": false}));
    let message = app.message(MessageKind::CodeEmail).await;
    assert!(message.text.contains("three minutes"), "{}", message.text);
    let code = message.code.unwrap();
    let done = redeem(&app, "email", "new@example.com", &code).await;
    assert_eq!(done.status, 200, "{}", done.body);
    let token = claims(done.json()["id_token"].as_str().unwrap());
    assert!(
        token["sub"].as_str().unwrap().starts_with("email|") && token["email_verified"] == true,
        "{token}"
    );
    assert_eq!((&token["amr"], token.get("acr")), (&json!(["email"]), None));
    let again = redeem(&app, "email", "new@example.com", &code).await;
    assert_eq!(told(&again), (403, "Wrong email or verification code.".to_owned()));
    let second = mail(&app, "new@example.com").await;
    assert_eq!(second.json()["_id"], id, "the id tells nobody whether there is an account");
}

#[tokio::test]
async fn a_texted_code_logs_in_and_only_the_newest_does() {
    let app = tenant(json!({})).await;
    let number = "+12025550143";
    let body = json!({"connection": "sms", "phone_number": number});
    assert_eq!(start(&app, body.clone()).await.json()["phone_verified"], false);
    let old = app.sent_code().await;
    app.clock.advance(Span::seconds(1));
    start(&app, body).await;
    let new = app.message(MessageKind::CodeSms).await;
    assert!(new.text.contains("@lockstep.test #"), "{}", new.text);
    let new = new.code.unwrap();
    if old != new {
        let wrong = redeem(&app, "sms", number, &old).await;
        assert_eq!(told(&wrong), (403, "Wrong phone number or verification code.".to_owned()));
    }
    let done = redeem(&app, "sms", number, &new).await;
    assert_eq!(done.status, 200, "{}", done.body);
    let token = claims(done.json()["id_token"].as_str().unwrap());
    assert_eq!((&token["phone_number"], &token["amr"]), (&json!(number), &json!(["sms"])));
    assert!(token["sub"].as_str().unwrap().starts_with("sms|"));
}

#[tokio::test]
async fn a_code_dies_of_three_wrong_answers_and_of_time() {
    let app = tenant(json!({})).await;
    let address = "ana@example.com";
    mail(&app, address).await;
    let code = app.sent_code().await;
    let wrong = if code == "000000" { "111111" } else { "000000" };
    for status in [403, 403, 429] {
        assert_eq!(redeem(&app, "email", address, wrong).await.status, status);
    }
    assert_eq!(redeem(&app, "email", address, &code).await.status, 429, "it is dead");
    app.clock.advance(Span::seconds(1));
    mail(&app, address).await;
    let code = app.sent_code().await;
    app.clock.advance(Span::seconds(180));
    assert_eq!(redeem(&app, "email", address, &code).await.status, 403, "it is too old");
    // Guesses over many codes have a budget of their own.
    let mut last = 0;
    for _ in 0..8 {
        last = redeem(&app, "email", address, wrong).await.status.as_u16();
    }
    assert_eq!(last, 429);
    assert_eq!(redeem(&app, "email", "bob@example.com", wrong).await.status, 403, "others are not concerned");
}

#[tokio::test]
async fn of_twenty_answers_at_once_one_counts() {
    let app = tenant(json!({})).await;
    mail(&app, "ana@example.com").await;
    let code = app.sent_code().await;
    let answers = at_once((0..20).map(|_| redeem(&app, "email", "ana@example.com", &code))).await;
    assert_eq!(answers.iter().filter(|a| a.status == 200).count(), 1);
    assert!(answers.iter().all(|a| matches!(a.status.as_u16(), 200 | 403 | 429)));
}

#[tokio::test]
async fn unknown_and_known_are_told_the_same_where_nobody_may_sign_up() {
    let app = tenant(json!({"disable_signup": true})).await;
    let admin = admin(&app).await;
    let body = json!({"connection": "email", "email": "ana@example.com"});
    let (made, ana) = admin.call("POST", "/users", Some(body)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert!(ana["user_id"].as_str().unwrap().starts_with("email|"));
    let (known, unknown) = (mail(&app, "ana@example.com").await, mail(&app, "who@example.com").await);
    assert_eq!((known.status, unknown.status), (http::StatusCode::OK, http::StatusCode::OK));
    let shape = |a: &Answer| a.json().as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(shape(&known), shape(&unknown));
    assert_eq!(app.codes_sent().await, 1, "nobody gets a code that is of no use");
    // "Burnt" is said of codes that nobody got as well.
    for status in [403, 403, 429] {
        let known = redeem(&app, "email", "ana@example.com", "letter").await;
        let unknown = redeem(&app, "email", "who@example.com", "letter").await;
        assert_eq!(told(&known), told(&unknown));
        assert_eq!(known.status, status);
    }
    let (mut of_known, mut of_unknown) = (1, 1);
    while mail(&app, "ana@example.com").await.status == 200 {
        of_known += 1;
    }
    while mail(&app, "who@example.com").await.status == 200 {
        of_unknown += 1;
    }
    assert_eq!(of_known, of_unknown, "the limits are the same");
    let password = json!({"connection": "email", "email": "b@example.com", "password": "Passw0rd-x"});
    assert_eq!(admin.call("POST", "/users", Some(password)).await.0.status, 400);
}

#[tokio::test]
async fn bad_input_is_refused_and_sends_nothing() {
    let app = tenant(json!({})).await;
    for (body, status, error) in [
        (json!({"connection": "email", "email": ["a@example.com", "b@example.com"]}), 400, "invalid_request"),
        (json!({"connection": "email", "email": {"$gt": ""}}), 400, "invalid_request"),
        (json!({"connection": "email", "email": "a@example.com,b@example.com"}), 400, "bad.email"),
        (json!({"connection": "email", "email": "a@example.com\r\nBcc: b@example.com"}), 400, "bad.email"),
        (json!({"connection": "email"}), 400, "invalid_request"),
        (json!({"connection": "sms", "phone_number": "12"}), 400, "bad.phone_number"),
        (json!({"connection": "sms", "phone_number": "+19005550123"}), 400, "bad.phone_number"),
        (json!({"connection": "email", "email": "a@example.com", "send": "link"}), 400, "invalid_request"),
        (json!({"connection": "email", "email": "a@example.com", "send": null}), 400, "invalid_request"),
        (
            json!({"connection": "Username-Password-Authentication", "email": "a@example.com"}),
            400,
            "bad.connection",
        ),
        (json!({"connection": "nowhere", "email": "a@example.com"}), 400, "bad.connection"),
        (
            json!({"connection": "email", "email": "a@example.com", "client_id": "ropg2", "client_secret": "ropg2-secret"}),
            400,
            "bad.connection",
        ),
        (
            json!({"connection": "email", "email": "a@example.com", "client_secret": "x"}),
            401,
            "access_denied",
        ),
        (
            json!({"connection": "email", "email": "a@example.com", "client_id": "web", "client_secret": "web-secret"}),
            403,
            "unauthorized_client",
        ),
    ] {
        let answer = start(&app, body.clone()).await;
        assert_eq!(
            (answer.status.as_u16(), answer.json()["error"].as_str()),
            (status, Some(error)),
            "{body}"
        );
    }
    let twice = "connection=email&client_id=ropg&client_secret=ropg-secret&send=code&email=a@example.com&email=b@example.com";
    let answer = app.raw("/passwordless/start", "application/x-www-form-urlencoded", twice, None).await;
    assert_eq!(answer.status, 400);
    let list = "connection=email&client_id=ropg&client_secret=ropg-secret&send=code&email[]=a@example.com";
    let answer = app.raw("/passwordless/start", "application/x-www-form-urlencoded", list, None).await;
    assert_eq!(answer.status, 400);
    assert_eq!(app.outbox().await.len(), 0);
}

#[tokio::test]
async fn the_policy_counts_here_too_and_a_mailbox_is_not_two_factors() {
    let app = tenant(json!({})).await;
    app.mfa(&["otp", "email"], &["all-applications"]).await;
    mail(&app, "gus@example.com").await;
    let code = app.sent_code().await;
    let refused = redeem(&app, "email", "gus@example.com", &code).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (403, &json!("mfa_required")));
    assert_eq!(
        refused.json()["mfa_requirements"],
        json!({"enroll": [{"type": "otp"}]}),
        "no mail after mail"
    );
    let token = refused.json()["mfa_token"].as_str().unwrap().to_owned();
    for body in [
        json!({"authenticator_types": ["oob"], "oob_channels": ["email"]}),
        json!({"authenticator_types": ["oob"], "oob_channels": ["email"], "email": "gus@example.com"}),
    ] {
        let answer = app.json("POST", "/mfa/associate", Some(&token), Some(body)).await;
        assert!(answer.status.is_client_error(), "{}", answer.body);
    }
    let challenge = json!({"mfa_token": token, "client_id": "ropg", "client_secret": "ropg-secret",
        "challenge_type": "oob"});
    let answer = app.json("POST", "/mfa/challenge", None, Some(challenge)).await;
    assert!(answer.status.is_client_error(), "{}", answer.body);
    assert_eq!(app.codes_sent().await, 1);
}

#[tokio::test]
async fn a_blocked_person_gets_neither_code_nor_token() {
    let app = tenant(json!({})).await;
    mail(&app, "ana@example.com").await;
    let code = app.sent_code().await;
    assert_eq!(redeem(&app, "email", "ana@example.com", &code).await.status, 200);
    app.clock.advance(Span::seconds(1));
    mail(&app, "ana@example.com").await;
    let code = app.sent_code().await;
    let admin = admin(&app).await;
    let (_, found) = admin.call("GET", "/users-by-email?email=ana@example.com", None).await;
    let id = found[0]["user_id"].as_str().unwrap().replace('|', "%7C");
    admin.call("PATCH", &format!("/users/{id}"), Some(json!({"blocked": true}))).await;
    let answer = redeem(&app, "email", "ana@example.com", &code).await;
    assert_eq!(told(&answer), (403, "user is blocked".to_owned()));
    let before = app.codes_sent().await;
    assert_eq!(mail(&app, "ana@example.com").await.status, 200);
    assert_eq!(app.codes_sent().await, before);
}

#[tokio::test]
async fn a_stranger_elsewhere_does_not_use_up_a_persons_own_tries() {
    let app = tenant(json!({})).await;
    let from = async |ip: &str, otp: &str| {
        let body = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs([("grant_type", GRANT), ("client_id", "ropg"), ("client_secret", "ropg-secret")])
            .extend_pairs([("realm", "email"), ("username", "ana@example.com"), ("otp", otp)])
            .finish();
        let mut request = http::Request::post("/oauth/token")
            .header("host", "lockstep.test")
            .header("content-type", "application/x-www-form-urlencoded")
            .body(axum::body::Body::from(body))
            .unwrap();
        let address = std::net::SocketAddr::new(ip.parse().unwrap(), 40_000);
        request.extensions_mut().insert(axum::extract::ConnectInfo(address));
        app.send(request).await.status.as_u16()
    };
    for _ in 0..10 {
        assert_eq!(from("203.0.113.9", "000000").await, 403);
    }
    assert_eq!(from("203.0.113.9", "000000").await, 429);
    mail(&app, "ana@example.com").await;
    let code = app.sent_code().await;
    assert_eq!(from("198.51.100.7", &code).await, 200, "she is somewhere else");
}

#[tokio::test]
async fn an_address_that_comes_to_another_account_does_not_bring_the_old_sub() {
    let app = tenant(json!({})).await;
    let admin = admin(&app).await;
    let log_in = async || {
        app.clock.advance(Span::minutes(1));
        mail(&app, "ana@example.com").await;
        let done = redeem(&app, "email", "ana@example.com", &app.sent_code().await).await;
        assert_eq!(done.status, 200, "{}", done.body);
        claims(done.json()["id_token"].as_str().unwrap())["sub"].as_str().unwrap().to_owned()
    };
    let first = log_in().await;
    assert_eq!(log_in().await, first, "the same account");
    let path = format!("/users/{}", first.replace('|', "%7C"));
    let moved = admin.call("PATCH", &path, Some(json!({"email": "elsewhere@example.com"}))).await;
    assert_eq!(moved.0.status, 200, "{}", moved.0.body);
    let second = log_in().await;
    assert_ne!(second, first);
    admin.call("DELETE", &format!("/users/{}", second.replace('|', "%7C")), None).await;
    let third = log_in().await;
    assert!(third != second && third != first);
}
