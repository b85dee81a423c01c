use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{Scope, audit::Change, ids::ScheduleId, policy::Pause, schedule::PauseSpan};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::json;
use uuid::Uuid;

use super::{AT_ONCE, Filter, matching, target};
use crate::{
    Database, Error, Transaction,
    audit::audit_insert_many_in_txn,
    entity::{schedule, schedule_pause},
};

/// Rows of one statement: databases bound its parameters.
const MOST: usize = 2_000;

/// A pause of a schedule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Paused {
    /// The schedule.
    pub schedule_id: ScheduleId,
    /// The pause; it may have ended.
    pub pause: Pause,
}

impl Paused {
    /// When it was in effect.
    #[must_use]
    pub const fn span(&self) -> PauseSpan {
        PauseSpan { from: self.pause.at, until: self.pause.until }
    }
}

/// Pauses the schedules in scope that match the filter, whatever its page, or changes the pause that they are in; returns them. A scheduler looks at
/// them at once.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn schedule_pause(
    database: &Database,
    (scope, change): (&Scope, &Change),
    filter: &Filter,
    pause: &Pause,
) -> Result<Vec<ScheduleId>, Error> {
    let work = async |txn: &Transaction| {
        let ids = lock(txn, scope, filter).await?;
        end(txn, &ids, pause.at).await?;
        for ids in ids.chunks(MOST) {
            let rows = ids.iter().map(|id| schedule_pause::ActiveModel {
                schedule_id: Set(*id),
                from_at: Set(pause.at),
                until_at: Set(pause.until),
                reason: Set(pause.reason.clone()),
                paused_by: Set(pause.by.clone()),
            });
            schedule_pause::Entity::insert_many(rows).exec_without_returning(&txn.0).await?;
        }
        let after = json!({"paused_at": pause.at, "paused_until": pause.until, "paused_reason": pause.reason});
        wake_and_record(txn, change, ("schedule.pause", &ids), after, pause.at).await
    };
    database.in_transaction(work).await
}

/// Ends the pauses of the schedules in scope that match the filter, whatever its page; returns those that were paused. A scheduler looks at them at
/// once.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn schedule_resume(
    database: &Database,
    (scope, change): (&Scope, &Change),
    filter: &Filter,
    now: DateTime<Utc>,
) -> Result<Vec<ScheduleId>, Error> {
    let work = async |txn: &Transaction| {
        let ids = lock(txn, scope, filter).await?;
        let ended = end(txn, &ids, now).await?;
        wake_and_record(txn, change, ("schedule.resume", &ended), json!({"paused_at": null}), now).await
    };
    database.in_transaction(work).await
}

/// Pauses of these schedules, those that ended and that a slot may have fallen into too; a schedule has at most one that has not ended. In order.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn schedule_list_pauses(database: &Database, scope: &Scope, ids: &[ScheduleId]) -> Result<Vec<Paused>, Error> {
    let mut all = Vec::new();
    for ids in ids.chunks(MOST) {
        let seen = schedule::Entity::find().select_only().column(schedule::Column::Id);
        let filter = Filter { ids: ids.to_vec(), ..Filter::default() };
        let seen: Vec<Uuid> = seen.filter(matching(scope, &filter)).into_tuple().all(database.connection()).await?;
        all.extend(pauses(database, &seen).await?);
    }
    Ok(all)
}

/// [`schedule_list_pauses`] by schedule, for the scheduler.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn schedule_list_pauses_unscoped(database: &Database, ids: &[ScheduleId]) -> Result<HashMap<ScheduleId, Vec<PauseSpan>>, Error> {
    let mut all: HashMap<ScheduleId, Vec<PauseSpan>> = HashMap::new();
    for ids in ids.chunks(MOST) {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.get()).collect();
        for paused in pauses(database, &ids).await? {
            all.entry(paused.schedule_id).or_default().push(paused.span());
        }
    }
    Ok(all)
}

async fn pauses(database: &Database, ids: &[Uuid]) -> Result<Vec<Paused>, Error> {
    use schedule_pause::Column as C;
    let query = schedule_pause::Entity::find().filter(C::ScheduleId.is_in(ids.iter().copied()));
    let rows = query.order_by_asc(C::ScheduleId).order_by_asc(C::FromAt).all(database.connection()).await?;
    let from_row = |row: schedule_pause::Model| Paused {
        schedule_id: row.schedule_id.into(),
        pause: Pause { at: row.from_at, until: row.until_at, reason: row.reason, by: row.paused_by },
    };
    Ok(rows.into_iter().map(from_row).collect())
}

/// The schedules, locked: no other pause or change of them meanwhile.
async fn lock(txn: &Transaction, scope: &Scope, filter: &Filter) -> Result<Vec<Uuid>, Error> {
    let query = schedule::Entity::find().select_only().column(schedule::Column::Id).filter(matching(scope, filter));
    Ok(query.order_by_asc(schedule::Column::Id).lock_exclusive().into_tuple().all(&txn.0).await?)
}

/// Ends the pauses of these that are in effect, and returns those that were paused. A pause that began at this instant or later never was.
async fn end(txn: &Transaction, ids: &[Uuid], now: DateTime<Utc>) -> Result<Vec<Uuid>, Error> {
    use schedule_pause::Column as C;
    let mut ended = Vec::new();
    for ids in ids.chunks(MOST) {
        let lasts = Condition::any().add(C::UntilAt.is_null()).add(C::UntilAt.gt(now));
        let lasts = Condition::all().add(C::ScheduleId.is_in(ids.iter().copied())).add(lasts);
        let paused = schedule_pause::Entity::find().select_only().column(C::ScheduleId).filter(lasts.clone()).distinct();
        ended.extend(paused.into_tuple::<Uuid>().all(&txn.0).await?);
        schedule_pause::Entity::delete_many().filter(lasts.clone()).filter(C::FromAt.gte(now)).exec(&txn.0).await?;
        let row = schedule_pause::ActiveModel { until_at: Set(Some(now)), ..Default::default() };
        schedule_pause::Entity::update_many().set(row).filter(lasts).exec(&txn.0).await?;
    }
    Ok(ended)
}

async fn wake_and_record(
    txn: &Transaction,
    change: &Change,
    (action, ids): (&'static str, &[Uuid]),
    after: serde_json::Value,
    now: DateTime<Utc>,
) -> Result<Vec<ScheduleId>, Error> {
    for ids in ids.chunks(MOST) {
        let row = schedule::ActiveModel { wake_at: Set(Some(AT_ONCE)), ..Default::default() };
        schedule::Entity::update_many().set(row).filter(schedule::Column::Id.is_in(ids.iter().copied())).exec(&txn.0).await?;
    }
    let ids: Vec<ScheduleId> = ids.iter().copied().map(Into::into).collect();
    let entries: Vec<_> = ids.iter().map(|id| change.entry(action, target(*id), None, Some(after.clone()))).collect();
    audit_insert_many_in_txn(txn, &entries, now).await?;
    Ok(ids)
}
