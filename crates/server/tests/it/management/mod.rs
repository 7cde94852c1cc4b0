//! The Management API.

mod actions;
mod apis;
mod blocks;
mod clients;
mod connections;
mod device_credentials;
mod documents;
mod errors;
mod guardian;
mod hostile;
mod identities;
mod jobs;
mod keys;
mod log_events;
mod log_streams;
mod logs;
mod messages;
mod methods;
mod openapi;
mod roles;
mod settings;
mod terraform;
mod tickets;
mod tokens;
mod user_search;
mod users;
mod walk;

use lockstep_core::model::management_scopes;
use serde_json::Value;

use crate::support::{Answer, TestApp};

/// The audience of the API.
pub(crate) const AUDIENCE: &str = "https://lockstep.test/api/v2/";

/// Returns a machine token with these scopes; with all of them if none are named.
pub(crate) async fn token(app: &TestApp, scopes: &[&str]) -> String {
    let all: Vec<String> = management_scopes::all().collect();
    let granted: Vec<&str> =
        if scopes.is_empty() { all.iter().map(String::as_str).collect() } else { scopes.to_vec() };
    let id = format!("m2m{}", app.count());
    let data = serde_json::json!({"name": "Machine", "app_type": "non_interactive"});
    app.client(&id, data, &serde_json::json!({})).await;
    app.grant(&id, AUDIENCE, &granted).await;
    machine(app, &id, AUDIENCE).await
}

/// Returns a machine token for an audience.
pub(crate) async fn machine(app: &TestApp, id: &str, audience: &str) -> String {
    let secret = format!("{id}-secret");
    let fields = [
        ("grant_type", "client_credentials"),
        ("client_id", id),
        ("client_secret", &secret),
        ("audience", audience),
    ];
    let answer = app.form("/oauth/token", &fields).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json()["access_token"].as_str().unwrap().to_owned()
}

/// A caller with all scopes.
pub(crate) struct Admin<'a> {
    app: &'a TestApp,
    token: String,
}

impl Admin<'_> {
    /// Calls a path below `/api/v2` and returns the answer with its body.
    pub(crate) async fn call(&self, method: &str, path: &str, body: Option<Value>) -> (Answer, Value) {
        let answer = self.app.json(method, &format!("/api/v2{path}"), Some(&self.token), body).await;
        let body = if answer.body.is_empty() { Value::Null } else { answer.json() };
        (answer, body)
    }

    /// Calls a path and expects a status; returns the body.
    pub(crate) async fn expect(&self, status: u16, method: &str, path: &str, body: Option<Value>) -> Value {
        let (answer, body) = self.call(method, path, body).await;
        assert_eq!(answer.status.as_u16(), status, "{method} {path}: {body}");
        body
    }
}

/// Returns a caller with all scopes.
pub(crate) async fn admin(app: &TestApp) -> Admin<'_> {
    Admin { app, token: token(app, &[]).await }
}

/// Returns the records of a kind in the tenant's log, the newest first.
pub(crate) async fn logged(app: &TestApp, kind: &str) -> Vec<Value> {
    let logs = admin(app).await.expect(200, "GET", "/logs?per_page=100", None).await;
    logs.as_array().unwrap().iter().filter(|log| log["type"] == kind).cloned().collect()
}
