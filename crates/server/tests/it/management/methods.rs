//! Authentication methods of a user.

use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use lockstep_core::factors::webauthn::{self, device::Model};
use lockstep_core::model::message::MessageKind;
use lockstep_core::model::settings::Profile;
use serde_json::{Value, json};

use super::{admin, token};
use crate::support::TestApp;

const PATH: &str = "/users/auth0%7Cana/authentication-methods";
const SEED: &str = "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP";

fn kinds(list: &Value) -> Vec<&str> {
    list.as_array().unwrap().iter().map(|m| m["type"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn what_was_stored_is_masked_and_seeds_are_never_shown_again() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    app.user("ana@example.com").await;
    let totp = json!({"type": "totp", "name": "Phone", "totp_secret": SEED});
    let made = admin.expect(201, "POST", PATH, Some(totp.clone())).await;
    assert_eq!(made["totp_secret"], SEED);
    let again = admin.expect(409, "POST", PATH, Some(totp)).await;
    assert_eq!(again["message"], "Authentication method already exists.");
    let phone = json!({"type": "phone", "phone_number": "+15005554412"});
    let made = admin.expect(201, "POST", PATH, Some(phone)).await;
    assert_eq!(made["phone_number"], "+15005554412");
    let email = json!({"type": "email", "email": "chris77@acme.test"});
    let made = admin.expect(201, "POST", PATH, Some(email)).await;
    assert_eq!(made["email"], "chri****@acme*****");
    let list = admin.expect(200, "GET", PATH, None).await;
    let phone = list.as_array().unwrap().iter().find(|m| m["type"] == "phone").unwrap();
    assert_eq!(phone["phone_number"], "XXXXXXXX4412");
    assert_eq!(phone["authentication_methods"][0]["type"], "sms");
    assert!(!list.to_string().contains(SEED));
    let logs = admin.expect(200, "GET", "/logs?per_page=100", None).await;
    assert!(!logs.to_string().contains(SEED), "nor does the log show one");
    let nested = phone["authentication_methods"][0]["id"].as_str().unwrap().replace('|', "%7C");
    let parent = admin.expect(200, "GET", &format!("{PATH}/{nested}"), None).await;
    assert_eq!(parent["id"], phone["id"]);
    let user = admin.expect(200, "GET", "/users/auth0%7Cana", None).await;
    assert_eq!(user["multifactor"], json!(["guardian"]));
}

#[tokio::test]
async fn broken_methods_are_refused_and_the_list_still_works() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    app.user("ana@example.com").await;
    for broken in [
        json!({"type": "totp"}),
        json!({"type": "totp", "totp_secret": "1"}),
        json!({"type": "totp", "totp_secret": SEED, "confirmed": false}),
        json!({"type": "totp", "totp_secret": SEED, "id": "totp|dev_mine"}),
        json!({"type": "totp", "totp_secret": SEED, "created_at": "2020-01-01T00:00:00.000Z"}),
        json!({"type": "totp", "totp_secret": SEED, "last_auth_at": "2020-01-01T00:00:00.000Z"}),
        json!({"type": "totp", "totp_secret": SEED, "__proto__": {"confirmed": true}}),
        json!({"type": "totp", "totp_secret": SEED, "name": "a\u{0}b"}),
        json!({"type": "totp", "totp_secret": SEED, "name": "x".repeat(10_000)}),
        json!({"type": "phone", "phone_number": ["+15005554412", "+15005554413"]}),
        json!({"type": "phone", "phone_number": "5005554412"}),
        json!({"type": "email", "email": "a@b.example,c@d.example"}),
        json!({"type": "telepathy"}),
    ] {
        let told = admin.expect(400, "POST", PATH, Some(broken)).await;
        assert_eq!(told["errorCode"], "invalid_body");
    }
    let lone =
        "{\"type\":\"totp\",\"totp_secret\":\"JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP\",\"name\":\"\\ud800\"}";
    let bearer = format!("Bearer {}", token(&app, &[]).await);
    let answer = app.raw(&format!("/api/v2{PATH}"), "application/json", lone, Some(&bearer)).await;
    assert_eq!(answer.status, 400, "half a character: {}", answer.body);
    assert_eq!(admin.expect(200, "GET", PATH, None).await, json!([]));
}

#[tokio::test]
async fn replacing_deletes_all_the_old_ones_and_answers_in_order() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    app.user_with_totp("ana@example.com").await;
    admin.expect(200, "POST", "/users/auth0%7Cana/recovery-code-regeneration", Some(json!({}))).await;
    let old = admin.expect(200, "GET", PATH, None).await;
    assert_eq!(old.as_array().map(Vec::len), Some(2));
    let body = json!([
        {"type": "email", "name": "Mail", "email": "foo@example.com"},
        {"type": "phone", "name": "Phone", "phone_number": "+442079460050"},
        {"type": "totp", "name": "App", "totp_secret": SEED},
    ]);
    let new = admin.expect(200, "PUT", PATH, Some(body)).await;
    assert_eq!(kinds(&new), ["email", "phone", "totp"]);
    assert_eq!(
        (&new[0]["email"], &new[1]["phone_number"]),
        (&json!("foo@example.com"), &json!("+442079460050"))
    );
    let list =
        admin.expect(200, "GET", &format!("{PATH}?include_totals=true&page=0&per_page=50"), None).await;
    assert_eq!((&list["total"], list["authenticators"].as_array().map(Vec::len)), (&json!(3), Some(3)));
    admin.expect(204, "DELETE", PATH, None).await;
    admin.expect(204, "DELETE", PATH, None).await;
    let user = admin.expect(200, "GET", "/users/auth0%7Cana", None).await;
    assert_eq!(user.get("multifactor"), None);
    let unenrolled = admin.expect(200, "GET", "/logs?q=type:gd_unenroll&per_page=100", None).await;
    assert_eq!(unenrolled.as_array().map(Vec::len), Some(5), "one record a method");
}

