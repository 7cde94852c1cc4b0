//! Azure Communication Services: `emails:send`, signed with the resource's access key by HMAC-SHA256.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockstep_core::crypto::digest::{hmac_sha256, sha256};
use lockstep_core::model::document::Document;
use reqwest::RequestBuilder;
use serde_json::json;

use super::{At, Mail, needed};
use crate::providers::{SendError, http_client, mime};

const PATH: &str = "/emails:send?api-version=2023-03-31";

pub(super) struct AzureCs {
    key: Vec<u8>,
}

impl AzureCs {
    /// Reads a connection string: `endpoint=https://NAME.communication.azure.com/;accesskey=BASE64`.
    pub(super) fn new(provider: &Document) -> Result<(Self, String), SendError> {
        let text = needed(provider, "credentials.connectionString")?;
        let part = |name: &str| {
            let parts = text.split(';').filter_map(|part| part.split_once('='));
            parts
                .into_iter()
                .find(|(n, _)| n.trim().eq_ignore_ascii_case(name))
                .map(|(_, value)| value.trim())
        };
        let lacks = |what: &str| SendError::ForGood(format!("the connectionString has no {what}"));
        let endpoint = part("endpoint").filter(|e| !e.is_empty()).ok_or_else(|| lacks("endpoint"))?;
        let key = part("accesskey").and_then(|key| STANDARD.decode(key).ok()).filter(|key| !key.is_empty());
        Ok((Self { key: key.ok_or_else(|| lacks("accesskey in base64"))? }, endpoint.to_owned()))
    }

    pub(super) fn request(&self, at: &At, mail: Mail<'_>) -> Result<RequestBuilder, SendError> {
        let message = mail.message;
        let mut body = json!({
            // The address only: the name that people see is set at the resource.
            "senderAddress": mime::from(message, mail.sender).email.to_string(),
            "recipients": {"to": [{"address": message.recipient}]},
            "content": {"subject": message.subject, "plainText": message.text},
        });
        if let Some(html) = &message.html {
            body["content"]["html"] = json!(html);
        }
        let body = body.to_string();
        let url = url::Url::parse(&format!("{}{PATH}", at.base))
            .map_err(|error| SendError::ForGood(format!("the endpoint is no address: {error}")))?;
        let date = jiff::Timestamp::from_second(at.now.as_secs())
            .map(|t| t.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
            .map_err(|_| SendError::ForNow("the clock is outside the years that Azure knows".to_owned()))?;
        let hash = STANDARD.encode(sha256(body.as_bytes()));
        let path = &url[url::Position::BeforePath..url::Position::AfterQuery];
        let to_sign = format!("POST\n{path}\n{date};{};{hash}", http_client::authority(&url));
        let signature = STANDARD.encode(hmac_sha256(&self.key, to_sign.as_bytes()));
        let authorization =
            format!("HMAC-SHA256 SignedHeaders=x-ms-date;host;x-ms-content-sha256&Signature={signature}");
        let request = at.client.post(url).header("content-type", "application/json");
        let request = request.header("x-ms-date", date).header("x-ms-content-sha256", hash);
        Ok(request.header("authorization", authorization).body(body))
    }
}
