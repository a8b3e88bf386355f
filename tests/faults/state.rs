//! What was acknowledged stays: restarts, sudden ends, full disks, broken stores.

use std::fs;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use rand::rngs::StdRng;
use rand::{RngExt, SeedableRng};

use crate::disk::Disk;
use crate::harness::{Check, check};
use crate::program::{Program, qrstack};

pub fn checks() -> Vec<Check> {
    vec![
        check(
            "F45",
            "every ticket, token and product that was acknowledged before a `kill -9` is there afterwards",
            killed,
        ),
        check(
            "F45",
            "permanent tickets are there after the power was cut: a moment after the answer, or at once if asked for",
            power_cut,
        ),
        check(
            "F46",
            "writes fail as the vendor's system error, readiness turns red, the rest is served, and it heals",
            full_disk,
        ),
        check(
            "F46",
            "while the disk fails to sync, permanent tickets are refused and readiness is red; then what was acknowledged is \
             brought there",
            failing_sync,
        ),
        check("F47", "a broken store is refused in a sentence or answered around; it is never wiped", broken_store),
        check("F47", "two servers on one store: the second is refused, the first is not disturbed", two_servers),
        check(
            "F48",
            "after a restart a ticket has the same picture, byte by byte, and the token still counts",
            restart,
        ),
    ]
}

const TOKEN: &str =
    "/cgi-bin/token?grant_type=client_credential&appid=wx0123456789abcdef&secret=0123456789abcdef0123456789abcdef";
/// Clients that write at once while the server is killed.
const WRITERS: u32 = 3;

/// What clients were told, and must find again.
#[derive(Default)]
struct Acknowledged {
    token: String,
    /// Scene and ticket of permanent codes.
    permanent: Vec<(u32, String)>,
    temporary: Vec<String>,
    products: Vec<String>,
    tokens: Vec<String>,
}

/// Rounds of killing a server that is being written to. `QRSTACK_KILL_ROUNDS` asks for more than the page counts.
fn killed() -> String {
    let asked = std::env::var("QRSTACK_KILL_ROUNDS").ok().and_then(|rounds| rounds.parse().ok());
    let rounds: u32 = asked.unwrap_or(50);
    let mut random = StdRng::seed_from_u64(45);
    let mut told = Acknowledged::default();
    let (mut all, mut longest) = (0, Duration::ZERO);
    let mut program = Program::start(&["--auth", "verify"]);
    for round in 0..rounds {
        // The last token of the round before must still count.
        if told.token.is_empty() {
            told.token = field(&program.get(TOKEN).1, "access_token");
        }
        if round % 10 == 5 {
            told.products.push(import_product(&program, round));
        }
        write_until_killed(
            &mut told,
            program.address(),
            round,
            Duration::from_micros(random.random_range(500..40_000)),
            || {
                kill(program.id());
            },
        );
        let started = Instant::now();
        program = Program::start_in(program.folder(), &["--auth", "verify"]);
        longest = longest.max(started.elapsed());
        all += told.permanent.len() + told.temporary.len() + told.products.len() + told.tokens.len();
        find_again(&program, &told);
        told = Acknowledged { token: told.tokens.pop().unwrap_or(told.token), ..Acknowledged::default() };
    }
    let (_folder, database) = (program.folder(), program.data_dir().join("qrstack.sqlite"));
    assert_eq!(program.terminate().code(), Some(0));
    assert_eq!(integrity(&database), "ok");
    let longest = longest.as_millis();
    eprintln!(
        "{rounds} rounds of kill -9: {all} acknowledged writes, none lost; ready again after {longest} ms at most"
    );
    assert!(all > rounds as usize, "too few writes were acknowledged to show anything: {all}");
    if asked.is_none() { format!("{rounds} rounds, none lost") } else { String::new() }
}

