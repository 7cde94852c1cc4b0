//! Whom an account logs in: the user who has it, or the one to whom it was linked (contract/management-api.md 3, "Identities").
//!
//! Past the first factor there is the user alone: policy, factors, sessions and tokens are those of the user, whichever account was used.

use lockstep_core::env::Env;
use lockstep_core::ids::UserId;
use lockstep_core::model::user::{Identity, User};

use crate::store::db::{Conn, DbError};
use crate::store::linked_accounts::{self, LinkedAccount};
use crate::store::users;

/// An account and whom it logs in.
#[derive(Clone, Debug)]
pub(super) struct Account {
    /// Who is logged in.
    pub(super) user: User,
    /// The account, where it is not the user's own.
    pub(super) linked: Option<LinkedAccount>,
}

impl Account {
    fn own(user: User) -> Self {
        Self { user, linked: None }
    }

    /// Returns the address of the account.
    pub(super) fn email(&self) -> Option<&str> {
        self.account().email.as_deref()
    }

    /// Returns the account's id, if it was linked.
    pub(super) fn linked_id(&self) -> Option<&UserId> {
        self.linked.as_ref().map(|linked| &linked.account.id)
    }

    /// Returns the account: its names, and what is proven of them.
    pub(super) fn account(&self) -> &User {
        self.linked.as_ref().map_or(&self.user, |linked| &linked.account)
    }

    /// Returns the stored hash of the account's password.
    pub(super) async fn password_hash(&self, conn: &mut Conn) -> Result<Option<String>, DbError> {
        match self.linked_id() {
            Some(id) => linked_accounts::password_hash(conn, id).await,
            None => users::password_hash(conn, &self.user.id).await,
        }
    }

    /// Replaces the hash of an unchanged password by a better one, unless the password changed meanwhile.
    pub(super) async fn rehash_password(
        &self,
        conn: &mut Conn,
        old: &str,
        new: &str,
    ) -> Result<bool, DbError> {
        match self.linked_id() {
            Some(id) => linked_accounts::rehash_password(conn, id, old, new).await,
            None => users::rehash_password(conn, &self.user.id, old, new).await,
        }
    }
}

/// Returns the account of a connection whose address (already normal) is this.
pub(super) async fn by_email(
    conn: &mut Conn,
    connection: &str,
    email: &str,
) -> Result<Option<Account>, DbError> {
    if let Some(user) = users::find_by_email(conn, connection, email).await? {
        return Ok(Some(Account::own(user)));
    }
    let linked = linked_accounts::find_by_email(conn, connection, email).await?;
    of_owner(conn, linked).await
}

/// Returns the account of a connection whose user name is this, in whatever case.
pub(super) async fn by_username(
    conn: &mut Conn,
    connection: &str,
    username: &str,
) -> Result<Option<Account>, DbError> {
    if let Some(user) = users::find_by_username(conn, connection, username).await? {
        return Ok(Some(Account::own(user)));
    }
    let linked = linked_accounts::find_by_username(conn, connection, username).await?;
    of_owner(conn, linked).await
}

/// Returns the account of a connection whose number (E.164) is this.
pub(super) async fn by_phone(
    conn: &mut Conn,
    connection: &str,
    number: &str,
) -> Result<Option<Account>, DbError> {
    if let Some(user) = users::find_by_phone(conn, connection, number).await? {
        return Ok(Some(Account::own(user)));
    }
    let linked = linked_accounts::find_by_phone(conn, connection, number).await?;
    of_owner(conn, linked).await
}

async fn of_owner(conn: &mut Conn, linked: Option<LinkedAccount>) -> Result<Option<Account>, DbError> {
    let Some(linked) = linked else { return Ok(None) };
    let owner = users::find(conn, &linked.owner).await?;
    Ok(owner.map(|user| Account { user, linked: Some(linked) }))
}

/// Returns an account that is linked to a user now.
pub(super) async fn find(
    conn: &mut Conn,
    owner: &UserId,
    id: &UserId,
) -> Result<Option<LinkedAccount>, DbError> {
    Ok(linked_accounts::find(conn, id).await?.filter(|linked| linked.owner == *owner))
}

/// Changes what is proven of a linked account, here and where its user shows it. Returns the user; none if it is linked no more.
pub(super) async fn change(
    tx: &mut Conn,
    env: &Env,
    owner: &UserId,
    id: &UserId,
    change: impl FnOnce(&mut User),
) -> Result<Option<User>, DbError> {
    let Some(mut user) = users::find_to_change(tx, owner).await? else { return Ok(None) };
    let Some(mut linked) = find(tx, owner, id).await? else { return Ok(None) };
    change(&mut linked.account);
    linked_accounts::save(tx, &linked.account).await?;
    for identity in user.identities.iter_mut().filter(|identity| identity.is_of(id)) {
        *identity = Identity::linked(&linked.account);
    }
    user.updated_at = env.now;
    users::save(tx, &user).await?;
    Ok(Some(user))
}

/// Takes a linked account from its user, who has to be loaded for a change. The account is nobody's then.
pub(super) async fn remove(
    tx: &mut Conn,
    env: &Env,
    user: &mut User,
    linked: &LinkedAccount,
) -> Result<(), DbError> {
    let id = &linked.account.id;
    linked_accounts::delete(tx, id).await?;
    user.identities.retain(|identity| !identity.is_of(id));
    user.updated_at = env.now;
    users::save(tx, user).await?;
    Ok(())
}

/// So many accounts are taken at a time when their connection goes.
const BATCH: i64 = 200;

/// Takes all accounts of a connection from their users: it goes.
pub(super) async fn remove_of_connection(tx: &mut Conn, env: &Env, connection: &str) -> Result<(), DbError> {
    loop {
        let found = linked_accounts::list_of_connection(tx, connection, BATCH).await?;
        if found.is_empty() {
            return Ok(());
        }
        for linked in found {
            match users::find_to_change(tx, &linked.owner).await? {
                Some(mut owner) => remove(tx, env, &mut owner, &linked).await?,
                None => {
                    linked_accounts::delete(tx, &linked.account.id).await?;
                }
            }
        }
    }
}
