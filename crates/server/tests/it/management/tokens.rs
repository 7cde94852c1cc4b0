//! Sessions, refresh tokens and grants of people, as operators see and end them.

use serde_json::{Value, json};

use super::token;
use crate::support::{Person, TestApp};

const OFFLINE: &[(&str, &str)] = &[("scope", "openid offline_access")];

/// Logs in; returns the refresh token.
async fn logged_in(app: &TestApp, person: &Person) -> String {
    let mut browser = app.browser();
    let tokens = app.log_in(&mut browser, person, OFFLINE).await;
    tokens.answer["refresh_token"].as_str().unwrap().to_owned()
}

async fn refreshes(app: &TestApp, refresh: &str) -> u16 {
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "web"),
        ("client_secret", "web-secret"),
        ("refresh_token", refresh),
    ];
    app.form("/oauth/token", &fields).await.status.as_u16()
}

async fn call(app: &TestApp, token: &str, method: &str, path: &str, body: Value) -> (u16, Value) {
    let body = (!body.is_null()).then_some(body);
    let answer = app.json(method, &format!("/api/v2/{path}"), Some(token), body).await;
    let json = if answer.body.is_empty() { Value::Null } else { answer.json() };
    (answer.status.as_u16(), json)
}

#[tokio::test]
async fn refresh_tokens_are_listed_described_and_revoked() {
    let app = TestApp::new().await.with_apps().await;
    let (ana, ben) = (app.user("ana@example.com").await, app.user("ben@example.com").await);
    let (first, second, other) =
        (logged_in(&app, &ana).await, logged_in(&app, &ana).await, logged_in(&app, &ben).await);
    let full = token(&app, &[]).await;
    let (status, list) = call(&app, &full, "GET", "users/auth0|ana/refresh-tokens", Value::Null).await;
    assert_eq!((status, list["tokens"].as_array().unwrap().len()), (200, 2));
    let shown = &list["tokens"][0];
    assert_eq!((&shown["user_id"], &shown["client_id"]), (&json!("auth0|ana"), &json!("web")));
    assert!(shown["resource_servers"][0]["scopes"].as_str().unwrap().contains("offline_access"));
    assert!(
        !list.to_string().contains(&first) && !list.to_string().contains(&second),
        "never the token itself"
    );
    let (_, page) =
        call(&app, &full, "GET", "refresh-tokens?user_id=auth0|ana&take=1&client_id=web", Value::Null).await;
    assert_eq!((page["refresh_tokens"].as_array().unwrap().len(), page["next"].is_string()), (1, true));
    assert_eq!(call(&app, &full, "GET", "refresh-tokens", Value::Null).await.0, 400);
    let id = shown["id"].as_str().unwrap();
    let path = format!("refresh-tokens/{id}");
    let (_, changed) = call(&app, &full, "PATCH", &path, json!({"refresh_token_metadata": {"k": "v"}})).await;
    assert_eq!(changed["refresh_token_metadata"], json!({"k": "v"}));
    let (_, cleared) = call(&app, &full, "PATCH", &path, json!({"refresh_token_metadata": null})).await;
    assert_eq!(cleared["refresh_token_metadata"], Value::Null);
    for bad in [json!({"refresh_token_metadata": {"k": {"deep": 1}}}), json!({"client_id": "x"}), json!([])] {
        assert_eq!(call(&app, &full, "PATCH", &path, bad.clone()).await.0, 400, "{bad}");
    }
    assert_eq!(call(&app, &full, "DELETE", &path, Value::Null).await, (202, json!({})));
    assert_eq!(call(&app, &full, "GET", &path, Value::Null).await.0, 404);
    let left = [refreshes(&app, &first).await, refreshes(&app, &second).await];
    assert_eq!(left.iter().filter(|status| **status == 200).count(), 1, "one of hers lives on");
    for bad in [
        json!({}),
        json!({"ids": [], "user_id": "auth0|ana"}),
        json!({"client_id": "web"}),
        json!({"user_id": "auth0|ana", "audience": "https://api.example/"}),
        json!({"ids": ["a"], "user_id": "auth0|ana"}),
    ] {
        assert_eq!(call(&app, &full, "POST", "refresh-tokens/revoke", bad.clone()).await.0, 400, "{bad}");
    }
    let body = json!({"user_id": "auth0|ana", "client_id": "spa"});
    assert_eq!(call(&app, &full, "POST", "refresh-tokens/revoke", body).await.0, 202);
    let (_, list) = call(&app, &full, "GET", "users/auth0|ana/refresh-tokens", Value::Null).await;
    assert_eq!(list["tokens"].as_array().unwrap().len(), 1, "another application's");
    let body = json!({"ids": [list["tokens"][0]["id"], "nonsense"]});
    assert_eq!(call(&app, &full, "POST", "refresh-tokens/revoke", body).await.0, 202);
    let (_, list) = call(&app, &full, "GET", "users/auth0|ana/refresh-tokens", Value::Null).await;
    assert_eq!(list["tokens"], json!([]));
    assert_eq!(refreshes(&app, &other).await, 200, "ben's is ben's");
    assert_eq!(call(&app, &full, "DELETE", "users/auth0|ben/refresh-tokens", Value::Null).await.0, 202);
    assert_eq!(call(&app, &full, "GET", "users/auth0|nobody/refresh-tokens", Value::Null).await.0, 404);
}

