//! Tables as a whole: what requests have left there is read, cleared and put back without knowing what it means. Each row
//! has an owner, so that this can be done for some and not for others.

use std::collections::BTreeMap;
use std::sync::Arc;

use rusqlite::{Connection, TransactionBehavior};
use serde_json::Value;

use super::{Error, Store};

/// A table of a provider's, of rows that requests have made.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// Its name.
    pub name: &'static str,
    /// All its columns; the first one holds the row's owner, the id of a credential. None in a table that is no more.
    pub columns: &'static [Column],
}

/// A column, and what it holds.
#[derive(Clone, Copy, Debug)]
pub struct Column(pub &'static str, pub Kind);

/// What a column holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A text.
    Text,
    /// A whole number; truth values are 0 and 1.
    Integer,
    /// A whole number or nothing.
    OptionalInteger,
}

impl Kind {
    fn takes(self, value: &Value) -> bool {
        match self {
            Self::Text => value.is_string(),
            Self::Integer => value.is_i64(),
            Self::OptionalInteger => value.is_i64() || value.is_null(),
        }
    }
}

/// Rows by the names of their tables, each a list of values in the order of its columns.
pub type Rows = BTreeMap<String, Vec<Vec<Value>>>;

impl Table {
    /// A table of former steps of the schema: rows that were kept of it are taken for nothing.
    pub const fn gone(name: &'static str) -> Self {
        Self { name, columns: &[] }
    }

    fn is_gone(&self) -> bool {
        self.columns.is_empty()
    }

    /// Whether these can be rows of this table: a value of its kind for each column, and an owner among `owners`.
    pub fn takes(&self, rows: &[Vec<Value>], owners: Option<&[Arc<str>]>) -> bool {
        if self.is_gone() {
            return true;
        }
        rows.iter().all(|row| {
            let owner = row.first().and_then(Value::as_str).unwrap_or_default();
            row.len() == self.columns.len()
                && self.columns.iter().zip(row).all(|(Column(_, kind), value)| kind.takes(value))
                && owners.is_none_or(|owners| owners.iter().any(|known| known.as_ref() == owner))
        })
    }

    fn list(&self, column: impl Fn((usize, &Column)) -> String) -> String {
        self.columns.iter().enumerate().map(column).collect::<Vec<_>>().join(", ")
    }

    fn names(&self) -> String {
        self.list(|(_, Column(name, _))| (*name).to_owned())
    }

    /// `?1` is a JSON list of owners, or null for all.
    fn owned(&self) -> String {
        format!("WHERE ?1 IS NULL OR {} IN (SELECT value FROM json_each(?1))", self.columns[0].0)
    }

    fn read(&self, connection: &Connection, owners: Option<&str>) -> Result<Vec<Vec<Value>>, Error> {
        let Self { name, .. } = self;
        let sql = format!("SELECT json_group_array(json_array({})) FROM {name} {}", self.names(), self.owned());
        let rows: String = connection.query_one(&sql, [owners], |row| row.get(0))?;
        serde_json::from_str(&rows).map_err(|error| Error::Row(error.to_string()))
    }

    fn clear(&self, connection: &Connection, owners: Option<&str>) -> Result<(), Error> {
        connection.execute(&format!("DELETE FROM {} {}", self.name, self.owned()), [owners])?;
        Ok(())
    }

    fn write(&self, connection: &Connection, rows: &[Vec<Value>]) -> Result<(), Error> {
        let values = self.list(|(index, _)| format!("json_extract(value, '$[{index}]')"));
        let sql = format!("INSERT INTO {} ({}) SELECT {values} FROM json_each(?1)", self.name, self.names());
        let rows = serde_json::to_string(rows).expect("values are always JSON");
        connection.execute(&sql, [rows])?;
        Ok(())
    }
}

/// Owners as a query takes them.
fn listed(owners: Option<&[Arc<str>]>) -> Option<String> {
    let texts = |owners: &[Arc<str>]| owners.iter().map(|owner| Value::from(owner.as_ref())).collect::<Vec<_>>();
    owners.map(|owners| Value::from(texts(owners)).to_string())
}

impl Store {
    /// The rows of `owners`, or all, as they are at one moment.
    ///
    /// # Errors
    /// The store's.
    pub async fn rows(&self, tables: &[Table], owners: Option<&[Arc<str>]>) -> Result<Rows, Error> {
        self.settle().await;
        let (tables, owners) = (tables.to_vec(), listed(owners));
        let rows = self.run(move |connection| {
            let moment = connection.transaction()?;
            let rows = |table: &Table| Ok((table.name.to_owned(), table.read(&moment, owners.as_deref())?));
            tables.iter().filter(|table| !table.is_gone()).map(rows).collect()
        });
        let rows = rows.await;
        // What was settled is kept no more.
        self.forget();
        rows
    }

