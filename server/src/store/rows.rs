//! Rows on their way into tables: one text and two parameters a table, whatever their number.
//!
//! Numbers and texts go as one JSON array, byte strings one after the other; so a text is prepared once, and what is
//! added to all tables of a group commit goes to SQLite's thread and back in one turn. On a busy machine each turn waits
//! for a core twice.

use std::fmt::Write as _;

use sqlx::{Any, AssertSqlSafe, Transaction, any::AnyArguments, query::Query};

use super::{Dialect, StoreError};

/// Bytes of parameters that are sent in one turn, and about as many more: SQLite copies them, and keeps the last ones.
const TURN: usize = 256 << 10;

/// A column, by what is bound to it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Column {
    Number(&'static str),
    Text(&'static str),
    Bytes(&'static str),
}

/// Where rows go.
#[derive(Clone, Copy, Debug)]
pub(super) struct Table {
    pub name: &'static str,
    pub columns: &'static [Column],
    pub write: Write,
}

/// What rows do to their table.
#[derive(Clone, Copy, Debug)]
pub(super) enum Write {
    /// They are added; a key that is taken is an error.
    Insert,
    /// They are added; what happens when a key is taken.
    Upsert(&'static str),
    /// They change rows: how, and which. The new ones are called `new`.
    Update { set: &'static str, of: &'static str },
}

/// Rows for one table.
struct Part {
    table: Table,
    /// Arrays of numbers and texts; for a byte string where it begins in `bytes`, counted from one, and its length.
    json: String,
    /// A first byte of no meaning: of nothing but empty strings SQLite would make NULL.
    bytes: Vec<u8>,
}

/// What a transaction is going to write, in this order.
#[derive(Default)]
pub(super) struct Inserts {
    parts: Vec<Part>,
}

impl Inserts {
    /// Adds rows to one table; `row` gives the values of all columns, in their order.
    pub(super) fn add<T>(
        &mut self,
        table: Table,
        rows: impl IntoIterator<Item = T>,
        row: impl Fn(&mut Row<'_>, T),
    ) {
        let mut part: Option<Part> = None;
        for values in rows {
            if part.as_ref().is_some_and(|part| part.size() >= TURN) {
                self.parts.extend(part.take());
            }
            let into = part.get_or_insert_with(|| Part { table, json: String::from("["), bytes: vec![0] });
            into.json.push_str(if into.json.len() > 1 { ",[" } else { "[" });
            row(&mut Row { into, first: true }, values);
            into.json.push(']');
        }
        self.parts.extend(part);
    }

    /// Sends all: to SQLite many tables at once, as one text; PostgreSQL prepares no text of several statements.
    pub(super) async fn send(
        self,
        dialect: Dialect,
        transaction: &mut Transaction<'_, Any>,
    ) -> Result<(), StoreError> {
        let mut turn = Vec::new();
        let mut size = 0usize;
        for part in self.parts {
            size = size.saturating_add(part.size());
            turn.push(part);
            if size >= TURN || dialect == Dialect::Postgres {
                send(dialect, transaction, std::mem::take(&mut turn)).await?;
                size = 0;
            }
        }
        if turn.is_empty() { Ok(()) } else { send(dialect, transaction, turn).await }
    }
}

async fn send(
    dialect: Dialect,
    transaction: &mut Transaction<'_, Any>,
    parts: Vec<Part>,
) -> Result<(), StoreError> {
    let mut texts = Vec::new();
    let mut first = 1;
    for part in &parts {
        texts.push(part.table.text(dialect, first));
        first += part.table.parameters();
    }
    let query = sqlx::query(AssertSqlSafe(texts.join("; ")));
    let query = parts.into_iter().fold(query, |query, part| part.bind(query));
    query.execute(&mut **transaction).await?;
    Ok(())
}

impl Part {
    fn size(&self) -> usize {
        self.json.len().saturating_add(self.bytes.len())
    }

    fn bind(mut self, query: Query<'_, Any, AnyArguments>) -> Query<'_, Any, AnyArguments> {
        self.json.push(']');
        let query = query.bind(self.json);
        if self.table.has_bytes() { query.bind(self.bytes) } else { query }
    }
}

impl Table {
    fn has_bytes(self) -> bool {
        self.columns.iter().any(|column| matches!(column, Column::Bytes(_)))
    }

    fn parameters(self) -> usize {
        1 + usize::from(self.has_bytes())
    }

    /// The statement, with its parameters counted from `first`.
    fn text(self, dialect: Dialect, first: usize) -> String {
        let (mut names, mut values) = (Vec::new(), Vec::new());
        let (mut at, bytes) = (0, first + 1);
        for column in self.columns {
            let (name, value, takes) = match (column, dialect) {
                (Column::Number(name) | Column::Text(name), Dialect::Sqlite) => {
                    (name, format!("v ->> {at}"), 1)
                }
                (Column::Number(name), Dialect::Postgres) => (name, format!("(v ->> {at})::bigint"), 1),
                (Column::Text(name), Dialect::Postgres) => (name, format!("v ->> {at}"), 1),
                (Column::Bytes(name), Dialect::Sqlite) => {
                    (name, format!("substr(${bytes}, v ->> {at}, v ->> {})", at + 1), 2)
                }
                (Column::Bytes(name), Dialect::Postgres) => {
                    (name, format!("substr(${bytes}::bytea, (v ->> {at})::int, (v ->> {})::int)", at + 1), 2)
                }
            };
            names.push(*name);
            values.push(value);
            at += takes;
        }
        let rows = match dialect {
            Dialect::Sqlite => format!("(SELECT value AS v FROM json_each(${first})) AS rows"),
            Dialect::Postgres => format!("json_array_elements(${first}::json) AS v"),
        };
        let (table, names, values) = (self.name, names.join(", "), values.join(", "));
        let conflict = match self.write {
            Write::Insert => "",
            Write::Upsert(conflict) => conflict,
            Write::Update { set, of } => {
                return format!(
                    "WITH new ({names}) AS (SELECT {values} FROM {rows}) \
                     UPDATE {table} SET {set} FROM new WHERE {of}"
                );
            }
        };
        // SQLite reads `ON` after a FROM as a join's without the WHERE.
        format!("INSERT INTO {table} ({names}) SELECT {values} FROM {rows} WHERE true {conflict}")
    }
}

/// One row in the making.
pub(super) struct Row<'a> {
    into: &'a mut Part,
    first: bool,
}

impl Row<'_> {
    pub(super) fn number(&mut self, number: i64) -> &mut Self {
        self.value(number)
    }

    pub(super) fn text(&mut self, text: &str) -> &mut Self {
        self.value(serde_json::Value::from(text))
    }

    pub(super) fn bytes(&mut self, bytes: &[u8]) -> &mut Self {
        let begins = self.into.bytes.len().saturating_add(1);
        self.into.bytes.extend_from_slice(bytes);
        self.value(begins).value(bytes.len())
    }

    fn value(&mut self, value: impl std::fmt::Display) -> &mut Self {
        let comma = if std::mem::take(&mut self.first) { "" } else { "," };
        // Writing to a String cannot fail.
        let _ = write!(self.into.json, "{comma}{value}");
        self
    }
}

#[cfg(test)]
mod tests {
    use sqlx::Row as _;

    use super::{
        super::{
            Store,
            tables::{ACCESSES, SETTLINGS, WITHDRAWN},
        },
        *,
    };

    async fn store(folder: &tempfile::TempDir) -> Store {
        let url = format!("sqlite:{}", folder.path().join("node.db").display());
        Store::open(&url).await.expect("a store")
    }

    #[tokio::test]
    async fn rows_of_many_tables_arrive_as_they_are_however_many() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder).await;
        // More than one turn takes; an empty byte string, one that is longer than a turn, and every sign in a text.
        let notes: Vec<(i64, Vec<u8>)> = (0..3_000)
            .map(|n: i64| (n, vec![n as u8; if n == 7 { TURN + 1 } else { n as usize % 300 }]))
            .collect();
        let name = "\"'\\\u{1}\n\u{202e}é,]$1";
        let mut inserts = Inserts::default();
        inserts.add(SETTLINGS, &notes, |row, (n, note)| {
            row.number(i64::MIN).number(*n).bytes(note);
        });
        inserts.add(WITHDRAWN, [(i64::MAX, 1), (-1, 2)], |row, (place, by)| {
            row.number(place).number(by);
        });
        inserts.add(WITHDRAWN, [(-1, 3)], |row, (place, by)| {
            row.number(place).number(by);
        });
        inserts.add(ACCESSES, [name], |row, name| {
            row.number(1).number(2).number(3).text(name).text("");
        });
        let mut transaction = store.writer.begin().await.expect("a transaction");
        inserts.send(store.dialect, &mut transaction).await.expect("all fit");
        transaction.commit().await.expect("it is durable");

        let text = "SELECT size, note FROM settlings WHERE log = -9223372036854775808 ORDER BY size";
        let found = sqlx::query(text).fetch_all(&store.writer).await.expect("rows");
        let found: Vec<(i64, Vec<u8>)> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert!(found == notes, "the same bytes");
        let text = "SELECT place, by_entry FROM withdrawn ORDER BY place";
        let found = sqlx::query(text).fetch_all(&store.writer).await.expect("rows");
        let found: Vec<(i64, i64)> = found.iter().map(|row| (row.get(0), row.get(1))).collect();
        assert_eq!(found, [(-1, 2), (i64::MAX, 1)], "the first stays");
        let text = "SELECT asker, holder FROM accesses";
        let row = sqlx::query(text).fetch_one(&store.writer).await.expect("a row");
        assert_eq!((row.get::<String, _>(0).as_str(), row.get::<String, _>(1).as_str()), (name, ""));
    }

    #[tokio::test]
    async fn a_taken_key_ends_the_transaction_and_nothing_is_kept() {
        let folder = tempfile::tempdir().expect("a folder");
        let store = store(&folder).await;
        let mut inserts = Inserts::default();
        inserts.add(WITHDRAWN, [(1, 1)], |row, (place, by)| {
            row.number(place).number(by);
        });
        inserts.add(ACCESSES, [1, 1], |row, number| {
            row.number(number).number(2).number(3).text("a").text("b");
        });
        let mut transaction = store.writer.begin().await.expect("a transaction");
        assert!(inserts.send(store.dialect, &mut transaction).await.is_err());
        drop(transaction);
        let left = sqlx::query("SELECT place FROM withdrawn").fetch_all(&store.writer).await.expect("rows");
        assert!(left.is_empty());
    }
}
