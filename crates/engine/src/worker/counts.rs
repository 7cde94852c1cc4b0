//! Keeps ready what searches count with, as long as many people are searched.

use std::time::Duration;

use tokio::task::JoinHandle;

use crate::app::App;

/// How often the server looks.
const EVERY: Duration = Duration::from_secs(1);

/// Looks every second whether the milestones are needed, and old.
pub fn start(app: App) -> JoinHandle<()> {
    super::every(EVERY, move || {
        let app = app.clone();
        async move {
            if let Err(error) = app.counts().renew(app.db()).await {
                tracing::warn!(%error, "Milestones for searches could not be read; trying again");
            }
        }
    })
}
