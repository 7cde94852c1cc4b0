//! Linking of accounts: one user, several ways to log in.

use lockstep_core::model::message::MessageKind;
use lockstep_core::time::Span;
use lockstep_engine::store::outbox;
use serde_json::{Value, json};

use super::{AUDIENCE, admin, token};
use crate::support::{PASSWORD, Person, Shared, TestApp, claims};

const ANA: &str = "/users/auth0|ana/identities";
const CONNECTION: &str = "Username-Password-Authentication";

async fn link(app: &TestApp, second: &str) -> Value {
    let (provider, id) = second.split_once('|').unwrap();
    let body = json!({"provider": provider, "user_id": id});
    admin(app).await.expect(201, "POST", ANA, Some(body)).await
}

/// Logs in by name and password; returns whom the tokens are about, or where it ended.
async fn login(app: &TestApp, email: &str, password: &str) -> Result<String, String> {
    let mut browser = app.browser();
    browser.authorize(&[]).await.submit(&[("username", email), ("password", password)]).await;
    if !browser.url.starts_with("https://app.example") {
        return Err(browser.screen());
    }
    let tokens = app.redeem(&browser.back_with_code()).await;
    Ok(tokens.id["sub"].as_str().unwrap().to_owned())
}

#[tokio::test]
async fn a_linked_account_logs_its_user_in_and_the_users_factors_judge_it() {
    for shared in Shared::each().await {
        let app = shared.server().await.with_apps().await;
        app.mfa(&["otp", "recovery-code"], &["all-applications"]).await;
        let ana = app.user_with_totp("ana@example.com").await;
        let ben = app.user("ben@example.com").await;
        let all = admin(&app).await;
        let body = json!({"user_metadata": {"colour": "blue"}});
        all.expect(200, "PATCH", "/users/auth0|ben", Some(body)).await;
        let linked = link(&app, "auth0|ben").await;
        assert_eq!((linked.as_array().unwrap().len(), &linked[0]["user_id"]), (2, &json!("ana")));
        assert_eq!(linked[0].get("profileData"), None);
        let second = json!({"connection": CONNECTION, "provider": "auth0", "user_id": "ben", "isSocial": false,
            "profileData": {"email": "ben@example.com", "email_verified": true, "name": "ben@example.com", "nickname": "ben"}});
        assert_eq!(linked[1], second);
        let user = all.expect(200, "GET", "/users/auth0|ana", None).await;
        assert_eq!(
            (&user["identities"], user.get("user_metadata")),
            (&linked, None),
            "no metadata is merged"
        );
        all.expect(404, "GET", "/users/auth0|ben", None).await;
        assert_eq!(all.expect(200, "GET", "/users", None).await.as_array().unwrap().len(), 1);
        for (q, found) in [
            ("identities.user_id:ben", 1),
            ("identities.profileData.email:ben@example.com", 1),
            ("email:ben@example.com", 0),
        ] {
            let list = all.expect(200, "GET", &format!("/users?q={q}"), None).await;
            assert_eq!(list.as_array().unwrap().len(), found, "{q}");
        }

        let mut browser = app.browser();
        browser.authorize(&[]).await.password(&ben).await;
        assert_eq!(browser.screen(), "mfa-otp-challenge", "her factor, though he had none");
        browser.code("000000").await;
        assert_eq!(browser.screen(), "mfa-otp-challenge");
        let code = app.code(&ana);
        browser.code(&code).await;
        let tokens = app.redeem(&browser.back_with_code()).await;
        assert_eq!(
            (&tokens.id["sub"], &tokens.id["email"]),
            (&json!("auth0|ana"), &json!("ana@example.com"))
        );
        assert!(tokens.id["amr"].as_array().unwrap().contains(&json!("mfa")), "{}", tokens.id);
        assert_eq!(login(&app, "ben@example.com", "wrong").await, Err("login".to_owned()));
        let user = all.expect(200, "GET", "/users/auth0|ana", None).await;
        assert_eq!(user["logins_count"], 1);
    }
}

