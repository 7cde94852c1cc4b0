//! Sending a page: what all pages share, and the headers that go with one.

use std::sync::Arc;

use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use http::StatusCode;
use http::header::{self, HeaderValue};
use lockstep_core::env::Env;
use lockstep_core::model::client::Client;
use lockstep_engine::flows::branding::Look;
use serde_json::json;

use super::Web;
use crate::ui::screens::ErrorPage;
use crate::ui::{Brand, Ctx, Frame, Page, languages};

/// What decides a page's language, looks and names.
#[derive(Clone, Copy, Debug, Default)]
pub struct About<'a> {
    /// The application, if there is one.
    pub client: Option<&'a Client>,
    /// The handle of the login, if there is one.
    pub state: &'a str,
    /// Where a person goes who gives up.
    pub cancel_url: &'static str,
    /// The language that the person chose.
    pub language: Option<&'a str>,
    /// `ui_locales` of the request.
    pub ui_locales: Option<&'a str>,
}

/// Returns what every page of one request shares.
pub fn context(look: &Look, headers: &HeaderMap, about: About<'_>, env: &mut Env) -> Ctx {
    let tenant = &look.tenant;
    let enabled = tenant.enabled_locales();
    let accept = headers.get(header::ACCEPT_LANGUAGE).and_then(|v| v.to_str().ok());
    let locale = languages::choose_locale(about.language, about.ui_locales, accept, &enabled).to_owned();
    Ctx {
        locales: enabled.iter().map(|l| (*l).to_owned()).collect(),
        brand: Arc::new(Brand::from_documents(&look.branding.0, look.theme.as_ref().map(|t| &t.0))),
        tenant_name: tenant.friendly_name().to_owned(),
        client_name: about.client.map(|c| c.name().to_owned()).unwrap_or_default(),
        state: about.state.to_owned(),
        cancel_url: about.cancel_url,
        nonce: URL_SAFE_NO_PAD.encode(env.rng().bytes::<16>()),
        custom_texts: look.texts_of(&locale).unwrap_or_default(),
        frame: look.template.clone().map(|template| frame(look, template, about.client, &locale)),
        locale,
    }
}

/// Returns the tenant's frame and what its template may know (Auth0's names, as far as there is such a thing).
fn frame(look: &Look, template: Arc<str>, client: Option<&Client>, locale: &str) -> Frame {
    let tenant = |name: &str| look.tenant.0.at(name);
    let client = client.map(|c| {
        json!({
            "id": c.id, "name": c.name(), "logo_url": c.data.at("logo_uri"), "metadata": c.data.at("client_metadata")
        })
    });
    let values = json!({
        "locale": locale,
        "tenant": {
            "friendly_name": look.tenant.friendly_name(), "support_email": tenant("support_email"),
            "support_url": tenant("support_url"), "enabled_locales": look.tenant.enabled_locales()
        },
        "application": client, "branding": look.branding
    });
    Frame { template, values }
}

/// Returns the answer that carries a page.
pub fn respond(status: StatusCode, page: Page) -> Response {
    let mut response = (status, page.html).into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(policy) = HeaderValue::from_str(&page.csp) {
        headers.insert(header::CONTENT_SECURITY_POLICY, policy);
    }
    if !page.framed {
        headers.insert(header::X_FRAME_OPTIONS, HeaderValue::from_static("DENY"));
    }
    response
}

/// Returns the error page: plain words, and a way back where there is one.
pub async fn error(
    web: &Web,
    headers: &HeaderMap,
    env: &mut Env,
    status: StatusCode,
    page: &ErrorPage<'_>,
) -> Response {
    let ctx = match lockstep_engine::flows::branding::load(web.app()).await {
        Ok(look) => context(&look, headers, About::default(), env),
        // Also the page that says "the database cannot be reached" has to come.
        Err(_) => context(&Look::default(), headers, About::default(), env),
    };
    respond(status, web.pages().error(&ctx, page))
}
