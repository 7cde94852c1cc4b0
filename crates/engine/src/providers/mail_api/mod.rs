//! Mail through the HTTP APIs of providers: one file for those whose API is one POST with a key, and one for each of the others.

mod azure_cs;
mod keyed;
mod ms365;
mod ses;

use lettre::message::Mailbox;
use lockstep_core::env::Issuer;
use lockstep_core::ids::MessageId;
use lockstep_core::model::document::Document;
use lockstep_core::model::message::Message;
use lockstep_core::time::Timestamp;
use reqwest::StatusCode;
use serde_json::Value;

use super::SendError;
use super::http_client::{self, refused, unreachable};
use super::mime;
use crate::config::ProvidersConfig;

/// The names of the providers that are spoken to here.
pub const NAMES: &[&str] =
    &["sendgrid", "mailgun", "mandrill", "sparkpost", "resend", "ses", "ms365", "azure_cs"];

/// An account at a provider.
pub struct MailApi {
    at: At,
    sender: Mailbox,
    api: Api,
}

enum Api {
    Keyed(keyed::Keyed),
    Ses(ses::Ses),
    Ms365(ms365::Ms365),
    AzureCs(azure_cs::AzureCs),
}

/// Where and when a provider is called.
struct At {
    client: reqwest::Client,
    base: String,
    /// The host of the mails' ids.
    host: String,
    now: Timestamp,
}

/// What is sent, by whom.
#[derive(Clone, Copy)]
struct Mail<'a> {
    id: &'a MessageId,
    message: &'a Message,
    sender: &'a Mailbox,
}

/// The text at a path of the provider, which cannot do without.
fn needed<'a>(provider: &'a Document, path: &str) -> Result<&'a str, SendError> {
    let name = path.rsplit('.').next().unwrap_or(path);
    provider.filled(path).ok_or_else(|| SendError::ForGood(format!("the mail provider has no {name}")))
}

impl MailApi {
    /// Reads the provider of `emails/provider`, whose name is one of [`NAMES`]. `now`: when the mails are sent, which is part of some
    /// signatures.
    pub fn new(
        provider: &Document,
        issuer: &Issuer,
        config: &ProvidersConfig,
        now: Timestamp,
    ) -> Result<Self, SendError> {
        let sender = mime::sender(provider)?;
        let (api, home) = match provider.text("name").unwrap_or_default() {
            "ses" => ses::Ses::new(provider).map(|(api, home)| (Api::Ses(api), home))?,
            "ms365" => ms365::Ms365::new(provider).map(|(api, home)| (Api::Ms365(api), home))?,
            "azure_cs" => azure_cs::AzureCs::new(provider).map(|(api, home)| (Api::AzureCs(api), home))?,
            name => keyed::Keyed::new(name, provider).map(|(api, home)| (Api::Keyed(api), home))?,
        };
        let base = config.mail_api_url.as_deref().unwrap_or(&home).trim_end_matches('/').to_owned();
        let client = http_client::client(&base, config.private_networks)
            .map_err(|error| SendError::ForGood(error.to_string()))?;
        Ok(Self { at: At { client, base, host: mime::host(issuer), now }, sender, api })
    }

    /// Hands a message over.
    pub async fn send(&self, id: &MessageId, message: &Message) -> Result<(), SendError> {
        let mail = Mail { id, message, sender: &self.sender };
        let request = match &self.api {
            Api::Keyed(api) => api.request(&self.at, mail),
            Api::Ses(api) => api.request(&self.at, mail)?,
            Api::Ms365(api) => api.request(&self.at, mail).await?,
            Api::AzureCs(api) => api.request(&self.at, mail)?,
        };
        let (status, body) = answered(request).await?;
        // Something else may have answered: only an answer of the provider's form means that the mail was taken.
        let has = |name: &str| !body[name].is_null();
        let taken = match &self.api {
            Api::Keyed(api) => api.has_taken(&body)?,
            Api::Ses(_) => has("MessageId"),
            // An empty 202 is all that it says.
            Api::Ms365(_) => status == StatusCode::ACCEPTED && body.is_null(),
            Api::AzureCs(_) => status == StatusCode::ACCEPTED && has("id"),
        };
        if taken {
            Ok(())
        } else {
            Err(SendError::ForNow("the mail provider did not say that it took the mail".to_owned()))
        }
    }
}

/// Sends a request; returns the status and the JSON of an answer that is not a refusal.
async fn answered(request: reqwest::RequestBuilder) -> Result<(StatusCode, Value), SendError> {
    let answer = request.send().await.map_err(unreachable)?;
    let status = answer.status();
    let kind =
        answer.headers().get("x-amzn-errortype").and_then(|kind| kind.to_str().ok()).map(str::to_owned);
    let text = answer.text().await.unwrap_or_default();
    // What is no JSON becomes a text: nothing is found in it, and it is not the empty answer.
    let body = match serde_json::from_str(&text) {
        Ok(body) => body,
        Err(_) if text.is_empty() => Value::Null,
        Err(_) => Value::String(text),
    };
    if status.is_success() {
        return Ok((status, body));
    }
    let code = body["error"]["code"].as_str().or_else(|| body["error"].as_str()).or(kind.as_deref());
    let code = code.map(|code| code.split(':').next().unwrap_or_default()).unwrap_or_default();
    let code = if code.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_') { code } else { "" };
    Err(refused("the mail provider", status, code))
}
