//! The worker's side: a process that confines itself, then reads one picture after the other until the server hangs up.
//!
//! It is started by the server with its end of a socket pair as standard input and nothing else: no environment, no
//! settings, no secrets. Read first: `frame` (what is said), `confine` (what it may do).

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::panic::{self, AssertUnwindSafe};
use std::process::ExitCode;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex};

use super::confine;
use super::frame::{self, Answer};
use super::reading::{Done, Task};
use crate::codec::LoadError;
use crate::locks::locked;

/// Bytes that are kept for the next picture; of a larger one they are given back.
const KEPT_BYTES: usize = 1 << 20;
/// Panics told of a picture, and bytes of each.
const MOST_PANICS: usize = 8;
const MOST_PANIC_BYTES: usize = 500;

/// Panics since the last answer.
static PANICS: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// Serves as a worker on standard input: hands every picture to `read`, until the server hangs up. `memory_mib` is what
/// reading may take beyond what the process has at its start.
///
/// `read` is [`super::read`], or a test's that misbehaves.
pub fn run(memory_mib: u64, read: impl FnMut(&[u8], &Task) -> Result<Done, LoadError>) -> ExitCode {
    match socket() {
        Ok(socket) => match serve(socket, memory_mib, read) {
            Ok(()) => ExitCode::SUCCESS,
            // The server has gone in the middle of something: nobody is left to be told.
            Err(_) => ExitCode::FAILURE,
        },
        Err(error) => {
            eprintln!("qrstack: a worker is started by `qrstack serve`, on a socket: {error}");
            ExitCode::FAILURE
        }
    }
}

fn socket() -> io::Result<UnixStream> {
    let socket = UnixStream::from(io::stdin().as_fd().try_clone_to_owned()?);
    socket.local_addr()?;
    Ok(socket)
}

fn serve(
    mut socket: UnixStream,
    memory_mib: u64,
    mut read: impl FnMut(&[u8], &Task) -> Result<Done, LoadError>,
) -> io::Result<()> {
    remember_panics();
    ignore_signals()?;
    let confinement = confine::confine(memory_mib, socket.as_fd()).map_err(|error| error.to_string());
    socket.write_all(&frame::hello(&confinement))?;
    if confinement.is_err() {
        return Ok(());
    }
    let mut bytes = Vec::new();
    while frame::receive(&mut socket, &mut bytes)? {
        let (task, allowance, picture) = frame::parse_task(&bytes).map_err(io::Error::other)?;
        confine::allow_cpu(allowance)?;
        let result = panic::catch_unwind(AssertUnwindSafe(|| read(picture, &task))).ok();
        let panics = std::mem::take(&mut *locked(&PANICS));
        socket.write_all(&frame::answer(&Answer { result, panics }))?;
        if bytes.capacity() > KEPT_BYTES {
            bytes = Vec::new();
        }
    }
    Ok(())
}

/// Panics go to the server with the answer, which logs them as its own.
fn remember_panics() {
    panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        let mut text = format!("{} at {place}", panic.payload_as_str().unwrap_or("no text"));
        text.truncate(text.floor_char_boundary(MOST_PANIC_BYTES));
        let mut panics = locked(&PANICS);
        if panics.len() < MOST_PANICS {
            panics.push(text);
        }
    }));
}

/// Whoever ends the server may signal its workers, too: they read on until the server has drained and hangs up.
fn ignore_signals() -> io::Result<()> {
    use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
    for signal in [SIGHUP, SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, Arc::new(AtomicBool::new(false)))?;
    }
    Ok(())
}
