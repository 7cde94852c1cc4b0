//! Signing up and asking for a new password by forms of an application's own (contract/oidc.md 11.1 and 11.2).

use lockstep_core::model::message::MessageKind;
use lockstep_core::time::Span;
use serde_json::{Value, json};

use crate::management::{admin, logged};
use crate::support::{Answer, PASSWORD, TestApp, at_once};

const CONNECTION: &str = "Username-Password-Authentication";
const SENT: &str = "We've just sent you an email to reset your password.";

async fn tenant() -> TestApp {
    TestApp::new().await.with_apps().await.with_password_grants().await
}

async fn call(app: &TestApp, path: &str, more: Value) -> Answer {
    let mut body = json!({"client_id": "ropg", "connection": CONNECTION});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.json("POST", &format!("/dbconnections/{path}"), None, Some(body)).await
}

async fn sign_up(app: &TestApp, more: Value) -> Answer {
    let mut body = json!({"email": "new@example.com", "password": PASSWORD});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    call(app, "signup", body).await
}

async fn forgot(app: &TestApp, email: &str) -> Answer {
    call(app, "change_password", json!({"email": email})).await
}

async fn by_password(app: &TestApp, username: &str, password: &str) -> Answer {
    let fields = [
        ("grant_type", "password"),
        ("client_id", "ropg"),
        ("client_secret", "ropg-secret"),
        ("username", username),
        ("password", password),
        ("scope", "openid"),
    ];
    app.form("/oauth/token", &fields).await
}

#[track_caller]
fn refusal(answer: &Answer) -> (u16, Value) {
    let body = answer.json();
    assert_eq!(body["statusCode"], answer.status.as_u16(), "{body}");
    (answer.status.as_u16(), body["code"].clone())
}

#[tokio::test]
async fn an_account_is_made_with_what_was_sent_and_logs_in() {
    let app = tenant().await;
    let made = sign_up(
        &app,
        json!({"email": " New@Example.com", "given_name": "New", "family_name": "Person",
               "picture": "https://example.com/p.png", "user_metadata": {"plan": "silver"}}),
    )
    .await;
    assert_eq!(made.status, 200, "{}", made.body);
    let id = made.json()["_id"].as_str().unwrap().to_owned();
    assert_eq!(
        made.json(),
        json!({"_id": id, "email": "new@example.com", "email_verified": false, "given_name": "New",
               "family_name": "Person", "picture": "https://example.com/p.png", "user_metadata": {"plan": "silver"}})
    );
    let user = admin(&app).await.expect(200, "GET", &format!("/users/auth0%7C{id}"), None).await;
    assert_eq!((&user["name"], &user["nickname"]), (&json!("new@example.com"), &json!("new")));
    assert_eq!((&user["family_name"], &user["user_metadata"]["plan"]), (&json!("Person"), &json!("silver")));
    assert_eq!(by_password(&app, "new@example.com", PASSWORD).await.status, 200);
    let record = &logged(&app, "ss").await[0];
    assert_eq!(
        (&record["client_id"], &record["details"]["body"]["is_signup"]),
        (&json!("ropg"), &json!(true))
    );
    assert!(!made.body.contains(PASSWORD) && !record.to_string().contains(PASSWORD));
}

#[tokio::test]
async fn who_signed_up_here_meets_the_mfa_policy() {
    let app = tenant().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    sign_up(&app, json!({})).await;
    let refused = by_password(&app, "new@example.com", PASSWORD).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (403, &json!("mfa_required")));
}

#[tokio::test]
async fn nothing_but_the_documented_fields_is_taken_over() {
    let app = tenant().await;
    let made = sign_up(
        &app,
        json!({"email_verified": true, "app_metadata": {"role": "admin"}, "user_id": "mine", "blocked": false,
               "multifactor": ["guardian"], "mfa_factors": [{"totp": {"secret": "JBSWY3DPEHPK3PXP"}}],
               "phone_verified": true, "_id": "mine", "roles": ["admin"]}),
    )
    .await;
    assert_eq!(made.status, 200, "{}", made.body);
    let found = admin(&app).await.expect(200, "GET", "/users-by-email?email=new@example.com", None).await;
    let user = &found.as_array().unwrap()[0];
    assert_eq!(user["email_verified"], false);
    assert_ne!(user["user_id"], "auth0|mine");
    for field in ["app_metadata", "blocked", "multifactor", "mfa_factors", "phone_verified", "roles"] {
        assert!(user.get(field).is_none(), "{field}: {user}");
    }
}

