//! The one integration binary: the server driven through its router, as a client would.

#![expect(clippy::unwrap_used, reason = "a test that meets an unexpected None or Err has failed")]

mod account;
mod architecture;
mod cli;
mod every_face;
mod login;
mod management;
mod mfa_api;
mod my_account;
mod oauth;
mod providers;
mod support;
mod worker;
