//! Work that no request asks for.

pub mod cleanup;
pub mod delivery;