#[tokio::test]
async fn what_cannot_be_an_account_is_refused_in_envelope_b() {
    let app = tenant().await;
    app.user("ana@example.com").await;
    app.connection_options(json!({"passwordPolicy": "good"})).await;
    let long = "x".repeat(301);
    let cases = [
        (json!({"email": "ANA@example.com"}), 400, "invalid_signup"),
        (json!({"password": "weak"}), 400, "invalid_password"),
        (json!({"password": ""}), 400, "invalid_request"),
        (json!({"email": ""}), 400, "invalid_request"),
        (json!({"email": "no address"}), 400, "invalid_request"),
        (json!({"email": ["a@example.com", "b@example.com"]}), 400, "invalid_request"),
        (json!({"email": {"$gt": ""}}), 400, "invalid_request"),
        (json!({"email": "a@example.com\r\nBcc: b@example.com"}), 400, "invalid_request"),
        (json!({"password": ["Pw-ana-1!"]}), 400, "invalid_request"),
        (json!({"name": long}), 400, "invalid_request"),
        (json!({"name": {"first": "A"}}), 400, "invalid_request"),
        (json!({"picture": "javascript:alert(1)"}), 400, "invalid_request"),
        (json!({"user_metadata": {"n": 1}}), 400, "invalid_request"),
        (json!({"user_metadata": "text"}), 400, "invalid_request"),
        (json!({"phone_number": "+12025550143"}), 400, "invalid_request"),
        (json!({"client_id": "nobody"}), 400, "invalid_request"),
        (json!({"client_id": null}), 400, "invalid_request"),
        (json!({"connection": "nothing"}), 400, "invalid_request"),
        (json!({"connection": null}), 400, "invalid_request"),
    ];
    for (more, status, code) in cases {
        let answer = sign_up(&app, more.clone()).await;
        assert_eq!(refusal(&answer), (status, json!(code)), "{more}: {}", answer.body);
        let content_type = answer.header("content-type").unwrap();
        assert_eq!(content_type, "application/json; charset=utf-8");
    }
    let weak = sign_up(&app, json!({"password": "weak"})).await.json();
    assert_eq!(
        (&weak["name"], &weak["description"]["rules"][0]["format"]),
        (&json!("PasswordStrengthError"), &json!([8]))
    );
    app.connection_options(json!({"disable_signup": true})).await;
    assert_eq!(refusal(&sign_up(&app, json!({})).await), (403, json!("public_signup")));
    let users = admin(&app).await.expect(200, "GET", "/users", None).await;
    assert_eq!(users.as_array().map(Vec::len), Some(1), "Ana alone");
}

#[tokio::test]
async fn a_user_name_counts_where_the_connection_has_them() {
    let app = tenant().await;
    app.connection_options(json!({"requires_username": true})).await;
    assert_eq!(refusal(&sign_up(&app, json!({})).await), (400, json!("invalid_request")));
    assert_eq!(refusal(&sign_up(&app, json!({"username": "a@b"})).await), (400, json!("invalid_request")));
    assert_eq!(sign_up(&app, json!({"username": "newbie"})).await.json()["username"], "newbie");
    let again = sign_up(&app, json!({"email": "other@example.com", "username": "NEWBIE"})).await;
    assert_eq!(refusal(&again), (400, json!("invalid_signup")));
    let by_name = call(&app, "change_password", json!({"username": "newbie"})).await;
    assert_eq!((by_name.status.as_u16(), &*by_name.body), (200, SENT));
    assert_eq!(app.message(MessageKind::ResetEmail).await.recipient, "new@example.com");
}

#[tokio::test]
async fn of_sign_ups_at_once_with_one_address_one_is_made() {
    let app = tenant().await;
    let answers = at_once((0..6).map(|_| sign_up(&app, json!({})))).await;
    assert_eq!(answers.iter().filter(|answer| answer.status == 200).count(), 1);
    assert!(answers.iter().filter(|answer| answer.status != 200).all(|answer| refusal(answer).0 == 400));
}

#[tokio::test]
async fn sign_ups_of_one_address_of_the_network_are_limited() {
    let app = tenant().await;
    app.connection_options(json!({"disable_signup": true})).await;
    for _ in 0..50 {
        assert_eq!(sign_up(&app, json!({})).await.status, 403);
    }
    let last = sign_up(&app, json!({})).await;
    assert_eq!(refusal(&last), (429, json!("too_many_requests")));
    assert_eq!(
        (last.header("x-ratelimit-limit"), last.header("x-ratelimit-remaining")),
        (Some("50"), Some("0"))
    );
    let reset: i64 = last.header("x-ratelimit-reset").unwrap().parse().unwrap();
    assert_eq!(reset, app.now().as_secs() + 1);
    app.clock.advance(Span::seconds(2));
    assert_eq!(sign_up(&app, json!({})).await.status, 403);
}

