//! Secrets stay out of both logs and of errors, whatever happens.

use std::io::Write;
use std::sync::{Arc, Mutex};

use lockstep_core::factors::totp::device::AuthenticatorApp;
use lockstep_core::time::Span;
use lockstep_engine::store::{decisions, outbox};
use serde_json::json;
use tracing_subscriber::fmt::MakeWriter;

use crate::management::token;
use crate::support::{ACR, PASSWORD, TestApp};

/// What was traced.
#[derive(Clone, Default)]
struct Lines(Arc<Mutex<Vec<u8>>>);

impl Write for Lines {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

impl<'a> MakeWriter<'a> for Lines {
    type Writer = Self;

    fn make_writer(&'a self) -> Self {
        self.clone()
    }
}

/// Set in the process that runs the story.
const OWN_PROCESS: &str = "LOCKSTEP_IT_OWN_PROCESS";

/// Some of what is logged comes from other threads, so the trace is that of a whole process, and the story gets one.
#[test]
fn codes_seeds_tokens_and_passwords_are_in_no_log_and_no_error() {
    if std::env::var_os(OWN_PROCESS).is_some() {
        let runtime = tokio::runtime::Runtime::new().unwrap();
        return runtime.block_on(story());
    }
    let name = "login::secrets::codes_seeds_tokens_and_passwords_are_in_no_log_and_no_error";
    let mut command = std::process::Command::new(std::env::current_exe().unwrap());
    let ran = command.args(["--exact", name, "--nocapture"]).env(OWN_PROCESS, "1").output().unwrap();
    let told = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && told.contains("1 passed"), "{told}");
}

