//! Answers that do not arrive as they were made: half of them, nothing but noise, or none. What a reset takes is done by
//! the connection ([`super::connection`]), which finds [`Reset`] on the answer.

use std::io;
use std::time::Duration;

use axum::body::{Body, Bytes, to_bytes};
use axum::http::HeaderValue;
use axum::http::header::CONTENT_LENGTH;
use axum::response::Response;
use futures_util::{StreamExt, stream};

use crate::clock::Ids;
use crate::faults::Damage;

/// On an answer in whose place the connection is reset.
#[derive(Clone, Copy)]
pub(super) struct Reset;

/// The same answer, damaged.
pub(super) async fn damage(answer: Response, damage: Damage, ids: &Ids) -> Response {
    let (mut parts, body) = answer.into_parts();
    let whole = to_bytes(body, usize::MAX).await.unwrap_or_default();
    if damage == Damage::Reset || (whole.is_empty() && damage != Damage::Garbage) {
        // Half of nothing is nothing: without a body, the whole answer is lost.
        parts.extensions.insert(Reset);
        return Response::from_parts(parts, broken(Bytes::new(), Duration::ZERO));
    }
    parts.headers.insert(CONTENT_LENGTH, HeaderValue::from(whole.len()));
    let half = whole.slice(..whole.len() / 2);
    let body = match damage {
        Damage::Garbage => Body::from(noise(whole.len(), ids)),
        Damage::Stall(time) => broken(half, time),
        Damage::Half | Damage::Reset => broken(half, Duration::ZERO),
    };
    Response::from_parts(parts, body)
}

/// A body that ends too early, `time` after its last byte.
fn broken(beginning: Bytes, time: Duration) -> Body {
    let end = stream::once(async move {
        // What there is leaves before the connection ends.
        tokio::task::yield_now().await;
        tokio::time::sleep(time).await;
        Err(io::Error::from(io::ErrorKind::ConnectionReset))
    });
    Body::from_stream(stream::iter([Ok(beginning)]).chain(end))
}

fn noise(length: usize, ids: &Ids) -> Vec<u8> {
    let mut noise = Vec::with_capacity(length);
    while noise.len() < length {
        let piece = ids.bytes::<64>();
        noise.extend_from_slice(&piece[..piece.len().min(length - noise.len())]);
    }
    noise
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn an_answer_is_damaged_as_asked() {
        let answer = || Response::new(Body::from("0123456789"));
        let ids = Ids::seeded(1);
        let garbage = damage(answer(), Damage::Garbage, &ids).await;
        let noise = to_bytes(garbage.into_body(), 100).await.expect("a whole body");
        assert!(noise.len() == 10 && noise.as_ref() != b"0123456789");
        for (kind, arrives) in
            [(Damage::Half, "01234"), (Damage::Stall(Duration::from_millis(1)), "01234"), (Damage::Reset, "")]
        {
            let damaged = damage(answer(), kind, &ids).await;
            assert_eq!(damaged.extensions().get::<Reset>().is_some(), kind == Damage::Reset);
            let mut pieces = damaged.into_body().into_data_stream();
            let first = pieces.next().await.expect("a piece").expect("bytes");
            assert_eq!(first.as_ref(), arrives.as_bytes(), "{kind}");
            assert!(pieces.next().await.expect("an end").is_err(), "{kind}");
        }
        let empty = damage(Response::new(Body::empty()), Damage::Half, &ids).await;
        assert!(empty.extensions().get::<Reset>().is_some());
        let stalled = damage(answer(), Damage::Stall(Duration::from_mins(10)), &ids).await;
        let mut pieces = stalled.into_body().into_data_stream();
        assert!(pieces.next().await.expect("a piece").is_ok());
        // What ends at once is there before any wait is over.
        assert!(tokio::time::timeout(Duration::from_millis(100), pieces.next()).await.is_err(), "nothing comes");
    }
}
