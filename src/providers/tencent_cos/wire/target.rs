//! The target of a request, decoded once, and the bucket that its host names.

use std::borrow::Cow;

use axum::http::Uri;
use axum::http::request::Parts;

use super::super::error::Error;
use crate::intake::{hosts, named_host, query, without_port};
use crate::shared::Shared;

/// The parameter that says which feature is asked for. Its name counts to the letter.
pub(in super::super) const CI_PROCESS: &str = "ci-process";

/// The parameter that holds the text to be drawn.
pub(in super::super) const QRCODE_CONTENT: &str = "qrcode-content";

/// Bytes of a target. 2953 bytes of text are 8859 when escaped; what is longer cannot be drawn anyway.
const MAX_TARGET: usize = 60_000;

/// Path and query, each decoded once.
#[derive(Debug)]
pub(in super::super) struct Target<'a> {
    /// The path; it is signed like this.
    pub(in super::super) path: Cow<'a, str>,
    /// The parameters in their order; `+` and `%20` are both a space.
    pub(in super::super) pairs: query::Pairs<'a>,
}

impl<'a> Target<'a> {
    /// Decodes the target in whichever form it came, origin or absolute.
    pub(in super::super) fn parse(uri: &'a Uri) -> Result<Self, Error> {
        if length(uri) > MAX_TARGET {
            return Err(Error::InvalidUri);
        }
        let path = query::decode_path(uri.path())?;
        let pairs = query::pairs(uri.query().unwrap_or_default())?;
        Ok(Self { path, pairs })
    }

    /// The feature asked for. Recorded: PHP says it twice; the last one counts.
    pub(in super::super) fn ci_process(&self) -> Option<&str> {
        self.last(CI_PROCESS)
    }

    /// The last value of a parameter.
    pub(in super::super) fn last(&self, key: &str) -> Option<&str> {
        query::last(&self.pairs, key)
    }
}

/// Whether the request goes to a bucket that exists, under a host that the settings allow.
pub(in super::super) fn check_bucket(parts: &Parts, shared: &Shared) -> Result<(), Error> {
    let config = shared.config();
    if named_host(parts).is_empty() {
        return Err(Error::MissingSecurityHeader);
    }
    let bucket = hosts(parts, config).iter().find_map(|host| bucket(host));
    if bucket.is_none() && config.cos_strict_host {
        return Err(Error::InvalidHost);
    }
    let bucket = bucket.as_ref().unwrap_or(&config.cos_default_bucket);
    let exists =
        config.cos_buckets.is_empty() || config.cos_buckets.contains(bucket) || shared.credentials().has_bucket(bucket);
    if exists { Ok(()) } else { Err(Error::NoSuchBucket) }
}

/// Bytes of the target as it stands on the request line.
fn length(uri: &Uri) -> usize {
    let origin = uri.path_and_query().map_or(0, |target| target.as_str().len());
    let scheme = uri.scheme_str().map_or(0, |scheme| scheme.len() + "://".len());
    scheme + uri.authority().map_or(0, |authority| authority.as_str().len()) + origin
}

/// The bucket in `<name>-<appid>.cos.<region>.<domain>`; Cloud Infinite's own hosts have `ci` or `pic` for `cos`.
fn bucket(host: &str) -> Option<String> {
    let host = without_port(host).to_ascii_lowercase();
    let mut labels = host.split('.');
    let (first, service) = (labels.next()?, labels.next()?);
    let (name, appid) = first.rsplit_once('-')?;
    let is_name = (1..=50).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let is_appid = (8..=12).contains(&appid.len()) && appid.bytes().all(|byte| byte.is_ascii_digit());
    let has_region = labels.next().is_some_and(|region| !region.is_empty()) && labels.next().is_some();
    (matches!(service, "cos" | "ci" | "pic") && is_name && is_appid && has_region).then(|| first.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_is_named_by_its_own_host_alone() {
        for (host, expected) in [
            ("examplebucket-1250000000.cos.ap-beijing.myqcloud.com", Some("examplebucket-1250000000")),
            ("ExampleBucket-1250000000.COS.ap-beijing.MyQcloud.com:8080", Some("examplebucket-1250000000")),
            ("a-b-1250000000.ci.ap-beijing.tencentci.cn", Some("a-b-1250000000")),
            ("a-1250000000.cos.ap-beijing.localhost:18080", Some("a-1250000000")),
            ("a-1250000000.cos.localhost", None),
            ("a-1250000000.s3.ap-beijing.myqcloud.com", None),
            ("examplebucket.cos.ap-beijing.myqcloud.com", None),
            ("-1250000000.cos.ap-beijing.myqcloud.com", None),
            ("a_b-1250000000.cos.ap-beijing.myqcloud.com", None),
            ("a-125.cos.ap-beijing.myqcloud.com", None),
            ("a-12500000000000.cos.ap-beijing.myqcloud.com", None),
            ("cos.ap-beijing.myqcloud.com", None),
            ("127.0.0.1:8080", None),
            ("[::1]:8080", None),
            ("localhost", None),
            ("", None),
        ] {
            assert_eq!(bucket(host).as_deref(), expected, "{host:?}");
        }
    }

    #[test]
    fn a_target_is_decoded_once_and_whole() {
        let uri = |target: &str| target.parse::<Uri>().expect("a target");
        let whole = uri("http://h/a+b%2B%E4%BD%A0?x=%2520+1&ci-process=a&ci-process=b");
        let target = Target::parse(&whole).expect("valid");
        assert_eq!(target.path, "/a+b+你");
        assert_eq!((target.last("x"), target.ci_process()), (Some("%20 1"), Some("b")));
        for broken in ["/?a=%", "/?a=%zz", "/?a=%ff", "/%", "/%c3", "/?%ff=1"] {
            assert_eq!(Target::parse(&uri(broken)).expect_err(broken), Error::InvalidUri);
        }
    }

    #[test]
    fn a_target_may_have_sixty_thousand_bytes_and_no_more() {
        for (prefix, length, fits) in [
            ("/?a=", 60_000, true),
            ("/?a=", 60_001, false),
            ("http://h/?a=", 60_000, true),
            ("http://h/?a=", 60_001, false),
        ] {
            let target = format!("{prefix}{}", "x".repeat(length - prefix.len()));
            assert_eq!(Target::parse(&target.parse().expect("a target")).is_ok(), fits, "{prefix} {length}");
        }
    }
}
