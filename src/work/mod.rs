//! Moves CPU-bound work off the async threads: so many jobs at a time, so much memory, so long a queue.
//!
//! Pictures are read in worker processes where there are any, so that a reader that loops, takes all memory or is led
//! astray by what it reads costs one process and one answer; other jobs run on threads, where a panic is one failed job.
//!
//! | file | holds |
//! |---|---|
//! | here | the queue, and what a job may take |
//! | `reading` | what a reading is |
//! | `process` | the server's side of workers: start, watch, end |
//! | `worker` | the worker's side |
//! | `frame` | what they say to each other |
//! | `confine` | what a worker denies itself |
//!
//! What a failure means to a client is the provider's business.

mod confine;
mod frame;
mod process;
mod reading;
pub mod worker;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::sync::Semaphore;

pub use confine::{Confinement, Landlock};
pub use process::{Launch, LaunchError, WorkerStats, Workers};
pub use reading::{Decoded, Done, Task, read};

use crate::codec::{self, LoadError};

/// Why a job gave no result.
#[derive(Clone, Copy, Debug, Error, PartialEq, Eq)]
pub enum WorkError {
    /// The queue is full.
    #[error("{waiting} jobs wait already")]
    Overloaded {
        /// The length of the queue.
        waiting: usize,
    },
    /// The job panicked, its process died or was killed, or the program is ending.
    #[error("the job died")]
    Died,
}

/// The bounded pool; clones share it.
#[derive(Clone)]
pub struct Work(Arc<Inner>);

struct Inner {
    workers: Option<Workers>,
    panics: AtomicU64,
    threads: Semaphore,
    threads_total: usize,
    memory_mib: Semaphore,
    memory_total_mib: u32,
    queue: usize,
    waiting: AtomicUsize,
    born: Instant,
    /// When a job last began or ended, in milliseconds since `born`.
    moved_ms: AtomicU64,
}

/// What the pool does and did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Jobs that wait.
    pub waiting: usize,
    /// Jobs that run.
    pub running: usize,
    /// MiB that they may take.
    pub reserved_mib: usize,
    /// Panics so far; of readers in workers those too that they caught themselves.
    pub panics: u64,
    /// Of worker processes; all nought where there are none.
    pub workers: WorkerStats,
}

impl Work {
    /// `threads` jobs at a time (0: one a core) that take `memory_mib` MiB together; `queue` more may wait. Pictures are
    /// read on threads of this process.
    pub fn new(threads: usize, memory_mib: u32, queue: usize) -> Self {
        Self::with(None, threads, memory_mib, queue)
    }

    /// As [`Work::new`], and pictures are read in `workers`.
    pub fn isolated(workers: Workers, threads: usize, memory_mib: u32, queue: usize) -> Self {
        Self::with(Some(workers), threads, memory_mib, queue)
    }

    fn with(workers: Option<Workers>, threads: usize, memory_mib: u32, queue: usize) -> Self {
        let threads = match threads {
            0 => std::thread::available_parallelism().map_or(1, usize::from),
            threads => threads,
        };
        let memory_total_mib = memory_mib.max(1);
        Self(Arc::new(Inner {
            workers,
            panics: AtomicU64::new(0),
            threads_total: threads,
            threads: Semaphore::new(threads),
            memory_mib: Semaphore::new(memory_total_mib as usize),
            memory_total_mib,
            queue,
            waiting: AtomicUsize::new(0),
            born: Instant::now(),
            moved_ms: AtomicU64::new(0),
        }))
    }

