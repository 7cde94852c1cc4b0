//! The My Account API, called as an application in a person's browser does (contract/mfa-api.md 12).

mod access;
mod enrolment;
mod methods;
mod passkeys;

use lockstep_core::time::Span;
use serde_json::{Value, json};

use crate::management;
use crate::support::{Answer, Browser, Person, TestApp};

const AUDIENCE: &str = "https://lockstep.test/me/";
const ALL: &str = "openid read:me:factors read:me:authentication_methods create:me:authentication_methods \
                   update:me:authentication_methods delete:me:authentication_methods";
const METHODS: &str = "/me/v1/authentication-methods";

/// A tenant with the API switched on for the application `web`, and these factors.
async fn tenant(factors: &[&str]) -> TestApp {
    tenant_on(TestApp::new().await, factors).await
}

/// The same of a server that is there already.
async fn tenant_on(app: TestApp, factors: &[&str]) -> TestApp {
    let app = app.with_apps().await;
    app.mfa(factors, &[]).await;
    app.message_types(&["sms", "voice"]).await;
    let admin = management::admin(&app).await;
    let (made, api) = admin.call("POST", "/resource-servers", Some(json!({"identifier": AUDIENCE}))).await;
    assert_eq!((made.status.as_u16(), &api["name"]), (201, &json!("My Account API")), "{}", made.body);
    let scopes: Vec<&Value> = api["scopes"].as_array().unwrap().iter().map(|s| &s["value"]).collect();
    assert_eq!(scopes.len(), 5);
    let grant = json!({"client_id": "web", "audience": AUDIENCE, "subject_type": "user", "scope": scopes});
    let (granted, _) = admin.call("POST", "/client-grants", Some(grant)).await;
    assert_eq!(granted.status, 201, "{}", granted.body);
    app
}

/// A person's application with a token.
struct Account<'a> {
    app: &'a TestApp,
    token: String,
}

/// Logs in on our pages, with further parameters, and returns the application with a token.
async fn account<'a>(app: &'a TestApp, person: &Person, scope: &str, more: &[(&str, &str)]) -> Account<'a> {
    let mut browser: Browser<'_> = app.browser();
    let asked = [&[("audience", AUDIENCE), ("scope", scope)], more].concat();
    let tokens = app.log_in(&mut browser, person, &asked).await;
    Account { app, token: tokens.answer["access_token"].as_str().unwrap().to_owned() }
}

impl Account<'_> {
    /// Calls the API a moment later: the budget of changes is no matter of these tests.
    async fn call(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.app.clock.advance(Span::seconds(12));
        self.app.json(method, path, Some(&self.token), body).await
    }

    async fn begin(&self, body: Value) -> Answer {
        self.call("POST", METHODS, Some(body)).await
    }

    async fn verify(&self, id: &str, body: Value) -> Answer {
        self.call("POST", &format!("{METHODS}/{}/verify", id.replace('|', "%7C")), Some(body)).await
    }

    async fn list(&self) -> Vec<Value> {
        let answer = self.call("GET", METHODS, None).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        answer.json()["authentication_methods"].as_array().unwrap().clone()
    }

    async fn types(&self) -> Vec<String> {
        self.list().await.iter().map(|m| m["type"].as_str().unwrap().to_owned()).collect()
    }
}

/// Asserts the status and the detail of a refusal, and that it is envelope C.
#[track_caller]
fn refused(answer: &Answer, status: u16, detail: &str) {
    let body = answer.json();
    assert_eq!((answer.status.as_u16(), body["detail"].as_str()), (status, Some(detail)), "{}", answer.body);
    assert_eq!(body["status"], status);
    assert!(body["type"].as_str().is_some_and(|t| t.starts_with("https://")) && body["title"].is_string());
}
