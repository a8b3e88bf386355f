//! Who calls: the key must be known, the moment near ours, the signature right, the token the key's own; in this order.
//!
//! How a signature is made is `tc3.rs` and `v1.rs`. Which action is called, and whether it exists, is known before.

mod explain;
pub(super) mod tc3;
mod v1;

use std::sync::Arc;

pub(super) use explain::explain;

use super::error::Error;
use super::received::{Received, Style};
use crate::config::{Auth, TencentCredential};
use crate::explain::Explanation;
use crate::intake::query;
use crate::secret::is_secret_name;
use crate::shared::Shared;

/// Seconds that a client's clock may be off. Documented: five minutes.
const WINDOW: u64 = 300;

/// Characters of one value that the log shows; pictures come as base64.
const SHOWN: usize = 256;

/// Why a request that was refused was refused, where anybody can be told.
pub(super) fn why(received: &Received, shared: &Shared) -> Option<Explanation> {
    let is_told = shared.config().control && shared.config().auth == Auth::Verify;
    is_told.then(|| explain(&received.parts, &received.body, &shared.explaining())).flatten()
}

/// Checks the credentials of a request, as far as the setting `auth` asks for it, and gives the key that it names; empty
/// where it names none and needs none.
pub(super) fn check<'a>(received: &'a Received, shared: &Shared) -> Result<&'a str, Error> {
    match (shared.config().auth, &received.style) {
        (Auth::Open, _) => Ok(named(received).unwrap_or_default()),
        (Auth::Accept, Style::Tc3) => tc3::check_shape(received).map(|(authorization, _)| authorization.secret_id),
        (Auth::Verify, Style::Tc3) => tc3::verify(received, shared),
        (Auth::Accept, Style::V1(pairs)) => v1::check_shape(pairs).map(|shape| shape.secret_id),
        (Auth::Verify, Style::V1(pairs)) => v1::verify(received, pairs, shared),
    }
}

/// The key that a request names, whether or not it is the caller's.
pub(super) fn named(received: &Received) -> Option<&str> {
    let secret_id = match &received.style {
        Style::Tc3 => tc3::parsed(received).map_or("", |authorization| authorization.secret_id),
        Style::V1(pairs) => query::first(pairs, "SecretId").unwrap_or_default(),
    };
    Some(secret_id).filter(|id| !id.is_empty())
}

/// The keys with this id; the same id may stand there with several tokens.
fn known(shared: &Shared, secret_id: &str) -> Result<Vec<Arc<TencentCredential>>, Error> {
    let known = shared.credentials().key_pairs(secret_id);
    if known.is_empty() { Err(Error::SecretIdNotFound) } else { Ok(known) }
}

/// The timestamp of a request, which must be a whole number.
fn timestamp(received: &str) -> Result<i64, Error> {
    received.parse().map_err(|_| Error::InvalidParameter("Timestamp".into()))
}

fn check_time(timestamp: i64, now: i64) -> Result<(), Error> {
    if timestamp.abs_diff(now) > WINDOW { Err(Error::SignatureExpire) } else { Ok(()) }
}

/// A temporary key comes with its token, a permanent one with none. `signed` are the keys that the signature fits.
fn check_token(signed: &[Arc<TencentCredential>], token: Option<&str>) -> Result<(), Error> {
    let token = token.filter(|token| !token.is_empty());
    // Every key is compared, so that the time does not tell which one fits.
    let fits = signed.iter().fold(false, |found, credential| {
        found
            | match (&credential.token, token) {
                (Some(own), Some(token)) => own.matches(token),
                (None, None) => true,
                (Some(_), None) | (None, Some(_)) => false,
            }
    });
    if fits { Ok(()) } else { Err(Error::TokenFailure) }
}

/// A value for the log: masked where its name says that it is secret, cut where it is long, so that no picture gets
/// there.
fn shown(name: &str, value: &str) -> String {
    if is_secret_name(name) {
        return "***".to_owned();
    }
    let cut: String = value.chars().take(SHOWN).collect();
    if cut.len() == value.len() { cut } else { format!("{cut}… ({} bytes)", value.len()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::Secret;

    #[test]
    fn five_minutes_are_the_edge() {
        for (timestamp, expected) in [
            (1000, Ok(())),
            (700, Ok(())),
            (1300, Ok(())),
            (699, Err(Error::SignatureExpire)),
            (1301, Err(Error::SignatureExpire)),
            (i64::MIN, Err(Error::SignatureExpire)),
        ] {
            assert_eq!(check_time(timestamp, 1000), expected, "{timestamp}");
        }
    }

    #[test]
    fn a_token_belongs_to_a_temporary_key_alone() {
        let key = |token: Option<&str>| {
            let token = token.map(Secret::new);
            Arc::new(TencentCredential { id: "id".to_owned(), key: Secret::new("key"), token })
        };
        let [permanent, temporary] = [None, Some("t")].map(|token| vec![key(token)]);
        let both = [permanent.clone(), temporary.clone()].concat();
        for (keys, token, expected) in [
            (&permanent, None, Ok(())),
            (&permanent, Some(""), Ok(())),
            (&permanent, Some("t"), Err(Error::TokenFailure)),
            (&temporary, None, Err(Error::TokenFailure)),
            (&temporary, Some("x"), Err(Error::TokenFailure)),
            (&temporary, Some("t"), Ok(())),
            (&both, Some("t"), Ok(())),
            (&both, None, Ok(())),
        ] {
            assert_eq!(check_token(keys, token), expected, "{} keys, {token:?}", keys.len());
        }
    }
}
