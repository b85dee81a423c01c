use chrono::{DateTime, Utc};
use domain::audit::Entry;
use sea_orm::{
    ConnectionTrait, IdenStatic, StatementBuilder,
    sea_query::{Asterisk, CommonTableExpression, Expr, ExprTrait, Func, IntoIden, Query, TableRef, UpdateStatement, Value, ValueTuple},
};

use super::{JobRow, NewJob};
use crate::{
    Database, Error, Transaction,
    audit::{audit_insert_many_in_txn, cells as audit_cells, insert_entries},
    dialect,
    entity::job,
    statement_text::{StatementTexts, cells, insert, insert_statement},
};

/// Maximum number of rows in a statement; a power of two, so that few different statements are prepared.
const MOST_ROWS: usize = 128;

/// Inserts pending jobs.
///
/// # Errors
/// [`Error::Duplicate`] when an id or idempotency key exists: the transaction must then be dropped.
pub async fn job_insert_many_in_txn(txn: &Transaction, jobs: &[&NewJob]) -> Result<(), Error> {
    for rows in in_few_lengths(jobs) {
        txn.0.execute_raw(INSERT.statement(txn.0.get_database_backend(), rows.iter().map(|new| to_cells(new)))).await?;
    }
    Ok(())
}

/// Inserts at most [`MOST_AT_ONCE`] pending jobs, and entries of the audit trail about them, in one statement, which is its own transaction.
///
/// # Errors
/// As [`job_insert_many_in_txn`].
pub async fn job_insert_at_once(database: &Database, jobs: &[&NewJob], entries: &[Entry], now: DateTime<Utc>) -> Result<(), Error> {
    if jobs.is_empty() {
        return Ok(());
    }
    let rows = jobs.iter().map(|new| to_cells(new));
    if entries.is_empty() {
        return database.execute_alone(INSERT.statement(database.backend(), rows)).await.map(drop);
    }
    if !dialect::changes_data_in_with(database.backend()) {
        let txn = database.begin().await?;
        job_insert_many_in_txn(&txn, jobs).await?;
        audit_insert_many_in_txn(&txn, entries, now).await?;
        return txn.commit().await;
    }
    let cells = entries.iter().map(|entry| audit_cells(entry, now)).chain(rows);
    let count = (entries.len(), jobs.len());
    database.execute_alone(INSERT_AUDITED.statement_of(database.backend(), count, cells)).await.map(drop)
}

static INSERT: StatementTexts =
    StatementTexts::new(|backend, rows| insert::<job::Entity>(job::INSERTED.iter().map(|(column, _)| *column), backend, rows));

/// For a number of entries and a number of jobs.
static INSERT_AUDITED: StatementTexts<(usize, usize)> = StatementTexts::new(|backend, (entries, jobs)| {
    let recorded = CommonTableExpression::new().table_name("recorded").query(insert_entries(entries)).to_owned();
    let insert = insert_statement::<job::Entity>(job::INSERTED.iter().map(|(column, _)| *column), jobs);
    StatementBuilder::build(&insert.with(Query::with().cte(recorded).to_owned()), &backend).sql
});

fn to_cells(new: &NewJob) -> Vec<Value> {
    job::INSERTED.iter().map(|(_, cell)| cell(new)).collect()
}

/// Maximum number of jobs of [`job_insert_at_once`] and [`job_update_at_once`].
pub const MOST_AT_ONCE: usize = 16;

/// Splits into slices of few different lengths, so that few different statements are prepared: any length up to 16, powers of two beyond.
pub(crate) fn in_few_lengths<T>(mut rows: &[T]) -> impl Iterator<Item = &[T]> {
    std::iter::from_fn(move || {
        let power = 1 << rows.len().checked_ilog2()?;
        let take = if rows.len() <= MOST_AT_ONCE { rows.len() } else { Ord::min(power, MOST_ROWS) };
        let (head, tail) = rows.split_at(take);
        rows = tail;
        Some(head)
    })
}

