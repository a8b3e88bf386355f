//! Remote pictures: strangers name the addresses. Whatever they name, the canaries inside are not reached.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use qrstack::config::AllowRule;
use qrstack::fetch::{Fetch, FetchError, FetchLimits, Resolve, Resolving, Setup};
use qrstack::server;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;

use crate::canary::{Act, Canary, Door, metric, ok, open_server, untrusted};
use crate::harness::{Check, block_on, check};
use crate::program::Program;
use crate::support::Log;

pub fn checks() -> Vec<Check> {
    vec![
        check("F1", "special addresses refused at every door, connections made", special_addresses),
        check("F1", "the log names vendor, operation and the setting that would allow it", told),
        check("F2", "spellings of loopback and metadata addresses refused at every door, connections made", spellings),
        check("F3", "IPv6 forms that hide or name inner addresses refused at every door, connections made", hidden),
        check("F4", "redirects to where the first address may not go, connections made there", redirects),
        check("F4", "a loop of redirects ends, after this many requests", redirect_loop),
        check("F5", "names that change, mix or hide inner addresses, connections made inside", rebinding),
        check("F6", "addresses of odd pieces, connections made inside", odd_pieces),
        check("F6", "ports of other services refused where the host is allowed, connections made", odd_ports),
        check(
            "F7",
            "our own listener by every spelling, and through a forwarded port, where all is allowed",
            ourselves,
        ),
        check("F8", "five proxy variables set, connections through the proxy", environment_proxies),
        check("F9", "schemes refused at every door", schemes),
        check("F10", "hosts that hang, drip or stall are given up, and their memory is free again", slow_hosts),
        check("F11", "answers that are endless or lie about their length", lengths),
        check("F11", "pictures under way share a bound of memory", shared_memory),
        check("F12", "encoded bodies refused before they are read", encodings),
        check("F13", "hosts that are broken below HTTP", broken_hosts),
    ]
}

pub const LIMITS: FetchLimits = FetchLimits { redirects: 3, total: Duration::from_secs(20), max_bytes: 1000 };

fn net(cidr: &str) -> AllowRule {
    AllowRule::Net(cidr.parse().expect("a CIDR"))
}

/// Reaches 127.0.0.1 as if it were public, and nothing else on loopback.
pub fn setup() -> Setup {
    Setup { allow: vec![net("127.0.0.1/32")], ..Setup::default() }
}

fn fetch() -> Fetch {
    Fetch::new(setup()).expect("set up")
}

/// Every door refuses each of `hosts`, by its download error or as no address; nobody reaches the canaries.
async fn refused(hosts: &[String]) -> String {
    let server = open_server("").await;
    let canaries = [Canary::silent("127.0.0.1").await, Canary::silent("127.0.0.2").await];
    for host in hosts {
        for door in Door::ALL {
            for canary in &canaries {
                let address = host.replace("{port}", &canary.port().to_string());
                let answer = door.fetch(&server, &address).await;
                let expected = [door.no_download(), door.no_address()];
                assert!(expected.contains(&answer.code.as_str()), "{address} at {door:?}: {}", answer.code);
                assert_eq!(answer.status, 200 + 200 * u16::from(answer.code == "400"), "{address} at {door:?}");
                // Whoever is dialled is refused, does not answer or is reached; nobody may be dialled.
                for outcome in ["unreachable", "too_slow"] {
                    let dialled = metric(&server, &format!("qrstack_fetches_total{{outcome=\"{outcome}\"}}")).await;
                    assert_eq!(dialled, 0, "{address} at {door:?} was dialled");
                }
            }
        }
    }
    let reached: usize = canaries.iter().map(Canary::accepted).sum();
    assert_eq!(reached, 0);
    format!("{} × {} doors, {reached}", hosts.len(), Door::ALL.len())
}

fn special_addresses() -> String {
    block_on(async { refused(&special()).await })
}