#[tokio::test]
async fn neither_a_password_grant_nor_a_code_leads_past_the_users_factors() {
    let app = TestApp::new().await.with_apps().await.with_password_grants().await;
    app.mfa(&["otp", "recovery-code"], &["all-applications"]).await;
    app.user_with_totp("ana@example.com").await;
    app.user("ben@example.com").await;
    let all = admin(&app).await;
    let body = json!({"name": "email", "strategy": "email", "enabled_clients": ["ropg"]});
    all.expect(201, "POST", "/connections", Some(body)).await;
    let body = json!({"connection": "email", "email": "ana@mail.example"});
    let mailbox = all.expect(201, "POST", "/users", Some(body)).await["user_id"].as_str().unwrap().to_owned();
    for second in ["auth0|ben", &mailbox] {
        link(&app, second).await;
    }
    let client = [("client_id", "ropg"), ("client_secret", "ropg-secret"), ("scope", "openid")];
    let mut fields =
        vec![("grant_type", "password"), ("username", "ben@example.com"), ("password", PASSWORD)];
    fields.extend(client);
    let refused = app.form("/oauth/token", &fields).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (403, &json!("mfa_required")));
    assert!(refused.json()["mfa_requirements"]["challenge"].is_array(), "she has a factor: {}", refused.body);

    let body = json!({"client_id": "ropg", "client_secret": "ropg-secret", "connection": "email",
        "email": "ana@mail.example", "send": "code"});
    assert_eq!(app.json("POST", "/passwordless/start", None, Some(body)).await.status, 200);
    let code = app.message(MessageKind::CodeEmail).await.code.unwrap();
    let mut fields = vec![
        ("grant_type", "http://auth0.com/oauth/grant-type/passwordless/otp"),
        ("realm", "email"),
        ("username", "ana@mail.example"),
        ("otp", &code),
    ];
    fields.extend(client);
    let refused = app.form("/oauth/token", &fields).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["error"]), (403, &json!("mfa_required")));
    let user = all.expect(200, "GET", "/users/auth0|ana", None).await;
    assert_eq!(user["identities"][2]["profileData"]["email_verified"], true, "the code has proven it");
    assert_eq!(user["identities"][1]["profileData"]["email"], "ben@example.com");
}

#[tokio::test]
async fn what_the_second_account_had_opened_ends() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    let ben = app.user_with_totp("ben@example.com").await;
    app.mfa(&["otp", "recovery-code"], &["all-applications"]).await;
    let (mut his, mut begun) = (app.browser(), app.browser());
    let tokens = app.log_in(&mut his, &ben, &[("scope", "openid offline_access")]).await;
    app.clock.advance(Span::minutes(1));
    begun.authorize(&[]).await.password(&ben).await;
    assert_eq!(begun.screen(), "mfa-otp-challenge");
    link(&app, "auth0|ben").await;
    his.authorize(&[("prompt", "none")]).await;
    assert_eq!(his.back_with_error().0, "login_required");
    let code = app.code(&ben);
    begun.code(&code).await;
    assert!(!begun.url.starts_with("https://app.example"), "a login under way is over");
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "web"),
        ("client_secret", "web-secret"),
        ("refresh_token", tokens.answer["refresh_token"].as_str().unwrap()),
    ];
    assert_eq!(app.form("/oauth/token", &fields).await.status, 403);
    let all = admin(&app).await;
    let methods = all.expect(200, "GET", "/users/auth0|ana/authentication-methods", None).await;
    assert_eq!(methods, json!([]), "factors are not merged");
    all.expect(200, "DELETE", &format!("{ANA}/auth0/ben"), None).await;
    let methods = all.expect(200, "GET", "/users/auth0|ben/authentication-methods", None).await;
    assert_eq!(methods, json!([]), "and do not come back");
}

#[tokio::test]
async fn an_unlinked_account_is_a_user_of_its_own_again() {
    let app = TestApp::new().await.with_apps().await;
    let ana = app.user("ana@example.com").await;
    app.user("ben@example.com").await;
    app.user("cid@example.com").await;
    let all = admin(&app).await;
    let body = json!({"app_metadata": {"role": "x"}});
    all.expect(200, "PATCH", "/users/auth0|ben", Some(body)).await;
    for second in ["auth0|ben", "auth0|cid"] {
        link(&app, second).await;
    }
    assert_eq!(login(&app, "ben@example.com", PASSWORD).await.as_deref(), Ok("auth0|ana"));
    let mut browser = app.browser();
    app.log_in(&mut browser, &ana, &[]).await;
    let left = all.expect(200, "DELETE", &format!("{ANA}/auth0/ben"), None).await;
    let ids: Vec<_> = left.as_array().unwrap().iter().map(|one| one["user_id"].as_str().unwrap()).collect();
    assert_eq!(ids, ["ana", "cid"]);
    let ben = all.expect(200, "GET", "/users/auth0|ben", None).await;
    assert_eq!((&ben["email"], &ben["email_verified"]), (&json!("ben@example.com"), &json!(true)));
    assert_eq!((ben["identities"].as_array().unwrap().len(), ben.get("app_metadata")), (1, None));
    assert_eq!(login(&app, "ben@example.com", PASSWORD).await.as_deref(), Ok("auth0|ben"));
    browser.authorize(&[("prompt", "none")]).await;
    browser.back_with_code();
    for (path, status) in
        [("auth0/ben", 404), ("auth0/ana", 400), ("auth0/nobody", 404), ("google-oauth2/1", 404)]
    {
        all.expect(status, "DELETE", &format!("{ANA}/{path}"), None).await;
    }
    all.expect(404, "DELETE", "/users/auth0|nobody/identities/auth0/cid", None).await;
    all.expect(404, "DELETE", "/users/auth0|ben/identities/auth0/cid", None).await;

    link(&app, "auth0|ben").await;
    all.expect(204, "DELETE", "/users/auth0|ana", None).await;
    assert_eq!(login(&app, "ben@example.com", PASSWORD).await, Err("login".to_owned()));
    let body =
        json!({"connection": CONNECTION, "email": "ben@example.com", "password": PASSWORD, "user_id": "ben"});
    all.expect(201, "POST", "/users", Some(body)).await;
}

