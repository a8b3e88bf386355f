//! What the control API costs those who do not use it, and what a fresh set of credentials takes.
//!
//! `cargo bench --bench control [-- --quick]`
//!
//! Two whole servers on loopback ports of this process, one as by default and one with `control = false`, are asked the
//! same things by turns in short slices over one connection each. What counts is the processor time of the process a
//! request, client included, which bears a machine that is busy with something else. A machine also has faster and slower
//! times: each slice of one server is held against the slice of the other beside it, who comes first changes with each
//! turn, and the ratio is the median of these pairs.

#[path = "support/http.rs"]
mod http;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use cpu_time::ProcessTime;
use qrstack::clock::{Clock, Ids};
use qrstack::config::{Config, Raw};
use qrstack::server;
use qrstack::store::Store;
use tokio_util::sync::CancellationToken;

/// Requests in a slice.
const SLICE: u32 = 250;

fn main() {
    let slices = if std::env::args().any(|argument| argument == "--quick") { 21 } else { 201 };
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("a runtime");
    runtime.block_on(async {
        println!("| operation | µs with | µs without | ratio |\n|---|---|---|---|");
        let [with, without] = [start("true").await, start("false").await];
        for (name, request) in requests() {
            let [with, without, ratio] = compare([with, without], &request, slices).await;
            println!("| {name} | {with:.1} | {without:.1} | {ratio:.3} |");
        }
        println!("\na fresh set of credentials over HTTP: {:.0} µs (median of 1000)", credentials(with).await);
    });
    runtime.shutdown_background();
}

/// A server whose store touches no disk and who asks nobody for credentials.
async fn start(control: &str) -> SocketAddr {
    let settings = [("listen", "127.0.0.1:0"), ("auth", "open"), ("control", control)];
    let flags: BTreeMap<_, _> = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let config = Config::from_raw(Raw { flags, ..Raw::default() }).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let store = Store::in_memory(&server::migrations()).await.expect("a store");
    let app = server::open(config, store, Clock::system(), Ids::system()).expect("opened");
    let listener = server::bind(app.shared.config().listen).await.expect("a port");
    let address = listener.address();
    tokio::spawn(listener.serve(app, CancellationToken::new()));
    address
}

/// A cheap request of each kind: drawing, looking up, writing.
fn requests() -> [(&'static str, Vec<u8>); 3] {
    let json = ("Content-Type", "application/json");
    let action = [json, ("X-TC-Action", "QueryBarCode"), ("X-TC-Version", "2018-11-19")];
    let create = br#"{"action_name": "QR_STR_SCENE", "action_info": {"scene": {"scene_str": "x"}}}"#;
    [
        ("COS qrcode-generate", http::get("/?ci-process=qrcode-generate&qrcode-content=hello&width=100")),
        ("QueryBarCode", http::post("/", &action, br#"{"BarCode": "6901234567892"}"#)),
        ("WeChat qrcode/create", http::post("/cgi-bin/qrcode/create", &[json], create)),
    ]
}

/// Median processor time a request of both servers, in µs, and the ratio of the two.
async fn compare(servers: [SocketAddr; 2], request: &[u8], slices: u32) -> [f64; 3] {
    let pools = servers.map(|address| http::Pool::new(address, Duration::from_mins(1)));
    let mut figures = [Vec::new(), Vec::new()];
    for slice in 0..=slices {
        let mut turn = [0, 1];
        if slice % 2 == 1 {
            turn.reverse();
        }
        for server in turn {
            let began = ProcessTime::now();
            for _ in 0..SLICE {
                let answer = pools[server].send(request).await.expect("an answer");
                assert_eq!(answer.status, 200, "{}", String::from_utf8_lossy(&answer.body));
            }
            // The first turn warms up.
            if slice > 0 {
                figures[server].push(began.elapsed().as_secs_f64() * 1e6 / f64::from(SLICE));
            }
        }
    }
    let ratios = figures[0].iter().zip(&figures[1]).map(|(with, without)| with / without).collect();
    let [with, without] = figures.map(median);
    [with, without, median(ratios)]
}

/// Median time to make a set of credentials, in µs.
async fn credentials(server: SocketAddr) -> f64 {
    let pool = http::Pool::new(server, Duration::from_mins(1));
    let request = http::post("/_qrstack/v1/credentials", &[], b"");
    let mut times = Vec::new();
    for _ in 0..1000 {
        let began = Instant::now();
        assert_eq!(pool.send(&request).await.expect("an answer").status, 201);
        times.push(began.elapsed().as_secs_f64() * 1e6);
    }
    median(times)
}

fn median(mut figures: Vec<f64>) -> f64 {
    figures.sort_by(f64::total_cmp);
    figures[figures.len() / 2]
}
