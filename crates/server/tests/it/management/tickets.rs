//! Tickets, and the mails that prove an address.

use std::cell::Cell;

use lockstep_core::ids::UserId;
use lockstep_core::model::message::MessageKind;
use lockstep_core::time::Span;
use lockstep_engine::store::{outbox, users};
use lockstep_engine::worker::jobs;
use serde_json::{Value, json};

use super::token;
use crate::support::{PASSWORD, Shared, TestApp};

/// Makes a ticket and returns its link.
async fn ticket(app: &TestApp, token: &str, kind: &str, body: Value) -> String {
    let made = app.json("POST", &format!("/api/v2/tickets/{kind}"), Some(token), Some(body)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let link = made.json()["ticket"].as_str().unwrap().to_owned();
    link.strip_suffix('#').unwrap().to_owned()
}

async fn verified(app: &TestApp, token: &str, id: &str) -> bool {
    let user = app.json("GET", &format!("/api/v2/users/{id}"), Some(token), None).await.json();
    user["email_verified"].as_bool().unwrap()
}

async fn unverify(app: &TestApp, token: &str) {
    let body = Some(json!({"email_verified": false}));
    assert_eq!(app.json("PATCH", "/api/v2/users/auth0|ana", Some(token), body).await.status, 200);
}

/// Returns the links of the verification mails to an address.
async fn mails(app: &TestApp, email: &str) -> Vec<String> {
    let all = outbox::list(&mut app.app.db().read().await.unwrap(), 50).await.unwrap();
    let of = all.into_iter().filter(|m| m.message.kind == MessageKind::VerifyEmail);
    let of = of.filter(|m| m.message.recipient == email);
    of.map(|m| m.message.text.lines().find(|l| l.starts_with("https://")).unwrap().to_owned()).collect()
}

/// Opens a link, presses its button; returns the screen then.
async fn press(app: &TestApp, link: &str) -> String {
    let mut browser = app.browser();
    browser.goto(link).await;
    if browser.screen() == "email-verification" {
        browser.submit(&[]).await;
    }
    browser.screen()
}

#[tokio::test]
async fn a_verification_link_is_spent_by_its_button_and_not_by_looking() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    let full = token(&app, &[]).await;
    unverify(&app, &full).await;
    let link = ticket(&app, &full, "email-verification", json!({"user_id": "auth0|ana"})).await;
    assert!(link.starts_with("https://lockstep.test/u/email-verification?ticket="), "{link}");
    for _ in 0..2 {
        let page = app.get(link.strip_prefix("https://lockstep.test").unwrap()).await;
        assert_eq!((page.status.as_u16(), page.header("set-cookie")), (200, None));
        assert!(page.body.contains("ana@example.com"));
    }
    assert!(!verified(&app, &full, "auth0|ana").await, "looking proves nothing");
    let mut browser = app.browser();
    browser.goto(&link).await;
    browser.submit(&[]).await;
    assert_eq!((browser.page.status.as_u16(), &*browser.screen()), (200, "email-verification-result"));
    assert!(browser.cookie("__Host-auth0").is_none(), "nobody is logged in by it");
    assert!(verified(&app, &full, "auth0|ana").await);
    let again = app.get(link.strip_prefix("https://lockstep.test").unwrap()).await;
    assert_eq!(again.status, 410);
    let body = app.form("/u/email-verification", &[("ticket", "nothing")]).await;
    assert_eq!(body.status, 400);
}

#[tokio::test]
async fn a_verification_link_proves_one_address_for_its_time() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    let full = token(&app, &[]).await;
    unverify(&app, &full).await;
    let short =
        ticket(&app, &full, "email-verification", json!({"user_id": "auth0|ana", "ttl_sec": 60})).await;
    let link = ticket(&app, &full, "email-verification", json!({"user_id": "auth0|ana", "ttl_sec": 0})).await;
    app.clock.advance(Span::seconds(60));
    press(&app, &short).await;
    assert!(!verified(&app, &full, "auth0|ana").await, "too late");
    let body = Some(json!({"email": "new@example.com", "verify_email": true}));
    assert_eq!(app.json("PATCH", "/api/v2/users/auth0|ana", Some(&full), body).await.status, 200);
    press(&app, &link).await;
    assert!(!verified(&app, &full, "auth0|ana").await, "the account has another address");
    let mailed = mails(&app, "new@example.com").await;
    assert_eq!(mailed.len(), 1, "a new address is asked to be proven");
    press(&app, &mailed[0]).await;
    assert!(verified(&app, &full, "auth0|ana").await);
}

