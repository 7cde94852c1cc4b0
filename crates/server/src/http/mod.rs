//! HTTP: paths, cookies, headers. A handler parses, calls one flow, renders; the rules are elsewhere.
//!
//! [`router`] puts the parts together; each part has its own table of routes.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{DefaultBodyLimit, FromRef};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use http::header;
use lockstep_engine::app::App;

use crate::ui::{Pages, assets};

mod account;
pub mod cookies;
pub mod dev;
mod form_body;
pub mod headers;
mod json_body;
pub mod login;
pub mod management;
mod mfa_api;
mod my_account;
pub mod oauth;
pub mod origin;
pub mod pages;

/// The largest body that is read: 1 MB (contract/oidc.md 0.1, management-api.md 1.1).
pub const MAX_BODY: usize = 1024 * 1024;

/// What handlers have at hand.
#[derive(Clone)]
pub struct Web {
    app: App,
    settings: Arc<WebSettings>,
    pages: Arc<Pages>,
}

/// How we stand in the network.
#[derive(Clone, Debug, Default)]
pub struct WebSettings {
    /// Addresses whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpAddr>,
}

impl Web {
    /// Returns the state of a router.
    pub fn new(app: App, settings: WebSettings) -> Self {
        Self { app, settings: Arc::new(settings), pages: Arc::new(Pages::new()) }
    }

    /// Returns the tenant.
    pub fn app(&self) -> &App {
        &self.app
    }

    /// Returns the pages.
    pub fn pages(&self) -> &Pages {
        &self.pages
    }

    /// Returns how we stand in the network.
    pub fn settings(&self) -> &WebSettings {
        &self.settings
    }
}

impl FromRef<Web> for App {
    fn from_ref(web: &Web) -> Self {
        web.app.clone()
    }
}

/// Returns the whole server as one service.
pub fn router(web: Web) -> Router {
    Router::new()
        .merge(login::routes())
        .merge(account::routes())
        .merge(oauth::routes(web.clone()))
        .merge(mfa_api::routes(web.clone()))
        .merge(my_account::routes(web.clone()))
        .merge(management::routes())
        .route("/assets/{name}", get(asset))
        .route("/exports/{token}", get(management::jobs::file))
        .route("/health", get(health))
        .layer(axum::middleware::map_response(headers::security))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(web)
}

/// Answers a style sheet, script or icon. The address carries a hash of the content, so it may be kept for ever.
async fn asset(axum::extract::Path(name): axum::extract::Path<String>) -> Response {
    match assets::get(&name) {
        Some((content_type, bytes)) => {
            let headers = [
                (header::CONTENT_TYPE, content_type),
                (header::CACHE_CONTROL, "public, max-age=31536000, immutable"),
            ];
            (headers, bytes).into_response()
        }
        None => http::StatusCode::NOT_FOUND.into_response(),
    }
}

/// Answers whether the database can be read: for a load balancer or an orchestrator.
async fn health(axum::extract::State(app): axum::extract::State<App>) -> (http::StatusCode, &'static str) {
    match app.db().read().await {
        Ok(_) => (http::StatusCode::OK, "ok\n"),
        Err(_) => (http::StatusCode::SERVICE_UNAVAILABLE, "the database cannot be reached\n"),
    }
}
