//! One connection beneath hyper: heads are judged before hyper sees them ([`head`]), nobody takes for ever in either
//! direction, and what a client still sends when it is answered is taken in, so that it reads the answer.
//!
//! hyper has a deadline for heads alone, reads a body until its handler gives up, and closes a socket with unread bytes
//! in it, whose reset takes the answer away from the client.

mod chunked;
mod framing;
mod head;

use std::future::Future;
use std::io::{self, ErrorKind, IoSlice};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use hyper::upgrade::Upgraded;
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::sync::Notify;
use tokio::sync::futures::OwnedNotified;
use tokio::time::{Instant, Sleep};
use tokio_rustls::server::TlsStream;
use tokio_util::io::poll_read_buf;

use framing::{Framing, Need, Trouble};
pub(super) use head::Refusal;

/// Bytes that hyper may hold of one connection: the longest head, and some.
pub(super) const BUFFER: usize = head::MAX_HEAD + (32 << 10);

/// Bytes read at a time where they cannot go to hyper directly.
const PIECE: usize = 16 << 10;
/// How long, and how many bytes, a client may go on sending what nobody reads once it is answered.
const LINGER: Duration = Duration::from_secs(5);
const MAX_LINGER: usize = 64 << 20;

/// How long a client may take.
#[derive(Clone, Copy, Debug)]
pub(super) struct Deadlines {
    /// For the head of a request, and to begin the first one.
    pub(super) head: Duration,
    /// To begin a later request.
    pub(super) idle: Duration,
    /// For the body of a request.
    pub(super) body: Duration,
    /// To take what we answer.
    pub(super) write: Duration,
}

/// What carries a connection.
pub(super) trait Transport: AsyncRead + AsyncWrite + Unpin + Send + 'static {
    /// Gives up what the client did not take, so that the system does not keep it for it.
    fn abandon(&self);
}

impl Transport for TcpStream {
    fn abandon(&self) {
        let _ = self.set_zero_linger();
    }
}

impl<T: Transport> Transport for TlsStream<T> {
    fn abandon(&self) {
        self.get_ref().0.abandon();
    }
}

/// A tunnel through a connection of ours, which has deadlines of its own.
impl Transport for TokioIo<Upgraded> {
    fn abandon(&self) {}
}

/// A connection as hyper's input and output.
pub(super) struct Connection<T: Transport> {
    stream: T,
    framing: Framing,
    deadlines: Deadlines,
    link: Arc<Link>,
    /// For what, and of which request.
    reading: Deadline<(Waiting, u64)>,
    writing: Deadline<()>,
    /// Told where idle connections must make room.
    crowd: Arc<Notify>,
    leaving: Option<Pin<Box<OwnedNotified>>>,
    /// Bytes taken in behind the last answer, once that is out.
    lingered: Option<usize>,
}

/// What the service of a connection may know of it.
#[derive(Debug, Default)]
pub(super) struct Link {
    /// Why the request that hyper sees last is none.
    refusal: OnceLock<Refusal>,
    /// Whether a body has not arrived as a whole.
    is_unread: AtomicBool,
    /// Whether the connection ends with a reset, in place of the next answer.
    is_reset: AtomicBool,
}

impl Link {
    /// Why the request is refused, if it is.
    pub(super) fn refusal(&self) -> Option<Refusal> {
        self.refusal.get().copied()
    }

    /// Whether the connection ends with an answer that is given at this moment, since the rest of the body is not waited
    /// for.
    pub(super) fn is_unread(&self) -> bool {
        self.is_unread.load(Ordering::Relaxed)
    }

    /// Ends the connection with a reset as soon as an answer would leave.
    pub(super) fn reset(&self) {
        self.is_reset.store(true, Ordering::Relaxed);
    }
}

/// What a read deadline is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Beginning,
    Head,
    Body,
    Lingering,
}

impl<T: Transport> Connection<T> {
    /// `crowd` wakes an idle connection that must make room for another.
    pub(super) fn new(stream: T, deadlines: Deadlines, crowd: Arc<Notify>) -> Self {
        Self {
            stream,
            framing: Framing::default(),
            deadlines,
            link: Arc::default(),
            reading: Deadline::default(),
            writing: Deadline::default(),
            crowd,
            leaving: None,
            lingered: None,
        }
    }

