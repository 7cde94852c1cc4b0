//! The harness: a server in this process, a clock that stands still until it is moved, and a browser.

mod app;
mod browser;

pub(crate) use app::{Answer, TestApp};
pub(crate) use browser::Browser;
