//! Factors, policies, tickets: the guide's shell items over HTTP.

use serde_json::json;

use super::token;
use crate::support::TestApp;

#[tokio::test]
async fn factors_and_policies_are_set_as_the_guide_does_it() {
    let app = TestApp::new().await.with_apps().await;
    let full = token(&app, &[]).await;
    let names: Vec<String> = app
        .json("GET", "/api/v2/guardian/factors", Some(&full), None)
        .await
        .json()
        .as_array()
        .unwrap()
        .iter()
        .map(|f| f["name"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(
        names,
        [
            "sms",
            "push-notification",
            "otp",
            "email",
            "duo",
            "webauthn-roaming",
            "webauthn-platform",
            "recovery-code"
        ]
    );
    for name in &names {
        let set = app
            .json(
                "PUT",
                &format!("/api/v2/guardian/factors/{name}"),
                Some(&full),
                Some(json!({"enabled": true})),
            )
            .await;
        assert_eq!((set.status.as_u16(), set.json()), (200, json!({"enabled": true})), "{name}");
    }
    for method in ["PUT", "PATCH"] {
        let set = app
            .json(method, "/api/v2/guardian/policies", Some(&full), Some(json!(["all-applications"])))
            .await;
        assert_eq!((set.status.as_u16(), set.json()), (200, json!(["all-applications"])));
    }
    for body in
        [json!({"policies": []}), json!(["nonsense"]), json!("all-applications"), json!(["confidence-score"])]
    {
        let refused = app.json("PUT", "/api/v2/guardian/policies", Some(&full), Some(body.clone())).await;
        assert_eq!(
            (refused.status.as_u16(), refused.json()["errorCode"].as_str()),
            (400, Some("invalid_body")),
            "{body}"
        );
    }
    assert_eq!(
        app.json("GET", "/api/v2/guardian/policies", Some(&full), None).await.json(),
        json!(["all-applications"])
    );
    let cy = app.user("cy@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&cy).await;
    assert_eq!(
        browser.screen(),
        "mfa-begin-enroll-options",
        "the next login of a user without factors ends in enrolment"
    );
}

#[tokio::test]
async fn an_admins_reset_of_a_factor_forgets_remembered_browsers_and_the_last_takes_the_recovery_code() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp", "recovery-code"], &["all-applications"]).await;
    let full = token(&app, &[]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let code = app.code(&ana);
    browser.submit(&[("code", &code), ("rememberBrowser", "true")]).await;
    browser.back_with_code();
    let new = app
        .json("POST", "/api/v2/users/auth0%7Cana/recovery-code-regeneration", Some(&full), Some(json!({})))
        .await;
    assert_eq!(new.json()["recovery_code"].as_str().unwrap().len(), 24);
    let list = app.json("GET", "/api/v2/users/auth0|ana/authenticators", Some(&full), None).await.json();
    let totp = list.as_array().unwrap().iter().find(|a| a["type"] == "totp").unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(list.as_array().unwrap().iter().any(|a| a["type"] == "recovery-code"));
    let gone = app
        .json("DELETE", &format!("/api/v2/users/auth0|ana/authenticators/{totp}"), Some(&full), None)
        .await;
    assert_eq!(gone.status, 204);
    assert_eq!(
        app.json("GET", "/api/v2/users/auth0|ana/authenticators", Some(&full), None).await.json(),
        json!([])
    );
    browser.drop_cookie("__Host-auth0");
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-otp-enrollment-qr", "a remembered browser does not outlive the factor");
    assert_eq!(
        app.json("DELETE", "/api/v2/users/auth0|ana/authenticators/", Some(&full), None).await.status,
        404,
        "never all by accident"
    );
}

#[tokio::test]
async fn authenticator_ids_of_others_are_unknown_ids() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp"], &[]).await;
    let full = token(&app, &[]).await;
    app.user_with_totp("ana@example.com").await;
    app.user_with_totp("ben@example.com").await;
    let bens =
        app.json("GET", "/api/v2/users/auth0|ben/authentication-methods", Some(&full), None).await.json();
    let id = bens.as_array().unwrap().iter().find(|m| m["type"] == "totp").unwrap()["id"]
        .as_str()
        .unwrap()
        .to_owned();
    for method in ["GET", "DELETE"] {
        let path = format!("/api/v2/users/auth0|ana/authentication-methods/{id}");
        assert_eq!(app.json(method, &path, Some(&full), None).await.status, 404, "{method}");
    }
    for path in [
        format!("/authentication-methods/{}", id.replace('|', "%7C")),
        format!("/authenticators/{id}"),
        format!("/authenticators/{}", id.replace('|', "%7C")),
        "/authentication-methods/totp%7Cdev_".to_owned(),
        "/authentication-methods/*".to_owned(),
        "/authentication-methods/%25".to_owned(),
        format!("/authentication-methods/..%2f..%2fauth0%7Cben%2fauthentication-methods%2f{id}"),
    ] {
        let answer = app.json("DELETE", &format!("/api/v2/users/auth0|ana{path}"), Some(&full), None).await;
        assert!(matches!(answer.status.as_u16(), 400 | 404), "{path}: {} {}", answer.status, answer.body);
        assert!(!answer.body.contains("ben@"), "{path}");
    }
    let still =
        app.json("GET", "/api/v2/users/auth0|ben/authentication-methods", Some(&full), None).await.json();
    assert_eq!(still, bens);
    let foreign = token(&TestApp::new().await.with_apps().await, &[]).await;
    let enrollment = format!("/api/v2/guardian/enrollments/{}", id.rsplit('|').next().unwrap());
    assert_eq!(app.json("GET", &enrollment, Some(&foreign), None).await.status, 401);
}
