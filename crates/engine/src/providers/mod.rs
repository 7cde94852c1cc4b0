//! Who carries messages to people.

mod aws;
pub mod http_client;
pub mod log_sink;
pub mod mail_api;
mod mime;
pub mod phone;
pub mod smtp;
mod sns;

/// Why a message was not taken.
#[derive(Clone, Debug, thiserror::Error)]
pub enum SendError {
    /// It may be taken later: the network, a full disk on the other side, grey-listing.
    #[error("{0}")]
    ForNow(String),
    /// It never will: no such mailbox, a provider that is not built.
    #[error("{0}")]
    ForGood(String),
}
