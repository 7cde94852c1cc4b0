//! The tenant's log.

use serde_json::{Value, json};

use super::{admin, logged};
use crate::support::TestApp;

#[tokio::test]
async fn a_change_is_in_the_log_at_once_and_found_by_search_and_checkpoint() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    for n in 0..3 {
        admin.expect(200, "POST", "/roles", Some(json!({"name": format!("r{n}")}))).await;
    }
    admin.expect(409, "POST", "/roles", Some(json!({"name": "r1"}))).await;
    let changes = admin.expect(200, "GET", "/logs?q=type:sapi&include_totals=true", None).await;
    assert_eq!((&changes["total"], &changes["length"]), (&json!(3), &json!(3)));
    let first = &changes["logs"][0];
    assert_eq!((&first["description"], &first["_id"]), (&json!("Create a role"), &first["log_id"]));
    assert_eq!(first["details"]["request"]["method"], "post");
    assert_eq!(first["details"]["response"]["statusCode"], 200);
    let refused = admin.expect(200, "GET", "/logs?q=type:fapi", None).await;
    assert_eq!(refused[0]["details"]["response"]["statusCode"], 409);
    let one = admin.expect(200, "GET", &format!("/logs/{}", first["_id"].as_str().unwrap()), None).await;
    assert_eq!(one, *first);
    let oldest = admin.expect(200, "GET", "/logs?sort=date:1&per_page=1", None).await;
    let from = oldest[0]["log_id"].as_str().unwrap();
    let (answer, page) = admin.call("GET", &format!("/logs?from={from}&take=2"), None).await;
    let ids: Vec<&str> = page.as_array().unwrap().iter().map(|r| r["log_id"].as_str().unwrap()).collect();
    assert!(ids.len() == 2 && from < ids[0] && ids[0] < ids[1]);
    let link = answer.header("link").unwrap();
    assert!(link.contains(ids[1]) && link.contains("rel=\"next\""), "{link}");
    let tail = admin.expect(200, "GET", &format!("/logs?q=log_id:[{from}%20TO%20*]"), None).await;
    assert!(tail.as_array().unwrap().iter().any(|r: &Value| r["log_id"] == from));
}

#[tokio::test]
async fn what_cannot_be_searched_and_pages_out_of_reach_are_refused() {
    let app = TestApp::new().await;
    let admin = admin(&app).await;
    let told = admin.expect(400, "GET", "/logs?q=details:x", None).await;
    assert_eq!(told["errorCode"], "invalid_query_string");
    let told = admin.expect(400, "GET", "/logs?per_page=100&page=10", None).await;
    assert_eq!(told["errorCode"], "invalid_paging");
    admin.expect(404, "GET", "/logs/90020260202180155000", None).await;
}

#[tokio::test]
async fn every_field_of_a_record_can_be_searched() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    let ana = app.user("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    browser.back_with_code();
    let mut wrong = app.browser();
    wrong.authorize(&[]).await.submit(&[("username", &ana.email), ("password", "not-hers")]).await;
    let login = admin.expect(200, "GET", "/logs?q=type:s", None).await[0].clone();
    let text = |key: &str| login[key].as_str().unwrap_or_else(|| panic!("{key} in {login}")).to_owned();
    for key in [
        "client_id",
        "client_name",
        "connection",
        "connection_id",
        "description",
        "hostname",
        "user_id",
        "user_name",
        "log_id",
        "type",
    ] {
        let query: String =
            url::form_urlencoded::byte_serialize(format!("{key}:\"{}\" AND type:s", text(key)).as_bytes())
                .collect();
        let found = admin.expect(200, "GET", &format!("/logs?q={query}"), None).await;
        assert_eq!(found[0]["log_id"], login["log_id"], "{key}");
    }
    let found = admin
        .expect(200, "GET", "/logs?q=strategy:auth0%20AND%20strategy_type:database%20AND%20type:s", None)
        .await;
    assert_eq!(found[0]["log_id"], login["log_id"]);
    assert_eq!(admin.expect(200, "GET", "/logs?q=organization_id:x", None).await, json!([]));
    let words = admin.expect(200, "GET", "/logs?q=%22Successful%20login%22", None).await;
    assert_eq!(words[0]["log_id"], login["log_id"], "a term without a field");
    let failed = admin.expect(200, "GET", "/logs?q=description:Wrong*", None).await;
    assert_eq!(
        (&failed[0]["type"], &failed[0]["description"]),
        (&json!("fp"), &json!("Wrong email or password."))
    );
    assert_eq!(login["identity_user_id"], "ana");
    let first = &login["details"]["prompts"][0];
    assert_eq!((&first["name"], &first["connection"]), (&json!("prompt-authenticate"), &login["connection"]));
}

