//! Bodies, counted while they arrive: each has its limit, and all together have a room. What is long enough to keep an
//! async thread busy is looked through elsewhere.

use std::num::NonZero;
use std::panic::resume_unwind;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};
use http_body_util::BodyExt;
use hyper::body::Body as HttpBody;
use thiserror::Error;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tracing::Span;

use crate::underway;

/// Bytes of a body that need no room: what requests without a picture have, so that these never wait for pictures.
const SMALL: usize = 64 << 10;

/// Why a body could not be taken in.
#[derive(Debug, Error)]
pub enum BodyError {
    /// More bytes than the limit.
    #[error("the body has more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection ended, the time is over, or the transfer encoding is broken.
    #[error("the body is broken: {0}")]
    Broken(String),
    /// The bodies that are here already have all the room.
    #[error("there is no room for another large body")]
    NoRoom,
}

/// What all bodies share that are being taken in; clones are the same.
#[derive(Clone, Debug)]
pub struct Intake {
    /// Room left, in KiB.
    room: Arc<Semaphore>,
    /// Threads for large bodies.
    turns: Arc<Semaphore>,
}

impl Intake {
    /// Bodies have `memory_mib` MiB together, small ones not counted.
    pub fn new(memory_mib: u32) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, NonZero::get);
        Self { room: Arc::new(Semaphore::new(memory_mib as usize * 1024)), turns: Arc::new(Semaphore::new(threads)) }
    }

    /// The whole body, counted while it arrives; `Content-Length` is a hint that nobody trusts. Its room is given back
    /// with the last clone of the bytes.
    ///
    /// # Errors
    /// [`BodyError::TooLarge`] past `limit` bytes, [`BodyError::Broken`] where it ends too early, [`BodyError::NoRoom`] at
    /// once where other bodies have the room.
    pub async fn body(&self, mut body: Body, limit: usize) -> Result<Bytes, BodyError> {
        let mut taken = Taken::new(self);
        while let Some(frame) = body.frame().await {
            let frame = frame.map_err(|error| BodyError::Broken(error.to_string()))?;
            // What it has beside its bytes counts as none.
            let chunk = frame.into_data().unwrap_or_default();
            let is_last = body.is_end_stream();
            underway::arrived(&chunk, is_last);
            if taken.bytes.len() + chunk.len() > limit {
                return Err(BodyError::TooLarge { limit });
            }
            if is_last && taken.bytes.is_empty() && chunk.len() <= SMALL {
                // Most bodies come in one piece.
                return Ok(chunk);
            }
            if !taken.push(&chunk) {
                return Err(BodyError::NoRoom);
            }
        }
        Ok(taken.into_bytes())
    }

    /// What arrives of a body within `limit` bytes and the room, whether that is the whole of it, and the body as if
    /// nobody had looked.
    pub async fn peek(&self, body: Body, limit: usize) -> (Bytes, bool, Body) {
        let mut arriving = body.into_data_stream();
        let mut taken = Taken::new(self);
        let mut rest = None;
        let is_whole = loop {
            match arriving.next().await {
                None => break true,
                Some(Ok(chunk)) if taken.bytes.len() + chunk.len() <= limit && taken.push(&chunk) => {}
                Some(other) => {
                    rest = Some(other);
                    break false;
                }
            }
        };
        let seen = taken.into_bytes();
        let again = stream::iter([Ok(seen.clone())].into_iter().chain(rest)).chain(arriving);
        (seen, is_whole, Body::from_stream(again))
    }

    /// Runs `job` over `bytes` bytes: here where they are few, else on another thread, so many at a time as there are
    /// cores. A panic in it goes on here.
    pub async fn aside<T, F>(&self, bytes: usize, job: F) -> T
    where
        T: Send + 'static,
        F: FnOnce() -> T + Send + 'static,
    {
        if bytes <= SMALL {
            return job();
        }
        // The turns are never closed.
        let turn = Arc::clone(&self.turns).acquire_owned().await.ok();
        let span = Span::current();
        let done = tokio::task::spawn_blocking(move || {
            // Given back by the job, not by the request: a client that leaves frees no thread.
            let _turn = turn;
            span.in_scope(job)
        });
        match done.await {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => resume_unwind(panic),
                // The runtime is shutting down, and this task with it.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

/// A body so far, with its part of the room.
struct Taken {
    bytes: Vec<u8>,
    room: Arc<Semaphore>,
    held: Option<OwnedSemaphorePermit>,
}

impl Taken {
    fn new(intake: &Intake) -> Self {
        Self { bytes: Vec::new(), room: Arc::clone(&intake.room), held: None }
    }

    /// Whether there is room for `chunk`, which then is here.
    fn push(&mut self, chunk: &[u8]) -> bool {
        let needed = (self.bytes.len() + chunk.len()).saturating_sub(SMALL).div_ceil(1024);
        let more = needed.saturating_sub(self.held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        if more > 0 {
            let Ok(more) = u32::try_from(more) else { return false };
            let Ok(permit) = Arc::clone(&self.room).try_acquire_many_owned(more) else { return false };
            match &mut self.held {
                Some(held) => held.merge(permit),
                None => self.held = Some(permit),
            }
        }
        self.bytes.extend_from_slice(chunk);
        true
    }

    fn into_bytes(self) -> Bytes {
        if self.held.is_some() { Bytes::from_owner(self) } else { Bytes::from(self.bytes) }
    }
}

impl AsRef<[u8]> for Taken {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_may_reach_its_limit_and_not_pass_it() {
        let intake = Intake::new(1);
        assert_eq!(intake.body(Body::from("12345"), 5).await.expect("five bytes").as_ref(), b"12345");
        assert!(matches!(intake.body(Body::from("123456"), 5).await, Err(BodyError::TooLarge { limit: 5 })));
    }

    #[tokio::test]
    async fn looking_into_a_body_loses_nothing_of_it() {
        let intake = Intake::new(1);
        let chunks = |end: Option<&'static str>| {
            let chunks = ["123", "456", "789"].map(Ok::<_, String>).into_iter();
            Body::from_stream(stream::iter(chunks.chain(end.map(|why| Err(why.to_owned())))))
        };
        for (limit, whole) in [(9, true), (8, false), (2, false)] {
            let (seen, is_whole, again) = intake.peek(chunks(None), limit).await;
            assert_eq!((is_whole, b"123456789".starts_with(&seen)), (whole, true), "{limit}");
            assert_eq!(intake.body(again, 100).await.expect("kept").as_ref(), b"123456789", "{limit}");
        }
        let (_, is_whole, again) = intake.peek(chunks(Some("gone")), 100).await;
        assert!(!is_whole);
        assert!(matches!(intake.body(again, 100).await, Err(BodyError::Broken(_))));
    }

    #[tokio::test]
    async fn large_bodies_share_a_room_and_small_ones_need_none() {
        let intake = Intake::new(1);
        let large = || Body::from(vec![0; (600 << 10) + SMALL]);
        let first = intake.body(large(), 1 << 20).await.expect("room for one");
        assert!(matches!(intake.body(large(), 1 << 20).await, Err(BodyError::NoRoom)));
        let (seen, is_whole, again) = intake.peek(large(), 1 << 20).await;
        assert!((seen.is_empty(), is_whole) == (true, false));
        assert!(intake.body(Body::from(vec![0; SMALL]), 1 << 20).await.is_ok());
        let clone = first.clone();
        drop(first);
        assert!(matches!(intake.body(large(), 1 << 20).await, Err(BodyError::NoRoom)), "a clone is still here");
        drop(clone);
        assert!(intake.body(again, 1 << 20).await.is_ok());
    }

    #[tokio::test]
    async fn long_jobs_run_elsewhere_and_short_ones_here() {
        let intake = Intake::new(1);
        let here = std::thread::current().id();
        assert_eq!(intake.aside(SMALL, || std::thread::current().id()).await, here);
        assert_ne!(intake.aside(SMALL + 1, || std::thread::current().id()).await, here);
    }
}
