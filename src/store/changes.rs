//! Changes of many callers in one transaction, so that what a transaction costs is paid once a group and not once a change.
//!
//! Who asks while nobody serves has to: he lets all others run who are ready to, takes what they ask for, makes all of it in
//! one transaction, commits, and only then answers: who is told of a change finds it after a sudden end. What comes
//! meanwhile is the next group, which a task serves.
//!
//! A group is written where its first caller is: that takes tens of microseconds, about as long as drawing a code, and the
//! way to another thread and back would cost each of the callers more. Where the disk, or the write lock of another
//! process, is waited for, a thread does it that may wait.
//!
//! What is committed outlasts a sudden end of the program, since the operating system has it. What is to outlast a power
//! failure as well is brought to the disk a moment later, together with all that came meanwhile, or before anybody is
//! answered, as the store was opened. While a disk does not take it, nobody is answered before it does.

use std::any::Any;
use std::collections::VecDeque;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, oneshot};

use super::connections::Connections;
use super::{Error, note_failure};
use crate::locks::locked;

/// Changes in a group, at most: bounds how long the first one waits for the others.
const GROUP: usize = 128;
/// Changes that are under way; the callers of more wait to be let in.
const MOST: u32 = 1024;
/// Pages in the log, from which on it is written back into the file: 32 MiB.
const CHECKPOINT: usize = 8192;
/// Pages that a group adds to the log, beside one a change: on the whole no more than these.
const PAGES: usize = 4;
/// What a group may take that is written where its first caller is. A disk that made two in a row take longer is not trusted
/// for a while; one alone may have had to wait for a processor. So long is waited, too, before a disk that failed is asked
/// again.
const SHORT: Duration = Duration::from_millis(5);
const DISTRUST: Duration = Duration::from_secs(1);
/// Takes the write lock at once: a change may begin with a reading, and what it reads must not be old when it writes.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// A change of the store.
pub trait Change: Sized + Send + Sync + 'static {
    /// What the caller learns of it.
    type Done: Send + Sync + 'static;
    /// Why it was not made.
    type Refusal: From<Error> + Send + Sync + 'static;

    /// Whether it outlasts a power failure, from the moment on that the store promises. Every change outlasts a sudden end
    /// of the program.
    const OUTLASTS_POWER: bool;

    /// Makes `changes`, of which there is at least one, in their order, and gives what came of each. `connection` is
    /// within a transaction; nothing else of the store is used. What is refused is refused before anything of it is
    /// written.
    ///
    /// # Errors
    /// The store's: then nothing of the whole group stays, and everybody in it learns that the store failed.
    fn make(changes: &[Self], connection: &Connection) -> Made<Self>;

    /// Learns that `changes` are in the store, before their callers do: what is kept in memory follows here.
    fn made(changes: &[Self], outcomes: &[Outcome<Self>]) {
        let _ = (changes, outcomes);
    }
}

/// What came of a change that the store took, or that was refused.
pub type Outcome<C> = Result<<C as Change>::Done, <C as Change>::Refusal>;
/// What came of several, in their order.
pub type Made<C> = Result<Vec<Outcome<C>>, Error>;

/// The way to the writer; clones share it.
#[derive(Clone)]
pub(super) struct Changes(Arc<Desk>);

struct Desk {
    connections: Connections,
    /// One for each change that is under way; no more are given once the store is closed.
    permits: Semaphore,
    queue: Mutex<Queue>,
    writer: Mutex<Writer>,
    /// When a commit is brought to the disk that is to outlast a power failure; `None` where there is no disk.
    sync: Option<Duration>,
    unsynced: Mutex<Unsynced>,
}

#[derive(Default)]
struct Queue {
    callers: VecDeque<Box<dyn Waiting>>,
    /// Whether a task serves them.
    is_served: bool,
}

/// Commits that may not be on the disk.
#[derive(Default)]
struct Unsynced {
    /// Whether there are any that no sync has begun for.
    any: bool,
    /// Whether a task brings them there.
    is_served: bool,
}

