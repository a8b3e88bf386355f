//! What overload does: the real program on one core, the generator on another, requests at a fixed rate whether or not the
//! server keeps up (so that waiting counts), a third of them hostile.
//!
//! `cargo bench --bench overload` takes a minute; `-- --seconds 600` is the long run. Prints, and fails on a lost write, a
//! crash, or an answer that is none of the vendor's. Figures are ratios of one run; the machine's own do not matter.

#[path = "support/http.rs"]
mod http;

use std::io::{BufRead, BufReader};
use std::net::SocketAddr;
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use http::{Pool, get, post};
use qrstack::codec::{encode, render};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;

const TOKEN: &str =
    "/cgi-bin/token?grant_type=client_credential&appid=wx0123456789abcdef&secret=0123456789abcdef0123456789abcdef";
/// Connections that find out what the server can take: enough to keep it busy, and fewer than may wait.
const CLIENTS: usize = 16;
/// More texts than the server remembers, so that each of them is drawn.
const TEXTS: usize = 4096;

/// The program, on core 0 where the system can do that; ended when dropped.
struct Program {
    child: Child,
    address: SocketAddr,
    _folder: tempfile::TempDir,
}

impl Program {
    fn start() -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let program = env!("CARGO_BIN_EXE_qrstack");
        let pinned = Command::new("taskset").args(["-c", "0", "true"]).status().is_ok_and(|status| status.success());
        let mut command = if pinned { Command::new("taskset") } else { Command::new(program) };
        if pinned {
            command.args(["-c", "0", program]);
        }
        let arguments = ["serve", "--listen", "127.0.0.1:0", "--auth", "open", "--log", "error", "--data-dir"];
        let mut child = command
            .args(arguments)
            .arg(folder.path())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the program starts");
        let lines = BufReader::new(child.stdout.take().expect("piped")).lines();
        let address = lines
            .map_while(Result::ok)
            .find_map(|line| line.strip_prefix("listening on http://")?.parse().ok())
            .expect("it listens");
        Self { child, address, _folder: folder }
    }

    /// Resident memory in MiB: the server's own, and with its workers'.
    fn memory(&self) -> (f64, f64) {
        let of = |id: u32| {
            let status = std::fs::read_to_string(format!("/proc/{id}/status")).unwrap_or_default();
            let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:").map(str::to_owned));
            let kib: f64 = line.and_then(|line| line.trim().trim_end_matches(" kB").parse().ok()).unwrap_or_default();
            kib / 1024.0
        };
        let id = self.child.id();
        let tasks = std::fs::read_dir(format!("/proc/{id}/task")).into_iter().flatten().flatten();
        let children = tasks.flat_map(|task| {
            let list = std::fs::read_to_string(task.path().join("children")).unwrap_or_default();
            list.split_whitespace().filter_map(|child| child.parse::<u32>().ok()).collect::<Vec<_>>()
        });
        let own = of(id);
        (own, own + children.map(of).sum::<f64>())
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// What a rate of requests led to.
#[derive(Default)]
struct Outcome {
    /// Milliseconds from the moment each accepted request was due.
    accepted: Vec<f64>,
    throttled: u64,
    failed: u64,
    /// Milliseconds that the generator was behind, at most: where that is much, it was at its own end.
    behind: f64,
}

impl Outcome {
    fn quantile(&self, part: f64) -> f64 {
        let mut sorted = self.accepted.clone();
        sorted.sort_by(f64::total_cmp);
        sorted.get(((sorted.len() as f64 - 1.0) * part) as usize).copied().unwrap_or(f64::NAN)
    }

    fn line(&self, name: &str, seconds: f64) {
        println!(
            "{name:<24} {:>7.0}/s accepted {:>7.0}/s throttled {} failed  p50 {:>7.2} p99 {:>7.2} ms, generator behind {:.0} ms",
            self.accepted.len() as f64 / seconds,
            self.throttled as f64 / seconds,
            self.failed,
            self.quantile(0.5),
            self.quantile(0.99),
            self.behind
        );
    }
}

/// What an answer means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Meaning {
    Accepted,
    Throttled,
    Failed,
}

