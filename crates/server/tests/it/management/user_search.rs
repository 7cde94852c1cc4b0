//! `GET /users?q=`: what can be asked, and what it may cost.

use serde_json::{Value, json};

use super::token;
use crate::support::TestApp;

async fn search(app: &TestApp, token: &str, q: &str, more: &str) -> (u16, Value) {
    let q = percent_encoding::utf8_percent_encode(q, percent_encoding::NON_ALPHANUMERIC);
    let answer = app.json("GET", &format!("/api/v2/users?q={q}{more}"), Some(token), None).await;
    (answer.status.as_u16(), answer.json())
}

async fn with_people() -> (TestApp, String) {
    let app = TestApp::new().await.with_apps().await;
    let full = token(&app, &[]).await;
    for (name, app_metadata, user_metadata) in [
        (
            "ann",
            json!({"plan": "gold", "seats": 12, "groups": ["a", "b"]}),
            json!({"address": {"city": "Paris"}}),
        ),
        ("ben", json!({"plan": "silver", "seats": 3}), json!({"address": {"city": "Rome"}})),
        ("cid", json!({}), json!({})),
    ] {
        let body = json!({"connection": "Username-Password-Authentication", "email": format!("{name}@acme.example"),
            "password": "Search-passw0rd!", "user_id": name, "name": format!("{name} Doe"),
            "app_metadata": app_metadata, "user_metadata": user_metadata});
        let made = app.json("POST", "/api/v2/users", Some(&full), Some(body)).await;
        assert_eq!(made.status, 201, "{}", made.body);
    }
    (app, full)
}

#[tokio::test]
async fn metadata_domains_and_accounts_are_found() {
    let (app, full) = with_people().await;
    for (q, total) in [
        ("app_metadata.plan:\"gold\"", 1),
        ("app_metadata.plan:(gold OR silver)", 2),
        ("app_metadata.seats:[10 TO *]", 1),
        ("app_metadata.groups:b", 1),
        ("user_metadata.address.city:Paris", 1),
        ("_exists_:app_metadata.plan", 2),
        ("NOT _exists_:app_metadata.plan", 1),
        ("email.domain:acme.example", 3),
        ("email.domain:\"acme.example\" AND NOT app_metadata.plan:gold", 2),
        ("identities.provider:auth0 AND name:b*doe", 1),
        ("silver", 1),
        ("Paris", 0),
        (r"name:ann\ Doe", 1),
        (r"name:ann\ D*", 1),
        ("logins_count:[1 TO *]", 0),
        ("organization_id:org_123", 0),
    ] {
        let (status, body) = search(&app, &full, q, "&include_totals=true").await;
        assert_eq!((status, &body["total"]), (200, &json!(total)), "{q}: {body}");
        assert_eq!(body["length"], total, "{q}");
    }
    let patch = json!({"app_metadata": {"plan": null, "tier": "lead"}});
    app.json("PATCH", "/api/v2/users/auth0|ann", Some(&full), Some(patch)).await;
    assert_eq!(search(&app, &full, "app_metadata.plan:gold", "").await.1, json!([]));
    assert_eq!(
        search(&app, &full, "app_metadata.tier:lead", "&fields=user_id").await.1,
        json!([{"user_id": "auth0|ann"}])
    );
}

#[tokio::test]
async fn lists_are_sorted_and_counted_without_a_query_too() {
    let (app, full) = with_people().await;
    let ids = async |more: &str| -> Vec<String> {
        let answer = app.json("GET", &format!("/api/v2/users?{more}"), Some(&full), None).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json().as_array().unwrap().iter().map(|u| u["user_id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(ids("sort=email:-1").await, ["auth0|cid", "auth0|ben", "auth0|ann"]);
    assert_eq!(ids("sort=name:1&per_page=1&page=1").await, ["auth0|ben"]);
    let page = app
        .json("GET", "/api/v2/users?per_page=1&page=2&include_totals=true", Some(&full), None)
        .await
        .json();
    assert_eq!((&page["total"], &page["start"], &page["length"]), (&json!(3), &json!(2), &json!(1)));
    let past = app
        .json("GET", "/api/v2/users?per_page=1&page=9&include_totals=true", Some(&full), None)
        .await
        .json();
    assert_eq!((&past["total"], &past["users"]), (&json!(3), &json!([])));
    for sort in ["app_metadata.plan:1", "user_metadata.x:1", "nonsense:1", "email:2", "email_verified:1"] {
        let answer = app.json("GET", &format!("/api/v2/users?sort={sort}"), Some(&full), None).await;
        assert_eq!(answer.status, 400, "{sort}");
    }
    let deep = app.json("GET", "/api/v2/users?per_page=100&page=10", Some(&full), None).await;
    assert_eq!((deep.status.as_u16(), deep.json()["errorCode"].as_str()), (400, Some("invalid_paging")));
}

#[tokio::test]
async fn a_query_that_means_harm_is_cheap_and_told_what_is_wrong() {
    let (app, full) = with_people().await;
    for q in [
        "a".repeat(60_000),
        "(".repeat(20_000),
        "\"".repeat(4001),
        "* ".repeat(2000),
        "a OR ".repeat(800) + "a",
        "NOT ".repeat(1000) + "a",
        "email:*a*".to_owned(),
        "user_metadata.address.city:P*".to_owned(),
        "user_metadata.x:[1 TO 2]".to_owned(),
        "password_hash:x".to_owned(),
        "logins_count:many".to_owned(),
        "created_at:[x TO y]".to_owned(),
        "email_verified:perhaps".to_owned(),
        "name:a*b*c*d".to_owned(),
        "email:".to_owned(),
        "_exists_:".to_owned(),
        ")".to_owned(),
        "[a TO b".to_owned(),
    ] {
        let shown: String = q.chars().take(40).collect();
        let answer =
            tokio::time::timeout(std::time::Duration::from_secs(10), search(&app, &full, &q, "")).await;
        let (status, body) = answer.expect("it is answered at once");
        assert_eq!(
            (status, body["errorCode"].as_str()),
            (400, Some("invalid_query_string")),
            "{shown}: {body}"
        );
        assert!(body["message"].as_str().unwrap().len() < 400, "no echo: {shown}");
    }
    for q in [
        "(a+)+$".to_owned(),
        "name:/(a|aa)+$/".to_owned(),
        "' OR 1=1 --".to_owned(),
        "email:'; drop table users; --".to_owned(),
        "name:%".to_owned(),
        "name:_nn*".to_owned(),
        "app_metadata.plan:gold\" OR 1=1".replace('"', "\\\""),
        format!("app_metadata.{}:x", "k".repeat(2000)),
        "a ".repeat(100),
        "NOT (email:x* OR name:*doe* OR app_metadata.plan:gold)".to_owned(),
    ] {
        let (status, body) = search(&app, &full, &q, "&include_totals=true").await;
        let harmless = status == 200 || body["errorCode"] == "invalid_query_string";
        assert!(harmless, "{q}: {status} {body}");
    }
    assert_eq!(
        search(&app, &full, "an", "").await.1.as_array().map(Vec::len),
        Some(0),
        "whole values are compared"
    );
    assert_eq!(search(&app, &full, "ann@acme.example", "").await.1.as_array().map(Vec::len), Some(1));
}