    /// What its service may know.
    pub(super) fn link(&self) -> Arc<Link> {
        Arc::clone(&self.link)
    }

    fn refuse(&mut self, refusal: Refusal) {
        self.framing.refuse();
        // A second refusal cannot come: nothing is read after the first.
        let _ = self.link.refusal.set(refusal);
    }

    /// Whether the time for `waiting` is over; the clock runs from the first call for it, of each request.
    fn is_late(&mut self, waiting: Waiting, time: Duration, cx: &mut Context<'_>) -> bool {
        self.reading.is_over((waiting, self.framing.heads()), time, cx)
    }

    /// Reads something into the buffer of `framing`; zero at the end.
    fn poll_more(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let incoming = self.framing.incoming();
        incoming.reserve(PIECE);
        poll_read_buf(Pin::new(&mut self.stream), cx, incoming)
    }

    /// Whether another connection needs the room of this idle one.
    fn must_leave(&mut self, cx: &mut Context<'_>) -> bool {
        let leaving = self.leaving.get_or_insert_with(|| Box::pin(Arc::clone(&self.crowd).notified_owned()));
        let must_leave = leaving.as_mut().poll(cx).is_ready();
        if must_leave {
            self.leaving = None;
        }
        must_leave
    }

    /// Takes in what the client still sends, within bounds.
    fn poll_linger(&mut self, lingered: &mut usize, cx: &mut Context<'_>) -> Poll<()> {
        let mut scratch = [0; PIECE];
        loop {
            if *lingered >= MAX_LINGER || self.is_late(Waiting::Lingering, LINGER, cx) {
                return Poll::Ready(());
            }
            let mut piece = ReadBuf::new(&mut scratch);
            match ready!(Pin::new(&mut self.stream).poll_read(cx, &mut piece)) {
                Ok(()) if !piece.filled().is_empty() => *lingered += piece.filled().len(),
                Ok(()) | Err(_) => return Poll::Ready(()),
            }
        }
    }

    /// Fails where the connection is to be reset.
    fn check_reset(&self) -> io::Result<()> {
        // Dropped, it leaves the client with a reset.
        if self.link.is_reset.load(Ordering::Relaxed) { Err(ErrorKind::ConnectionReset.into()) } else { Ok(()) }
    }

    /// What a write came to; while it waits, the clock runs.
    fn written<W>(&mut self, wrote: Poll<io::Result<W>>, cx: &mut Context<'_>) -> Poll<io::Result<W>> {
        if wrote.is_pending() && self.writing.is_over((), self.deadlines.write, cx) {
            tracing::debug!("a client takes its answer too slowly");
            self.stream.abandon();
            return Poll::Ready(Err(ErrorKind::TimedOut.into()));
        }
        wrote
    }
}

impl<T: Transport> Drop for Connection<T> {
    fn drop(&mut self) {
        // Also where it is a connection within this one that was to be reset.
        if self.link.is_reset.load(Ordering::Relaxed) {
            self.stream.abandon();
        }
    }
}

impl<T: Transport> AsyncRead for Connection<T> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        let read = self.poll_released(cx, buffer);
        self.link.is_unread.store(self.framing.is_amid_body(), Ordering::Relaxed);
        read
    }
}

