//! Log lines of jobs, stored as they come: a row is a batch of consecutive lines.

use chrono::{DateTime, Utc};
use domain::log::Level;
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, Value};
use uuid::Uuid;

use crate::{
    Database, Error, Transaction,
    entity::job_log_chunk::{Column, Entity},
    jobs::in_few_lengths,
    statement_text::{StatementTexts, insert},
};

/// One line.
#[derive(Clone, Debug, PartialEq)]
pub struct Line {
    /// When it was written.
    pub timestamp: DateTime<Utc>,
    /// Level.
    pub level: Level,
    /// The line.
    pub message: String,
    /// Somebody should do something about it.
    pub actionable: bool,
}

/// Consecutive lines of one job.
#[derive(Clone, Copy, Debug)]
pub struct Chunk<'a> {
    /// The job.
    pub job_id: Uuid,
    /// Number of the first line, from 1.
    pub first_line: i64,
    /// The lines; at least one.
    pub lines: &'a [Line],
}

/// Adds chunks.
///
/// # Errors
/// [`Error::Duplicate`] when a chunk of the job ends with the same number. Numbers are given out by whoever has the job's row locked.
pub async fn chunk_insert_many_in_txn(txn: &Transaction, chunks: &[Chunk<'_>], now: DateTime<Utc>) -> Result<(), Error> {
    for chunks in in_few_lengths(chunks) {
        let rows = chunks.iter().map(|chunk| to_cells(chunk, now)).collect::<Result<Vec<_>, _>>()?;
        txn.0.execute_raw(INSERT.statement(txn.0.get_database_backend(), rows.into_iter())).await?;
    }
    Ok(())
}

/// A job's lines with their numbers, oldest first, from the one after `after`, at most `limit`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn line_list(database: &Database, job_id: Uuid, after: i64, limit: usize) -> Result<Vec<(i64, Line)>, Error> {
    let mut lines = Vec::new();
    let mut cursor = after;
    // Each chunk has a line that counts.
    let most_chunks = Ord::min(limit, 16);
    while lines.len() < limit {
        let chunks = Entity::find()
            .filter(Column::JobId.eq(job_id))
            .filter(Column::LastLine.gt(cursor))
            .order_by_asc(Column::LastLine)
            .limit(most_chunks as u64)
            .all(database.connection())
            .await?;
        let ended = chunks.len() < most_chunks;
        for chunk in chunks {
            if lines.len() == limit {
                break;
            }
            cursor = chunk.last_line;
            let numbered = (chunk.first_line..).zip(from_text(&chunk.lines, job_id)?);
            lines.extend(numbered.filter(|(number, _)| *number > after).take(limit - lines.len()));
        }
        if ended {
            break;
        }
    }
    Ok(lines)
}

/// The columns in the order of [`to_cells`].
const COLUMNS: [Column; 6] = [Column::JobId, Column::LastLine, Column::FirstLine, Column::MaxLevel, Column::Lines, Column::CreatedAt];

static INSERT: StatementTexts = StatementTexts::new(|backend, rows| insert::<Entity>(&COLUMNS, backend, rows));

fn to_cells(chunk: &Chunk<'_>, now: DateTime<Utc>) -> Result<Vec<Value>, Error> {
    let count = i64::try_from(chunk.lines.len()).unwrap_or(i64::MAX);
    let highest = chunk.lines.iter().map(|line| line.level).max().unwrap_or_default();
    Ok(vec![
        chunk.job_id.into(),
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

fn from_text(text: &str, job_id: Uuid) -> Result<Vec<Line>, Error> {
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
