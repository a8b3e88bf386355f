//! What every door needs to take a request in: the body within its limit, the query decoded strictly, the hosts that a
//! signature may have been made for, the parts of a form. No vendor's rule, no answer.

pub mod form;
mod host;
pub mod query;

use axum::body::{Body, Bytes};
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, LengthLimitError, Limited};
use thiserror::Error;

pub use host::{Peer, hosts, named_host, without_port};

/// Why a body could not be taken in.
#[derive(Debug, Error)]
pub enum BodyError {
    /// More bytes than the limit.
    #[error("the body has more than {limit} bytes")]
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// The connection ended or the transfer encoding is broken.
    #[error("the body is broken: {0}")]
    Broken(String),
}

/// The whole body, counted while it arrives; `Content-Length` is a hint that nobody trusts.
///
/// # Errors
/// [`BodyError::TooLarge`] past `limit` bytes, [`BodyError::Broken`] where it ends too early.
pub async fn body(body: Body, limit: usize) -> Result<Bytes, BodyError> {
    match Limited::new(body, limit).collect().await {
        Ok(collected) => Ok(collected.to_bytes()),
        Err(error) if error.is::<LengthLimitError>() => Err(BodyError::TooLarge { limit }),
        Err(error) => Err(BodyError::Broken(error.to_string())),
    }
}

/// What arrives of a body within `limit` bytes, whether that is the whole of it, and the body as if nobody had looked.
pub async fn peek(body: Body, limit: usize) -> (Bytes, bool, Body) {
    let mut arriving = body.into_data_stream();
    let mut seen = Vec::new();
    let mut end = None;
    while seen.len() <= limit {
        match arriving.next().await {
            None => break,
            Some(Ok(chunk)) => seen.extend_from_slice(&chunk),
            Some(Err(error)) => {
                end = Some(Err(error));
                break;
            }
        }
    }
    let is_whole = end.is_none() && seen.len() <= limit;
    let seen = Bytes::from(seen);
    let again = stream::iter([Ok(seen.clone())].into_iter().chain(end)).chain(arriving);
    (seen, is_whole, Body::from_stream(again))
}

/// The essence of a `Content-Type`: lower-case, without parameters; empty where there is none.
pub fn content_type(headers: &axum::http::HeaderMap) -> String {
    let value = headers.get(axum::http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_body_may_reach_its_limit_and_not_pass_it() {
        assert_eq!(body(Body::from("12345"), 5).await.expect("five bytes").as_ref(), b"12345");
        assert!(matches!(body(Body::from("123456"), 5).await, Err(BodyError::TooLarge { limit: 5 })));
    }

    #[tokio::test]
    async fn looking_into_a_body_loses_nothing_of_it() {
        let chunks = |end: Option<&'static str>| {
            let chunks = ["123", "456", "789"].map(Ok::<_, String>).into_iter();
            Body::from_stream(stream::iter(chunks.chain(end.map(|why| Err(why.to_owned())))))
        };
        for (limit, whole) in [(9, true), (8, false), (2, false)] {
            let (seen, is_whole, again) = peek(chunks(None), limit).await;
            assert_eq!((is_whole, b"123456789".starts_with(&seen)), (whole, true), "{limit}");
            assert_eq!(body(again, 100).await.expect("kept").as_ref(), b"123456789", "{limit}");
        }
        let (_, is_whole, again) = peek(chunks(Some("gone")), 100).await;
        assert!(!is_whole);
        assert!(matches!(body(again, 100).await, Err(BodyError::Broken(_))));
    }
}
