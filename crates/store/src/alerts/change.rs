//! What people and the time do to alerts.

use chrono::{DateTime, Utc};
use domain::{
    Scope,
    alert::{Alert, Entry},
    audit::{Change, Target},
    ids::AlertId,
};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait},
};
use serde_json::json;
use uuid::Uuid;

use super::{
    AlertChange,
    read::in_scope,
    row::{from_row, to_row},
    write,
};
use crate::{
    Database, Error, Transaction,
    audit::{audit_insert_in_txn, audit_record_in_txn},
    entity::{
        alert::{Column, Entity},
        automation,
    },
};

/// Alerts in scope, by id, which stay as they are until the transaction ends.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn alert_lock_in_txn(txn: &Transaction, scope: &Scope, ids: &[AlertId]) -> Result<Vec<Alert>, Error> {
    let these = Column::Id.is_in(ids.iter().map(|id| id.get()));
    // In the order in which observations lock them.
    let found =
        Entity::find().filter(in_scope(scope)).filter(these).order_by_asc(Column::OpenKey).order_by_asc(Column::Id).lock_exclusive();
    found.all(&txn.0).await?.into_iter().map(from_row).collect()
}

/// Writes an alert that [`alert_lock_in_txn`] returned as `before`, and what happened to it. `by` is a person's change with the name of the action:
/// `alert.resolve`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn alert_save_in_txn(
    txn: &Transaction,
    by: Option<(&Change, &'static str)>,
    (before, after): (&Alert, Alert),
    entries: Vec<Entry>,
    now: DateTime<Utc>,
) -> Result<Option<AlertChange>, Error> {
    if let Some((change, action)) = by {
        let (before, row) = (to_row(before)?, to_row(&after)?);
        audit_record_in_txn(txn, change, (action, target(after.id)), (Some(&before), Some(&row)), now).await?;
    }
    write(txn, after, entries, now).await
}

/// Leaves in the audit trail that somebody told of alerts that opened or ended.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn alert_record_heard_in_txn(
    txn: &Transaction,
    change: &Change,
    changes: &[AlertChange],
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let ids = |is: fn(&AlertChange) -> bool| changes.iter().filter(|change| is(change)).map(|change| change.alert.id).collect::<Vec<_>>();
    let after = json!({"opened": ids(AlertChange::is_opened), "resolved": ids(AlertChange::is_resolved)});
    let entry = change.entry("alert.receive", Target::new("alert", "several"), None, Some(after));
    audit_insert_in_txn(txn, &entry, now).await
}

/// An alert in the audit trail.
#[must_use]
pub fn target(id: AlertId) -> Target {
    Target::new("alert", id)
}

/// Alerts to which the time does something by `now`, the longest due first.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn alert_list_due_unscoped(database: &Database, now: DateTime<Utc>, limit: u64) -> Result<Vec<AlertId>, Error> {
    let due = Entity::find().select_only().column(Column::Id).filter(Column::DueAt.lte(now)).order_by_asc(Column::DueAt).limit(limit);
    ids(due, database).await
}

/// Open alerts of automations that are archived.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn alert_list_archived_unscoped(database: &Database, limit: u64) -> Result<Vec<AlertId>, Error> {
    use automation::Column as A;
    let archived = automation::Entity::find().select_only().column(A::Id).filter(A::ArchivedAt.is_not_null());
    let open = Condition::all().add(Column::ResolvedAt.is_null()).add(Column::AutomationId.in_subquery(archived.into_query()));
    let found = Entity::find().select_only().column(Column::Id).filter(open).order_by_asc(Column::Id).limit(limit);
    ids(found, database).await
}

async fn ids(query: sea_orm::Select<Entity>, database: &Database) -> Result<Vec<AlertId>, Error> {
    let ids: Vec<Uuid> = query.into_tuple().all(database.connection()).await?;
    Ok(ids.into_iter().map(AlertId::from).collect())
}

/// Deletes at most `limit` alerts that were resolved before `before`, with their stories.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn retention_alerts(database: &Database, before: DateTime<Utc>, limit: u64) -> Result<u64, Error> {
    let old = Entity::find().select_only().column(Column::Id).filter(Column::ResolvedAt.lt(before));
    let old = old.order_by_asc(Column::ResolvedAt).limit(limit);
    let delete = Entity::delete_many().filter(Expr::col(Column::Id).in_subquery(old.into_query()));
    Ok(delete.exec(database.connection()).await?.rows_affected)
}
