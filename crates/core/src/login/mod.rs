//! The login: from a request to a code for the client.
//!
//! Read [`state`] and [`steps`] first: the states own their facts, the transitions consume them and say what to do.
//! [`demand`] is the one place that decides whether MFA is needed; [`session`] whether a session may stand for the first
//! factor. `properties` drives random people through the machine and looks for a way past it.

mod challenge;
pub mod demand;
mod device_key;
pub mod effect;
pub mod enrolment;
pub mod input;
pub mod offer;
pub mod session;
pub mod signup;
pub mod state;
pub mod steps;

#[cfg(test)]
mod properties;