/// Addresses that are not public.
pub fn special() -> Vec<String> {
    let v4 = "0.0.0.0 0.0.0.1 0.255.255.255 10.0.0.0 10.0.0.1 10.255.255.255 100.64.0.0 100.64.0.1 100.100.100.200 \
              100.127.255.255 127.0.0.0 127.0.0.1 127.0.0.2 127.0.0.53 127.255.255.255 168.63.129.16 169.254.0.0 169.254.169.253 \
              169.254.169.254 169.254.170.2 169.254.255.255 172.16.0.0 172.17.0.1 172.31.255.255 192.0.0.0 192.0.0.170 \
              192.0.0.192 192.0.0.255 192.0.2.0 192.0.2.255 192.31.196.1 192.52.193.1 192.88.99.1 192.168.0.0 \
              192.168.0.1 192.168.255.255 192.175.48.1 198.18.0.0 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 \
              224.0.0.251 239.255.255.250 240.0.0.0 255.255.255.254 255.255.255.255";
    let v6 = ":: ::1 ::2 100::1 2001::1 2001:db8::1 3fff::1 5f00::1 fc00::1 fd00:ec2::254 fdff:ffff::1 fe80::1 febf::1 \
              fec0::1 ff01::1 ff02::1 ff05::1:3 4000::1 8000::1 e000::1";
    let v4 = v4.split_whitespace().map(|ip| format!("http://{ip}:{{port}}/a.png"));
    let v6 = v6.split_whitespace().map(|ip| format!("http://[{ip}]:{{port}}/a.png"));
    v4.chain(v6).collect()
}

fn told() -> String {
    block_on(async {
        let (server, log) = (open_server("").await, Log::start());
        for door in Door::ALL {
            door.fetch(&server, "http://10.1.2.3/?q-signature=marker").await;
        }
        let log = log.text();
        for (provider, operation) in [("wechat", "img/qrcode"), ("tencent_ocr", "QrcodeOCR"), ("cli_im", "scan_url")] {
            let line = log.lines().find(|line| line.contains("could not be fetched") && line.contains(provider));
            let line = line.unwrap_or_else(|| panic!("{provider} in {log}"));
            assert!(line.contains(operation) && line.contains("QRSTACK_FETCH_ALLOW=10.1.2.3"), "{line}");
            assert!(!line.contains("marker"), "{line}");
        }
        String::new()
    })
}

fn spellings() -> String {
    block_on(async { refused(&spelled()).await })
}

/// Loopback and metadata addresses, spelled otherwise.
pub fn spelled() -> Vec<String> {
    let hosts = "127.1 127.0.1 2130706433 0x7f000001 0x7F.0.0.1 0x7f.1 0177.0.0.1 0177.1 017700000001 127.0.0.1. \
                 127.000.000.001 %31%32%37.0.0.1 127%2e0%2e0%2e1 １２７.０.０.１ 127。0。0。1 127．0．0．1 127｡0｡0｡1 \
                 ①②⑦.⓪.⓪.① ¹²⁷.0.0.1 0 0x0 00 localhost LOCALHOST ｌocalhost 127.0.0.2 0x7f000002 \
                 2852039166 0xa9fea9fe 0251.0376.0251.0376 169.16689662 [::1] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] \
                 [::ffff:7f00:1] [::FFFF:7F00:0001] [::127.0.0.1] 4294967296 256.1 127.0.0.1.1 [127.0.0.1] 127.0.0.0x";
    let hosts = hosts.split_whitespace().map(|host| format!("http://{host}:{{port}}/a.png"));
    let shapes = [
        r"http:\\127.0.0.1:{port}\a.png",
        "http:/127.0.0.1:{port}/a.png",
        "http:127.0.0.1:{port}/a.png",
        "http:////127.0.0.1:{port}/a.png",
        "  http://127.0.0.1:{port}/a.png\n",
        "ht\ntp://127.0.0\t.1:{port}/a.png",
        "HTTP://127.0.0.1:{port}/a.png",
        "https://127.0.0.1:{port}/a.png",
    ];
    hosts.chain(shapes.map(str::to_owned)).collect()
}

