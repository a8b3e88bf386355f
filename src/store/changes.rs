//! Changes of many callers in one transaction, so that the disk is waited for once a group and not once a change, and the
//! driver's thread once for all changes of a kind and not once for each.
//!
//! One writer takes what waits, makes all of it in one transaction, commits, and only then answers: who is told of a
//! change finds it after a sudden end. Nobody waits for a group to fill; it is what came while the one before was written.

use std::any::Any;
use std::io;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::sqlite::SqlitePool;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};

/// Changes in a group, at most: bounds how long the first one waits for the others.
const GROUP: usize = 128;
/// Changes that wait for the writer; the callers of more wait to be let in.
const QUEUE: usize = 1024;
/// Takes the write lock at once: a change may begin with a reading, and what it reads must not be old when it writes.
const BEGIN: &str = "BEGIN IMMEDIATE";

/// A change of the store.
pub trait Change: Sized + Send + Sync + 'static {
    /// What the caller learns of it.
    type Done: Send + Sync + 'static;
    /// Why it was not made.
    type Refusal: From<sqlx::Error> + Send + Sync + 'static;

    /// Whether it outlasts a power failure, which has to be waited for. Every change outlasts a sudden end of the program.
    const OUTLASTS_POWER: bool;

    /// Makes `changes`, of which there is at least one, in their order, and gives what came of each. `connection` is
    /// within a transaction; nothing else of the store is used. What is refused is refused before anything of it is
    /// written.
    ///
    /// # Errors
    /// The store's: then nothing of the whole group stays, and everybody in it learns that the store failed.
    fn make(changes: &[Self], connection: &mut SqliteConnection) -> impl Future<Output = Made<Self>> + Send;

    /// Learns that `changes` are in the store, before their callers do: what is kept in memory follows here.
    fn made(changes: &[Self], outcomes: &[Outcome<Self>]) {
        let _ = (changes, outcomes);
    }
}

/// What came of a change that the store took, or that was refused.
pub type Outcome<C> = Result<<C as Change>::Done, <C as Change>::Refusal>;
/// What came of several, in their order.
pub type Made<C> = Result<Vec<Outcome<C>>, sqlx::Error>;

/// The way to the writer; clones share it. The writer ends with the last one.
#[derive(Clone)]
pub(super) struct Changes(mpsc::Sender<Box<dyn Waiting>>);

impl Changes {
    /// Starts the writer. The connections of `pool` are its own or live for ever.
    pub(super) fn start(pool: SqlitePool) -> Self {
        let (sender, mut receiver) = mpsc::channel::<Box<dyn Waiting>>(QUEUE);
        tokio::spawn(async move {
            let mut writer = Writer { pool, patient: None };
            loop {
                let mut waiting = Vec::new();
                if receiver.recv_many(&mut waiting, GROUP).await == 0 {
                    return;
                }
                let mut group = Group::default();
                for caller in waiting {
                    caller.join(&mut group);
                }
                // A panic costs its group: the callers see that nobody answers. The log has it already.
                let _ = AssertUnwindSafe(writer.write(group)).catch_unwind().await;
            }
        });
        Self(sender)
    }

    /// Makes `change` and gives what came of it, once it is in the store.
    pub(super) async fn make<C: Change>(&self, change: C) -> Outcome<C> {
        let (answer, answered) = oneshot::channel();
        if self.0.send(Box::new(Caller { change, answer })).await.is_err() {
            return Err(sqlx::Error::PoolClosed.into());
        }
        answered.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))?
    }
}

/// What became of a change: its own outcome, or the reason why the whole group failed.
type Answer<C> = Result<Outcome<C>, sqlx::Error>;

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

    fn make<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, Result<(), sqlx::Error>>;

    /// Tells everybody what became of it, where the group was committed.
    fn settle(self: Box<Self>, committed: Result<(), &sqlx::Error>);
}

impl<C: Change> Kind for Callers<C> {
    fn outlasts_power(&self) -> bool {
        C::OUTLASTS_POWER
    }

