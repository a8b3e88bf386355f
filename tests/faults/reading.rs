//! Readers that panic, loop, take all memory, die or lie: what they cost. Pictures are read in worker processes that are
//! this very test, with a reader that misbehaves where the picture says so behind its end.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};
use std::time::Duration;

use axum::http::{Method, StatusCode};
use qrstack::clock::{Clock, Ids};
use qrstack::codec::{Budget, Kind, Kinds, Limits, LoadError, Symbol};
use qrstack::config::{Config, Raw};
use qrstack::server::{self, App};
use qrstack::store::Store;
use qrstack::work::{self, Done, Launch, Stats, Task, Work, WorkError, Workers};

use crate::harness::{Check, block_on, check};
use crate::support::{Answer, NOW, qr_png, request};

pub fn checks() -> Vec<Check> {
    vec![
        check("F22", "a reader that panics costs its own answer; its process reads on", panics),
        check("F23", "a worker opens no file, no socket, no thread and no process", escapes),
        check("F23", "an abort, a stack without end, no memory left and a false answer cost a process each", deaths),
        check("F23", "each vendor answers a reader's death in its own words", words),
        check("F23", "a server without a program for its workers does not start", no_program),
        check("F24", "a reader that loops is killed past its budget; meanwhile others are read", loops),
        check("F24", "a reader that sleeps is killed, too", sleeps),
        check("F24", "a reader that loops outlives a server that is killed by seconds of CPU time alone", orphans),
        check("F43", "a client that leaves frees the only place at once; its reader is killed", leaves),
    ]
}

const MARK: &[u8] = b"misbehave:";
/// What workers may take here, in MiB beyond their own code.
const MEMORY_MIB: u64 = 96;
/// Long enough for a small picture, short enough to wait for.
const BUDGET: Budget = Budget { cpu: Duration::from_millis(200) };

/// What this program is where it is not the test: a worker, or a server that waits for its end.
pub fn other_role() -> Option<ExitCode> {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["worker", "--memory-mib", memory_mib] => Some(work::worker::run(memory_mib.parse().ok()?, misbehave)),
        ["server-with-a-looping-reader"] => Some(block_on(loop_until_killed())),
        _ => None,
    }
}

/// Reads as the real one does, unless the picture wants otherwise.
fn misbehave(picture: &[u8], task: &Task) -> Result<Done, LoadError> {
    let mark = picture.windows(MARK.len()).rposition(|window| window == MARK);
    match mark.map(|at| &picture[at + MARK.len()..]) {
        None => {}
        Some(b"panic") => panic!("on purpose"),
        Some(b"abort") => std::process::abort(),
        Some(b"overflow") => return Err(LoadError::TooManyPixels { limit: 0, found: deeper(0) }),
        Some(b"memory") => loop {
            std::mem::forget(vec![1_u8; 1 << 20]);
        },
        Some(b"loop") => loop {
            std::hint::black_box(());
        },
        Some(b"sleep") => loop {
            std::thread::park();
        },
        Some(b"lie") => {
            let mut done = work::read(picture, task)?;
            done.decoded.width += 1;
            return Ok(done);
        }
        Some(b"escape") => {
            let mut done = work::read(picture, task)?;
            let text = refused_ways_out();
            done.decoded.symbols = vec![Symbol { kind: Kind::QrCode, text, bytes: Vec::new(), corners: None }];
            return Ok(done);
        }
        Some(other) => panic!("no such misbehaviour: {}", other.escape_ascii()),
    }
    work::read(picture, task)
}

fn deeper(depth: u64) -> u64 {
    let room = std::hint::black_box([depth; 64]);
    if depth == u64::MAX { 0 } else { deeper(depth + 1).wrapping_add(room[1]) }
}

/// Tries every way out; says how many of how many are closed, or which are open.
fn refused_ways_out() -> String {
    use std::net::{TcpListener, TcpStream, UdpSocket};
    use std::os::unix::net::{UnixDatagram, UnixStream};
    let ways = [
        ("reads a file", std::fs::read("/proc/self/status").is_ok()),
        ("lists a folder", std::fs::read_dir("/").is_ok()),
        ("writes a file", std::fs::write("/dev/null", "x").is_ok()),
        ("removes a file", std::fs::remove_file("/nonexistent").is_err_and(|error| error.raw_os_error() == Some(2))),
        // Refused by nobody who listens, where it can be tried at all.
        ("connects", TcpStream::connect("127.0.0.1:1").is_err_and(|error| error.raw_os_error() == Some(111))),
        ("listens", TcpListener::bind("127.0.0.1:0").is_ok()),
        ("has a datagram socket", UdpSocket::bind("127.0.0.1:0").is_ok() || UnixDatagram::unbound().is_ok()),
        ("has a socket pair", UnixStream::pair().is_ok()),
        ("starts a process", Command::new("/proc/self/exe").spawn().is_ok()),
        ("starts a thread", std::thread::Builder::new().spawn(|| ()).is_ok()),
        // Any descriptor but the socket's, also where the server inherited it.
        ("writes to what it was left", rustix::io::write(std::io::stdout(), b"x").is_ok()),
    ];
    let open: Vec<_> = ways.iter().filter(|(_, open)| *open).map(|(way, _)| *way).collect();
    format!("{} of {} ways out closed; open: {open:?}", ways.len() - open.len(), ways.len())
}

