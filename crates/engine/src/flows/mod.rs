//! What somebody does, one file a thing: load, decide, save.

pub mod demo;
pub mod first_client;
pub mod first_start;
pub mod twin;
