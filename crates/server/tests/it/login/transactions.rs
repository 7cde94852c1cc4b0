//! Running logins: bound to their browser, their version and their hour.

use axum::body::Body;
use http::Request;
use lockstep_core::time::Span;

use crate::support::{TestApp, authorize};

async fn app() -> TestApp {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    app
}

#[tokio::test]
async fn a_login_belongs_to_the_browser_that_began_it() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let mut thief = app.browser();
    thief.goto(&browser.url.clone()).await;
    assert_eq!(thief.page.status, 400);
    assert!(thief.cookie("__Host-auth0").is_none());
}

#[tokio::test]
async fn a_login_ends_after_an_hour_and_leads_back_to_the_application() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    app.clock.advance(Span::minutes(61));
    browser.code(&app.code(&ana)).await;
    assert_eq!(browser.page.status, 400);
    assert!(browser.page.body.contains("data-screen"));
}

#[tokio::test]
async fn after_the_password_and_before_the_factor_nothing_is_open() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let state = browser.query("state").unwrap();
    assert!(browser.cookie("__Host-auth0").is_none(), "a transaction, not a session");
    for more in [
        &[("prompt", "none")][..],
        &[("prompt", "none"), ("response_mode", "web_message")],
        &[("prompt", "none"), ("max_age", "9999")],
    ] {
        browser.goto(&authorize(more)).await;
        assert!(!browser.page.body.contains("\"code\"") && browser.query("code").is_none());
    }
    for path in ["/userinfo", "/api/v2/users"] {
        let answer = app.json("GET", path, Some(&state), None).await;
        assert!(answer.status.is_client_error(), "{path}: {}", answer.status);
    }
    for page in ["consent", "mfa-recovery-code-enrollment", "mfa-otp-enrollment-qr", "login"] {
        browser.goto(&format!("/u/{page}?state={state}")).await;
        assert_eq!(browser.screen(), "mfa-otp-challenge", "{page} leads back to the code");
    }
    browser.submit(&[("action", "accept")]).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
}

#[tokio::test]
async fn a_finished_login_cannot_be_finished_again() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let url = browser.url.clone();
    browser.code(&app.code(&ana)).await;
    browser.back_with_code();
    browser.goto(&url).await;
    assert_eq!(browser.page.status, 400);
}

#[tokio::test]
async fn cookies_cannot_be_planted_and_a_pre_login_value_does_not_survive() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.plant_cookie("__Host-auth0", "attacker");
    browser.authorize(&[]).await.password(&ana).await;
    browser.code(&app.code(&ana)).await;
    browser.back_with_code();
    assert_ne!(browser.cookie("__Host-auth0"), Some("attacker"));
    let mut attacker = app.browser();
    attacker.plant_cookie("__Host-auth0", "attacker");
    attacker.authorize(&[("prompt", "none")]).await;
    assert_eq!(attacker.back_with_error().0, "login_required");
}

#[tokio::test]
async fn pages_are_not_framed_not_kept_and_run_no_script_of_others() {
    let app = app().await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    let headers = &browser.page.headers;
    assert_eq!(headers["x-frame-options"], "DENY");
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(headers["referrer-policy"], "no-referrer");
    assert_eq!(headers["x-content-type-options"], "nosniff");
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("frame-ancestors 'none'") && !policy.contains("unsafe-inline"));
}

#[tokio::test]
async fn a_tab_that_was_finished_as_another_user_does_not_mix_identities() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let ben = app.user_with_totp("ben@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let first_tab = browser.url.clone();
    let second = app.log_in(&mut browser, &ben, &[]).await;
    assert_eq!(second.id["sub"], "auth0|ben");
    // The first tab's address names another application now; the login knows its own.
    browser.goto(&format!("{first_tab}&client_id=spa")).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge");
    browser.code(&app.code(&ana)).await;
    let first = app.redeem(&browser.back_with_code()).await;
    assert_eq!(first.id["sub"], "auth0|ana");
    assert_ne!(first.id["sid"], second.id["sid"]);
    browser.authorize(&[("prompt", "none")]).await;
    let silent = app.redeem(&browser.back_with_code()).await;
    assert_eq!((&silent.id["sub"], &silent.id["sid"]), (&first.id["sub"], &first.id["sid"]));
}

