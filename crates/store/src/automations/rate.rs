use chrono::{DateTime, Utc};
use domain::ids::AutomationId;
use sea_orm::{ActiveValue::Set, ColumnTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::LockType};

use crate::{Database, Error, Transaction, entity::automation};

/// Locks these automations against other dispatchers, in order of their ids, and returns the theoretical arrival times of their rate
/// limits, for [`domain::policy::RateLimit::admit`].
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_lock_rates_in_txn(
    txn: &Transaction,
    ids: &[AutomationId],
) -> Result<Vec<(AutomationId, Option<DateTime<Utc>>)>, Error> {
    let query = automation::Entity::find()
        .select_only()
        .column(automation::Column::Id)
        .column(automation::Column::RateLimitTat)
        .filter(automation::Column::Id.is_in(ids.iter().map(|id| id.get())))
        .order_by_asc(automation::Column::Id)
        .lock(LockType::NoKeyUpdate);
    Ok(to_rates(query.into_tuple().all(&txn.0).await?))
}

/// The same without a lock, for display.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_list_rates_unscoped(
    database: &Database,
    ids: &[AutomationId],
) -> Result<Vec<(AutomationId, Option<DateTime<Utc>>)>, Error> {
    let query = automation::Entity::find()
        .select_only()
        .column(automation::Column::Id)
        .column(automation::Column::RateLimitTat)
        .filter(automation::Column::Id.is_in(ids.iter().map(|id| id.get())));
    Ok(to_rates(query.into_tuple().all(database.connection()).await?))
}

fn to_rates(rows: Vec<(i32, Option<DateTime<Utc>>)>) -> Vec<(AutomationId, Option<DateTime<Utc>>)> {
    rows.into_iter().map(|(id, tat)| (id.into(), tat)).collect()
}

/// Stores the theoretical arrival time after the last admitted start.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_set_rate_in_txn(txn: &Transaction, id: AutomationId, tat: DateTime<Utc>) -> Result<(), Error> {
    let row = automation::ActiveModel { rate_limit_tat: Set(Some(tat)), ..Default::default() };
    automation::Entity::update_many().set(row).filter(automation::Column::Id.eq(id.get())).exec(&txn.0).await?;
    Ok(())
}
