//! The server's side of worker processes: starts them, hands each one picture at a time, and ends those that died, lost
//! their way, say what no reader says, or are not needed any more.
//!
//! Read first: `frame` (what is said), `worker` (the other side).

use std::io::{self, IoSlice};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream as Pair;
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::pin::pin;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, Weak};
use std::time::{Duration, Instant};

use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;
use tokio::sync::Notify;
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;

use super::confine::Confinement;
use super::frame::{self, Answer, Malformed};
use super::reading::{self, Task};
use crate::locks::locked;

/// A worker says hello within this, or never.
const HELLO: Duration = Duration::from_secs(10);
/// Readings shorter than this are not watched.
const FIRST_LOOK: Duration = Duration::from_millis(50);
/// A worker gets this many times its CPU allowance in real time: it may have to wait for a core, but not for ever.
const PATIENCE: u32 = 10;
/// How often the idle workers are looked at.
const ROUND: Duration = Duration::from_secs(1);
/// How often those that are dying are.
const DYING: Duration = Duration::from_millis(2);

/// How workers are started.
#[derive(Clone, Debug)]
pub struct Launch {
    /// What they run, with the arguments `worker --memory-mib N`; else the program that runs here.
    pub program: Option<PathBuf>,
    /// MiB that a worker may take beyond its own code.
    pub memory_mib: u64,
    /// Time without a picture after which a worker ends.
    pub idle: Duration,
}

impl Launch {
    fn program(&self) -> PathBuf {
        // The very file that runs, also where another has its name by now.
        let running = Path::new("/proc/self/exe");
        let other = || std::env::current_exe().ok().filter(|_| !running.exists());
        self.program.clone().or_else(other).unwrap_or_else(|| running.to_owned())
    }

    fn command(&self, socket: OwnedFd) -> Command {
        let mut command = Command::new(self.program());
        command
            .arg0("qrstack")
            .args(["worker", "--memory-mib", &self.memory_mib.to_string()])
            .env_clear()
            .current_dir("/")
            // What is typed at a terminal is for the server.
            .process_group(0)
            .stdin(socket)
            .stdout(Stdio::null())
            .stderr(Stdio::null());
        command
    }
}

/// Why a worker could not be started.
#[derive(Debug, Error)]
pub enum LaunchError {
    /// The system cannot run it.
    #[error("{}: {error}", program.display())]
    Spawn {
        /// The program.
        program: PathBuf,
        /// The system's reason.
        error: io::Error,
    },
    /// It runs and is no worker.
    #[error("{}: {reason}", program.display())]
    Hello {
        /// The program.
        program: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

/// Why a worker has to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It took more than its allowance.
    Lost,
    /// It went away by itself.
    Died,
    /// It said what no reader says.
    Garbled(Malformed),
    /// The client of its picture has left.
    Abandoned,
    /// There was nothing to do, or the server ends.
    Dismissed,
}

/// What became of the workers so far.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct WorkerStats {
    /// Processes that exist, those included that are ending.
    pub alive: u64,
    /// Those of them that wait for a picture.
    pub idle: u64,
    /// Started.
    pub started: u64,
    /// Killed because they took more CPU time than a reader does.
    pub lost: u64,
    /// Died by themselves: an abort, a signal, no memory.
    pub died: u64,
    /// Killed because they said what no reader says.
    pub garbled: u64,
    /// Killed because the client of their picture left.
    pub abandoned: u64,
    /// Ended because there was nothing to do.
    pub dismissed: u64,
}

