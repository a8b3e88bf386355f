//! Which host a request was sent to, and which hosts its signature may have been made for.

use std::net::{IpAddr, SocketAddr};

use axum::http::request::Parts;
use axum::http::{HeaderMap, header};

use crate::config::Config;

/// The address of the client's end of the connection; the listener puts it into the request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Peer(pub SocketAddr);

/// The address that the listener of the connection is bound to; the listener puts it into the request's extensions.
#[derive(Clone, Copy, Debug)]
pub struct Bound(pub SocketAddr);

/// The hosts that a signature may name, likeliest first, each once: `Host` as sent, then without its port; the
/// authority of an absolute target; `X-Forwarded-Host`, from trusted proxies alone; the configured public hosts.
///
/// Some SDKs send the port and sign the name without it, others sign both.
pub fn hosts<'a>(parts: &'a Parts, config: &'a Config) -> Vec<&'a str> {
    let mut hosts = Vec::new();
    let mut add = |host: &'a str| {
        for variant in [host, without_port(host)] {
            if !variant.is_empty() && !hosts.contains(&variant) {
                hosts.push(variant);
            }
        }
    };
    if let Some(host) = text(&parts.headers, header::HOST.as_str()) {
        add(host);
    }
    if let Some(authority) = parts.uri.authority() {
        add(authority.as_str());
    }
    let trusted = |address: IpAddr| config.trusted_proxies.iter().any(|net| net.contains(&address));
    if parts.extensions.get::<Peer>().is_some_and(|peer| trusted(peer.0.ip().to_canonical()))
        && let Some(host) = text(&parts.headers, "x-forwarded-host")
    {
        add(host.split(',').next().unwrap_or_default().trim());
    }
    for host in &config.public_hosts {
        add(host);
    }
    hosts
}

/// The host that the client named: the authority of an absolute target, else `Host`, else nothing.
///
/// Documented: RFC 9112, 3.2.2: beside an absolute target `Host` does not count.
pub fn named_host(parts: &Parts) -> &str {
    let authority = parts.uri.authority().map(axum::http::uri::Authority::as_str);
    authority.or_else(|| text(&parts.headers, header::HOST.as_str())).unwrap_or_default()
}

/// `host` without a trailing `:port`; a bracketed IPv6 address keeps its brackets, a scheme (which some SDKs put into
/// `Host`) stays.
pub fn without_port(host: &str) -> &str {
    let Some((rest, port)) = host.rsplit_once(':') else { return host };
    let name = rest.split_once("://").map_or(rest, |(_, name)| name);
    let is_port = !port.is_empty() && port.bytes().all(|byte| byte.is_ascii_digit());
    if is_port && (name.ends_with(']') || !name.contains(':')) { rest } else { host }
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

#[cfg(test)]
mod tests {
    use axum::http::Request;

    use super::*;

    #[test]
    fn the_port_is_cut_off_and_nothing_else() {
        for (host, expected) in [
            ("a.b:80", "a.b"),
            ("a.b", "a.b"),
            ("[::1]:80", "[::1]"),
            ("[::1]", "[::1]"),
            ("::1", "::1"),
            ("http://127.0.0.1:8080", "http://127.0.0.1"),
            ("http://127.0.0.1", "http://127.0.0.1"),
        ] {
            assert_eq!(without_port(host), expected, "{host}");
        }
    }

    #[test]
    fn a_forwarded_host_counts_from_trusted_proxies_alone() {
        let mut config = Config::defaults();
        config.trusted_proxies = vec!["10.0.0.0/8".parse().expect("a CIDR")];
        config.public_hosts = vec!["public.example".to_owned()];
        for (peer, expected) in [
            ("10.1.2.3:9", vec!["inner:1", "inner", "outer.example", "public.example"]),
            ("192.0.2.1:9", vec!["inner:1", "inner", "public.example"]),
        ] {
            let mut request = Request::builder()
                .header("Host", "inner:1")
                .header("X-Forwarded-Host", "outer.example")
                .body(())
                .expect("valid");
            request.extensions_mut().insert(Peer(peer.parse().expect("an address")));
            assert_eq!(hosts(&request.into_parts().0, &config), expected, "{peer}");
        }
    }
}
