//! Identifier, password, sign-up.

use lockstep_core::time::Span;

use crate::support::{PASSWORD, TestApp};

#[tokio::test]
async fn an_unknown_user_and_a_wrong_password_look_the_same() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    let mut pages = Vec::new();
    for email in ["ana@example.com", "bob@example.com"] {
        let mut browser = app.browser();
        browser.authorize(&[]).await;
        browser.submit(&[("username", email), ("password", "wrong")]).await;
        assert_eq!(browser.error_shown().as_deref(), Some("wrong-credentials"));
        let body = browser.page.body.replace(email, "E").replace(&browser.query("state").unwrap(), "S");
        let nonce = browser
            .attribute("style[nonce]", "nonce")
            .or_else(|| browser.attribute("script[nonce]", "nonce"));
        pages.push((browser.page.status, body.replace(&nonce.unwrap_or_default(), "N")));
    }
    assert_eq!(pages[0], pages[1]);
}

#[tokio::test]
async fn spelling_the_name_differently_buys_no_new_attempts() {
    let app = TestApp::new().await.with_apps().await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    for spelling in
        ["ana@example.com", "ANA@example.com", " ana@example.com", "ana@EXAMPLE.com", "Ana@example.com "]
    {
        for _ in 0..2 {
            browser.submit(&[("username", spelling), ("password", "wrong")]).await;
            assert_eq!(browser.error_shown().as_deref(), Some("wrong-credentials"));
        }
    }
    for spelling in ["ana@example.com", "ANA@EXAMPLE.COM"] {
        browser.submit(&[("username", spelling), ("password", PASSWORD)]).await;
        assert_eq!(browser.error_shown().as_deref(), Some("user-blocked"));
    }
    assert_eq!(ana.email, "ana@example.com");
    app.clock.advance(Span::days(31));
    browser.authorize(&[]).await;
    browser.submit(&[("username", "ana@example.com"), ("password", PASSWORD)]).await;
    browser.back_with_code();
}

#[tokio::test]
async fn a_blocked_user_gets_no_code_whatever_stage_she_is_at() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    app.log_in(&mut browser, &ana, &[]).await;
    app.clock.advance(Span::minutes(1));
    let mut half = app.browser();
    half.authorize(&[]).await.password(&ana).await;
    app.block(&ana, true).await;
    let blocked = ("unauthorized".to_owned(), "user is blocked".to_owned());
    half.code(&app.code(&ana)).await;
    assert_eq!(half.back_with_error(), blocked);
    browser.authorize(&[]).await;
    assert_eq!(browser.back_with_error(), blocked);
    let mut fresh = app.browser();
    fresh.authorize(&[]).await.password(&ana).await;
    assert_eq!(fresh.back_with_error(), blocked);
}

#[tokio::test]
async fn somebody_signs_up_and_is_logged_in() {
    let app = TestApp::new().await.with_apps().await;
    let mut browser = app.browser();
    browser.authorize(&[("screen_hint", "signup")]).await;
    assert_eq!(browser.screen(), "signup");
    browser.submit(&[("email", "new@example.com"), ("password", "short")]).await;
    assert_eq!(browser.error_shown().as_deref(), Some("password-too-weak"));
    assert_eq!(
        browser.attribute("input#email", "value").as_deref(),
        Some("new@example.com"),
        "what was typed stays"
    );
    assert!(!browser.page.body.contains("short\""), "but not the password");
    browser.submit(&[("email", "New@Example.com"), ("password", PASSWORD)]).await;
    let tokens = app.redeem(&browser.back_with_code()).await;
    assert_eq!(tokens.id["email"], "new@example.com");
    let mut again = app.browser();
    again.authorize(&[("screen_hint", "signup")]).await;
    again.submit(&[("email", "new@example.com"), ("password", PASSWORD)]).await;
    assert_eq!(again.error_shown().as_deref(), Some("email-in-use"));
}

#[tokio::test]
async fn sign_up_goes_through_the_same_mfa_decision() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let mut browser = app.browser();
    browser.authorize(&[("screen_hint", "signup")]).await;
    browser.submit(&[("email", "new@example.com"), ("password", PASSWORD)]).await;
    assert_eq!(browser.screen(), "mfa-otp-enrollment-qr");
}

#[tokio::test]
async fn another_user_under_prompt_login_replaces_the_session() {
    let app = TestApp::new().await.with_apps().await;
    let ana = app.user("ana@example.com").await;
    let ben = app.user("ben@example.com").await;
    let mut browser = app.browser();
    let first = app.log_in(&mut browser, &ana, &[]).await;
    let handle = browser.cookie("__Host-auth0").unwrap().to_owned();
    let second = app.log_in(&mut browser, &ben, &[("prompt", "login")]).await;
    assert_ne!(first.id["sid"], second.id["sid"]);
    assert_eq!(second.id["sub"], "auth0|ben");
    let mut old = app.browser();
    old.plant_cookie("__Host-auth0", &handle);
    old.authorize(&[("prompt", "none")]).await;
    assert_eq!(old.back_with_error().0, "login_required");
}

