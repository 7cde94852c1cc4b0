//! Whom failed passwords keep out.

use serde_json::json;

use super::admin;
use crate::support::{PASSWORD, TestApp};

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

#[tokio::test]
async fn a_user_name_and_an_address_of_one_person_share_their_attempts() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    let list = admin.expect(200, "GET", "/connections?name=Username-Password-Authentication", None).await;
    let connection = format!("/connections/{}", list[0]["id"].as_str().unwrap());
    let options = json!({"options": {"requires_username": true}});
    admin.expect(200, "PATCH", &connection, Some(options)).await;
    let ana = json!({"connection": "Username-Password-Authentication", "user_id": "ana", "username": "ana",
                     "email": "ana@example.com", "password": PASSWORD});
    admin.expect(201, "POST", "/users", Some(ana)).await;
    let spellings = ["ana@example.com", "ANA@example.com", " ana@example.com", "ana", "ana@EXAMPLE.com"];
    let mut browser = app.browser();
    browser.authorize(&[]).await;
    for spelling in spellings.iter().chain(&spellings) {
        browser.submit(&[("username", spelling), ("password", "wrong")]).await;
        assert_eq!(browser.error_shown().as_deref(), Some("wrong-credentials"), "{spelling}");
    }
    for spelling in spellings {
        browser.submit(&[("username", spelling), ("password", PASSWORD)]).await;
        assert_eq!(browser.error_shown().as_deref(), Some("user-blocked"), "{spelling}");
    }
    let blocks = admin.expect(200, "GET", "/user-blocks?identifier=ana@example.com", None).await;
    assert_eq!(blocks["blocked_for"].as_array().map(Vec::len), Some(1));
    for spelling in spellings {
        admin.expect(204, "DELETE", "/user-blocks?identifier=ana@example.com", None).await;
        let mut browser = app.browser();
        browser.authorize(&[]).await.submit(&[("username", spelling), ("password", PASSWORD)]).await;
        browser.back_with_code();
    }
}
