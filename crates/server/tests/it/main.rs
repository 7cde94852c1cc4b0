//! The one integration binary: the server driven through its router, as a client would.

mod architecture;
mod cli;
mod support;
