//! The tenant's log.

use serde_json::{Value, json};

use super::admin;
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
    let told = admin.expect(400, "GET", "/logs?q=description:x", None).await;
    assert_eq!(told["errorCode"], "invalid_query_string");
    let told = admin.expect(400, "GET", "/logs?per_page=100&page=10", None).await;
    assert_eq!(told["errorCode"], "invalid_paging");
    admin.expect(404, "GET", "/logs/90020260202180155000", None).await;
}
