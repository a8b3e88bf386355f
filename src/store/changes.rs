//! Changes of many callers in one transaction, so that the disk is waited for once a group and not once a change.
//!
//! One writer takes what waits, makes all of it in one transaction, commits, and only then answers: who is told of a
//! change finds it after a sudden end. Nobody waits for a group to fill; it is what came while the one before was written.

use std::io;
use std::panic::AssertUnwindSafe;

use futures_util::FutureExt;
use futures_util::future::BoxFuture;
use sqlx::sqlite::SqlitePool;
use sqlx::{Connection, SqliteConnection};
use tokio::sync::{mpsc, oneshot};
use tracing::{Instrument, Span};

/// Changes in a group, at most: bounds how long the first one waits for the others.
const GROUP: usize = 128;
/// Changes that wait for the writer; the callers of more wait to be let in.
const QUEUE: usize = 1024;

/// A change of the store.
pub trait Change: Send + Sync + 'static {
    /// What the caller learns of it.
    type Done: Send + 'static;
    /// Why it was not made.
    type Refusal: From<sqlx::Error> + Send + 'static;

    /// Makes the change with `connection`, which is within a transaction, and with nothing else of the store. Where it is
    /// refused, nothing of it stays. Called a second time where another change of the group was refused: the first time
    /// has left nothing then.
    fn make(&self, connection: &mut SqliteConnection)
    -> impl Future<Output = Result<Self::Done, Self::Refusal>> + Send;
}

/// The way to the writer; clones share it. The writer ends with the last one.
#[derive(Clone)]
pub(super) struct Changes(mpsc::Sender<Box<dyn Waiting>>);

impl Changes {
    /// Starts the writer.
    pub(super) fn start(pool: SqlitePool) -> Self {
        let (sender, mut receiver) = mpsc::channel(QUEUE);
        tokio::spawn(async move {
            loop {
                let mut group = Vec::new();
                if receiver.recv_many(&mut group, GROUP).await == 0 {
                    return;
                }
                // A panic costs its group: the callers see that nobody answers. The log has it already.
                let _ = AssertUnwindSafe(write(&pool, group)).catch_unwind().await;
            }
        });
        Self(sender)
    }

    /// Makes `change` and gives what came of it, once it is on the disk.
    pub(super) async fn make<C: Change>(&self, change: C) -> Result<C::Done, C::Refusal> {
        let (answer, answered) = oneshot::channel();
        let caller = Caller { change, span: Span::current(), result: None, answer };
        if self.0.send(Box::new(caller)).await.is_err() {
            return Err(sqlx::Error::PoolClosed.into());
        }
        answered.await.unwrap_or(Err(sqlx::Error::WorkerCrashed))?
    }
}

/// What became of a change: its own outcome, or the reason why the whole group failed.
type Answer<C> = Result<Result<<C as Change>::Done, <C as Change>::Refusal>, sqlx::Error>;

/// Somebody who waits for a change.
struct Caller<C: Change> {
    change: C,
    /// Of the request, for what is logged on the way.
    span: Span,
    result: Option<Result<C::Done, C::Refusal>>,
    answer: oneshot::Sender<Answer<C>>,
}

/// Any [`Caller`].
trait Waiting: Send {
    /// Whether nobody waits any more.
    fn is_gone(&self) -> bool;

    /// Makes the change; whether it was not refused.
    fn attempt<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, bool>;

    /// Tells what became of it, where the group was committed.
    fn settle(self: Box<Self>, committed: Result<(), &sqlx::Error>);
}

impl<C: Change> Waiting for Caller<C> {
    fn is_gone(&self) -> bool {
        self.answer.is_closed()
    }

    fn attempt<'a>(&'a mut self, connection: &'a mut SqliteConnection) -> BoxFuture<'a, bool> {
        Box::pin(async move {
            let result = self.change.make(connection).instrument(self.span.clone()).await;
            self.result.insert(result).is_ok()
        })
    }

    fn settle(self: Box<Self>, committed: Result<(), &sqlx::Error>) {
        let answer = match (committed, self.result) {
            (Ok(()), Some(result)) => Ok(result),
            (Ok(()), None) => Err(sqlx::Error::WorkerCrashed),
            // The driver's errors cannot be copied; their words can.
            (Err(error), _) => Err(sqlx::Error::Io(io::Error::other(error.to_string()))),
        };
        // Who does not listen any more need not know.
        let _ = self.answer.send(answer);
    }
}

