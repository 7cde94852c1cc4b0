//! Log streams as they are set up; that they deliver is in `providers/streams.rs`.

use serde_json::{Value, json};

use super::{admin, logged};
use crate::support::TestApp;

fn http(name: &str) -> Value {
    json!({
        "name": name, "type": "http", "sink": {
            "httpEndpoint": "https://siem.example/in", "httpAuthorization": "Bearer hunter2",
            "httpContentFormat": "JSONLINES", "httpContentType": "application/json",
            "httpCustomHeaders": [{"header": "X-A", "value": "1"}]
        }
    })
}

#[tokio::test]
async fn a_stream_is_read_back_as_it_was_written_and_its_secrets_stay_out_of_the_log() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let body = http("siem");
    let made = admin.expect(200, "POST", "/log-streams", Some(body.clone())).await;
    assert_eq!(
        (&made["status"], &made["sink"], &made["isPriority"]),
        (&json!("active"), &body["sink"], &json!(false))
    );
    assert!(made.get("filters").is_none());
    admin.expect(409, "POST", "/log-streams", Some(http("siem"))).await;
    let path = format!("/log-streams/{}", made["id"].as_str().unwrap());
    let paused = admin.expect(200, "PATCH", &path, Some(json!({"status": "paused"}))).await;
    assert_eq!((&paused["status"], &paused["sink"]), (&json!("paused"), &body["sink"]));
    let pii = json!({"log_fields": ["email"], "method": "hash", "algorithm": "xxhash"});
    let filters = json!([{"type": "category", "name": "auth.login.fail"}]);
    let change = json!({"filters": filters, "pii_config": pii, "name": "other"});
    let changed = admin.expect(200, "PATCH", &path, Some(change)).await;
    assert_eq!(
        (&changed["filters"], &changed["pii_config"], &changed["name"]),
        (&filters, &pii, &json!("other"))
    );
    let cleared = admin.expect(200, "PATCH", &path, Some(json!({"filters": []}))).await;
    assert!(cleared.get("filters").is_none());
    assert_eq!(admin.expect(200, "GET", &path, None).await, cleared);
    assert_eq!(admin.expect(200, "GET", "/log-streams", None).await, json!([cleared]));
    let read = logged(&app, "mgmt_api_read").await;
    assert_eq!(read[0]["details"]["accessedSecrets"], json!(["sink"]));
    let logs = admin.expect(200, "GET", "/logs?per_page=100", None).await.to_string();
    assert!(!logs.contains("hunter2") && logs.contains("Create a log stream"));
    for _ in 0..2 {
        admin.expect(204, "DELETE", &path, None).await;
    }
    let told = admin.expect(404, "GET", &path, None).await;
    assert_eq!((&told["message"], told.get("errorCode")), (&json!("The log stream does not exist."), None));
    admin.expect(404, "PATCH", &path, Some(json!({}))).await;
    assert_eq!(admin.expect(200, "GET", "/log-streams", None).await, json!([]));
}

#[tokio::test]
async fn endpoints_in_private_networks_and_headers_of_the_exchange_itself_are_refused() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let header = |name: &str, value: &str| json!({"httpCustomHeaders": [{"header": name, "value": value}]});
    for change in [
        json!({"httpEndpoint": "https://169.254.169.254/latest"}),
        json!({"httpEndpoint": "https://[::1]/"}),
        json!({"httpEndpoint": "http://siem.example/in"}),
        json!({"httpEndpoint": "file:///etc/passwd"}),
        json!({"httpEndpoint": "no address"}),
        json!({"httpEndpoint": null}),
        json!({"httpContentFormat": "XML"}),
        json!({"httpAuthorization": "a\r\nX-Evil: 1"}),
        json!({"httpContentType": "text/plain\nX: 1"}),
        header("Host", "evil.example"),
        header("Content-Length", "0"),
        header("Authorization", "x"),
        header("X A", "1"),
        header("X-A", "1\r\nX-B: 2"),
    ] {
        let mut wrong = http("wrong");
        wrong["sink"].as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let told = admin.expect(400, "POST", "/log-streams", Some(wrong)).await;
        assert_eq!(told["errorCode"], "invalid_body", "{change}");
    }
    let body = |change: Value| {
        let mut body = http("wrong");
        body.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        Some(body)
    };
    for change in [
        json!({"filters": [{"type": "category", "name": "no.such"}]}),
        json!({"pii_config": {"log_fields": ["shoe_size"]}}),
        json!({"startFrom": "yesterday"}),
        json!({"type": "smoke-signals"}),
        json!({"sink": {}}),
    ] {
        admin.expect(400, "POST", "/log-streams", body(change)).await;
    }
    assert_eq!(admin.expect(200, "GET", "/log-streams", None).await, json!([]));
    let made = admin.expect(200, "POST", "/log-streams", Some(http("right"))).await;
    let path = format!("/log-streams/{}", made["id"].as_str().unwrap());
    admin.expect(400, "PATCH", &path, Some(json!({"status": "suspended"}))).await;
}

#[tokio::test]
async fn streams_of_other_types_are_stored_and_never_active() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let splunk =
        json!({"splunkDomain": "d.example", "splunkPort": "8088", "splunkToken": "t", "splunkSecure": true});
    let made = json!({"name": "s", "type": "splunk", "sink": splunk, "isPriority": true});
    let made = admin.expect(200, "POST", "/log-streams", Some(made)).await;
    assert_eq!((&made["status"], &made["sink"]), (&json!("paused"), &splunk));
    assert_eq!(made["filters"], json!([{"type": "category", "name": "security"}]));
    let path = format!("/log-streams/{}", made["id"].as_str().unwrap());
    let told = admin.expect(200, "PATCH", &path, Some(json!({"status": "active"}))).await;
    assert_eq!(told["status"], "paused", "it would claim what nobody does");
    let mixpanel = json!({
        "mixpanelRegion": "us", "mixpanelProjectId": "1", "mixpanelServiceAccountUsername": "u",
        "mixpanelServiceAccountPassword": "hunter2"
    });
    let made = json!({"name": "m", "type": "mixpanel", "sink": mixpanel});
    let made = admin.expect(200, "POST", "/log-streams", Some(made)).await;
    assert_eq!(made["sink"]["mixpanelServiceAccountPassword"], "********");
    let aws =
        json!({"name": "e", "type": "eventbridge", "sink": {"awsAccountId": "9", "awsRegion": "us-west-2"}});
    assert!(
        admin.expect(200, "POST", "/log-streams", Some(aws)).await["sink"]["awsPartnerEventSource"]
            .is_string()
    );
}
