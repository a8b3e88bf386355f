//! Who sends a request: finds the signature, judges key, time, signature and token, in this order, so that a wrong key
//! does not look like an expired request.

mod authorization;
mod canonical;

use axum::http::HeaderMap;
use axum::http::request::Parts;

use self::authorization::Authorization;
use self::canonical::{Pairs, Repeated};
use super::error::{Error, Mismatch};
use super::wire::Target;
use crate::config::{Auth, TencentCredential};
use crate::intake::hosts;
use crate::secret;
use crate::shared::Shared;
use crate::signing::percent_encode;

pub(super) use canonical::sign_get;

/// Carriers of the token of a temporary key: two headers, and one of the names as a parameter.
///
/// Recorded: PHP sends both headers; Node.js the second one to hosts of Cloud Infinite; presigned URLs of PHP and Go the
/// parameter.
const TOKENS: [&str; 2] = ["x-cos-security-token", "x-ci-security-token"];

/// Whether the sender may ask at all.
pub(super) fn authenticate(shared: &Shared, parts: &Parts, target: &Target) -> Result<(), Error> {
    let config = shared.config();
    if config.auth == Auth::Open {
        return Ok(());
    }
    let (fields, unsigned) = authorization::find(&parts.headers, &target.pairs).ok_or(Error::Anonymous)?;
    let authorization = Authorization::parse(&fields).ok_or(Error::Denied)?;
    if config.auth == Auth::Accept {
        return Ok(());
    }
    let credential = known(&config.tencent_credentials, &authorization.key_id)?;
    authorization.check_time(shared.clock().unix_seconds())?;

    let request = Signed {
        method: parts.method.as_str(),
        path: &target.path,
        parameters: Pairs::new(unsigned.iter().map(|(key, value)| (key.as_str(), value.as_str()))),
        headers: headers(&parts.headers),
    };
    let mut hosts = hosts(parts, config);
    if hosts.is_empty() {
        hosts.push(String::new());
    }
    let tokens = tokens(&parts.headers, target);
    if let Err(mismatch) = request.verify(&authorization, &hosts, credential) {
        // What is signed may hold the token; the log must not.
        let shown = tokens
            .iter()
            .filter(|token| !token.is_empty())
            .fold(mismatch.format_string.clone(), |text, token| text.replace(&percent_encode(token), "***"));
        tracing::debug!(format_string = shown, string_to_sign = mismatch.string_to_sign, "a signature does not match");
        return Err(Error::SignatureDoesNotMatch(Some(Box::new(mismatch))));
    }
    match &credential.token {
        Some(expected) if !tokens.iter().any(|token| expected.matches(token)) => Err(Error::Denied),
        Some(_) | None => Ok(()),
    }
}

/// The credential of a key.
fn known<'a>(credentials: &'a [TencentCredential], key_id: &str) -> Result<&'a TencentCredential, Error> {
    // Recorded, in public reports of users: both texts. Assumed: what a key looks like.
    let well_formed = (1..=128).contains(&key_id.len())
        && key_id.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let missing = if well_formed { Error::UnknownKey } else { Error::MalformedKey };
    credentials.iter().find(|credential| credential.id == key_id).ok_or(missing)
}

/// All headers as they are signed: without white space around them.
fn headers(headers: &HeaderMap) -> Pairs {
    let texts: Vec<_> =
        headers.iter().map(|(name, value)| (name.as_str(), String::from_utf8_lossy(value.as_bytes()))).collect();
    Pairs::new(texts.iter().map(|(name, value)| (*name, value.trim())))
}

/// Every token that the request carries.
fn tokens(headers: &HeaderMap, target: &Target) -> Vec<String> {
    let sent = TOKENS.iter().filter_map(|name| headers.get(*name)).filter_map(|value| value.to_str().ok());
    sent.chain(target.last(TOKENS[0])).map(str::to_owned).collect()
}

/// The parts of a request that a signature can cover.
struct Signed<'a> {
    method: &'a str,
    path: &'a str,
    parameters: Pairs,
    headers: Pairs,
}

impl Signed<'_> {
    /// Compares the signature with ours, for each host that may be meant; then again with all values of repeated keys.
    ///
    /// Recorded: Python signs the host without its port and the others with it; PHP signs a repeated key once and Go
    /// each of its values.
    fn verify(
        mut self,
        authorization: &Authorization,
        hosts: &[String],
        credential: &TencentCredential,
    ) -> Result<(), Mismatch> {
        let sign_key = canonical::sign_key(credential.key.expose(), &authorization.key_time.text);
        let mut first = None;
        for repeated in [Repeated::Last, Repeated::All] {
            for host in hosts {
                self.headers.replace("host", host);
                let format_string = canonical::format_string(
                    self.method,
                    self.path,
                    &self.parameters.listed(&authorization.parameters, repeated),
                    &self.headers.listed(&authorization.headers, repeated),
                );
                let string_to_sign = canonical::string_to_sign(&authorization.sign_time.text, &format_string);
                let ours = canonical::signature(&sign_key, &string_to_sign);
                if secret::equal(ours.as_bytes(), authorization.signature.as_bytes()) {
                    return Ok(());
                }
                first.get_or_insert(Mismatch { string_to_sign, format_string });
            }
        }
        Err(first.expect("there is at least one host, if an empty one"))
    }
}

#[cfg(test)]
mod tests;
