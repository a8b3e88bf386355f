//! Many rows by one statement: each statement is a way to the driver's thread and back, which costs more than the row. Rows
//! go there as JSON, so that the statement is the same for any number of them.

use std::sync::atomic::{AtomicI64, Ordering};

use serde::Serialize;
use sqlx::SqliteConnection;
use sqlx::error::DatabaseError;

/// Draws of a code or token until one is free. More than one is only ever needed where ids come from a seed.
const DRAWS: usize = 64;

/// A row whose key is drawn at random.
pub(super) trait Drawn: Sized {
    /// The statement that adds rows: its parameter is a JSON list of their [columns](Drawn::columns).
    const INSERT: &'static str;

    /// The values of the row, in the order in which the statement takes them. No text has a NUL, which JSON in SQLite ends
    /// at.
    fn columns(&self) -> impl Serialize;

    /// Draws another key, where this one is taken.
    fn draw_again(&mut self);
}

/// Adds `rows`. Where a key is taken, it is another afterwards.
///
/// # Errors
/// The store's; also where there seems to be no free key.
pub(super) async fn insert<R: Drawn>(connection: &mut SqliteConnection, rows: &mut [R]) -> Result<(), sqlx::Error> {
    if rows.is_empty() {
        return Ok(());
    }
    match add(connection, rows).await {
        // Nothing of the statement stays.
        Err(error) if is_taken(&error) => {
            for row in rows {
                insert_one(connection, row).await?;
            }
            Ok(())
        }
        added => added,
    }
}

async fn add<R: Drawn>(connection: &mut SqliteConnection, rows: &[R]) -> Result<(), sqlx::Error> {
    let columns = listed(rows.iter().map(R::columns));
    sqlx::query(R::INSERT).bind(columns).execute(connection).await?;
    Ok(())
}

/// When rows that ended long ago were last looked for: not with every change.
#[derive(Default)]
pub(super) struct Sweep(AtomicI64);

impl Sweep {
    /// Seconds between two looks.
    const PAUSE: i64 = 60;

    /// Whether it is time at `now`; then the next time is a while later.
    pub(super) fn is_due(&self, now: i64) -> bool {
        let last = self.0.load(Ordering::Relaxed);
        let due = !(last..last + Self::PAUSE).contains(&now);
        if due {
            self.0.store(now, Ordering::Relaxed);
        }
        due
    }
}

/// What a statement looks for or adds, as one parameter.
pub(super) fn listed(rows: impl Iterator<Item = impl Serialize>) -> String {
    serde_json::to_string(&rows.collect::<Vec<_>>()).expect("texts and numbers are always JSON")
}

async fn insert_one<R: Drawn>(connection: &mut SqliteConnection, row: &mut R) -> Result<(), sqlx::Error> {
    let mut draws = 1;
    loop {
        match add(connection, std::slice::from_ref(row)).await {
            Err(error) if is_taken(&error) && draws < DRAWS => {
                draws += 1;
                row.draw_again();
            }
            added => return added,
        }
    }
}

fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(DatabaseError::is_unique_violation)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_look_is_due_once_a_minute_and_after_a_step_back() {
        let sweep = Sweep::default();
        let due = [1_000, 1_000, 1_059, 1_060, 1_061, 500, 501].map(|now| sweep.is_due(now));
        assert_eq!(due, [true, false, false, true, false, true, false]);
    }
}
