//! Plain data with its own rules.
//!
//! What the Management API configures (clients, APIs, connections, tenant settings) is kept as the JSON document of the
//! wire, so that nothing a tool wrote is lost, and read through typed accessors.

pub mod action;
pub mod address_range;
pub mod attack_protection;
pub mod authenticator;
pub mod client;
pub mod connection;
pub mod document;
pub mod languages;
pub mod log_event;
pub mod log_stream;
pub mod management_scopes;
pub mod message;
pub mod resource_server;
pub mod role;
pub mod session;
pub mod settings;
pub mod user;
pub mod user_agent;
pub mod user_attributes;
