//! Cryptography: the few doors through which the rest of Lockstep signs, hashes and seals.
//!
//! - [`jose`] has keys, JSON Web Tokens and the checks of their claims;
//! - [`cose`] and [`cbor`] read the keys of WebAuthn, [`der`] the certificates of their makers;
//! - [`hasher`] keeps passwords, [`imported_hash`] those of other systems;
//! - [`seal`] keeps secrets at rest;
//! - [`digest`] hashes one-time secrets and compares without leaking.

pub mod cbor;
pub mod cose;
pub mod der;
pub mod digest;
pub mod hasher;
pub mod imported_hash;
pub mod jose;
pub mod pkcs7;
pub mod seal;
pub mod xxhash;
