//! Cached text of the statements that run for every job: building it costs more than sending it.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, PoisonError},
};

use sea_orm::{
    DbBackend, EntityTrait, Statement, StatementBuilder, Value,
    sea_query::{Expr, InsertStatement, IntoIden, Query},
};

use crate::dialect;

/// A statement for any number of rows, or of rows of several kinds, whose text is built once for each number.
pub(crate) struct StatementTexts<N = usize> {
    make: fn(DbBackend, N) -> String,
    /// By database (whether it is SQLite) and number of rows.
    made: Mutex<BTreeMap<(bool, N), Arc<str>>>,
}

impl StatementTexts {
    /// The statement for these rows, which must have the same number of cells.
    pub(crate) fn statement(&self, backend: DbBackend, rows: impl ExactSizeIterator<Item = Vec<Value>>) -> Statement {
        let count = rows.len();
        self.statement_of(backend, count, rows)
    }
}

impl<N: Copy + Ord> StatementTexts<N> {
    /// `make` builds the statement for a number of rows; its parameters must be exactly the rows' cells, in order.
    pub(crate) const fn new(make: fn(DbBackend, N) -> String) -> Self {
        Self { make, made: Mutex::new(BTreeMap::new()) }
    }

    /// The statement for `count` rows, which these are.
    pub(crate) fn statement_of(&self, backend: DbBackend, count: N, rows: impl Iterator<Item = Vec<Value>>) -> Statement {
        let text = self.text(backend, count);
        Statement::from_sql_and_values(backend, &*text, rows.flatten())
    }

    fn text(&self, backend: DbBackend, rows: N) -> Arc<str> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        made.entry((dialect::is_sqlite(backend), rows)).or_insert_with(|| (self.make)(backend, rows).into()).clone()
    }
}

/// The text of an INSERT of this many rows.
pub(crate) fn insert<E: EntityTrait>(columns: impl ExactSizeIterator<Item = impl IntoIden>, backend: DbBackend, rows: usize) -> String {
    StatementBuilder::build(&insert_statement::<E>(columns, rows), &backend).sql
}

/// An INSERT of this many rows of placeholders.
pub(crate) fn insert_statement<E: EntityTrait>(columns: impl ExactSizeIterator<Item = impl IntoIden>, rows: usize) -> InsertStatement {
    let width = columns.len();
    let mut insert = Query::insert();
    insert.into_table(E::default()).columns(columns);
    insert.values_from_panic(cells(rows, width).map(|row| row.into_iter().map(Expr::val)));
    insert
}

/// Placeholder cells, in rows of `width`.
pub(crate) fn cells(rows: usize, width: usize) -> impl Iterator<Item = Vec<Value>> {
    std::iter::repeat_n(vec![Value::Int(None); width], rows)
}

#[cfg(test)]
mod tests {
    use std::cell::Cell;

    use super::*;
    use crate::entity::job_log_chunk::{Column, Entity};

    static INSERT: StatementTexts =
        StatementTexts::new(|backend, rows| insert::<Entity>([Column::JobId, Column::Lines].into_iter(), backend, rows));

    #[test]
    fn parameters_are_the_cells_in_order() {
        let rows = (0..2).map(|row| vec![Value::from(row), Value::from(row + 10)]);
        let statement = INSERT.statement(DbBackend::Postgres, rows);
        assert!(statement.sql.ends_with("(\"job_id\", \"lines\") VALUES ($1, $2), ($3, $4)"), "{}", statement.sql);
        assert_eq!(statement.values.unwrap().0, [0, 10, 1, 11].map(Value::from));
        let rows = std::iter::once(vec![Value::from(1), Value::from(2)]);
        assert!(INSERT.statement(DbBackend::Sqlite, rows).sql.ends_with("VALUES (?, ?)"));
    }

    #[test]
    fn a_text_is_built_once_for_each_number_of_rows_and_database() {
        thread_local!(static MADE: Cell<usize> = const { Cell::new(0) });
        let texts = StatementTexts::new(|_, rows: usize| {
            MADE.set(MADE.get() + 1);
            rows.to_string()
        });
        for backend in [DbBackend::Postgres, DbBackend::Sqlite] {
            for rows in [1, 2, 1, 2] {
                assert_eq!(*texts.text(backend, rows), rows.to_string());
            }
        }
        assert_eq!(MADE.get(), 4);
    }
}