#[tokio::test]
async fn what_cannot_be_linked_is_refused() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    let all = admin(&app).await;
    for name in ["ben", "cid", "dan", "eve"] {
        app.user(&format!("{name}@example.com")).await;
    }
    let other = json!({"name": "other", "strategy": "auth0"});
    let other = all.expect(201, "POST", "/connections", Some(other)).await["id"].clone();
    link(&app, "auth0|ben").await;
    let of_cid = json!({"provider": "auth0", "user_id": "dan"});
    all.expect(201, "POST", "/users/auth0|cid/identities", Some(of_cid)).await;
    let blocked = json!({"blocked": true});
    all.expect(200, "PATCH", "/users/auth0|eve", Some(blocked)).await;
    for (body, status) in [
        (json!({}), 400),
        (json!({"provider": "auth0"}), 400),
        (json!({"user_id": "cid"}), 400),
        (json!({"provider": "auth0", "user_id": ["cid"]}), 400),
        (json!({"provider": "auth0", "user_id": "cid", "link_with": "x"}), 400),
        (json!({"link_with": "x"}), 400),
        (json!({"provider": "auth0", "user_id": "ana"}), 400),
        (json!({"provider": "auth0", "user_id": "nobody"}), 404),
        (json!({"provider": "auth0", "user_id": 7}), 404),
        (json!({"provider": "auth0", "user_id": "ben"}), 409),
        (json!({"provider": "auth0", "user_id": "dan"}), 409),
        (json!({"provider": "auth0", "user_id": "cid"}), 400),
        (json!({"provider": "auth0", "user_id": "eve"}), 400),
        (json!({"provider": "auth0", "user_id": "eve", "connection_id": other}), 404),
        (json!({"provider": "auth0", "user_id": "eve", "connection_id": "con_0000000000000000"}), 404),
        (json!({"provider": "auth0", "user_id": "eve", "connection_id": "x"}), 404),
    ] {
        let (answer, told) = all.call("POST", ANA, Some(body.clone())).await;
        assert_eq!(answer.status, status, "{body}: {told}");
    }
    let body = json!({"provider": "auth0", "user_id": "ben"});
    all.expect(404, "POST", "/users/auth0|nobody/identities", Some(body)).await;
    for (email, user_id) in [("ben@example.com", "new"), ("new@example.com", "ben")] {
        let body =
            json!({"connection": CONNECTION, "email": email, "password": PASSWORD, "user_id": user_id});
        all.expect(409, "POST", "/users", Some(body)).await;
    }
    let body = json!({"email": "ben@example.com"});
    all.expect(409, "PATCH", "/users/auth0|cid", Some(body)).await;
    let body = json!({"connection": CONNECTION, "password": "New-password-1"});
    all.expect(200, "PATCH", "/users/auth0|ana", Some(body)).await;
    assert_eq!(login(&app, "ben@example.com", PASSWORD).await.as_deref(), Ok("auth0|ana"), "his is his");
    let mut browser = app.browser();
    browser.authorize(&[("screen_hint", "signup")]).await;
    browser.submit(&[("email", "ben@example.com"), ("password", "New-password-1")]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("email-in-use"));
}

