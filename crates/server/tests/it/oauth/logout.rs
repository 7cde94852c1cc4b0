//! Logging out.

use lockstep_core::time::Span;

use crate::support::TestApp;

async fn app() -> TestApp {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    app
}

#[tokio::test]
async fn v2_logout_ends_the_session_and_any_half_open_login_and_keeps_the_remembered_browser() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let code = app.code(&ana);
    browser.submit(&[("code", &code), ("rememberBrowser", "true")]).await;
    browser.back_with_code();
    browser.authorize(&[("prompt", "login")]).await;
    let half_open = browser.url.clone();
    browser.goto("/v2/logout?client_id=web&returnTo=https%3A%2F%2Fapp.example%2Fout").await;
    assert_eq!(browser.url, "https://app.example/out");
    browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(browser.back_with_error().0, "login_required");
    browser.goto(&half_open).await;
    assert_eq!(browser.page.status, 400);
    app.clock.advance(Span::minutes(1));
    browser.authorize(&[]).await.password(&ana).await;
    browser.back_with_code();
}

#[tokio::test]
async fn an_unlisted_return_url_is_refused_and_nothing_ends() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    app.log_in(&mut browser, &ana, &[]).await;
    browser.goto("/v2/logout?client_id=web&returnTo=https%3A%2F%2Fevil.example%2F").await;
    assert_eq!(browser.page.status, 400);
    browser.authorize(&[("prompt", "none")]).await;
    browser.back_with_code();
    browser.goto("/v2/logout").await;
    assert_eq!(browser.page.status, 200);
}

#[tokio::test]
async fn a_fitting_hint_logs_out_silently_even_when_it_has_expired() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    let tokens = app.log_in(&mut browser, &ana, &[]).await;
    let hint = tokens.answer["id_token"].as_str().unwrap();
    app.clock.advance(Span::hours(20));
    let out = "post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fout&state=x";
    browser.goto(&format!("/oidc/logout?id_token_hint={hint}&{out}")).await;
    assert_eq!(browser.url, "https://app.example/out?state=x");
    browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(browser.back_with_error().0, "login_required");
}

#[tokio::test]
async fn without_a_fitting_hint_the_person_is_asked() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let ben = app.user_with_totp("ben@example.com").await;
    let bens = app.log_in(&mut app.browser(), &ben, &[]).await;
    let mut browser = app.browser();
    app.log_in(&mut browser, &ana, &[]).await;
    let foreign = format!("/oidc/logout?id_token_hint={}", bens.answer["id_token"].as_str().unwrap());
    for url in ["/oidc/logout", foreign.as_str()] {
        browser.goto(url).await;
        assert_eq!(browser.screen(), "logout", "{url}");
    }
    browser.goto("/oidc/logout").await.submit(&[("action", "deny")]).await;
    assert_eq!(browser.screen(), "logout-aborted");
    browser.authorize(&[("prompt", "none")]).await;
    browser.back_with_code();
    browser.goto("/oidc/logout").await.submit(&[("action", "accept")]).await;
    assert_eq!(browser.screen(), "logout-complete");
    browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(browser.back_with_error().0, "login_required");
}

#[tokio::test]
async fn another_site_cannot_answer_for_the_person() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    app.log_in(&mut browser, &ana, &[]).await;
    let cookie = format!("__Host-auth0={}", browser.cookie("__Host-auth0").unwrap());
    let request = http::Request::post("/oidc/logout")
        .header("host", "lockstep.test")
        .header("origin", "https://evil.example")
        .header("cookie", cookie)
        .header("content-type", "application/x-www-form-urlencoded");
    let answer = app.send(request.body("action=accept".into()).unwrap()).await;
    assert!(answer.body.contains("data-screen=\"logout\""), "{}", answer.body);
    browser.authorize(&[("prompt", "none")]).await;
    browser.back_with_code();
}

#[tokio::test]
async fn refresh_tokens_survive_a_logout() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    let tokens = app.log_in(&mut browser, &ana, &[("scope", "openid offline_access")]).await;
    browser.goto("/v2/logout").await;
    let refresh = tokens.answer["refresh_token"].as_str().unwrap();
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "web"),
        ("client_secret", "web-secret"),
        ("refresh_token", refresh),
    ];
    assert_eq!(app.form("/oauth/token", &fields).await.status, 200);
}

#[tokio::test]
async fn a_login_left_open_in_another_tab_feeds_nobody_after_any_logout() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let code = app.code(&ana);
    browser.submit(&[("code", &code), ("rememberBrowser", "true")]).await;
    let hint = app.redeem(&browser.back_with_code()).await.answer["id_token"].as_str().unwrap().to_owned();
    app.clock.advance(lockstep_core::time::Span::hours(11));
    let out = "post_logout_redirect_uri=https%3A%2F%2Fapp.example%2Fout&state=x";
    let by_hint = format!("/oidc/logout?id_token_hint={hint}&{out}");
    for (logout, asks) in [("/oidc/logout", true), (by_hint.as_str(), false), ("/v2/logout", false)] {
        // Remembered: the password alone is enough.
        browser.drop_cookie("__Host-auth0");
        let sid = app.log_in(&mut browser, &ana, &[]).await.id["sid"].clone();
        browser.authorize(&[("prompt", "login"), crate::support::ACR]).await.password(&ana).await;
        assert_eq!(browser.screen(), "mfa-otp-challenge");
        let second_tab = browser.url.clone();
        // The hint is of an earlier session of hers; only one of this session lets her go unasked.
        browser.goto(logout).await;
        if asks || browser.url.starts_with("https://lockstep.test/oidc/logout") {
            assert_eq!(browser.screen(), "logout", "{logout} of {sid}");
            browser.submit(&[("action", "accept")]).await;
        }
        browser.authorize(&[("prompt", "none")]).await;
        assert_eq!(browser.back_with_error().0, "login_required", "{logout}");
        browser.goto(&second_tab).await;
        assert_eq!(browser.page.status, 400, "{logout}");
        assert_eq!(browser.attribute("input[name=code]", "name"), None);
        app.clock.advance(lockstep_core::time::Span::minutes(1));
        browser.authorize(&[]).await.password(&ana).await;
        browser.back_with_code();
    }
}

#[tokio::test]
async fn a_revoked_refresh_token_leaves_the_session_and_a_deleted_session_is_over() {
    let app = app().await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    let tokens = app.log_in(&mut browser, &ana, &[("scope", "openid offline_access")]).await;
    let token = tokens.answer["refresh_token"].as_str().unwrap();
    let fields = [("client_id", "web"), ("client_secret", "web-secret"), ("token", token)];
    assert_eq!(app.form("/oauth/revoke", &fields).await.status, 200);
    browser.authorize(&[("prompt", "none")]).await;
    browser.back_with_code();
    let admin = crate::management::admin(&app).await;
    let path = format!("/sessions/{}", tokens.id["sid"].as_str().unwrap());
    let (gone, _) = admin.call("DELETE", &path, None).await;
    assert!(gone.status.is_success(), "{}", gone.body);
    browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(browser.back_with_error().0, "login_required");
}
