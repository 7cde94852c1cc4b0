//! The MFA API and its grants, called as an application's own server does (contract/mfa-api.md).

mod authenticators;
mod doors;
mod oob;
mod otp;
mod processes;
mod races;
mod refresh;

use serde_json::{Value, json};

use crate::support::{Answer, PASSWORD, Person, TestApp};

pub(crate) const OTP: &str = "http://auth0.com/oauth/grant-type/mfa-otp";
pub(crate) const OOB: &str = "http://auth0.com/oauth/grant-type/mfa-oob";
pub(crate) const RECOVERY: &str = "http://auth0.com/oauth/grant-type/mfa-recovery-code";

/// A tenant that always asks for MFA, with these factors.
async fn tenant(factors: &[&str]) -> TestApp {
    let app = TestApp::new().await.with_apps().await.with_password_grants().await;
    app.mfa(factors, &["all-applications"]).await;
    app
}

/// Sends a grant as `ropg`.
async fn grant(app: &TestApp, grant_type: &str, fields: &[(&str, &str)]) -> Answer {
    let mut all = vec![("grant_type", grant_type), ("client_id", "ropg"), ("client_secret", "ropg-secret")];
    all.extend_from_slice(fields);
    app.form("/oauth/token", &all).await
}

/// Sends identifier and password.
async fn password(app: &TestApp, person: &Person) -> Answer {
    let fields =
        [("username", person.email.as_str()), ("password", PASSWORD), ("scope", "openid offline_access")];
    grant(app, "password", &fields).await
}

/// Sends identifier and password, and returns the `mfa_token` that comes back.
async fn mfa_token(app: &TestApp, person: &Person) -> String {
    let answer = password(app, person).await;
    assert_eq!((answer.status.as_u16(), answer.json()["error"].as_str()), (403, Some("mfa_required")));
    assert_eq!(answer.header("www-authenticate"), None);
    answer.json()["mfa_token"].as_str().unwrap().to_owned()
}

async fn challenge(app: &TestApp, token: &str, more: &[(&str, &str)]) -> Answer {
    let mut body = json!({"mfa_token": token, "client_id": "ropg", "client_secret": "ropg-secret"});
    for (name, value) in more {
        body[*name] = json!(value);
    }
    app.json("POST", "/mfa/challenge", None, Some(body)).await
}

async fn associate(app: &TestApp, token: &str, body: Value) -> Answer {
    app.json("POST", "/mfa/associate", Some(token), Some(body)).await
}

async fn list(app: &TestApp, token: &str) -> Vec<Value> {
    let answer = app.json("GET", "/mfa/authenticators", Some(token), None).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.json().as_array().unwrap().clone()
}

/// Returns the error and its text.
fn told(answer: &Answer) -> (u16, String, String) {
    let body = answer.json();
    let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
    (answer.status.as_u16(), text("error"), text("error_description"))
}

fn is(answer: &Answer, status: u16, error: &str, description: &str) {
    assert_eq!(told(answer), (status, error.to_owned(), description.to_owned()), "{}", answer.body);
}
