//! Amazon SES: `SendEmail` of its API version 2, with the whole mail.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockstep_core::model::document::Document;
use reqwest::RequestBuilder;
use serde_json::json;

use super::{At, Mail, needed};
use crate::providers::aws::Signer;
use crate::providers::{SendError, mime};

pub(super) struct Ses {
    signer: Signer,
    configuration_set: Option<String>,
}

impl Ses {
    pub(super) fn new(provider: &Document) -> Result<(Self, String), SendError> {
        let signer = Signer {
            service: "ses",
            region: needed(provider, "credentials.region")?.to_owned(),
            key_id: needed(provider, "credentials.accessKeyId")?.to_owned(),
            secret: needed(provider, "credentials.secretAccessKey")?.to_owned(),
        };
        let home = Signer::home("email", &signer.region)?;
        let configuration_set = provider.filled("settings.message.configuration_set_name").map(str::to_owned);
        Ok((Self { signer, configuration_set }, home))
    }

    pub(super) fn request(&self, at: &At, mail: Mail<'_>) -> Result<RequestBuilder, SendError> {
        let raw = mime::mail(mail.id, mail.message, mail.sender, &at.host)?.formatted();
        let mut body = json!({
            "FromEmailAddress": mime::from(mail.message, mail.sender).to_string(),
            "Destination": {"ToAddresses": [mail.message.recipient]},
            "Content": {"Raw": {"Data": STANDARD.encode(raw)}},
        });
        if let Some(name) = &self.configuration_set {
            body["ConfigurationSetName"] = json!(name);
        }
        let path = (at.base.as_str(), "/v2/email/outbound-emails");
        self.signer.post(&at.client, path, "application/json", body.to_string(), at.now)
    }
}
