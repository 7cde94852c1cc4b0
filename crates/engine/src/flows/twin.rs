//! What the twin's controls do with the tenant: look into the outbox and the decisions, take a snapshot, go back to one.

use lockstep_core::ids::{TransactionId, UserId};
use lockstep_core::login::demand::Decision;
use lockstep_core::model::user::normal_email;
use serde_json::{Value, json};

use crate::app::App;
use crate::keyring::KeyRingError;
use crate::store::db::DbError;
pub use crate::store::decisions::Record as DecisionRecord;
pub use crate::store::outbox::Stored as StoredMessage;
use crate::store::snapshots::SnapshotError;
use crate::store::{decisions, outbox, snapshots, users};

/// The snapshot that is taken at the start.
pub const SEED: &str = "seed";
/// How many decisions about a user are told.
const MOST: u32 = 50;

/// Why a control does not do it.
#[derive(Debug, thiserror::Error)]
pub enum TwinError {
    /// There is no such snapshot.
    #[error("there is no snapshot {0:?}")]
    UnknownSnapshot(String),
    /// The name is not fit for a snapshot.
    #[error("a snapshot's name has 1 to 32 characters of a-z, 0-9 and -; {0:?} does not")]
    SnapshotName(String),
    /// Something unexpected.
    #[error("internal error: {0}")]
    Internal(String),
}

impl From<SnapshotError> for TwinError {
    fn from(error: SnapshotError) -> Self {
        match error {
            SnapshotError::Unknown(name) => Self::UnknownSnapshot(name),
            SnapshotError::Name(name) => Self::SnapshotName(name),
            SnapshotError::Backend | SnapshotError::Path(_) | SnapshotError::Db(_) => {
                Self::Internal(error.to_string())
            }
        }
    }
}

impl From<DbError> for TwinError {
    fn from(error: DbError) -> Self {
        Self::Internal(error.to_string())
    }
}

impl From<KeyRingError> for TwinError {
    fn from(error: KeyRingError) -> Self {
        Self::Internal(error.to_string())
    }
}

/// Keeps the present state under a name. One taken before under that name is replaced.
pub async fn snapshot(app: &App, name: &str) -> Result<(), TwinError> {
    app.logs().flush().await;
    Ok(snapshots::take(app.db(), name).await?)
}

/// Returns to a snapshot: every row is as it was, sessions and keys included.
pub async fn reset(app: &App, name: &str) -> Result<(), TwinError> {
    // Records that wait to be written belong to the time before the reset.
    app.logs().flush().await;
    snapshots::restore(app.db(), name).await?;
    app.keyring().reload().await?;
    Ok(())
}

/// Returns the last messages, newest first; with `to`, only those to that address.
pub async fn outbox(app: &App, to: Option<&str>) -> Result<Vec<StoredMessage>, TwinError> {
    let mut conn = app.db().read().await?;
    let mut messages = outbox::list(&mut conn, 500).await?;
    messages.retain(|m| to.is_none_or(|to| m.message.recipient.eq_ignore_ascii_case(to)));
    Ok(messages)
}

/// Returns the decisions of a login, oldest first, or the last ones about a user (id or mail address), newest first.
pub async fn decisions(app: &App, id: &str) -> Result<Vec<DecisionRecord>, TwinError> {
    let mut conn = app.db().read().await?;
    if let Ok(address) = normal_email(id) {
        let mut found = Vec::new();
        for user in users::list_by_email(&mut conn, &address).await? {
            found.extend(decisions::list_of_user(&mut conn, &user.id, MOST).await?);
        }
        return Ok(found);
    }
    if let Ok(user) = UserId::parse(id) {
        return Ok(decisions::list_of_user(&mut conn, &user, MOST).await?);
    }
    match TransactionId::parse(id) {
        Ok(transaction) => Ok(decisions::list_of_transaction(&mut conn, &transaction).await?),
        Err(_) => Ok(Vec::new()),
    }
}

/// Returns a decision record as JSON, with the decision in words.
pub fn describe(record: &DecisionRecord) -> Value {
    let words = serde_json::from_value::<Decision>(record.decision.clone()).map(|d| d.explain());
    json!({
        "transaction": record.transaction, "user_id": record.user, "client_id": record.client,
        "created_at": record.created_at.to_iso(), "decision": record.decision, "words": words.unwrap_or_default()
    })
}
