//! Whom failed passwords keep out.

use serde_json::json;

use super::admin;
use crate::support::TestApp;

#[tokio::test]
async fn a_block_is_listed_under_any_spelling_and_its_release_frees_all() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    for _ in 0..10 {
        browser.submit(&[("username", "ANA@example.com"), ("password", "wrong")]).await;
    }
    browser.submit(&[("username", "ana@example.com"), ("password", "wrong")]).await;
    for path in ["/user-blocks?identifier=ana@example.com", "/user-blocks/auth0%7Cana"] {
        let blocks = admin.expect(200, "GET", path, None).await;
        let first = &blocks["blocked_for"][0];
        assert_eq!(first["identifier"], "ana@example.com", "{path}");
        assert_eq!(first["connection"], "Username-Password-Authentication");
        assert!(first["ip"].is_string());
    }
    admin.expect(204, "DELETE", "/user-blocks?identifier=ANA@EXAMPLE.COM", None).await;
    let clean = admin.expect(200, "GET", "/user-blocks/auth0%7Cana", None).await;
    assert_eq!(clean, json!({"blocked_for": []}));
    browser.authorize(&[]).await.password(&ana).await;
    browser.back_with_code();
    let logs = admin.expect(200, "GET", "/logs?q=type:ublkdu", None).await;
    assert_eq!(logs.as_array().map(Vec::len), Some(1));
    admin.expect(404, "GET", "/user-blocks/auth0%7Cnobody", None).await;
    admin.expect(400, "GET", "/user-blocks", None).await;
}