/// Makes all changes of a group and answers all callers.
async fn write(pool: &SqlitePool, mut group: Vec<Box<dyn Waiting>>) {
    group.retain(|caller| !caller.is_gone());
    if group.is_empty() {
        return;
    }
    let committed = match together(pool, &mut group).await {
        // The only one has its own reason.
        Ok(true) => Ok(()),
        Ok(false) if group.len() == 1 => Ok(()),
        Ok(false) => apart(pool, &mut group).await,
        Err(error) => Err(error),
    };
    for caller in group {
        caller.settle(committed.as_ref().copied());
    }
}

/// The usual case: nobody is refused, and no change needs a savepoint. Whether that held; nothing is changed if not.
async fn together(pool: &SqlitePool, group: &mut [Box<dyn Waiting>]) -> Result<bool, sqlx::Error> {
    let mut transaction = pool.begin_with(BEGIN).await?;
    for caller in group {
        if !caller.attempt(&mut transaction).await {
            // Where a rollback fails, SQLite has rolled back by itself; the pool does not use the connection again.
            let _ = transaction.rollback().await;
            return Ok(false);
        }
    }
    transaction.commit().await?;
    Ok(true)
}

/// Each change in a savepoint of its own, so that a refused one leaves nothing and the others stay.
///
/// # Errors
/// Where a savepoint or the whole cannot be ended as it should: then nothing of the group is certain, and all of it fails.
async fn apart(pool: &SqlitePool, group: &mut [Box<dyn Waiting>]) -> Result<(), sqlx::Error> {
    let mut transaction = pool.begin_with(BEGIN).await?;
    for caller in group {
        let mut savepoint = Connection::begin(&mut *transaction).await?;
        if caller.attempt(&mut savepoint).await {
            savepoint.commit().await?;
        } else {
            savepoint.rollback().await?;
        }
    }
    transaction.commit().await
}

/// Takes the write lock at once: a change may begin with a reading, and what it reads must not be old when it writes.
const BEGIN: &str = "BEGIN IMMEDIATE";

#[cfg(test)]
mod tests {
    use super::super::{Migration, Store};
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
        /// Adds and refuses then.
        AddAndRefuse(i64),
        /// Lets the commit fail.
        Orphan,
        Panic,
    }

    impl Change for What {
        type Done = i64;
        type Refusal = Refusal;

        async fn make(&self, connection: &mut SqliteConnection) -> Result<i64, Refusal> {
            let (sql, number) = match self {
                Self::Add(number) | Self::AddAndRefuse(number) => ("INSERT INTO numbers VALUES ($1)", *number),
                Self::Orphan => ("INSERT INTO children VALUES ($1)", -1),
                Self::Panic => panic!("on purpose"),
            };
            sqlx::query(sql).bind(number).execute(connection).await?;
            if matches!(self, Self::AddAndRefuse(_)) { Err(Refusal::Odd) } else { Ok(number) }
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
    async fn a_refused_change_leaves_nothing_and_the_others_stay() {
        let store = Store::in_memory(&[TABLES]).await.expect("a store");
        let changes = vec![What::Add(1), What::AddAndRefuse(2), What::Add(3), What::Add(1), What::Add(4)];
        let answers = at_once(&store, changes).await;
        assert!(matches!(answers[..], [Ok(1), Err(Refusal::Odd), Ok(3), Err(Refusal::Store), Ok(4)]), "{answers:?}");
        assert_eq!(numbers(&store).await, [1, 3, 4]);
        assert!(matches!(store.change(What::AddAndRefuse(5)).await, Err(Refusal::Odd)), "alone, too");
        assert_eq!(numbers(&store).await, [1, 3, 4]);
    }

    #[tokio::test]
    async fn a_failed_commit_fails_the_whole_group_and_the_next_is_fine() {
        let store = Store::in_memory(&[TABLES]).await.expect("a store");
        for refused in [false, true] {
            let mut changes = vec![What::Add(1), What::Orphan, What::Add(2)];
            if refused {
                changes.push(What::AddAndRefuse(3));
            }
            let answers = at_once(&store, changes).await;
            assert!(answers.iter().all(|answer| matches!(answer, Err(Refusal::Store))), "{answers:?}");
            assert!(numbers(&store).await.is_empty());
        }
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
}