type Judge = fn(u16, &[u8]) -> Meaning;

fn encoded(status: u16, body: &[u8]) -> Meaning {
    let drawn = body.windows(13).any(|window| window == b"<ResultImage>");
    if status == 200 && drawn {
        Meaning::Accepted
    } else if status == 503 {
        Meaning::Throttled
    } else {
        Meaning::Failed
    }
}

fn scanned(status: u16, body: &[u8]) -> Meaning {
    if status != 200 {
        return Meaning::Failed;
    }
    if body.starts_with(b"{\"errcode\":0") {
        Meaning::Accepted
    } else if body.starts_with(b"{\"errcode\":-1") {
        Meaning::Throttled
    } else {
        Meaning::Failed
    }
}

/// A hostile request is answered well by whatever the vendor says of it.
fn answered(status: u16, body: &[u8]) -> Meaning {
    if status != 500 && (body.starts_with(b"{") || body.starts_with(b"<")) {
        Meaning::Accepted
    } else {
        Meaning::Failed
    }
}

/// Sends `requests` in turn, `rate` a second, for `seconds`.
async fn open_loop(address: SocketAddr, requests: Arc<Vec<Vec<u8>>>, judge: Judge, rate: f64, seconds: f64) -> Outcome {
    let pool = Arc::new(Pool::new(address, Duration::from_secs(30)));
    let outcome = Arc::new(Mutex::new(Outcome::default()));
    let start = Instant::now();
    let (mut tasks, mut behind) = (tokio::task::JoinSet::new(), 0.0_f64);
    for k in 0..(rate * seconds) as usize {
        let due = start + Duration::from_secs_f64(k as f64 / rate);
        tokio::time::sleep_until(due.into()).await;
        behind = behind.max(due.elapsed().as_secs_f64() * 1000.0);
        let (pool, requests, outcome) = (Arc::clone(&pool), Arc::clone(&requests), Arc::clone(&outcome));
        tasks.spawn(async move {
            let answer = pool.send(&requests[k % requests.len()]).await;
            let waited = due.elapsed().as_secs_f64() * 1000.0;
            let mut outcome = outcome.lock().expect("no holder panics");
            match answer.map_or(Meaning::Failed, |answer| judge(answer.status, &answer.body)) {
                Meaning::Accepted => outcome.accepted.push(waited),
                Meaning::Throttled => outcome.throttled += 1,
                Meaning::Failed => outcome.failed += 1,
            }
        });
        while tasks.try_join_next().is_some() {}
    }
    while tasks.join_next().await.is_some() {}
    let outcome = std::mem::take(&mut *outcome.lock().expect("no holder panics"));
    Outcome { behind, ..outcome }
}

/// Requests a second that `connections` clients get through, one after the other each.
async fn capacity(
    address: SocketAddr,
    requests: &Arc<Vec<Vec<u8>>>,
    judge: Judge,
    connections: usize,
    seconds: f64,
) -> f64 {
    let pool = Arc::new(Pool::new(address, Duration::from_secs(30)));
    let (sent, done) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicU64::new(0)));
    let end = Instant::now() + Duration::from_secs_f64(seconds);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..connections {
        let (pool, requests) = (Arc::clone(&pool), Arc::clone(requests));
        let (sent, done) = (Arc::clone(&sent), Arc::clone(&done));
        clients.spawn(async move {
            while Instant::now() < end {
                let request = &requests[sent.fetch_add(1, Ordering::Relaxed) % requests.len()];
                let answer = pool.send(request).await.expect("an answer");
                if judge(answer.status, &answer.body) == Meaning::Accepted {
                    done.fetch_add(1, Ordering::Relaxed);
                }
            }
        });
    }
    while clients.join_next().await.is_some() {}
    done.load(Ordering::Relaxed) as f64 / seconds
}

fn draw(text: usize) -> Vec<u8> {
    get(&format!("/?ci-process=qrcode-generate&qrcode-content=https%3A%2F%2Fexample.com%2Fa%2Flink{text}&width=300"))
}

