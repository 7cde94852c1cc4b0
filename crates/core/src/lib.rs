//! lockstep-core: decides.
//!
//! Pure and synchronous: values in, values out. No async, no I/O, no clock of its own. In reading order:
//!
//! - [`ids`], [`time`], [`random`], [`env`]: identifiers, points in time, chance, and what pure code may know of the world.
//! - [`codes`]: every error on the wire, in one table for each API; [`search`]: the language of the Management API's `q`.
//! - [`crypto`]: keys and tokens, password hashes, sealed secrets.
//! - [`model`]: plain data with its own rules: clients, users, settings …
//! - [`factors`]: the second factors, one folder each; read its first page, then `totp`.
//! - [`assurance`]: from what was proven to what tokens say: `acr`, `amr`, `auth_time`.
//! - [`oauth`]: the rules of `/authorize`, scopes and claims.
//! - [`login`]: the login as states and steps, and the decision whether MFA is needed; [`passwordless`]: a
//!   code as the first factor; [`mfa_api`], [`my_account`]: what applications are told of factors.
//! - [`doctor`]: settings that are right by themselves and cannot work together.
//! - [`user_import`]: a row of an import of users.

pub mod assurance;
pub mod codes;
pub mod crypto;
pub mod dbconnections;
pub mod doctor;
pub mod env;
pub mod factors;
pub mod ids;
pub mod login;
pub mod mfa_api;
pub mod model;
pub mod my_account;
pub mod oauth;
pub mod passwordless;
pub mod random;
pub mod search;
pub mod time;
pub mod user_import;
