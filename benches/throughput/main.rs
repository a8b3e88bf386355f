//! Requests a second and latencies of every operation, beside a bare axum handler that sends the same bytes.
//!
//! `cargo bench --bench throughput [-- --quick] [-- --connections=64] [name …]`; names select operations.
//!
//! The whole server runs on a loopback port, its store on the disk, its log formatted and thrown away; the bare handler
//! runs beside it. Both are driven by turns in short slices by the same connections, kept alive, each sending its next
//! request when it has the whole answer. By default there are 64 connections: with few, whoever waits for a commit leaves
//! the server idle. The client shares the machine's cores with both, so a ratio says less than the server alone would
//! show. `cpu` is the processor time of the whole process a request, client included, and its ratio bears a machine that
//! is busy with something else. What a client could have cached is another request each time: codes have new scenes, and
//! COS is asked for 64 texts in turn, which the server remembers, and for so many that it cannot.

mod client;
mod operations;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;
use std::time::{Duration, Instant};

use axum::Router;
use axum::body::Bytes;
use axum::http::{HeaderMap, StatusCode};
use cpu_time::ProcessTime;
use qrstack::cli::logging;
use qrstack::clock::{Clock, Ids};
use qrstack::config::{Config, Raw};
use qrstack::server;
use qrstack::store::Access;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::filter::{LevelFilter, Targets};
use tracing_subscriber::util::SubscriberInitExt;

use client::{Connection, Sample};
use operations::Operation;

/// Measured so long in one go before it is the other's turn.
const SLICE: Duration = Duration::from_millis(400);

/// What the command line asks for.
struct Asked {
    slices: u32,
    connections: usize,
    names: Vec<String>,
}

impl Asked {
    fn read() -> Self {
        let mut asked = Self { slices: 5, connections: 64, names: Vec::new() };
        for argument in std::env::args().skip(1) {
            match argument.strip_prefix("--") {
                Some("quick") => asked.slices = 1,
                Some(option) => {
                    if let Some(count) = option.strip_prefix("connections=") {
                        asked.connections = count.parse().expect("a number of connections");
                    }
                }
                None => asked.names.push(argument),
            }
        }
        asked
    }
}

fn main() {
    let asked = Asked::read();
    logging::json_lines(Targets::new().with_default(LevelFilter::INFO), std::io::sink).init();
    let folder = tempfile::tempdir().expect("a folder");
    let servers = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    let client = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let address = servers.block_on(start(folder.path()));
    let operations = client.block_on(operations::all(address));

    println!("{} connections, {} × {} ms each\n", asked.connections, asked.slices, SLICE.as_millis());
    println!("| operation | requests/s | p50 µs | p99 µs | cpu µs | bare/s | bare p99 | bare cpu | ratio | of cpu |");
    println!("|---|---|---|---|---|---|---|---|---|---|");
    let chosen = |operation: &Operation| {
        asked.names.is_empty() || asked.names.iter().any(|name| operation.name.contains(name.as_str()))
    };
    for operation in operations.into_iter().filter(chosen) {
        let (ours, bare) = client.block_on(measure(&operation, address, &servers, &asked));
        println!(
            "| {} | {:.0} | {} | {} | {:.0} | {:.0} | {} | {:.0} | {:.2} | {:.2} |",
            operation.name,
            ours.per_second(),
            ours.percentile(0.5),
            ours.percentile(0.99),
            ours.cpu(),
            bare.per_second(),
            bare.percentile(0.99),
            bare.cpu(),
            ours.per_second() / bare.per_second(),
            bare.cpu() / ours.cpu()
        );
    }
    servers.shutdown_background();
}

/// Starts the whole server on a port of its own.
async fn start(folder: &std::path::Path) -> SocketAddr {
    let settings = [
        ("data_dir", folder.to_str().expect("a temporary folder has a plain name")),
        ("listen", "127.0.0.1:0"),
        ("wechat_permanent_limit", "1000000000"),
    ];
    let flags: BTreeMap<_, _> = settings.map(|(name, value)| (name.to_owned(), value.to_owned())).into();
    let config = Config::from_raw(Raw { flags, ..Raw::default() }).unwrap_or_else(|mistakes| panic!("{mistakes:?}"));
    let store = server::open_store(&config, Access::Alone).await.expect("a store");
    operations::import_product(&store).await;
    let app = server::open(config, store, Clock::system(), Ids::system()).expect("opened");
    let listener = server::bind(app.shared.config().listen).await.expect("a port");
    let address = listener.address();
    tokio::spawn(listener.serve(app, CancellationToken::new()));
    address
}

/// Starts a handler that sends what `answer` has: status, headers and body, whatever it is asked.
async fn start_bare(answer: client::Answer) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let address = listener.local_addr().expect("a bound port");
    let status = StatusCode::from_u16(answer.status).expect("a status");
    let headers: HeaderMap = answer
        .headers
        .iter()
        .map(|(name, value)| (name.parse().expect("a name"), value.parse().expect("a value")))
        .collect();
    let body = Bytes::from(answer.body);
    // The body is taken whole, as every handler of an operation does.
    let router = Router::new().fallback(async move |_sent: Bytes| (status, headers.clone(), body.clone()));
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

/// What both did.
async fn measure(
    operation: &Operation,
    ours: SocketAddr,
    servers: &tokio::runtime::Runtime,
    asked: &Asked,
) -> (Figures, Figures) {
    let answer = Connection::open(ours).await.answer(operation.requests().of(0)).await;
    assert_eq!(answer.status, 200, "{}: {}", operation.name, String::from_utf8_lossy(&answer.body));
    let bare = servers.spawn(start_bare(answer)).await.expect("started");
    let numbers = Arc::new(AtomicU32::new(1));
    let mut of_both = (Figures::default(), Figures::default());
    for slice in 0..=asked.slices {
        for (address, figures) in [(ours, &mut of_both.0), (bare, &mut of_both.1)] {
            let (cpu, started) = (ProcessTime::now(), Instant::now());
            let sample = client::drive(address, operation, &numbers, asked.connections, SLICE).await;
            // The first turn warms up.
            if slice > 0 {
                figures.add(sample, started.elapsed(), cpu.elapsed());
            }
        }
    }
    (of_both.0, of_both.1)
}

/// What is known of one server at one operation.
#[derive(Default)]
struct Figures {
    /// Of each request, in µs.
    latencies: Vec<u32>,
    wall: Duration,
    cpu: Duration,
}

impl Figures {
    fn add(&mut self, sample: Sample, wall: Duration, cpu: Duration) {
        self.latencies.extend(sample.latencies);
        self.latencies.sort_unstable();
        self.wall += wall;
        self.cpu += cpu;
    }

    fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.wall.as_secs_f64()
    }

    fn percentile(&self, share: f64) -> u32 {
        self.latencies.get((self.latencies.len() as f64 * share) as usize).copied().unwrap_or_default()
    }

    /// Processor time a request, in µs.
    fn cpu(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.latencies.len() as f64
    }
}