/// Returns the access token of a person for the Management API, and her ID token.
async fn own(app: &TestApp, person: &Person, more: &[(&str, &str)]) -> (String, String) {
    let scope = "openid update:current_user_identities";
    let asked = [&[("audience", AUDIENCE), ("scope", scope)], more].concat();
    let mut browser = app.browser();
    let tokens = app.log_in(&mut browser, person, &asked).await.answer;
    let text = |name: &str| tokens[name].as_str().unwrap().to_owned();
    (text("access_token"), text("id_token"))
}

#[tokio::test]
async fn a_person_links_her_second_account_by_its_id_token() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp", "recovery-code"], &[]).await;
    let (ana, ben) = (app.user("ana@example.com").await, app.user_with_totp("ben@example.com").await);
    app.user("cid@example.com").await;
    let ((access, id), (_, his)) = (own(&app, &ana, &[]).await, own(&app, &ben, &[]).await);
    assert!(claims(&his)["amr"].as_array().is_none_or(|amr| !amr.contains(&json!("mfa"))));
    let post = async |path: &str, body: Value| {
        let answer = app.json("POST", &format!("/api/v2{path}"), Some(&access), Some(body)).await;
        (answer.status.as_u16(), answer.json()["errorCode"].as_str().unwrap_or_default().to_owned())
    };
    let with = |token: &str| json!({"link_with": token});
    assert_eq!(post(ANA, with(&access)).await.0, 400, "an access token");
    assert_eq!(post(ANA, with(&id)).await.0, 400, "her own");
    let of_cid = "/users/auth0|cid/identities";
    assert_eq!(post(of_cid, with(&his)).await, (403, "insufficient_scope".to_owned()));
    let named = json!({"provider": "auth0", "user_id": "cid"});
    assert_eq!(post(ANA, named).await, (403, "insufficient_scope".to_owned()), "who it is has to be shown");
    assert_eq!(
        post(ANA, with(&his)).await,
        (403, "mfa_required".to_owned()),
        "he has a factor, and was not asked"
    );
    let mfa = [("acr_values", lockstep_core::assurance::PAPE)];
    let (_, proven) = own(&app, &ben, &mfa).await;
    let full = token(&app, &["update:users"]).await;
    let elsewhere = app.json("POST", &format!("/api/v2{ANA}"), Some(&full), Some(with(&proven))).await;
    assert_eq!(elsewhere.status, 400, "the token is another application's");
    let linked = app.json("POST", &format!("/api/v2{ANA}"), Some(&access), Some(with(&proven))).await;
    assert_eq!(
        (linked.status.as_u16(), &linked.json()[1]["user_id"]),
        (201, &json!("ben")),
        "{}",
        linked.body
    );
    let told = app.message(MessageKind::NoticeEmail).await;
    assert_eq!(told.recipient, "ana@example.com");
    assert!(
        told.text.contains("Another account was linked") && told.text.contains("ben@example.com"),
        "{}",
        told.text
    );
    let logs = admin(&app).await.expect(200, "GET", "/logs?per_page=100", None).await.to_string();
    assert!(!logs.contains(&proven) && logs.contains("Link a User Account"));
    assert_eq!(post(ANA, with(&proven)).await.0, 409);
    let path = format!("/api/v2{ANA}/auth0/ben");
    let other = app.json("DELETE", &path.replace("|ana", "|cid"), Some(&access), None).await;
    assert_eq!(other.status, 403);
    let left = app.json("DELETE", &path, Some(&access), None).await;
    assert_eq!((left.status.as_u16(), left.json().as_array().unwrap().len()), (200, 1));
    app.clock.advance(Span::days(2));
    let (access, _) = own(&app, &ana, &[]).await;
    let late = app.json("POST", &format!("/api/v2{ANA}"), Some(&access), Some(with(&proven))).await;
    assert_eq!(late.status, 400, "it has expired");
}

#[tokio::test]
async fn who_has_a_factor_adds_an_account_after_it_only() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp", "recovery-code"], &[]).await;
    let (ana, ben) = (app.user_with_totp("ana@example.com").await, app.user("ben@example.com").await);
    let (_, his) = own(&app, &ben, &[]).await;
    let body = json!({"link_with": his});
    let (access, _) = own(&app, &ana, &[]).await;
    let refused = app.json("POST", &format!("/api/v2{ANA}"), Some(&access), Some(body.clone())).await;
    assert_eq!((refused.status.as_u16(), &refused.json()["errorCode"]), (403, &json!("mfa_required")));
    let (access, _) = own(&app, &ana, &[("acr_values", lockstep_core::assurance::PAPE)]).await;
    let linked = app.json("POST", &format!("/api/v2{ANA}"), Some(&access), Some(body)).await;
    assert_eq!(linked.status, 201, "{}", linked.body);
}

