//! The bearer key. It is checked before the body is read.

use std::sync::Arc;

use axum::extract::{FromRequestParts, Request};
use axum::http::HeaderMap;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;
use axum::response::Response;
use axum::routing::Route;
use futures_util::FutureExt;
use tower::Service;

use super::error::Error;
use crate::config::Auth;
use crate::faults::Phase;
use crate::shared::{Outcome, Shared};

/// Proof that the request carries a key that counts, and that no fault strikes it. Holds the key's id, where it is known.
pub(super) struct ApiKey(pub(super) Option<Arc<str>>);

impl FromRequestParts<Shared> for ApiKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Error> {
        Error::strike(shared, None, Phase::Arrived)?;
        let id = parts.extensions.get::<Caller>().map(|Caller(id)| Arc::clone(id));
        match (shared.config().auth, presented(&parts.headers)) {
            (Auth::Open, _) | (Auth::Accept, Some(_)) => {}
            (Auth::Verify | Auth::Accept, None) => return Err(Error::NoKey),
            (Auth::Verify, Some(_)) if id.is_some() => {}
            (Auth::Verify, Some(_)) => return Err(Error::UnknownKey),
        }
        Error::strike(shared, id.as_deref(), Phase::Admitted)?;
        Ok(Self(id))
    }
}

/// The id of the key that a request carries.
#[derive(Clone)]
struct Caller(Arc<str>);

/// Finds out whose key a request carries, for [`ApiKey`] and for what is known of the answer.
pub(super) fn identify(
    shared: &Shared,
    mut request: Request,
    mut route: Route,
) -> impl Future<Output = Response> + Send + use<> {
    let id = presented(request.headers()).and_then(|key| shared.credentials().api_key(key));
    if let Some(id) = &id {
        request.extensions_mut().insert(Caller(Arc::clone(id)));
    }
    route.call(request).map(move |Ok(mut response)| {
        if let Some(outcome) = response.extensions_mut().get_mut::<Outcome>() {
            outcome.credential = id;
        }
        response
    })
}

fn presented(headers: &HeaderMap) -> Option<&str> {
    bearer(headers.get(AUTHORIZATION)?.to_str().ok()?)
}

/// The key in a bearer header; the scheme in any case, spaces around the key do not count.
fn bearer(header: &str) -> Option<&str> {
    let (scheme, key) = header.trim().split_once(' ')?;
    let key = key.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !key.is_empty()).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_scheme_may_be_written_in_any_case() {
        for (header, expected) in [
            ("Bearer Abc123456", Some("Abc123456")),
            ("bearer  a=b= ", Some("a=b=")),
            ("BEARER x", Some("x")),
            ("Bearer", None),
            ("Bearer ", None),
            ("Basic x", None),
            ("", None),
        ] {
            assert_eq!(bearer(header), expected, "{header:?}");
        }
    }
}
