//! Which addresses may be reached: public ones, and what the operator allows. Our own listeners never.
//!
//! Judged is the address that is dialled, after the name was resolved, never the text of the URL.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::sync::{Arc, RwLock};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

use super::FetchError;
use crate::config::AllowRule;

/// IPv4 ranges that are not globally reachable (IANA special-purpose registry), with their source, and what a cloud makes
/// of a public one.
const V4: &[(&str, &str)] = &[
    ("0.0.0.0/8", "this network, RFC 791"),
    ("10.0.0.0/8", "private, RFC 1918"),
    ("100.64.0.0/10", "shared address space, RFC 6598"),
    ("127.0.0.0/8", "loopback, RFC 1122"),
    ("168.63.129.16/32", "Azure's host services, a public address that is local to each machine"),
    ("169.254.0.0/16", "link-local, RFC 3927"),
    ("172.16.0.0/12", "private, RFC 1918"),
    ("192.0.0.0/24", "IETF protocol assignments, RFC 6890"),
    ("192.0.2.0/24", "documentation, RFC 5737"),
    ("192.31.196.0/24", "AS112, RFC 7535"),
    ("192.52.193.0/24", "AMT, RFC 7450"),
    ("192.88.99.0/24", "6to4 relay, RFC 7526"),
    ("192.168.0.0/16", "private, RFC 1918"),
    ("192.175.48.0/24", "AS112, RFC 7534"),
    ("198.18.0.0/15", "benchmarking, RFC 2544"),
    ("198.51.100.0/24", "documentation, RFC 5737"),
    ("203.0.113.0/24", "documentation, RFC 5737"),
    ("224.0.0.0/4", "multicast, RFC 5771"),
    ("240.0.0.0/4", "reserved, RFC 1112"),
];

/// IPv6 ranges that are not globally reachable, or that hide an IPv4 address, with their source. What is not in
/// 2000::/3 (global unicast, RFC 4291) is refused as well.
const V6: &[(&str, &str)] = &[
    ("::/128", "unspecified, RFC 4291"),
    ("::1/128", "loopback, RFC 4291"),
    ("::/96", "IPv4-compatible, RFC 4291"),
    ("64:ff9b::/96", "NAT64, RFC 6052"),
    ("64:ff9b:1::/48", "local NAT64, RFC 8215"),
    ("100::/64", "discard, RFC 6666"),
    ("2001::/23", "IETF protocol assignments with Teredo, RFC 2928 and RFC 4380"),
    ("2001:db8::/32", "documentation, RFC 3849"),
    ("2002::/16", "6to4, RFC 3056"),
    ("2620:4f:8000::/48", "AS112, RFC 7534"),
    ("3fff::/20", "documentation, RFC 9637"),
    ("5f00::/16", "segment routing, RFC 9602"),
    ("fc00::/7", "unique local, RFC 4193"),
    ("fe80::/10", "link-local, RFC 4291"),
    ("fec0::/10", "site-local, RFC 3879"),
    ("ff00::/8", "multicast, RFC 4291"),
];

/// Ports of services that are no web servers and could take a request for something else: the "bad ports" of the Fetch
/// standard of WHATWG, which browsers refuse as well.
const OTHER_SERVICES: &[u16] = &[
    0, 1, 7, 9, 11, 13, 15, 17, 19, 20, 21, 22, 23, 25, 37, 42, 43, 53, 69, 77, 79, 87, 95, 101, 102, 103, 104, 109,
    110, 111, 113, 115, 117, 119, 123, 135, 137, 139, 143, 161, 179, 389, 427, 465, 512, 513, 514, 515, 526, 530, 531,
    532, 540, 548, 554, 556, 563, 587, 601, 636, 989, 990, 993, 995, 1719, 1720, 1723, 2049, 3659, 4045, 4190, 5060,
    5061, 6000, 6566, 6665, 6666, 6667, 6668, 6669, 6679, 6697, 10080,
];

