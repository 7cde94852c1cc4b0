//! Mail through the HTTP APIs of providers whose API is one POST with a key.

use lettre::message::Mailbox;
use lockstep_core::ids::MessageId;
use lockstep_core::model::document::Document;
use lockstep_core::model::message::Message;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::SendError;
use super::http_client::{self, unreachable};
use crate::config::ProvidersConfig;

/// The names of the providers that are spoken to here.
pub const NAMES: &[&str] = &["sendgrid", "mailgun", "mandrill", "sparkpost", "resend"];

/// An account at a provider.
pub struct MailApi {
    client: reqwest::Client,
    provider: Provider,
    base: String,
    key: String,
    from: Mailbox,
}

#[derive(Clone, Debug)]
enum Provider {
    SendGrid,
    Mailgun { domain: String },
    Mandrill,
    SparkPost,
    Resend,
}

impl MailApi {
    /// Reads the provider of `emails/provider`, whose name is one of [`NAMES`].
    pub fn new(provider: &Document, config: &ProvidersConfig) -> Result<Self, SendError> {
        let name = provider.text("name").unwrap_or_default();
        let lacks = |what: &str| SendError::ForGood(format!("the mail provider has no {what}"));
        let from = provider.filled("default_from_address").ok_or_else(|| lacks("default_from_address"))?;
        let from: Mailbox = from
            .parse()
            .map_err(|e| SendError::ForGood(format!("default_from_address is no mail address: {e}")))?;
        let key = provider.filled("credentials.api_key").ok_or_else(|| lacks("api_key"))?.to_owned();
        let eu = provider.text("credentials.region") == Some("eu");
        let (kind, home) = match name {
            "sendgrid" => (Provider::SendGrid, "https://api.sendgrid.com"),
            "mailgun" => {
                let domain = provider.filled("credentials.domain").ok_or_else(|| lacks("domain"))?;
                if !domain.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.' || b == b'-') {
                    return Err(SendError::ForGood("the mail provider's domain is not one".to_owned()));
                }
                let home = if eu { "https://api.eu.mailgun.net" } else { "https://api.mailgun.net" };
                (Provider::Mailgun { domain: domain.to_owned() }, home)
            }
            "mandrill" => (Provider::Mandrill, "https://mandrillapp.com"),
            "sparkpost" if eu => (Provider::SparkPost, "https://api.eu.sparkpost.com"),
            "sparkpost" => (Provider::SparkPost, "https://api.sparkpost.com"),
            "resend" => (Provider::Resend, "https://api.resend.com"),
            other => {
                return Err(SendError::ForGood(format!("mail by the provider {other:?} is not built yet")));
            }
        };
        let base = config.mail_api_url.as_deref().unwrap_or(home).trim_end_matches('/').to_owned();
        let client = http_client::client(&base, config.private_networks)
            .map_err(|error| SendError::ForGood(error.to_string()))?;
        Ok(Self { client, provider: kind, base, key, from })
    }

    /// Hands a message over.
    pub async fn send(&self, id: &MessageId, message: &Message) -> Result<(), SendError> {
        let answer = self.request(id, message).send().await.map_err(unreachable)?;
        let status = answer.status();
        let body: Option<Value> = answer.json().await.ok();
        if status.is_success() {
            return self.taken(body.as_ref());
        }
        let why = format!("the mail provider answered {}", status.as_u16());
        // 429 and everything of theirs may pass; the rest will be refused again.
        if status.is_server_error() || status.as_u16() == 429 {
            Err(SendError::ForNow(why))
        } else {
            Err(SendError::ForGood(why))
        }
    }

    fn request(&self, id: &MessageId, message: &Message) -> RequestBuilder {
        // A template may name a sender; one that is no mailbox is as good as none.
        let named = message.from.as_deref().and_then(|from| from.parse::<Mailbox>().ok());
        let from = named.as_ref().unwrap_or(&self.from);
        let (to, subject, text) = (&message.recipient, &message.subject, &message.text);
        let post = |path: &str| self.client.post(format!("{}{path}", self.base));
        match &self.provider {
            Provider::SendGrid => {
                let mut sender = json!({"email": from.email.to_string()});
                if let Some(name) = &from.name {
                    sender["name"] = json!(name);
                }
                let mut content = vec![json!({"type": "text/plain", "value": text})];
                content.extend(message.html.as_ref().map(|html| json!({"type": "text/html", "value": html})));
                let body = json!({"personalizations": [{"to": [{"email": to}]}], "from": sender,
                    "subject": subject, "content": content});
                post("/v3/mail/send").bearer_auth(&self.key).json(&body)
            }
            Provider::Mailgun { domain } => {
                let mut form = vec![
                    ("from", from.to_string()),
                    ("to", to.clone()),
                    ("subject", subject.clone()),
                    ("text", text.clone()),
                ];
                form.extend(message.html.clone().map(|html| ("html", html)));
                post(&format!("/v3/{domain}/messages")).basic_auth("api", Some(&self.key)).form(&form)
            }
            Provider::Mandrill => {
                let body = json!({"key": self.key, "message": {
                    "from_email": from.email.to_string(), "from_name": from.name,
                    "to": [{"email": to, "type": "to"}], "subject": subject, "text": text, "html": message.html,
                }});
                post("/api/1.0/messages/send.json").json(&body)
            }
            Provider::SparkPost => {
                let body = json!({"recipients": [{"address": {"email": to}}],
                    "content": {"from": from.to_string(), "subject": subject, "text": text, "html": message.html}});
                post("/api/v1/transmissions").header("authorization", &self.key).json(&body)
            }
            Provider::Resend => {
                let body = json!({"from": from.to_string(), "to": [to], "subject": subject, "text": text,
                    "html": message.html});
                // The same at each attempt, so that a second copy is none.
                post("/emails").bearer_auth(&self.key).header("idempotency-key", id.as_str()).json(&body)
            }
        }
    }

    /// Something else may have answered: only an answer of the provider's form means that the mail was taken.
    fn taken(&self, body: Option<&Value>) -> Result<(), SendError> {
        let has = |name: &str| body.is_some_and(|body| !body[name].is_null());
        let fits = match &self.provider {
            // An empty 202 is all that it says.
            Provider::SendGrid => true,
            Provider::Mailgun { .. } | Provider::Resend => has("id"),
            Provider::SparkPost => has("results"),
            Provider::Mandrill => {
                let status = body.and_then(|body| body[0]["status"].as_str());
                if let Some(refused @ ("rejected" | "invalid")) = status {
                    return Err(SendError::ForGood(format!("the mail provider says {refused}")));
                }
                status.is_some()
            }
        };
        if fits {
            Ok(())
        } else {
            Err(SendError::ForNow("the mail provider did not say that it took the mail".to_owned()))
        }
    }
}