    /// Puts `rows` into the place of those that `owners`, or all, have; everything or nothing. A table of which `rows` does
    /// not know is emptied.
    ///
    /// # Errors
    /// The store's; also where a row does not fit beside others.
    pub async fn replace_rows(&self, tables: &[Table], owners: Option<&[Arc<str>]>, rows: Rows) -> Result<(), Error> {
        let (tables, owners, memory) = (tables.to_vec(), listed(owners), self.memory.clone());
        let replaced = self.run(move |connection| {
            let change = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
            memory.settle(&change)?;
            for table in tables.iter().filter(|table| !table.is_gone()) {
                table.clear(&change, owners.as_deref())?;
                if let Some(rows) = rows.get(table.name).filter(|rows| !rows.is_empty()) {
                    table.write(&change, rows)?;
                }
            }
            Ok::<_, Error>(change.commit()?)
        });
        let replaced = replaced.await;
        self.forget();
        replaced
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::super::Migration;
    use super::*;

    const THINGS: Table = Table {
        name: "things",
        columns: &[Column("owner", Kind::Text), Column("number", Kind::Integer), Column("end", Kind::OptionalInteger)],
    };
    const TABLES: Migration = Migration {
        version: 1,
        about: "things",
        sql: "CREATE TABLE things (owner TEXT NOT NULL, number BIGINT NOT NULL UNIQUE, end BIGINT)",
    };

    fn rows(rows: Value) -> Rows {
        let rows = serde_json::from_value(rows).expect("rows");
        Rows::from([("things".to_owned(), rows)])
    }

    #[tokio::test]
    async fn rows_are_taken_and_put_back_owner_by_owner() {
        let store = Store::in_memory(&[TABLES]).await.expect("a store");
        let all = rows(json!([["a", 1, null], ["b\"'", 2, 9_007_199_254_740_993_i64]]));
        let mut more = all.clone();
        more.insert("former".to_owned(), vec![vec!["a".into(), 1.into()]]);
        let former = Table::gone("former");
        assert!(former.takes(&more["former"], None));
        store.replace_rows(&[THINGS, former], None, more).await.expect("written");
        assert_eq!(store.rows(&[THINGS, former], None).await.expect("read"), all);
        assert_eq!(store.rows(&[THINGS], None).await.expect("read"), all);
        let b: [Arc<str>; 1] = ["b\"'".into()];
        let of_b = store.rows(&[THINGS], Some(&b)).await.expect("read");
        assert_eq!(of_b["things"].len(), 1);
        store.replace_rows(&[THINGS], Some(&b), Rows::new()).await.expect("cleared");
        assert_eq!(store.rows(&[THINGS], None).await.expect("read"), rows(json!([["a", 1, null]])));
        store.replace_rows(&[THINGS], Some(&b), of_b).await.expect("put back");
        assert_eq!(store.rows(&[THINGS], None).await.expect("read"), all);
    }

    #[tokio::test]
    async fn what_does_not_fit_changes_nothing() {
        let store = Store::in_memory(&[TABLES]).await.expect("a store");
        let before = rows(json!([["a", 1, null]]));
        store.replace_rows(&[THINGS], None, before.clone()).await.expect("written");
        let b: [Arc<str>; 1] = ["b".into()];
        let twice = rows(json!([["b", 2, null], ["b", 1, null]]));
        assert!(store.replace_rows(&[THINGS], Some(&b), twice).await.is_err());
        assert_eq!(store.rows(&[THINGS], None).await.expect("read"), before);
    }

    #[test]
    fn rows_of_other_shapes_or_owners_are_told() {
        let owners: [Arc<str>; 1] = ["a".into()];
        for (row, expected) in [
            (json!(["a", 1, null]), true),
            (json!(["a", 1, 2]), true),
            (json!(["b", 1, 2]), false),
            (json!(["a", "1", 2]), false),
            (json!(["a", 1.5, 2]), false),
            (json!(["a", null, 2]), false),
            (json!(["a", 1]), false),
            (json!(["a", 1, 2, 3]), false),
            (json!([]), false),
        ] {
            let rows: Vec<Vec<Value>> = vec![serde_json::from_value(row.clone()).expect("a row")];
            assert_eq!(THINGS.takes(&rows, Some(&owners)), expected, "{row}");
        }
    }
}
