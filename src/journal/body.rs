//! Bodies on their way: kept as they pass, without holding anything up.

use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::FutureExt;
use hyper::body::{Body as HttpBody, Frame, SizeHint};
use sha2::{Digest, Sha256};

/// Bytes of one body that are kept as they are; of a longer one its beginning and its digest.
const MAX_WHOLE: usize = 256 << 10;
/// Bytes of a longer body that are kept.
const BEGINNING: usize = 4 << 10;
/// Pieces up to this length are copied, since they may be a small part of a large buffer that would be kept whole.
const COPIED: usize = 16 << 10;

/// A body, as far as it is kept.
#[derive(Debug, Default)]
pub struct Kept {
    /// Most bodies come in one piece.
    first: Bytes,
    rest: Vec<Bytes>,
    size: u64,
    /// Of a body whose end is not kept.
    running: Option<Box<Sha256>>,
    is_complete: bool,
}

impl Kept {
    /// A whole body.
    pub fn whole(bytes: Bytes) -> Self {
        let mut kept = Self::default();
        kept.push(bytes);
        kept.is_complete = true;
        kept
    }

    /// Adds what comes next.
    fn push(&mut self, piece: Bytes) {
        self.size += piece.len() as u64;
        if let Some(running) = &mut self.running {
            running.update(&piece);
            return;
        }
        if self.size <= MAX_WHOLE as u64 {
            if self.first.is_empty() {
                self.first = piece;
            } else if !piece.is_empty() {
                self.rest.push(piece);
            }
            return;
        }
        let mut running = Box::new(Sha256::new());
        let mut beginning = Vec::with_capacity(BEGINNING);
        for piece in std::iter::once(std::mem::take(&mut self.first)).chain(self.rest.drain(..)).chain([piece]) {
            running.update(&piece);
            let room = BEGINNING - beginning.len();
            beginning.extend_from_slice(&piece[..piece.len().min(room)]);
        }
        self.first = beginning.into();
        self.running = Some(running);
    }

    /// Bytes that passed.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Bytes that are kept.
    pub(super) fn bytes(&self) -> usize {
        self.first.len() + self.rest.iter().map(|piece| piece.len() + size_of::<Bytes>()).sum::<usize>()
    }

    /// All that is kept, where that is short and in one piece.
    pub(super) fn short(&mut self) -> Option<&mut Bytes> {
        (self.rest.is_empty() && self.first.len() <= COPIED).then_some(&mut self.first)
    }

    /// Whether the end of the body passed; nobody need read a body that does not matter.
    pub fn is_complete(&self) -> bool {
        self.is_complete
    }

    /// Whether everything that passed is kept.
    pub fn is_whole(&self) -> bool {
        self.running.is_none()
    }

    /// What is kept, in one piece.
    pub fn joined(&self) -> Bytes {
        if self.rest.is_empty() {
            return self.first.clone();
        }
        let pieces: Vec<_> = std::iter::once(&self.first).chain(&self.rest).map(AsRef::as_ref).collect();
        pieces.concat().into()
    }

    /// SHA-256 of what passed, in hexadecimal.
    pub fn digest(&self) -> String {
        match &self.running {
            Some(running) => hex::encode(running.as_ref().clone().finalize()),
            None => hex::encode(Sha256::digest(self.joined())),
        }
    }
}

/// A body being kept while a handler reads it.
#[derive(Clone, Debug, Default)]
pub struct Recording(Option<Arc<Mutex<Kept>>>);

impl Recording {
    /// The same body, kept while it is read.
    pub fn start(body: Body) -> (Body, Self) {
        // Most requests have none.
        if body.is_end_stream() {
            return (body, Self(None));
        }
        let kept = Arc::default();
        let recorded = Recorded { inner: body, kept: Arc::clone(&kept) };
        (Body::new(recorded), Self(Some(kept)))
    }

    /// What was read until here.
    pub fn take(&self) -> Kept {
        match &self.0 {
            None => Kept { is_complete: true, ..Kept::default() },
            Some(kept) => std::mem::take(&mut kept.lock().unwrap_or_else(PoisonError::into_inner)),
        }
    }
}

struct Recorded {
    inner: Body,
    kept: Arc<Mutex<Kept>>,
}