/// Several clients create codes, and one asks for tokens, until the server is gone; keeps what was acknowledged.
fn write_until_killed(
    told: &mut Acknowledged,
    address: std::net::SocketAddr,
    round: u32,
    after: Duration,
    kill: impl FnOnce(),
) {
    let (permanent, temporary) = (Arc::new(Mutex::new(Vec::new())), Arc::new(Mutex::new(Vec::new())));
    let stop = Arc::new(AtomicBool::new(false));
    let writers: Vec<_> = (0..WRITERS)
        .map(|writer| {
            let (permanent, temporary) = (Arc::clone(&permanent), Arc::clone(&temporary));
            let (stop, token) = (Arc::clone(&stop), told.token.clone());
            thread::spawn(move || {
                for k in 0.. {
                    if stop.load(Ordering::SeqCst) {
                        return;
                    }
                    let scene = 1 + (round * WRITERS + writer) * 30 + k % 30;
                    let lasting = k % 2 == 0;
                    // Once the server is gone a call fails, in whatever way: it was not acknowledged.
                    let Some(ticket) = try_create(address, &token, scene, lasting) else { return };
                    if lasting {
                        permanent.lock().expect("no holder panics").push((scene, ticket));
                    } else {
                        temporary.lock().expect("no holder panics").push(ticket);
                    }
                }
            })
        })
        .collect();
    let asking = {
        let stop = Arc::clone(&stop);
        thread::spawn(move || {
            let tokens = std::iter::from_fn(|| try_token(address));
            tokens.take_while(|_| !stop.load(Ordering::SeqCst)).collect()
        })
    };
    while permanent.lock().expect("no holder panics").is_empty() {
        thread::sleep(Duration::from_millis(1));
    }
    thread::sleep(after);
    kill();
    stop.store(true, Ordering::SeqCst);
    for writer in writers {
        writer.join().expect("no writer panics");
    }
    told.tokens = asking.join().expect("it does not panic");
    told.permanent = std::mem::take(&mut *permanent.lock().expect("no holder panics"));
    told.temporary = std::mem::take(&mut *temporary.lock().expect("no holder panics"));
}

/// Rounds of cutting the power under a server that is being written to.
fn power_cut() -> String {
    const ROUNDS: u32 = 6;
    let mut all = 0;
    for sync in ["0s", "20ms"] {
        let disk = Disk::new();
        for round in 0..ROUNDS {
            let program = disk.start(&["--auth", "verify", "--store-sync", sync]);
            let mut told =
                Acknowledged { token: field(&program.get(TOKEN).1, "access_token"), ..Acknowledged::default() };
            let (address, id) = (program.address(), program.id());
            let guest = rusqlite::Connection::open(program.data_dir().join("qrstack.sqlite")).expect("opened");
            // At once there is no moment to wait for, and it may come in the middle of everything.
            let cut = || {
                if sync == "0s" {
                    kill(id);
                }
            };
            write_until_killed(&mut told, address, round, Duration::from_millis(u64::from(round) * 15), cut);
            if sync != "0s" && round % 2 == 0 {
                wait_for("what was acknowledged is on the disk", || on_disk(&disk, &told.permanent));
                program.kill();
            } else if sync != "0s" {
                // Who has the store open beside it keeps its last connection from being the last.
                assert!(guest.table_exists(None, "wechat_codes").expect("read"));
                assert_eq!(program.terminate().code(), Some(0));
            }
            let again = Program::start_in(disk.after_power_cut(), &["--auth", "open"]);
            let token = field(&again.get(TOKEN).1, "access_token");
            for (scene, ticket) in &told.permanent {
                assert_eq!(create(&again, &token, *scene), *ticket, "scene {scene} has another ticket");
            }
            all += told.permanent.len();
        }
    }
    assert!(all > 2 * ROUNDS as usize, "too few tickets were acknowledged to show anything: {all}");
    end_before_sync();
    format!("{} cuts, none lost", 2 * ROUNDS + 1)
}

/// A server that ends in order does not leave to its next moment what would be brought to the disk then.
fn end_before_sync() {
    let disk = Disk::new();
    let program = disk.start(&["--auth", "open", "--store-sync", "60s"]);
    let guest = rusqlite::Connection::open(program.data_dir().join("qrstack.sqlite")).expect("opened");
    assert!(guest.table_exists(None, "wechat_codes").expect("read"));
    let told = [(1, create(&program, &field(&program.get(TOKEN).1, "access_token"), 1))];
    assert_eq!(program.terminate().code(), Some(0));
    assert!(on_disk(&disk, &told), "the end left a ticket to the moment that never came");
}

/// Whether all these tickets would outlast a cut.
fn on_disk(disk: &Disk, permanent: &[(u32, String)]) -> bool {
    let left = disk.after_power_cut();
    let database = rusqlite::Connection::open(left.path().join("data/qrstack.sqlite")).expect("opened");
    let mut query = database.prepare("SELECT 1 FROM wechat_codes WHERE ticket = ?1").expect("a table");
    permanent.iter().all(|(_, ticket)| query.exists([ticket]).expect("read"))
}