impl Changes {
    /// What outlasts a power failure is on the disk `sync` after it was committed, or before anybody is told of it where
    /// that is zero; `None` where there is no disk.
    pub(super) fn new(connections: Connections, sync: Option<Duration>) -> Self {
        let writer = Writer {
            connections: connections.clone(),
            own: None,
            waits_always: sync.is_some_and(|sync| sync.is_zero()),
            failed_to_sync: false,
            patient: None,
            was_late: false,
            distrusted_until: None,
            pages: 0,
        };
        let (permits, queue) = (Semaphore::new(MOST as usize), Mutex::default());
        let (writer, unsynced) = (Mutex::new(writer), Mutex::default());
        Self(Arc::new(Desk { connections, permits, queue, writer, sync, unsynced }))
    }

    /// Makes `change` and gives what came of it, once it is in the store.
    pub(super) async fn make<C: Change>(&self, change: C) -> Outcome<C> {
        let _permit = self.0.permits.acquire().await.map_err(|_| Error::Closed)?;
        let (answer, answered) = oneshot::channel();
        let is_first = {
            let mut queue = locked(&self.0.queue);
            queue.callers.push_back(Box::new(Caller { change, answer }));
            !std::mem::replace(&mut queue.is_served, true)
        };
        if is_first {
            let duty = Duty(Some(Arc::clone(&self.0)));
            // Who is ready to ask does it now, and is served with the others.
            tokio::task::yield_now().await;
            duty.serve();
        }
        answered.await.unwrap_or(Err(Error::Crashed))?
    }

    /// Waits for the changes that were asked for before, brings them to the disk, and takes no more.
    pub(super) async fn close(&self) {
        // Nobody else closes it, so this is no error but once it is closed already.
        let _all = self.0.permits.acquire_many(MOST).await;
        self.0.permits.close();
        let desk = Arc::clone(&self.0);
        let closed = tokio::task::spawn_blocking(move || {
            locked(&desk.writer).own = None;
            // Where others have the store open, no closing brings it to the disk.
            if locked(&desk.unsynced).any
                && let Err(error) = desk.connections.sync()
            {
                note_failure(&error);
            }
        });
        // It does not panic, and where the runtime ends so does all this.
        let _ = closed.await;
    }
}

/// What a caller has to do who found nobody serving. Where he leaves before, or there is more to do, a task does it.
struct Duty(Option<Arc<Desk>>);

impl Duty {
    /// Serves one group, if nothing need be waited for.
    fn serve(mut self) {
        let Some(desk) = self.0.clone() else { return };
        let Some(mut group) = desk.next_group() else {
            self.0 = None;
            return;
        };
        let committed = locked(&desk.writer).write_at_once(&mut group);
        if let Some(committed) = committed {
            desk.settle(group, &committed);
            if desk.is_idle() {
                self.0 = None;
            }
        } else {
            tokio::spawn(Serving(self.0.take()).serve(Some(group)));
        }
    }
}

impl Drop for Duty {
    fn drop(&mut self) {
        let serving = Serving(self.0.take());
        if serving.0.is_some()
            && let Ok(runtime) = Handle::try_current()
        {
            runtime.spawn(serving.serve(None));
        }
    }
}

/// Serves those who wait, until nobody does.
struct Serving(Option<Arc<Desk>>);

impl Serving {
    /// Begins with `group`, if there is one.
    async fn serve(mut self, mut group: Option<Group>) {
        while let Some(desk) = &self.0 {
            if group.is_none() {
                desk.write_back().await;
                tokio::task::yield_now().await;
                group = desk.next_group();
            }
            match group.take() {
                Some(group) => desk.write(group).await,
                None => self.0 = None,
            }
        }
    }
}

impl Drop for Serving {
    /// Of a task that ends before its time, with its runtime, others must not wait for ever.
    fn drop(&mut self) {
        if let Some(desk) = self.0.take() {
            let mut queue = locked(&desk.queue);
            queue.is_served = false;
            queue.callers.clear();
        }
    }
}

