//! Text messages by Amazon SNS: `Publish` with a telephone number (API version 2010-03-31). The account is the operator's.

use lockstep_core::model::message::{Channel, Message};
use lockstep_core::time::Timestamp;

use super::SendError;
use super::aws::Signer;
use super::http_client::{self, refused, unreachable};
use crate::config::{ProvidersConfig, SnsConfig};

/// An account at Amazon SNS.
pub struct Sns {
    client: reqwest::Client,
    base: String,
    signer: Signer,
    sender: Option<String>,
    now: Timestamp,
}

impl Sns {
    /// Reads the account. `now`: when the messages are sent, which is part of the signature.
    pub fn new(account: &SnsConfig, config: &ProvidersConfig, now: Timestamp) -> Result<Self, SendError> {
        let base = match &account.api_url {
            Some(url) => url.trim_end_matches('/').to_owned(),
            None => Signer::home("sns", &account.region)?,
        };
        let client = http_client::client(&base, config.private_networks)
            .map_err(|error| SendError::ForGood(error.to_string()))?;
        let signer = Signer {
            service: "sns",
            region: account.region.clone(),
            key_id: account.access_key_id.clone(),
            secret: account.secret_access_key.clone(),
        };
        Ok(Self { client, base, signer, sender: account.sender_id.clone(), now })
    }

    /// Hands a message over.
    pub async fn send(&self, message: &Message) -> Result<(), SendError> {
        if message.kind.channel() == Channel::Voice {
            return Err(SendError::ForGood(
                "Amazon SNS makes no calls; it sends text messages only".to_owned(),
            ));
        }
        let body = form(message, self.sender.as_deref());
        let kind = "application/x-www-form-urlencoded";
        let request = self.signer.post(&self.client, (&self.base, "/"), kind, body, self.now)?;
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let text = answer.text().await.unwrap_or_default();
        if status.is_success() {
            // Something that is not SNS may have answered: without an id nothing was accepted.
            return match element(&text, "MessageId") {
                Some(_) => Ok(()),
                None => Err(SendError::ForNow("Amazon SNS answered without a message id".to_owned())),
            };
        }
        let code = element(&text, "Code").filter(|code| code.bytes().all(|b| b.is_ascii_alphanumeric()));
        match code.unwrap_or_default() {
            // AWS says some of "too many" with 400.
            code if code.starts_with("Throttl") => {
                Err(SendError::ForNow(format!("Amazon SNS answered {} ({code})", status.as_u16())))
            }
            code => Err(refused("Amazon SNS", status, code)),
        }
    }
}

fn form(message: &Message, sender: Option<&str>) -> String {
    let mut form = url::form_urlencoded::Serializer::new(String::new());
    form.append_pair("Action", "Publish").append_pair("Version", "2010-03-31");
    form.append_pair("PhoneNumber", &message.recipient).append_pair("Message", &message.text);
    // Codes go by the routes that are meant to be reliable, not the cheap ones for advertisements.
    let attributes = [("AWS.SNS.SMS.SMSType", Some("Transactional")), ("AWS.SNS.SMS.SenderID", sender)];
    let given = attributes.into_iter().filter_map(|(name, value)| value.map(|value| (name, value)));
    for (n, (name, value)) in (1..).zip(given) {
        let entry = format!("MessageAttributes.entry.{n}");
        form.append_pair(&format!("{entry}.Name"), name);
        form.append_pair(&format!("{entry}.Value.DataType"), "String");
        form.append_pair(&format!("{entry}.Value.StringValue"), value);
    }
    form.finish()
}

/// The text of the first element of that name. Answers are a few lines of XML without attributes or escapes where we look.
fn element<'a>(xml: &'a str, name: &str) -> Option<&'a str> {
    let (_, rest) = xml.split_once(&format!("<{name}>"))?;
    let (text, _) = rest.split_once(&format!("</{name}>"))?;
    Some(text.trim()).filter(|text| !text.is_empty())
}
