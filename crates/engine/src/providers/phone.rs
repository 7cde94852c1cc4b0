//! Who carries text messages and calls: Twilio, the operator's account at Amazon SNS, or a hook of the operator's own.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockstep_core::crypto::digest::hmac_sha256_hex;
use lockstep_core::ids::MessageId;
use lockstep_core::model::document::Document;
use lockstep_core::model::message::{Channel, Message};
use lockstep_core::model::settings::Guardian;
use lockstep_core::time::Timestamp;
use serde_json::{Value, json};

use super::SendError;
use super::http_client::{self, refused, unreachable};
use super::sns::Sns;
use crate::config::ProvidersConfig;
use crate::flows::messages::escape;

/// A provider, ready to send.
#[derive(Clone)]
pub enum PhoneProvider {
    /// Twilio's HTTP API.
    Twilio(Arc<Twilio>),
    /// A POST to the operator's own address.
    Hook(Arc<Hook>),
    /// Amazon SNS, by an account in the server's configuration.
    Sns(Arc<Sns>),
    /// None: what is missing.
    Nobody(String),
}

/// An account at Twilio.
pub struct Twilio {
    client: reqwest::Client,
    account: String,
    url: String,
    token: String,
    from: Option<String>,
    service: Option<String>,
}

/// The operator's own address.
pub struct Hook {
    client: reqwest::Client,
    url: String,
    secret: String,
}

impl PhoneProvider {
    /// Chooses the provider: that of `branding/phone/providers` if one is enabled, else that of `guardian/factors/phone`, else the
    /// operator's.
    pub fn choose(
        branded: &[Document],
        guardian: &Guardian,
        config: &ProvidersConfig,
        now: Timestamp,
    ) -> Self {
        let enabled = branded.iter().find(|provider| provider.flag("disabled") != Some(true));
        if let Some(provider) = enabled {
            return match provider.text("name") {
                Some("twilio") => Self::twilio(
                    provider.filled("configuration.sid"),
                    provider.filled("credentials.auth_token"),
                    provider.filled("configuration.default_from"),
                    provider.filled("configuration.mssid"),
                    config,
                ),
                _ => Self::hook(config),
            };
        }
        let setting = |group: &str, name: &str| {
            guardian
                .other
                .get(group)
                .and_then(|g| g.get(name))
                .and_then(Value::as_str)
                .filter(|t| !t.is_empty())
        };
        match setting("phone.selected-provider", "provider") {
            Some("twilio") => Self::twilio(
                setting("phone.twilio", "sid"),
                setting("phone.twilio", "auth_token"),
                setting("phone.twilio", "from"),
                setting("phone.twilio", "messaging_service_sid"),
                config,
            ),
            Some("phone-message-hook") => Self::hook(config),
            // "auth0" is the service's own delivery, and so is nothing at all: that is the operator's to give.
            _ => match &config.sns {
                Some(account) => match Sns::new(account, config, now) {
                    Ok(sns) => Self::Sns(Arc::new(sns)),
                    Err(error) => Self::Nobody(error.to_string()),
                },
                None => Self::Nobody("no phone provider is configured".to_owned()),
            },
        }
    }

    fn twilio(
        sid: Option<&str>,
        token: Option<&str>,
        from: Option<&str>,
        service: Option<&str>,
        config: &ProvidersConfig,
    ) -> Self {
        let (Some(account), Some(token)) = (sid, token) else {
            return Self::Nobody("the Twilio account has no sid or auth_token".to_owned());
        };
        if from.is_none() && service.is_none() {
            return Self::Nobody("Twilio has no number or messaging service to send from".to_owned());
        }
        if !account.bytes().all(|b| b.is_ascii_alphanumeric()) {
            return Self::Nobody("the Twilio account sid is not one".to_owned());
        }
        match http_client::client(&config.twilio_url, config.private_networks) {
            Ok(client) => Self::Twilio(Arc::new(Twilio {
                client,
                account: account.to_owned(),
                url: config.twilio_url.trim_end_matches('/').to_owned(),
                token: token.to_owned(),
                from: from.map(str::to_owned),
                service: service.map(str::to_owned),
            })),
            Err(error) => Self::Nobody(error.to_string()),
        }
    }

    fn hook(config: &ProvidersConfig) -> Self {
        let (Some(url), Some(secret)) = (&config.hook_url, &config.hook_secret) else {
            return Self::Nobody("phone.hook_url and phone.hook_secret are not set".to_owned());
        };
        match http_client::client(url, config.private_networks) {
            Ok(client) => Self::Hook(Arc::new(Hook { client, url: url.clone(), secret: secret.clone() })),
            Err(error) => Self::Nobody(error.to_string()),
        }
    }

