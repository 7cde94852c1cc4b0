//! The tenant's log on its way to an endpoint of the operator's.

use lockstep_core::time::Span;
use lockstep_engine::worker::streams;
use serde_json::{Value, json};

use super::{Mood, Recorder};
use crate::management::{Admin, admin};
use crate::support::{Shared, TestApp, at_once};

async fn server() -> TestApp {
    TestApp::with(|config| config.providers.private_networks = true).await
}

/// Makes a stream to the recorder; returns its path.
async fn stream(admin: &Admin<'_>, recorder: &Recorder, change: Value) -> String {
    let mut body =
        json!({"name": "siem", "type": "http", "sink": {"httpEndpoint": format!("{}/in", recorder.url)}});
    if let Some(sink) = change.get("sink").and_then(Value::as_object) {
        body["sink"].as_object_mut().unwrap().extend(sink.clone());
    }
    let rest = change.as_object().unwrap().iter().filter(|(key, _)| *key != "sink");
    body.as_object_mut().unwrap().extend(rest.map(|(key, value)| (key.clone(), value.clone())));
    let made = admin.expect(200, "POST", "/log-streams", Some(body)).await;
    format!("/log-streams/{}", made["id"].as_str().unwrap())
}

/// Writes records into the log: one for each name.
async fn happen(admin: &Admin<'_>, names: &[&str]) {
    for name in names {
        admin
            .expect(200, "POST", "/roles", Some(json!({"name": name, "description": "to ana@example.com"})))
            .await;
    }
}

/// Lets what happened settle and gives it to the streams; returns how many records went out.
async fn deliver(app: &TestApp) -> usize {
    app.clock.advance(Span::seconds(6));
    streams::run(&app.app).await.unwrap()
}

/// Returns the names of the roles that a body in lines tells of.
fn names(body: &str) -> Vec<String> {
    let lines = body.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let name = |line: Value| {
        assert_eq!(line["log_id"], line["data"]["_id"]);
        line["data"]["details"]["request"]["body"]["name"].as_str().map(str::to_owned)
    };
    lines.filter_map(name).collect()
}

#[tokio::test]
async fn what_happens_after_a_stream_was_made_goes_out_once_in_order() {
    let (app, recorder) = (server().await, Recorder::start().await);
    let admin = admin(&app).await;
    happen(&admin, &["before"]).await;
    app.clock.advance(Span::seconds(1));
    let sink = json!({
        "httpAuthorization": "Splunk s3cret", "httpContentType": "application/x-ndjson",
        "httpCustomHeaders": [{"header": "X-Tenant", "value": "acme"}]
    });
    stream(
        &admin,
        &recorder,
        json!({"sink": sink, "filters": [{"type": "category", "name": "management.success"}]}),
    )
    .await;
    happen(&admin, &["a", "b"]).await;
    assert_eq!(
        streams::run(&app.app).await.unwrap(),
        0,
        "it could still be overtaken by another server's records"
    );
    // The making of the stream is a record too.
    assert_eq!(deliver(&app).await, 3);
    assert_eq!(deliver(&app).await, 0);
    happen(&admin, &["c"]).await;
    assert_eq!(deliver(&app).await, 1);
    let calls = recorder.calls();
    assert_eq!(calls.len(), 2);
    assert_eq!(
        (names(&calls[0].2), names(&calls[1].2)),
        (vec!["siem".into(), "a".into(), "b".into()], vec!["c".into()])
    );
    let (uri, headers, body) = &calls[0];
    assert_eq!(
        (uri.as_str(), &headers["authorization"], &headers["content-type"]),
        ("/in", &"Splunk s3cret".parse().unwrap(), &"application/x-ndjson".parse().unwrap())
    );
    assert_eq!(headers["x-tenant"], "acme");
    assert!(body.contains("\"is_mobile\":false") && !body.contains("s3cret"), "{body}");
}

#[tokio::test]
async fn a_batch_has_the_format_that_was_asked_for_and_a_hundred_records_at_most() {
    for (format, first) in [("JSONARRAY", "["), ("JSONOBJECT", "{\"logs\":["), ("JSONLINES", "{\"data\":")] {
        let (app, recorder) = (server().await, Recorder::start().await);
        let admin = admin(&app).await;
        stream(&admin, &recorder, json!({"sink": {"httpContentFormat": format}})).await;
        for n in 0..105 {
            admin.expect(404, "DELETE", &format!("/roles/{n}"), None).await;
        }
        assert_eq!(deliver(&app).await, 107, "one turn carries all, the making of token and stream too");
        let calls = recorder.calls();
        assert_eq!(calls.len(), 2);
        assert!(calls[0].2.starts_with(first), "{format}: {}", &calls[0].2[..40]);
        assert_eq!(
            calls.iter().map(|(_, _, body)| body.matches("\"log_id\":").count()).sum::<usize>(),
            2 * 107
        );
    }
}

#[tokio::test]
async fn filters_and_personal_data_are_as_the_stream_says() {
    let (app, recorder) = (server().await, Recorder::start().await);
    let admin = admin(&app).await;
    let pii = json!({"log_fields": ["email"], "method": "hash", "algorithm": "xxhash"});
    let filters = json!([{"type": "category", "name": "management.fail"}]);
    stream(&admin, &recorder, json!({"filters": filters, "pii_config": pii})).await;
    happen(&admin, &["a"]).await;
    admin
        .expect(409, "POST", "/roles", Some(json!({"name": "a", "description": "to ana@example.com"})))
        .await;
    assert_eq!(deliver(&app).await, 1, "the refusal alone");
    let body = &recorder.calls()[0].2;
    assert!(body.contains("\"fapi\"") && !body.contains("ana@example.com"), "{body}");
    assert!(body.contains("to ") && body.contains("\"description\":\"to "), "{body}");
}

