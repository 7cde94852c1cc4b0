//! Cryptography: the few doors through which the rest of Lockstep hashes, signs and seals.
//!
//! - [`hasher`] keeps passwords;
//! - [`seal`] keeps secrets at rest;
//! - [`digest`] hashes one-time secrets and compares without leaking.

pub mod digest;
pub mod hasher;
pub mod seal;
