//! The schema, step by step: which steps a store has seen, and the way to the newest.

use rusqlite::{Connection, TransactionBehavior};

use super::Error;

/// A step of the schema. Steps are never changed once released; the next one gets the next version.
#[derive(Clone, Copy, Debug)]
pub struct Migration {
    /// Unique over all providers: date and number, for instance 2026112101.
    pub version: i64,
    /// What it does.
    pub about: &'static str,
    /// One or more statements.
    pub sql: &'static str,
}

/// Why a schema cannot be brought up to date.
pub(super) enum SchemaError {
    /// The store has seen a step that is not known here.
    Newer(i64),
    /// The store failed.
    Store(Error),
}

impl<E: Into<Error>> From<E> for SchemaError {
    fn from(error: E) -> Self {
        Self::Store(error.into())
    }
}

/// Does those of `steps` that the store has not seen, by their versions; all or none.
pub(super) fn migrate(connection: &mut Connection, mut steps: Vec<Migration>) -> Result<(), SchemaError> {
    steps.sort_by_key(|step| step.version);
    // Of two that open a new store at once, the second waits and finds nothing left to do.
    let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    change
        .execute_batch("CREATE TABLE IF NOT EXISTS schema_steps (version INTEGER PRIMARY KEY, about TEXT NOT NULL)")?;
    adopt(&change)?;
    let seen = change
        .prepare("SELECT version FROM schema_steps")?
        .query_map((), |row| row.get(0))?
        .collect::<Result<Vec<i64>, _>>()?;
    if let Some(unknown) = seen.iter().find(|version| steps.iter().all(|step| step.version != **version)) {
        return Err(SchemaError::Newer(*unknown));
    }
    for step in steps.iter().filter(|step| !seen.contains(&step.version)) {
        change.execute_batch(step.sql)?;
        change.execute("INSERT INTO schema_steps (version, about) VALUES (?1, ?2)", (step.version, step.about))?;
    }
    Ok(change.commit()?)
}

/// Stores of before the first release have their steps in a table of another name.
fn adopt(change: &Connection) -> Result<(), rusqlite::Error> {
    if change.table_exists(None, "_sqlx_migrations")? {
        change.execute_batch(
            "INSERT INTO schema_steps (version, about) SELECT version, description FROM _sqlx_migrations;
             DROP TABLE _sqlx_migrations",
        )?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_steps_of_an_older_store_are_not_taken_again() {
        let mut connection = Connection::open_in_memory().expect("a database");
        let old = "CREATE TABLE _sqlx_migrations (version BIGINT PRIMARY KEY, description TEXT NOT NULL);
                   INSERT INTO _sqlx_migrations VALUES (1, 'one');
                   CREATE TABLE one (a INTEGER); INSERT INTO one VALUES (7)";
        connection.execute_batch(old).expect("made");
        let one = Migration { version: 1, about: "one", sql: "CREATE TABLE one (a INTEGER)" };
        let two = Migration { version: 2, about: "two", sql: "ALTER TABLE one RENAME TO two" };
        for _ in 0..2 {
            assert!(migrate(&mut connection, vec![two, one]).is_ok());
            let kept: i64 = connection.query_one("SELECT a FROM two", (), |row| row.get(0)).expect("kept");
            assert_eq!(kept, 7);
        }
        assert!(matches!(migrate(&mut connection, vec![one]), Err(SchemaError::Newer(2))));
    }
}
