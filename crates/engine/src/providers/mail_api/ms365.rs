//! Microsoft 365: the application's own token (RFC 6749 section 4.4), then Graph's `sendMail` with the whole mail in base64.
//!
//! The application needs the permission `Mail.Send`; the sender has to be a mailbox of the organisation.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use lockstep_core::model::document::Document;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::RequestBuilder;
use tokio::sync::OnceCell;

use super::{At, Mail, answered, needed};
use crate::providers::{SendError, mime};

const GRAPH: &str = "https://graph.microsoft.com";
const LOGIN: &str = "https://login.microsoftonline.com";

pub(super) struct Ms365 {
    tenant: String,
    client_id: String,
    client_secret: String,
    /// One for all mails of a run: it lives for an hour, a run for seconds. A failure is one for all as well, so that they do not wait in
    /// turn for a login that does not answer.
    token: OnceCell<Result<String, SendError>>,
}

impl Ms365 {
    pub(super) fn new(provider: &Document) -> Result<(Self, String), SendError> {
        let tenant = needed(provider, "credentials.tenantId")?;
        if !tenant.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'.') {
            return Err(SendError::ForGood("the mail provider's tenantId is not one".to_owned()));
        }
        let api = Self {
            tenant: tenant.to_owned(),
            client_id: needed(provider, "credentials.clientId")?.to_owned(),
            client_secret: needed(provider, "credentials.clientSecret")?.to_owned(),
            token: OnceCell::new(),
        };
        Ok((api, GRAPH.to_owned()))
    }

    pub(super) async fn request(&self, at: &At, mail: Mail<'_>) -> Result<RequestBuilder, SendError> {
        let token = self.token.get_or_init(|| self.ask_for_token(at)).await.as_ref().map_err(Clone::clone)?;
        let raw = mime::mail(mail.id, mail.message, mail.sender, &at.host)?.formatted();
        let mailbox = mime::from(mail.message, mail.sender).email.to_string();
        let mailbox = utf8_percent_encode(&mailbox, NON_ALPHANUMERIC);
        let request = at.client.post(format!("{}/v1.0/users/{mailbox}/sendMail", at.base)).bearer_auth(token);
        Ok(request.header("content-type", "text/plain").body(STANDARD.encode(raw)))
    }

    async fn ask_for_token(&self, at: &At) -> Result<String, SendError> {
        // A stand-in for Graph stands in for the login too.
        let base = if at.base == GRAPH { LOGIN } else { &at.base };
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", &self.client_id),
            ("client_secret", &self.client_secret),
            ("scope", "https://graph.microsoft.com/.default"),
        ];
        let request = at.client.post(format!("{base}/{}/oauth2/v2.0/token", self.tenant)).form(&form);
        let (_, body) = answered(request).await?;
        let token = body["access_token"].as_str();
        let token = token.filter(|token| token.bytes().all(|b| b.is_ascii_graphic()));
        let none = || SendError::ForNow("Microsoft's login answered without a token".to_owned());
        token.map(str::to_owned).ok_or_else(none)
    }
}
