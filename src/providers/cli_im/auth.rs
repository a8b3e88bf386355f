//! The bearer key. It is checked before the body is read.

use axum::extract::FromRequestParts;
use axum::http::header::AUTHORIZATION;
use axum::http::request::Parts;

use super::error::Error;
use crate::config::{Auth, Config};
use crate::shared::Shared;

/// Proof that the request carries a key that counts, and that no failure is forced.
pub(super) struct ApiKey;

impl FromRequestParts<Shared> for ApiKey {
    type Rejection = Error;

    async fn from_request_parts(parts: &mut Parts, shared: &Shared) -> Result<Self, Error> {
        let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        let config = shared.config();
        let forced = Error::forced(config);
        if let Some(error) = forced.filter(|error| error.is_authentication()) {
            return Err(error);
        }
        check(config, header)?;
        forced.map_or(Ok(Self), Err)
    }
}

fn check(config: &Config, header: Option<&str>) -> Result<(), Error> {
    match (config.auth, header.and_then(bearer)) {
        (Auth::Open, _) | (Auth::Accept, Some(_)) => Ok(()),
        (Auth::Verify | Auth::Accept, None) => Err(Error::NoKey),
        (Auth::Verify, Some(key)) => {
            // Every key is compared, so that the time does not tell how many there are before the right one.
            let known = config.cli_im_keys.iter().fold(false, |found, known| found | known.matches(key));
            if known { Ok(()) } else { Err(Error::UnknownKey) }
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