    fn make<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, Result<(), sqlx::Error>> {
        Box::pin(async move {
            self.outcomes = C::make(&self.changes, connection).await?;
            Ok(())
        })
    }

    fn settle(self: Box<Self>, committed: Result<(), &sqlx::Error>) {
        let Self { changes, answers, outcomes } = *self;
        // Who does not listen any more need not know.
        match committed {
            Ok(()) => {
                C::made(&changes, &outcomes);
                for (answer, outcome) in answers.into_iter().zip(outcomes) {
                    let _ = answer.send(Ok(outcome));
                }
            }
            // The driver's errors cannot be copied; their words can.
            Err(error) => {
                for answer in answers {
                    let _ = answer.send(Err(sqlx::Error::Io(io::Error::other(error.to_string()))));
                }
            }
        }
    }
}

/// Makes the changes of one group after another.
struct Writer {
    pool: SqlitePool,
    /// Whether the connection waits for the disk at each commit; nobody knows after a failure, which may end it.
    patient: Option<bool>,
}

impl Writer {
    /// Makes all changes of a group and answers all callers.
    async fn write(&mut self, mut group: Group) {
        if group.0.is_empty() {
            return;
        }
        let committed = self.commit(&mut group).await;
        for kind in group.0 {
            kind.settle(committed.as_ref().copied());
        }
    }

    async fn commit(&mut self, group: &mut Group) -> Result<(), sqlx::Error> {
        let patience = group.0.iter().any(|kind| kind.outlasts_power());
        let patient = self.patient.take();
        let mut connection = self.pool.acquire().await?;
        if patient != Some(patience) {
            // In WAL mode, `NORMAL` leaves a commit with the operating system.
            let pragma = if patience { "PRAGMA synchronous = FULL" } else { "PRAGMA synchronous = NORMAL" };
            sqlx::query(pragma).execute(&mut *connection).await?;
        }
        let mut transaction = connection.begin_with(BEGIN).await?;
        for kind in &mut group.0 {
            if let Err(error) = kind.make(&mut transaction).await {
                // Where a rollback fails, SQLite has rolled back by itself; the pool does not use the connection again.
                let _ = transaction.rollback().await;
                return Err(error);
            }
        }
        transaction.commit().await?;
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

    impl From<sqlx::Error> for Refusal {
        fn from(_: sqlx::Error) -> Self {
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

        async fn make(changes: &[Self], connection: &mut SqliteConnection) -> Made<Self> {
            let mut outcomes = Vec::new();
            for change in changes {
                outcomes.push(match change {
                    Self::Add(number) => {
                        let insert = sqlx::query("INSERT INTO numbers VALUES ($1)").bind(*number);
                        insert.execute(&mut *connection).await?;
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

        async fn make(changes: &[Self], connection: &mut SqliteConnection) -> Made<Self> {
            sqlx::query("INSERT INTO children VALUES (-1)").execute(connection).await?;
            Ok(changes.iter().map(|_| Ok(())).collect())
        }
    }

    /// Tells how the connection commits: 1 leaves it to the operating system, 2 waits for the disk.
    struct Patience<const OUTLASTS_POWER: bool>;

    impl<const OUTLASTS_POWER: bool> Change for Patience<OUTLASTS_POWER> {
        type Done = i64;
        type Refusal = Refusal;
        const OUTLASTS_POWER: bool = OUTLASTS_POWER;

        async fn make(changes: &[Self], connection: &mut SqliteConnection) -> Made<Self> {
            let patience: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(connection).await?;
            Ok(changes.iter().map(|_| Ok(patience)).collect())
        }
    }

    /// Hands all changes in before the writer, on the same thread, gets to run: they are one group.
    async fn at_once(store: &Store, changes: Vec<What>) -> Vec<Result<i64, Refusal>> {
        futures_util::future::join_all(changes.into_iter().map(|change| store.change(change))).await
    }

    async fn numbers(store: &Store) -> Vec<i64> {
        let query = sqlx::query_scalar("SELECT number FROM numbers ORDER BY number");
        query.fetch_all(store.pool()).await.expect("read")
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