#[tokio::test]
async fn an_outsider_cannot_keep_a_user_locked_out() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut outsider = app.browser();
    outsider.move_to_address("192.0.2.10");
    outsider.authorize(&[]).await;
    for n in 0..130 {
        outsider.submit(&[("username", &ana.email), ("password", "wrong")]).await;
        let expected = if n < 10 { "wrong-credentials" } else { "user-blocked" };
        assert_eq!(outsider.error_shown().as_deref(), Some(expected), "{n}");
        if n >= 10 {
            app.clock.advance(Span::minutes(1));
            outsider.authorize(&[]).await;
        }
    }
    outsider.submit(&[("username", &ana.email), ("password", PASSWORD)]).await;
    assert_eq!(outsider.error_shown().as_deref(), Some("user-blocked"));
    let mut owner = app.browser();
    owner.move_to_address("198.51.100.7");
    app.log_in(&mut owner, &ana, &[]).await;
}

#[tokio::test]
async fn long_passwords_count_whole_and_huge_ones_are_refused() {
    let app = TestApp::new().await.with_apps().await;
    let long = format!("Pw-1{}", "x".repeat(69));
    assert_eq!(long.len(), 73);
    let mut browser = app.browser();
    browser.authorize(&[("screen_hint", "signup")]).await;
    browser.submit(&[("email", "new@example.com"), ("password", &long)]).await;
    browser.back_with_code();
    for (typed, right) in [(&long[..72], false), (&long[..], true)] {
        let mut browser = app.browser();
        browser.authorize(&[]).await;
        browser.submit(&[("username", "new@example.com"), ("password", typed)]).await;
        assert_eq!(browser.url.starts_with("https://app.example"), right, "{} bytes", typed.len());
    }
    for field in ["username", "password"] {
        let mut browser = app.browser();
        browser.authorize(&[]).await;
        let huge = "a.".repeat(500_000);
        let mut fields = vec![("username", "new@example.com"), ("password", PASSWORD)];
        fields.retain(|(name, _)| *name != field);
        fields.push((field, &huge));
        browser.submit(&fields).await;
        assert!(browser.page.status.is_client_error(), "{field}: {}", browser.page.status);
    }
    let mut browser = app.browser();
    browser.authorize(&[("screen_hint", "signup")]).await;
    let email = format!("a@{}", "a.".repeat(50_000));
    browser.submit(&[("email", &email), ("password", PASSWORD)]).await;
    assert!(browser.page.status.is_client_error());
}

#[tokio::test]
async fn a_sign_up_form_sets_its_own_fields_and_no_others() {
    let app = TestApp::new().await.with_apps().await;
    let admin = crate::management::admin(&app).await;
    let mut browser = app.browser();
    browser.authorize(&[("screen_hint", "signup")]).await;
    let more = "email=new%40example.com&password=Pw-ana-1%21&action=default&email_verified=true&user_id=mine\
                &app_metadata=%7B%22role%22%3A%22admin%22%7D&app_metadata%5Brole%5D=admin&blocked=false\
                &multifactor=guardian&mfa_factors=otp&phone_verified=true";
    browser.submit_encoded(more).await;
    let users = admin.expect(200, "GET", "/users-by-email?email=new@example.com", None).await;
    for user in users.as_array().unwrap() {
        assert_eq!(user["email_verified"], false);
        assert_ne!(user["user_id"], "auth0|mine");
        for field in ["app_metadata", "blocked", "multifactor", "mfa_factors", "phone_verified"] {
            assert!(user.get(field).is_none(), "{field}: {user}");
        }
    }
}

#[tokio::test]
async fn an_address_that_could_break_a_mail_signs_nobody_up() {
    let app = TestApp::new().await.with_apps().await;
    let admin = crate::management::admin(&app).await;
    for email in [
        "a@example.com\r\nBcc: x@evil.example",
        "a@example.com%0d%0aDATA",
        "\"a\r\nb\"@example.com",
        "a@exam\u{0}ple.com",
        "ana@example.com,x@evil.example",
    ] {
        let mut browser = app.browser();
        browser.authorize(&[("screen_hint", "signup")]).await;
        browser.submit(&[("email", email), ("password", PASSWORD)]).await;
        assert!(browser.url.starts_with("https://lockstep.test/"), "{email:?}");
        assert!(browser.page.status.as_u16() < 500, "{email:?}");
    }
    assert_eq!(admin.expect(200, "GET", "/users", None).await, serde_json::json!([]));
}

#[tokio::test]
async fn a_megabyte_as_a_code_costs_nothing() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let page = browser.url.clone();
    for huge in ["1".repeat(1_048_000), "1".repeat(2_000_000), "1".repeat(10_000)] {
        browser.goto(&page).await.code(&huge).await;
        assert!(browser.page.status.is_client_error(), "{}: {}", huge.len(), browser.page.status);
    }
    browser.goto(&page).await.code(&app.code(&ana)).await;
    browser.back_with_code();
}
