//! The rules of `/authorize` and `/oauth/par`, one a file, and the table that orders them (contract/oidc.md 3.2).
//!
//! A rule reads the raw parameters and what was loaded for them, and fills in its part of the [`Draft`]. Up to the redirect
//! URI a failure shows a page; from then on it is sent to the client.

mod acr_values;
mod audience;
mod client;
mod connection;
mod duplicates;
mod max_age;
mod nonce;
mod par;
mod pkce;
mod prompt;
mod redirect_uri;
mod request_object;
mod response_mode;
mod response_type;
mod scope;

pub use audience::admits;

use std::collections::BTreeMap;

use super::params::Params;
use super::request::{AuthorizeRequest, Prompt, ScreenHint};
use super::response::{ReplyTo, ResponseMode, ResponseTypes};
use super::scope::Scopes;
use crate::assurance::PAPE;
use crate::codes::OAuthError;
use crate::model::client::Client;
use crate::model::resource_server::ResourceServer;
use crate::model::settings::TenantSettings;
use crate::time::Span;

/// An endpoint that takes authorization requests.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Endpoint {
    /// `/authorize`.
    Authorize,
    /// `/oauth/par`: every failure is told to the client directly.
    Par,
}

/// How a failed rule is told at `/authorize`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Told {
    /// On a page of ours: the redirect URI cannot be trusted (yet).
    OnPage,
    /// To the client, by the response mode.
    ToClient,
}

/// A row of the table.
#[derive(Debug)]
pub struct Check {
    /// The rule's name: that of its file.
    pub name: &'static str,
    /// How its failure is told.
    pub told: Told,
    /// Where it applies.
    pub endpoints: &'static [Endpoint],
    run: fn(&mut Draft<'_>) -> Result<(), OAuthError>,
}

const BOTH: &[Endpoint] = &[Endpoint::Authorize, Endpoint::Par];
const AUTHORIZE: &[Endpoint] = &[Endpoint::Authorize];

macro_rules! checks {
    ($($name:literal, $told:ident, $endpoints:ident, $run:path;)*) => {
        &[$(Check { name: $name, told: Told::$told, endpoints: $endpoints, run: $run }),*]
    };
}

/// Every rule, in the order in which they are applied.
pub const CHECKS: &[Check] = checks! {
    "client",         OnPage,   BOTH,      client::check;
    "redirect_uri",   OnPage,   BOTH,      redirect_uri::check;
    "message_target", OnPage,   BOTH,      response_mode::check_target;
    "duplicates",     ToClient, BOTH,      duplicates::check;
    "request_object", ToClient, BOTH,      request_object::check;
    "par",            ToClient, AUTHORIZE, par::check;
    "response_type",  ToClient, BOTH,      response_type::check;
    "response_mode",  ToClient, BOTH,      response_mode::check;
    "pkce",           ToClient, BOTH,      pkce::check;
    "prompt",         ToClient, BOTH,      prompt::check;
    "max_age",        ToClient, BOTH,      max_age::check;
    "acr_values",     ToClient, BOTH,      acr_values::check;
    "scope",          ToClient, BOTH,      scope::check;
    "nonce",          ToClient, BOTH,      nonce::check;
    "audience",       ToClient, BOTH,      audience::check;
    "connection",     ToClient, BOTH,      connection::check;
};

/// The parameters that are read, each as one text.
pub const TEXTS: &[&str] = &[
    "client_id",
    "redirect_uri",
    "response_type",
    "response_mode",
    "scope",
    "state",
    "nonce",
    "audience",
    "code_challenge",
    "code_challenge_method",
    "prompt",
    "max_age",
    "acr_values",
    "login_hint",
    "screen_hint",
    "connection",
    "organization",
    "ui_locales",
    "id_token_hint",
    "request_uri",
    "request",
    "claims",
    "correlation_id",
];

/// What was loaded for a request.
#[derive(Clone, Copy, Debug)]
pub struct Loaded<'a> {
    /// The client that `client_id` names.
    pub client: &'a Client,
    /// The tenant's settings.
    pub tenant: &'a TenantSettings,
    /// The API of the audience, if there is one of that name.
    pub api: Option<&'a ResourceServer>,
    /// The client's grant for that API, subject type `user`.
    pub client_grant: Option<&'a [String]>,
    /// The names of the connections that are enabled for the client.
    pub connections: &'a [String],
    /// Whether the parameters came from a pushed request.
    pub pushed: bool,
}

/// A request while it is checked.
#[derive(Debug)]
pub struct Draft<'a> {
    params: &'a Params,
    client: &'a Client,
    tenant: &'a TenantSettings,
    api: Option<&'a ResourceServer>,
    client_grant: Option<&'a [String]>,
    connections: &'a [String],
    pushed: bool,
    audience: Option<String>,
    redirect_uri: Option<String>,
    response_types: Option<ResponseTypes>,
    response_mode: Option<ResponseMode>,
    scope: Scopes,
    code_challenge: Option<String>,
    prompt: Prompt,
    max_age: Option<Span>,
    acr_values: Vec<String>,
}