#[tokio::test]
async fn a_silent_login_has_no_prompts_and_one_with_mfa_names_it() {
    let app = TestApp::new().await.with_apps().await;
    app.mfa(&["otp"], &["all-applications"]).await;
    let ana = app.user_with_totp("ana@example.com").await;
    let mut browser = app.browser();
    browser.authorize(&[]).await.password(&ana).await;
    let code = app.code(&ana);
    browser.code(&code).await;
    browser.back_with_code();
    app.clock.advance(lockstep_core::time::Span::minutes(1));
    browser.authorize(&[]).await;
    browser.back_with_code();
    let logins = logged(&app, "s").await;
    assert_eq!(logins[0]["details"]["prompts"], json!([]), "the session was enough");
    let prompts = logins[1]["details"]["prompts"].as_array().unwrap();
    assert_eq!(
        (&prompts[2]["name"], &prompts[2]["performed_amr"]),
        (&json!("mfa"), &json!(["pwd", "mfa", "otp"]))
    );
    let passed = logged(&app, "gd_auth_succeed").await;
    assert_eq!(passed[0]["description"], "Guardian - Second factor authentication succeed (totp)");
    assert_eq!(
        logged(&app, "gd_start_auth").await[0]["description"],
        "Guardian - Start second factor authentication"
    );
}

#[tokio::test]
async fn what_changes_about_a_person_and_a_logout_that_fails_are_told_one_by_one() {
    let app = TestApp::new().await.with_apps().await;
    let admin = admin(&app).await;
    app.user("ana@example.com").await;
    let change = json!({"email": "new@example.com", "phone_number": "+15551230000"});
    admin.expect(200, "PATCH", "/users/auth0%7Cana", Some(change)).await;
    for code in ["sce", "scpn"] {
        let told = logged(&app, code).await;
        assert_eq!((told.len(), &told[0]["user_id"]), (1, &json!("auth0|ana")), "{code}");
    }
    assert!(logged(&app, "scu").await.is_empty());
    let totp = json!({"type": "totp", "totp_secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP", "name": "a"});
    let made = admin.expect(201, "POST", "/users/auth0%7Cana/authentication-methods", Some(totp)).await;
    let path = format!(
        "/users/auth0%7Cana/authentication-methods/{}",
        made["id"].as_str().unwrap().replace('|', "%7C")
    );
    admin.expect(200, "PATCH", &path, Some(json!({"name": "b"}))).await;
    let renamed = logged(&app, "gd_update_device_account").await;
    assert_eq!(renamed[0]["description"], "Guardian - Update device account");
    app.get("/v2/logout?client_id=web&returnTo=https%3A%2F%2Fevil.example").await;
    let refused = logged(&app, "flo").await;
    assert_eq!(
        (&refused[0]["client_id"], &refused[0]["details"]["return_to"]),
        (&json!("web"), &json!("https://evil.example"))
    );
}

#[tokio::test]
async fn days_are_counted_in_the_log_and_active_people_by_their_last_login() {
    let app = TestApp::new().await.with_apps().await;
    let ana = app.user("ana@example.com").await;
    app.user("ben@example.com").await;
    for _ in 0..2 {
        let mut browser = app.browser();
        browser.authorize(&[]).await.password(&ana).await;
        browser.back_with_code();
    }
    let first = admin(&app).await;
    assert_eq!(first.expect(200, "GET", "/stats/active-users", None).await, json!(1));
    let days = first.expect(200, "GET", "/stats/daily", None).await;
    assert_eq!(days.as_array().unwrap().len(), 30);
    assert_eq!((&days[29]["date"], &days[29]["logins"]), (&json!("2026-02-02T00:00:00.000Z"), &json!(2)));
    assert_eq!((&days[28]["logins"], &days[28]["leaked_passwords"]), (&json!(0), &json!(0)));
    let one = first.expect(200, "GET", "/stats/daily?from=20260202&to=20260203", None).await;
    assert_eq!(one.as_array().unwrap().len(), 1, "tomorrow has no numbers");
    for query in
        ["from=20260203&to=20260202", "from=2026-02-02", "from=20260231", "to=abcdefgh", "from=19700101"]
    {
        let told = first.expect(400, "GET", &format!("/stats/daily?{query}"), None).await;
        assert_eq!(told["errorCode"], "invalid_query_string", "{query}");
    }
    app.clock.advance(lockstep_core::time::Span::days(31));
    assert_eq!(admin(&app).await.expect(200, "GET", "/stats/active-users", None).await, json!(0));
}