impl Desk {
    /// Those who wait; where there is nobody, nobody serves any more.
    fn next_group(&self) -> Option<Group> {
        let mut queue = locked(&self.queue);
        let callers = queue.callers.len().min(GROUP);
        if callers == 0 {
            queue.is_served = false;
            return None;
        }
        let mut group = Group::default();
        queue.callers.drain(..callers).for_each(|caller| caller.join(&mut group));
        Some(group)
    }

    /// Makes all changes of a group and answers all callers.
    async fn write(self: &Arc<Self>, mut group: Group) {
        let here = locked(&self.writer).write_at_once(&mut group);
        let committed = if let Some(committed) = here {
            committed
        } else {
            let desk = Arc::clone(self);
            let written = tokio::task::spawn_blocking(move || {
                let committed = locked(&desk.writer).write(&mut group, true);
                (group, committed)
            });
            // It does not panic, and where the runtime ends nobody waits.
            let Ok((written, committed)) = written.await else { return };
            group = written;
            committed
        };
        self.settle(group, &committed);
    }

    /// Answers all callers of a group.
    fn settle(self: &Arc<Self>, group: Group, committed: &Result<(), Error>) {
        if committed.is_ok() && group.outlasts_power() {
            self.sync_soon();
        }
        group.settle(committed);
    }

    /// Lets what was committed be on the disk in time, where nobody has waited for that.
    fn sync_soon(self: &Arc<Self>) {
        let Some(sync) = self.sync.filter(|sync| !sync.is_zero()) else { return };
        let mut unsynced = locked(&self.unsynced);
        unsynced.any = true;
        if !std::mem::replace(&mut unsynced.is_served, true) {
            tokio::spawn(Syncing(Some(Arc::clone(self))).serve(sync));
        }
    }

    /// Brings all that was committed to the disk; `false` where it does not take it.
    fn sync(self: &Arc<Self>) -> bool {
        locked(&self.unsynced).any = false;
        let is_synced = self.connections.sync().inspect_err(note_failure).is_ok();
        let mut writer = locked(&self.writer);
        let had_failed = std::mem::replace(&mut writer.failed_to_sync, !is_synced);
        if had_failed || !is_synced {
            // The system tells of a page once that it did not reach the disk, and takes it for written then. From the log,
            // which it still knows, all goes into the file.
            writer.pages = CHECKPOINT;
            drop(writer);
            if !std::mem::replace(&mut locked(&self.queue).is_served, true) {
                tokio::spawn(Serving(Some(Arc::clone(self))).serve(None));
            }
        }
        is_synced
    }

    /// Whether there is nothing to do for anybody; then nobody serves any more.
    fn is_idle(&self) -> bool {
        let mut queue = locked(&self.queue);
        let is_idle = queue.callers.is_empty() && !locked(&self.writer).is_log_full();
        queue.is_served &= !is_idle;
        is_idle
    }

    /// Writes the log back where it is time to.
    async fn write_back(self: &Arc<Self>) {
        if locked(&self.writer).is_log_full() {
            let desk = Arc::clone(self);
            // It does not panic, and where the runtime ends so does the log.
            let _ = tokio::task::spawn_blocking(move || locked(&desk.writer).write_back()).await;
        }
    }
}

/// Brings commits to the disk, until there are none that are not there.
struct Syncing(Option<Arc<Desk>>);

impl Syncing {
    async fn serve(mut self, sync: Duration) {
        let mut pause = sync;
        while let Some(desk) = self.0.clone() {
            tokio::time::sleep(pause).await;
            let there = Arc::clone(&desk);
            // It does not panic, and where the runtime ends so does this task.
            let is_synced = tokio::task::spawn_blocking(move || there.sync()).await.unwrap_or(false);
            pause = if is_synced { sync } else { DISTRUST };
            let mut unsynced = locked(&desk.unsynced);
            if is_synced && !unsynced.any {
                unsynced.is_served = false;
                self.0 = None;
            }
        }
    }
}

