//! Who sends a request: finds the signature, judges key, time, signature and token, in this order, so that a wrong key
//! does not look like an expired request.

mod authorization;
mod canonical;
mod explain;

use std::borrow::Cow;
use std::sync::Arc;

use axum::http::header::{AUTHORIZATION, HOST};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue};

use self::authorization::Authorization;
use self::canonical::{Form, Pairs, Repeated};
use super::error::{Error, Mismatch};
use super::wire::Target;
use crate::config::{Auth, TencentCredential};
use crate::credentials::Credentials;
use crate::intake::{hosts, query};
use crate::secret;
use crate::shared::Shared;

pub(super) use canonical::sign_get;
pub(super) use explain::explain;

/// Carriers of the token of a temporary key: two headers, and one of the names as a parameter.
///
/// Recorded: PHP sends both headers; Node.js the second one to hosts of Cloud Infinite; presigned URLs of PHP and Go the
/// parameter.
const TOKENS: [&str; 2] = ["x-cos-security-token", "x-ci-security-token"];

/// The key that a request names, wherever its signature stands; known before anything is checked.
pub(super) fn named(parts: &Parts) -> Option<Arc<str>> {
    let header = parts.headers.get(AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let last =
        |text: &str| text.split('&').filter_map(|field| field.trim().strip_prefix("q-ak=")).next_back().map(Arc::from);
    if !header.trim().is_empty() {
        return last(header);
    }
    let (headers, pairs) = (HeaderMap::new(), query::pairs_lossy(parts.uri.query().unwrap_or_default()));
    let (fields, _) = authorization::find(&headers, &pairs)?;
    query::last(&fields, "q-ak").map(Arc::from)
}

/// Whether the sender may ask at all.
pub(super) fn authenticate(shared: &Shared, parts: &Parts, target: &Target<'_>) -> Result<(), Error> {
    let config = shared.config();
    if config.auth == Auth::Open {
        return Ok(());
    }
    let (fields, unsigned) = authorization::find(&parts.headers, &target.pairs).ok_or(Error::Anonymous)?;
    let authorization = Authorization::parse(&fields).ok_or(Error::Denied)?;
    if config.auth == Auth::Accept {
        return Ok(());
    }
    let known = known(shared.credentials(), authorization.key_id)?;
    authorization.check_time(shared.clock().of(authorization.key_id).unix_seconds())?;

    let request = Signed {
        method: parts.method.as_str(),
        path: &target.path,
        parameters: Pairs::new(unsigned.iter().map(|(key, value)| (&**key, &**value))),
        headers: headers(&parts.headers),
    };
    let mut hosts = hosts(parts, config);
    if hosts.is_empty() {
        hosts.push("");
    }
    let sign_time = authorization.sign_time.text;
    let mut first = None;
    for form in request.forms(&authorization) {
        for string_to_sign in form.strings_to_sign(sign_time, &hosts) {
            let is_by = |credential: &&Arc<_>| authorization.is_by(credential, &string_to_sign);
            let by: Vec<_> = known.iter().filter(is_by).collect();
            if !by.is_empty() {
                return check_token(&by, &tokens(&parts.headers, target));
            }
        }
        first.get_or_insert(form);
    }
    let first = first.expect("there is at least one form");
    let (string_to_sign, format_string) = (first.string_to_sign(sign_time, hosts[0]), first.text(hosts[0]));
    if tracing::enabled!(tracing::Level::DEBUG) {
        let format_string = request.masked().form(&authorization, Repeated::Last).text(hosts[0]);
        tracing::debug!(format_string, string_to_sign, "a signature does not match");
    }
    Err(Error::SignatureDoesNotMatch(Some(Box::new(Mismatch { string_to_sign, format_string }))))
}

/// The credentials with a key's id; the same id may stand there with several tokens.
fn known(credentials: &Credentials, key_id: &str) -> Result<Vec<Arc<TencentCredential>>, Error> {
    // Recorded, in public reports of users: both texts. Assumed: what a key looks like.
    let well_formed = (1..=128).contains(&key_id.len())
        && key_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let missing = if well_formed { Error::UnknownKey } else { Error::MalformedKey };
    let known = credentials.key_pairs(key_id);
    if known.is_empty() { Err(missing) } else { Ok(known) }
}

/// A temporary key comes with its token; to a permanent one tokens mean nothing. `signed` are the keys that the signature
/// fits.
fn check_token(signed: &[&Arc<TencentCredential>], tokens: &[String]) -> Result<(), Error> {
    // Every key and token is compared, so that the time does not tell which one fits.
    let fits = signed.iter().fold(false, |found, credential| {
        found
            | credential
                .token
                .as_ref()
                .is_none_or(|own| tokens.iter().fold(false, |found, token| found | own.matches(token)))
    });
    if fits { Ok(()) } else { Err(Error::Denied) }
}

/// What a header says, read at once where it is UTF-8, as it nearly always is.
fn text(value: &HeaderValue) -> Cow<'_, str> {
    let bytes = value.as_bytes();
    std::str::from_utf8(bytes).map_or_else(|_| String::from_utf8_lossy(bytes), Cow::Borrowed)
}

