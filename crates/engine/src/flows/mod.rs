//! What somebody does, one file a thing: load, decide, save.

pub mod first_start;