impl Drop for Syncing {
    /// Where it ends before its time, with its runtime, the next commit has another.
    fn drop(&mut self) {
        if let Some(desk) = &self.0 {
            locked(&desk.unsynced).is_served = false;
        }
    }
}

/// What became of a change: its own outcome, or the reason why the whole group failed.
type Answer<C> = Result<Outcome<C>, Error>;

/// Somebody who waits for a change.
struct Caller<C: Change> {
    change: C,
    answer: oneshot::Sender<Answer<C>>,
}

/// Any [`Caller`].
trait Waiting: Send {
    /// Takes a place beside those who wait for changes of the same kind, if the caller still waits.
    fn join(self: Box<Self>, group: &mut Group);
}

impl<C: Change> Waiting for Caller<C> {
    fn join(self: Box<Self>, group: &mut Group) {
        let Self { change, answer } = *self;
        if answer.is_closed() {
            return;
        }
        let of_kind = group.0.iter_mut().find_map(|kind| {
            let kind: &mut dyn Any = kind.as_mut();
            kind.downcast_mut::<Callers<C>>()
        });
        if let Some(callers) = of_kind {
            callers.changes.push(change);
            callers.answers.push(answer);
        } else {
            group.0.push(Box::new(Callers { changes: vec![change], answers: vec![answer], outcomes: Vec::new() }));
        }
    }
}

/// Who is written for together.
#[derive(Default)]
struct Group(Vec<Box<dyn Kind>>);

impl Group {
    /// Whether a change is among them that does.
    fn outlasts_power(&self) -> bool {
        self.0.iter().any(|kind| kind.outlasts_power())
    }

    /// Answers all callers.
    fn settle(self, committed: &Result<(), Error>) {
        if committed.is_ok() {
            self.0.iter().for_each(|kind| kind.made());
        }
        for kind in self.0 {
            kind.answer(committed);
        }
    }
}

/// Those of a group who wait for changes of one kind.
struct Callers<C: Change> {
    changes: Vec<C>,
    answers: Vec<oneshot::Sender<Answer<C>>>,
    outcomes: Vec<Outcome<C>>,
}

/// Any [`Callers`].
trait Kind: Any + Send {
    fn outlasts_power(&self) -> bool;

    fn changes(&self) -> usize;

    fn make(&mut self, connection: &Connection) -> Result<(), Error>;

    /// Learns that the group is in the store.
    fn made(&self);

    /// Tells everybody what became of it.
    fn answer(self: Box<Self>, committed: &Result<(), Error>);
}

impl<C: Change> Kind for Callers<C> {
    fn outlasts_power(&self) -> bool {
        C::OUTLASTS_POWER
    }

    fn changes(&self) -> usize {
        self.changes.len()
    }

    fn make(&mut self, connection: &Connection) -> Result<(), Error> {
        self.outcomes = C::make(&self.changes, connection)?;
        Ok(())
    }

    fn made(&self) {
        C::made(&self.changes, &self.outcomes);
    }

    fn answer(self: Box<Self>, committed: &Result<(), Error>) {
        let Self { answers, outcomes, .. } = *self;
        // Who does not listen any more need not know.
        match committed {
            Ok(()) => {
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    let _ = answer.send(Ok(outcome));
                }
            }
            Err(error) => {
                for answer in answers {
                    let _ = answer.send(Err(error.clone()));
                }
            }
        }
    }
}

/// Makes the changes of one group after another.
struct Writer {
    connections: Connections,
    /// Its connection, from the first change on; where it failed, the next change opens another. It knows its statements,
    /// and how patient it is.
    own: Option<Connection>,
    /// Whether the disk is waited for wherever a change is to outlast a power failure.
    waits_always: bool,
    /// Whether the disk did not take what was committed, when it was last asked to.
    failed_to_sync: bool,
    /// Whether the connection waits for the disk at each commit; nobody knows after a failure, which may end it.
    patient: Option<bool>,
    /// Whether the last group that was written at once took long.
    was_late: bool,
    /// Until when nothing is written at once.
    distrusted_until: Option<Instant>,
    /// Pages that the log may have got since it was written back.
    pages: usize,
}

