//! Listing, naming and removing.

use lockstep_core::factors::webauthn::{self, device::Model};
use lockstep_core::model::message::MessageKind;
use serde_json::json;

use super::{ALL, METHODS, account, refused, tenant};

const MFA: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";

#[tokio::test]
async fn methods_are_listed_filtered_read_named_and_removed() {
    let app = tenant(&["otp", "email", "recovery-code"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let own = account(&app, &ana, ALL, &[("acr_values", MFA)]).await;
    assert_eq!(own.types().await, ["password", "totp", "email"]);
    let listed = own.call("GET", &format!("{METHODS}?type=totp"), None).await.json();
    let totp = listed["authentication_methods"][0].clone();
    assert_eq!(listed["authentication_methods"].as_array().unwrap().len(), 1);
    assert!(!listed.to_string().contains("GEZDGNBV"), "a seed is never shown again");
    let id = totp["id"].as_str().unwrap().replace('|', "%7C");
    let one = format!("{METHODS}/{id}");
    let read = own.call("GET", &one, None).await;
    assert_eq!((read.status.as_u16(), read.json()), (200, totp.clone()));
    let named = own.call("PATCH", &one, Some(json!({"name": "My phone"}))).await;
    assert_eq!((named.status.as_u16(), &named.json()["name"]), (200, &json!("My phone")), "{}", named.body);
    assert_eq!(own.call("GET", &one, None).await.json()["name"], "My phone");
    for (body, field) in [
        (json!({"preferred_authentication_method": "sms"}), "preferred_authentication_method"),
        (json!({"confirmed": true}), ""),
        (json!({"name": ""}), "name"),
        (json!({}), ""),
    ] {
        let answer = own.call("PATCH", &one, Some(body)).await;
        refused(&answer, 400, "Invalid request body");
        assert_eq!(answer.json()["validation_errors"][0]["field"], field);
    }
    let gone = own.call("DELETE", &one, None).await;
    assert_eq!((gone.status.as_u16(), gone.body.as_str()), (204, ""));
    refused(&own.call("DELETE", &one, None).await, 404, "The authentication method was not found");
    refused(&own.call("GET", &one, None).await, 404, "The authentication method was not found");
    assert!(app.message(MessageKind::NoticeEmail).await.text.contains("removed"));
}

#[tokio::test]
async fn a_key_is_read_named_and_removed_here_and_made_in_a_browser_only() {
    let app = tenant(&["otp", "webauthn-roaming"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let own = account(&app, &ana, ALL, &[("acr_values", MFA)]).await;
    let (on, _) = app.with_key(&ana, Model::SECURITY_KEY).await;
    let mut types = own.types().await;
    types.sort_unstable();
    assert_eq!(types, ["password", "totp", "webauthn-roaming"]);
    let (key_id, public_key) = webauthn::public_parts(&on).unwrap();
    let one = format!("{METHODS}/{}", on.method_id().replace('|', "%7C"));
    let read = own.call("GET", &one, None).await.json();
    assert_eq!((&read["key_id"], &read["public_key"]), (&json!(key_id), &json!(public_key)));
    assert_eq!((&read["usage"], &read["confirmed"]), (&json!(["secondary"]), &json!(true)));
    let named = own.call("PATCH", &one, Some(json!({"name": "Blue"}))).await;
    assert_eq!((named.status.as_u16(), &named.json()["name"]), (200, &json!("Blue")), "{}", named.body);
    let begun = own.begin(json!({"type": "webauthn-roaming"})).await;
    refused(&begun, 400, "Invalid request body");
    assert_eq!(own.call("DELETE", &one, None).await.status, 204);
    assert!(app.message(MessageKind::NoticeEmail).await.text.contains("security key"));
}

#[tokio::test]
async fn password_and_verified_address_cannot_be_removed_and_nobody_elses_method_is_there() {
    let app = tenant(&["otp", "email"]).await;
    let ana = app.user("ana@example.com").await;
    let bob = app.user_with_totp("bob@example.com").await;
    let own = account(&app, &ana, ALL, &[]).await;
    for method in own.list().await {
        let id = method["id"].as_str().unwrap().replace('|', "%7C");
        let answer = own.call("DELETE", &format!("{METHODS}/{id}"), None).await;
        assert_eq!(answer.status, 409, "{method} {}", answer.body);
    }
    let foreign = account(&app, &bob, ALL, &[]).await.list().await;
    let id = foreign[1]["id"].as_str().unwrap().replace('|', "%7C");
    for method in ["GET", "DELETE"] {
        assert_eq!(own.call(method, &format!("{METHODS}/{id}"), None).await.status, 404);
    }
    for odd in ["totp%7Cdev_", "..%2Fx", "*", "password%7Cx"] {
        assert_eq!(own.call("DELETE", &format!("{METHODS}/{odd}"), None).await.status, 404, "{odd}");
    }
}

#[tokio::test]
async fn a_pending_enrolment_can_be_given_up_and_every_change_is_in_the_log() {
    let app = tenant(&["otp"]).await;
    let ana = app.user("ana@example.com").await;
    let own = account(&app, &ana, ALL, &[]).await;
    let begun = own.begin(json!({"type": "totp"})).await.json();
    let id = begun["id"].as_str().unwrap().replace('|', "%7C");
    assert_eq!(own.call("DELETE", &format!("{METHODS}/{id}"), None).await.status, 204);
    assert_eq!(own.types().await, ["password"]);
    assert_eq!(own.call("DELETE", &format!("{METHODS}/{id}"), None).await.status, 404);
    app.app.logs().flush().await;
    let admin = crate::management::admin(&app).await;
    let (_, logs) = admin.call("GET", "/logs?q=type:my_account*&per_page=100", None).await;
    let told: Vec<(&str, &str)> = logs
        .as_array()
        .unwrap()
        .iter()
        .map(|l| (l["type"].as_str().unwrap(), l["details"]["operation"].as_str().unwrap()))
        .collect();
    assert!(told.contains(&("my_account_authentication_method_succeeded", "enroll")), "{told:?}");
    assert!(told.contains(&("my_account_authentication_method_failed", "delete")), "{told:?}");
}