impl<T: Transport> Connection<T> {
    /// Gives hyper what it may have.
    fn poll_released(&mut self, cx: &mut Context<'_>, buffer: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        loop {
            let need = match self.framing.release() {
                Ok(need) => need,
                Err(Trouble::Refused(refusal)) => {
                    self.refuse(refusal);
                    continue;
                }
                Err(Trouble::BrokenBody) => return Poll::Ready(Err(ErrorKind::InvalidData.into())),
            };
            let read = match need {
                Need::Nothing => {
                    self.leaving = None;
                    let released = self.framing.released();
                    let count = released.len().min(buffer.remaining());
                    buffer.put_slice(&released[..count]);
                    self.framing.given(count);
                    return Poll::Ready(Ok(()));
                }
                Need::FirstByte { is_later } => {
                    let read = self.poll_more(cx);
                    let time = if is_later { self.deadlines.idle } else { self.deadlines.head };
                    // What is here is taken, whatever the time.
                    if read.is_pending()
                        && (self.is_late(Waiting::Beginning, time, cx) || (is_later && self.must_leave(cx)))
                    {
                        // To hyper, as if the client had left.
                        return Poll::Ready(Ok(()));
                    }
                    read
                }
                Need::Head => {
                    self.leaving = None;
                    if self.is_late(Waiting::Head, self.deadlines.head, cx) {
                        self.refuse(Refusal::TooSlow);
                        continue;
                    }
                    self.poll_more(cx)
                }
                Need::Body(left) => {
                    if self.is_late(Waiting::Body, self.deadlines.body, cx) {
                        return Poll::Ready(Err(ErrorKind::TimedOut.into()));
                    }
                    if left.is_some_and(|left| left >= buffer.remaining() as u64) {
                        let before = buffer.filled().len();
                        ready!(Pin::new(&mut self.stream).poll_read(cx, buffer))?;
                        self.framing.passed(buffer.filled().len() - before);
                        return Poll::Ready(Ok(()));
                    }
                    self.poll_more(cx)
                }
                // Whoever speaks through it keeps the time.
                Need::Tunnel => return Pin::new(&mut self.stream).poll_read(cx, buffer),
                Need::End => return Poll::Ready(Ok(())),
            };
            if ready!(read)? == 0 {
                return Poll::Ready(Ok(()));
            }
        }
    }
}

impl<T: Transport> AsyncWrite for Connection<T> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.check_reset()?;
        let wrote = Pin::new(&mut self.stream).poll_write(cx, bytes);
        self.written(wrote, cx)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        pieces: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.check_reset()?;
        let wrote = Pin::new(&mut self.stream).poll_write_vectored(cx, pieces);
        self.written(wrote, cx)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    /// hyper flushes once everything that it has is written, so that a client's time begins anew here.
    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let flushed = Pin::new(&mut self.stream).poll_flush(cx);
        if flushed.is_ready() {
            self.writing.clear();
        }
        self.written(flushed, cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let this = &mut *self;
        if this.lingered.is_none() {
            let shut = Pin::new(&mut this.stream).poll_shutdown(cx);
            ready!(this.written(shut, cx))?;
        }
        let mut lingered = this.lingered.unwrap_or(0);
        let lingering = if this.framing.is_owed() { this.poll_linger(&mut lingered, cx) } else { Poll::Ready(()) };
        this.lingered = Some(lingered);
        lingering.map(Ok)
    }
}

/// A moment until which something must have happened.
struct Deadline<T> {
    /// What it is for, and when.
    set: Option<(T, Instant)>,
    timer: Option<Pin<Box<Sleep>>>,
}

impl<T> Default for Deadline<T> {
    fn default() -> Self {
        Self { set: None, timer: None }
    }
}

impl<T: Copy + PartialEq> Deadline<T> {
    /// Whether `time` has gone by since this was first asked for `purpose`; if not, the task wakes when it has.
    fn is_over(&mut self, purpose: T, time: Duration, cx: &mut Context<'_>) -> bool {
        let now = Instant::now();
        let until = match self.set {
            Some((known, until)) if known == purpose => until,
            _ => now + time,
        };
        self.set = Some((purpose, until));
        if now >= until {
            return true;
        }
        let timer = self.timer.get_or_insert_with(|| Box::pin(tokio::time::sleep_until(until)));
        // One that rings too early is set again when it does: most deadlines are met, and the next is later.
        if timer.deadline() > until {
            timer.as_mut().reset(until);
        }
        while timer.as_mut().poll(cx).is_ready() {
            if timer.deadline() >= until {
                return true;
            }
            timer.as_mut().reset(until);
        }
        false
    }

    /// Forgets what it was set for.
    fn clear(&mut self) {
        self.set = None;
    }
}
