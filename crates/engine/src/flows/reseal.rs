//! Seals everything anew after the master key has changed, so that the older key can go.

use crate::app;
use crate::store::db::{Db, DbError};
use crate::store::sealed::{self, COLUMNS};

/// How many rows share a commit: logins wait for it.
const BATCH: u32 = 200;

/// Seals all values that lie under an older key with the current one; returns how many. May run beside servers that know the current
/// key, and again if it was interrupted.
pub async fn run(db: &Db) -> Result<u64, DbError> {
    let mut count = 0;
    for column in &COLUMNS {
        let mut after = String::new();
        loop {
            let mut tx = db.write().await?;
            let (last, sealed) = sealed::reseal(&mut tx, column, &after, BATCH).await?;
            tx.commit().await?;
            count += sealed;
            let Some(last) = last else { break };
            after = last;
        }
    }
    // Last: until now the older key is still needed, and the canary says so to a server that starts without it.
    let mut tx = db.write().await?;
    count += u64::from(app::reseal_canary(&mut tx).await?);
    tx.commit().await?;
    Ok(count)
}
