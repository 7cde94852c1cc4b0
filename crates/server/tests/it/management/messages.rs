//! What messages say and who carries them: mail templates, phone templates, phone providers.

use lockstep_core::model::message::MessageKind;
use serde_json::json;

use super::admin;
use crate::support::TestApp;

#[tokio::test]
async fn a_mail_template_is_written_used_and_changed() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    let missing = admin.expect(404, "GET", "/email-templates/mfa_oob_code", None).await;
    assert_eq!(missing["errorCode"], "inexistent_email_template");
    let template = json!({"template": "mfa_oob_code", "body": "<b>{{ code }}</b> for {{ user.email }}",
        "subject": "Code {{ code }}", "from": "codes@acme.test", "syntax": "liquid", "enabled": true, "resultUrl": null});
    let made = admin.expect(201, "POST", "/email-templates", Some(template.clone())).await;
    assert_eq!((&made["subject"], made.get("resultUrl")), (&json!("Code {{ code }}"), None));
    let twice = admin.expect(409, "POST", "/email-templates", Some(template.clone())).await;
    assert_eq!(twice["message"], "Template mfa_oob_code already exists.");

    app.mfa(&["otp", "email"], &["all-applications"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    browser.submit(&[("action", "pick-authenticator")]).await.submit(&[("action", "email::1")]).await;
    let sent = app.message(MessageKind::CodeEmail).await;
    let code = sent.code.unwrap();
    assert_eq!(sent.subject, format!("Code {code}"));
    assert_eq!(sent.html.unwrap(), format!("<b>{code}</b> for ana@example.com"));
    assert_eq!(sent.from.as_deref(), Some("codes@acme.test"));

    let off =
        admin.expect(200, "PATCH", "/email-templates/mfa_oob_code", Some(json!({"enabled": false}))).await;
    assert_eq!((&off["enabled"], &off["from"]), (&json!(false), &json!("codes@acme.test")));
    let whole = json!({"template": "mfa_oob_code", "body": "{{ code }}", "subject": "x", "enabled": true});
    let put = admin.expect(200, "PUT", "/email-templates/mfa_oob_code", Some(whole)).await;
    assert_eq!(put.get("from"), None, "PUT replaces the whole");
    for (body, word) in [
        (json!({"body": "{% if %}"}), "Liquid"),
        (json!({"template": "reset_email"}), "name"),
        (json!({"subject": "a\r\nBcc: x@evil.example"}), "control characters"),
        (json!({"x": 1}), "Additional properties"),
    ] {
        let refused = admin.expect(400, "PATCH", "/email-templates/mfa_oob_code", Some(body)).await;
        assert!(refused["message"].as_str().unwrap().contains(word), "{refused}");
    }
    admin.expect(404, "PATCH", "/email-templates/welcome_email", Some(json!({"enabled": true}))).await;
    admin.expect(400, "POST", "/email-templates", Some(json!({"template": "odd"}))).await;
}

#[tokio::test]
async fn a_phone_template_is_one_of_its_type_and_speaks() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    let path = "/branding/phone/templates";
    let all = admin.expect(200, "GET", path, None).await;
    let types: Vec<_> = all["templates"].as_array().unwrap().iter().map(|t| t["type"].clone()).collect();
    assert_eq!(types, ["otp_verify", "otp_enroll", "change_password"], "what stands without being written");
    let body = json!({"type": "otp_verify", "content": {"body": {"text": "Acme says @{code}", "voice": "Say {{ code }}"}}});
    let made = admin.expect(201, "POST", path, Some(body.clone())).await;
    let id = made["id"].as_str().unwrap().to_owned();
    assert!(id.starts_with("tem_") && made["content"]["syntax"] == "liquid" && made["disabled"] == false);
    admin.expect(409, "POST", path, Some(body)).await;

    app.mfa(&["otp", "sms"], &["all-applications"]).await;
    let one = format!("{path}/{id}");
    let tried = admin.expect(202, "POST", &format!("{one}/try"), Some(json!({"to": "12025550143"}))).await;
    assert_eq!(tried["message"], "Test notification successfully sent for processing");
    let text = app.message(MessageKind::CodeSms).await;
    assert!(text.text.starts_with("Acme says 123456") && text.recipient == "+12025550143", "{}", text.text);
    let call = json!({"to": "+12025550143", "delivery_method": "voice"});
    admin.expect(202, "POST", &format!("{one}/try"), Some(call)).await;
    let spoken = app.message(MessageKind::CodeVoice).await.text;
    assert!(spoken.starts_with("Say 1, 2, 3, 4, 5, 6"), "{spoken}");
    admin.expect(400, "POST", &format!("{one}/try"), Some(json!({"to": "12"}))).await;
    admin.expect(400, "POST", &format!("{one}/try"), Some(json!({"to": "+19005550123"}))).await;

    let reset = admin.expect(200, "PATCH", &format!("{one}/reset"), None).await;
    assert!(reset["content"]["body"]["text"].as_str().unwrap().contains("is your verification code"));
    let bad = json!({"content": {"body": {"text": "{{"}}});
    assert!(
        admin.expect(400, "PATCH", &one, Some(bad)).await["message"].as_str().unwrap().contains("Liquid")
    );
    let off = admin.expect(200, "PATCH", &one, Some(json!({"disabled": true}))).await;
    assert_eq!(off["disabled"], true);
    let listed = admin.expect(200, "GET", &format!("{path}?disabled=true"), None).await;
    assert_eq!(listed["templates"].as_array().unwrap().len(), 1);
    admin.expect(204, "DELETE", &one, None).await;
    admin.expect(404, "GET", &one, None).await;
    let other = json!({"type": "blocked_account", "content": {"body": {"text": "x", "voice": "x"}}});
    let other = admin.expect(201, "POST", path, Some(other)).await;
    let refused = format!("{path}/{}/try", other["id"].as_str().unwrap());
    admin.expect(400, "POST", &refused, Some(json!({"to": "+12025550143"}))).await;
}