#[tokio::test]
async fn a_session_is_noted_on_and_ended_with_what_came_of_it() {
    let app = TestApp::new().await.with_apps().await;
    let (ana, ben) = (app.user("ana@example.com").await, app.user("ben@example.com").await);
    let mut browser = app.browser();
    let tokens = app.log_in(&mut browser, &ana, OFFLINE).await;
    let refresh = tokens.answer["refresh_token"].as_str().unwrap().to_owned();
    let bens = logged_in(&app, &ben).await;
    let full = token(&app, &[]).await;
    let (_, list) = call(&app, &full, "GET", "users/auth0|ana/sessions", Value::Null).await;
    let id = list["sessions"][0]["id"].as_str().unwrap().to_owned();
    let path = format!("sessions/{id}");
    let (status, noted) =
        call(&app, &full, "PATCH", &path, json!({"session_metadata": {"ticket": "47"}})).await;
    assert_eq!((status, &noted["session_metadata"]), (200, &json!({"ticket": "47"})));
    assert_eq!(call(&app, &full, "GET", &path, Value::Null).await.1["session_metadata"]["ticket"], "47");
    let (_, cleared) = call(&app, &full, "PATCH", &path, json!({"session_metadata": {}})).await;
    assert!(cleared.get("session_metadata").is_none());
    assert_eq!(call(&app, &full, "PATCH", "sessions/nope", json!({})).await.0, 404);
    let body = json!({"session_id": id});
    assert_eq!(call(&app, &full, "POST", "users/auth0|ben/revoke-access", body).await.0, 404, "not ben's");
    let weak = token(&app, &["delete:sessions"]).await;
    assert_eq!(call(&app, &weak, "POST", "users/auth0|ana/revoke-access", json!({})).await.0, 403);
    let keeping = json!({"preserve_refresh_tokens": true});
    assert_eq!(call(&app, &weak, "POST", "users/auth0|ben/revoke-access", keeping).await.0, 202);
    assert_eq!(
        call(&app, &full, "GET", "users/auth0|ben/sessions", Value::Null).await.1["sessions"],
        json!([])
    );
    let (_, list) = call(&app, &full, "GET", "users/auth0|ben/refresh-tokens", Value::Null).await;
    assert_eq!(list["tokens"].as_array().unwrap().len(), 1, "kept");
    assert_eq!(call(&app, &full, "POST", &format!("{path}/revoke"), json!({})).await, (202, json!({})));
    assert_eq!(call(&app, &full, "POST", &format!("{path}/revoke"), json!({})).await.0, 404);
    assert_eq!(refreshes(&app, &refresh).await, 403);
    browser.authorize(&[("prompt", "none")]).await;
    assert_eq!(browser.back_with_error().0, "login_required");
    assert_eq!(call(&app, &full, "POST", "users/auth0|ben/revoke-access", json!({})).await.0, 202);
    assert_eq!(refreshes(&app, &bens).await, 403);
}