#[tokio::test]
async fn a_forgotten_password_of_a_linked_account_is_its_own() {
    let app = TestApp::new().await.with_apps().await;
    let ana = app.user("ana@example.com").await;
    app.user("ben@example.com").await;
    link(&app, "auth0|ben").await;
    let mut session = app.browser();
    app.log_in(&mut session, &ana, &[]).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    let state = browser.query("state").unwrap();
    browser.goto(&format!("/u/reset-password/request/{CONNECTION}?state={state}")).await;
    browser.submit(&[("email", "ben@example.com")]).await;
    let mails = outbox::list(&mut app.app.db().read().await.unwrap(), 50).await.unwrap();
    let mail = mails.iter().find(|mail| mail.message.kind == MessageKind::ResetEmail).unwrap();
    assert_eq!(mail.message.recipient, "ben@example.com");
    let url = mail.message.text.lines().find(|line| line.starts_with("https://")).unwrap().to_owned();
    browser.goto(&url).await;
    browser.submit(&[("password", "New-password-1"), ("re-enter-password", "New-password-1")]).await;
    assert_eq!(browser.screen(), "reset-password-success");
    session.authorize(&[("prompt", "none")]).await;
    assert_eq!(session.back_with_error().0, "login_required", "what the old one may have opened is hers");
    for (email, password, sub) in [
        ("ben@example.com", "New-password-1", Ok("auth0|ana")),
        ("ben@example.com", PASSWORD, Err("login")),
        ("ana@example.com", PASSWORD, Ok("auth0|ana")),
    ] {
        let ended = login(&app, email, password).await;
        assert_eq!(ended.as_deref().map_err(String::as_str), sub, "{email} {password}");
    }

    let all = admin(&app).await;
    let identity = json!({"user_id": "ben", "provider": "auth0"});
    let body = json!({"user_id": "auth0|ana", "identity": identity, "mark_email_as_verified": true});
    let ticket = all.expect(201, "POST", "/tickets/password-change", Some(body.clone())).await;
    browser.goto(ticket["ticket"].as_str().unwrap().trim_end_matches('#')).await;
    browser.submit(&[("password", "New-password-2"), ("re-enter-password", "New-password-2")]).await;
    assert_eq!(login(&app, "ben@example.com", "New-password-2").await.as_deref(), Ok("auth0|ana"));
    let late = all.expect(201, "POST", "/tickets/password-change", Some(body)).await;
    let body = json!({"user_id": "auth0|ana", "identity": identity});
    all.expect(400, "POST", "/tickets/email-verification", Some(body.clone())).await;
    all.expect(400, "POST", "/jobs/verification-email", Some(body)).await;
    all.expect(200, "DELETE", &format!("{ANA}/auth0/ben"), None).await;
    browser.goto(late["ticket"].as_str().unwrap().trim_end_matches('#')).await;
    assert_eq!(browser.screen(), "reset-password-error", "the link was for her");
    assert_eq!(login(&app, "ben@example.com", "New-password-2").await.as_deref(), Ok("auth0|ben"));
}

#[tokio::test]
async fn a_linked_account_goes_with_its_connection_or_by_its_address() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    let all = admin(&app).await;
    let body = json!({"name": "other", "strategy": "auth0", "enabled_clients": ["web"]});
    let id = all.expect(201, "POST", "/connections", Some(body)).await["id"].as_str().unwrap().to_owned();
    for name in ["ben", "cid"] {
        let email = format!("{name}@example.com");
        let body = json!({"connection": "other", "email": email, "password": PASSWORD, "user_id": name});
        all.expect(201, "POST", "/users", Some(body)).await;
        link(&app, &format!("auth0|{name}")).await;
    }
    let identities = async || {
        let user = all.expect(200, "GET", "/users/auth0|ana", None).await;
        user["identities"].as_array().unwrap().len()
    };
    assert_eq!(identities().await, 3);
    let body = json!({"connection": "other", "password": "New-password-1"});
    all.expect(400, "PATCH", "/users/auth0|ana", Some(body)).await;
    all.expect(204, "DELETE", &format!("/connections/{id}/users?email=ben@example.com"), None).await;
    assert_eq!(identities().await, 2);
    all.expect(202, "DELETE", &format!("/connections/{id}"), None).await;
    assert_eq!(identities().await, 1);
    all.expect(404, "GET", "/users/auth0|cid", None).await;
}
