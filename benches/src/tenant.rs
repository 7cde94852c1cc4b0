//! A tenant with people: policy always, authenticator apps, a web application.

use lockstep_core::factors::totp::device::AuthenticatorApp;
use lockstep_core::time::{Clock as _, SystemClock};
use reqwest::Method;
use serde_json::{Value, json};

use crate::Outcome;
use crate::server::{ISSUER, Place};
use crate::visitor::Visitor;

/// Everybody's password.
pub(crate) const PASSWORD: &str = "Pw-bench-1!";
const CALLBACK: &str = "https://app.example/cb";
const API: &str = "https://api.example/";
pub(crate) const SEED: &str = "GEZDGNBVGY3TQOJQGEZDGNBVGY3TQOJQ";

pub(crate) const CONNECTION: &str = "Username-Password-Authentication";

/// How requests get there, and with which token.
#[derive(Clone)]
pub(crate) struct Tenant {
    pub(crate) http: reqwest::Client,
    pub(crate) base: String,
    machine: (String, String),
    token: String,
    app: (String, String),
    service: (String, String),
}

/// Somebody with a phone.
#[derive(Clone)]
pub(crate) struct Person {
    pub(crate) id: String,
    pub(crate) email: String,
}

impl Tenant {
    /// Sets the tenant up on a running server.
    pub(crate) async fn set_up(place: &Place, machine: (String, String)) -> Outcome<Self> {
        let http = client()?;
        let empty = (String::new(), String::new());
        let mut tenant = Self {
            http,
            base: place.base(),
            machine,
            token: String::new(),
            app: empty.clone(),
            service: empty,
        };
        tenant.token = tenant.management_token().await?;
        tenant.call(Method::PUT, "guardian/factors/otp", json!({"enabled": true})).await?;
        tenant.call(Method::PUT, "guardian/policies", json!(["all-applications"])).await?;
        tenant.call(Method::PUT, "guardian/factors/email", json!({"enabled": true})).await?;
        let grant = |name: &str| format!("http://auth0.com/oauth/grant-type/{name}");
        let body = json!({"name": "Web", "app_type": "regular_web", "callbacks": [CALLBACK],
            "grant_types": ["authorization_code", "refresh_token", grant("password-realm"), grant("mfa-otp"), grant("mfa-oob")],
            "refresh_token": {"rotation_type": "rotating", "expiration_type": "expiring", "leeway": 0}});
        let app = tenant.call(Method::POST, "clients", body).await?;
        let text = |name: &str| app[name].as_str().unwrap_or_default().to_owned();
        tenant.app = (text("client_id"), text("client_secret"));
        let connections = tenant.call(Method::GET, "connections", Value::Null).await?;
        let id = connections[0]["id"].as_str().ok_or("no connection")?.to_owned();
        let body = json!([{"client_id": tenant.app.0, "status": true}]);
        tenant.call(Method::PATCH, &format!("connections/{id}/clients"), body).await?;
        let body =
            json!({"name": "API", "identifier": API, "scopes": [{"value": "read:a"}, {"value": "write:a"}]});
        tenant.call(Method::POST, "resource-servers", body).await?;
        let body =
            json!({"name": "Service", "app_type": "non_interactive", "grant_types": ["client_credentials"]});
        let service = tenant.call(Method::POST, "clients", body).await?;
        let text = |name: &str| service[name].as_str().unwrap_or_default().to_owned();
        tenant.service = (text("client_id"), text("client_secret"));
        let body = json!({"client_id": tenant.service.0, "audience": API, "scope": ["read:a"]});
        tenant.call(Method::POST, "client-grants", body).await?;
        Ok(tenant)
    }

    /// What [`Self::resume`] needs of it.
    pub(crate) fn credentials(&self) -> Value {
        json!({"machine": self.machine, "app": self.app, "service": self.service})
    }

    /// Goes on with a tenant that was set up before.
    pub(crate) async fn resume(place: &Place, credentials: &Value) -> Outcome<Self> {
        let pair = |name: &str| {
            let text = |n: usize| credentials[name][n].as_str().unwrap_or_default().to_owned();
            (text(0), text(1))
        };
        let mut tenant = Self {
            http: client()?,
            base: place.base(),
            machine: pair("machine"),
            token: String::new(),
            app: pair("app"),
            service: pair("service"),
        };
        tenant.token = tenant.management_token().await?;
        Ok(tenant)
    }

    /// A new token for the Management API.
    async fn management_token(&self) -> Outcome<String> {
        let answer = self.post_token(&machine_request(&self.machine, &format!("{ISSUER}api/v2/"))).await?;
        Ok(answer["access_token"].as_str().ok_or("no access token")?.to_owned())
    }

    /// What a service sends for a token to call an API.
    pub(crate) fn service_request(&self) -> Value {
        machine_request(&self.service, API)
    }

    /// What the application sends for new tokens.
    pub(crate) fn refresh_request(&self, refresh_token: &str) -> Value {
        json!({"grant_type": "refresh_token", "client_id": self.app.0, "client_secret": self.app.1,
            "refresh_token": refresh_token})
    }

