//! A message to a person, on its way through the outbox.

use serde::{Deserialize, Serialize};

use crate::ids::UserId;
use crate::time::Timestamp;

/// A message to send. Written in the same commit as the change it tells about; a worker sends it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// How it goes and what it is.
    pub kind: MessageKind,
    /// About whom.
    pub user: Option<UserId>,
    /// The address or number it goes to.
    pub recipient: String,
    /// The subject of a mail.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The HTML form of a mail.
    pub html: Option<String>,
    /// When there is no point in sending it any more.
    pub expires_at: Timestamp,
}

/// The kinds of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// A link to set a new password.
    ResetEmail,
    /// A link to enrol a factor.
    EnrollmentEmail,
    /// A link that proves an address.
    VerifyEmail,
    /// A notice that something about the account changed.
    NoticeEmail,
}

impl MessageKind {
    /// Returns the stored name.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::ResetEmail => "reset_email",
            Self::EnrollmentEmail => "enrollment_email",
            Self::VerifyEmail => "verify_email",
            Self::NoticeEmail => "notice_email",
        }
    }
}