/// Decides about hosts and addresses; clones share what is known of our own listeners.
#[derive(Clone)]
pub(super) struct Guard {
    allow: Arc<[AllowRule]>,
    special: Arc<[(IpNet, &'static str)]>,
    own: Arc<RwLock<Vec<SocketAddr>>>,
}

impl Guard {
    pub(super) fn new(allow: &[AllowRule]) -> Self {
        let v4 = V4.iter().filter_map(|(net, about)| Some((IpNet::V4(net.parse::<Ipv4Net>().ok()?), *about)));
        let v6 = V6.iter().filter_map(|(net, about)| Some((IpNet::V6(net.parse::<Ipv6Net>().ok()?), *about)));
        Self { allow: allow.into(), special: v4.chain(v6).collect(), own: Arc::default() }
    }

    /// Adds an address that we listen on.
    pub(super) fn own_listener(&self, address: SocketAddr) {
        self.own.write().unwrap_or_else(std::sync::PoisonError::into_inner).push(address);
    }

    /// Judges the port that would be dialled at `host`, whatever its address.
    pub(super) fn judge_port(host: &str, port: u16) -> Result<(), FetchError> {
        let is_other = OTHER_SERVICES.contains(&port);
        if is_other { Err(FetchError::Port { host: host.to_owned(), port }) } else { Ok(()) }
    }

    /// Judges the address that would be dialled for `host`.
    pub(super) fn judge(&self, host: &str, address: SocketAddr) -> Result<(), FetchError> {
        let ip = address.ip().to_canonical();
        if self.is_own(ip, address.port()) {
            return Err(FetchError::Ourselves { host: host.to_owned() });
        }
        if self.is_allowed(host, ip) {
            return Ok(());
        }
        match self.special_purpose(ip) {
            Some(reason) => Err(FetchError::Refused { host: host.to_owned(), reason }),
            None => Ok(()),
        }
    }

    fn is_own(&self, ip: IpAddr, port: u16) -> bool {
        let own = self.own.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        own.iter().any(|listener| {
            // A listener on all addresses answers on each of this machine's; only those can be bound to.
            let is_ours = || ip.is_loopback() || ip.is_unspecified() || UdpSocket::bind((ip, 0)).is_ok();
            let listens_there = listener.ip().to_canonical() == ip
                || (listener.ip().is_unspecified() && is_ours())
                || (listener.ip().is_loopback() && ip.is_unspecified());
            listener.port() == port && listens_there
        })
    }

    fn is_allowed(&self, host: &str, ip: IpAddr) -> bool {
        let host = host.trim_end_matches('.').to_ascii_lowercase();
        self.allow.iter().any(|rule| match rule {
            AllowRule::Host(name) => *name == host,
            AllowRule::Net(net) => net.contains(&ip),
        })
    }

    /// What kind of special address this is; `None` where it is public.
    fn special_purpose(&self, ip: IpAddr) -> Option<&'static str> {
        if let Some((_, about)) = self.special.iter().find(|(net, _)| net.contains(&ip)) {
            return Some(about);
        }
        match ip {
            IpAddr::V4(_) => None,
            IpAddr::V6(v6) if v6.segments()[0] & 0xe000 != 0x2000 => Some("outside global unicast, RFC 4291"),
            // ISATAP (RFC 5214) hides an IPv4 address in the interface identifier, under any prefix.
            IpAddr::V6(v6) => isatap(v6).and_then(|v4| self.special_purpose(IpAddr::V4(v4))),
        }
    }
}

fn isatap(ip: Ipv6Addr) -> Option<Ipv4Addr> {
    let segments = ip.segments();
    let marked = matches!(segments[4], 0x0000 | 0x0200) && segments[5] == 0x5efe;
    marked.then(|| Ipv4Addr::from((u32::from(segments[6]) << 16) | u32::from(segments[7])))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge(guard: &Guard, host: &str, ip: &str) -> Result<(), FetchError> {
        guard.judge(host, SocketAddr::new(ip.parse().expect("an address"), 80))
    }

    #[test]
    fn every_row_of_the_tables_is_a_range() {
        assert_eq!(Guard::new(&[]).special.len(), V4.len() + V6.len());
    }

    #[test]
    fn only_public_addresses_pass() {
        let guard = Guard::new(&[]);
        for ip in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "168.63.129.15",
            "168.63.129.17",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2606:4700::1111",
            "2a00::1",
            "2001:200::1",
        ] {
            assert!(judge(&guard, "x", ip).is_ok(), "{ip}");
        }
        for ip in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.255.255.254",
            "168.63.129.16",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.9",
            "203.0.113.7",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:10.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:0:4136:e378:8000:63bf:3fff:fdd2",
            "2001:db8::1",
            "2002:7f00:1::",
            "2002:808:808::",
            "fc00::1",
            "fdff::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
            "3fff::1",
            "4000::1",
            "2606:4700::5efe:7f00:1",
            "2606:4700::200:5efe:a00:1",
        ] {
            assert!(matches!(judge(&guard, "x", ip), Err(FetchError::Refused { .. })), "{ip}");
        }
    }

    #[test]
    fn named_hosts_and_ranges_open_themselves_alone() {
        let guard =
            Guard::new(&[AllowRule::Host("minio".to_owned()), AllowRule::Net("10.0.0.0/8".parse().expect("a CIDR"))]);
        assert!(judge(&guard, "MinIO.", "192.168.0.7").is_ok());
        assert!(judge(&guard, "x", "10.2.3.4").is_ok());
        assert!(judge(&guard, "x", "::ffff:10.2.3.4").is_ok());
        assert!(judge(&guard, "minio.evil", "192.168.0.7").is_err());
    }

    #[test]
    fn our_own_listener_is_refused_even_where_its_range_is_allowed() {
        let guard = Guard::new(&[AllowRule::Net("127.0.0.0/8".parse().expect("a CIDR"))]);
        guard.own_listener("0.0.0.0:8080".parse().expect("an address"));
        let at = |port| guard.judge("x", SocketAddr::from(([127, 0, 0, 1], port)));
        assert!(matches!(at(8080), Err(FetchError::Ourselves { .. })));
        assert!(at(8081).is_ok());
    }
}
