//! lockstep: speaks HTTP, and is the command line.

pub mod http;
