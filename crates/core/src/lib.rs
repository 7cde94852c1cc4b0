//! lockstep-core: decides.
//!
//! Pure and synchronous: values in, values out. No async, no I/O, no clock of its own. In reading order:
//!
//! - [`ids`], [`time`], [`random`], [`env`]: identifiers, points in time, chance, and what pure code may know of the world.

pub mod env;
pub mod ids;
pub mod random;
pub mod time;