/// Writes the changes of these jobs since they were loaded. A job must be in `rows` only once.
///
/// # Errors
/// [`Error::Conflict`] when one of them was changed concurrently: the transaction must then be dropped.
pub async fn job_update_many_in_txn(txn: &Transaction, rows: &[&JobRow]) -> Result<(), Error> {
    for rows in rows.chunks(MOST_ROWS) {
        let updated = txn.0.execute_raw(UPDATE.statement(txn.0.get_database_backend(), changed(rows))).await?;
        all_written(rows, updated.rows_affected())?;
    }
    Ok(())
}

/// Writes the changes of at most [`MOST_AT_ONCE`] jobs in one statement, which is its own transaction: all or nothing.
///
/// # Errors
/// As [`job_update_many_in_txn`].
pub async fn job_update_at_once(database: &Database, rows: &[&JobRow]) -> Result<(), Error> {
    match rows {
        [] => Ok(()),
        // With one row there is nothing to roll back.
        [_] => all_written(rows, database.execute_alone(UPDATE.statement(database.backend(), changed(rows))).await?),
        _ if !dialect::changes_data_in_with(database.backend()) => {
            let txn = database.begin().await?;
            job_update_many_in_txn(&txn, rows).await?;
            txn.commit().await
        }
        _ => database.execute_alone(UPDATE_ALL.statement(database.backend(), changed(rows))).await.map(drop),
    }
}

fn all_written(rows: &[&JobRow], written: u64) -> Result<(), Error> {
    if written == rows.len() as u64 { Ok(()) } else { Err(Error::Conflict("a job was changed concurrently".to_owned())) }
}

static UPDATE: StatementTexts = StatementTexts::new(|backend, rows| StatementBuilder::build(&update(rows), &backend).sql);

/// Fails unless it updates every row.
static UPDATE_ALL: StatementTexts = StatementTexts::new(|backend, rows| {
    let mut update = update(rows);
    update.returning(Query::returning().expr(constant(1)));
    let written = CommonTableExpression::new().table_name("written").query(update).to_owned();
    // A division by zero rolls the statement back.
    let all = Expr::case(Expr::col(Asterisk).count().eq(constant(rows)), constant(1)).finally(constant(0));
    let checked = Query::select().expr(constant(1).div(all)).from("written").to_owned();
    StatementBuilder::build(&checked.with(Query::with().cte(written).to_owned()), &backend).sql
});

fn update(rows: usize) -> UpdateStatement {
    let tuples = cells(rows, job::UPDATED.len() + 2).map(ValueTuple::Many).collect();
    let cell = |index: usize| Expr::col(("changed", format!("column{index}")));
    let version = || Expr::col((job::Entity, job::Column::Version));
    let mut update = Query::update();
    update
        .table(job::Entity)
        .from(TableRef::ValuesList(tuples, "changed".into_iden()))
        .and_where(Expr::col((job::Entity, job::Column::Id)).eq(cell(1)))
        .and_where(version().eq(cell(2)))
        .value(job::Column::Version, version().add(constant(1)));
    for (index, (column, _)) in job::UPDATED.iter().enumerate() {
        let new = cell(index + 3);
        let stays = || Func::coalesce([new.clone(), Expr::col((job::Entity, *column))]).into();
        update.value(*column, if *column == job::Column::Result.as_str() { stays() } else { new });
    }
    update
}

/// A literal number, not a parameter.
fn constant(number: usize) -> Expr {
    Expr::cust(number.to_string())
}

/// The cells of [`update`]. Longer lists are padded with the last row to a power of two, so that few different statements are prepared. The
/// padding has no effect, because an UPDATE uses one of several matching rows.
fn changed(rows: &[&JobRow]) -> impl ExactSizeIterator<Item = Vec<Value>> {
    let count = if rows.len() <= MOST_AT_ONCE { rows.len() } else { rows.len().next_power_of_two() };
    (0..count).map(|index| to_changed_cells(rows[Ord::min(index, rows.len() - 1)]))
}

/// The cells of a changed row: its id, the version at which it was loaded, then those of [`job::UPDATED`].
fn to_changed_cells(row: &JobRow) -> Vec<Value> {
    let mut values = Vec::with_capacity(job::UPDATED.len() + 2);
    values.extend([row.job.id.get().into(), row.version.into()]);
    values.extend(job::UPDATED.iter().map(|(_, cell)| cell(row)));
    values
}
