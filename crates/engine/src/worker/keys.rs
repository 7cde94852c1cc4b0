//! Follows the signing keys when another server, or the command line, has changed them.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::app::App;

/// How often the server looks.
const EVERY: Duration = Duration::from_secs(1);

/// Looks every second whether the keys are still those of the database.
pub fn start(app: App) -> JoinHandle<()> {
    super::every(EVERY, move || {
        let app = app.clone();
        async move {
            match app.keyring().follow().await {
                Ok(true) => tracing::info!("The signing keys were changed elsewhere; following"),
                Ok(false) => {}
                Err(error) => tracing::warn!(%error, "The signing keys could not be read; trying again"),
            }
        }
    })
}
