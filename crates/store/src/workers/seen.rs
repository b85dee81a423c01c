use std::collections::{BTreeMap, HashSet};

use chrono::{DateTime, Utc};
use domain::ids::WorkerId;
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect, StatementBuilder,
    sea_query::{Expr, ExprTrait, Func, IntoIden, Query, TableRef, Value, ValueTuple},
};
use uuid::Uuid;

use super::Vitals;
use crate::{
    Database, Error,
    entity::worker::{Column, Entity},
    jobs::in_few_lengths,
    statement_text::{StatementTexts, cells},
};

/// A contact of a worker: a heartbeat or any other request.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// The worker.
    pub id: WorkerId,
    /// When it arrived.
    pub at: DateTime<Utc>,
    /// Figures of the heartbeat; `None`: keep the previous ones.
    pub vitals: Option<Vitals>,
    /// Whether it revokes an earlier sign-off.
    pub revives: bool,
}

/// Records contacts; returns the workers that do not exist. Of several contacts of a worker the last counts, with the last vitals.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn worker_note_seen(database: &Database, signs: &[Seen]) -> Result<HashSet<WorkerId>, Error> {
    let mut seen: BTreeMap<WorkerId, Seen> = BTreeMap::new();
    for sign in signs {
        let sign = match seen.get(&sign.id) {
            Some(earlier) => Seen { vitals: sign.vitals.or(earlier.vitals), revives: sign.revives || earlier.revives, ..sign.clone() },
            None => sign.clone(),
        };
        seen.insert(sign.id, sign);
    }
    // In order of ids, so that two hubs cannot deadlock.
    let seen: Vec<Seen> = seen.into_values().collect();
    let mut unknown = HashSet::new();
    for seen in in_few_lengths(&seen) {
        let written = database.execute_alone(UPDATE.statement(database.backend(), seen.iter().map(to_cells))).await?;
        if written < seen.len() as u64 {
            unknown.extend(unknown_of(database, seen).await?);
        }
    }
    Ok(unknown)
}

async fn unknown_of(database: &Database, seen: &[Seen]) -> Result<Vec<WorkerId>, Error> {
    let query = Entity::find().select_only().column(Column::Id).filter(Column::Id.is_in(seen.iter().map(|seen| seen.id.get())));
    let existing: HashSet<Uuid> = query.into_tuple().all(database.connection()).await?.into_iter().collect();
    Ok(seen.iter().map(|seen| seen.id).filter(|id| !existing.contains(&id.get())).collect())
}

/// Number of cells of a contact, its id included.
const WIDTH: usize = 6;

static UPDATE: StatementTexts = StatementTexts::new(|backend, rows| {
    let tuples = cells(rows, WIDTH).map(ValueTuple::Many).collect();
    let cell = |index: usize| Expr::col(("seen", format!("column{index}")));
    let own = |column: Column| Expr::col((Entity, column));
    let or_own = |index, column| Func::coalesce([cell(index), own(column)]);
    let tells = || cell(4).is_not_null();
    let mut update = Query::update();
    update
        .table(Entity)
        .from(TableRef::ValuesList(tuples, "seen".into_iden()))
        .and_where(own(Column::Id).eq(cell(1)))
        .value(Column::LastSeenAt, cell(2))
        .value(Column::StoppedAt, Expr::case(cell(3), Expr::cust("NULL")).finally(own(Column::StoppedAt)))
        .value(Column::RunningJobs, or_own(4, Column::RunningJobs))
        .value(Column::CpuPercent, Expr::case(tells(), cell(5)).finally(own(Column::CpuPercent)))
        .value(Column::MemoryBytes, Expr::case(tells(), cell(6)).finally(own(Column::MemoryBytes)));
    StatementBuilder::build(&update, &backend).sql
});

fn to_cells(seen: &Seen) -> Vec<Value> {
    vec![
        seen.id.get().into(),
        seen.at.into(),
        seen.revives.into(),
        seen.vitals.map(|vitals| vitals.running_jobs).into(),
        seen.vitals.and_then(|vitals| vitals.cpu_percent).into(),
        seen.vitals.and_then(|vitals| vitals.memory_bytes).into(),
    ]
}
