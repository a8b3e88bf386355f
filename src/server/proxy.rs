//! The server as a forward proxy: for the vendors' names, which it answers itself, and for nothing else. It never dials, so
//! it can be no relay and no loop.

use std::net::IpAddr;

use axum::http::{Method, Request};

use super::vendor_of;
use crate::intake::without_port;

/// What a request that may be meant for a proxy comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Route {
    /// It is for us.
    Here,
    /// A tunnel, to be served by ourselves.
    Tunnel(Speech),
    /// It is for somebody else, and why it is refused.
    Refused(&'static str),
}

/// What is spoken in a tunnel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Speech {
    Tls,
    Plain,
}

pub(super) const NESTED: &str = "there are no tunnels within tunnels";
pub(super) const NO_TLS: &str = "this server has no certificates";
const FOREIGN: &str = "this is a proxy for the names of the emulated APIs alone";
const PORT: &str = "tunnels lead to the ports 80 and 443 alone";

/// Judges a request that reached the address `ours`, with `public_hosts` for further names of ours.
///
/// Documented: RFC 9112, 3.2.2 and 3.2.3: an absolute target is sent to proxies, and must be taken where it is our own;
/// `CONNECT` names a host and a port.
pub(super) fn route<B>(request: &Request<B>, ours: Option<IpAddr>, public_hosts: &[String]) -> Route {
    let uri = request.uri();
    let Some(authority) = uri.authority() else {
        return if request.method() == Method::CONNECT { Route::Refused(FOREIGN) } else { Route::Here };
    };
    let host = authority.host();
    let is_vendors = vendor_of(host).is_some();
    if request.method() != Method::CONNECT {
        let is_ours =
            || is_own(host, ours) || public_hosts.iter().any(|own| without_port(own).eq_ignore_ascii_case(host));
        return if is_vendors || is_ours() { Route::Here } else { Route::Refused(FOREIGN) };
    }
    match authority.port_u16() {
        _ if !is_vendors => Route::Refused(FOREIGN),
        Some(443) => Route::Tunnel(Speech::Tls),
        Some(80) => Route::Tunnel(Speech::Plain),
        _ => Route::Refused(PORT),
    }
}

/// Whether a host is this machine itself, or the address that the client reached.
fn is_own(host: &str, ours: Option<IpAddr>) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    match bare.parse::<IpAddr>() {
        Ok(ip) => ip.to_canonical().is_loopback() || Some(ip.to_canonical()) == ours,
        // Documented: RFC 6761, 6.3: names under `localhost` are loopback.
        Err(_) => host.rsplit('.').next().is_some_and(|last| last.eq_ignore_ascii_case("localhost")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_vendors_names_and_our_own_are_let_through_and_nothing_else() {
        let tls = Route::Tunnel(Speech::Tls);
        let (foreign, port) = (Route::Refused(FOREIGN), Route::Refused(PORT));
        for (method, target, expected) in [
            ("GET", "/", Route::Here),
            ("GET", "http://api.weixin.qq.com/cgi-bin/token", Route::Here),
            ("POST", "https://OCR.tencentcloudapi.com:443/", Route::Here),
            ("GET", "http://b-1250000000.cos.ap-beijing.myqcloud.com/?a", Route::Here),
            ("GET", "http://127.0.0.1:8080/", Route::Here),
            ("GET", "http://[::1]:8080/", Route::Here),
            ("GET", "http://localhost/", Route::Here),
            ("GET", "http://b.cos.r.localhost:8080/", Route::Here),
            ("GET", "http://192.0.2.7/", Route::Here),
            ("GET", "http://public.example/", Route::Here),
            ("GET", "http://192.0.2.8/", foreign),
            ("GET", "http://example.com/", foreign),
            ("GET", "http://weixin.qq.com/", foreign),
            ("GET", "http://api.weixin.qq.com.example.com/", foreign),
            ("GET", "http://localhost.example/", foreign),
            ("CONNECT", "api.weixin.qq.com:443", tls),
            ("CONNECT", "API.WEIXIN.QQ.COM:443", tls),
            ("CONNECT", "api.weixin.qq.com:80", Route::Tunnel(Speech::Plain)),
            ("CONNECT", "api.weixin.qq.com:22", port),
            ("CONNECT", "api.weixin.qq.com", port),
            ("CONNECT", "example.com:443", foreign),
            ("CONNECT", "127.0.0.1:443", foreign),
            ("CONNECT", "localhost:443", foreign),
            ("CONNECT", "169.254.169.254:80", foreign),
            ("CONNECT", "[::1]:443", foreign),
            ("CONNECT", "/", foreign),
        ] {
            let request = Request::builder().method(method).uri(target).body(()).expect(target);
            let ours = "192.0.2.7".parse().ok();
            assert_eq!(route(&request, ours, &["public.example:8080".to_owned()]), expected, "{method} {target}");
        }
    }
}