#[tokio::test]
async fn a_batch_that_is_refused_comes_again_later_each_time_and_nothing_overtakes_it() {
    let (app, recorder) = (server().await, Recorder::start().await);
    let admin = admin(&app).await;
    let path =
        stream(&admin, &recorder, json!({"filters": [{"type": "category", "name": "management.success"}]}))
            .await;
    recorder.is(Mood::Status(503));
    happen(&admin, &["a"]).await;
    assert_eq!(deliver(&app).await, 0);
    happen(&admin, &["b"]).await;
    let mut calls = 1;
    for (wait, tried) in
        [(9, 0), (1, 1), (59, 0), (1, 1), (299, 0), (1, 1), (1199, 0), (1, 1), (3599, 0), (1, 1)]
    {
        app.clock.advance(Span::seconds(wait));
        streams::run(&app.app).await.unwrap();
        calls += tried;
        assert_eq!(recorder.calls().len(), calls, "after {wait} s");
    }
    recorder.is(Mood::Takes);
    app.clock.advance(Span::hours(1));
    assert_eq!(streams::run(&app.app).await.unwrap(), 3);
    let calls = recorder.calls();
    assert_eq!(names(&calls.last().unwrap().2), ["siem", "a", "b"]);
    assert_eq!(admin.expect(200, "GET", &path, None).await["status"], "active");
}

#[tokio::test]
async fn a_stream_that_took_nothing_for_a_day_is_suspended_until_it_is_set_active_and_then_goes_on() {
    let (app, recorder) = (server().await, Recorder::start().await);
    let admin = admin(&app).await;
    let path = stream(&admin, &recorder, json!({})).await;
    recorder.is(Mood::Status(401));
    happen(&admin, &["a"]).await;
    deliver(&app).await;
    for _ in 0..30 {
        app.clock.advance(Span::hours(1));
        streams::run(&app.app).await.unwrap();
    }
    let calls = recorder.calls().len();
    assert!((20..30).contains(&calls), "{calls}");
    let shown = |stream: Value| stream["status"].as_str().unwrap().to_owned();
    let later = crate::management::admin(&app).await;
    assert_eq!(shown(later.expect(200, "GET", &path, None).await), "suspended");
    let told = crate::management::logged(&app, "w").await;
    assert!(told[0]["description"].as_str().unwrap().contains("is suspended: it answered 401"), "{told:?}");
    recorder.is(Mood::Takes);
    assert_eq!(deliver(&app).await, 0);
    let set = later.expect(200, "PATCH", &path, Some(json!({"status": "active"}))).await;
    assert_eq!(shown(set), "active");
    assert!(deliver(&app).await > 2);
    assert!(names(&recorder.calls().last().unwrap().2).contains(&"a".to_owned()), "nothing was lost");
}

#[tokio::test]
async fn a_redirect_is_no_way_into_another_network() {
    let (app, recorder) = (server().await, Recorder::start().await);
    let admin = admin(&app).await;
    stream(&admin, &recorder, json!({})).await;
    recorder.is(Mood::Status(302));
    assert_eq!(deliver(&app).await, 0);
    assert_eq!(recorder.calls().len(), 1);
}

#[tokio::test]
async fn a_stream_begins_where_it_was_told_to() {
    let (app, recorder) = (server().await, Recorder::start().await);
    let admin = admin(&app).await;
    happen(&admin, &["old"]).await;
    app.clock.advance(Span::minutes(10));
    let from = app.now().to_iso();
    happen(&admin, &["new"]).await;
    app.clock.advance(Span::minutes(10));
    let filters = json!([{"type": "category", "name": "management.success"}]);
    stream(&admin, &recorder, json!({"startFrom": from, "filters": filters})).await;
    assert_eq!(deliver(&app).await, 2);
    assert_eq!(names(&recorder.calls()[0].2), ["new", "siem"]);
}

#[tokio::test]
async fn two_servers_and_a_restart_send_each_record_once() {
    for shared in Shared::each().await {
        let recorder = Recorder::start().await;
        let apps = [
            shared.server_with(|config| config.providers.private_networks = true).await,
            shared.server_with(|config| config.providers.private_networks = true).await,
        ];
        let admin = admin(&apps[0]).await;
        stream(&admin, &recorder, json!({"filters": [{"type": "category", "name": "management.success"}]}))
            .await;
        for round in 0..3 {
            happen(&admin, &[&format!("r{round}a"), &format!("r{round}b")]).await;
            apps[0].app.logs().flush().await;
            shared.clock.advance(Span::seconds(6));
            at_once(apps.iter().map(|app| async { streams::run(&app.app).await.unwrap() })).await;
        }
        for app in apps {
            app.stop().await;
        }
        let again = shared.server_with(|config| config.providers.private_networks = true).await;
        shared.clock.advance(Span::minutes(5));
        streams::run(&again.app).await.unwrap();
        let sent: Vec<String> = recorder.calls().iter().flat_map(|(_, _, body)| names(body)).collect();
        assert_eq!(sent, ["siem", "r0a", "r0b", "r1a", "r1b", "r2a", "r2b"]);
    }
}
