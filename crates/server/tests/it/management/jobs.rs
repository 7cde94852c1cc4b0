//! Imports and exports of users.

use std::io::Read as _;

use flate2::read::MultiGzDecoder;
use lockstep_core::factors::totp::device::AuthenticatorApp;
use lockstep_core::ids::JobId;
use lockstep_core::time::{Span, Timestamp};
use lockstep_engine::store::jobs as store;
use lockstep_engine::worker::jobs;
use serde_json::{Value, json};

use super::token;
use crate::support::{Shared, TestApp};

const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";
/// Of "U*U".
const BCRYPT: &str = "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW";

async fn connection(app: &TestApp, token: &str) -> String {
    let all = app.json("GET", "/api/v2/connections", Some(token), None).await.json();
    all[0]["id"].as_str().unwrap().to_owned()
}

async fn send(app: &TestApp, token: &str, parts: &[(&str, &str)]) -> crate::support::Answer {
    let mut body = String::new();
    for (name, value) in parts {
        let file =
            if *name == "users" { "; filename=\"users.json\"\r\nContent-Type: application/json" } else { "" };
        body.push_str(&format!(
            "--XyZ\r\nContent-Disposition: form-data; name=\"{name}\"{file}\r\n\r\n{value}\r\n"
        ));
    }
    body.push_str("--XyZ--\r\n");
    let bearer = format!("Bearer {token}");
    app.raw("/api/v2/jobs/users-imports", "multipart/form-data; boundary=XyZ", &body, Some(&bearer)).await
}

/// Imports and works it off; returns the finished job and its errors.
async fn import(app: &TestApp, token: &str, users: &Value, upsert: bool) -> (Value, Value) {
    let id = connection(app, token).await;
    let upsert = upsert.to_string();
    let parts =
        [("users", &*users.to_string()), ("connection_id", &id), ("upsert", &upsert), ("external_id", "x1")];
    let begun = send(app, token, &parts).await;
    assert_eq!(begun.status, 202, "{}", begun.body);
    let begun = begun.json();
    assert_eq!((&begun["status"], &begun["type"]), (&json!("pending"), &json!("users_import")));
    assert_eq!((&begun["external_id"], &begun["connection_id"]), (&json!("x1"), &json!(id)));
    jobs::run(&app.app).await.unwrap();
    let path = format!("/api/v2/jobs/{}", begun["id"].as_str().unwrap());
    let done = app.json("GET", &path, Some(token), None).await.json();
    let errors = app.json("GET", &format!("{path}/errors"), Some(token), None).await;
    let errors = if errors.status == 204 { json!([]) } else { errors.json() };
    assert_eq!(done["status"], "completed", "{done}");
    (done, errors)
}

