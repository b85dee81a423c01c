//! Log lines of jobs. A row holds a batch of consecutive lines as they arrived, so that a busy log costs one insert per request.

use chrono::{DateTime, Utc};
use domain::{ids::JobId, log::Level};
use sea_orm::{
    ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Select, Value,
    sea_query::{Expr, ExprTrait, Func},
};

use crate::{
    Database, Error, Transaction,
    entity::job_log_chunk::{Column, Entity},
    jobs::in_few_lengths,
    statement_text::{StatementTexts, insert},
};

/// A log line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When it was written.
    pub timestamp: DateTime<Utc>,
    /// Level.
    pub level: Level,
    /// Text of the line.
    pub message: String,
    /// Whether somebody should act on it.
    pub actionable: bool,
}

/// Consecutive lines of one job.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// The job.
    pub job_id: JobId,
    /// Number of the first line, from 1.
    pub first_line: i64,
    /// The lines; at least one.
    pub lines: &'a [Line],
}

/// Inserts chunks.
///
/// # Errors
/// [`Error::Duplicate`] when a chunk of the job ends with the same number. Only the transaction that has locked the job's row may assign
/// numbers.
pub async fn chunk_insert_many_in_txn(txn: &Transaction, chunks: &[Chunk<'_>], now: DateTime<Utc>) -> Result<(), Error> {
    for chunks in in_few_lengths(chunks) {
        let rows = chunks.iter().map(|chunk| to_cells(chunk, now)).collect::<Result<Vec<_>, _>>()?;
        txn.0.execute_raw(INSERT.statement(txn.0.get_database_backend(), rows.into_iter())).await?;
    }
    Ok(())
}

/// A page of a job's log whose lines are not read yet.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LinePage {
    /// The rows that hold them, oldest first.
    pub parts: Vec<LinePart>,
    /// Number of the last line; `None`: the page is empty.
    pub last: Option<i64>,
    /// Whether there may be another page.
    pub more: bool,
}

/// Lines of a page that are stored in one row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct LinePart {
    /// Number of the line before the first.
    pub after: i64,
    /// Number of the last line.
    pub last: i64,
    /// Size of the row in bytes.
    pub bytes: usize,
}

/// The page of a job's log after line `after`, oldest first: at most `limit` lines, and at most `most_bytes` unless a single row has more.
/// Reads positions and sizes, not the lines.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn line_page(database: &Database, job_id: JobId, after: i64, limit: usize, most_bytes: usize) -> Result<LinePage, Error> {
    let bytes = Func::cust("octet_length").arg(Expr::col(Column::Lines));
    // Each row has at least one line of the page.
    let rows: Vec<(i64, i64, i64)> = rows_after(job_id, after)
        .select_only()
        .columns([Column::FirstLine, Column::LastLine])
        .expr_as(Expr::expr(bytes).cast_as("bigint"), "bytes")
        .limit(limit as u64)
        .into_tuple()
        .all(database.connection())
        .await?;
    let (mut page, mut cursor, mut lines, mut total) = (LinePage::default(), after, 0, 0);
    page.more = rows.len() == limit;
    for (first, last, bytes) in rows {
        let bytes = usize::try_from(bytes).unwrap_or(0);
        total += bytes;
        if lines == limit || (total > most_bytes && lines > 0) {
            page.more = true;
            break;
        }
        cursor = Ord::max(cursor, first - 1);
        let count = Ord::min(usize::try_from(last - cursor).unwrap_or(0), limit - lines);
        let part = LinePart { after: cursor, last: cursor + i64::try_from(count).unwrap_or(0), bytes };
        lines += count;
        cursor = part.last;
        page.last = Some(cursor);
        page.more |= lines == limit;
        page.parts.push(part);
    }
    Ok(page)
}

/// The lines of consecutive parts with their numbers.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn line_list(database: &Database, job_id: JobId, parts: &[LinePart]) -> Result<Vec<(i64, Line)>, Error> {
    let Some((after, last)) = parts.first().map(|part| part.after).zip(parts.last().map(|part| part.last)) else { return Ok(Vec::new()) };
    let chunks = rows_after(job_id, after).filter(Column::FirstLine.lte(last)).all(database.connection()).await?;
    let mut lines = Vec::new();
    for chunk in chunks {
        let numbered = (chunk.first_line..).zip(from_text(&chunk.lines, job_id)?);
        lines.extend(numbered.filter(|(number, _)| *number > after && *number <= last));
    }
    Ok(lines)
}

fn rows_after(job_id: JobId, line: i64) -> Select<Entity> {
    Entity::find().filter(Column::JobId.eq(job_id.get())).filter(Column::LastLine.gt(line)).order_by_asc(Column::LastLine)
}

/// The columns in the order of [`to_cells`].
const COLUMNS: [Column; 6] = [Column::JobId, Column::LastLine, Column::FirstLine, Column::MaxLevel, Column::Lines, Column::CreatedAt];

static INSERT: StatementTexts = StatementTexts::new(|backend, rows| insert::<Entity>(COLUMNS.into_iter(), backend, rows));

fn to_cells(chunk: &Chunk<'_>, now: DateTime<Utc>) -> Result<Vec<Value>, Error> {
    let count = i64::try_from(chunk.lines.len()).unwrap_or(i64::MAX);
    let highest = chunk.lines.iter().map(|line| line.level).max().unwrap_or_default();
    Ok(vec![
        chunk.job_id.get().into(),
        (chunk.first_line + count - 1).into(),
        chunk.first_line.into(),
        to_number(highest).into(),
        to_text(chunk.lines)?.into(),
        now.into(),
    ])
}

/// The stored form: a JSON array of `[microseconds since 1970, level, message, actionable]`.
fn to_text(lines: &[Line]) -> Result<String, Error> {
    let tuples: Vec<_> = lines
        .iter()
        .map(|line| (line.timestamp.timestamp_micros(), to_number(line.level), &line.message, u8::from(line.actionable)))
        .collect();
    serde_json::to_string(&tuples).map_err(|error| Error::Refused(error.to_string()))
}

fn from_text(text: &str, job_id: JobId) -> Result<Vec<Line>, Error> {
    let corrupt = || Error::Corrupt(format!("job_log_chunks.lines of {job_id}"));
    let tuples: Vec<(i64, i16, String, u8)> = serde_json::from_str(text).map_err(|_| corrupt())?;
    let to_line = |(micros, level, message, actionable): (i64, i16, String, u8)| {
        let timestamp = DateTime::from_timestamp_micros(micros).ok_or_else(corrupt)?;
        Ok(Line { timestamp, level: from_number(level), message, actionable: actionable != 0 })
    };
    tuples.into_iter().map(to_line).collect()
}

const fn to_number(level: Level) -> i16 {
    match level {
        Level::Debug => 10,
        Level::Info => 20,
        Level::Warning => 30,
        Level::Error => 40,
        Level::Critical => 50,
    }
}

fn from_number(number: i16) -> Level {
    Level::ALL.into_iter().rev().find(|level| to_number(*level) <= number).unwrap_or(Level::Debug)
}
