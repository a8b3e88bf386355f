//! Moves CPU-bound reading off the async threads: so many at a time, so much memory, so long a queue. A panic in a
//! decoder is one failed job.
//!
//! What a job does is none of its business (`codec` knows); what a failure means to a client is the provider's.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::Semaphore;

/// Why a job gave no result.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum WorkError {
    /// The queue is full.
    #[error("{waiting} jobs wait already")]
    Overloaded {
        /// The length of the queue.
        waiting: usize,
    },
    /// The job panicked, or the program is ending.
    #[error("the job died")]
    Died,
}

/// The bounded pool; clones share it.
#[derive(Clone)]
pub struct Work(Arc<Inner>);

struct Inner {
    threads: Semaphore,
    memory_mib: Semaphore,
    memory_total_mib: u32,
    queue: usize,
    waiting: AtomicUsize,
    born: Instant,
    /// When a job last began or ended, in milliseconds since `born`.
    moved_ms: AtomicU64,
}

impl Work {
    /// `threads` jobs at a time (0: one a core) that take `memory_mib` MiB together; `queue` more may wait.
    pub fn new(threads: usize, memory_mib: u32, queue: usize) -> Self {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let memory_total_mib = memory_mib.max(1);
        Self(Arc::new(Inner {
            threads: Semaphore::new(threads),
            memory_mib: Semaphore::new(memory_total_mib as usize),
            memory_total_mib,
            queue,
            waiting: AtomicUsize::new(0),
            born: Instant::now(),
            moved_ms: AtomicU64::new(0),
        }))
    }

    /// Runs `job` on a thread of its own, once there is a thread and `bytes` of memory. A job that needs more than
    /// there is at all runs alone.
    ///
    /// # Errors
    /// [`WorkError::Overloaded`] at once where the queue is full; [`WorkError::Died`] where the job panicked.
    pub async fn run<T, F>(&self, bytes: u64, job: F) -> Result<T, WorkError>
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        let inner = &self.0;
        let mib = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX).clamp(1, inner.memory_total_mib);
        // The place in the queue is given back on every way out, also where the client leaves while waiting.
        let place = Place::take(inner)?;
        let thread = inner.threads.acquire().await.map_err(|_| WorkError::Died)?;
        let memory = inner.memory_mib.acquire_many(mib).await.map_err(|_| WorkError::Died)?;
        drop(place);
        // The permits live as long as the job, not as long as the request: a client that leaves frees nothing early.
        thread.forget();
        memory.forget();
        let permits = Permits { inner: Arc::clone(inner), mib };
        inner.move_on();
        let joined = tokio::task::spawn_blocking(move || {
            let _permits = permits;
            catch_unwind(AssertUnwindSafe(job))
        });
        match joined.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_panic)) => {
                tracing::error!("a reading job panicked; its request gets the vendor's failure");
                Err(WorkError::Died)
            }
            Err(error) => {
                tracing::error!(%error, "a reading job could not be run");
                Err(WorkError::Died)
            }
        }
    }

    /// Whether jobs can be run: a thread is free, or a job began or ended within `patience`. Asks nobody and waits for
    /// nothing.
    pub fn is_alive(&self, patience: Duration) -> bool {
        let inner = &self.0;
        let moved = Duration::from_millis(inner.moved_ms.load(Ordering::Relaxed));
        let is_stuck = inner.threads.available_permits() == 0 && inner.born.elapsed().saturating_sub(moved) > patience;
        !inner.threads.is_closed() && !is_stuck
    }
}

impl Inner {
    fn move_on(&self) {
        self.moved_ms.store(self.born.elapsed().as_millis() as u64, Ordering::Relaxed);
    }
}

struct Permits {
    inner: Arc<Inner>,
    mib: u32,
}

impl Drop for Permits {
    fn drop(&mut self) {
        self.inner.memory_mib.add_permits(self.mib as usize);
        self.inner.move_on();
        self.inner.threads.add_permits(1);
    }
}

struct Place<'a>(&'a Inner);

impl<'a> Place<'a> {
    fn take(inner: &'a Inner) -> Result<Self, WorkError> {
        let free_thread = inner.threads.available_permits() > 0;
        let waiting = inner.waiting.fetch_add(1, Ordering::SeqCst);
        let place = Self(inner);
        if waiting >= inner.queue && !(free_thread && waiting == 0) {
            return Err(WorkError::Overloaded { waiting });
        }
        Ok(place)
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::SeqCst);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;

    use super::*;

    #[tokio::test]
    async fn a_panic_costs_one_job() {
        let work = Work::new(1, 1, 1);
        assert_eq!(work.run(0, || panic!("on purpose")).await, Err::<(), _>(WorkError::Died));
        assert_eq!(work.run(0, || 7).await, Ok(7));
        assert!(work.is_alive(Duration::ZERO));
    }

    #[tokio::test]
    async fn a_full_queue_answers_at_once() {
        let work = Work::new(1, 1, 1);
        let (started, on_start) = tokio::sync::oneshot::channel();
        let (release, gate) = mpsc::channel::<()>();
        let busy = tokio::spawn({
            let work = work.clone();
            async move {
                work.run(0, move || {
                    let _ = started.send(());
                    let _ = gate.recv();
                })
                .await
            }
        });
        on_start.await.expect("the first job runs");
        let queued = tokio::spawn({
            let work = work.clone();
            async move { work.run(0, || 2).await }
        });
        while work.0.waiting.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        assert_eq!(work.run(0, || 3).await, Err(WorkError::Overloaded { waiting: 1 }));
        release.send(()).expect("the first job waits");
        assert_eq!(busy.await.expect("joined"), Ok(()));
        assert_eq!(queued.await.expect("joined"), Ok(2));
    }

    #[tokio::test]
    async fn jobs_that_all_hang_are_noticed() {
        let work = Work::new(1, 1, 1);
        let (started, on_start) = tokio::sync::oneshot::channel();
        let (release, gate) = mpsc::channel::<()>();
        let hanging = tokio::spawn({
            let work = work.clone();
            async move {
                work.run(0, move || {
                    let _ = started.send(());
                    let _ = gate.recv();
                })
                .await
            }
        });
        on_start.await.expect("the job runs");
        assert!(work.is_alive(Duration::from_hours(1)), "it may still come back");
        // Time is counted in whole milliseconds.
        while work.0.born.elapsed().as_millis() as u64 <= work.0.moved_ms.load(Ordering::Relaxed) {
            tokio::task::yield_now().await;
        }
        assert!(!work.is_alive(Duration::ZERO));
        release.send(()).expect("the job waits");
        hanging.await.expect("joined").expect("the job ends");
        assert!(work.is_alive(Duration::ZERO));
    }

    #[tokio::test]
    async fn a_job_larger_than_the_memory_runs_alone() {
        assert_eq!(Work::new(2, 4, 1).run(u64::MAX, || 1).await, Ok(1));
    }
}
