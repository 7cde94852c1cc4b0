//! The twin's own pages and controls under `/_dev/`: mounted by `lockstep dev` and by nothing else.
//!
//! Whoever can reach them can do everything with the twin. Web pages of other origins cannot: see [`guard`].

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};
use lockstep_core::time::Clock as _;
use lockstep_engine::flows::twin::{self, TwinError};

use super::Web;

mod api;
mod apps;
mod clock;
mod guard;
mod keys;
mod pages;
mod playground;
mod relying_party;

pub use apps::Apps;
pub use clock::{BadMoment, ClockChange, Moment, Reading, TwinClock};

/// What the twin has beside the tenant.
#[derive(Clone)]
pub struct Twin {
    web: Web,
    /// The server itself, for the playground, which is a client of it.
    router: Router,
    clock: Arc<TwinClock>,
    apps: Arc<Apps>,
    keys: Arc<keys::VirtualKeys>,
    visitors: Arc<playground::Visitors>,
}

impl Twin {
    /// Returns the twin's controls over a tenant that was opened with this clock and is served by this router.
    pub fn new(web: Web, router: Router, clock: Arc<TwinClock>) -> Self {
        Self { web, router, clock, apps: Arc::default(), keys: Arc::default(), visitors: Arc::default() }
    }

    /// Returns the twin as the playground sees it.
    fn site(&self) -> relying_party::Site<'_> {
        relying_party::Site { router: &self.router, issuer: self.web.app().issuer(), now: self.clock.now() }
    }

    /// Goes back to a snapshot, with everything that the twin itself remembers.
    async fn reset(&self, snapshot: &str, keep_clock: bool) -> Result<(), TwinError> {
        twin::reset(self.web.app(), snapshot).await?;
        self.apps.clear();
        self.keys.clear();
        self.visitors.clear();
        if !keep_clock {
            self.clock.reset();
        }
        Ok(())
    }
}

/// Returns the routes under `/_dev/`.
pub fn routes(twin: Twin) -> Router {
    Router::new()
        .route("/_dev", get(async || axum::response::Redirect::permanent("/_dev/")))
        .route("/_dev/", get(pages::index))
        .route("/_dev/reset", post(pages::reset))
        .route("/_dev/outbox", get(pages::outbox))
        .route("/_dev/outbox/{id}/html", get(pages::mail))
        .route("/_dev/authenticators", get(pages::authenticators).post(pages::add_authenticator))
        .route("/_dev/clock", get(pages::clock).post(pages::change_clock))
        .route("/_dev/playground", get(playground::show))
        .route("/_dev/playground/login", get(playground::login))
        .route("/_dev/playground/callback", get(playground::callback))
        .route("/_dev/playground/refresh", post(playground::refresh))
        .route("/_dev/playground/logout", post(playground::logout))
        .route("/_dev/assets/dev.css", get(pages::css))
        .route("/_dev/assets/dev.js", get(pages::script))
        .route("/_dev/api/clock", get(api::clock).post(api::set_clock))
        .route("/_dev/api/authenticators", get(api::list_authenticators).post(api::add_authenticator))
        .route("/_dev/api/authenticators/{id}/code", get(api::code))
        .route("/_dev/api/keys", get(api::list_keys).post(api::add_key))
        .route("/_dev/api/keys/metadata", get(api::key_metadata))
        .route("/_dev/api/keys/{id}/create", post(api::create_credential))
        .route("/_dev/api/keys/{id}/get", post(api::get_credential))
        .route("/_dev/api/keys/{id}/copy", post(api::copy_key))
        .route("/_dev/api/outbox", get(api::outbox))
        .route("/_dev/api/snapshot", post(api::snapshot))
        .route("/_dev/api/reset", post(api::reset))
        .route("/_dev/api/decisions/{id}", get(api::decisions))
        .route("/_dev/api/doctor", get(api::doctor))
        .layer(axum::middleware::from_fn_with_state(twin.clone(), guard::same_origin))
        .layer(axum::middleware::map_response(super::headers::security))
        .with_state(twin)
}