#[tokio::test]
async fn a_link_comes_by_mail_and_nobody_learns_who_has_an_account() {
    let app = tenant().await;
    app.user("ana@example.com").await;
    for email in ["ana@example.com", "nobody@example.com"] {
        let answer = forgot(&app, email).await;
        assert_eq!((answer.status.as_u16(), &*answer.body), (200, SENT), "{email}");
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
    }
    let mails = app.outbox().await;
    assert_eq!(mails.len(), 1);
    let link = mails[0].text.lines().find(|line| line.starts_with("https://")).unwrap().to_owned();
    let mut browser = app.browser();
    browser.goto(&link).await;
    browser.submit(&[("password", "New-password-1"), ("re-enter-password", "New-password-1")]).await;
    assert_eq!(browser.screen(), "reset-password-success");
    assert_eq!(by_password(&app, "ana@example.com", "New-password-1").await.status, 200);
    assert_eq!(logged(&app, "scpr").await[0]["client_id"], "ropg");
    assert_eq!(logged(&app, "scp").await[0]["client_id"], "ropg");
}

#[tokio::test]
async fn an_application_need_not_be_named_and_an_old_password_parameter_sets_none() {
    let app = tenant().await;
    app.user("ana@example.com").await;
    let answer = call(
        &app,
        "change_password",
        json!({"client_id": null, "email": "ana@example.com", "password": "New-password-1"}),
    )
    .await;
    assert_eq!((answer.status.as_u16(), &*answer.body), (200, SENT));
    assert_eq!(by_password(&app, "ana@example.com", PASSWORD).await.status, 200, "it is still the old one");
    let link = app.message(MessageKind::ResetEmail).await.text;
    let link = link.lines().find(|line| line.starts_with("https://")).unwrap().to_owned();
    let mut browser = app.browser();
    browser.goto(&link).await;
    browser.submit(&[("password", "New-password-2"), ("re-enter-password", "New-password-2")]).await;
    assert_eq!(browser.screen(), "reset-password-success");
    assert_eq!(by_password(&app, "ana@example.com", "New-password-2").await.status, 200);
}

#[tokio::test]
async fn a_request_for_a_new_password_names_one_person_and_no_more() {
    let app = tenant().await;
    app.user("ana@example.com").await;
    for more in [
        json!({"email": ["ana@example.com", "x@evil.example"]}),
        json!({"email": {"$gt": ""}}),
        json!({"email": "ana@example.com,x@evil.example"}),
        json!({"email": ""}),
        json!({}),
        json!({"email": "ana@example.com", "connection": "nothing"}),
        json!({"email": "ana@example.com", "connection": null}),
        json!({"email": "ana@example.com", "client_id": "nobody"}),
        json!({"email": "ana@example.com", "organization": "org_1"}),
    ] {
        assert_eq!(refusal(&call(&app, "change_password", more.clone()).await).0, 400, "{more}");
    }
    let rest = format!("client_id=ropg&connection={CONNECTION}");
    for email in
        ["email[]=ana@example.com&email[]=x@evil.example", "email=ana@example.com&email=x@evil.example"]
    {
        let (path, form) = ("/dbconnections/change_password", "application/x-www-form-urlencoded");
        assert_eq!(refusal(&app.raw(path, form, &format!("{rest}&{email}"), None).await).0, 400, "{email}");
        let twice = format!(
            "{{\"connection\":\"{CONNECTION}\",\"email\":\"ana@example.com\",\"email\":\"x@evil.example\"}}"
        );
        assert_eq!(refusal(&app.raw(path, "application/json", &twice, None).await).0, 400);
    }
    app.connection_options(json!({"disable_self_service_change_password": true})).await;
    assert_eq!(refusal(&forgot(&app, "ana@example.com").await).0, 400);
    assert_eq!(app.outbox().await.len(), 0);
}

#[tokio::test]
async fn requests_for_one_person_are_limited_whether_there_is_one_or_not() {
    let app = tenant().await;
    app.user("ana@example.com").await;
    for email in ["ana@example.com", "nobody@example.com"] {
        for _ in 0..10 {
            assert_eq!(forgot(&app, email).await.status, 200);
        }
        let limited = forgot(&app, &email.to_uppercase()).await;
        assert_eq!(refusal(&limited), (429, json!("too_many_requests")));
        assert_eq!(limited.header("retry-after"), Some("60"));
    }
    app.clock.advance(Span::minutes(1));
    assert_eq!(forgot(&app, "ana@example.com").await.status, 200);
}
