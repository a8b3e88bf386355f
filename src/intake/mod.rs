//! What every door needs to take a request in: the body within its limits, the query decoded strictly, the hosts that a
//! signature may have been made for, the parts of a form; and what stands around its routes. No vendor's rule, no answer.

mod around;
mod body;
pub mod form;
mod host;
pub mod query;

pub use around::around;
pub use body::{BodyError, Intake};
pub use host::{Bound, Peer, hosts, named_host, without_port};

/// The essence of a `Content-Type`: lower-case, without parameters; empty where there is none.
pub fn content_type(headers: &axum::http::HeaderMap) -> String {
    let value = headers.get(axum::http::header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}
