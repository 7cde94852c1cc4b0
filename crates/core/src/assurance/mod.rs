//! Assurance: from evidence to what tokens say.
//!
//! [`evidence`] is what was proven, how and when; [`table`] turns it into `acr`, `amr` and `auth_time`, and never claims
//! more than was proven (contract/step-up-and-claims.md 2 to 5).

pub mod evidence;
pub mod table;

pub use evidence::{Detail, FactorType, Kept, Method, MethodName, Methods, within};
pub use table::{Aal, Assurance, Rules, claims, multi_factor, multi_factor_at};

/// The one authentication context class that Auth0 knows, "multi-factor": the value of `acr` and of `acr_values`.
pub const PAPE: &str = "http://schemas.openid.net/pape/policies/2007/06/multi-factor";