fn hidden() -> String {
    block_on(async { refused(&hiding()).await })
}

/// IPv6 addresses that hide or name inner ones.
pub fn hiding() -> Vec<String> {
    let forms = "::ffff:10.0.0.1 ::ffff:169.254.169.254 ::ffff:0:127.0.0.1 ::10.0.0.1 ::169.254.169.254 64:ff9b::127.0.0.1 \
                 64:ff9b::10.0.0.1 64:ff9b::8.8.8.8 64:ff9b:1::127.0.0.1 64:ff9b:1:ffff::1 2002:7f00:1:: 2002:a00:1::1 \
                 2002:808:808::1 2001:0:4136:e378:8000:63bf:3fff:fdd2 2001:0:7f00:1::1 2606:4700::5efe:7f00:1 \
                 2606:4700::200:5efe:a00:1 fe80::5efe:7f00:1 fec0::7f00:1 2001:db8::7f00:1 2001:10::1 2001:20::1 \
                 2620:4f:8000::1 fe80::1%25eth0 fe80::1%eth0 ::1%25lo";
    let forms = forms.split_whitespace().map(|ip| format!("http://[{ip}]:{{port}}/a.png"));
    forms.collect()
}

pub fn moved(location: &str) -> Act {
    Act::Say(format!("HTTP/1.1 302 Found\r\nLocation: {location}\r\nContent-Length: 0\r\n\r\n").into_bytes())
}

