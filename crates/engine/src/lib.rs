//! lockstep-engine: does. Async; no HTTP server.

pub mod store;
