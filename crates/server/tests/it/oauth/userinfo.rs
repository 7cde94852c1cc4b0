//! `/userinfo`.

use lockstep_core::time::Span;

use crate::support::{API, TestApp};

#[tokio::test]
async fn claims_follow_the_granted_scopes_for_opaque_tokens_and_jwts() {
    let app = TestApp::new().await.with_apps().await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    let opaque = app.log_in(&mut browser, &ana, &[("scope", "openid email")]).await;
    let token = opaque.answer["access_token"].as_str().unwrap();
    assert!(!token.contains('.'));
    let answer = app.json("GET", "/userinfo", Some(token), None).await;
    assert_eq!((answer.status.as_u16(), answer.json()["sub"].as_str().unwrap()), (200, "auth0|ana"));
    assert_eq!(answer.json()["email"], "ana@example.com");
    assert!(answer.json().get("nickname").is_none() && answer.json().get("amr").is_none());
    browser.authorize(&[("audience", API), ("scope", "openid read:a")]).await;
    let jwt = app.redeem(&browser.back_with_code()).await;
    let token = jwt.answer["access_token"].as_str().unwrap();
    assert_eq!(app.json("POST", "/userinfo", Some(token), None).await.status, 200);
    app.clock.advance(Span::days(2));
    assert_eq!(app.json("GET", "/userinfo", Some(token), None).await.status, 401);
}

#[tokio::test]
async fn no_token_or_a_bad_one_is_challenged() {
    let app = TestApp::new().await.with_apps().await;
    for token in [None, Some("x"), Some("a.b.c"), Some("eyJhbGciOiJub25lIn0.e30.")] {
        let answer = app.json("GET", "/userinfo", token, None).await;
        assert_eq!(answer.status, 401, "{token:?}");
        assert_eq!(answer.header("www-authenticate"), Some("Bearer error=\"invalid_token\""));
        assert_eq!(answer.json()["error"], "invalid_token");
    }
}
