//! Universal Login, driven by a browser without a screen.

mod attestation;
mod codes;
mod countries;
mod enrolment;
mod first_factor;
mod keys;
mod nodes;
mod passkey_signup;
mod passkeys;
mod recovery;
mod remember;
mod reset;
mod secrets;
mod step_up;
mod ticket;
mod totp;
mod transactions;