/// A picture of a code, with a wish behind its end.
fn picture(wish: &str) -> Vec<u8> {
    let mut picture = qr_png("hello");
    if !wish.is_empty() {
        picture.extend(MARK);
        picture.extend(wish.as_bytes());
    }
    picture
}

fn launch() -> Launch {
    Launch { program: None, memory_mib: MEMORY_MIB, idle: Duration::from_mins(1) }
}

async fn isolated(threads: usize) -> Work {
    let (workers, _) = Workers::start(launch()).await.expect("this test is a worker, too");
    Work::isolated(workers, threads, 1024, 64)
}

/// What a picture gives: the text of its only code.
async fn read(work: &Work, wish: &str) -> Result<String, WorkError> {
    let task = Task { limits: Limits::default(), kinds: Kinds::ALL, budget: BUDGET };
    let symbols = work.read(picture(wish), task).await?.expect("a picture").decoded.symbols;
    assert_eq!(symbols.len(), 1);
    Ok(symbols[0].text.clone())
}

/// Waits until all workers that exist are idle, so that none is dying and none a zombie.
async fn settled(work: &Work) -> Stats {
    loop {
        let stats = work.stats();
        if stats.workers.alive == stats.workers.idle && stats.running == 0 {
            return stats;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

fn panics() -> String {
    block_on(async {
        let work = isolated(1).await;
        for _ in 0..3 {
            assert_eq!(read(&work, "panic").await, Err(WorkError::Died));
        }
        assert_eq!(read(&work, "").await.as_deref(), Ok("hello"));
        let stats = settled(&work).await;
        assert_eq!(stats.workers.started, 1);
        format!("{} panics, {} process", stats.panics, stats.workers.started)
    })
}

fn escapes() -> String {
    block_on(async {
        let (workers, confinement) = Workers::start(launch()).await.expect("this test is a worker, too");
        assert!(confinement.is_full(), "this kernel cannot show it: {confinement}");
        let text = read(&Work::isolated(workers, 1, 1024, 64), "escape").await.expect("alive");
        let (figure, open) = text.split_once("; open: ").expect("both parts");
        assert_eq!(open, "[]", "{figure}");
        figure.to_owned()
    })
}

fn deaths() -> String {
    block_on(async {
        let work = isolated(1).await;
        for wish in ["abort", "overflow", "memory", "lie"] {
            assert_eq!(read(&work, wish).await, Err(WorkError::Died), "{wish}");
            assert_eq!(read(&work, "").await.as_deref(), Ok("hello"), "after {wish}");
        }
        let Stats { workers, .. } = settled(&work).await;
        assert_eq!((workers.died, workers.garbled, workers.lost), (3, 1, 0));
        // Each was replaced in the background; a picture that came in between may have had one of its own.
        assert!((5..=9).contains(&workers.started), "{workers:?}");
        format!("{} died, {} killed, the next picture read each time", workers.died, workers.garbled)
    })
}

fn words() -> String {
    block_on(async {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("picture");
        std::fs::write(&file, picture("abort")).expect("written");
        let flags: BTreeMap<_, _> =
            [("auth", "open".to_owned()), ("fetch_stand_ins", format!("http://pictures.test/x={}", file.display()))]
                .map(|(name, value)| (name.to_owned(), value))
                .into();
        let config = Config::from_raw(Raw { flags, ..Raw::default() }).unwrap_or_else(|wrong| panic!("{wrong:?}"));
        let work = server::configured_work(&config, None).await.expect("this test is a worker, too");
        let store = Store::in_memory(&server::migrations()).await.expect("a store in memory");
        let App { front, shared, .. } =
            server::open_with(work, config, store, Clock::fixed(NOW), Ids::seeded(1)).expect("opened");

        let json = ("Content-Type", "application/json");
        let ocr = [json, ("X-TC-Action", "QrcodeOCR"), ("X-TC-Version", "2018-11-19"), ("X-TC-Region", "ap-beijing")];
        let wechat = "/cv/img/qrcode?img_url=http%3A%2F%2Fpictures.test%2Fx&access_token=x";
        let mut codes = Vec::new();
        for (target, headers, body, status, expected) in [
            ("/", &ocr[..], r#"{"ImageUrl":"http://pictures.test/x"}"#, 200, "FailedOperation.OcrFailed"),
            (wechat, &[][..], "", 200, r#""errcode":-1"#),
            ("/api/v1/qrcode/scan_url", &[json][..], r#"{"url":"http://pictures.test/x"}"#, 500, r#""code":500"#),
        ] {
            let answer = Answer::of(front.answer(request(Method::POST, target, headers, body)).await).await;
            assert_eq!(answer.status, StatusCode::from_u16(status).expect("a status"), "{}", answer.text());
            assert!(answer.text().contains(expected), "{}", answer.text());
            codes.push(answer.code);
        }
        assert_eq!(settled(shared.work()).await.workers.died, 3);
        codes.join(", ")
    })
}

fn no_program() -> String {
    block_on(async {
        let mut reasons = 0;
        for program in ["/nonexistent/qrstack", "/bin/true", "/bin/cat"] {
            let launch = Launch { program: Some(Path::new(program).to_owned()), ..launch() };
            let error = Workers::start(launch).await.err().expect("no worker");
            assert!(error.to_string().starts_with(&format!("{program}: ")), "{error}");
            reasons += 1;
        }
        format!("{reasons} wrong programs, {reasons} reasons")
    })
}

fn loops() -> String {
    const OTHERS: usize = 20;
    block_on(async {
        let work = isolated(2).await;
        let looping = tokio::spawn({
            let work = work.clone();
            async move { read(&work, "loop").await }
        });
        while work.stats().running == 0 {
            tokio::task::yield_now().await;
        }
        for _ in 0..OTHERS {
            assert_eq!(read(&work, "").await.as_deref(), Ok("hello"));
        }
        assert!(!looping.is_finished(), "the others did not wait for it");
        assert_eq!(looping.await.expect("joined"), Err(WorkError::Died));
        assert_eq!(read(&work, "").await.as_deref(), Ok("hello"));
        // Itself, the one for the others, and the one in its place, which nobody has waited for yet.
        let replaced = async {
            while work.stats().workers.started < 3 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(Duration::from_mins(1), replaced).await.expect("it is replaced");
        let Stats { workers, .. } = settled(&work).await;
        assert_eq!((workers.died, workers.garbled, workers.started), (0, 0, 3));
        format!("{} process lost and replaced, {OTHERS} other pictures read", workers.lost)
    })
}

fn sleeps() -> String {
    block_on(async {
        let work = isolated(1).await;
        assert_eq!(read(&work, "sleep").await, Err(WorkError::Died));
        assert_eq!(read(&work, "").await.as_deref(), Ok("hello"));
        format!("{} process", settled(&work).await.workers.lost)
    })
}

/// A server of its own whose only reader loops; says who that is, and waits for its own end.
async fn loop_until_killed() -> ExitCode {
    let work = isolated(1).await;
    let reading = read(&work, "loop");
    let told = async {
        while work.stats().running == 0 {
            tokio::task::yield_now().await;
        }
        println!("{}", children(std::process::id())[0]);
        std::future::pending::<()>().await;
    };
    // Whoever reads this is killed before the reader is.
    tokio::select! {
        _ = reading => ExitCode::FAILURE,
        () = told => ExitCode::FAILURE,
    }
}

/// The processes that a process has started.
fn children(parent: u32) -> Vec<u32> {
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten();
    let processes = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    processes.filter(|pid| state(*pid).is_some_and(|(_, of)| of == parent)).collect()
}

/// The state of a process and who started it.
fn state(pid: u32) -> Option<(String, u32)> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    Some((fields.next()?.to_owned(), fields.next()?.parse().ok()?))
}

fn orphans() -> String {
    let mut server = Command::new(std::env::current_exe().expect("this test"))
        .arg("server-with-a-looping-reader")
        .stdout(Stdio::piped())
        .spawn()
        .expect("started");
    let mut line = String::new();
    BufReader::new(server.stdout.take().expect("piped")).read_line(&mut line).expect("a line");
    let worker: u32 = line.trim().parse().expect("a process");
    server.kill().expect("killed");
    server.wait().expect("ended");
    // Somebody else's child by now: a zombie, where that one does not care.
    while state(worker).is_some_and(|(state, _)| state != "Z") {
        std::thread::sleep(Duration::from_millis(10));
    }
    "gone".to_owned()
}

fn leaves() -> String {
    block_on(async {
        let work = isolated(1).await;
        for left in 1..=5 {
            let leaving = tokio::spawn({
                let work = work.clone();
                async move { read(&work, "sleep").await }
            });
            while work.stats().running == 0 {
                tokio::task::yield_now().await;
            }
            leaving.abort();
            assert!(leaving.await.is_err_and(|error| error.is_cancelled()));
            assert_eq!(read(&work, "").await.as_deref(), Ok("hello"), "after {left}");
        }
        let Stats { workers, running, waiting, .. } = settled(&work).await;
        assert_eq!((running, waiting, workers.lost), (0, 0, 0));
        // One that left before its picture reached the reader has left it idle.
        assert!(workers.abandoned >= 1, "{workers:?}");
        "5 left, 5 read on the only place".to_owned()
    })
}
