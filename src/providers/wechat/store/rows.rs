//! Many rows by few statements: each statement is a way to the driver's thread and back, which costs more than the row.

use std::ops::Range;

use sqlx::error::DatabaseError;
use sqlx::{QueryBuilder, Sqlite, SqliteConnection};

/// Rows in a statement. Few sizes, so that every statement is prepared once.
const SIZES: [usize; 4] = [64, 16, 4, 1];

/// Draws of a code or token until one is free. More than one is only ever needed where ids come from a seed.
const DRAWS: usize = 64;

/// A row whose key is drawn at random.
pub(super) trait Drawn: Sized {
    /// The statement that adds `rows`.
    fn insertion(rows: &[Self]) -> QueryBuilder<Sqlite>;

    /// Draws another key, where this one is taken.
    fn draw_again(&mut self);
}

/// Adds `rows`. Where a key is taken, it is another afterwards.
///
/// # Errors
/// The store's; also where there seems to be no free key.
pub(super) async fn insert<R: Drawn>(connection: &mut SqliteConnection, rows: &mut [R]) -> Result<(), sqlx::Error> {
    for piece in pieces(rows.len()) {
        let rows = &mut rows[piece];
        match R::insertion(rows).build().execute(&mut *connection).await {
            Ok(_) => {}
            // Nothing of the statement stays.
            Err(error) if is_taken(&error) => {
                for row in rows {
                    insert_one(connection, row).await?;
                }
            }
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

async fn insert_one<R: Drawn>(connection: &mut SqliteConnection, row: &mut R) -> Result<(), sqlx::Error> {
    let mut draws = 1;
    loop {
        match R::insertion(std::slice::from_ref(row)).build().execute(&mut *connection).await {
            Err(error) if is_taken(&error) && draws < DRAWS => {
                draws += 1;
                row.draw_again();
            }
            added => return added.map(drop),
        }
    }
}

fn is_taken(error: &sqlx::Error) -> bool {
    error.as_database_error().is_some_and(DatabaseError::is_unique_violation)
}

/// The parts of so many rows, one a statement.
pub(super) fn pieces(rows: usize) -> impl Iterator<Item = Range<usize>> {
    let mut done = 0;
    std::iter::from_fn(move || {
        let size = SIZES.into_iter().find(|size| *size <= rows - done)?;
        done += size;
        Some(done - size..done)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pieces_cover_all_rows_once() {
        for rows in 0..300 {
            let covered: Vec<_> = pieces(rows).flatten().collect();
            assert_eq!(covered, (0..rows).collect::<Vec<_>>());
        }
        assert_eq!(pieces(86).map(|piece| piece.len()).collect::<Vec<_>>(), [64, 16, 4, 1, 1]);
    }
}
