//! SQL and nothing else: one file an aggregate, no decisions.

pub mod db;
