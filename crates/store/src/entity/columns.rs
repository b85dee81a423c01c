//! [`columns!`]: a table whose columns have one place each.

use sea_orm::{DbErr, QueryResult, TryGetable, prelude::Uuid};

/// Makes of a list of columns the entity's `Model` and what reads and writes its rows cell by cell.
///
/// A column is `name: type { … }`, where the type is that of its cell and any of these say what it is for, in this order:
/// - `insert: |new| …` gives the cell of a new row;
/// - `update: |row| …` gives the cell of a row that changed;
/// - `load: |row, cell| …` puts a cell that was read into the row, or `parse: |row, cell| …` does, with `None` for what cannot be read.
///
/// `INSERTED`, `UPDATED` and `LOADED` are the columns of each kind in the order of the list, and `load` reads those of the last kind from the
/// first cells of what a query found.
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

        /// Columns of a new row, with what gives their cells.
        pub(crate) static INSERTED: &[(&str, fn(&$new) -> Value)] = &[$($((stringify!($name), |new| {
            const CELL: fn(&$new) -> $type = $insert;
            Value::from(CELL(new))
        }),)?)+];

        /// Columns that are written when a row changed, with what gives their cells.
        pub(crate) static UPDATED: &[(&str, fn(&$row) -> Value)] = &[$($((stringify!($name), |row| {
            const CELL: fn(&$row) -> $type = $update;
            Value::from(CELL(row))
        }),)?)+];

        /// Columns that a row is loaded from.
        pub(crate) static LOADED: &[&str] = &[$(
            $({ const _: fn(&mut $row, $type) = $load; stringify!($name) },)?
            $({ const _: fn(&mut $row, $type) -> Option<()> = $parse; stringify!($name) },)?
        )+];

        /// The row whose [`LOADED`] columns are the first cells of `found`.
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

/// The cells of a row that was found, one after the other.
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

    /// What to say of a row, known by its first cell, whose `column` cannot be read.
    pub(crate) fn unreadable(&self, column: &str) -> DbErr {
        let id = self.found.try_get_by_index::<Uuid>(0).unwrap_or_default();
        DbErr::Type(format!("{column} of {id}"))
    }
}