    /// Asks the token endpoint; anything but 200 is an error.
    pub(crate) async fn post_token(&self, body: &Value) -> Outcome<Value> {
        let answer = self.http.post(format!("{}/oauth/token", self.base)).json(body).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if status != 200 {
            return Err(format!("/oauth/token answered {status}: {text}").into());
        }
        Ok(serde_json::from_str(&text)?)
    }

    /// Calls the Management API; an error status is an error.
    pub(crate) async fn call(&self, method: Method, path: &str, body: Value) -> Outcome<Value> {
        let mut request = self.http.request(method, format!("{}/api/v2/{path}", self.base));
        request = request.bearer_auth(&self.token);
        if !body.is_null() {
            request = request.json(&body);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if !status.is_success() {
            return Err(format!("{path} answered {status}: {text}").into());
        }
        Ok(serde_json::from_str(&text).unwrap_or(Value::Null))
    }

    /// Makes a user with an authenticator app.
    pub(crate) async fn person(&self, name: &str) -> Outcome<Person> {
        let Person { id, email } = self.user(name).await?;
        let body = json!({"type": "totp", "totp_secret": SEED});
        self.call(Method::POST, &format!("users/{id}/authentication-methods"), body).await?;
        Ok(Person { id, email })
    }

    /// Makes a user.
    pub(crate) async fn user(&self, name: &str) -> Outcome<Person> {
        let email = format!("{name}@example.com");
        let body =
            json!({"connection": CONNECTION, "email": email, "email_verified": true, "password": PASSWORD});
        let user = self.call(Method::POST, "users", body).await?;
        let id = user["user_id"].as_str().ok_or("no user_id")?.replace('|', "%7C");
        Ok(Person { id, email })
    }

    /// The code that everybody's phone shows now.
    pub(crate) fn code() -> Outcome<String> {
        let phone = AuthenticatorApp::scan(SEED).map_err(|e| e.to_string())?;
        Ok(phone.code_at(SystemClock.now()))
    }

    /// Goes as far as the page that asks for the code.
    pub(crate) async fn to_challenge(&self, person: &Person) -> Outcome<Visitor> {
        let mut visitor = Visitor::new(self.http.clone(), &self.base);
        let query = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("client_id", &self.app.0)
            .append_pair("response_type", "code")
            .append_pair("redirect_uri", CALLBACK)
            .append_pair("scope", "openid profile offline_access")
            .append_pair("state", "x")
            .finish();
        visitor.goto(&format!("/authorize?{query}")).await?;
        visitor.submit(&[("username", &person.email), ("password", PASSWORD)]).await?;
        if visitor.screen() != "mfa-otp-challenge" {
            return Err(format!("no challenge but {} at {}", visitor.screen(), visitor.url).into());
        }
        Ok(visitor)
    }

    /// The `mfa_token` that a password alone is answered with.
    pub(crate) async fn mfa_token(&self, person: &Person) -> Outcome<String> {
        let body = json!({"grant_type": "http://auth0.com/oauth/grant-type/password-realm", "realm": CONNECTION,
            "client_id": self.app.0, "client_secret": self.app.1, "username": person.email, "password": PASSWORD,
            "scope": "openid read:a", "audience": API});
        let answer = self.http.post(format!("{}/oauth/token", self.base)).json(&body).send().await?;
        let body: Value = answer.json().await?;
        Ok(body["mfa_token"].as_str().ok_or_else(|| format!("no mfa_token: {body}"))?.to_owned())
    }

    /// What the application sends with a code of the app: for an ID token and an access token for the API.
    pub(crate) fn otp_request(&self, mfa_token: &str) -> Outcome<Value> {
        Ok(json!({"grant_type": "http://auth0.com/oauth/grant-type/mfa-otp", "client_id": self.app.0,
            "client_secret": self.app.1, "mfa_token": mfa_token, "otp": Self::code()?}))
    }

    /// Has a code sent by mail.
    pub(crate) async fn challenge_by_email(&self, mfa_token: &str) -> Outcome<()> {
        let body = json!({"client_id": self.app.0, "client_secret": self.app.1, "mfa_token": mfa_token,
            "challenge_type": "oob", "oob_channel": "email"});
        let answer = self.http.post(format!("{}/mfa/challenge", self.base)).json(&body).send().await?;
        let status = answer.status();
        let text = answer.text().await?;
        if status == 200 { Ok(()) } else { Err(format!("/mfa/challenge answered {status}: {text}").into()) }
    }

    /// Redeems an authorization code.
    pub(crate) async fn redeem(&self, code: &str) -> Outcome<Value> {
        self.post_token(&json!({"grant_type": "authorization_code", "client_id": self.app.0,
            "client_secret": self.app.1, "code": code, "redirect_uri": CALLBACK}))
            .await
    }
}

fn client() -> Outcome<reqwest::Client> {
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    Ok(builder.timeout(std::time::Duration::from_secs(30)).build()?)
}

fn machine_request(client: &(String, String), audience: &str) -> Value {
    json!({"grant_type": "client_credentials", "client_id": client.0, "client_secret": client.1,
        "audience": audience})
}
