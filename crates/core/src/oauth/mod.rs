//! The rules of OAuth 2.0 and OpenID Connect, without a database or a socket.
//!
//! - [`params`]: what a request said.
//! - [`checks`]: the rules of `/authorize` and `/oauth/par` as a table, and what comes out: [`request`].
//! - [`redirect_uri`]: what counts as a registered URL or origin.
//! - [`scope`]: what is granted.
//! - [`claims`]: what tokens say.
//! - [`response`]: how an answer travels.

pub mod checks;
pub mod claims;
pub mod params;
pub mod redirect_uri;
pub mod request;
pub mod response;
pub mod scope;