#[tokio::test]
async fn a_link_that_is_pressed_while_the_account_is_changed_undoes_nothing() {
    for shared in Shared::each().await {
        let app = shared.server().await.with_apps().await;
        app.user("ana@example.com").await;
        let full = token(&app, &[]).await;
        unverify(&app, &full).await;
        let links = ["email-verification", "password-change"].map(|kind| {
            let body = match kind {
                "password-change" => json!({"user_id": "auth0|ana", "mark_email_as_verified": true}),
                _ => json!({"user_id": "auth0|ana"}),
            };
            (kind, body)
        });
        for (n, (kind, body)) in links.into_iter().enumerate() {
            unverify(&app, &full).await;
            let link = ticket(&app, &full, kind, body).await;
            let id = link.split_once("ticket=").unwrap().1;
            let fields =
                [("ticket", id), ("password", "New-password-1"), ("re-enter-password", "New-password-1")];
            let path = link.strip_prefix("https://lockstep.test").unwrap().split_once('?').unwrap().0;
            let mut tx = app.app.db().write().await.unwrap();
            let ana = UserId::parse("auth0|ana").unwrap();
            let mut user = users::find_to_change(&mut tx, &ana).await.unwrap().unwrap();
            let done = Cell::new(false);
            let pressing = async {
                let pressed = app.form(path, &fields).await;
                done.set(true);
                pressed
            };
            let changing = async {
                while !done.get() && !shared.somebody_waits(&app).await {
                    tokio::task::yield_now().await;
                }
                user.profile.nickname = Some(format!("Ana {n}"));
                users::save(&mut tx, &user).await.unwrap();
                tx.commit().await.unwrap();
            };
            let (pressed, ()) = tokio::join!(pressing, changing);
            assert!(pressed.status.is_success() || pressed.status.is_redirection(), "{}", pressed.body);
            let user = users::find(&mut app.app.db().read().await.unwrap(), &ana).await.unwrap().unwrap();
            assert_eq!(user.profile.nickname, Some(format!("Ana {n}")), "{kind}");
            assert!(user.email_verified, "{kind}");
        }
    }
}

#[tokio::test]
async fn a_ticket_leads_to_the_operators_address() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    let full = token(&app, &[]).await;
    unverify(&app, &full).await;
    let to = json!({"user_id": "auth0|ana", "result_url": "https://app.example/done?a=1", "includeEmailInRedirect": true});
    let link = ticket(&app, &full, "email-verification", to.clone()).await;
    let id = link.split_once("ticket=").unwrap().1;
    let done = app.form("/u/email-verification", &[("ticket", id)]).await;
    let at = done.header("location").unwrap();
    assert!(at.starts_with("https://app.example/done?a=1&email=ana%40example.com&message="), "{at}");
    assert!(at.ends_with("&success=true"), "{at}");
    let link = ticket(&app, &full, "password-change", to).await;
    let id = link.split_once("ticket=").unwrap().1;
    let fields = [("ticket", id), ("password", "New-password-1"), ("re-enter-password", "New-password-1")];
    let done = app.form("/u/reset-verify", &fields).await;
    assert!(done.header("location").unwrap().starts_with("https://app.example/done?a=1&email="));
}

#[tokio::test]
async fn a_password_ticket_sets_the_password_once_and_proves_the_address_if_it_says_so() {
    let app = TestApp::new().await.with_apps().await;
    let ana = app.user("ana@example.com").await;
    let full = token(&app, &[]).await;
    unverify(&app, &full).await;
    let connections = app.json("GET", "/api/v2/connections", Some(&full), None).await.json();
    let by_address = json!({"connection_id": connections[0]["id"], "email": "ANA@example.com"});
    let older = ticket(&app, &full, "password-change", by_address.clone()).await;
    let mut with_mark = by_address;
    with_mark["mark_email_as_verified"] = json!(true);
    let link = ticket(&app, &full, "password-change", with_mark).await;
    assert!(link.starts_with("https://lockstep.test/u/reset-verify?ticket="), "{link}");
    let mut browser = app.browser();
    browser.goto(&older).await;
    assert_eq!(browser.screen(), "reset-password-error", "a newer one makes it void");
    browser.goto(&link).await;
    assert!(!verified(&app, &full, "auth0|ana").await, "looking proves nothing");
    browser.submit(&[("password", "New-password-1"), ("re-enter-password", "New-password-1")]).await;
    assert!(verified(&app, &full, "auth0|ana").await);
    for (password, works) in [("New-password-1", true), (PASSWORD, false)] {
        let mut browser = app.browser();
        browser.authorize(&[]).await;
        browser.submit(&[("username", &ana.email), ("password", password)]).await;
        assert_eq!(browser.url.starts_with("https://app.example"), works, "{password}");
    }
    unverify(&app, &full).await;
    let plain = ticket(&app, &full, "password-change", json!({"user_id": "auth0|ana"})).await;
    browser.goto(&plain).await;
    browser.submit(&[("password", "New-password-2"), ("re-enter-password", "New-password-2")]).await;
    assert!(!verified(&app, &full, "auth0|ana").await, "it proves no address unless it says so");
}