impl HttpBody for Recorded {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let frame = std::task::ready!(Pin::new(&mut self.inner).poll_frame(cx));
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        match &frame {
            Some(Ok(frame)) => {
                if let Some(piece) = frame.data_ref() {
                    let is_small = piece.len() <= COPIED;
                    kept.push(if is_small { Bytes::copy_from_slice(piece) } else { piece.clone() });
                }
                kept.is_complete |= self.inner.is_end_stream();
            }
            Some(Err(_)) => {}
            None => kept.is_complete = true,
        }
        drop(kept);
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.inner.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.inner.size_hint()
    }
}

/// Keeps the body of an answer, which is there as a whole wherever a vendor answers; of a body that is still being made
/// nothing is kept.
pub fn record_answer(answer: Response) -> (Response, Kept) {
    let (parts, mut body) = answer.into_parts();
    if body.is_end_stream() {
        return (Response::from_parts(parts, body), Kept { is_complete: true, ..Kept::default() });
    }
    if body.size_hint().exact().is_none() {
        return (Response::from_parts(parts, body), Kept::default());
    }
    let frame = next_frame(&mut body).now_or_never().flatten();
    let Some(Ok(piece)) = frame.map(|frame| frame.map(|frame| frame.into_data().unwrap_or_default())) else {
        // It promised a size and has nothing yet: whoever sends it may wait for it.
        return (Response::from_parts(parts, body), Kept::default());
    };
    if !body.is_end_stream() {
        let rest = body.into_data_stream();
        let first = futures_util::stream::iter([Ok(piece)]);
        let again = Body::from_stream(futures_util::StreamExt::chain(first, rest));
        return (Response::from_parts(parts, again), Kept::default());
    }
    let kept = Kept::whole(piece.clone());
    (Response::from_parts(parts, Body::from(piece)), kept)
}

async fn next_frame(body: &mut Body) -> Option<Result<Frame<Bytes>, axum::Error>> {
    std::future::poll_fn(|cx| Pin::new(&mut *body).poll_frame(cx)).await
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    async fn read(body: Body) -> Vec<u8> {
        axum::body::to_bytes(body, usize::MAX).await.expect("a body").to_vec()
    }

    #[tokio::test]
    async fn a_body_is_kept_while_it_is_read() {
        let (body, recording) = Recording::start(Body::from("12345"));
        assert_eq!(body.size_hint().exact(), Some(5));
        assert!(!recording.take().is_complete(), "nobody has read it");
        let (body, recording) = (body, recording);
        assert_eq!(read(body).await, b"12345");
        let kept = recording.take();
        assert_eq!(
            (kept.joined().as_ref(), kept.size(), kept.is_complete(), kept.is_whole()),
            (&b"12345"[..], 5, true, true)
        );
        let (body, recording) = Recording::start(Body::empty());
        assert!(recording.take().is_complete() && read(body).await.is_empty());
    }

    #[tokio::test]
    async fn of_a_long_body_the_beginning_and_the_digest_are_kept() {
        let pieces: Vec<_> = (0..40_u8).map(|number| Bytes::from(vec![number; 20_000])).collect();
        let whole = pieces.concat();
        let (body, recording) =
            Recording::start(Body::from_stream(stream::iter(pieces.into_iter().map(Ok::<_, String>))));
        assert_eq!(read(body).await, whole);
        let kept = recording.take();
        assert_eq!((kept.size(), kept.is_whole(), kept.is_complete()), (800_000, false, true));
        assert_eq!(kept.joined().as_ref(), &whole[..BEGINNING]);
        assert_eq!(kept.digest(), hex::encode(Sha256::digest(&whole)));
        assert!(kept.bytes() < 2 * BEGINNING);
    }

    #[tokio::test]
    async fn an_answer_leaves_as_it_came() {
        let (answer, kept) = record_answer(Response::new(Body::from("whole")));
        assert_eq!((kept.joined().as_ref(), kept.is_complete()), (&b"whole"[..], true));
        assert_eq!(answer.body().size_hint().exact(), Some(5));
        assert_eq!(read(answer.into_body()).await, b"whole");
        let made = Body::from_stream(stream::iter(["a", "b"].map(Ok::<_, String>)));
        let (answer, kept) = record_answer(Response::new(made));
        assert_eq!((kept.size(), kept.is_complete()), (0, false));
        assert_eq!(read(answer.into_body()).await, b"ab");
    }
}