#[tokio::test]
async fn imported_people_log_in_with_their_password_and_their_app() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp", "recovery-code"], &["all-applications"]).await;
    app.clock.set(Timestamp::from_secs(1_234_567_890));
    let full = token(&app, &[]).await;
    let sha = json!({"algorithm": "sha256", "hash": {"encoding": "hex",
        "value": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"}});
    let people = json!([
        {"email": "Ann@example.com", "email_verified": true, "user_id": "ann", "password_hash": BCRYPT,
         "app_metadata": {"plan": "gold"}, "given_name": "Ann", "mfa_factors": [{"totp": {"secret": SEED}}]},
        {"email": "ben@example.com", "user_id": "ben", "custom_password_hash": sha,
         "mfa_factors": [{"phone": {"value": "+12025550143"}}, {"email": {"value": "ben@example.com"}}]},
    ]);
    let (done, errors) = import(&app, &full, &people, false).await;
    assert_eq!(done["summary"], json!({"total": 2, "inserted": 2, "updated": 0, "failed": 0}));
    assert_eq!(errors, json!([]));
    let ann = app.json("GET", "/api/v2/users/auth0|ann", Some(&full), None).await.json();
    assert_eq!((&ann["email"], &ann["nickname"]), (&json!("ann@example.com"), &json!("ann")));
    assert_eq!((&ann["app_metadata"]["plan"], &ann["multifactor"]), (&json!("gold"), &json!(["guardian"])));
    let methods =
        app.json("GET", "/api/v2/users/auth0|ben/authentication-methods", Some(&full), None).await.json();
    let kinds: Vec<&str> = methods.as_array().unwrap().iter().map(|m| m["type"].as_str().unwrap()).collect();
    assert_eq!((kinds.contains(&"phone"), kinds.contains(&"email")), (true, true), "{methods}");
    let mut browser = app.browser();
    browser.authorize(&[]).await.submit(&[("username", "ann@example.com"), ("password", "U*U")]).await;
    assert_eq!(browser.screen(), "mfa-otp-challenge", "no enrolment is asked for");
    let code = AuthenticatorApp::scan(SEED).unwrap().code_at(app.now());
    assert_eq!(code, "005924");
    browser.code(&code).await;
    browser.back_with_code();
    let methods = app.json("GET", "/api/v2/users/auth0|ann/authentication-methods", Some(&full), None).await;
    assert!(!methods.body.contains("recovery-code"), "{}", methods.body);
    let logs = app.json("GET", "/api/v2/logs?per_page=100", Some(&full), None).await.body;
    assert!(logs.contains("\"sui\"") && !logs.contains(SEED) && !logs.contains("$2a$05$"));
    let mut wrong = app.browser();
    wrong.authorize(&[]).await.submit(&[("username", "ben@example.com"), ("password", "abd")]).await;
    assert_eq!(wrong.error_shown().as_deref(), Some("wrong-credentials"));
    let mut right = app.browser();
    right.authorize(&[]).await.submit(&[("username", "ben@example.com"), ("password", "abc")]).await;
    assert_eq!(right.error_shown(), None, "the SHA-256 of abc");
}

#[tokio::test]
async fn bad_factors_are_told_and_the_rest_of_the_row_counts() {
    let app = TestApp::new().await.with_apps().await;
    let full = token(&app, &[]).await;
    app.user_with_totp("eve@example.com").await;
    let factors = [
        json!([{"totp": {"secret": "gezdgnbvgy3tqojqgezdgnbvgy3tqojq"}}]),
        json!([{"totp": {"secret": "GEZDGNBVGY3TQOJQ===="}}]),
        json!([{"totp": {"secret": "GEZD GNBV"}}]),
        json!([{"totp": {"secret": "JBSWY3DPEHPK3PX0"}}]),
        json!([{"phone": {"value": "2025550143"}}]),
        json!([{"totp": {"secret": SEED}, "phone": {"value": "+12025550143"}}]),
        json!(vec![json!({"email": {"value": "x@example.com"}}); 11]),
        json!([]),
        json!([{"webauthn": {}}]),
    ];
    let mut people: Vec<Value> = factors
        .iter()
        .enumerate()
        .map(|(n, f)| json!({"email": format!("p{n}@example.com"), "user_id": format!("p{n}"), "name": "Kept", "mfa_factors": f}))
        .collect();
    people.push(json!({"email": "eve@example.com", "user_id": "eve", "name": "Eve New", "mfa_factors": [{"totp": {"secret": "JBSWY3DPEHPK3PXP"}}]}));
    let bad = people.len();
    people.push(
        json!({"email": "good@example.com", "user_id": "good", "mfa_factors": [{"totp": {"secret": SEED}}]}),
    );
    let people = Value::Array(people);
    let (done, errors) = import(&app, &full, &people, true).await;
    assert_eq!((&done["summary"]["failed"], &done["summary"]["inserted"]), (&json!(bad), &json!(1)));
    let errors = errors.as_array().unwrap().clone();
    assert_eq!(errors.len(), bad);
    assert!(errors.iter().all(|e| e["errors"][0]["path"].as_str().unwrap().starts_with("mfa_factors")));
    assert_eq!(errors[bad - 1]["errors"][0]["code"], "MFA_FACTORS_FAILED");
    assert!(
        errors[bad - 1]["errors"][0]["message"].as_str().unwrap().starts_with("Unable to import MFA factors")
    );
    for n in 0..factors.len() {
        let kept = app.json("GET", &format!("/api/v2/users/auth0|p{n}"), Some(&full), None).await.json();
        assert_eq!((&kept["name"], kept.get("multifactor")), (&json!("Kept"), None), "{n}");
    }
    let eve = app.json("GET", "/api/v2/users/auth0|eve", Some(&full), None).await.json();
    assert_eq!(eve["name"], "Eve New", "her other fields are changed");
    let before = app.json("GET", "/api/v2/users/auth0|good", Some(&full), None).await.json();
    app.clock.advance(Span::hours(1));
    let full = token(&app, &[]).await;
    let (again, _) = import(&app, &full, &people, true).await;
    assert_eq!((&again["summary"]["updated"], &again["summary"]["inserted"]), (&json!(1), &json!(0)));
    assert_eq!(app.json("GET", "/api/v2/users/auth0|good", Some(&full), None).await.json(), before);
}

#[tokio::test]
async fn who_is_there_is_changed_only_by_an_upsert_and_keeps_his_password() {
    let app = TestApp::new().await.with_apps().await;
    let ana = app.user("ana@example.com").await;
    app.user("ben@example.com").await;
    let full = token(&app, &[]).await;
    let row =
        json!({"email": "ana@example.com", "nickname": "Annie", "password_hash": BCRYPT, "blocked": false});
    let (done, errors) = import(&app, &full, &json!([row]), false).await;
    assert_eq!(
        (&done["summary"]["failed"], &errors[0]["errors"][0]["code"]),
        (&json!(1), &json!("DUPLICATED_USER"))
    );
    assert_eq!(errors[0]["user"]["password_hash"], "*****");
    let taken = json!({"user_id": "ana", "email": "ben@example.com"});
    let alien = json!({"email": "x@example.com", "roles": ["admin"], "email_verified": true});
    let (done, errors) = import(&app, &full, &json!([row, taken, alien, 7]), true).await;
    assert_eq!(done["summary"], json!({"total": 4, "inserted": 0, "updated": 1, "failed": 3}));
    let codes: Vec<_> = errors.as_array().unwrap().iter().map(|e| e["errors"][0]["code"].clone()).collect();
    assert_eq!(codes, ["CONFLICT_EMAIL", "NOT_PASSED", "OBJECT_REQUIRED"]);
    let mut browser = app.browser();
    app.log_in(&mut browser, &ana, &[]).await;
    let read = app.json("GET", "/api/v2/users/auth0|ana", Some(&full), None).await.json();
    assert_eq!(read["nickname"], "Annie");
}

/// Returns how far a job is.
async fn position(app: &TestApp, id: &JobId) -> i64 {
    store::find(&mut app.app.db().read().await.unwrap(), id).await.unwrap().unwrap().position
}

#[tokio::test]
async fn an_import_whose_server_dies_is_finished_by_another_and_each_row_counts_once() {
    for shared in Shared::each().await {
        let (one, two) = (shared.server().await.with_apps().await, shared.server().await);
        let full = token(&one, &[]).await;
        let rows: Vec<Value> = (0..600)
            // Each tenth is refused: somebody before it has the address.
            .map(|n| json!({"email": format!("p{}@example.com", if n % 10 == 9 { n - 1 } else { n })}))
            .collect();
        let parts = [("users", &*json!(rows).to_string()), ("connection_id", &connection(&one, &full).await)];
        let begun = send(&one, &full, &parts).await;
        assert_eq!(begun.status, 202, "{}", begun.body);
        let id = JobId::parse(begun.json()["id"].as_str().unwrap()).unwrap();
        let half_done = async {
            while position(&two, &id).await == 0 {
                tokio::task::yield_now().await;
            }
        };
        tokio::select! {
            biased;
            () = half_done => {}
            _ = jobs::run(&one.app) => {}
        }
        let path = format!("/api/v2/jobs/{id}");
        let read = async || two.json("GET", &path, Some(&full), None).await.json();
        let (halted, at) = (read().await, position(&two, &id).await);
        assert!(at > 0 && at < 600 && at % 100 == 0, "{at}: {halted}");
        assert_eq!((&halted["status"], &halted["percentage_done"]), (&json!("processing"), &json!(at / 6)));
        assert_eq!((halted.get("summary"), halted.get("counts")), (None, None));
        assert_eq!(jobs::run(&two.app).await.unwrap(), 0, "it is the other's for two minutes");
        shared.clock.advance(Span::minutes(2));
        assert_eq!(jobs::run(&two.app).await.unwrap() as i64, 6 - at / 100);
        let done = read().await;
        assert_eq!((&done["status"], &done["percentage_done"]), (&json!("completed"), &json!(100)));
        assert_eq!(done["summary"], json!({"total": 600, "inserted": 540, "updated": 0, "failed": 60}));
        let errors = two.json("GET", &format!("{path}/errors"), Some(&full), None).await.json();
        assert_eq!(errors.as_array().unwrap().len(), 60);
        let users = two.json("GET", "/api/v2/users?include_totals=true", Some(&full), None).await.json();
        assert_eq!(users["total"], 540);
        assert_eq!(jobs::run(&one.app).await.unwrap(), 0);
    }
}

#[tokio::test]
async fn a_form_that_is_none_is_refused_and_a_third_import_waits() {
    let app = TestApp::new().await.with_apps().await;
    let full = token(&app, &[]).await;
    let id = connection(&app, &full).await;
    let status = async |parts: &[(&str, &str)]| send(&app, &full, parts).await.status.as_u16();
    let users = "[{\"email\": \"a@example.com\"}]";
    assert_eq!(status(&[("users", users)]).await, 400);
    assert_eq!(status(&[("users", users), ("connection_id", "con_0000000000000000")]).await, 400);
    assert_eq!(status(&[("users", "{}"), ("connection_id", &id)]).await, 400);
    assert_eq!(status(&[("users", "[{]"), ("connection_id", &id)]).await, 400);
    assert_eq!(status(&[("users", users), ("connection_id", &id), ("admin", "1")]).await, 400);
    assert_eq!(status(&[("users", users), ("users", users), ("connection_id", &id)]).await, 400);
    let large = format!("[\"{}\"]", "x".repeat(500 * 1024));
    assert_eq!(status(&[("users", &large), ("connection_id", &id)]).await, 413);
    let bearer = format!("Bearer {full}");
    for (kind, body) in [
        ("application/json", "{}"),
        ("multipart/form-data", "x"),
        (
            "multipart/form-data; boundary=XyZ",
            "--XyZ\r\nContent-Disposition: form-data; name=\"users\"\r\n\r\nhalf",
        ),
    ] {
        let answer = app.raw("/api/v2/jobs/users-imports", kind, body, Some(&bearer)).await;
        assert!([400, 415].contains(&answer.status.as_u16()), "{kind}: {}", answer.body);
    }
    for expected in [202, 202, 429] {
        assert_eq!(status(&[("users", users), ("connection_id", &id)]).await, expected);
    }
    jobs::run(&app.app).await.unwrap();
    assert_eq!(status(&[("users", users), ("connection_id", &id)]).await, 202);
    for (path, expected) in
        [("job_0000000000000000", 404), ("nonsense", 400), ("job_0000000000000000/errors", 404)]
    {
        let answer = app.json("GET", &format!("/api/v2/jobs/{path}"), Some(&full), None).await;
        assert_eq!(answer.status, expected, "{path}");
    }
}

#[tokio::test]
async fn an_export_is_a_file_for_a_minute() {
    let app = TestApp::new().await.with_apps().await;
    for name in ["ana", "ben", "cy"] {
        app.user(&format!("{name}@example.com")).await;
    }
    let full = token(&app, &[]).await;
    let id = connection(&app, &full).await;
    let export = async |body: Value| -> (Value, String) {
        let begun = app.json("POST", "/api/v2/jobs/users-exports", Some(&full), Some(body)).await;
        assert_eq!(begun.status, 200, "{}", begun.body);
        let begun = begun.json();
        assert_eq!((&begun["status"], &begun["type"]), (&json!("pending"), &json!("users_export")));
        jobs::run(&app.app).await.unwrap();
        let path = format!("/api/v2/jobs/{}", begun["id"].as_str().unwrap());
        let done = app.json("GET", &path, Some(&full), None).await.json();
        assert_eq!((&done["status"], &done["percentage_done"]), (&json!("completed"), &json!(100)));
        (done.clone(), done["location"].as_str().unwrap().to_owned())
    };
    let text = async |location: &str| -> String {
        let path = location.strip_prefix("https://lockstep.test").unwrap();
        let request =
            http::Request::get(path).header("host", "lockstep.test").body(axum::body::Body::empty()).unwrap();
        let bytes = app.bytes(request).await;
        let mut text = String::new();
        MultiGzDecoder::new(&*bytes).read_to_string(&mut text).unwrap();
        text
    };
    let fields = json!([{"name": "email"}, {"name": "identities[0].connection", "export_as": "provider"}]);
    let (done, location) =
        export(json!({"connection_id": id, "format": "csv", "limit": 2, "fields": fields})).await;
    assert_eq!((&done["format"], &done["limit"]), (&json!("csv"), &json!(2)));
    assert_eq!(
        text(&location).await,
        "email,provider\r\nana@example.com,Username-Password-Authentication\r\nben@example.com,Username-Password-Authentication\r\n"
    );
    app.clock.advance(Span::seconds(61));
    assert_eq!(app.get(location.strip_prefix("https://lockstep.test").unwrap()).await.status, 404);
    let (_, location) = export(json!({})).await;
    let lines: Vec<Value> =
        text(&location).await.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 3);
    assert_eq!((&lines[2]["user_id"], &lines[2]["email"]), (&json!("auth0|cy"), &json!("cy@example.com")));
    for body in [
        json!({"format": "xml"}),
        json!({"limit": 0}),
        json!({"connection_id": "con_0000000000000000"}),
        json!({"fields": [{}]}),
        json!({"format": "csv", "fields": vec![json!({"name": "email"}); 31]}),
    ] {
        let answer = app.json("POST", "/api/v2/jobs/users-exports", Some(&full), Some(body.clone())).await;
        assert_eq!(answer.status, 400, "{body}");
    }
    assert_eq!(app.get("/exports/nonsense").await.status, 404);
}
