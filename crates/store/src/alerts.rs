//! Alerts, their story, and the outbox of what people may be told.
//!
//! What must hold: one alert at most has the open key of an incident, whatever two replicas observe at once; what happened to an alert, the line of
//! its story and the notice are written in one transaction.

mod change;
mod read;
mod row;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{
    alert::{Alert, AlertEventKind, Entry, Observation, observe},
    ids::AlertId,
};
use sea_orm::{
    ActiveModelTrait, ActiveValue::Set, ColumnTrait, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::OnConflict,
};
use uuid::Uuid;

use self::row::{from_row, to_row};
pub use self::{
    change::{
        alert_list_archived_unscoped, alert_list_due_unscoped, alert_lock_in_txn, alert_record_heard_in_txn, alert_save_in_txn,
        retention_alerts, target,
    },
    read::{
        Filter, StoryLine, alert_count, alert_count_open_unscoped, alert_get, alert_list, alert_list_ids, alert_list_in_txn,
        alert_list_story_unscoped, alert_list_unscoped,
    },
};
use crate::{
    Error, Transaction,
    entity::{
        alert::{Column, Entity},
        alert_event, notice,
    },
};

/// Keys of a statement, at most.
const KEYS: usize = 1000;
/// How often an insertion that another transaction forestalled is tried.
const TIMES: usize = 3;

/// An alert after a change that others may want to know of.
#[derive(Clone, Debug, PartialEq)]
pub struct AlertChange {
    /// The alert.
    pub alert: Alert,
    /// What happened to it, in order; never empty.
    pub what: Vec<AlertEventKind>,
}

impl AlertChange {
    /// Whether it opened with this change.
    #[must_use]
    pub fn is_opened(&self) -> bool {
        self.what.contains(&AlertEventKind::Opened)
    }

    /// Whether it was resolved with this change.
    #[must_use]
    pub fn is_resolved(&self) -> bool {
        self.what.contains(&AlertEventKind::Resolved)
    }

    /// Whether there is something that people may be told.
    #[must_use]
    pub fn is_told(&self) -> bool {
        self.what.iter().any(|what| what.notice().is_some())
    }
}

/// Applies observations, in the order of their keys. Tell others of what is returned after the commit.
///
/// # Errors
/// [`Error::Conflict`] when another transaction keeps forestalling this one: it may be repeated.
pub async fn alert_observe_in_txn(txn: &Transaction, observations: &[Observation], now: DateTime<Utc>) -> Result<Vec<AlertChange>, Error> {
    // All transactions lock and insert in the same order.
    let mut sorted: Vec<(String, &Observation)> = observations.iter().map(|seen| (seen.key.to_string(), seen)).collect();
    sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
    let mut changes = Vec::new();
    for chunk in sorted.chunks(KEYS) {
        let mut current = current_in_txn(txn, chunk.iter().map(|(key, _)| key.as_str())).await?;
        for (key, observation) in chunk {
            observe_one(txn, (key, observation), &mut current, now, &mut changes).await?;
        }
    }
    Ok(changes)
}

async fn observe_one(
    txn: &Transaction,
    (key, observation): (&str, &Observation),
    current: &mut BTreeMap<String, Alert>,
    now: DateTime<Utc>,
    changes: &mut Vec<AlertChange>,
) -> Result<(), Error> {
    for _ in 0..TIMES {
        let seen = observe(current.get(key), observation, AlertId::new(Uuid::now_v7()), now);
        if let Some((alert, entries)) = seen.changed {
            if alert.holds_key {
                current.insert(key.to_owned(), alert.clone());
            } else {
                current.remove(key);
            }
            changes.extend(write(txn, alert, entries, now).await?);
        }
        let Some((alert, entries)) = seen.opened else { return Ok(()) };
        let once = OnConflict::column(Column::OpenKey).do_nothing().to_owned();
        let insert = Entity::insert(to_row(&alert)?.into_active_model().reset_all()).on_conflict(once);
        if insert.exec_without_returning(&txn.0).await? == 1 {
            current.insert(key.to_owned(), alert.clone());
            changes.extend(tell(txn, alert, entries, now).await?);
            return Ok(());
        }
        // Another transaction opened it, and has committed.
        current.extend(current_in_txn(txn, [key]).await?);
    }
    Err(Error::Conflict(format!("the alert of {key} opens and ends again and again")))
}

/// The alerts that hold these keys; they stay as they are until the transaction ends.
async fn current_in_txn<'a>(txn: &Transaction, keys: impl IntoIterator<Item = &'a str>) -> Result<BTreeMap<String, Alert>, Error> {
    let held = Entity::find().filter(Column::OpenKey.is_in(keys)).order_by_asc(Column::OpenKey).lock_exclusive();
    let held = held.all(&txn.0).await?.into_iter().map(from_row);
    held.map(|alert| alert.map(|alert| (alert.key.to_string(), alert))).collect()
}

/// Writes an alert of this transaction, and what happened to it.
async fn write(txn: &Transaction, mut alert: Alert, entries: Vec<Entry>, now: DateTime<Utc>) -> Result<Option<AlertChange>, Error> {
    alert.revision += 1;
    to_row(&alert)?.into_active_model().reset_all().update(&txn.0).await?;
    tell(txn, alert, entries, now).await
}

/// Writes what happened to an alert: its story and the outbox.
async fn tell(txn: &Transaction, alert: Alert, entries: Vec<Entry>, now: DateTime<Utc>) -> Result<Option<AlertChange>, Error> {
    let what: Vec<AlertEventKind> = entries.iter().map(|entry| entry.what).collect();
    for entry in entries {
        if entry.what != AlertEventKind::Repeated || !repeat_in_txn(txn, alert.id, &entry, now).await? {
            let id = Uuid::now_v7();
            let row = alert_event::Model {
                id,
                alert_id: alert.id.get(),
                at: now,
                what: entry.what.as_str().to_owned(),
                actor: entry.by,
                detail: entry.text,
            };
            alert_event::Entity::insert(row.into_active_model().reset_all()).exec_without_returning(&txn.0).await?;
        }
        if let Some(notice) = entry.what.notice() {
            let what = notice.as_str().to_owned();
            let row = notice::Model { id: Uuid::now_v7(), alert_id: alert.id.get(), what, at: now, routed_at: None };
            notice::Entity::insert(row.into_active_model().reset_all()).exec_without_returning(&txn.0).await?;
        }
    }
    Ok((!what.is_empty()).then_some(AlertChange { alert, what }))
}

/// Repetitions in a row are one line of the story. `false`: the last line is another.
async fn repeat_in_txn(txn: &Transaction, id: AlertId, entry: &Entry, now: DateTime<Utc>) -> Result<bool, Error> {
    use alert_event::Column as C;
    let last = alert_event::Entity::find().filter(C::AlertId.eq(id.get())).order_by_desc(C::Id).limit(1).one(&txn.0).await?;
    let Some(last) = last.filter(|last| last.what == entry.what.as_str()) else { return Ok(false) };
    let mut row = last.into_active_model();
    (row.at, row.detail) = (Set(now), Set(entry.text.clone()));
    row.update(&txn.0).await?;
    Ok(true)
}
