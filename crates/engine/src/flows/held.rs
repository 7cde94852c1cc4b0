//! What a user can pass MFA with: the authenticators that are stored, and the verified address of the account.

use lockstep_core::factors::{FactorKind, email};
use lockstep_core::model::authenticator::Authenticator;
use lockstep_core::model::settings::Guardian;
use lockstep_core::model::user::User;

use crate::store::authenticators;
use crate::store::db::{Conn, DbError};

/// Returns a user's authenticators, oldest first. Where mail is a factor, the account's verified address is one of them without having
/// been enrolled (contract/mfa-api.md 1); an enrolled one with the same address stands for both.
pub async fn load(conn: &mut Conn, user: &User, guardian: &Guardian) -> Result<Vec<Authenticator>, DbError> {
    Ok(with_address(authenticators::list_of_user(conn, &user.id).await?, user, guardian))
}

/// Adds to what is stored of a user what [`load`] adds.
pub fn with_address(stored: Vec<Authenticator>, user: &User, guardian: &Guardian) -> Vec<Authenticator> {
    let mut held = stored;
    if guardian.enabled().contains(&FactorKind::Email)
        && let Some(own) = email::of_account(user)
        && !held.iter().any(|a| a.confirmed && email::address(a) == email::address(&own))
    {
        held.push(own);
    }
    held
}
