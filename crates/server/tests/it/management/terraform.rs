//! What the Terraform provider writes and then reads on every plan (contract/tools-needs.md 3.2): a plan is empty only if each setting comes
//! back as it was sent, and no read is refused.

use serde_json::{Value, json};

use super::admin;
use crate::support::TestApp;

/// A write, and the reads of the next plan that have to show it.
struct Applied(&'static str, &'static str, Value, &'static str);

/// `auth0_guardian`, `auth0_attack_protection`, `auth0_prompt_custom_text` with texts for the phone provider.
fn configuration(provider: &str, message: &str) -> Vec<Applied> {
    let mut all = vec![
        Applied("PUT", "/guardian/policies", json!(["all-applications"]), "/guardian/policies"),
        Applied(
            "PUT",
            "/guardian/factors/phone/message-types",
            json!({"message_types": ["sms", "voice"]}),
            "/guardian/factors/phone/message-types",
        ),
        Applied(
            "PUT",
            "/guardian/factors/phone/selected-provider",
            json!({"provider": provider}),
            "/guardian/factors/phone/selected-provider",
        ),
        Applied(
            "PUT",
            "/guardian/factors/sms/templates",
            json!({"enrollment_message": message, "verification_message": message}),
            "/guardian/factors/sms/templates",
        ),
        Applied(
            "PUT",
            "/guardian/factors/sms/providers/twilio",
            json!({"from": "+15005550006", "messaging_service_sid": null, "auth_token": "t", "sid": "AC1"}),
            "/guardian/factors/sms/providers/twilio",
        ),
        Applied(
            "PUT",
            "/guardian/factors/webauthn-roaming/settings",
            json!({"userVerification": "preferred", "overrideRelyingParty": false}),
            "/guardian/factors/webauthn-roaming/settings",
        ),
        Applied(
            "PUT",
            "/guardian/factors/webauthn-platform/settings",
            json!({"overrideRelyingParty": false}),
            "/guardian/factors/webauthn-platform/settings",
        ),
        Applied(
            "PUT",
            "/guardian/factors/push-notification/selected-provider",
            json!({"provider": "direct"}),
            "/guardian/factors/push-notification/selected-provider",
        ),
        Applied(
            "PATCH",
            "/prompts/mfa-push",
            json!({"app_name": "Acme", "apple_app_link": "https://apps.acme.test/ios", "google_app_link": ""}),
            "/prompts/mfa-push",
        ),
        Applied(
            "PUT",
            "/prompts/mfa-otp/custom-text/en",
            json!({"mfa-otp-challenge": {"title": message}}),
            "/prompts/mfa-otp/custom-text/en",
        ),
        Applied(
            "PATCH",
            "/attack-protection/brute-force-protection",
            json!({"enabled": true, "max_attempts": 7, "allowlist": ["192.0.2.0/24"], "shields": ["block"],
                "mode": "count_per_identifier"}),
            "/attack-protection/brute-force-protection",
        ),
    ];
    for (name, enabled) in [
        ("otp", true),
        ("sms", true),
        ("email", true),
        ("push-notification", true),
        ("webauthn-roaming", true),
        ("webauthn-platform", true),
        ("recovery-code", true),
        ("duo", false),
    ] {
        let path: &'static str = format!("/guardian/factors/{name}").leak();
        all.push(Applied("PUT", path, json!({"enabled": enabled}), "/guardian/factors"));
    }
    all
}

/// What a plan would want to change.
async fn plan(admin: &super::Admin<'_>, configuration: &[Applied]) -> Vec<String> {
    let mut changes = Vec::new();
    for Applied(_, path, sent, read) in configuration {
        let (answer, found) = admin.call("GET", read, None).await;
        assert_eq!(answer.status, 200, "{read}: {found}");
        let same = match (&found, sent) {
            (Value::Array(factors), Value::Object(_)) => {
                let name = path.rsplit('/').next();
                let factor = factors.iter().find(|factor| factor["name"].as_str() == name);
                factor.is_some_and(|factor| factor["enabled"] == sent["enabled"])
            }
            (Value::Object(found), Value::Object(sent)) => {
                sent.iter().all(|(name, value)| found.get(name).unwrap_or(&Value::Null) == value)
            }
            _ => found == *sent,
        };
        if !same {
            changes.push(format!("{path}: {sent} was sent, {found} is there"));
        }
    }
    changes
}

async fn apply(admin: &super::Admin<'_>, configuration: &[Applied]) {
    for Applied(method, path, body, _) in configuration {
        let (answer, told) = admin.call(method, path, Some(body.clone())).await;
        assert!(answer.status.is_success(), "{method} {path}: {told}");
    }
}

#[tokio::test]
async fn a_plan_is_empty_after_an_apply_and_after_a_change() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    let first = configuration("twilio", "{{code}} is your code");
    assert!(!plan(&admin, &first).await.is_empty(), "before anything is applied there is something to do");
    apply(&admin, &first).await;
    assert_eq!(plan(&admin, &first).await, Vec::<String>::new());
    let second = configuration("phone-message-hook", "Code: {{code}}");
    assert!(!plan(&admin, &second).await.is_empty());
    apply(&admin, &second).await;
    assert_eq!(plan(&admin, &second).await, Vec::<String>::new());
    // The provider takes the older phone settings for real only where this is false.
    let (_, settings) = admin.call("GET", "/tenants/settings", None).await;
    assert_eq!(settings["phone_consolidated_experience"], false);

    // An Action and its binding in one apply: deployed and bound at once, no 409 between.
    let action = json!({"name": "Ask", "supported_triggers": [{"id": "post-login", "version": "v3"}],
        "code": "exports.onExecutePostLogin = async () => {};", "runtime": "node22"});
    let (_, made) = admin.call("POST", "/actions/actions", Some(action)).await;
    let id = made["id"].as_str().unwrap().to_owned();
    let (_, read) = admin.call("GET", &format!("/actions/actions/{id}"), None).await;
    assert_eq!(read["status"], "built", "the provider polls until then");
    let (answer, _) = admin.call("POST", &format!("/actions/actions/{id}/deploy"), None).await;
    assert_eq!(answer.status, 200);
    let (_, read) = admin.call("GET", &format!("/actions/actions/{id}"), None).await;
    assert_eq!(read["all_changes_deployed"], true);
    let bound = json!({"bindings": [{"ref": {"type": "action_id", "value": id}, "display_name": "Ask"}]});
    let (answer, told) = admin.call("PATCH", "/actions/triggers/post-login/bindings", Some(bound)).await;
    assert_eq!(answer.status, 200, "{told}");
    // A page past the end has no total: the provider would ask for the next one for ever.
    let (_, beyond) =
        admin.call("GET", "/actions/triggers/post-login/bindings?page=1&per_page=50", None).await;
    assert_eq!((beyond["bindings"].as_array().map(Vec::len), beyond.get("total")), (Some(0), None));

    // Destroy leaves factors off and the API usable.
    let (answer, _) =
        admin.call("PATCH", "/actions/triggers/post-login/bindings", Some(json!({"bindings": []}))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(admin.call("DELETE", &format!("/actions/actions/{id}"), None).await.0.status, 204);
    admin.call("PUT", "/guardian/policies", Some(json!([]))).await;
    let (_, factors) = admin.call("GET", "/guardian/factors", None).await;
    for factor in factors.as_array().unwrap() {
        let path = format!("/guardian/factors/{}", factor["name"].as_str().unwrap());
        let (answer, _) = admin.call("PUT", &path, Some(json!({"enabled": false}))).await;
        assert_eq!(answer.status, 200);
    }
    let (_, factors) = admin.call("GET", "/guardian/factors", None).await;
    assert!(factors.as_array().unwrap().iter().all(|factor| factor["enabled"] == false));
}
