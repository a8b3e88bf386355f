//! How long a TLS handshake takes, client and server together on one thread: with a name that has no certificate yet, and
//! with one that has. The goals are a median under 5 ms and under 1 ms.

use std::sync::Arc;
use std::time::{Duration, Instant};

use qrstack::clock::{Clock, Ids};
use qrstack::server::domains;
use qrstack::tls::{Authority, Keeper, Tls};
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, RootCertStore, ServerConnection};

const ROUNDS: usize = 1000;

fn main() {
    let clock = Clock::system();
    let authority = Authority::make(&domains(), &clock, &Ids::system()).expect("made");
    let mut roots = RootCertStore::empty();
    roots.add(authority.certificate().clone()).expect("a certificate");
    let tls = Tls::minted(Keeper::in_memory(authority, clock), domains()).expect("set up");
    let ring = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ClientConfig::builder_with_provider(ring).with_safe_default_protocol_versions().expect("versions");
    let mut client = builder.with_root_certificates(roots).with_no_client_auth();
    // Whole handshakes: a session that is taken up again would cost less.
    client.resumption = rustls::client::Resumption::disabled();
    let client = Arc::new(client);

    let new = |round: usize| format!("b{round}-1250000000.cos.ap-beijing.myqcloud.com");
    report("a new name", 5, (0..ROUNDS).map(|round| shake(&tls, &client, &new(round))).collect());
    let known = |_| shake(&tls, &client, "api.weixin.qq.com");
    known(0);
    report("a known name", 1, (0..ROUNDS).map(known).collect());
}

/// One handshake, and how long it took.
fn shake(tls: &Tls, config: &Arc<ClientConfig>, name: &str) -> Duration {
    let name = ServerName::try_from(name.to_owned()).expect("a name");
    let started = Instant::now();
    let mut client = ClientConnection::new(Arc::clone(config), name).expect("a client");
    let mut server = ServerConnection::new(tls.config()).expect("a server");
    let mut wire = Vec::new();
    while client.is_handshaking() || server.is_handshaking() {
        while client.wants_write() {
            client.write_tls(&mut wire).expect("memory takes it");
        }
        let mut sent = wire.as_slice();
        while !sent.is_empty() {
            server.read_tls(&mut sent).expect("memory gives it");
            server.process_new_packets().expect("a good client");
        }
        wire.clear();
        while server.wants_write() {
            server.write_tls(&mut wire).expect("memory takes it");
        }
        let mut sent = wire.as_slice();
        while !sent.is_empty() {
            client.read_tls(&mut sent).expect("memory gives it");
            client.process_new_packets().expect("a good server");
        }
        wire.clear();
    }
    started.elapsed()
}

fn report(what: &str, goal_ms: u64, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |percent: usize| times[times.len() * percent / 100].as_secs_f64() * 1000.0;
    println!("{what:<13} p50 {:.3} ms  p99 {:.3} ms  (goal: p50 under {goal_ms} ms)", at(50), at(99));
}