async fn story() {
    let lines = Lines::default();
    let trace = tracing_subscriber::fmt().with_max_level(tracing::Level::TRACE).with_writer(lines.clone());
    tracing::subscriber::set_global_default(trace.finish()).unwrap();
    let mut secrets = vec![("password", PASSWORD.to_owned()), ("client secret", "web-secret".to_owned())];
    let mut answers = Vec::new();

    let app = TestApp::new().await.with_apps().await.with_password_grants().await;
    app.mfa(&["otp", "recovery-code"], &["all-applications"]).await;
    let full = token(&app, &[]).await;
    secrets.push(("machine token", full.clone()));

    // Enrolment, each step wrong first.
    let cy = app.user("cy@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    browser.submit(&[("username", "cy@example.com"), ("password", "Wr0ng-password!")]).await;
    secrets.push(("wrong password", "Wr0ng-password!".to_owned()));
    answers.push(browser.page.body.clone());
    browser.password(&cy).await;
    let phone = AuthenticatorApp::scan(&browser.attribute("a[href^='otpauth:']", "href").unwrap()).unwrap();
    secrets.push(("seed", phone.secret()));
    secrets.push(("seed in hexadecimal", {
        let bytes = data_encoding::BASE32_NOPAD.decode(phone.secret().as_bytes()).unwrap();
        data_encoding::HEXLOWER.encode(&bytes)
    }));
    let first_code = phone.code_at(app.now());
    browser.code(&first_code).await;
    let recovery = browser.save_recovery_code().await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    secrets.push(("code of the app", first_code));
    secrets.push(("recovery code", recovery.clone()));
    secrets.push(("session", browser.cookie("__Host-auth0").unwrap().to_owned()));
    secrets.push(("access token", tokens.answer["access_token"].as_str().unwrap().to_owned()));
    secrets.push(("ID token", tokens.answer["id_token"].as_str().unwrap().to_owned()));

    // A login with a wrong code, a remembered browser, a refresh token and its reuse.
    app.clock.advance(Span::minutes(5));
    let mut browser = app.browser();
    browser.authorize(&[("scope", "openid offline_access")]).await.password(&cy).await;
    browser.code("918273").await;
    secrets.push(("wrong code", "918273".to_owned()));
    let code = phone.code_at(app.now());
    browser.submit(&[("code", &code), ("rememberBrowser", "true")]).await;
    secrets.push(("second code of the app", code));
    secrets.push(("remembered browser", browser.cookie("__Host-auth0-mf").unwrap().to_owned()));
    let code = browser.back_with_code();
    let tokens = app.redeem(&code).await;
    secrets.push(("authorization code", code.clone()));
    let refresh = tokens.answer["refresh_token"].as_str().unwrap().to_owned();
    let by_refresh = [
        ("grant_type", "refresh_token"),
        ("client_id", "web"),
        ("client_secret", "web-secret"),
        ("refresh_token", &refresh),
    ];
    for _ in 0..2 {
        app.form("/oauth/token", &by_refresh).await;
    }
    let again = [
        ("grant_type", "authorization_code"),
        ("client_id", "web"),
        ("client_secret", "web-secret"),
        ("code", &code),
    ];
    answers.push(app.form("/oauth/token", &again).await.body);
    secrets.push(("refresh token", refresh.clone()));

    // A step-up by the recovery code.
    browser.authorize(&[ACR, ("max_age", "0")]).await.password(&cy).await;
    browser.submit(&[("action", "pick-authenticator")]).await.submit(&[("action", "recovery-code::0")]).await;
    browser.code("AAAAAAAAAAAAAAAAAAAAAAAA").await;
    browser.code(&recovery).await;
    secrets.push(("second recovery code", browser.save_recovery_code().await));
    browser.back_with_code();

    // An administrator's work, right and wrong.
    let seed = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";
    secrets.push(("imported seed", seed.to_owned()));
    secrets.push(("provider secret", "tw1lio-secret".to_owned()));
    let admin = async |method: &str, path: &str, body| {
        app.json(method, &format!("/api/v2{path}"), Some(&full), body).await
    };
    app.user("dee@example.com").await;
    let methods = "/users/auth0|dee/authentication-methods";
    let totp = json!({"type": "totp", "totp_secret": seed});
    assert_eq!(admin("POST", methods, Some(totp.clone())).await.status, 201);
    answers.push(admin("POST", methods, Some(totp)).await.body);
    answers.push(admin("GET", methods, None).await.body);
    let twilio = json!({"from": "123", "auth_token": "tw1lio-secret", "sid": "s", "unknown": true});
    answers.push(admin("PUT", "/guardian/factors/phone/providers/twilio", Some(twilio)).await.body);
    let rotated = admin("POST", "/clients/web/rotate-secret", None).await.json();
    secrets.push(("rotated secret", rotated["client_secret"].as_str().unwrap().to_owned()));
    answers.push(app.json("GET", "/api/v2/users", Some(&format!("{full}x")), None).await.body);
    answers.push(app.json("GET", "/userinfo", Some(&full), None).await.body);

    // A forgotten password.
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    let state = browser.query("state").unwrap();
    browser.goto(&format!("/u/reset-password/request/Username-Password-Authentication?state={state}")).await;
    browser.submit(&[("email", "cy@example.com")]).await;
    let mut conn = app.app.db().read().await.unwrap();
    let mails = outbox::list(&mut conn, 10).await.unwrap();
    let mut written = mails.iter().flat_map(|mail| mail.message.text.lines());
    let link = written.find(|line| line.starts_with("https://")).unwrap().to_owned();
    secrets.push(("reset ticket", link.split_once("ticket=").unwrap().1.to_owned()));
    drop(conn);

    // An application without our pages, codes that are sent, a person's own account by API, and a login by code alone.
    app.mfa(&["otp", "sms", "email", "recovery-code"], &["all-applications"]).await;
    app.message_types(&["sms"]).await;
    app.user("gus@example.com").await;
    let ropg = |kind: &str, fields: &[(&str, &str)]| {
        let kind = if kind == "password" {
            kind.to_owned()
        } else {
            format!("http://auth0.com/oauth/grant-type/{kind}")
        };
        let mut all = vec![("grant_type".to_owned(), kind)];
        let base = [("client_id", "ropg"), ("client_secret", "ropg-secret"), ("scope", "openid")];
        all.extend(base.iter().chain(fields).map(|(n, v)| ((*n).to_owned(), (*v).to_owned())));
        let app = &app;
        async move {
            let all: Vec<(&str, &str)> = all.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            app.form("/oauth/token", &all).await
        }
    };
    secrets.push(("secret of the embedded application", "ropg-secret".to_owned()));
    let refused = ropg("password", &[("username", "gus@example.com"), ("password", PASSWORD)]).await.json();
    let mfa_token = refused["mfa_token"].as_str().unwrap().to_owned();
    secrets.push(("mfa_token", mfa_token.clone()));
    let body =
        json!({"authenticator_types": ["oob"], "oob_channels": ["sms"], "phone_number": "+12025550143"});
    let begun = app.json("POST", "/mfa/associate", Some(&mfa_token), Some(body)).await.json();
    let oob = begun["oob_code"].as_str().unwrap().to_owned();
    let sent = app.sent_code().await;
    secrets.push(("oob_code", oob.clone()));
    secrets.push(("texted code", sent.clone()));
    secrets.push(("recovery code by API", begun["recovery_codes"][0].as_str().unwrap().to_owned()));
    let answer = [("mfa_token", mfa_token.as_str()), ("oob_code", &oob)];
    let wrong = ropg("mfa-oob", &[&answer[..], &[("binding_code", "918274")]].concat()).await;
    secrets.push(("wrong texted code", "918274".to_owned()));
    answers.push(wrong.body);
    let right = ropg("mfa-oob", &[&answer[..], &[("binding_code", sent.as_str())]].concat()).await;
    secrets.push(("ID token by API", right.json()["id_token"].as_str().unwrap().to_owned()));
    for name in ["email", "sms"] {
        let connection = json!({"name": name, "strategy": name, "enabled_clients": ["ropg"]});
        assert_eq!(admin("POST", "/connections", Some(connection)).await.status, 201);
    }
    app.clock.advance(Span::seconds(1));
    let start = json!({"client_id": "ropg", "client_secret": "ropg-secret", "connection": "email",
        "email": "new@example.com", "send": "code"});
    assert_eq!(app.json("POST", "/passwordless/start", None, Some(start)).await.status, 200);
    let mailed = app.sent_code().await;
    secrets.push(("mailed code", mailed.clone()));
    let login = [("realm", "email"), ("username", "new@example.com"), ("otp", mailed.as_str())];
    answers.push(ropg("passwordless/otp", &[&login[..2], &[("otp", "918275")]].concat()).await.body);
    secrets.push(("wrong mailed code", "918275".to_owned()));
    let passed = ropg("passwordless/otp", &login).await.json();
    secrets.push(("second mfa_token", passed["mfa_token"].as_str().unwrap().to_owned()));
    let provider = json!({"name": "twilio", "credentials": {"auth_token": "tw1lio-token"},
        "configuration": {"sid": "AC1", "default_from": "+12025550100", "delivery_methods": ["text"]}});
    secrets.push(("token of a phone provider", "tw1lio-token".to_owned()));
    answers.push(admin("POST", "/branding/phone/providers", Some(provider)).await.body);
    answers.push(admin("GET", "/branding/phone/providers", None).await.body);

    let mut logs = admin("GET", "/logs?per_page=100", None).await.body;
    let mut conn = app.app.db().read().await.unwrap();
    for record in decisions::list_of_user(&mut conn, &cy.id, 100).await.unwrap() {
        logs.push_str(&record.decision.to_string());
    }
    drop(conn);
    assert!(logs.contains("\"sertft\"") && logs.contains("\"gd_auth_failed\""), "{logs}");

    // The database goes away in the middle.
    app.app.db().close().await;
    for answer in [
        app.form("/oauth/token", &by_refresh).await,
        app.json("GET", "/api/v2/users", Some(&full), None).await,
        app.get("/authorize?client_id=web").await,
    ] {
        assert!(answer.status.is_server_error(), "{}", answer.status);
        answers.push(answer.body);
    }

    let traced = String::from_utf8(lines.0.lock().unwrap().clone()).unwrap();
    assert!(traced.contains("insert into sessions") && traced.contains("ERROR"), "{traced:.3000}");
    for (what, secret) in &secrets {
        assert!(!traced.contains(secret), "the {what} is in the server log");
        assert!(!logs.contains(secret), "the {what} is in the tenant log");
        let shown = answers.iter().find(|body| body.contains(secret));
        assert!(shown.is_none(), "the {what} is in an answer: {}", shown.unwrap());
    }
}
