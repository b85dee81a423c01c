use chrono::{DateTime, Utc};
use domain::{
    Scope,
    ids::{AutomationId, JobId, ScheduleId},
    schedule::FireState,
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, OnConflict, Query, SubQueryStatement},
};

use uuid::Uuid;

use super::Filter;
use crate::{
    Database, Error, Transaction,
    entity::{
        schedule,
        schedule_fire::{ActiveModel, Column, Entity, Model},
    },
    scope,
};

/// Schedules of one statement: databases bound its conditions.
const MOST: usize = 200;

/// What became of a slot, or of several in a row that were skipped for one reason.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fire {
    /// The schedule.
    pub schedule_id: ScheduleId,
    /// The slot, or the first of several.
    pub slot_at: DateTime<Utc>,
    /// The last of several, else the slot.
    pub last_slot_at: DateTime<Utc>,
    /// How many slots.
    pub slots: u32,
    /// Whether there were more than counted.
    pub more: bool,
    /// When the run was due to start: after its jitter, and after a blackout that held it. `None`: it was skipped.
    pub run_at: Option<DateTime<Utc>>,
    /// What became of it.
    pub state: FireState,
    /// Why it did not run, for programs: a [`domain::schedule::SkipReason`], or the code of a refusal.
    pub reason: Option<String>,
    /// The same for people, of a refusal.
    pub detail: Option<String>,
    /// Its job; of a fire that the overlap rule refused, the job in its way.
    pub job_id: Option<JobId>,
    /// When that was decided. It was late by the time since `run_at`.
    pub decided_at: DateTime<Utc>,
}

/// Selects fires of a list.
#[derive(Clone, Debug, Default)]
pub struct FireFilter {
    /// Only those of these schedules; empty: all.
    pub schedule_ids: Vec<ScheduleId>,
    /// Only those of schedules of this automation.
    pub automation_id: Option<AutomationId>,
    /// Only those of schedules of automations of the domain with this slug.
    pub domain: Option<String>,
    /// Only those whose (first) slot is this time or later.
    pub from: Option<DateTime<Utc>>,
    /// Only those whose (first) slot is before this time.
    pub to: Option<DateTime<Utc>>,
    /// Page size.
    pub limit: u64,
    /// Slot and schedule of the last fire of the page before.
    pub after: Option<(DateTime<Utc>, ScheduleId)>,
}

/// Fires by slot, then schedule.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn fire_list(database: &Database, scope: &Scope, filter: &FireFilter) -> Result<Vec<Fire>, Error> {
    let mut query = Entity::find().filter(matching(scope, filter)).order_by_asc(Column::SlotAt).order_by_asc(Column::ScheduleId);
    if let Some((slot, id)) = filter.after {
        let later = Condition::all().add(Column::SlotAt.eq(slot)).add(Column::ScheduleId.gt(id.get()));
        query = query.filter(Column::SlotAt.gte(slot)).filter(Condition::any().add(Column::SlotAt.gt(slot)).add(later));
    }
    query.limit(filter.limit).all(database.connection()).await?.into_iter().map(from_row).collect()
}

/// The last fires of a schedule, newest first.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn fire_list_last(database: &Database, scope: &Scope, id: ScheduleId, limit: u64) -> Result<Vec<Fire>, Error> {
    let filter = FireFilter { schedule_ids: vec![id], ..FireFilter::default() };
    let query = Entity::find().filter(matching(scope, &filter)).order_by_desc(Column::SlotAt).limit(limit);
    query.all(database.connection()).await?.into_iter().map(from_row).collect()
}

