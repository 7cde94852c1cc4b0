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
    /// The code in it: what the twin hands to scripts.
    #[serde(default)]
    pub code: Option<String>,
    /// The sender, where the tenant's template names one.
    #[serde(default)]
    pub from: Option<String>,
    /// The language that it is written in: a call has to be spoken in it.
    #[serde(default)]
    pub language: String,
    /// When there is no point in sending it any more.
    pub expires_at: Timestamp,
}

/// How a message reaches a person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Channel {
    /// A text message.
    Sms,
    /// A call that reads the text out.
    Voice,
    /// A mail.
    Email,
}

impl Channel {
    /// Returns the name on the wire: `oob_channel`, message types, log details.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sms => "sms",
            Self::Voice => "voice",
            Self::Email => "email",
        }
    }

    /// Returns the channel of a name.
    pub fn parse(name: &str) -> Option<Self> {
        [Self::Sms, Self::Voice, Self::Email].into_iter().find(|channel| channel.as_str() == name)
    }
}

/// What a code is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Purpose {
    /// To show that a new number or address is theirs.
    Enrolment,
    /// To pass a second factor.
    Challenge,
    /// To log in without a password.
    Passwordless,
}

/// A one-time code that has to reach a person. Queued in the commit that stores its hash, or not at all.
#[derive(Clone, PartialEq, Eq)]
pub struct CodeToSend {
    /// How.
    pub channel: Channel,
    /// The number (E.164) or address.
    pub to: String,
    /// The code.
    pub code: String,
    /// What it is for.
    pub purpose: Purpose,
    /// When it stops working: there is no point in sending it later.
    pub expires_at: Timestamp,
}

/// Without the code: debug output ends in logs.
impl std::fmt::Debug for CodeToSend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("CodeToSend").field("channel", &self.channel).finish_non_exhaustive()
    }
}

/// The kinds of message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum MessageKind {
    /// A code as a text message.
    CodeSms,
    /// A code, read out in a call.
    CodeVoice,
    /// A code by mail.
    CodeEmail,
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
            Self::CodeSms => "code_sms",
            Self::CodeVoice => "code_voice",
            Self::CodeEmail => "code_email",
            Self::ResetEmail => "reset_email",
            Self::EnrollmentEmail => "enrollment_email",
            Self::VerifyEmail => "verify_email",
            Self::NoticeEmail => "notice_email",
        }
    }

    /// Returns what log records call it: `email_type` (contract/log-events.md 7).
    pub const fn email_type(self) -> &'static str {
        match self {
            Self::CodeEmail => "mfa_oob_code",
            other => other.as_str(),
        }
    }

    /// Returns how it goes.
    pub const fn channel(self) -> Channel {
        match self {
            Self::CodeSms => Channel::Sms,
            Self::CodeVoice => Channel::Voice,
            Self::CodeEmail
            | Self::ResetEmail
            | Self::EnrollmentEmail
            | Self::VerifyEmail
            | Self::NoticeEmail => Channel::Email,
        }
    }
}
