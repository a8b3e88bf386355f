//! What every door needs to take a request in: the body within its limit, the query decoded strictly, the hosts that a
//! signature may have been made for, the parts of a form. No vendor's rule, no answer.

pub mod form;
mod host;
pub mod query;

use axum::body::{Body, Bytes};
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
}