fn qr_png(text: &str) -> Vec<u8> {
    let code = encode::qr(text, &encode::QrOptions::default()).expect("the text fits");
    render::png(&render::place(&code, 8, 400, 400))
}

/// A PNG of noise: no code, and the dearest thing for a reader.
fn noise_png(side: u32) -> Vec<u8> {
    let mut state = 7_u32;
    let pixels: Vec<u8> = (0..side * side)
        .map(|_| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 24) as u8
        })
        .collect();
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, side, side);
    encoder.set_color(png::ColorType::Grayscale);
    encoder.write_header().and_then(|mut writer| writer.write_image_data(&pixels)).expect("written");
    bytes
}

/// A header that promises far more pixels than anybody will read.
fn bomb_png() -> Vec<u8> {
    let mut bytes = noise_png(8);
    bytes[16..24].copy_from_slice(&[0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60]);
    bytes
}

fn scan(picture: &[u8]) -> Vec<u8> {
    let body = [
        b"--b\r\nContent-Disposition: form-data; name=\"img\"; filename=\"a.png\"\r\n\r\n".as_slice(),
        picture,
        b"\r\n--b--\r\n",
    ]
    .concat();
    post("/cv/img/qrcode?access_token=x", &[("Content-Type", "multipart/form-data; boundary=b")], &body)
}

