//! When a scheduler must look at schedules: the next time of all, and those of a change elsewhere.

use std::collections::HashMap;

use chrono::{DateTime, Utc};
use domain::{
    ids::{AutomationId, CalendarId, ScheduleId},
    schedule::AutomationState,
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{ExprTrait, OnConflict},
};
use uuid::Uuid;

use super::AT_ONCE;
use crate::{
    Database, Error, Transaction,
    entity::{automation, schedule, scheduler_state},
};

/// What a schedule needs to know of its automation.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Standing {
    /// Its state.
    pub state: AutomationState,
    /// When its pause ends.
    pub paused_until: Option<DateTime<Utc>>,
}

/// When the next schedule must be looked at.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn schedule_next_wake_unscoped(database: &Database) -> Result<Option<DateTime<Utc>>, Error> {
    use schedule::Column::WakeAt;
    let query = schedule::Entity::find().select_only().column(WakeAt).filter(WakeAt.is_not_null()).order_by_asc(WakeAt).limit(1);
    Ok(query.into_tuple().one(database.connection()).await?)
}

/// The state of these automations at `now`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_list_standing_unscoped(
    database: &Database,
    ids: &[AutomationId],
    now: DateTime<Utc>,
) -> Result<HashMap<AutomationId, Standing>, Error> {
    use automation::Column as C;
    type Row = (i32, Option<DateTime<Utc>>, Option<DateTime<Utc>>, Option<DateTime<Utc>>);
    let standing = |(id, archived, paused, until): Row| {
        let is_paused = paused.is_some() && until.is_none_or(|until| now < until);
        let state = match (archived, is_paused) {
            (Some(_), _) => AutomationState::Archived,
            (None, true) => AutomationState::Paused,
            (None, false) => AutomationState::Ready,
        };
        (id.into(), Standing { state, paused_until: until.filter(|_| state == AutomationState::Paused) })
    };
    let mut all = HashMap::new();
    for ids in ids.chunks(5_000) {
        let query = automation::Entity::find().select_only().columns([C::Id, C::ArchivedAt, C::PausedAt, C::PausedUntil]);
        let rows: Vec<Row> = query.filter(C::Id.is_in(ids.iter().map(|id| id.get()))).into_tuple().all(database.connection()).await?;
        all.extend(rows.into_iter().map(standing));
    }
    Ok(all)
}

/// The schedules of automations that were changed after `change` are looked at once; returns their last change, from which the next call continues.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn schedule_wake_changed(database: &Database, change: i64) -> Result<i64, Error> {
    use automation::Column::{Change, Id};
    let txn = database.begin().await?;
    let changed = automation::Entity::find().select_only().columns([Id, Change]).filter(Change.gt(change));
    let changed: Vec<(i32, i64)> = changed.into_tuple().all(&txn.0).await?;
    for ids in changed.chunks(5_000) {
        let row = schedule::ActiveModel { wake_at: Set(Some(AT_ONCE)), ..Default::default() };
        let update = schedule::Entity::update_many().set(row);
        update.filter(schedule::Column::AutomationId.is_in(ids.iter().map(|(id, _)| *id))).exec(&txn.0).await?;
    }
    txn.commit().await?;
    Ok(changed.into_iter().map(|(_, change)| change).max().unwrap_or(change))
}

/// The schedules with this calendar are looked at at once, after the transaction that changes it; returns how many.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn schedule_wake_of_calendar_in_txn(txn: &Transaction, id: CalendarId) -> Result<u64, Error> {
    let row = schedule::ActiveModel { wake_at: Set(Some(AT_ONCE)), ..Default::default() };
    let update = schedule::Entity::update_many().set(row).filter(schedule::Column::CalendarId.eq(id.get()));
    Ok(update.exec(&txn.0).await?.rows_affected)
}

/// Of the next `limit` schedules after `after`, by id, those that are switched on are looked at at once. Returns the last of them; `None`: there is
/// none after it.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn schedule_wake_page(database: &Database, after: Option<ScheduleId>, limit: u64) -> Result<Option<ScheduleId>, Error> {
    use schedule::Column::{Enabled, Id, WakeAt};
    let after = after.map_or(Uuid::nil(), ScheduleId::get);
    let page = schedule::Entity::find().select_only().column(Id).filter(Id.gt(after)).order_by_asc(Id).limit(limit);
    let ids: Vec<Uuid> = page.into_tuple().all(database.connection()).await?;
    let Some(last) = ids.last() else { return Ok(None) };
    let row = schedule::ActiveModel { wake_at: Set(Some(AT_ONCE)), ..Default::default() };
    let those = schedule::Entity::update_many().set(row).filter(Id.gt(after)).filter(Id.lte(*last)).filter(Enabled.eq(true));
    those.filter(WakeAt.is_null().or(WakeAt.gt(AT_ONCE))).exec(database.connection()).await?;
    Ok(Some((*last).into()))
}

/// Whether a slot after `at` was decided of a schedule that is switched on: the clock was ahead.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn schedule_any_ahead_unscoped(database: &Database, at: DateTime<Utc>) -> Result<bool, Error> {
    use schedule::Column::{CursorAt, Enabled};
    let ahead = schedule::Entity::find().filter(Enabled.eq(true)).filter(CursorAt.gt(at)).limit(1);
    Ok(ahead.count(database.connection()).await? > 0)
}

/// What the schedulers know together under this name.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn scheduler_state(database: &Database, name: &str) -> Result<Option<String>, Error> {
    Ok(scheduler_state::Entity::find_by_id(name).one(database.connection()).await?.map(|row| row.value))
}

/// Sets what the schedulers know together under this name.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn scheduler_state_put(database: &Database, name: &str, value: &str) -> Result<(), Error> {
    use scheduler_state::Column::{Name, Value};
    let row = scheduler_state::ActiveModel { name: Set(name.to_owned()), value: Set(value.to_owned()) };
    let again = OnConflict::column(Name).update_column(Value).to_owned();
    scheduler_state::Entity::insert(row).on_conflict(again).exec_without_returning(database.connection()).await?;
    Ok(())
}
