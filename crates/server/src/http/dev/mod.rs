//! The twin's own pages and controls under `/_dev/`: mounted by `lockstep dev` and by nothing else.
//!
//! Whoever can reach them can do everything with the twin. Web pages of other origins cannot: see [`guard`].

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use super::Web;

mod api;
mod apps;
mod clock;
mod guard;

pub use apps::Apps;
pub use clock::{BadMoment, ClockChange, Moment, Reading, TwinClock};

/// What the twin has beside the tenant.
#[derive(Clone)]
pub struct Twin {
    web: Web,
    clock: Arc<TwinClock>,
    apps: Arc<Apps>,
}

impl Twin {
    /// Returns the twin's controls over a tenant that was opened with this clock.
    pub fn new(web: Web, clock: Arc<TwinClock>) -> Self {
        Self { web, clock, apps: Arc::default() }
    }
}

/// Returns the routes under `/_dev/`.
pub fn routes(twin: Twin) -> Router {
    Router::new()
        .route("/_dev/api/clock", get(api::clock).post(api::set_clock))
        .route("/_dev/api/authenticators", get(api::list_authenticators).post(api::add_authenticator))
        .route("/_dev/api/authenticators/{id}/code", get(api::code))
        .route("/_dev/api/outbox", get(api::outbox))
        .route("/_dev/api/snapshot", post(api::snapshot))
        .route("/_dev/api/reset", post(api::reset))
        .route("/_dev/api/decisions/{id}", get(api::decisions))
        .layer(axum::middleware::from_fn_with_state(twin.clone(), guard::same_origin))
        .layer(axum::middleware::map_response(super::headers::security))
        .with_state(twin)
}