fn redirects() -> String {
    block_on(async {
        let inner = Canary::silent("127.0.0.2").await;
        let port = inner.port();
        let outer = Canary::start("127.0.0.1", move |path| match path.split_once('?').map_or(path, |(path, _)| path) {
            "/ok" => Act::Say(ok("image/png", b"picture")),
            "/1" => moved("ok"),
            "/2" => moved("/1"),
            "/3" => moved("./2?x"),
            "/4" => moved("/3"),
            "/none" => Act::Say(b"HTTP/1.1 302 Found\r\nContent-Length: 0\r\n\r\n".to_vec()),
            "/private" => moved(&format!("http://127.0.0.2:{port}/")),
            "/later" => moved("/private"),
            "/relative" => moved(&format!("//127.0.0.2:{port}/")),
            "/number" => moved(&format!("http://2130706434:{port}/")),
            "/backslashes" => moved(&format!(r"\\127.0.0.2:{port}\")),
            "/mapped" => moved(&format!("http://[::ffff:127.0.0.2]:{port}/")),
            "/secure" => moved(&format!("https://127.0.0.2:{port}/")),
            "/user" => moved(&format!("http://user@127.0.0.1:{port}/")),
            "/file" => moved("file:///etc/passwd"),
            "/gopher" => moved(&format!("gopher://127.0.0.2:{port}/_x")),
            "/data" => moved("data:image/png;base64,AAAA"),
            "/port" => moved("http://127.0.0.1:25/"),
            path => panic!("no script for {path}"),
        })
        .await;
        let fetch = fetch();
        let get = async |path: &str| fetch.image(&format!("http://{}{path}", outer.address), &LIMITS).await;
        for path in ["/ok", "/1", "/2", "/3"] {
            assert_eq!(get(path).await.expect(path).as_ref(), b"picture", "{path}");
        }
        let inside = ["/private", "/later", "/relative", "/number", "/backslashes", "/mapped", "/secure"];
        for path in inside {
            assert!(matches!(get(path).await, Err(FetchError::Refused { .. })), "{path}");
        }
        let nowhere = ["/4", "/none", "/user", "/file", "/gopher", "/data"];
        for path in nowhere {
            assert!(matches!(get(path).await, Err(FetchError::Redirects)), "{path}");
        }
        assert!(matches!(get("/port").await, Err(FetchError::Port { port: 25, .. })));
        let server = open_server("127.0.0.1").await;
        for door in Door::ALL {
            let answer = door.fetch(&server, &format!("http://{}/private", outer.address)).await;
            assert_eq!(answer.code, door.no_download(), "{door:?}");
        }
        assert_eq!(inner.accepted(), 0);
        format!("{}, {}", inside.len() + nowhere.len() + 1 + Door::ALL.len(), inner.accepted())
    })
}

fn redirect_loop() -> String {
    block_on(async {
        let host = Canary::start("127.0.0.1", |_| moved("/again")).await;
        let result = fetch().image(&format!("http://{}/", host.address), &LIMITS).await;
        assert!(matches!(result, Err(FetchError::Redirects)), "{result:?}");
        assert_eq!(host.accepted(), LIMITS.redirects + 1);
        host.accepted().to_string()
    })
}

/// Answers each question with the next set of addresses, the last one for ever.
pub struct Scripted {
    pub answers: Vec<Vec<IpAddr>>,
    pub asked: AtomicUsize,
}

impl Resolve for Scripted {
    fn resolve(&self, _: &str) -> Resolving {
        let asked = self.asked.fetch_add(1, Ordering::SeqCst);
        let answer: io::Result<_> = Ok(self.answers[asked.min(self.answers.len() - 1)].clone());
        Box::pin(std::future::ready(answer))
    }
}

fn rebinding() -> String {
    block_on(async {
        let port = Canary::silent("127.0.0.1").await.port();
        let inner = Canary::silent("127.0.0.2").await;
        let outer = Canary::start("127.0.0.1", move |path| match path {
            "/moved" => moved(&format!("http://name.example:{port}/")),
            _ => Act::Say(ok("image/png", b"picture")),
        })
        .await;
        let [public, private]: [IpAddr; 2] = [[127, 0, 0, 1].into(), [127, 0, 0, 2].into()];
        let ask = async |answers: &[&[IpAddr]], port: u16, path: &str| {
            let answers = answers.iter().map(|set| set.to_vec()).collect();
            let scripted = Arc::new(Scripted { answers, asked: AtomicUsize::new(0) });
            let resolver = Arc::clone(&scripted);
            let fetch = Fetch::new(Setup { resolver, ..setup() }).expect("set up");
            let result = fetch.image(&format!("http://name.example.:{port}{path}"), &LIMITS).await;
            (result, scripted.asked.load(Ordering::SeqCst))
        };
        // A name is asked for once, and what was judged is what is dialled.
        let (result, asked) = ask(&[&[public], &[private]], outer.port(), "/").await;
        assert_eq!((result.expect("reached").as_ref(), asked), (&b"picture"[..], 1));
        // Once more at a redirect: then the change is seen, and judged.
        let (result, asked) = ask(&[&[public], &[private]], outer.port(), "/moved").await;
        assert!(matches!(result, Err(FetchError::Refused { .. })), "{result:?}");
        assert_eq!(asked, 2);
        let outside = outer.accepted();
        let mapped = "::ffff:127.0.0.2".parse().expect("an address");
        let sets: [&[IpAddr]; 6] = [
            &[private],
            &[public, private],
            &[private, public],
            &[public, mapped],
            &[public, "::1".parse().expect("an address")],
            &[public, "fd00::1".parse().expect("an address")],
        ];
        for set in sets {
            let (result, _) = ask(&[set], inner.port(), "/").await;
            assert!(matches!(result, Err(FetchError::Refused { .. })), "{set:?}: {result:?}");
        }
        let (result, _) = ask(&[&[]], inner.port(), "/").await;
        assert!(matches!(result, Err(FetchError::Unreachable(_))), "{result:?}");
        assert_eq!((inner.accepted(), outer.accepted()), (0, outside));
        format!("{}, {}", sets.len() + 2, inner.accepted())
    })
}

fn odd_pieces() -> String {
    block_on(async {
        let (outer, inner) = (Canary::silent("127.0.0.1").await, Canary::silent("127.0.0.2").await);
        let good = format!("127.0.0.1:{}", outer.port());
        let bad = format!("127.0.0.2:{}", inner.port());
        let fetch = fetch();
        let mut tried = 0;
        for scheme in ["http://", "http:", "http:\\\\", "//"] {
            for glue in
                ["@", "#@", "?@", "\\@", "/@", "%40", ":x@", "#", "\\", "%00@", "\r\n@", " ", "%0d%0aHost:", ";@", "&"]
            {
                for address in [format!("{scheme}{good}{glue}{bad}/"), format!("{scheme}{bad}{glue}{good}/")] {
                    let result = fetch.image(&address, &LIMITS).await;
                    let has_user = matches!(&result, Err(FetchError::BadUrl(why)) if why.contains("user"));
                    let is_user = url::Url::parse(&address).is_ok_and(|url| !url.username().is_empty());
                    assert_eq!(has_user, is_user, "{address:?}: {result:?}");
                    tried += 1;
                }
            }
        }
        for port in ["65536", "99999999999", "-1", "8o", "0x50"] {
            let result = fetch.image(&format!("http://127.0.0.1:{port}/"), &LIMITS).await;
            assert!(matches!(result, Err(FetchError::BadUrl(_))), "{port}: {result:?}");
            tried += 1;
        }
        assert_eq!(inner.accepted(), 0);
        assert!(outer.accepted() > 0, "some of them name the host that may be reached");
        format!("{tried}, {}", inner.accepted())
    })
}

fn odd_ports() -> String {
    const PORTS: [u16; 20] =
        [0, 1, 7, 19, 21, 22, 23, 25, 53, 110, 111, 143, 389, 445, 465, 587, 636, 2049, 6000, 6667];
    block_on(async {
        let server = open_server("127.0.0.0/8").await;
        let mut refused = 0;
        for port in PORTS {
            // Of 445 the list says nothing; nobody listens there.
            for door in Door::ALL {
                let answer = door.fetch(&server, &format!("http://127.0.0.3:{port}/")).await;
                assert_eq!(answer.code, door.no_download(), "{port} at {door:?}");
                refused += 1;
            }
        }
        let by_port = metric(&server, r#"qrstack_fetches_total{outcome="port"}"#).await;
        assert_eq!(by_port, refused - Door::ALL.len() as u64);
        format!("{} ports, {}", PORTS.len() - 1, refused - by_port - Door::ALL.len() as u64)
    })
}

fn ourselves() -> String {
    block_on(async {
        let server = open_server("0.0.0.0/0,::/0,localhost").await;
        let listener = server::bind(([127, 0, 0, 1], 0).into()).await.expect("bound");
        let (own, stop) = (listener.address(), CancellationToken::new());
        server.shared().fetch().own_listener(own);
        let running = tokio::spawn(listener.serve(server.app(), stop.clone()));
        // As a router or a container engine forwards a port: an address that nothing here knows.
        let forwarded = forward_to(own).await;
        let port = own.port();
        let direct: Vec<_> = ["127.0.0.1", "127.1", "localhost", "[::ffff:127.0.0.1]", "0.0.0.0", "2130706433"]
            .map(|host| format!("http://{host}:{port}"))
            .into();
        let token = "/cgi-bin/token?grant_type=client_credential&appid=wx0123456789abcdef\
                     &secret=0123456789abcdef0123456789abcdef";
        for base in direct.iter().cloned().chain([format!("http://{forwarded}")]) {
            for door in Door::ALL {
                let answer = door.fetch(&server, &format!("{base}{token}")).await;
                assert_eq!(answer.code, door.no_download(), "{base} at {door:?}");
            }
        }
        let ourselves = metric(&server, r#"qrstack_fetches_total{outcome="ourselves"}"#).await;
        assert_eq!(ourselves, (direct.len() * Door::ALL.len()) as u64);
        // The forwarded ones came round, and were turned away before anything was done.
        let turned = r#"qrstack_requests_total{provider="wechat",operation="token",code="other"}"#;
        assert_eq!(metric(&server, turned).await, Door::ALL.len() as u64);
        let given = r#"qrstack_requests_total{provider="wechat",operation="token",code="ok"}"#;
        assert_eq!(metric(&server, given).await, 0);
        stop.cancel();
        running.await.expect("ended");
        format!("{} of {} addresses", direct.len() + 1, direct.len() + 1)
    })
}

/// A port that hands every connection on to `target`.
async fn forward_to(target: SocketAddr) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("bound");
    let address = listener.local_addr().expect("an address");
    tokio::spawn(async move {
        while let Ok((mut here, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut there = TcpStream::connect(target).await?;
                copy_bidirectional(&mut here, &mut there).await
            });
        }
    });
    address
}

fn environment_proxies() -> String {
    block_on(async {
        let (proxy, host) = (Canary::silent("127.0.0.1").await, Canary::silent("127.0.0.1").await);
        let address = format!("http://{}", proxy.address);
        let names = ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"];
        let environment: Vec<_> = names.iter().map(|name| (*name, address.as_str())).collect();
        let target = format!("/cv/img/qrcode?img_url=http://{}/a.png", host.address);
        let program = Program::start_with(&["--auth", "open", "--fetch-allow", "127.0.0.1"], &environment);
        let answer = tokio::task::spawn_blocking(move || program.get(&target).1).await.expect("answered");
        assert!(answer.contains("101002"), "{answer}");
        assert_eq!((proxy.accepted(), host.accepted()), (0, 1));
        proxy.accepted().to_string()
    })
}

/// What is fetched by no web server's scheme.
pub const OTHER_SCHEMES: [&str; 18] = [
    "file:///etc/passwd",
    "FILE:///etc/passwd",
    "data:image/png;base64,AAAA",
    "ftp://127.0.0.1/",
    "unix:/var/run/docker.sock",
    "http+unix://%2fvar%2frun%2fdocker.sock/",
    "gopher://127.0.0.1:6379/_x",
    "dict://127.0.0.1:11211/",
    "ldap://127.0.0.1/",
    "jar:http://127.0.0.1!/",
    "javascript:alert(1)",
    "ws://127.0.0.1/",
    "blob:http://127.0.0.1/x",
    "view-source:http://127.0.0.1/",
    "://127.0.0.1/",
    "127.0.0.1",
    "/etc/passwd",
    "\\\\127.0.0.1\\share",
];

fn schemes() -> String {
    block_on(async {
        let server = open_server("127.0.0.0/8").await;
        for address in OTHER_SCHEMES {
            for door in Door::ALL {
                let answer = door.fetch(&server, address).await;
                assert_eq!(answer.code, door.no_address(), "{address} at {door:?}");
            }
        }
        format!("{} × {} doors", OTHER_SCHEMES.len(), Door::ALL.len())
    })
}

fn slow_hosts() -> String {
    block_on(async {
        let host = Canary::start("127.0.0.1", |path| match path {
            "/silent" => Act::Hang(Vec::new()),
            "/head" => Act::Hang(b"HTTP/1.1 200 OK\r\nContent-Le".to_vec()),
            "/stall" => {
                let mut answer = ok("image/png", &[b'x'; 1000]);
                answer.truncate(answer.len() - 10);
                Act::Hang(answer)
            }
            "/drip" => Act::Drip(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n".to_vec()),
            _ => Act::Say(ok("image/png", b"picture")),
        })
        .await;
        // Memory for 16 pictures under way: whoever is given up must give his share back.
        let idle = Duration::from_millis(300);
        let fetch = Fetch::new(Setup { idle, memory_mib: 1, ..setup() }).expect("set up");
        let get = async |path: &str, total: Duration| {
            let limits = FetchLimits { total, ..LIMITS };
            // Neither bound may be found out by the other.
            let address = format!("http://{}{path}", host.address);
            tokio::time::timeout(Duration::from_mins(1), fetch.image(&address, &limits))
                .await
                .expect("given up long before")
        };
        let (short, long) = (Duration::from_millis(900), Duration::from_hours(1));
        let kinds = [("/silent", long), ("/head", long), ("/stall", long), ("/drip", short)];
        for (path, total) in kinds {
            let results = futures_util::future::join_all((0..10).map(|_| get(path, total))).await;
            assert!(results.iter().all(|result| matches!(result, Err(FetchError::TooSlow))), "{path}: {results:?}");
        }
        assert_eq!(get("/", short).await.expect("there is memory").as_ref(), b"picture");
        format!("{} of {} kinds", kinds.len(), kinds.len())
    })
}

fn lengths() -> String {
    block_on(async {
        let chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
        let host = Canary::start("127.0.0.1", move |path| {
            let head = |length: &str| format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n").into_bytes();
            match path {
                "/endless" => {
                    Act::Repeat(chunked.into(), b"100\r\n".iter().chain(&[b'x'; 256]).chain(b"\r\n").copied().collect())
                }
                "/nameless" => Act::Repeat(b"HTTP/1.1 200 OK\r\n\r\n".to_vec(), vec![b'x'; 256]),
                "/huge" => Act::Hang(head("11534336")),
                "/beyond" => Act::Hang(head("18446744073709551616")),
                "/negative" => Act::Say(head("-1")),
                "/two" => Act::Say(b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxy".to_vec()),
                "/long" => Act::Say([head("100"), b"0123456789".to_vec()].concat()),
                "/short" => Act::Say([head("5"), b"0123456789".to_vec()].concat()),
                "/chunk" => Act::Say([chunked.as_bytes(), b"fffffffffffffffff\r\nx"].concat()),
                "/exact" => Act::Say([head("1000"), vec![b'x'; 1000]].concat()),
                "/more" => Act::Say([head("1001"), vec![b'x'; 1001]].concat()),
                path => panic!("no script for {path}"),
            }
        })
        .await;
        let fetch = fetch();
        let get = async |path: &str| fetch.image(&format!("http://{}{path}", host.address), &LIMITS).await;
        for path in ["/endless", "/nameless", "/huge", "/more"] {
            assert!(matches!(get(path).await, Err(FetchError::TooLarge { limit: 1000 })), "{path}");
        }
        for path in ["/beyond", "/negative", "/two", "/long", "/chunk"] {
            assert!(matches!(get(path).await, Err(FetchError::Unreachable(_))), "{path}");
        }
        assert_eq!(get("/short").await.expect("as announced").as_ref(), b"01234");
        assert_eq!(get("/exact").await.expect("at the limit").len(), 1000);
        let server = open_server("127.0.0.1").await;
        for (door, code) in
            [(Door::Wechat, "101000"), (Door::TencentOcr, "LimitExceeded.TooLargeFileError"), (Door::CliIm, "1031")]
        {
            for path in ["/huge", "/endless"] {
                let answer = door.fetch(&server, &format!("http://{}{path}", host.address)).await;
                assert_eq!(answer.code, code, "{path} at {door:?}");
            }
        }
        "11 kinds".to_owned()
    })
}

fn shared_memory() -> String {
    block_on(async {
        let host = Canary::start("127.0.0.1", |path| {
            let length = if path == "/large" { 2 << 20 } else { 1000 };
            Act::Say(ok("image/png", &vec![b'x'; length]))
        })
        .await;
        let fetch = Fetch::new(Setup { memory_mib: 1, ..setup() }).expect("set up");
        let limits = FetchLimits { max_bytes: 10 << 20, ..LIMITS };
        let get = async |path: &str| fetch.image(&format!("http://{}{path}", host.address), &limits).await;
        assert!(matches!(get("/large").await, Err(FetchError::Overloaded)));
        assert_eq!(get("/small").await.expect("there is memory").len(), 1000);
        String::new()
    })
}

fn encodings() -> String {
    const REFUSED: [&str; 8] = ["gzip", "br", "deflate", "zstd", "x-gzip", "gzip, gzip", "identity, gzip", "aes128gcm"];
    block_on(async {
        let host = Canary::start("127.0.0.1", |path| {
            let encoding = percent_encoding::percent_decode_str(&path[1..])
                .decode_utf8_lossy()
                .replace('|', "\r\nContent-Encoding: ");
            // The body never comes: whoever waits for it is not answered in time.
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: 7\r\nContent-Encoding: {encoding}\r\n\r\n");
            if encoding.eq_ignore_ascii_case("identity") {
                Act::Say((head + "picture").into())
            } else {
                Act::Hang(head.into())
            }
        })
        .await;
        let fetch = fetch();
        let get = async |encoding: &str| {
            let path = qrstack::signing::percent_encode(encoding);
            fetch.image(&format!("http://{}/{path}", host.address), &LIMITS).await
        };
        for encoding in REFUSED.into_iter().chain(["identity|gzip"]) {
            assert!(matches!(get(encoding).await, Err(FetchError::Encoded(_))), "{encoding}");
        }
        assert_eq!(get("Identity").await.expect("not encoded").as_ref(), b"picture");
        format!("{} kinds", REFUSED.len() + 1)
    })
}

fn broken_hosts() -> String {
    block_on(async {
        let host = Canary::start("127.0.0.1", |path| match path {
            "/headers" => Act::Repeat(b"HTTP/1.1 200 OK\r\n".to_vec(), b"X-Header: a\r\n".to_vec()),
            "/header" => Act::Repeat(b"HTTP/1.1 200 OK\r\nX-Header: ".to_vec(), vec![b'a'; 1024]),
            "/line" => Act::Repeat(b"HTTP/1.1 200 ".to_vec(), vec![b'a'; 1024]),
            "/hints" => Act::Repeat(Vec::new(), b"HTTP/1.1 103 Early Hints\r\n\r\n".to_vec()),
            "/old" => Act::Say(b"<html>no status line</html>".to_vec()),
            "/h2" => Act::Say(b"\0\0\x12\x04\0\0\0\0\0\0\x03\0\0\0\x64".to_vec()),
            "/switch" => {
                Act::Say(b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: upgrade\r\n\r\n".to_vec())
            }
            "/closed" => Act::Say(Vec::new()),
            _ => Act::Say(b"HTTP/1.1 204 No Content\r\n\r\n".to_vec()),
        })
        .await;
        let fetch = fetch();
        let limits = FetchLimits { total: Duration::from_secs(3), ..LIMITS };
        let kinds = ["/headers", "/header", "/line", "/hints", "/old", "/h2", "/switch", "/closed", "/empty"];
        for path in kinds {
            let result = fetch.image(&format!("http://{}{path}", host.address), &limits).await;
            let broken =
                matches!(result, Err(FetchError::Unreachable(_) | FetchError::TooSlow | FetchError::Status(101 | 204)));
            assert!(broken, "{path}: {result:?}");
        }
        // Neither a host that speaks no TLS nor one whose certificate nobody vouches for.
        for address in [host.address, untrusted()] {
            let result = fetch.image(&format!("https://{address}/"), &limits).await;
            let broken = matches!(result, Err(FetchError::Unreachable(_) | FetchError::TooSlow));
            assert!(broken, "{address}: {result:?}");
        }
        format!("{} kinds", kinds.len() + 2)
    })
}
