//! [`columns!`]: declares each column of a table in one place, so that a new column cannot be forgotten in one of the statements.

use sea_orm::{DbErr, QueryResult, TryGetable, prelude::Uuid};

/// Generates from a list of columns the entity's `Model` and the code that reads and writes its rows cell by cell.
///
/// A column is `name: type { … }` with the type of its cell and any of these, in this order:
/// - `insert: |new| …` returns the cell of a new row;
/// - `update: |row| …` returns the cell of a changed row;
/// - `load: |row, cell| …` sets a cell that was read in the row; `parse: |row, cell| …` does too, and returns `None` for an invalid value.
///
/// `INSERTED`, `UPDATED` and `LOADED` are the columns of each kind in the order of the list. `load` reads the `LOADED` columns from the
/// first cells of a query's row.
macro_rules! columns {
    (
        table $table:literal, new $new:ty, row $row:ty, blank $blank:expr;
        $(
            $(#[$attribute:meta])*
            $name:ident: $type:ty {
                $(insert: $insert:expr,)?
                $(update: $update:expr,)?
                $(load: $load:expr,)?
                $(parse: $parse:expr,)?
            }
        )+
    ) => {
        #[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
        #[sea_orm(table_name = $table)]
        pub struct Model {
            $($(#[$attribute])* pub $name: $type,)+
        }

        #[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
        pub enum Relation {}

        impl ActiveModelBehavior for ActiveModel {}

        /// Columns of a new row, with functions for their cells.
        pub(crate) static INSERTED: &[(&str, fn(&$new) -> Value)] = &[$($((stringify!($name), |new| {
            const CELL: fn(&$new) -> $type = $insert;
            Value::from(CELL(new))
        }),)?)+];

        /// Columns of an update, with functions for their cells.
        pub(crate) static UPDATED: &[(&str, fn(&$row) -> Value)] = &[$($((stringify!($name), |row| {
            const CELL: fn(&$row) -> $type = $update;
            Value::from(CELL(row))
        }),)?)+];

        /// Columns that are loaded.
        pub(crate) static LOADED: &[&str] = &[$(
            $({ const _: fn(&mut $row, $type) = $load; stringify!($name) },)?
            $({ const _: fn(&mut $row, $type) -> Option<()> = $parse; stringify!($name) },)?
        )+];

        /// The row from `found`, whose first cells are the [`LOADED`] columns.
        pub(crate) fn load(found: &QueryResult) -> Result<$row, DbErr> {
            let mut row: $row = $blank;
            let mut cells = Cells::new(found);
            $(
                $({
                    const LOAD: fn(&mut $row, $type) = $load;
                    LOAD(&mut row, cells.next()?);
                })?
                $({
                    const PARSE: fn(&mut $row, $type) -> Option<()> = $parse;
                    PARSE(&mut row, cells.next()?).ok_or_else(|| cells.unreadable(concat!($table, ".", stringify!($name))))?;
                })?
            )+
            Ok(row)
        }
    };
}

/// Reads the cells of a query's row in order.
pub(crate) struct Cells<'a> {
    found: &'a QueryResult,
    next: usize,
}

impl<'a> Cells<'a> {
    pub(crate) const fn new(found: &'a QueryResult) -> Self {
        Self { found, next: 0 }
    }

    pub(crate) fn next<T: TryGetable>(&mut self) -> Result<T, DbErr> {
        self.next += 1;
        self.found.try_get_by_index(self.next - 1)
    }

    /// The error for an invalid value in `column`; it names the row by its first cell.
    pub(crate) fn unreadable(&self, column: &str) -> DbErr {
        let id = self.found.try_get_by_index::<Uuid>(0).unwrap_or_default();
        DbErr::Type(format!("{column} of {id}"))
    }
}
