//! Password hashing, off the async threads and bounded: too many at once are turned away, not piled up.
//!
//! The threads are our own and few. Each keeps the memory of a hash (19 MiB) for the next one; tokio's blocking pool would start a
//! new thread whenever none is idle at that moment, and the allocator keeps such memory for every one of them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, mpsc};

use lockstep_core::crypto::hasher::{self, HashError, HashParams, StoredHash, Verdict};
use lockstep_core::random::SystemRng;
use tokio::sync::oneshot;

/// Hashes and checks passwords.
#[derive(Clone, Debug)]
pub struct PasswordPool {
    params: HashParams,
    jobs: mpsc::Sender<Job>,
    waiting: Arc<AtomicUsize>,
    queue: usize,
}

type Job = Box<dyn FnOnce() + Send>;

/// Why a password was not hashed or checked.
#[derive(Debug, thiserror::Error)]
pub enum PasswordError {
    /// Too many are waiting; answer 503 with `Retry-After`.
    #[error("too many passwords are being checked at once")]
    Overloaded,
    /// The password cannot be hashed: too long.
    #[error(transparent)]
    Hash(#[from] HashError),
}

impl PasswordPool {
    /// Starts a pool of so many at a time, with a queue of that length. Its threads end with the last pool.
    pub fn new(params: HashParams, threads: usize, queue: usize) -> Self {
        let (jobs, work) = mpsc::channel::<Job>();
        let work = Arc::new(Mutex::new(work));
        for _ in 0..threads.max(1) {
            let work = Arc::clone(&work);
            std::thread::spawn(move || {
                loop {
                    // The lock is held while waiting: one thread waits for work, the others for the lock.
                    let job = work.lock().unwrap_or_else(PoisonError::into_inner).recv();
                    let Ok(job) = job else { return };
                    job();
                }
            });
        }
        Self { params, jobs, waiting: Arc::default(), queue: queue + threads.max(1) }
    }

    /// Returns the hash to store.
    pub async fn hash(&self, password: String) -> Result<String, PasswordError> {
        let params = self.params;
        let hash = self.run(move || hasher::hash(&password, params, &mut SystemRng)).await??;
        Ok(hash.as_str().to_owned())
    }

    /// Checks a password against a stored hash. With none, or one that cannot be read, it costs the same and does not match: an
    /// unknown user must not be told from a known one by the time it takes.
    pub async fn verify(&self, password: String, stored: Option<String>) -> Result<Verdict, PasswordError> {
        let params = self.params;
        self.run(move || {
            let known = stored.as_deref().and_then(|text| StoredHash::parse(text).ok());
            let is_known = known.is_some();
            let verdict =
                hasher::verify(&password, &known.unwrap_or_else(|| StoredHash::dummy(params)), params);
            if is_known { verdict } else { Verdict::Mismatch }
        })
        .await
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let place = Place::take(&self.waiting, self.queue).ok_or(PasswordError::Overloaded)?;
        let (done, result) = oneshot::channel();
        let job = move || {
            let value = work();
            drop(place);
            // Whoever asked may be gone.
            let _ = done.send(value);
        };
        self.jobs.send(Box::new(job)).map_err(|_| PasswordError::Overloaded)?;
        // The hash functions do not panic; a pool that shuts down is the one way to lose an answer.
        result.await.map_err(|_| PasswordError::Overloaded)
    }
}

/// A place in the queue, given back when dropped: also when the request is gone before its turn.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take(waiting: &Arc<AtomicUsize>, most: usize) -> Option<Self> {
        let place = Self(Arc::clone(waiting));
        (waiting.fetch_add(1, Ordering::Relaxed) < most).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(threads: usize, queue: usize) -> PasswordPool {
        PasswordPool::new(HashParams::new(1024, 1, 1).unwrap(), threads, queue)
    }

    #[tokio::test]
    async fn a_right_password_matches_and_nobody_has_none() {
        let pool = pool(1, 4);
        let hash = pool.hash("Pw-ana-1!".to_owned()).await.unwrap();
        assert!(matches!(
            pool.verify("Pw-ana-1!".to_owned(), Some(hash.clone())).await.unwrap(),
            Verdict::Match { .. }
        ));
        assert!(matches!(pool.verify("Pw-ana-2!".to_owned(), Some(hash)).await.unwrap(), Verdict::Mismatch));
        assert!(matches!(pool.verify("x".to_owned(), None).await.unwrap(), Verdict::Mismatch));
    }

    #[tokio::test]
    async fn more_than_the_queue_holds_are_turned_away_and_places_come_back() {
        let pool = pool(1, 0);
        let (release, held) = mpsc::channel::<()>();
        let first = tokio::spawn({
            let pool = pool.clone();
            async move { pool.run(move || held.recv()).await }
        });
        while pool.waiting.load(Ordering::Relaxed) == 0 {
            tokio::task::yield_now().await;
        }
        assert!(matches!(pool.hash("b".to_owned()).await, Err(PasswordError::Overloaded)));
        release.send(()).unwrap();
        assert!(first.await.unwrap().is_ok());
        assert!(pool.hash("c".to_owned()).await.is_ok());
    }
}
