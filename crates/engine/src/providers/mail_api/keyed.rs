//! The providers whose API is one POST with a key.

use lockstep_core::model::document::Document;
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use super::{At, Mail, needed};
use crate::providers::{SendError, mime};

/// An account, and what tells us apart from others.
pub(super) struct Keyed {
    provider: Provider,
    key: String,
}

#[derive(Clone, Debug)]
enum Provider {
    SendGrid,
    Mailgun { domain: String },
    Mandrill,
    SparkPost,
    Resend,
}

impl Keyed {
    pub(super) fn new(name: &str, provider: &Document) -> Result<(Self, String), SendError> {
        let key = needed(provider, "credentials.api_key")?.to_owned();
        let eu = provider.text("credentials.region") == Some("eu");
        let (kind, home) = match name {
            "sendgrid" => (Provider::SendGrid, "https://api.sendgrid.com"),
            "mailgun" => {
                let domain = needed(provider, "credentials.domain")?;
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
                return Err(SendError::ForGood(format!("mail by the provider {other:?} is not built")));
            }
        };
        Ok((Self { provider: kind, key }, home.to_owned()))
    }

    pub(super) fn request(&self, at: &At, mail: Mail<'_>) -> RequestBuilder {
        let (id, message) = (mail.id, mail.message);
        let from = mime::from(message, mail.sender);
        let (to, subject, text) = (&message.recipient, &message.subject, &message.text);
        let post = |path: &str| at.client.post(format!("{}{path}", at.base));
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

    /// Returns whether an answer says that the mail was taken.
    pub(super) fn has_taken(&self, body: &Value) -> Result<bool, SendError> {
        Ok(match &self.provider {
            // An empty 202 is all that it says.
            Provider::SendGrid => true,
            Provider::Mailgun { .. } | Provider::Resend => !body["id"].is_null(),
            Provider::SparkPost => !body["results"].is_null(),
            Provider::Mandrill => {
                let status = body[0]["status"].as_str();
                if let Some(refused @ ("rejected" | "invalid")) = status {
                    return Err(SendError::ForGood(format!("the mail provider says {refused}")));
                }
                status.is_some()
            }
        })
    }
}