/// The identifier and public key of a new key.
async fn a_key(app: &TestApp) -> (String, String) {
    let eve = app.user("key-owner@example.com").await;
    let (on, _) = app.with_key(&eve, Model::SECURITY_KEY).await;
    webauthn::public_parts(&on).unwrap()
}

#[tokio::test]
async fn a_security_key_is_imported_once_and_shown_as_it_was_written() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    app.user("ana@example.com").await;
    let (key_id, public_key) = a_key(&app).await;
    let key = json!({"type": "webauthn_roaming", "name": "Blue", "key_id": key_id, "public_key": public_key});
    let made = admin.expect(201, "POST", PATH, Some(key.clone())).await;
    assert!(made["id"].as_str().unwrap().starts_with("webauthn-roaming|dev_"), "{made}");
    assert_eq!(
        (&made["type"], &made["relying_party_identifier"]),
        (&json!("webauthn-roaming"), &json!("lockstep.test"))
    );
    let listed = admin.expect(200, "GET", PATH, None).await[0].clone();
    assert_eq!((&listed["key_id"], &listed["public_key"]), (&key["key_id"], &key["public_key"]));
    // The same key in the other alphabet is the same key, also as a passkey.
    let other = STANDARD.encode(URL_SAFE_NO_PAD.decode(&key_id).unwrap());
    for kind in ["webauthn-roaming", "passkey"] {
        let twin = json!({"type": kind, "key_id": other, "public_key": public_key});
        admin.expect(409, "POST", PATH, Some(twin)).await;
    }
    for (name, value, why) in [
        ("key_id", "a2V5", "16 to 1023 bytes"),
        ("key_id", "not base64!", "base64"),
        ("public_key", "a2V5", "COSE"),
        ("relying_party_identifier", "https://lockstep.test", "domain"),
    ] {
        let mut broken =
            json!({"type": "webauthn-roaming", "key_id": "QUFBQUFBQUFBQUFBQUFBQQ", "public_key": public_key});
        broken[name] = json!(value);
        let told = admin.expect(400, "POST", PATH, Some(broken)).await;
        assert!(told["message"].as_str().unwrap().contains(why), "{name}: {told}");
    }
    let all = admin.expect(200, "GET", "/users/auth0%7Cana/authenticators", None).await;
    assert_eq!(
        (&all[0]["authenticator_type"], &all[0]["active"]),
        (&json!("webauthn-roaming"), &json!(true))
    );
    let enrolled = admin.expect(200, "GET", "/users/auth0%7Cana/enrollments", None).await;
    assert_eq!(
        (&enrolled[0]["type"], &enrolled[0]["auth_method"], &enrolled[0]["name"]),
        (&json!("webauthn-roaming"), &json!("webauthn-roaming"), &json!("Blue"))
    );
    for n in 1..10 {
        let key_id = URL_SAFE_NO_PAD.encode([n; 16]);
        let key = json!({"type": "webauthn-roaming", "key_id": key_id, "public_key": public_key});
        admin.expect(201, "POST", PATH, Some(key)).await;
    }
    let eleventh = json!({"type": "webauthn-roaming", "key_id": URL_SAFE_NO_PAD.encode([99; 16]), "public_key": public_key});
    admin.expect(403, "POST", PATH, Some(eleventh)).await;
    let one = format!("{PATH}/{}", made["id"].as_str().unwrap().replace('|', "%7C"));
    let named = admin.expect(200, "PATCH", &one, Some(json!({"name": "Red"}))).await;
    assert_eq!((&named["name"], &named["key_id"]), (&json!("Red"), &key["key_id"]));
    admin.expect(204, "DELETE", &one, None).await;
    admin.expect(404, "GET", &one, None).await;
}

