//! Who may use the control API. It changes what the server answers, so neither the web pages in a developer's browser nor
//! other machines may.

use std::net::IpAddr;

use axum::extract::{Request, State};
use axum::http::header::{AUTHORIZATION, CACHE_CONTROL, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;

use super::error::Error;
use crate::config::Config;
use crate::intake::{Bound, Peer, named_host, without_port};
use crate::shared::Shared;

/// Lets a request through, or says why not.
///
/// A token, once set, is always asked for. Without one, the listener must be bound to a loopback address, and the host
/// that the request names must be one that only this machine means: a page of a stranger's name that was rebound to
/// 127.0.0.1 still sends its name.
pub(super) async fn check(State(shared): State<Shared>, request: Request, next: Next) -> Result<Response, Error> {
    let config = shared.config();
    if !config.control {
        let why = "the control API is off (QRSTACK_CONTROL)";
        return Err(Error::new(StatusCode::NOT_FOUND, "control_off", why));
    }
    let (parts, body) = request.into_parts();
    if is_cross_site(&parts) {
        return Err(Error::forbidden("the control API is not for web pages of another origin"));
    }
    if config.control_token.expose().is_empty() {
        if !is_loopback(&parts) {
            let why = "the address of this server can be reached by others: set QRSTACK_CONTROL_TOKEN";
            return Err(Error::forbidden(why));
        }
        if !is_own_host(&parts, config) {
            let why = "the host is neither an address nor localhost: name it in QRSTACK_PUBLIC_HOSTS, or set \
                       QRSTACK_CONTROL_TOKEN";
            return Err(Error::forbidden(why));
        }
    } else if !bearer(&parts).is_some_and(|token| config.control_token.matches(token)) {
        return Err(Error::unauthorized());
    }
    let mut response = next.run(Request::from_parts(parts, body)).await;
    // Answers tell of one moment, and some of them a secret.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    Ok(response)
}

/// Whether a request may do what the API does, with a token if one was given; of its own pages, which cannot send headers.
pub(super) fn may(config: &Config, parts: &Parts, token: Option<&str>) -> bool {
    if config.control_token.expose().is_empty() {
        is_loopback(parts)
    } else {
        token.is_some_and(|token| config.control_token.matches(token))
    }
}

/// Whether a request comes from a web page of somebody else: by its origin, or by a host that is none of ours.
pub fn is_foreign(parts: &Parts, config: &Config) -> bool {
    is_cross_site(parts) || !is_own_host(parts, config)
}

/// Whether a browser says that another site's page sends this. Programs say nothing of the kind.
fn is_cross_site(parts: &Parts) -> bool {
    let says = |name: &str| parts.headers.get_all(name).iter();
    let is_elsewhere = |site: &[u8]| !matches!(site, b"same-origin" | b"none");
    let own = |origin: &str| {
        let authority = origin.split_once("://").map(|(_, authority)| authority);
        authority.is_some_and(|authority| authority.eq_ignore_ascii_case(named_host(parts)))
    };
    says("sec-fetch-site").any(|site| is_elsewhere(site.as_bytes()))
        || says(ORIGIN.as_str()).any(|origin| !origin.to_str().is_ok_and(own))
}

/// Whether the host that a request names can be no stranger's: an address, `localhost`, or one of the settings. A
/// program may name none.
fn is_own_host(parts: &Parts, config: &Config) -> bool {
    let host = without_port(named_host(parts));
    let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
    let is_own = |own: &String| own.eq_ignore_ascii_case(host) || own.eq_ignore_ascii_case(named_host(parts));
    host.is_empty()
        || bare.parse::<IpAddr>().is_ok()
        || host.eq_ignore_ascii_case("localhost")
        || config.public_hosts.iter().any(is_own)
}

/// Whether only this machine can have sent it: by the address that the listener is bound to. What came through no
/// listener came from this program.
fn is_loopback(parts: &Parts) -> bool {
    match (parts.extensions.get::<Bound>(), parts.extensions.get::<Peer>()) {
        (Some(Bound(address)), _) => address.ip().to_canonical().is_loopback(),
        (None, Some(_)) => false,
        (None, None) => true,
    }
}

/// The token in a bearer header; the scheme in any case.
fn bearer(parts: &Parts) -> Option<&str> {
    let (scheme, token) = parts.headers.get(AUTHORIZATION)?.to_str().ok()?.trim().split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(headers: &[(&str, &str)]) -> Parts {
        let request = axum::http::Request::builder();
        let request = headers.iter().fold(request, |request, (name, value)| request.header(*name, *value));
        request.body(()).expect("a request").into_parts().0
    }

    #[test]
    fn pages_of_others_are_told_by_origin_and_host() {
        let mut config = Config::defaults();
        config.public_hosts = vec!["qr.test".to_owned()];
        for (headers, expected) in [
            (&[][..], false),
            (&[("host", "127.0.0.1:8080")][..], false),
            (&[("host", "[::1]:8080")][..], false),
            (&[("host", "LocalHost:8080")][..], false),
            (&[("host", "qr.test")][..], false),
            (&[("host", "evil.test:8080")][..], true),
            (&[("host", "localhost.evil.test")][..], true),
            (&[("host", "127.0.0.1.evil.test")][..], true),
            (&[("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:8080")][..], false),
            (&[("host", "127.0.0.1:8080"), ("origin", "http://127.0.0.1:9090")][..], true),
            (&[("host", "127.0.0.1:8080"), ("origin", "http://evil.test")][..], true),
            (&[("host", "127.0.0.1:8080"), ("origin", "null")][..], true),
            (&[("host", "evil.test"), ("origin", "http://evil.test")][..], true),
            (&[("host", "localhost"), ("sec-fetch-site", "cross-site")][..], true),
            (&[("host", "localhost"), ("sec-fetch-site", "same-site")][..], true),
            (&[("host", "localhost"), ("sec-fetch-site", "same-origin")][..], false),
            (&[("host", "localhost"), ("sec-fetch-site", "none")][..], false),
        ] {
            assert_eq!(is_foreign(&parts(headers), &config), expected, "{headers:?}");
        }
    }

    #[test]
    fn a_loopback_listener_is_told_from_others() {
        let at = |bound: Option<&str>, peer: Option<&str>| {
            let mut parts = parts(&[]);
            let address = |text: &str| text.parse().expect("an address");
            bound.map(|bound| parts.extensions.insert(Bound(address(bound))));
            peer.map(|peer| parts.extensions.insert(Peer(address(peer))));
            is_loopback(&parts)
        };
        assert!(at(Some("127.0.0.1:80"), Some("127.0.0.1:9")));
        assert!(at(Some("[::1]:80"), Some("[::1]:9")));
        assert!(!at(Some("0.0.0.0:80"), Some("127.0.0.1:9")), "others can reach it as well");
        assert!(!at(Some("192.0.2.1:80"), Some("192.0.2.2:9")));
        assert!(!at(None, Some("127.0.0.1:9")), "a listener that does not say so is none");
        assert!(at(None, None), "this very program");
    }
}
