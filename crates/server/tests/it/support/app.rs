//! A server in this process.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use http::{HeaderMap, Request, StatusCode};
use http_body_util::BodyExt as _;
use lockstep::http::{Web, WebSettings, router};
use lockstep_core::crypto::hasher::HashParams;
use lockstep_core::env::Issuer;
use lockstep_core::time::{Clock, Span, Timestamp};
use lockstep_engine::app::{App, StartError, new_master_keys};
use lockstep_engine::config::Config;
use lockstep_engine::store::db::Db;
use serde_json::Value;
use tower::ServiceExt as _;

/// The issuer of all tests.
pub(crate) const ISSUER: &str = "https://lockstep.test/";
/// When all tests begin: 2026-02-02T18:01:55Z.
pub(crate) const BEGIN: Timestamp = Timestamp::from_secs(1_770_055_315);

/// A clock that moves only when it is told to.
#[derive(Debug)]
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    /// Returns a clock that stands at [`BEGIN`].
    pub(crate) fn new() -> Self {
        Self(AtomicI64::new(BEGIN.as_millis()))
    }

    pub(crate) fn advance(&self, span: Span) {
        self.0.fetch_add(span.as_millis(), Ordering::SeqCst);
    }

    pub(crate) fn set(&self, to: Timestamp) {
        self.0.store(to.as_millis(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp::from_millis(self.0.load(Ordering::SeqCst))
    }
}

/// A server with a tenant of its own.
pub(crate) struct TestApp {
    pub(crate) app: App,
    pub(crate) clock: Arc<ManualClock>,
    router: Router,
    counter: AtomicI64,
}

/// What the server answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Answer {
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|e| panic!("{e}: {}", self.body))
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|v| v.to_str().unwrap())
    }

    pub(crate) fn location(&self) -> &str {
        self.header("location").unwrap_or_else(|| panic!("no redirect but {}: {}", self.status, self.body))
    }
}

impl TestApp {
    /// Starts a server on an empty database in memory.
    pub(crate) async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// Starts a server with changed settings.
    pub(crate) async fn with(change: impl FnOnce(&mut Config)) -> Self {
        let db = Db::memory(new_master_keys()).await.unwrap();
        Self::on(db, Arc::new(ManualClock::new()), change).await.unwrap()
    }

    /// Starts a server on a database that may have been used before.
    pub(crate) async fn on(
        db: Db,
        clock: Arc<ManualClock>,
        change: impl FnOnce(&mut Config),
    ) -> Result<Self, StartError> {
        let mut config = Config::new(Issuer::parse(ISSUER).unwrap());
        config.hashing = HashParams::WEAKEST;
        change(&mut config);
        let app = App::open(config, db, Arc::clone(&clock) as Arc<dyn Clock>).await?;
        let router = router(Web::new(app.clone(), WebSettings::default()));
        Ok(Self { app, clock, router, counter: AtomicI64::new(0) })
    }

    /// Ends the server as an orderly stop does.
    pub(crate) async fn stop(self) {
        self.app.logs().flush().await;
        self.app.db().close().await;
    }

    /// Returns another number each time.
    pub(crate) fn count(&self) -> i64 {
        self.counter.fetch_add(1, Ordering::SeqCst)
    }

    /// Returns what the clock says.
    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Sends a request.
    pub(crate) async fn send(&self, request: Request<Body>) -> Answer {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let bytes = body.collect().await.unwrap().to_bytes();
        let body = String::from_utf8_lossy(&bytes).into_owned();
        Answer { status: parts.status, headers: parts.headers, body }
    }

    /// Sends a request for something that is no text.
    pub(crate) async fn bytes(&self, request: Request<Body>) -> bytes::Bytes {
        let response = self.router.clone().oneshot(request).await.unwrap();
        response.into_body().collect().await.unwrap().to_bytes()
    }

    /// Sends a GET.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Request::get(path).header("host", "lockstep.test").body(Body::empty()).unwrap()).await
    }

    /// Sends a request with a JSON body and, if there is one, a bearer token.
    pub(crate) async fn json(
        &self,
        method: &str,
        path: &str,
        token: Option<&str>,
        body: Option<Value>,
    ) -> Answer {
        let mut request = Request::builder().method(method).uri(path).header("host", "lockstep.test");
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let body = match body {
            Some(body) => {
                request = request.header("content-type", "application/json");
                Body::from(body.to_string())
            }
            None => Body::empty(),
        };
        self.send(request.body(body).unwrap()).await
    }

    /// Sends a body as it is.
    pub(crate) async fn raw(
        &self,
        path: &str,
        content_type: &str,
        body: &str,
        authorization: Option<&str>,
    ) -> Answer {
        let mut request =
            Request::post(path).header("host", "lockstep.test").header("content-type", content_type);
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        self.send(request.body(Body::from(body.to_owned())).unwrap()).await
    }

    /// Sends a form.
    pub(crate) async fn form(&self, path: &str, fields: &[(&str, &str)]) -> Answer {
        let body = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(fields).finish();
        let request = Request::post(path)
            .header("host", "lockstep.test")
            .header("content-type", "application/x-www-form-urlencoded");
        self.send(request.body(Body::from(body)).unwrap()).await
    }
}
