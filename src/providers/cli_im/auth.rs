//! The bearer key. It is checked before the body is read.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::error::Error;
use crate::config::Auth;
use crate::shared::Shared;

/// Proof that the request carries a key that counts.
pub(super) struct ApiKey;

impl FromRequestParts<Shared> for ApiKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Error> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let config = shared.config();
        match (config.auth, header.and_then(bearer)) {
            (Auth::Open, _) | (Auth::Accept, Some(_)) => Ok(Self),
            (Auth::Verify | Auth::Accept, None) => Err(Error::NoKey),
            // Every key is compared, so that the time does not tell how many there are before the right one.
            (Auth::Verify, Some(key))
                if config.cli_im_keys.iter().fold(false, |found, known| found | known.matches(key)) =>
            {
                Ok(Self)
            }
            (Auth::Verify, Some(_)) => Err(Error::UnknownKey),
        }
    }
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