fn wait_for(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "not so in time: {what}");
        thread::sleep(Duration::from_millis(5));
    }
}

fn failing_sync() -> String {
    let disk = Disk::new();
    let program = disk.start(&["--auth", "open"]);
    let token = field(&program.get(TOKEN).1, "access_token");
    let mut told = vec![(1, create(&program, &token, 1))];
    disk.fail(true);
    // It shows once what was answered is brought there.
    let refused = loop {
        let scene = told.len() as u32 + 1;
        assert!(scene < 50_000, "nobody noticed");
        match try_create(program.address(), &token, scene, true) {
            Some(ticket) => told.push((scene, ticket)),
            None => break post(&program, &token, &create_body(scene, true)),
        }
    };
    assert!(refused.starts_with(r#"{"errcode":-1,"errmsg":"system error"#), "{refused}");
    assert_eq!(program.get("/_qrstack/readyz").0, 503, "readiness is red");
    show(&program, &told[0].1);
    assert!(try_create(program.address(), &token, 1, false).is_some(), "what need not outlast a cut is given");

    // Long enough that a server has given up that tries a few times, and then only when it is asked for something.
    thread::sleep(Duration::from_millis(200));
    disk.fail(false);
    wait_for("what was acknowledged is on the disk", || on_disk(&disk, &told));
    wait_for("a permanent ticket is given", || {
        try_create(program.address(), &token, 100_000, true).map(|ticket| told.push((100_000, ticket))).is_some()
    });
    assert_eq!(program.get("/_qrstack/readyz").0, 200, "it healed by itself");
    for (scene, ticket) in &told {
        assert_eq!(create(&program, &token, *scene), *ticket, "scene {scene} has another ticket");
    }
    "nothing acknowledged was lost".to_owned()
}

fn find_again(program: &Program, told: &Acknowledged) {
    for (scene, ticket) in &told.permanent {
        assert_eq!(create(program, &told.token, *scene), *ticket, "scene {scene} has another ticket");
    }
    for ticket in told.permanent.iter().map(|(_, ticket)| ticket).chain(&told.temporary) {
        show(program, ticket);
    }
    for token in &told.tokens {
        let answer = post(program, token, r#"{"action_name":"NONE"}"#);
        assert!(answer.contains("40052"), "{token} does not count any more: {answer}");
    }
    if !told.products.is_empty() {
        let output = products(program, &["export"]);
        let exported = String::from_utf8_lossy(&output);
        for product in &told.products {
            assert!(exported.contains(product), "{product} is gone");
        }
    }
}

/// A product that an import beside the server acknowledged.
fn import_product(program: &Program, round: u32) -> String {
    let name = format!("product-of-round-{round}");
    let csv = program.path("one.csv");
    fs::write(&csv, format!("BarCode,ProductName\n{},{name}\n", gtin(round))).expect("written");
    products(program, &["import", &csv.display().to_string()]);
    name
}

fn products(program: &Program, arguments: &[&str]) -> Vec<u8> {
    let mut command = qrstack();
    command.arg("products").args(arguments).arg("--data-dir").arg(program.data_dir()).stdin(Stdio::null());
    let output = command.output().expect("the program runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// An EAN-13 with its check digit.
fn gtin(number: u32) -> String {
    let digits = format!("690{number:09}");
    let sum: u32 = digits.bytes().enumerate().map(|(k, digit)| u32::from(digit - b'0') * [1, 3][k % 2]).sum();
    format!("{digits}{}", (10 - sum % 10) % 10)
}

fn kill(process: u32) {
    let status = Command::new("kill").args(["-KILL", &process.to_string()]).status();
    assert!(status.expect("kill runs").success());
}

/// What SQLite itself says of a file.
fn integrity(path: &Path) -> String {
    let database = rusqlite::Connection::open(path).expect("opened");
    database.query_one("PRAGMA integrity_check", (), |row| row.get(0)).expect("checked")
}

/// A disk that takes no more: the program may write files of a fixed size only, until the limit is lifted.
fn full_disk() -> String {
    // Writing past the limit fails with EFBIG where its signal is ignored.
    let mut limited = Command::new("sh");
    let script = "trap '' XFSZ; ulimit -S -f 1024; exec \"$0\" \"$@\"";
    limited.args(["-c", script, env!("CARGO_BIN_EXE_qrstack")]);
    for (name, _) in std::env::vars().filter(|(name, _)| name.starts_with("QRSTACK_")) {
        limited.env_remove(name);
    }
    let folder = Arc::new(tempfile::tempdir().expect("a folder"));
    let program = Program::launch(limited, folder, &["--auth", "open"]);
    let token = field(&program.get(TOKEN).1, "access_token");
    let mut tickets = Vec::new();
    let refused = loop {
        assert!(tickets.len() < 10_000, "the disk never filled");
        match try_create(program.address(), &token, tickets.len() as u32 + 1, true) {
            Some(ticket) => tickets.push(ticket),
            None => break post(&program, &token, &create_body(tickets.len() as u32 + 1, true)),
        }
    };
    assert!(refused.starts_with(r#"{"errcode":-1,"errmsg":"system error"#), "{refused}");
    assert_eq!(program.get("/_qrstack/readyz").0, 503, "readiness is red");
    assert_eq!(program.get("/_qrstack/livez").0, 200);
    // What needs no write goes on: pictures of known codes, drawing.
    for ticket in [&tickets[0], &tickets[tickets.len() - 1]] {
        show(&program, ticket);
    }
    let (status, _) = program.get("/?ci-process=qrcode-generate&qrcode-content=x&width=300");
    assert_eq!(status, 200, "drawing needs no disk");

    let lifted = Command::new("prlimit").args(["--pid", &program.id().to_string(), "--fsize=unlimited"]).status();
    assert!(lifted.expect("prlimit runs").success());
    let ticket = create(&program, &token, tickets.len() as u32 + 1);
    show(&program, &ticket);
    assert_eq!(program.get("/_qrstack/readyz").0, 200, "it healed by itself");
    for (k, ticket) in tickets.iter().enumerate().step_by(50) {
        assert_eq!(create(&program, &token, k as u32 + 1), *ticket, "what was acknowledged is still there");
    }
    "nothing acknowledged was lost".to_owned()
}

fn broken_store() -> String {
    let program = Program::start(&["--auth", "open"]);
    let token = field(&program.get(TOKEN).1, "access_token");
    let ticket = create(&program, &token, 1);
    for scene in 2..200 {
        create(&program, &token, scene);
    }
    let file = program.data_dir().join("qrstack.sqlite");
    let folder = program.folder();
    assert_eq!(program.terminate().code(), Some(0));
    let whole = fs::read(&file).expect("the store");

    let mut random = StdRng::seed_from_u64(47);
    let (mut refused, mut served) = (0, 0);
    for round in 0..24 {
        let mut broken = whole.clone();
        match round {
            0 => broken[..16].fill(0),
            1 => broken.truncate(whole.len() / 2),
            2 => broken.truncate(100),
            // A page is overwritten, or single bytes are flipped.
            3..8 => {
                let page = random.random_range(0..whole.len() / 4096) * 4096;
                broken[page..page + 4096].fill(0xA5);
            }
            _ => (0..20).for_each(|_| {
                let place = random.random_range(0..whole.len());
                broken[place] ^= 1 << random.random_range(0..8);
            }),
        }
        for leftover in ["qrstack.sqlite-wal", "qrstack.sqlite-shm"] {
            let _ = fs::remove_file(file.with_file_name(leftover));
        }
        fs::write(&file, &broken).expect("written");
        let mut command = qrstack();
        let data_dir = file.parent().expect("a folder").display().to_string();
        let output = command.args(["products", "export", "--data-dir", &data_dir]).stdin(Stdio::null()).output();
        let log = String::from_utf8_lossy(&output.expect("the program runs").stderr).into_owned();
        assert!(!log.contains("panicked"), "{log}");
        if log.contains("data_dir: ") {
            // As `serve` says it: the file, the cause, and that nothing was changed.
            assert!(log.contains("qrstack.sqlite") && log.contains("it is left as it is"), "{log}");
            assert_eq!(fs::read(&file).expect("kept"), broken, "a refused store is left as it is");
            refused += 1;
            continue;
        }
        let program = Program::start_in(Arc::clone(&folder), &["--auth", "open"]);
        let shown = program.request(&format!("GET /cgi-bin/showqrcode?ticket={ticket} HTTP/1.1\r\n"), "");
        assert!([200, 404].contains(&shown.0), "{}", shown.0);
        let answer = post(&program, &token, &create_body(1, true));
        assert!(answer.starts_with(r#"{"ticket""#) || answer.starts_with(r#"{"errcode""#), "{answer}");
        let (_, log) = program.terminate_and_read_log();
        assert!(!log.contains("panicked"), "{log}");
        assert!(fs::metadata(&file).expect("there").len() >= whole.len() as u64 / 2, "the store was wiped");
        served += 1;
    }
    assert!(refused >= 3 && served >= 3, "{refused} refused, {served} served");
    format!("{} broken stores", refused + served)
}

fn two_servers() -> String {
    let program = Program::start(&["--auth", "open"]);
    let data_dir = program.data_dir().display().to_string();
    let second = qrstack().args(["serve", "--listen", "127.0.0.1:0", "--data-dir", &data_dir]).output();
    let second = second.expect("the program runs");
    assert_eq!(second.status.code(), Some(1));
    let log = String::from_utf8_lossy(&second.stderr).into_owned();
    assert!(log.contains("another qrstack serves this store"), "{log}");
    let token = field(&program.get(TOKEN).1, "access_token");
    show(&program, &create(&program, &token, 1));
    String::new()
}

fn restart() -> String {
    let program = Program::start(&[]);
    let token = field(&program.get(TOKEN).1, "access_token");
    let tickets: Vec<_> = (1..=10).map(|scene| create(&program, &token, scene)).collect();
    let pictures: Vec<_> = tickets.iter().map(|ticket| show(&program, ticket)).collect();
    let folder = program.folder();
    assert_eq!(program.terminate().code(), Some(0));

    let again = Program::start_in(folder, &[]);
    for (ticket, picture) in tickets.iter().zip(&pictures) {
        assert!(show(&again, ticket) == *picture, "another picture after the restart");
    }
    assert_eq!(create(&again, &token, 1), tickets[0], "the token counts and the scene has one ticket");
    format!("{} of {} pictures", pictures.len(), tickets.len())
}

fn create_body(scene: u32, lasting: bool) -> String {
    let action = if lasting { "QR_LIMIT_SCENE" } else { "QR_SCENE" };
    format!(r#"{{"action_name":"{action}","action_info":{{"scene":{{"scene_id":{scene}}}}}}}"#)
}

fn post(program: &Program, token: &str, body: &str) -> String {
    let head =
        format!("POST /cgi-bin/qrcode/create?access_token={token} HTTP/1.1\r\nContent-Length: {}\r\n", body.len());
    String::from_utf8_lossy(&program.request(&head, body).1).into_owned()
}

/// The ticket of a permanent code.
fn create(program: &Program, token: &str, scene: u32) -> String {
    field(&post(program, token, &create_body(scene, true)), "ticket")
}

/// The ticket of a code, where the whole answer came and has one.
fn try_create(address: std::net::SocketAddr, token: &str, scene: u32, lasting: bool) -> Option<String> {
    let body = create_body(scene, lasting);
    let head = format!("POST /cgi-bin/qrcode/create?access_token={token} HTTP/1.1\r\nContent-Length: {}", body.len());
    try_field(address, &head, &body, "ticket")
}

/// A new token, where the whole answer came and has one.
fn try_token(address: std::net::SocketAddr) -> Option<String> {
    try_field(address, &format!("GET {TOKEN} HTTP/1.1"), "", "access_token")
}

/// A field of the answer to a request, where the whole answer came and has it.
fn try_field(address: std::net::SocketAddr, head: &str, body: &str, name: &str) -> Option<String> {
    use std::io::{Read, Write};
    let mut stream = std::net::TcpStream::connect(address).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(30))).ok()?;
    let request = format!("{head}\r\nHost: {address}\r\nConnection: close\r\n\r\n{body}");
    stream.write_all(request.as_bytes()).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    let (_, body) = answer.split_once("\r\n\r\n")?;
    let value: serde_json::Value = serde_json::from_str(body).ok()?;
    value[name].as_str().map(str::to_owned)
}

fn show(program: &Program, ticket: &str) -> Vec<u8> {
    let (status, picture) = program.request(&format!("GET /cgi-bin/showqrcode?ticket={ticket} HTTP/1.1\r\n"), "");
    assert_eq!(status, 200, "{ticket} has no picture");
    picture
}

/// A text field of a JSON object.
fn field(object: &str, name: &str) -> String {
    let value: serde_json::Value = serde_json::from_str(object).unwrap_or_else(|error| panic!("{error}: {object}"));
    value[name].as_str().unwrap_or_else(|| panic!("no {name} in {object}")).to_owned()
}