impl Writer {
    /// Makes the changes of a group, if nothing need be waited for; `None` where it must.
    fn write_at_once(&mut self, group: &mut Group) -> Option<Result<(), Error>> {
        if group.0.is_empty() {
            return Some(Ok(()));
        }
        let started = Instant::now();
        let is_distrusted = self.distrusted_until.is_some_and(|until| started < until);
        // The first change opens the connection.
        if self.waits_for_disk(group) || is_distrusted || self.patient.is_none() {
            return None;
        }
        let committed = self.write(group, false);
        let is_late = started.elapsed() > SHORT;
        if is_late && self.was_late {
            self.distrusted_until = Some(Instant::now() + DISTRUST);
        }
        self.was_late = is_late;
        if matches!(committed, Err(Error::Busy)) { None } else { Some(committed) }
    }

    /// Makes the changes of a group. A panic costs the group; the log has it already.
    fn write(&mut self, group: &mut Group, waits: bool) -> Result<(), Error> {
        catch_unwind(AssertUnwindSafe(|| self.commit(group, waits))).unwrap_or(Err(Error::Crashed))
    }

    /// Before anything is written, [`Error::Busy`] says that others write.
    fn commit(&mut self, group: &mut Group, waits: bool) -> Result<(), Error> {
        let is_patient = self.waits_for_disk(group);
        let patient = self.patient.take();
        self.connections.run_as_writer(&mut self.own, waits, |connection| {
            if patient != Some(is_patient) {
                // In WAL mode, `NORMAL` leaves a commit with the operating system.
                connection.pragma_update(None, "synchronous", if is_patient { "FULL" } else { "NORMAL" })?;
            }
            let transaction = Transaction::begin(connection)?;
            for kind in &mut group.0 {
                kind.make(connection)?;
            }
            Ok(transaction.commit()?)
        })?;
        self.patient = Some(is_patient);
        self.pages += PAGES + group.0.iter().map(|kind| kind.changes()).sum::<usize>();
        Ok(())
    }

    /// Whether the group is told of its commit when that is on the disk.
    fn waits_for_disk(&self, group: &Group) -> bool {
        (self.waits_always || self.failed_to_sync) && group.outlasts_power()
    }

    fn is_log_full(&self) -> bool {
        self.pages >= CHECKPOINT
    }

    /// Writes the log back into the file, as far as nobody reads in it. If that fails, the next change fails as well.
    fn write_back(&mut self) {
        self.pages = 0;
        let written = self.connections.run_as_writer(&mut self.own, true, |connection| {
            Ok(connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |_| Ok(()))?)
        });
        if let Err(error) = written {
            tracing::debug!(%error, "the store's log was not written back");
        }
    }
}

/// A transaction whose statements are kept, as the driver's own are not. Undone where it is not committed.
struct Transaction<'a>(&'a Connection);

impl<'a> Transaction<'a> {
    /// [`Error::Busy`] where another process, or another connection, writes.
    fn begin(connection: &'a Connection) -> Result<Self, Error> {
        let begun = connection.prepare_cached(BEGIN)?.execute(());
        let is_busy = |error: &rusqlite::Error| error.sqlite_error_code() == Some(ErrorCode::DatabaseBusy);
        match begun {
            Ok(_) => Ok(Self(connection)),
            Err(error) if is_busy(&error) => Err(Error::Busy),
            Err(error) => Err(error.into()),
        }
    }