fn hostile() -> Vec<Vec<u8>> {
    let json = [("Content-Type", "application/json"), ("Authorization", "Bearer x")];
    let inner = |address: &str| post("/api/v1/qrcode/scan_url", &json, format!(r#"{{"url":"{address}"}}"#).as_bytes());
    vec![
        scan(&bomb_png()),
        scan(&noise_png(400)),
        inner("http://127.0.0.1:1/"),
        inner("http://169.254.169.254/latest/meta-data"),
        inner("http://[::ffff:10.0.0.1]/a.png"),
        scan(b"GIF89a\xff\xff\xff\xff"),
    ]
}

/// Connections that begin a request and never end it, as many at a time as `count`.
async fn slow_loris(address: SocketAddr, count: usize, until: Instant) {
    let mut held = Vec::new();
    while Instant::now() < until {
        while held.len() < count {
            if let Ok(mut stream) = TcpStream::connect(address).await {
                let _ = stream.write_all(b"POST /cv/img/qrcode?access_token=x HTTP/1.1\r\nHost: a\r\nContent-Le").await;
                held.push(stream);
            }
        }
        tokio::time::sleep(Duration::from_millis(500)).await;
        let mut kept = Vec::new();
        for mut stream in held {
            // One byte now and then, so that it looks alive.
            if stream.write_all(b"x").await.is_ok() {
                kept.push(stream);
            }
        }
        held = kept;
    }
}

/// Creates permanent codes and keeps the tickets that were acknowledged.
async fn write_codes(address: SocketAddr, until: Instant) -> Vec<(u32, String)> {
    let pool = Pool::new(address, Duration::from_secs(30));
    let mut told = Vec::new();
    for scene in 1..=90_000 {
        if Instant::now() >= until {
            break;
        }
        if let Some(ticket) = create(&pool, scene).await {
            told.push((scene, ticket));
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    told
}

async fn create(pool: &Pool, scene: u32) -> Option<String> {
    let body = format!(r#"{{"action_name":"QR_LIMIT_SCENE","action_info":{{"scene":{{"scene_id":{scene}}}}}}}"#);
    let answer = pool.send(&post("/cgi-bin/qrcode/create?access_token=x", &[], body.as_bytes())).await.ok()?;
    let value: serde_json::Value = serde_json::from_slice(&answer.body).ok()?;
    value["ticket"].as_str().map(str::to_owned)
}

async fn run(seconds: f64) -> Result<(), String> {
    let program = Program::start();
    let address = program.address;
    let step = (seconds / 8.0).clamp(5.0, 30.0);
    println!("memory idle: {:.1} MiB", program.memory().0);
    Pool::new(address, Duration::from_secs(5)).send(&get(TOKEN)).await.map_err(|error| error.to_string())?;

    let picture = Arc::new(vec![scan(&qr_png("https://example.com/"))]);
    let drawing = Arc::new((0..TEXTS).map(draw).collect());
    let encodes = capacity(address, &drawing, encoded, CLIENTS, step).await;
    let reads = capacity(address, &picture, scanned, CLIENTS, step).await;
    println!("capacity: {encodes:.0} encodes/s, {reads:.0} reads/s");

    let calm = open_loop(address, Arc::clone(&drawing), encoded, 0.8 * encodes, step).await;
    calm.line("encode at 0.8 x", step);
    let mut by_load = Vec::new();
    for load in [1.0, 2.0, 5.0] {
        let outcome = open_loop(address, Arc::clone(&picture), scanned, load * reads, step).await;
        outcome.line(&format!("read at {load} x"), step);
        by_load.push(outcome);
    }

    // Reads at five times the capacity, a third of all requests hostile; encode and create beside them.
    let until = Instant::now() + Duration::from_secs_f64(seconds);
    let loris = tokio::spawn(slow_loris(address, 200, until));
    let writer = tokio::spawn(write_codes(address, until));
    let bad = tokio::spawn(open_loop(address, Arc::new(hostile()), answered, 5.0 * reads / 3.0, seconds));
    let good = tokio::spawn(open_loop(address, picture, scanned, 5.0 * reads * 2.0 / 3.0, seconds));
    let beside = tokio::spawn(open_loop(address, drawing, encoded, 0.1 * encodes, seconds));
    let mut memory = Vec::new();
    while Instant::now() < until {
        tokio::time::sleep(Duration::from_millis(500)).await;
        memory.push(program.memory());
    }
    let failed = |error: tokio::task::JoinError| error.to_string();
    let (bad, good, beside) = (bad.await.map_err(failed)?, good.await.map_err(failed)?, beside.await.map_err(failed)?);
    let told = writer.await.map_err(failed)?;
    loris.abort();
    bad.line("hostile, a third of 5 x", seconds);
    good.line("read, two thirds of 5 x", seconds);
    beside.line("encode beside them", seconds);

    let quarter = |k: usize| {
        let part = &memory[memory.len() * k / 4..memory.len() * (k + 1) / 4];
        let most = |of: fn(&(f64, f64)) -> f64| part.iter().map(of).fold(0.0, f64::max);
        format!("{:.0}/{:.0}", most(|m| m.0), most(|m| m.1))
    };
    println!(
        "memory, server/with workers, MiB, most in each quarter: {} {} {} {}",
        quarter(0),
        quarter(1),
        quarter(2),
        quarter(3)
    );
    println!(
        "ratios: encode p99 at 5 x / 0.8 x {:.2}; read p99 at 2 x / 1 x {:.2}, at 5 x / 1 x {:.2}",
        beside.quantile(0.99) / calm.quantile(0.99),
        by_load[1].quantile(0.99) / by_load[0].quantile(0.99),
        by_load[2].quantile(0.99) / by_load[0].quantile(0.99)
    );
    let pool = Pool::new(address, Duration::from_secs(30));
    for (scene, ticket) in &told {
        if create(&pool, *scene).await.as_ref() != Some(ticket) {
            return Err(format!("the acknowledged code of scene {scene} is lost"));
        }
    }
    println!("{} acknowledged codes, none lost", told.len());
    let failures = bad.failed + good.failed + beside.failed;
    if failures > 0 { Err(format!("{failures} requests were not answered as the vendor would")) } else { Ok(()) }
}

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args().collect();
    let asked = arguments.iter().position(|argument| argument == "--seconds");
    let seconds = asked.and_then(|at| arguments.get(at + 1)?.parse().ok()).unwrap_or(20.0);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match runtime.block_on(run(seconds)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(why) => {
            eprintln!("overload: {why}");
            ExitCode::FAILURE
        }
    }
}
