//! lockstep: speaks HTTP, and is the command line.

pub mod cli;
pub mod http;
pub mod listen;
pub mod tls;
pub mod ui;

mod files;