#[tokio::test]
async fn an_enrolled_key_shows_what_the_type_has_and_nothing_else() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let ana = app.user_with_totp("ana@example.com").await;
    app.with_key(&ana, Model::SECURITY_KEY).await;
    app.with_key(&ana, Model::SYNCED).await;
    let list = admin.expect(200, "GET", PATH, None).await;
    let mut sorted = kinds(&list);
    sorted.sort_unstable();
    assert_eq!(sorted, ["totp", "webauthn-platform", "webauthn-roaming"]);
    for key in list.as_array().unwrap().iter().filter(|m| m["type"] != "totp") {
        let mut names: Vec<_> = key.as_object().unwrap().keys().map(String::as_str).collect();
        names.retain(|name| {
            !["id", "type", "confirmed", "created_at", "enrolled_at", "last_auth_at"].contains(name)
        });
        names.sort_unstable();
        assert_eq!(names, ["key_id", "public_key", "relying_party_identifier"]);
    }
    // The device's own key does not stand alone: without the app and the security key nobody is enrolled.
    let enrolled =
        || async { admin.expect(200, "GET", "/users/auth0%7Cana", None).await["multifactor"].clone() };
    assert_eq!(enrolled().await, json!(["guardian"]));
    for kind in ["totp", "webauthn-roaming"] {
        let id = list.as_array().unwrap().iter().find(|m| m["type"] == kind).unwrap()["id"].as_str().unwrap();
        admin.expect(204, "DELETE", &format!("{PATH}/{}", id.replace('|', "%7C")), None).await;
    }
    assert_eq!(enrolled().await, Value::Null);
}

#[tokio::test]
async fn a_method_of_a_factor_that_does_not_run_logs_nobody_in() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp", "webauthn-roaming"], &["all-applications"]).await;
    let admin = admin(&app).await;
    let ana = app.user("ana@example.com").await;
    let (key_id, public_key) = a_key(&app).await;
    let mut key = json!({"type": "passkey", "key_id": key_id, "public_key": public_key});
    let passkey = admin.expect(201, "POST", PATH, Some(key.clone())).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-begin-enroll-options", "a passkey is no second factor");
    let id = passkey["id"].as_str().unwrap().replace('|', "%7C");
    admin.expect(204, "DELETE", &format!("{PATH}/{id}"), None).await;
    key["type"] = json!("webauthn-roaming");
    admin.expect(201, "POST", PATH, Some(key)).await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    assert_eq!(browser.screen(), "mfa-webauthn-roaming-challenge", "a key that a tool brought along is one");
}