#[tokio::test]
async fn roles_and_permissions_that_count_are_listed() {
    let app = TestApp::new().await.with_apps().await;
    app.user("ana@example.com").await;
    let full = token(&app, &[]).await;
    let (_, role) = call(&app, &full, "POST", "roles", json!({"name": "admin"})).await;
    let body = json!({"roles": [role["id"]]});
    assert_eq!(call(&app, &full, "POST", "users/auth0|ana/roles", body).await.0, 204);
    let ask =
        async |path: &str| call(&app, &full, "GET", &format!("users/auth0|ana/{path}"), Value::Null).await;
    let (_, list) = ask("effective-roles?take=50").await;
    assert_eq!(
        list,
        json!({"roles": [{"id": role["id"], "name": "admin", "description": "", "sources": ["direct"]}]})
    );
    assert_eq!(ask("effective-permissions").await, (200, json!({"permissions": []})));
    let api = json!({"identifier": "https://orders.example/", "name": "Orders", "scopes": [{"value": "read:orders"}]});
    assert_eq!(call(&app, &full, "POST", "resource-servers", api).await.0, 201);
    let permission = json!({"permissions": [
        {"resource_server_identifier": "https://orders.example/", "permission_name": "read:orders"}
    ]});
    let of_role = format!("roles/{}/permissions", role["id"].as_str().unwrap());
    assert_eq!(call(&app, &full, "POST", &of_role, permission.clone()).await.0, 201);
    assert_eq!(call(&app, &full, "POST", "users/auth0|ana/permissions", permission).await.0, 201);
    let (_, list) =
        ask("effective-permissions?take=50&resource_server_identifier=https://orders.example/").await;
    let mut sources: Vec<&str> =
        list["permissions"][0]["sources"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    sources.sort_unstable();
    assert_eq!((list["permissions"].as_array().unwrap().len(), sources), (1, vec!["direct", "roles"]));
    assert_eq!(
        ask("effective-permissions?resource_server_identifier=https://other.example/").await.1,
        json!({"permissions": []})
    );
}

#[tokio::test]
async fn what_somebody_allowed_is_listed_and_withdrawn_with_the_tokens() {
    use lockstep_core::ids::{ClientId, ConsentId, UserId};
    use lockstep_engine::store::consents;
    let app = TestApp::new().await.with_apps().await;
    let ana = app.user("ana@example.com").await;
    let refresh = logged_in(&app, &ana).await;
    let full = token(&app, &[]).await;
    let (user, client) = (UserId::trusted("auth0|ana"), ClientId::trusted("web"));
    let mut env = app.app.env();
    let mut tx = app.app.db().write().await.unwrap();
    for audience in ["", "https://api.example/"] {
        let id = ConsentId::new(env.rng());
        consents::save(&mut tx, &id, &user, &client, audience, &["openid".to_owned()], env.now)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    let (_, all) =
        call(&app, &full, "GET", "grants?user_id=auth0|ana&include_totals=true", Value::Null).await;
    assert_eq!((&all["total"], &all["grants"][0]["clientID"]), (&json!(2), &json!("web")));
    let (_, one) =
        call(&app, &full, "GET", "grants?audience=https%3A%2F%2Fapi.example%2F", Value::Null).await;
    assert_eq!(one.as_array().unwrap().len(), 1);
    let id = one[0]["id"].as_str().unwrap();
    assert_eq!(call(&app, &full, "DELETE", &format!("grants/{id}"), Value::Null).await.0, 204);
    assert_eq!(call(&app, &full, "DELETE", "grants", Value::Null).await.0, 400);
    assert_eq!(call(&app, &full, "DELETE", "grants?user_id=auth0|ana", Value::Null).await.0, 204);
    assert_eq!(call(&app, &full, "GET", "grants", Value::Null).await.1, json!([]));
    assert_eq!(refreshes(&app, &refresh).await, 403, "the application gets no new tokens");
}
