//! Changes of many callers in one transaction, so that the disk is waited for once a group and not once a change.
//!
//! One writer, a thread of its own, takes what waits, makes all of it in one transaction, commits, and only then answers:
//! who is told of a change finds it after a sudden end. Nobody waits for a group to fill; it is what came while the one
//! before was written.

use std::any::Any;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use rusqlite::{Connection, TransactionBehavior};
use tokio::runtime::Handle;
use tokio::sync::{mpsc, oneshot};

use super::Error;
use super::connections::Connections;

/// Changes in a group, at most: bounds how long the first one waits for the others.
const GROUP: usize = 128;
/// How long the writer waits for others who ask at the same time, where there were some the last time: each commit and each
/// waking of the writer costs as much as several rows. Who asks alone waits for nobody.
const GATHERING: Duration = Duration::from_micros(40);
/// Changes that wait for the writer; the callers of more wait to be let in.
const QUEUE: usize = 1024;
/// The write lock is taken at once: a change may begin with a reading, and what it reads must not be old when it writes.
const BEGIN: TransactionBehavior = TransactionBehavior::Immediate;

/// A change of the store.
pub trait Change: Sized + Send + Sync + 'static {
    /// What the caller learns of it.
    type Done: Send + Sync + 'static;
    /// Why it was not made.
    type Refusal: From<Error> + Send + Sync + 'static;

    /// Whether it outlasts a power failure, which has to be waited for. Every change outlasts a sudden end of the program.
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

/// The way to the writer; clones share it. The writer ends with the last one.
#[derive(Clone)]
pub(super) struct Changes(mpsc::Sender<Message>);

/// What the writer is asked for.
enum Message {
    Change(Box<dyn Waiting>),
    /// To end, and to say so.
    Close(oneshot::Sender<()>),
}

impl Changes {
    /// Starts the writer.
    pub(super) fn start(connections: Connections) -> Self {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let writer = Writer { connections, runtime: Handle::current(), own: None, patient: None };
        let started = std::thread::Builder::new().name("qrstack-writer".to_owned()).spawn(|| writer.run(receiver));
        // Without the thread nobody receives, and every change is answered as one to a closed store.
        if let Err(error) = started {
            tracing::error!(%error, "the writer of the store cannot be started");
        }
        Self(sender)
    }

    /// Makes `change` and gives what came of it, once it is in the store.
    pub(super) async fn make<C: Change>(&self, change: C) -> Outcome<C> {
        let (answer, answered) = oneshot::channel();
        if self.0.send(Message::Change(Box::new(Caller { change, answer }))).await.is_err() {
            return Err(Error::Closed.into());
        }
        answered.await.unwrap_or(Err(Error::Crashed))?
    }

    /// Waits for the changes that were asked for before, and ends the writer.
    pub(super) async fn close(&self) {
        let (closed, is_closed) = oneshot::channel();
        if self.0.send(Message::Close(closed)).await.is_ok() {
            // Without an answer it has ended as well.
            let _ = is_closed.await;
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

/// Those of a group who wait for changes of one kind.
struct Callers<C: Change> {
    changes: Vec<C>,
    answers: Vec<oneshot::Sender<Answer<C>>>,
    outcomes: Vec<Outcome<C>>,
}

/// Any [`Callers`].
trait Kind: Any + Send {
    fn outlasts_power(&self) -> bool;

    fn make(&mut self, connection: &Connection) -> Result<(), Error>;

    /// Learns that the group is in the store.
    fn made(&self);

    /// Tells everybody what became of it.
    fn answer(self: Box<Self>, committed: Result<(), Error>);
}

impl<C: Change> Kind for Callers<C> {
    fn outlasts_power(&self) -> bool {
        C::OUTLASTS_POWER
    }

    fn make(&mut self, connection: &Connection) -> Result<(), Error> {
        self.outcomes = C::make(&self.changes, connection)?;
        Ok(())
    }

    fn made(&self) {
        C::made(&self.changes, &self.outcomes);
    }

    fn answer(self: Box<Self>, committed: Result<(), Error>) {
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
    /// Where the callers are.
    runtime: Handle,
    /// Its connection, from the first change on; where it failed, the next change opens another. It knows its statements,
    /// and how patient it is.
    own: Option<Connection>,
    /// Whether the connection waits for the disk at each commit; nobody knows after a failure, which may end it.
    patient: Option<bool>,
}

impl Writer {
    fn run(mut self, mut receiver: mpsc::Receiver<Message>) {
        let mut messages = Vec::with_capacity(GROUP);
        let mut siblings = 0;
        while receiver.blocking_recv_many(&mut messages, GROUP) > 0 {
            if siblings > 1 && messages.len() < siblings {
                std::thread::sleep(GATHERING);
                while messages.len() < GROUP
                    && let Ok(message) = receiver.try_recv()
                {
                    messages.push(message);
                }
            }
            siblings = messages.len();
            let mut group = Group::default();
            let mut closing = None;
            for message in messages.drain(..) {
                match message {
                    Message::Change(caller) => caller.join(&mut group),
                    Message::Close(closed) => closing = Some(closed),
                }
            }
            // A panic costs its group: the callers see that nobody answers. The log has it already.
            let _ = catch_unwind(AssertUnwindSafe(|| self.write(group)));
            if let Some(closed) = closing {
                self.own = None;
                // Who asked may have left.
                let _ = closed.send(());
                return;
            }
        }
    }

    /// Makes all changes of a group and answers all callers.
    fn write(&mut self, mut group: Group) {
        if group.0.is_empty() {
            return;
        }
        let committed = self.commit(&mut group);
        if committed.is_ok() {
            group.0.iter().for_each(|kind| kind.made());
        }
        // Within the runtime, so that its threads are woken once and not for each caller.
        self.runtime.spawn(async move {
            for kind in group.0 {
                kind.answer(committed.clone());
            }
        });
    }

    fn commit(&mut self, group: &mut Group) -> Result<(), Error> {
        let patience = group.0.iter().any(|kind| kind.outlasts_power());
        let patient = self.patient.take();
        self.connections.run_as_writer(&mut self.own, |connection| {
            if patient != Some(patience) {
                // In WAL mode, `NORMAL` leaves a commit with the operating system.
                connection.pragma_update(None, "synchronous", if patience { "FULL" } else { "NORMAL" })?;
            }
            let transaction = connection.transaction_with_behavior(BEGIN)?;
            for kind in &mut group.0 {
                kind.make(&transaction)?;
            }
            Ok(transaction.commit()?)
        })?;
        self.patient = Some(patience);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
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
        let store = Store::open(folder.path(), &[TABLES], Access::Alone).await.expect("a store");
        assert!(matches!(store.change(Patience::<false>).await, Ok(1)));
        assert!(matches!(store.change(Patience::<true>).await, Ok(2)));
        let both = tokio::join!(store.change(Patience::<false>), store.change(Patience::<true>));
        assert!(matches!(both, (Ok(2), Ok(2))), "{both:?}");
        assert!(matches!(store.change(Patience::<false>).await, Ok(1)));
        assert!(store.change(Orphan).await.is_err());
        assert!(matches!(store.change(Patience::<true>).await, Ok(2)), "after a failure");
    }
}
