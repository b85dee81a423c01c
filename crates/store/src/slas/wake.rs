//! When a monitor must look at rules: the next time of all, and those of a change elsewhere.

use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::{AutomationId, CalendarId, SlaId};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, EntityTrait, JoinType, QueryFilter, QueryOrder, QuerySelect, sea_query::OnConflict,
};
use uuid::Uuid;

use super::AT_ONCE;
use crate::{
    Database, Error, Transaction,
    entity::{sla, sla_monitor_state, sla_state},
};

/// When the next rule must be looked at.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_next_wake_unscoped(database: &Database) -> Result<Option<DateTime<Utc>>, Error> {
    use sla::Column::WakeAt;
    let query = sla::Entity::find().select_only().column(WakeAt).filter(WakeAt.is_not_null()).order_by_asc(WakeAt).limit(1);
    Ok(query.into_tuple().one(database.connection()).await?)
}

/// How late rules are judged: since when the expectation is due that waits longest. `within` is at least as long as a claim, which moves a rule's
/// next look and not what is due. What was woken to be judged at once says no time, and does not count.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_lateness_unscoped(database: &Database, now: DateTime<Utc>, within: TimeDelta) -> Result<TimeDelta, Error> {
    let query = sla_state::Entity::find()
        .select_only()
        .column(sla_state::Column::DueAt)
        .join(JoinType::InnerJoin, sla_state::Entity::belongs_to(sla::Entity).from(sla_state::Column::SlaId).to(sla::Column::Id).into())
        .filter(sla::Column::WakeAt.lte(now + within))
        .filter(sla_state::Column::DueAt.gt(AT_ONCE))
        .order_by_asc(sla_state::Column::DueAt)
        .limit(1);
    let due: Option<DateTime<Utc>> = query.into_tuple().one(database.connection()).await?;
    Ok(due.map_or(TimeDelta::zero(), |due| Ord::max(now - due, TimeDelta::zero())))
}

/// Every expectation of these rules is judged anew when they are looked at.
pub(super) async fn states_wake_in_txn(txn: &Transaction, ids: &[SlaId]) -> Result<(), Error> {
    let row = sla_state::ActiveModel { due_at: Set(Some(AT_ONCE)), is_until_due: Set(false), ..Default::default() };
    let update = sla_state::Entity::update_many().set(row);
    update.filter(sla_state::Column::SlaId.is_in(ids.iter().map(|id| id.get()))).exec(&txn.0).await?;
    Ok(())
}

async fn wake_in_txn(txn: &Transaction, those: Condition) -> Result<Vec<SlaId>, Error> {
    let ids: Vec<Uuid> = sla::Entity::find().select_only().column(sla::Column::Id).filter(those).into_tuple().all(&txn.0).await?;
    for ids in ids.chunks(5_000) {
        let row = sla::ActiveModel { wake_at: Set(Some(AT_ONCE)), ..Default::default() };
        sla::Entity::update_many().set(row).filter(sla::Column::Id.is_in(ids.iter().copied())).exec(&txn.0).await?;
    }
    Ok(ids.into_iter().map(Into::into).collect())
}

/// The rules with this calendar are looked at at once, after the transaction that changes it.
pub(crate) async fn sla_wake_of_calendar_in_txn(txn: &Transaction, id: CalendarId) -> Result<(), Error> {
    let woken = wake_in_txn(txn, Condition::all().add(sla::Column::CalendarId.eq(id.get()))).await?;
    states_wake_in_txn(txn, &woken).await
}

/// The rules of these automations, and those of queues, domains and everything, are looked at at once, as far as these automations are concerned.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_wake_of_automations(database: &Database, automations: &[AutomationId]) -> Result<(), Error> {
    let txn = database.begin().await?;
    for automations in automations.chunks(5_000) {
        let ids = || automations.iter().map(|id| id.get());
        let row = sla_state::ActiveModel { due_at: Set(Some(AT_ONCE)), is_until_due: Set(false), ..Default::default() };
        sla_state::Entity::update_many().set(row).filter(sla_state::Column::AutomationId.is_in(ids())).exec(&txn.0).await?;
        wake_in_txn(&txn, Condition::all().add(sla::Column::AutomationId.is_in(ids()))).await?;
    }
    wake_in_txn(&txn, Condition::all().add(sla::Column::AutomationId.is_null())).await?;
    txn.commit().await
}

/// What the monitors know together under this name.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_monitor_state(database: &Database, name: &str) -> Result<Option<String>, Error> {
    Ok(sla_monitor_state::Entity::find_by_id(name).one(database.connection()).await?.map(|row| row.value))
}

/// Sets what the monitors know together under this name.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_monitor_state_put(database: &Database, name: &str, value: &str) -> Result<(), Error> {
    use sla_monitor_state::Column::{Name, Value};
    let row = sla_monitor_state::ActiveModel { name: Set(name.to_owned()), value: Set(value.to_owned()) };
    let again = OnConflict::column(Name).update_column(Value).to_owned();
    sla_monitor_state::Entity::insert(row).on_conflict(again).exec_without_returning(database.connection()).await?;
    Ok(())
}
