//! The harness: a server in this process, a clock that stands still until it is moved, and a browser.

mod app;
mod at_once;
mod browser;
mod builders;
mod inbox;
mod nodes;
mod story;

pub(crate) use app::{Answer, ISSUER, TestApp};
pub(crate) use at_once::at_once;
pub(crate) use browser::Browser;
pub(crate) use builders::{ACR, API, CALLBACK, PASSWORD, Person, authorize};
pub(crate) use nodes::Shared;
pub(crate) use story::claims;