#[tokio::test]
async fn there_is_one_phone_provider_and_its_secret_never_comes_back() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let path = "/branding/phone/providers";
    assert_eq!(admin.expect(200, "GET", path, None).await, json!({"providers": []}));
    let account = |from: Option<&str>| {
        json!({"name": "twilio", "credentials": {"auth_token": "very-secret"},
            "configuration": {"sid": "AC1", "default_from": from, "delivery_methods": ["text"]}})
    };
    let mut without = account(None);
    without["configuration"].as_object_mut().unwrap().remove("default_from");
    let refused = admin.expect(400, "POST", path, Some(without)).await;
    assert_eq!(refused["message"], "Bad Operation on Notification Resource");
    assert_eq!(refused.get("errorCode"), None);
    let made = admin.expect(201, "POST", path, Some(account(Some("+12025550100")))).await;
    let one = format!("{path}/{}", made["id"].as_str().unwrap());
    admin.expect(409, "POST", path, Some(account(Some("+12025550100")))).await;
    let (read, all) =
        (admin.expect(200, "GET", &one, None).await, admin.expect(200, "GET", path, None).await);
    assert!(!format!("{made}{read}{all}").contains("very-secret"));
    assert_eq!((read.get("credentials"), &all["providers"][0]["credentials"]), (None, &json!(null)));
    // The secret stays when it is not sent, and goes with the name.
    admin.expect(200, "PATCH", &one, Some(json!({"disabled": true}))).await;
    let custom =
        json!({"name": "custom", "configuration": {"delivery_methods": ["voice"]}, "credentials": {}});
    let changed = admin.expect(200, "PATCH", &one, Some(custom)).await;
    assert_eq!((&changed["name"], changed["configuration"].get("sid")), (&json!("custom"), None));
    let back = json!({"name": "twilio", "configuration": {"sid": "AC1", "default_from": "+1", "delivery_methods": ["text"]}});
    admin.expect(400, "PATCH", &one, Some(back)).await;
    admin.expect(202, "POST", &format!("{one}/try"), Some(json!({"to": "+12025550143"}))).await;
    admin.expect(204, "DELETE", &one, None).await;
    admin.expect(404, "GET", &one, None).await;
    admin.expect(404, "POST", &format!("{one}/try"), Some(json!({"to": "+12025550143"}))).await;
}

#[tokio::test]
async fn what_stands_for_an_unwritten_phone_template_can_be_read_and_changed_by_its_id() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let path = "/branding/phone/templates";
    let listed = admin.expect(200, "GET", path, None).await["templates"].clone();
    let listed = listed.as_array().unwrap();
    let ids: Vec<String> = listed.iter().map(|t| t["id"].as_str().unwrap().to_owned()).collect();
    for (template, id) in listed.iter().zip(&ids) {
        assert_eq!(admin.expect(200, "GET", &format!("{path}/{id}"), None).await, *template);
    }
    for id in &ids[..2] {
        let words = json!({"content": {"body": {"text": "Mine: {{ code }}"}}});
        let changed = admin.expect(200, "PATCH", &format!("{path}/{id}"), Some(words)).await;
        assert_eq!(
            (&changed["id"], &changed["content"]["body"]["text"]),
            (&json!(id), &json!("Mine: {{ code }}"))
        );
    }
    let again = admin.expect(200, "GET", path, None).await["templates"].clone();
    let mine =
        again.as_array().unwrap().iter().filter(|t| t["content"]["body"]["text"] == "Mine: {{ code }}");
    assert_eq!(mine.count(), 2, "a change of one leaves the other: {again}");
    assert_eq!(again.as_array().unwrap().len(), ids.len());
    admin.expect(409, "POST", path, Some(json!({"type": listed[0]["type"]}))).await;
    admin.expect(201, "POST", path, Some(json!({"type": listed[2]["type"]}))).await;
}