    fn commit(self) -> Result<(), rusqlite::Error> {
        self.0.prepare_cached("COMMIT")?.execute(()).map(drop)
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        if !self.0.is_autocommit() {
            // Where this fails, SQLite has rolled back by itself, or the connection is not used again.
            let _ = self.0.execute_batch("ROLLBACK");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::thread::{self, ThreadId};

    use super::super::{Access, Migration, Store};
    use super::*;

    /// A child needs its parent when the transaction is committed, not before.
    const TABLES: Migration = Migration {
        version: 1,
        about: "numbers",
        sql: "CREATE TABLE numbers (number INTEGER PRIMARY KEY);
              CREATE TABLE children (of INTEGER NOT NULL REFERENCES numbers DEFERRABLE INITIALLY DEFERRED)",
    };

    #[derive(Debug)]
    enum Refusal {
        Odd,
        Store,
    }

    impl From<Error> for Refusal {
        fn from(_: Error) -> Self {
            Self::Store
        }
    }

    enum What {
        Add(i64),
        Refuse,
        Panic,
    }

    impl Change for What {
        type Done = i64;
        type Refusal = Refusal;
        const OUTLASTS_POWER: bool = true;

        fn make(changes: &[Self], connection: &Connection) -> Made<Self> {
            let mut outcomes = Vec::new();
            for change in changes {
                outcomes.push(match change {
                    Self::Add(number) => {
                        connection.execute("INSERT INTO numbers VALUES (?1)", [*number])?;
                        Ok(*number)
                    }
                    Self::Refuse => Err(Refusal::Odd),
                    Self::Panic => panic!("on purpose"),
                });
            }
            Ok(outcomes)
        }
    }

    /// Lets the commit fail.
    struct Orphan;

    impl Change for Orphan {
        type Done = ();
        type Refusal = Refusal;
        const OUTLASTS_POWER: bool = false;

        fn make(changes: &[Self], connection: &Connection) -> Made<Self> {
            connection.execute("INSERT INTO children VALUES (-1)", ())?;
            Ok(changes.iter().map(|_| Ok(())).collect())
        }
    }

    /// Tells how the connection commits: 1 leaves it to the operating system, 2 waits for the disk.
    struct Patience<const OUTLASTS_POWER: bool>;

    impl<const OUTLASTS_POWER: bool> Change for Patience<OUTLASTS_POWER> {
        type Done = i64;
        type Refusal = Refusal;
        const OUTLASTS_POWER: bool = OUTLASTS_POWER;

        fn make(changes: &[Self], connection: &Connection) -> Made<Self> {
            let patience: i64 = connection.query_one("PRAGMA synchronous", (), |row| row.get(0))?;
            Ok(changes.iter().map(|_| Ok(patience)).collect())
        }
    }

    /// Hands all changes in before the writer, on the same thread, gets to run: they are one group.
    async fn at_once(store: &Store, changes: Vec<What>) -> Vec<Result<i64, Refusal>> {
        futures_util::future::join_all(changes.into_iter().map(|change| store.change(change))).await
    }

    async fn numbers(store: &Store) -> Vec<i64> {
        let read = |connection: &mut Connection| -> Result<_, Error> {
            let mut statement = connection.prepare("SELECT number FROM numbers ORDER BY number")?;
            Ok(statement.query_map((), |row| row.get(0))?.collect::<Result<_, _>>()?)
        };
        store.run(read).await.expect("read")
    }

    #[tokio::test]
    async fn every_change_is_made_and_each_caller_learns_of_its_own() {
        let store = Store::in_memory(&[TABLES]).await.expect("a store");
        let answers = at_once(&store, (0..300).map(What::Add).collect()).await;
        assert!(answers.iter().zip(0..).all(|(answer, number)| matches!(answer, Ok(told) if *told == number)));
        assert_eq!(numbers(&store).await, (0..300).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_refused_change_does_not_disturb_the_others() {
        let store = Store::in_memory(&[TABLES]).await.expect("a store");
        let answers = at_once(&store, vec![What::Add(1), What::Refuse, What::Add(3)]).await;
        assert!(matches!(answers[..], [Ok(1), Err(Refusal::Odd), Ok(3)]), "{answers:?}");
        assert_eq!(numbers(&store).await, [1, 3]);
    }

    #[tokio::test]
    async fn where_the_store_fails_the_whole_group_fails_and_the_next_is_fine() {
        let store = Store::in_memory(&[TABLES]).await.expect("a store");
        let answers = at_once(&store, vec![What::Add(1), What::Add(1), What::Add(2), What::Refuse]).await;
        assert!(answers.iter().all(|answer| matches!(answer, Err(Refusal::Store))), "{answers:?}");
        assert!(numbers(&store).await.is_empty());
        let (answers, orphan) = tokio::join!(at_once(&store, vec![What::Add(1), What::Add(2)]), store.change(Orphan));
        assert!(answers.iter().all(|answer| matches!(answer, Err(Refusal::Store))), "a commit: {answers:?}");
        assert!(matches!(orphan, Err(Refusal::Store)), "{orphan:?}");
        assert!(numbers(&store).await.is_empty());
        assert!(matches!(store.change(What::Add(1)).await, Ok(1)));
        assert_eq!(numbers(&store).await, [1]);
    }

    #[tokio::test]
    async fn a_panic_costs_its_group_and_not_the_writer() {
        let store = Store::in_memory(&[TABLES]).await.expect("a store");
        let answers = at_once(&store, vec![What::Add(1), What::Panic, What::Add(2)]).await;
        assert!(answers.iter().all(|answer| matches!(answer, Err(Refusal::Store))), "{answers:?}");
        assert!(matches!(store.change(What::Add(3)).await, Ok(3)));
        assert_eq!(numbers(&store).await, [3]);
    }

    #[tokio::test]
    async fn the_disk_is_waited_for_where_a_change_of_the_group_outlasts_power() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), &[TABLES], Access::Alone, Duration::ZERO).await.expect("a store");
        assert!(matches!(store.change(Patience::<false>).await, Ok(1)));
        assert!(matches!(store.change(Patience::<true>).await, Ok(2)));
        let both = tokio::join!(store.change(Patience::<false>), store.change(Patience::<true>));
        assert!(matches!(both, (Ok(2), Ok(2))), "{both:?}");
        assert!(matches!(store.change(Patience::<false>).await, Ok(1)));
        assert!(store.change(Orphan).await.is_err());
        assert!(matches!(store.change(Patience::<true>).await, Ok(2)), "after a failure");
    }

    #[tokio::test]
    async fn the_disk_is_not_waited_for_where_there_is_time() {
        let folder = tempfile::tempdir().expect("a folder");
        let open = Store::open(folder.path(), &[TABLES], Access::Alone, Duration::from_millis(1));
        let store = open.await.expect("a store");
        for _ in 0..3 {
            assert!(matches!(store.change(Patience::<true>).await, Ok(1)));
            while locked(&store.changes.0.unsynced).is_served {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            assert!(!locked(&store.changes.0.unsynced).any);
        }
    }

    /// Adds a number that nothing waits for.
    struct Lightly(i64);

    impl Change for Lightly {
        type Done = ();
        type Refusal = Refusal;
        const OUTLASTS_POWER: bool = false;

        fn make(changes: &[Self], connection: &Connection) -> Made<Self> {
            let mut add = connection.prepare_cached("INSERT INTO numbers VALUES (?1)")?;
            changes.iter().map(|change| Ok(Ok(add.execute([change.0]).map(drop)?))).collect()
        }
    }

    /// Takes a time, and tells the thread on which it was made.
    struct Slowly(Duration);

    impl Change for Slowly {
        type Done = ThreadId;
        type Refusal = Error;
        const OUTLASTS_POWER: bool = false;

        fn make(changes: &[Self], _: &Connection) -> Made<Self> {
            let make = |change: &Self| {
                thread::sleep(change.0);
                Ok(thread::current().id())
            };
            Ok(changes.iter().map(make).collect())
        }
    }

    #[tokio::test]
    async fn a_disk_that_was_slow_twice_is_written_to_by_another_thread() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), &[TABLES], Access::Alone, Duration::ZERO).await.expect("a store");
        let is_here = async |time| store.change(Slowly(time)).await.expect("made") == thread::current().id();
        let (quick, slow) = (Duration::ZERO, SHORT * 2);
        assert!(!is_here(quick).await, "the connection has to be opened");
        assert!(is_here(slow).await);
        assert!(is_here(quick).await, "once may have been the scheduler");
        is_here(slow).await;
        is_here(slow).await;
        assert!(!is_here(quick).await);
    }

    #[tokio::test]
    async fn a_change_waits_for_who_writes_beside_it_and_holds_nobody_up() {
        let folder = tempfile::tempdir().expect("a folder");
        for store in [
            Store::open(folder.path(), &[TABLES], Access::Alone, Duration::ZERO).await,
            Store::in_memory(&[TABLES]).await,
        ] {
            let store = store.expect("a store");
            store.change(Lightly(1)).await.expect("the connection is open from here on");
            let (locked, is_locked) = oneshot::channel();
            let (free, is_free) = std::sync::mpsc::channel::<()>();
            let beside = store.run(move |connection| {
                let writing = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
                locked.send(()).expect("somebody waits");
                is_free.recv_timeout(Duration::from_secs(10)).expect("told");
                Ok::<_, Error>(writing.commit()?)
            });
            let change = async {
                is_locked.await.expect("locked");
                // This thread goes on while the change waits, or it would never be told.
                let freed = async {
                    for _ in 0..10 {
                        tokio::task::yield_now().await;
                    }
                    free.send(()).expect("somebody waits");
                };
                let (changed, ()) = tokio::join!(store.change(Lightly(2)), freed);
                changed.expect("made");
            };
            let (beside, ()) = tokio::join!(beside, change);
            beside.expect("committed");
            assert_eq!(numbers(&store).await, [1, 2]);
        }
    }

    #[tokio::test]
    async fn who_leaves_leaves_the_others_served() {
        let store = Store::in_memory(&[TABLES]).await.expect("a store");
        let mut leaving = Box::pin(store.change(Lightly(1)));
        assert!(futures_util::poll!(leaving.as_mut()).is_pending());
        let mut staying = Box::pin(store.change(Lightly(2)));
        assert!(futures_util::poll!(staying.as_mut()).is_pending());
        drop(leaving);
        staying.await.expect("made");
        assert_eq!(numbers(&store).await, [2], "nobody waited for the first any more");
    }

    #[test]
    fn a_runtime_that_ends_while_it_serves_leaves_the_store_to_others() {
        let runtime = || tokio::runtime::Builder::new_current_thread().build().expect("a runtime");
        let first = runtime();
        let store = first.block_on(Store::in_memory(&[TABLES])).expect("a store");
        let waiting = store.clone();
        first.block_on(async move {
            // The task begins when this one waits, which it never does.
            assert!(futures_util::poll!(Box::pin(waiting.change(Lightly(1)))).is_pending());
        });
        drop(first);
        runtime().block_on(store.change(Lightly(2))).expect("made");
    }

    #[tokio::test]
    async fn a_closed_store_has_made_what_was_asked_for_and_takes_no_more() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), &[TABLES], Access::Alone, Duration::ZERO).await.expect("a store");
        let (changed, ()) = tokio::join!(store.change(Lightly(1)), store.close());
        changed.expect("made");
        assert!(matches!(store.change(Lightly(2)).await, Err(Refusal::Store)));
        drop(store);
        let again = Store::open(folder.path(), &[TABLES], Access::Alone, Duration::ZERO).await.expect("a store");
        assert_eq!(numbers(&again).await, [1]);
    }

    #[tokio::test]
    async fn the_log_does_not_grow_for_ever() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = Store::open(folder.path(), &[TABLES], Access::Alone, Duration::ZERO).await.expect("a store");
        let log = folder.path().join("qrstack.sqlite-wal");
        let mut sizes = Vec::new();
        for round in 0..6 {
            // A commit for each, so that each adds pages.
            for number in 0..1500 {
                store.change(Lightly(round * 1500 + number)).await.expect("made");
            }
            sizes.push(std::fs::metadata(&log).expect("a log").len());
        }
        assert!(sizes[5] < sizes[1] * 2, "{sizes:?}");
        assert_eq!(numbers(&store).await.len(), 9000);
    }
}
