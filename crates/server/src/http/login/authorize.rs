//! `/authorize` (contract/oidc.md 3).

use axum::extract::{RawForm, State};
use axum::http::{HeaderMap, Uri};
use axum::response::Response;
use lockstep_core::model::log_event::Origin;
use lockstep_engine::flows::authorize::{self, Checked};
use lockstep_engine::flows::login::{self, Begun};

use super::{browser, page, refuse, render, see_other, with_cookies};
use crate::http::Web;
use crate::http::oauth::respond;
use crate::http::origin::From;

/// The request in the address.
pub(super) async fn get(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    run(&web, &origin, &headers, uri.query().unwrap_or_default().as_bytes()).await
}

/// The request in the body.
pub(super) async fn post(
    State(web): State<Web>,
    From(origin): From,
    headers: HeaderMap,
    RawForm(body): RawForm,
) -> Response {
    run(&web, &origin, &headers, &body).await
}

async fn run(web: &Web, origin: &Origin, headers: &HeaderMap, query: &[u8]) -> Response {
    let mut env = web.app().env();
    let checked = authorize::check(web.app(), &env, origin, query).await;
    let (client, request) = match checked {
        Ok(Checked { client, request, .. }) => (client, request),
        Err(refused) => return respond::refused(web, headers, &mut env, refused).await,
    };
    let begun = login::begin(web.app(), &mut env, origin, &browser(headers), client, request).await;
    let (begun, cookies) = match begun {
        Ok(begun) => begun,
        Err(error) => return refuse(web, headers, &mut env, &error).await,
    };
    let response = match begun {
        Begun::Page(showing) => {
            see_other(&format!("{}?state={}", render::path(&showing.running.login), showing.transaction))
        }
        Begun::Status(showing) => {
            page::draw(web, headers, &mut env, http::StatusCode::FORBIDDEN, &showing).await
        }
        Begun::Answer(answer) => respond::authorize_response(web, headers, &mut env, &answer).await,
    };
    with_cookies(response, &cookies)
}
