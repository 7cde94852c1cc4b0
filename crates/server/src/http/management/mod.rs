//! The Management API (contract/management-api.md): [`table`] has every route with its scopes, [`dispatch`] does for all of them
//! what is the same for all, and one thin file a resource calls the flow.

mod actions;
mod answer;
mod clients;
mod connections;
mod device_credentials;
mod dispatch;
mod documents;
mod emails;
mod guardian;
pub(super) mod jobs;
mod keys;
mod log_streams;
mod logs;
mod messages;
mod methods;
pub mod openapi;
mod resource_servers;
mod roles;
pub mod spec;
mod stubs;
pub mod table;
mod tenants;
mod tickets;
mod users;

use axum::Router;
use axum::routing::{MethodFilter, MethodRouter, get, on};

use super::Web;
use table::{Route, TABLE};

/// Where the API lives.
pub const PREFIX: &str = "/api/v2";

/// Returns the routes of the API. Whatever is not one of them is answered with 404 in JSON, also a known path with another
/// method: contract 1.4 says so, where other servers say 405.
pub(super) fn routes() -> Router<Web> {
    let mut inner = Router::new();
    for route in TABLE {
        inner = inner.route(route.path, method_router(route));
    }
    let inner = inner
        .route("/openapi.json", get(openapi::serve))
        .method_not_allowed_fallback(dispatch::unknown)
        .fallback(dispatch::unknown)
        .layer(axum::middleware::map_response_with_state((), dispatch::add_headers));
    Router::new().nest(PREFIX, inner)
}

fn method_router(route: &'static Route) -> MethodRouter<Web> {
    let filter = MethodFilter::try_from(route.method()).expect("the table has only methods that exist");
    on(filter, move |state, origin, path, uri, request| {
        dispatch::run(route, state, origin, path, uri, request)
    })
}