#[tokio::test]
async fn the_mail_is_sent_by_a_job_and_to_new_users() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    let full = token(&app, &[]).await;
    unverify(&app, &full).await;
    let template = json!({"template": "verify_email", "subject": "Prove it", "body": "<a href=\"{{ url }}\">go</a>",
        "from": "a@example.com", "syntax": "liquid", "enabled": true});
    let stored = app.json("POST", "/api/v2/email-templates", Some(&full), Some(template)).await;
    assert!(stored.status.is_success(), "{}", stored.body);
    let body = Some(json!({"user_id": "auth0|ana", "client_id": "web"}));
    let begun = app.json("POST", "/api/v2/jobs/verification-email", Some(&full), body).await;
    assert_eq!(begun.status, 201, "{}", begun.body);
    let begun = begun.json();
    assert_eq!((&begun["type"], &begun["status"]), (&json!("verification_email"), &json!("pending")));
    assert!(mails(&app, "ana@example.com").await.is_empty());
    jobs::run(&app.app).await.unwrap();
    jobs::run(&app.app).await.unwrap();
    let mailed = mails(&app, "ana@example.com").await;
    assert_eq!(mailed.len(), 1, "once");
    let all = outbox::list(&mut app.app.db().read().await.unwrap(), 50).await.unwrap();
    let mail = all.iter().find(|m| m.message.kind == MessageKind::VerifyEmail).unwrap();
    assert_eq!(mail.message.subject, "Prove it");
    let path = format!("/api/v2/jobs/{}", begun["id"].as_str().unwrap());
    assert_eq!(app.json("GET", &path, Some(&full), None).await.json()["status"], "completed");
    press(&app, &mailed[0]).await;
    assert!(verified(&app, &full, "auth0|ana").await);

    for (name, more, sent) in [
        ("ben", json!({}), 1),
        ("cid", json!({"verify_email": false}), 0),
        ("dan", json!({"email_verified": true}), 0),
        ("eve", json!({"verify_email": true}), 1),
    ] {
        let email = format!("{name}@example.com");
        let mut body =
            json!({"connection": "Username-Password-Authentication", "email": email, "password": PASSWORD});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let made = app.json("POST", "/api/v2/users", Some(&full), Some(body)).await;
        assert_eq!(made.status, 201, "{}", made.body);
        assert_eq!(mails(&app, &email).await.len(), sent, "{name}");
    }
}

#[tokio::test]
async fn tickets_for_nobody_or_nowhere_are_refused() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    let full = token(&app, &[]).await;
    let ana = "auth0|ana";
    let own = json!({"user_id": "ana", "provider": "auth0"});
    for (path, body, status) in [
        ("tickets/email-verification", json!({"user_id": "auth0|nobody"}), 404),
        ("tickets/email-verification", json!({}), 400),
        ("tickets/email-verification", json!({"user_id": ana, "client_id": "nope"}), 404),
        ("tickets/email-verification", json!({"user_id": ana, "result_url": "javascript:alert(1)"}), 400),
        ("tickets/email-verification", json!({"user_id": ana, "organization_id": "org_1"}), 400),
        (
            "tickets/email-verification",
            json!({"user_id": ana, "result_url": "https://a.example", "client_id": "web"}),
            400,
        ),
        (
            "tickets/email-verification",
            json!({"user_id": ana, "identity": {"user_id": "x", "provider": "auth0"}}),
            400,
        ),
        ("tickets/email-verification", json!({"user_id": ana, "identity": own}), 201),
        ("tickets/email-verification", json!({"user_id": ana, "ttl_sec": i64::MAX}), 400),
        ("tickets/password-change", json!({}), 400),
        ("tickets/password-change", json!({"user_id": ana, "email": "ana@example.com"}), 400),
        ("tickets/password-change", json!({"email": "ana@example.com"}), 400),
        ("tickets/password-change", json!({"connection_id": "con_nope", "email": "ana@example.com"}), 400),
        ("tickets/password-change", json!({"user_id": "auth0|nobody"}), 404),
        ("jobs/verification-email", json!({"user_id": "auth0|nobody"}), 404),
    ] {
        let told = format!("{path} {body}");
        let answer = app.json("POST", &format!("/api/v2/{path}"), Some(&full), Some(body)).await;
        assert_eq!(answer.status, status, "{told}: {}", answer.body);
    }
}