    /// Reads a picture's codes, in a worker process where there are any, else on a thread.
    ///
    /// A client that leaves frees its place at once where it is read in a process; on a thread, when the reader is done.
    ///
    /// # Errors
    /// The outer error as [`Work::run`], [`WorkError::Died`] also where the process died or was killed; the inner one
    /// where the bytes are no picture within the task's limits.
    pub async fn read<P>(&self, picture: P, task: Task) -> Result<Result<Done, LoadError>, WorkError>
    where
        P: AsRef<[u8]> + Send + 'static,
    {
        // The header alone tells how much memory the job takes, before it takes any.
        let (width, height) = match codec::probe(picture.as_ref(), &task.limits) {
            Ok(size) => size,
            Err(error) => return Ok(Err(error)),
        };
        let memory = reading::memory(u64::from(width) * u64::from(height));
        let result = match &self.0.workers {
            None => {
                let span = tracing::Span::current();
                self.run(memory, move || span.in_scope(|| read(picture.as_ref(), &task))).await?
            }
            Some(workers) => {
                let _permits = self.admit(memory).await?;
                let answer = workers.read(picture.as_ref(), &task, (width, height)).await.ok_or(WorkError::Died)?;
                for panic in &answer.panics {
                    self.0.panics.fetch_add(1, Ordering::Relaxed);
                    tracing::error!(panic, width, height, "a panic in a reader");
                }
                answer.result.ok_or(WorkError::Died)?
            }
        };
        Ok(result)
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
        let permits = self.admit(bytes).await?;
        let joined = tokio::task::spawn_blocking(move || {
            // They live as long as the job, not as long as the request: a client that leaves frees nothing early.
            let _permits = permits;
            catch_unwind(AssertUnwindSafe(job))
        });
        match joined.await {
            Ok(Ok(result)) => Ok(result),
            Ok(Err(_panic)) => {
                self.0.panics.fetch_add(1, Ordering::Relaxed);
                tracing::error!("a reading job panicked; its request gets the vendor's failure");
                Err(WorkError::Died)
            }
            Err(error) => {
                tracing::error!(%error, "a reading job could not be run");
                Err(WorkError::Died)
            }
        }
    }

    /// Waits until a job may begin that takes so many bytes. It runs as long as the permits live.
    async fn admit(&self, bytes: u64) -> Result<Permits, WorkError> {
        let inner = &self.0;
        let mib = u32::try_from(bytes.div_ceil(1 << 20)).unwrap_or(u32::MAX).clamp(1, inner.memory_total_mib);
        // The place in the queue is given back on every way out, also where the client leaves while waiting.
        let place = Place::take(inner)?;
        let thread = inner.threads.acquire().await.map_err(|_| WorkError::Died)?;
        let memory = inner.memory_mib.acquire_many(mib).await.map_err(|_| WorkError::Died)?;
        drop(place);
        thread.forget();
        memory.forget();
        inner.move_on();
        Ok(Permits { inner: Arc::clone(inner), mib })
    }

    /// Whether jobs can be run: a thread is free, or a job began or ended within `patience`. Asks nobody and waits for
    /// nothing.
    pub fn is_alive(&self, patience: Duration) -> bool {
        let inner = &self.0;
        let moved = Duration::from_millis(inner.moved_ms.load(Ordering::Relaxed));
        let is_stuck = inner.threads.available_permits() == 0 && inner.born.elapsed().saturating_sub(moved) > patience;
        !inner.threads.is_closed() && !is_stuck
    }

    /// What the pool does and did.
    pub fn stats(&self) -> Stats {
        let inner = &self.0;
        Stats {
            waiting: inner.waiting.load(Ordering::SeqCst),
            running: inner.threads_total.saturating_sub(inner.threads.available_permits()),
            reserved_mib: (inner.memory_total_mib as usize).saturating_sub(inner.memory_mib.available_permits()),
            panics: inner.panics.load(Ordering::Relaxed),
            workers: inner.workers.as_ref().map(Workers::stats).unwrap_or_default(),
        }
    }

    /// Ends all worker processes, those too that are reading. Nothing can be read afterwards.
    pub async fn close(&self) {
        /// What was killed is gone by then, or hangs in the system.
        const GONE: Duration = Duration::from_secs(2);
        self.0.threads.close();
        if let Some(workers) = &self.0.workers
            && tokio::time::timeout(GONE, workers.close()).await.is_err()
        {
            tracing::warn!("worker processes were killed and are still there");
        }
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