/// The newest fire of each of these schedules that has one.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn fire_list_newest(database: &Database, scope: &Scope, ids: &[ScheduleId]) -> Result<Vec<Fire>, Error> {
    let mut all = Vec::new();
    for ids in ids.chunks(MOST) {
        // One look into the primary key for each.
        let newest = Query::select()
            .expr(Expr::col((Entity, Column::SlotAt)).max())
            .from(Entity)
            .and_where(Expr::col((Entity, Column::ScheduleId)).equals((schedule::Entity, schedule::Column::Id)))
            .to_owned();
        let of = Filter { ids: ids.to_vec(), ..Filter::default() };
        let query = schedule::Entity::find().select_only().column(schedule::Column::Id).filter(super::matching(scope, &of));
        let query = query.expr_as(Expr::from(SubQueryStatement::from(newest)), "newest");
        let newest: Vec<(Uuid, Option<DateTime<Utc>>)> = query.into_tuple().all(database.connection()).await?;
        let newest = newest.into_iter().filter_map(|(id, slot)| Some((id, slot?)));
        let is = |(id, slot)| Condition::all().add(Column::ScheduleId.eq(id)).add(Column::SlotAt.eq(slot));
        let any = newest.fold(Condition::any().add(Column::ScheduleId.is_in::<Uuid, _>([])), |any, newest| any.add(is(newest)));
        let fires = Entity::find().filter(any).all(database.connection()).await?;
        all.extend(fires.into_iter().map(from_row).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(all)
}

fn matching(scope: &Scope, filter: &FireFilter) -> Condition {
    let ids = (!filter.schedule_ids.is_empty()).then(|| Column::ScheduleId.is_in(filter.schedule_ids.iter().map(|id| id.get())));
    let owners = Condition::all()
        .add_option(scope::has(scope, schedule::Column::AutomationId))
        .add_option(filter.automation_id.map(|id| schedule::Column::AutomationId.eq(id.get())))
        .add_option(filter.domain.as_deref().map(|slug| scope::has_domain(slug, schedule::Column::AutomationId)));
    let owners = schedule::Entity::find().select_only().column(schedule::Column::Id).filter(owners);
    Condition::all()
        .add(Column::ScheduleId.in_subquery(owners.into_query()))
        .add_option(ids)
        .add_option(filter.from.map(|from| Column::SlotAt.gte(from)))
        .add_option(filter.to.map(|to| Column::SlotAt.lt(to)))
}

/// Keeps what became of slots. What was kept of the same slot stays, unless the slot has a job now.
pub(super) async fn fire_put_in_txn(txn: &Transaction, fires: &[&Fire]) -> Result<(), Error> {
    let columns = [
        Column::LastSlotAt,
        Column::Slots,
        Column::More,
        Column::RunAt,
        Column::State,
        Column::Reason,
        Column::Detail,
        Column::JobId,
        Column::DecidedAt,
    ];
    let has_job = Expr::col(("excluded", Column::State)).eq(FireState::Created.as_str());
    let had_none = Expr::col((Entity, Column::State)).ne(FireState::Created.as_str());
    let again = OnConflict::columns([Column::ScheduleId, Column::SlotAt])
        .update_columns(columns)
        .action_and_where(has_job.and(had_none))
        .to_owned();
    Entity::insert_many(fires.iter().map(|fire| to_row(fire))).on_conflict(again).exec_without_returning(&txn.0).await?;
    Ok(())
}

fn to_row(fire: &Fire) -> ActiveModel {
    ActiveModel {
        schedule_id: Set(fire.schedule_id.get()),
        slot_at: Set(fire.slot_at),
        last_slot_at: Set(fire.last_slot_at),
        slots: Set(fire.slots.into()),
        more: Set(fire.more),
        run_at: Set(fire.run_at),
        state: Set(fire.state.as_str().to_owned()),
        reason: Set(fire.reason.clone()),
        detail: Set(fire.detail.clone()),
        job_id: Set(fire.job_id.map(JobId::get)),
        decided_at: Set(fire.decided_at),
    }
}

fn from_row(row: Model) -> Result<Fire, Error> {
    let corrupt = |column: &str| Error::Corrupt(format!("schedule_fires.{column} of {} {}", row.schedule_id, row.slot_at));
    Ok(Fire {
        state: FireState::parse(&row.state).ok_or_else(|| corrupt("state"))?,
        slots: row.slots.try_into().map_err(|_| corrupt("slots"))?,
        schedule_id: row.schedule_id.into(),
        slot_at: row.slot_at,
        last_slot_at: row.last_slot_at,
        more: row.more,
        run_at: row.run_at,
        reason: row.reason,
        detail: row.detail,
        job_id: row.job_id.map(Into::into),
        decided_at: row.decided_at,
    })
}