/// A refused request.
#[derive(Debug, Clone, PartialEq)]
pub struct Refused {
    /// The rule that refused it.
    pub check: &'static str,
    /// Why.
    pub error: OAuthError,
    /// Where to tell it; none: on a page.
    pub reply_to: Option<ReplyTo>,
}

/// Returns the audience of a request: what it names, else the tenant's default. `/userinfo` is no API of its own.
pub fn audience(params: &Params, tenant: &TenantSettings, userinfo: &str) -> Option<String> {
    params.get("audience").or_else(|| tenant.default_audience()).filter(|a| *a != userinfo).map(str::to_owned)
}

/// Returns whether a token request asks for MFA (contract/step-up-and-claims.md).
pub fn asks_mfa(params: &Params) -> bool {
    params.get("acr_values").is_some_and(|values| values.split_ascii_whitespace().any(|v| v == PAPE))
}

/// Checks a request by every rule of the endpoint, in order, and returns it parsed.
pub fn parse(
    endpoint: Endpoint,
    params: &Params,
    audience: Option<String>,
    loaded: Loaded<'_>,
) -> Result<AuthorizeRequest, Box<Refused>> {
    let Loaded { client, tenant, api, client_grant, connections, pushed } = loaded;
    let mut draft = Draft {
        params,
        client,
        tenant,
        api,
        client_grant,
        connections,
        pushed,
        audience,
        redirect_uri: None,
        response_types: None,
        response_mode: None,
        scope: Scopes::default(),
        code_challenge: None,
        prompt: Prompt::default(),
        max_age: None,
        acr_values: Vec::new(),
    };
    for check in CHECKS.iter().filter(|c| c.endpoints.contains(&endpoint)) {
        if let Err(error) = (check.run)(&mut draft) {
            let reply_to = match check.told {
                Told::OnPage => None,
                Told::ToClient => draft.reply_to(),
            };
            return Err(Box::new(Refused { check: check.name, error, reply_to }));
        }
    }
    Ok(draft.into_request())
}

impl Draft<'_> {
    /// Returns where an error goes. A mode that was not checked yet is taken as asked, so that an error reaches a page that
    /// waits for a message; one that makes no sense falls back to the response type's own.
    fn reply_to(&self) -> Option<ReplyTo> {
        let types = self.response_types.or_else(|| self.text("response_type").and_then(ResponseTypes::parse));
        let default = types.map_or(ResponseMode::Query, ResponseTypes::default_mode);
        let asked = self.response_mode.or_else(|| self.text("response_mode").and_then(ResponseMode::parse));
        let mode = asked.filter(|m| !(*m == ResponseMode::Query && default == ResponseMode::Fragment));
        Some(ReplyTo {
            redirect_uri: self.redirect_uri.clone()?,
            mode: mode.unwrap_or(default),
            state: self.text("state").map(str::to_owned),
        })
    }

    fn text(&self, name: &str) -> Option<&str> {
        self.params.get(name).filter(|_| !self.params.is_ambiguous(name))
    }

    fn into_request(self) -> AuthorizeRequest {
        let owned = |name: &str| self.params.get(name).map(str::to_owned);
        AuthorizeRequest {
            client_id: self.client.id.clone(),
            reply_to: self.reply_to().expect("the rule redirect_uri has set it"),
            redirect_uri_sent: self.params.get("redirect_uri").is_some(),
            response_types: self.response_types.expect("the rule response_type has set it"),
            nonce: owned("nonce"),
            login_hint: owned("login_hint"),
            screen_hint: match self.params.get("screen_hint") {
                Some("login") => Some(ScreenHint::Login),
                Some("signup") => Some(ScreenHint::Signup),
                Some("reset-password") => Some(ScreenHint::ResetPassword),
                _ => None,
            },
            ui_locales: self
                .params
                .get("ui_locales")
                .unwrap_or_default()
                .split_ascii_whitespace()
                .take(16)
                .map(str::to_owned)
                .collect(),
            connection: owned("connection"),
            id_token_hint: owned("id_token_hint"),
            ext: ext(self.params),
            correlation_id: owned("correlation_id").filter(|c| c.len() <= 64),
            scope: self.scope,
            audience: self.audience,
            code_challenge: self.code_challenge,
            prompt: self.prompt,
            max_age: self.max_age,
            acr_values: self.acr_values,
        }
    }
}

/// Returns the `ext-*` parameters of the right shape, at most ten; others are dropped.
pub fn ext(params: &Params) -> BTreeMap<String, String> {
    let word = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-');
    params
        .iter()
        .filter(|(name, value)| {
            let name_ok = name
                .strip_prefix("ext-")
                .is_some_and(|rest| (1..=28).contains(&rest.len()) && rest.bytes().all(word));
            let value_ok = (1..=255).contains(&value.len())
                && value
                    .bytes()
                    .all(|b| word(b) || matches!(b, b'.' | b'*' | b'~' | b'@' | b'+' | b' ' | b'/' | b':'));
            name_ok && value_ok
        })
        .take(10)
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

#[cfg(test)]
mod tests;