/// All headers as they are signed, without white space around them. Hosts are left out, since they are tried.
fn headers(headers: &HeaderMap) -> Pairs<'_> {
    Pairs::new(headers.iter().filter(|(name, _)| *name != HOST).map(|(name, value)| {
        let value: Cow<'_, str> = match text(value) {
            Cow::Borrowed(value) => value.trim().into(),
            Cow::Owned(value) => value.trim().to_owned().into(),
        };
        (name.as_str(), value)
    }))
}

/// Every token that the request carries; of a header that stands there twice the last, which is the one that is signed.
fn tokens(headers: &HeaderMap, target: &Target<'_>) -> Vec<String> {
    let last = |name: &&str| headers.get_all(*name).iter().next_back().and_then(|value| value.to_str().ok());
    TOKENS.iter().filter_map(last).chain(target.last(TOKENS[0])).map(str::to_owned).collect()
}

/// The parts of a request that a signature can cover.
struct Signed<'a> {
    method: &'a str,
    path: &'a str,
    parameters: Pairs<'a>,
    headers: Pairs<'a>,
}

impl Signed<'_> {
    /// All forms that an SDK may have signed this request in, likeliest first, each put together when it is its turn: of
    /// a repeated key the last value; then, where there is such a key, all of them. Each is to be tried with every host
    /// that may be meant.
    ///
    /// Recorded: Python signs the host without its port and the others with it; PHP signs a repeated key once and Go
    /// each of its values.
    fn forms(&self, authorization: &Authorization<'_>) -> impl Iterator<Item = Form> {
        let repeats = || {
            self.parameters.has_several(&authorization.parameters) || self.headers.has_several(&authorization.headers)
        };
        [Repeated::Last, Repeated::All]
            .into_iter()
            .filter(move |repeated| *repeated == Repeated::Last || repeats())
            .map(|repeated| self.form(authorization, repeated))
    }

    fn form(&self, authorization: &Authorization<'_>, repeated: Repeated) -> Form {
        Form::new(
            self.method,
            self.path,
            (&self.parameters, &authorization.parameters),
            (&self.headers, &authorization.headers),
            repeated,
        )
    }

    /// The same request for the log.
    fn masked(self) -> Self {
        Self { parameters: self.parameters.masked(), headers: self.headers.masked(), ..self }
    }
}

impl Authorization<'_> {
    /// Whether the signature is the one that `credential` gives this text.
    fn is_by(&self, credential: &TencentCredential, string_to_sign: &str) -> bool {
        let sign_key = canonical::sign_key(credential.key.expose(), self.key_time.text);
        let ours = canonical::signature(&sign_key, string_to_sign);
        secret::equal(ours.as_bytes(), self.signature.as_bytes())
    }
}

#[cfg(test)]
mod tests;