#[tokio::test]
async fn a_broken_session_cookie_is_no_session() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    app.log_in(&mut browser, &ana, &[]).await;
    let good = browser.cookie("__Host-auth0").unwrap().to_owned();
    let cut = |n: usize| good[..good.len() - n].to_owned();
    let last = if good.ends_with('A') { "B" } else { "A" };
    let mut broken =
        vec![format!("{}{last}", cut(1)), cut(4), cut(1), good[..4].to_owned(), format!("{good}=")];
    broken.extend(["", "null", "undefined", "%00", "\"\""].map(str::to_owned));
    broken.push("a".repeat(8192));
    for cookie in broken {
        let mut other = app.browser();
        other.plant_cookie("__Host-auth0", &cookie);
        other.authorize(&[("prompt", "none")]).await;
        assert_eq!(other.back_with_error().0, "login_required", "{cookie}");
        other.plant_cookie("__Host-auth0", &cookie);
        other.authorize(&[]).await;
        assert_eq!(other.screen(), "login", "{cookie}");
        other.plant_cookie("__Host-auth0", &cookie);
        other.goto("/v2/logout").await;
        assert_eq!(other.page.status, 200, "{cookie}");
    }
    for both in
        [format!("__Host-auth0=bad; __Host-auth0={good}"), format!("__Host-auth0={good}; __Host-auth0=bad")]
    {
        let request = Request::get(authorize(&[("prompt", "none")])).header("cookie", both.clone());
        let answer = app.send(request.body(Body::empty()).unwrap()).await;
        let location = answer.location();
        assert!(
            location.contains("code=") || location.contains("error=login_required"),
            "{both}: {location}"
        );
    }
}

#[tokio::test]
async fn every_cookie_from_login_to_logout_is_of_this_host_alone_and_out_of_scripts_reach() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    // As behind a proxy that nobody trusts and that says the browser came in the clear.
    browser.send_header("x-forwarded-proto", "http");
    browser.authorize(&[]).await.password(&ana).await;
    let code = app.code(&ana);
    browser.submit(&[("code", &code), ("rememberBrowser", "true")]).await;
    browser.back_with_code();
    browser.goto("/v2/logout").await;
    let names: std::collections::BTreeSet<_> =
        browser.set_cookies.iter().map(|cookie| cookie.split_once('=').unwrap().0).collect();
    assert_eq!(names.into_iter().collect::<Vec<_>>(), ["__Host-auth0", "__Host-auth0-mf", "__Host-auth0-tx"]);
    for cookie in &browser.set_cookies {
        let (name, attributes) = (cookie.split_once('=').unwrap().0, cookie.split_once("; ").unwrap().1);
        let has = |wanted: &str| attributes.split("; ").any(|a| a.eq_ignore_ascii_case(wanted));
        assert!(has("Secure") && has("HttpOnly") && has("Path=/"), "{cookie}");
        assert!(!attributes.to_ascii_lowercase().contains("domain"), "{cookie}");
        let same_site = if name == "__Host-auth0-tx" { "SameSite=Lax" } else { "SameSite=None" };
        assert!(has(same_site), "{cookie}");
    }
}

#[tokio::test]
async fn a_broken_transaction_cookie_opens_no_mfa_page() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let (url, good) = (browser.url.clone(), browser.cookie("__Host-auth0-tx").unwrap().to_owned());
    let last = if good.ends_with('A') { "B" } else { "A" };
    let mut broken =
        vec![format!("{}{last}", &good[..good.len() - 1]), format!("{good}=="), good[..4].to_owned()];
    broken.extend(["", "null", "undefined", "%00"].map(str::to_owned));
    broken.push("a".repeat(8192));
    for cookie in broken {
        let mut other = app.browser();
        other.plant_cookie("__Host-auth0-tx", &cookie);
        other.goto(&url).await;
        assert_eq!(other.page.status, 400, "{cookie}");
        assert_eq!(other.attribute("input[name=code]", "name"), None, "{cookie}");
    }
    browser.code(&app.code(&ana)).await;
    browser.back_with_code();
}