impl WorkerStats {
    /// How many ended, by cause.
    pub fn ends(&self) -> [(&'static str, u64); 5] {
        let Self { lost, died, garbled, abandoned, dismissed, .. } = *self;
        [("lost", lost), ("died", died), ("garbled", garbled), ("abandoned", abandoned), ("dismissed", dismissed)]
    }
}

#[derive(Default)]
struct Counts {
    started: AtomicU64,
    lost: AtomicU64,
    died: AtomicU64,
    garbled: AtomicU64,
    abandoned: AtomicU64,
    dismissed: AtomicU64,
    reaped: AtomicU64,
}

/// The worker processes of a server; clones share them.
#[derive(Clone)]
pub struct Workers(Arc<Pool>);

struct Pool {
    launch: Launch,
    /// The one used last is the next to be used, so that those not needed grow old.
    idle: Mutex<Vec<Worker>>,
    dying: Mutex<Vec<Child>>,
    /// Wakes the caretaker for one that is dying.
    ended: Notify,
    closed: CancellationToken,
    counts: Counts,
}

/// A worker process at the end of its socket. Dropped, it is killed.
struct Worker {
    child: Option<Child>,
    socket: UnixStream,
    pool: Weak<Pool>,
    /// Why it would be dropped at this moment.
    end: End,
    idle_since: Instant,
}

impl Workers {
    /// Starts the first worker, and with it the caretaker of all.
    ///
    /// Further ones are started as they are needed. Gives what holds in a worker.
    ///
    /// # Errors
    /// Where a worker cannot be started here at all.
    pub async fn start(launch: Launch) -> Result<(Self, Confinement), LaunchError> {
        let pool = Arc::new(Pool {
            launch,
            idle: Mutex::default(),
            dying: Mutex::default(),
            ended: Notify::new(),
            closed: CancellationToken::new(),
            counts: Counts::default(),
        });
        let (worker, confinement) = pool.launch().await?;
        pool.keep(worker);
        tokio::spawn(take_care(Arc::downgrade(&pool), pool.launch.idle));
        Ok((Self(pool), confinement))
    }

    /// Has a worker read a picture of so many pixels a side. Where this is dropped before it ends, the worker dies.
    ///
    /// `None` where there was no answer; the log says why.
    pub(super) async fn read(&self, picture: &[u8], task: &Task, (width, height): (u32, u32)) -> Option<Answer> {
        let pixels = u64::from(width) * u64::from(height);
        let allowance = reading::allowance(task.budget, pixels);
        let head = frame::task(task, allowance, picture.len())?;
        let mut worker = match self.0.worker().await {
            Ok(worker) => worker,
            Err(error) => {
                tracing::error!(%error, "a worker process cannot be started");
                return None;
            }
        };
        worker.end = End::Abandoned;
        let answer = tokio::select! {
            answer = worker.exchange(&head, picture, allowance) => answer,
            () = self.0.closed.cancelled() => Err(End::Dismissed),
        };
        let answer = answer.and_then(|bytes| frame::parse_answer(&bytes, task, (width, height)).map_err(End::Garbled));
        match answer {
            Ok(answer) => {
                self.0.keep(worker);
                Some(answer)
            }
            Err(end) => {
                worker.end = end;
                worker.tell(width, height, picture.len()).await;
                drop(worker);
                self.replace();
                None
            }
        }
    }

    /// Starts another worker in the background, so that the next picture does not wait for one.
    fn replace(&self) {
        let pool = Arc::clone(&self.0);
        if !pool.closed.is_cancelled() {
            tokio::spawn(async move {
                match pool.launch().await {
                    Ok((worker, _)) => pool.keep(worker),
                    Err(error) => tracing::error!(%error, "a dead worker process cannot be replaced"),
                }
            });
        }
    }

    /// Ends all workers, those too that are reading, and waits until they are gone.
    pub(super) async fn close(&self) {
        self.0.closed.cancel();
        locked(&self.0.idle).clear();
        while self.stats().alive > 0 {
            self.0.reap();
            tokio::time::sleep(DYING).await;
        }
    }

    /// What became of the workers so far.
    pub(super) fn stats(&self) -> WorkerStats {
        let Counts { started, lost, died, garbled, abandoned, dismissed, reaped } = &self.0.counts;
        let of = |count: &AtomicU64| count.load(Ordering::Relaxed);
        // In this order: whoever is reaped was started.
        let gone = of(reaped);
        WorkerStats {
            alive: of(started) - gone,
            idle: locked(&self.0.idle).len() as u64,
            started: of(started),
            lost: of(lost),
            died: of(died),
            garbled: of(garbled),
            abandoned: of(abandoned),
            dismissed: of(dismissed),
        }
    }
}

impl Pool {
    /// One that is idle and alive, or a fresh one.
    async fn worker(self: &Arc<Self>) -> Result<Worker, LaunchError> {
        while let Some(mut worker) = locked(&self.idle).pop() {
            if worker.is_alive() {
                return Ok(worker);
            }
            worker.end = End::Died;
        }
        self.launch().await.map(|(worker, _)| worker)
    }