#[tokio::test]
async fn a_reset_is_told_by_mail_has_its_reason_in_the_log_and_ends_sessions_when_asked() {
    use lockstep_core::model::message::MessageKind;
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp", "recovery-code"], &["all-applications"]).await;
    let admin = admin(&app).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    app.log_in(&mut browser, &ana, &[]).await;
    admin.expect(200, "POST", "/users/auth0%7Cana/recovery-code-regeneration", None).await;
    assert!(app.message(MessageKind::NoticeEmail).await.text.contains("new recovery code"));
    app.clock.advance(lockstep_core::time::Span::seconds(1));
    let request = http::Request::delete("/api/v2/users/auth0%7Cana/authenticators?end_sessions=true")
        .header("host", "lockstep.test")
        .header("authorization", format!("Bearer {}", token(&app, &[]).await))
        .header("accept-language", "de")
        .header("lockstep-reason", "lost her phone, ticket 4711")
        .body(axum::body::Body::empty())
        .unwrap();
    assert_eq!(app.send(request).await.status, 204);
    let notice = app.message(MessageKind::NoticeEmail).await;
    assert!(
        notice.text.contains("An administrator removed"),
        "in her language, not the operator's: {}",
        notice.text
    );
    let logs = admin.expect(200, "GET", "/logs?q=type:gd_unenroll", None).await;
    let logs = logs.as_array().unwrap();
    assert_eq!(logs.len(), 2, "the app and the recovery code");
    assert!(logs.iter().all(|l| l["details"]["reason"] == "lost her phone, ticket 4711"), "{logs:?}");
    browser.authorize(&[]).await;
    assert_eq!(browser.screen(), "login", "the session has ended");
    // One factor of several is named; without the wish, sessions stay.
    let ana = app.user_with_totp("eve@example.com").await;
    app.mfa(&["otp"], &[]).await;
    let mut browser = app.browser();
    app.log_in(&mut browser, &ana, &[]).await;
    let path = "/users/auth0%7Ceve/authentication-methods";
    let id = admin.expect(200, "GET", path, None).await[0]["id"].as_str().unwrap().replace('|', "%7C");
    app.clock.advance(lockstep_core::time::Span::seconds(1));
    admin.expect(204, "DELETE", &format!("{path}/{id}"), None).await;
    assert!(app.message(MessageKind::NoticeEmail).await.text.contains("authenticator app"));
    browser.authorize(&[]).await;
    browser.back_with_code();
}

#[tokio::test]
async fn a_factor_that_an_operator_adds_is_told_by_mail_in_the_assured_profile_only() {
    for profile in [Profile::Faithful, Profile::Assured] {
        let app = TestApp::with(|config| config.profile = profile).await;
        let admin = admin(&app).await;
        app.user("ana@example.com").await;
        let phone = json!({"type": "phone", "phone_number": "+15005554412"});
        admin.expect(201, "POST", PATH, Some(phone.clone())).await;
        let told = app.outbox().await;
        let totp = json!({"type": "totp", "totp_secret": SEED});
        admin.expect(200, "PUT", PATH, Some(json!([phone, totp]))).await;
        let all = app.outbox().await;
        if profile == Profile::Faithful {
            assert!(all.is_empty(), "who imports users writes to nobody");
            continue;
        }
        assert_eq!((told.len(), all.len()), (1, 3), "one for each");
        assert_eq!((told[0].recipient.as_str(), told[0].kind), ("ana@example.com", MessageKind::NoticeEmail));
        assert!(
            told[0].text.contains("XXXXXXXX4412") && !told[0].text.contains("+15005554412"),
            "{}",
            told[0].text
        );
        assert!(all.iter().all(|mail| !mail.text.contains(SEED)));
    }
}
