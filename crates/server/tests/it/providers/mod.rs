//! Text messages, calls, mails and log streams through whoever takes them, with a small recorder in their place.

mod mail;
mod outage;
mod phone;
mod streams;

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use lockstep_core::crypto::digest::{hmac_sha256, hmac_sha256_hex, sha256_hex};
use lockstep_engine::config::SnsConfig;
use serde_json::json;
use tokio::net::TcpListener;

use crate::support::{Person, TestApp};

/// What a stand-in answers.
#[derive(Clone, Copy)]
enum Mood {
    Takes,
    Status(u16),
    Garbage,
    /// What AWS says of too many.
    Throttles,
    Silent,
}

#[derive(Clone)]
struct Recorder {
    mood: Arc<Mutex<Mood>>,
    calls: Arc<Mutex<Vec<(String, HeaderMap, String)>>>,
    address: SocketAddr,
    url: String,
}

impl Recorder {
    async fn start() -> Self {
        let recorder = Self::closed().await;
        recorder.open().await;
        recorder
    }

    /// One that nobody can reach.
    async fn closed() -> Self {
        // A port that was free a moment ago.
        let address = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap();
        let url = format!("http://{address}");
        Self { mood: Arc::new(Mutex::new(Mood::Takes)), calls: Arc::default(), address, url }
    }

    /// Lets itself be reached.
    async fn open(&self) {
        let listener = TcpListener::bind(self.address).await.unwrap();
        let router = Router::new().fallback(record).with_state(self.clone());
        tokio::spawn(async move { axum::serve(listener, router).await });
    }

    fn is(&self, mood: Mood) {
        *self.mood.lock().unwrap() = mood;
    }

    fn calls(&self) -> Vec<(String, HeaderMap, String)> {
        self.calls.lock().unwrap().clone()
    }
}

async fn record(State(it): State<Recorder>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    it.calls.lock().unwrap().push((uri.to_string(), headers, String::from_utf8_lossy(&body).into_owned()));
    let mood = *it.mood.lock().unwrap();
    match mood {
        Mood::Takes if uri.path().ends_with("/send.json") => {
            axum::Json(json!([{"status": "sent"}])).into_response()
        }
        Mood::Takes if uri.path().ends_with("/token") => {
            axum::Json(json!({"access_token": "gr4ph", "token_type": "Bearer"})).into_response()
        }
        Mood::Takes if uri.path().ends_with("/sendMail") => StatusCode::ACCEPTED.into_response(),
        Mood::Takes if uri.path() == "/emails:send" => {
            (StatusCode::ACCEPTED, axum::Json(json!({"id": "1", "status": "Running"}))).into_response()
        }
        Mood::Takes if body.starts_with(b"Action=Publish") => {
            "<PublishResponse><PublishResult><MessageId>m-1</MessageId></PublishResult></PublishResponse>"
                .into_response()
        }
        // What each of the others says when it took something.
        Mood::Takes => {
            let taken = json!({"sid": "SM1", "status": "queued", "id": "1", "results": {"id": "1"}, "MessageId": "1"});
            (StatusCode::CREATED, axum::Json(taken)).into_response()
        }
        Mood::Status(code) => {
            (StatusCode::from_u16(code).unwrap(), axum::Json(json!({"code": 21211}))).into_response()
        }
        Mood::Throttles => {
            let told = "<ErrorResponse><Error><Code>Throttling</Code></Error></ErrorResponse>";
            (StatusCode::BAD_REQUEST, told).into_response()
        }
        Mood::Garbage => (StatusCode::OK, "<html>hotel wifi</html>").into_response(),
        Mood::Silent => {
            tokio::time::sleep(Duration::from_secs(3600)).await;
            StatusCode::OK.into_response()
        }
    }
}

async fn tenant(recorder: &Recorder) -> (TestApp, Person) {
    tenant_with(recorder, None).await
}

/// The same, where the operator has an account at Amazon SNS.
async fn tenant_with_sns(recorder: &Recorder) -> (TestApp, Person) {
    let account = SnsConfig {
        region: "eu-west-1".to_owned(),
        access_key_id: "AKID".to_owned(),
        secret_access_key: "s3cret".to_owned(),
        sender_id: Some("ACME".to_owned()),
        api_url: Some(recorder.url.clone()),
    };
    tenant_with(recorder, Some(account)).await
}

async fn tenant_with(recorder: &Recorder, sns: Option<SnsConfig>) -> (TestApp, Person) {
    let (twilio, mail) = (recorder.url.clone(), recorder.url.clone());
    let hook = format!("{}/hook?k=1", recorder.url);
    let app = TestApp::with(|config| {
        config.providers.twilio_url = twilio;
        config.providers.mail_api_url = Some(mail);
        config.providers.hook_url = Some(hook);
        config.providers.hook_secret = Some("hook-secret".to_owned());
        config.providers.private_networks = true;
        config.providers.sns = sns;
    })
    .await
    .with_apps()
    .await;
    app.mfa(&["otp", "sms"], &["all-applications"]).await;
    app.message_types(&["sms", "voice"]).await;
    let dee = app.user_with_totp("dee@example.com").await;
    (app, dee)
}

fn form(body: &str) -> Vec<(String, String)> {
    url::form_urlencoded::parse(body.as_bytes()).into_owned().collect()
}

/// Checks a signature of AWS (Signature Version 4) over what arrived.
fn assert_signed_for_aws((uri, headers, body): &(String, HeaderMap, String), secret: &str, scope: &str) {
    let given = headers["authorization"].to_str().unwrap();
    let (_, names) = given.split_once("SignedHeaders=").unwrap();
    let names = names.split(',').next().unwrap();
    for needed in ["content-type", "host", "x-amz-date"] {
        assert!(names.split(';').any(|name| name == needed), "{needed} is not signed: {given}");
    }
    let lines: String = names.split(';').map(|n| format!("{n}:{}\n", headers[n].to_str().unwrap())).collect();
    let request = format!("POST\n{uri}\n\n{lines}\n{names}\n{}", sha256_hex(body.as_bytes()));
    let at = headers["x-amz-date"].to_str().unwrap();
    let to_sign = format!("AWS4-HMAC-SHA256\n{at}\n{scope}\n{}", sha256_hex(request.as_bytes()));
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in scope.split('/') {
        key = hmac_sha256(&key, part.as_bytes()).to_vec();
    }
    let signature = hmac_sha256_hex(&key, to_sign.as_bytes());
    assert!(given.contains(&format!("Credential=AKID/{scope}, ")), "{given}");
    assert!(given.ends_with(&format!("Signature={signature}")), "{given}");
}
