//! Work that no request asks for.

use std::future::Future;
use std::time::Duration;

use tokio::task::JoinHandle;

pub mod cleanup;
pub mod counts;
pub mod delivery;
pub mod jobs;
pub mod keys;
pub mod streams;

/// Does something over and over with a pause between, until the task is dropped with the runtime.
fn every<W: Future<Output = ()> + Send>(
    pause: Duration,
    mut work: impl FnMut() -> W + Send + 'static,
) -> JoinHandle<()> {
    tokio::spawn(async move {
        let mut ticks = tokio::time::interval(pause);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            ticks.tick().await;
            work().await;
        }
    })
}
