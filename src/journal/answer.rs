//! The body of an answer, looked at before it leaves.

use axum::body::{Body, Bytes};
use axum::response::Response;
use futures_util::{FutureExt, StreamExt, stream};
use http_body_util::BodyExt;
use hyper::body::Body as HttpBody;

/// Takes the body out of an answer where it is there as a whole, as wherever a vendor answers; whoever has looked at it
/// puts it back ([`put_back`]). A body that is still being made stays.
pub fn take_whole(answer: &mut Response) -> Option<Bytes> {
    let body = answer.body_mut();
    if body.is_end_stream() {
        return Some(Bytes::new());
    }
    body.size_hint().exact()?;
    // Where it promised a size and has nothing yet, whoever sends it may wait for it.
    let frame = body.frame().now_or_never()??.ok()?;
    let piece = frame.into_data().unwrap_or_default();
    if body.is_end_stream() {
        return Some(piece);
    }
    let rest = std::mem::take(body).into_data_stream();
    *body = Body::from_stream(stream::iter([Ok(piece)]).chain(rest));
    None
}

/// Puts back what [`take_whole`] gave.
pub fn put_back(answer: &mut Response, whole: Option<Bytes>) {
    if let Some(whole) = whole.filter(|whole| !whole.is_empty()) {
        *answer.body_mut() = Body::from(whole);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn read(body: Body) -> Vec<u8> {
        axum::body::to_bytes(body, usize::MAX).await.expect("a body").to_vec()
    }

    #[tokio::test]
    async fn an_answer_leaves_as_it_came() {
        for whole in ["whole", ""] {
            let mut answer = Response::new(Body::from(whole));
            let taken = take_whole(&mut answer);
            assert_eq!(taken.as_deref(), Some(whole.as_bytes()));
            put_back(&mut answer, taken);
            assert_eq!(answer.body().size_hint().exact(), Some(whole.len() as u64));
            assert_eq!(read(answer.into_body()).await, whole.as_bytes());
        }
        let made = Body::from_stream(stream::iter(["a", "b"].map(Ok::<_, String>)));
        let mut answer = Response::new(made);
        let taken = take_whole(&mut answer);
        assert!(taken.is_none());
        put_back(&mut answer, taken);
        assert_eq!(read(answer.into_body()).await, b"ab");
    }
}
