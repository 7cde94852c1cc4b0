//! lockstep-engine: does. Async; no HTTP server. In reading order:
//!
//! - [`app`], [`config`]: the seams put together, and every setting.
//! - [`flows`]: one file for each thing that somebody does: load, decide, save.
//! - [`store`]: SQL and nothing else.
//! - [`keyring`], [`passwords`], [`logs`]: signing keys, bounded hashing, tenant log records.
//! - [`worker`]: what happens without a request.

pub mod app;
pub mod catalog;
pub mod config;
pub mod flows;
pub mod keyring;
pub mod logs;
pub mod passwords;
pub mod providers;
pub mod store;
pub mod worker;