    /// A fresh worker that has said hello.
    async fn launch(self: &Arc<Self>) -> Result<(Worker, Confinement), LaunchError> {
        let pool = Arc::clone(self);
        // A task of its own: also where the caller leaves, the process ends up in somebody's hands.
        let launched = tokio::spawn(async move {
            let program = pool.launch.program();
            let mut worker =
                pool.spawn().await.map_err(|error| LaunchError::Spawn { program: program.clone(), error })?;
            match worker.hello().await {
                Ok(confinement) => Ok((worker, confinement)),
                Err(reason) => {
                    worker.end = End::Died;
                    Err(LaunchError::Hello { program, reason })
                }
            }
        });
        launched.await.unwrap_or_else(|error| {
            Err(LaunchError::Spawn { program: self.launch.program(), error: io::Error::other(error) })
        })
    }

    async fn spawn(self: &Arc<Self>) -> io::Result<Worker> {
        let (ours, theirs) = Pair::pair()?;
        ours.set_nonblocking(true)?;
        let socket = UnixStream::from_std(ours)?;
        let mut command = self.launch.command(theirs.into());
        let child = tokio::task::spawn_blocking(move || command.spawn()).await.map_err(io::Error::other)??;
        self.counts.started.fetch_add(1, Ordering::Relaxed);
        let pool = Arc::downgrade(self);
        Ok(Worker { child: Some(child), socket, pool, end: End::Dismissed, idle_since: Instant::now() })
    }

    /// Keeps a worker for the next picture.
    fn keep(&self, mut worker: Worker) {
        worker.end = End::Dismissed;
        worker.idle_since = Instant::now();
        let mut idle = locked(&self.idle);
        // Looked at under the lock: whoever closes clears the list afterwards.
        if !self.closed.is_cancelled() {
            idle.push(worker);
        }
    }

    /// Takes note of those that have died; `true` where others are still dying.
    fn reap(&self) -> bool {
        let mut dying = locked(&self.dying);
        dying.retain_mut(|child| {
            let gone = !matches!(child.try_wait(), Ok(None));
            self.counts.reaped.fetch_add(u64::from(gone), Ordering::Relaxed);
            !gone
        });
        !dying.is_empty()
    }

    /// Ends the idle workers that are dead, or older than `idle`.
    fn dismiss(&self, idle: Duration) {
        let mut gone = Vec::new();
        let mut workers = locked(&self.idle);
        for mut worker in std::mem::take(&mut *workers) {
            if !worker.is_alive() {
                worker.end = End::Died;
                gone.push(worker);
            } else if worker.idle_since.elapsed() >= idle {
                gone.push(worker);
            } else {
                workers.push(worker);
            }
        }
    }
}

impl Drop for Pool {
    fn drop(&mut self) {
        for child in locked(&self.dying).iter_mut() {
            let _ = child.wait();
        }
    }
}

/// Looks after the workers that nobody uses, as long as there is somebody who might.
async fn take_care(pool: Weak<Pool>, idle: Duration) {
    let round = ROUND.min(idle / 2).max(DYING);
    while let Some(pool) = pool.upgrade() {
        pool.dismiss(idle);
        let pause = if pool.reap() { DYING } else { round };
        tokio::select! {
            () = pool.ended.notified() => {}
            () = pool.closed.cancelled() => return,
            () = tokio::time::sleep(pause) => {}
        }
    }
}

impl Worker {
    async fn hello(&mut self) -> Result<Confinement, String> {
        let frame = timeout(HELLO, self.receive()).await;
        let frame = frame.map_err(|_| "it does not say hello")?.map_err(|_| "it ended before it said hello")?;
        frame::parse_hello(&frame).map_err(|error| error.to_string())?
    }

