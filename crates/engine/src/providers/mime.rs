//! A message as the mail it becomes (RFC 5322).

use lettre::message::{Mailbox, MultiPart};
use lockstep_core::env::Issuer;
use lockstep_core::ids::MessageId;
use lockstep_core::model::document::Document;
use lockstep_core::model::message::Message;

use super::SendError;

/// Reads the sender of a provider.
pub(super) fn sender(provider: &Document) -> Result<Mailbox, SendError> {
    let from = provider
        .filled("default_from_address")
        .ok_or_else(|| SendError::ForGood("the mail provider has no default_from_address".to_owned()))?;
    from.parse().map_err(|e| SendError::ForGood(format!("default_from_address is no mail address: {e}")))
}

/// Returns who a message is from. A template may name a sender; one that is no mailbox is as good as none.
pub(super) fn from(message: &Message, sender: &Mailbox) -> Mailbox {
    let named = message.from.as_deref().and_then(|from| from.parse().ok());
    named.unwrap_or_else(|| sender.clone())
}

/// Returns the host that ids of mails end with.
pub(super) fn host(issuer: &Issuer) -> String {
    let url = url::Url::parse(issuer.as_str()).ok();
    url.and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| "localhost".to_owned())
}

/// Returns the mail.
pub(super) fn mail(
    id: &MessageId,
    message: &Message,
    sender: &Mailbox,
    host: &str,
) -> Result<lettre::Message, SendError> {
    let broken = |what: &str| SendError::ForGood(format!("{what} cannot stand in a mail"));
    let to = message.recipient.parse().map_err(|_| broken("the recipient's address"))?;
    let builder = lettre::Message::builder()
        .from(from(message, sender))
        .to(Mailbox::new(None, to))
        .subject(message.subject.clone())
        // The same at each attempt, so that a receiver can tell a second copy.
        .message_id(Some(format!("<{id}@{host}>")));
    let built = match &message.html {
        Some(html) => {
            builder.multipart(MultiPart::alternative_plain_html(message.text.clone(), html.clone()))
        }
        None => builder.body(message.text.clone()),
    };
    built.map_err(|_| broken("the text"))
}
