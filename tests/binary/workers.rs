//! The worker processes of a running server: what they know, and when they end.

use std::time::Duration;

use crate::program::Program;

/// A worker as the system shows it.
struct Process {
    id: u32,
    /// `Z` where it has ended and nobody took note.
    state: String,
}

/// The processes that a server has started.
fn workers(server: u32) -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").expect("/proc").flatten();
    let ids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    ids.filter_map(|id: u32| {
        let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
        let (state, parent) = (fields.next()?.to_owned(), fields.next()?.parse::<u32>().ok()?);
        (parent == server).then_some(Process { id, state })
    })
    .collect()
}

fn wait_until(what: impl Fn() -> bool) {
    while !what() {
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn is_there(id: u32) -> bool {
    // Whoever inherits a process takes note of its end sooner or later.
    let stat = std::fs::read_to_string(format!("/proc/{id}/stat")).unwrap_or_default();
    stat.rsplit_once(')').is_some_and(|(_, rest)| !rest.trim_start().starts_with('Z'))
}

/// Has a picture read.
fn read(program: &Program) {
    let body = r#"{"url":"https://gstatic.clewm.net/caoliao-resource/250221/80bc7c_be831017.png"}"#;
    let head = format!(
        "POST /api/v1/qrcode/scan_url HTTP/1.1\r\nAuthorization: Bearer marker\r\nContent-Length: {}\r\n",
        body.len()
    );
    let (status, answer) = program.request(&head, body);
    assert_eq!(status, 200, "{}", String::from_utf8_lossy(&answer));
}

const ARGUMENTS: [&str; 2] = ["--cli-im-keys", "marker"];

#[test]
fn workers_know_nothing_and_end_with_their_server_however_it_ends() {
    for sudden in [false, true] {
        let program = Program::start(&ARGUMENTS);
        read(&program);
        let [worker] = &workers(program.id())[..] else { panic!("one worker") };
        let show = |file: &str| std::fs::read(format!("/proc/{}/{file}", worker.id)).expect("readable");
        assert_eq!(show("environ"), b"");
        let command = String::from_utf8(show("cmdline")).expect("UTF-8");
        assert_eq!(command.split('\0').collect::<Vec<_>>()[..3], ["qrstack", "worker", "--memory-mib"]);
        assert!(!command.contains("marker"), "{command}");
        // Some system's way to end a service signals every process of it: requests under way are still read.
        let kill = std::process::Command::new("kill").arg(worker.id.to_string()).status();
        assert!(kill.expect("kill runs").success());
        read(&program);
        assert_eq!(workers(program.id())[0].id, worker.id);

        if sudden {
            program.kill();
        } else {
            assert_eq!(program.terminate().code(), Some(0));
        }
        wait_until(|| !is_there(worker.id));
    }
}

#[test]
fn an_idle_worker_ends_and_one_that_was_killed_is_no_loss() {
    let program = Program::start(&[&ARGUMENTS[..], &["--read-worker-idle", "100ms"]].concat());
    for _ in 0..2 {
        read(&program);
        wait_until(|| workers(program.id()).is_empty());
    }
    let program = Program::start(&ARGUMENTS);
    let killed = workers(program.id());
    for worker in &killed {
        let kill = std::process::Command::new("kill").args(["-KILL", &worker.id.to_string()]).status();
        assert!(kill.expect("kill runs").success());
        wait_until(|| !is_there(worker.id));
    }
    read(&program);
    wait_until(|| workers(program.id()).iter().all(|worker| worker.state != "Z"));
}

#[test]
fn reading_stays_on_threads_where_that_is_asked_for() {
    let program = Program::start(&[&ARGUMENTS[..], &["--read-isolation", "thread"]].concat());
    read(&program);
    assert!(workers(program.id()).is_empty());
}