    /// Hands a message over.
    pub async fn send(&self, id: &MessageId, message: &Message) -> Result<(), SendError> {
        match self {
            Self::Twilio(twilio) => twilio.send(message).await,
            Self::Hook(hook) => hook.send(id, message).await,
            Self::Sns(sns) => sns.send(message).await,
            Self::Nobody(why) => Err(SendError::ForGood(why.clone())),
        }
    }
}

impl Twilio {
    async fn send(&self, message: &Message) -> Result<(), SendError> {
        let mut form = vec![("To", message.recipient.clone())];
        let resource = if message.kind.channel() == Channel::Voice {
            let from = self.from.clone();
            let from =
                from.ok_or_else(|| SendError::ForGood("Twilio has no number to call from".to_owned()))?;
            form.push(("From", from));
            form.push(("Twiml", twiml(&message.text, &message.language)));
            "Calls"
        } else {
            match (&self.service, &self.from) {
                (Some(service), _) => form.push(("MessagingServiceSid", service.clone())),
                (None, from) => form.push(("From", from.clone().unwrap_or_default())),
            }
            form.push(("Body", message.text.clone()));
            "Messages"
        };
        let url = format!("{}/2010-04-01/Accounts/{}/{resource}.json", self.url, self.account);
        let basic = STANDARD.encode(format!("{}:{}", self.account, self.token));
        let request = self.client.post(url).header("authorization", format!("Basic {basic}")).form(&form);
        let answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let body: Option<Value> = answer.json().await.ok();
        if status.is_success() {
            // Something that is not Twilio may have answered: without an id nothing was accepted.
            return match body.as_ref().and_then(|body| body["sid"].as_str()) {
                Some(_) => Ok(()),
                None => Err(SendError::ForNow("Twilio answered without a message id".to_owned())),
            };
        }
        let code = body.map(|body| body["code"].clone()).unwrap_or_default();
        Err(refused("Twilio", status, &format!("code {code}")))
    }
}

impl Hook {
    async fn send(&self, id: &MessageId, message: &Message) -> Result<(), SendError> {
        let body = json!({
            "id": id, "message_type": message.kind.channel().as_str(), "recipient": message.recipient,
            "text": message.text, "code": message.code, "language": message.language, "user_id": message.user,
        })
        .to_string();
        let signature = hmac_sha256_hex(self.secret.as_bytes(), body.as_bytes());
        let request = self
            .client
            .post(&self.url)
            .header("content-type", "application/json")
            .header("lockstep-signature", format!("sha256={signature}"))
            .body(body);
        let status = request.send().await.map_err(unreachable)?.status();
        if status.is_success() { Ok(()) } else { Err(refused("the hook", status, "")) }
    }
}

/// What a call says, as Twilio's markup: the text is text in it, whatever it holds.
fn twiml(text: &str, language: &str) -> String {
    let voice = match lockstep_core::model::languages::language(language) {
        "de" => "de-DE",
        "fr" => "fr-FR",
        "es" => "es-ES",
        "ja" => "ja-JP",
        "ar" => "arb",
        _ => "en-US",
    };
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?><Response><Pause length=\"1\"/><Say language=\"{voice}\">{}</Say></Response>",
        escape(text)
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_is_well_formed_whatever_a_name_holds_and_speaks_its_language() {
        let said = twiml("Your code for A & B <Co> is: 1, 1, 2, 2, 3, 3.", "de");
        assert!(said.contains("<Say language=\"de-DE\">") && said.contains("A &amp; B &lt;Co&gt;"), "{said}");
        assert_eq!(said.matches('<').count(), 6, "{said}");
    }

    #[test]
    fn a_provider_that_lacks_something_says_what() {
        let config = ProvidersConfig::default();
        let mut guardian = Guardian::default();
        let now = Timestamp::from_secs(1);
        let why = |guardian: &Guardian| match PhoneProvider::choose(&[], guardian, &config, now) {
            PhoneProvider::Nobody(why) => why,
            _ => "ready".to_owned(),
        };
        assert!(why(&guardian).contains("no phone provider"));
        guardian.other.insert("phone.selected-provider".into(), json!({"provider": "twilio"}));
        assert!(why(&guardian).contains("sid"));
        guardian.other.insert("phone.twilio".into(), json!({"sid": "AC1", "auth_token": "t"}));
        assert!(why(&guardian).contains("send from"));
        guardian.other.insert("phone.twilio".into(), json!({"sid": "AC1", "auth_token": "t", "from": "+1"}));
        assert_eq!(why(&guardian), "ready");
        guardian.other.insert("phone.selected-provider".into(), json!({"provider": "phone-message-hook"}));
        assert!(why(&guardian).contains("hook_url"));
    }
}
