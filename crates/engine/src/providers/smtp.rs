//! Mail by SMTP (RFC 5321), over TLS (RFC 8314).
//!
//! Port 465 speaks TLS from the first byte; every other port begins in the clear and must go on with STARTTLS before a password is
//! sent. Without a password TLS is used where the server offers it. Certificates are checked against the system's store.

use std::time::Duration;

use lettre::message::Mailbox;
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{Tls, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use lockstep_core::env::Issuer;
use lockstep_core::ids::MessageId;
use lockstep_core::model::document::Document;
use lockstep_core::model::message::Message;

use super::{SendError, mail_api, mime};

/// How long a server may take for each of its answers.
const TIMEOUT: Duration = Duration::from_secs(20);

/// A connection to the tenant's mail server, made when it is needed.
pub struct Smtp {
    transport: AsyncSmtpTransport<Tokio1Executor>,
    from: Mailbox,
    host: String,
}

impl Smtp {
    /// Reads the provider of `emails/provider`.
    pub fn new(provider: &Document, issuer: &Issuer) -> Result<Self, SendError> {
        let name = provider.text("name").unwrap_or_default();
        if name != "smtp" {
            return Err(SendError::ForGood(format!(
                "mail by the provider {name:?} is not built; smtp is, and by HTTP {}",
                mail_api::NAMES.join(", ")
            )));
        }
        let from = mime::sender(provider)?;
        let server = provider.text("credentials.smtp_host").unwrap_or_default();
        let port = provider.int("credentials.smtp_port").and_then(|p| u16::try_from(p).ok()).unwrap_or(587);
        let user = provider.filled("credentials.smtp_user");
        let parameters = TlsParameters::new(server.to_owned())
            .map_err(|e| SendError::ForGood(format!("TLS cannot be set up: {e}")))?;
        let tls = match (port, user) {
            (465, _) => Tls::Wrapper(parameters),
            (_, Some(_)) => Tls::Required(parameters),
            (_, None) => Tls::Opportunistic(parameters),
        };
        let host = mime::host(issuer);
        let mut transport = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(server)
            .port(port)
            .tls(tls)
            .timeout(Some(TIMEOUT))
            .hello_name(ClientId::Domain(host.clone()));
        if let Some(user) = user {
            let password = provider.text("credentials.smtp_pass").unwrap_or_default();
            transport = transport.credentials(Credentials::new(user.to_owned(), password.to_owned()));
        }
        Ok(Self { transport: transport.build(), from, host })
    }

    /// Hands a message over to the server.
    pub async fn send(&self, id: &MessageId, message: &Message) -> Result<(), SendError> {
        let mail = mime::mail(id, message, &self.from, &self.host)?;
        match self.transport.send(mail).await {
            Ok(_) => Ok(()),
            Err(error) if error.is_permanent() => Err(SendError::ForGood(told(&error))),
            Err(error) => Err(SendError::ForNow(told(&error))),
        }
    }
}

/// The error with its causes.
fn told(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        let more = inner.to_string();
        if !text.contains(&more) {
            text = format!("{text}: {more}");
        }
        cause = inner.source();
    }
    text.chars().filter(|c| !c.is_control()).take(500).collect()
}

#[cfg(test)]
mod tests {
    use lockstep_core::model::message::MessageKind;
    use lockstep_core::time::Timestamp;
    use serde_json::json;

    use super::*;

    fn provider(value: serde_json::Value) -> Result<Smtp, SendError> {
        let document: Document = serde_json::from_value(value).unwrap();
        Smtp::new(&document, &Issuer::parse("https://login.example.org/").unwrap())
    }

    fn message(subject: &str) -> Message {
        Message {
            kind: MessageKind::ResetEmail,
            user: None,
            recipient: "ana@example.com".to_owned(),
            subject: subject.to_owned(),
            text: "Grüße\n.\nQUIT\n".to_owned(),
            html: Some("<p>Grüße</p>".to_owned()),
            from: None,
            code: None,
            language: String::new(),
            expires_at: Timestamp::from_secs(1),
        }
    }

    #[test]
    fn a_mail_is_addressed_encoded_and_has_one_id_at_every_attempt() {
        let credentials = json!({"smtp_host": "mail.example.org", "smtp_port": 587});
        let smtp = provider(json!({"name": "smtp", "default_from_address": "Acme <no-reply@acme.test>",
            "credentials": credentials}));
        let smtp = smtp.unwrap();
        let id = MessageId::trusted("msg_1");
        let mail = mime::mail(&id, &message("Neues Passwort für Acme"), &smtp.from, &smtp.host).unwrap();
        let text = String::from_utf8(mail.formatted()).unwrap();
        assert!(text.contains("From: Acme <no-reply@acme.test>\r\n"), "{text}");
        assert!(text.contains("To: ana@example.com\r\n"));
        assert!(text.contains("Message-ID: <msg_1@login.example.org>\r\n"));
        assert!(text.is_ascii() && text.contains("multipart/alternative"));
    }

    #[test]
    fn a_line_break_in_a_subject_makes_no_header() {
        let credentials = json!({"smtp_host": "mail.example.org", "smtp_port": 587});
        let smtp = provider(json!({"name": "smtp", "default_from_address": "a@acme.test",
            "credentials": credentials}))
        .unwrap();
        let mail = mime::mail(
            &MessageId::trusted("msg_1"),
            &message("Hi\r\nBcc: x@evil.example"),
            &smtp.from,
            &smtp.host,
        );
        let text = mail.map(|m| String::from_utf8(m.formatted()).unwrap()).unwrap_or_default();
        assert!(!text.lines().any(|line| line.starts_with("Bcc")), "{text}");
    }

    #[test]
    fn what_cannot_send_says_why() {
        let credentials = json!({"smtp_host": "mail.example.org", "smtp_port": 587});
        for (given, why) in [
            (json!({"name": "sendgrid", "credentials": {"api_key": "k"}}), "\"sendgrid\" is not built"),
            (json!({"name": "smtp", "credentials": credentials}), "no default_from_address"),
            (
                json!({"name": "smtp", "credentials": credentials, "default_from_address": "nobody"}),
                "is no mail address",
            ),
        ] {
            let Err(SendError::ForGood(told)) = provider(given) else { panic!("{why}") };
            assert!(told.contains(why), "{told}");
        }
    }
}