    /// Sends a task and waits for its answer, as long as the worker makes sense.
    async fn exchange(&mut self, head: &[u8], picture: &[u8], allowance: Duration) -> Result<Vec<u8>, End> {
        let pid = self.child.as_ref().map(Child::id);
        let mut exchange = pin!(async {
            self.send(head, picture).await.map_err(|_| End::Died)?;
            self.receive().await
        });
        if let Ok(answer) = timeout(FIRST_LOOK, &mut exchange).await {
            return answer;
        }
        // It is a long one. What the worker took until here is not worth a look at every short one.
        let (since, before) = (Instant::now(), pid.and_then(cpu_time));
        loop {
            let used = match (before, pid.and_then(cpu_time)) {
                (Some(before), Some(now)) => now.saturating_sub(before),
                _ => Duration::ZERO,
            };
            let left = allowance.saturating_sub(used);
            if left.is_zero() || since.elapsed() >= allowance * PATIENCE {
                return Err(End::Lost);
            }
            // It has one thread: it cannot take more before this much time has passed.
            if let Ok(answer) = timeout(left.max(FIRST_LOOK), &mut exchange).await {
                return answer;
            }
        }
    }

    async fn send(&mut self, mut head: &[u8], mut picture: &[u8]) -> io::Result<()> {
        while !head.is_empty() {
            let sent = self.socket.write_vectored(&[IoSlice::new(head), IoSlice::new(picture)]).await?;
            let of_head = sent.min(head.len());
            head = &head[of_head..];
            picture = &picture[sent - of_head..];
        }
        self.socket.write_all(picture).await
    }

    /// A whole frame, without its length.
    async fn receive(&mut self) -> Result<Vec<u8>, End> {
        let length = self.socket.read_u32_le().await.map_err(|_| End::Died)? as usize;
        if length > frame::MOST_ANSWER_BYTES {
            return Err(End::Garbled(frame::TOO_LONG));
        }
        // Memory is taken as bytes come, not as they are announced.
        let mut bytes = Vec::new();
        (&mut self.socket).take(length as u64).read_to_end(&mut bytes).await.map_err(|_| End::Died)?;
        if bytes.len() == length { Ok(bytes) } else { Err(End::Died) }
    }

    /// Whether it has not ended by itself.
    fn is_alive(&mut self) -> bool {
        self.child.as_mut().is_some_and(|child| matches!(child.try_wait(), Ok(None)))
    }

    /// Says in the log what became of a picture's reader.
    async fn tell(&mut self, width: u32, height: u32, bytes: usize) {
        match self.end {
            End::Lost => {
                tracing::error!(width, height, bytes, "a reader took far more than its budget; its process is killed");
            }
            End::Garbled(reason) => {
                tracing::error!(width, height, bytes, %reason, "a reader gave no sound answer; its process is killed");
            }
            End::Died => {
                let status = self.status().await;
                let signal = status.and_then(|status| status.signal());
                tracing::error!(width, height, bytes, signal, "a reader died with its process");
            }
            End::Abandoned | End::Dismissed => {}
        }
    }

    /// How it ended. One that hung up just now is given a moment until the system knows.
    async fn status(&mut self) -> Option<ExitStatus> {
        const MOMENTS: usize = 25;
        for _ in 0..MOMENTS {
            if let Ok(Some(status)) = self.child.as_mut()?.try_wait() {
                return Some(status);
            }
            tokio::time::sleep(DYING).await;
        }
        None
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        let Some(mut child) = self.child.take() else { return };
        // Where it is dead already, there is nothing to kill.
        let _ = child.kill();
        let Some(pool) = self.pool.upgrade() else {
            // There is no caretaker any more. What was killed ends at once.
            let _ = child.wait();
            return;
        };
        let counts = &pool.counts;
        let count = match self.end {
            End::Lost => &counts.lost,
            End::Died => &counts.died,
            End::Garbled(_) => &counts.garbled,
            End::Abandoned => &counts.abandoned,
            End::Dismissed => &counts.dismissed,
        };
        count.fetch_add(1, Ordering::Relaxed);
        locked(&pool.dying).push(child);
        pool.ended.notify_one();
    }
}

/// CPU time that a process has taken, to a hundredth of a second. `None` where the system does not tell.
fn cpu_time(pid: u32) -> Option<Duration> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name, in brackets, may hold anything; user and system time are the 12th and 13th field behind it.
    let mut fields = stat.rsplit_once(')')?.1.split_ascii_whitespace().skip(11);
    let mut ticks = || fields.next()?.parse::<u64>().ok();
    Some(Duration::from_secs(ticks()? + ticks()?) / u32::try_from(rustix::param::clock_ticks_per_second()).ok()?)
}
