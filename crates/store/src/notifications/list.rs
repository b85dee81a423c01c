//! The log of what was sent.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{
    audit::{Change, Target},
    ids::{AlertId, ChannelId, NotificationId},
    notification::{Message, NotificationState, Receipt, SendError},
};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait},
};
use serde_json::json;
use uuid::Uuid;

use super::{Notification, from_row, is_pending, lane_wake_in_txn};
use crate::{
    Database, Error,
    audit::audit_record_in_txn,
    entity::{notification, notification_attempt, notification_item},
    id_range::first_id,
};

/// Selects messages of a list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those to this channel.
    pub channel_id: Option<ChannelId>,
    /// Only those that tell of this alert.
    pub alert_id: Option<AlertId>,
    /// Only those in this state.
    pub state: Option<NotificationState>,
    /// The last message of the page before.
    pub after: Option<NotificationId>,
    /// Page size.
    pub limit: u64,
}

/// An attempt to send a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attempt {
    /// When.
    pub at: DateTime<Utc>,
    /// Whether the receiver took it; `None`: it is under way, or the process ended meanwhile.
    pub is_taken: Option<bool>,
    /// How long it took, in milliseconds.
    pub took_ms: Option<i64>,
    /// Status of the answer.
    pub status: Option<u16>,
    /// Beginning of the answer, or what went wrong.
    pub answer: Option<String>,
}

/// A trial of a channel, which was sent at once.
#[derive(Clone, Debug)]
pub struct Tested<'a> {
    /// The channel.
    pub channel_id: ChannelId,
    /// What was sent.
    pub message: &'a Message,
    /// What became of it.
    pub outcome: &'a Result<Receipt, SendError>,
    /// When.
    pub at: DateTime<Utc>,
    /// How long it took, in milliseconds.
    pub took_ms: i64,
}

/// Messages, newest first, without what was sent.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn notification_list(database: &Database, filter: &Filter) -> Result<Vec<Notification>, Error> {
    use notification::Column as C;
    use notification_item::Column as I;
    let of_alert = |id: AlertId| {
        let tells = notification_item::Entity::find().select_only().column(I::NotificationId).filter(I::AlertId.eq(id.get()));
        C::Id.in_subquery(tells.into_query())
    };
    let is_unsent = filter.state.is_some_and(|state| matches!(state, NotificationState::Waiting | NotificationState::Sending));
    let is_unwell = filter.state.is_some_and(|state| matches!(state, NotificationState::Failed | NotificationState::Dropped));
    let matching = Condition::all()
        .add_option(filter.channel_id.map(|id| C::ChannelId.eq(id.get())))
        .add_option(filter.alert_id.map(of_alert))
        .add_option(filter.state.map(|state| C::State.eq(state.as_str())))
        // The same in the words of the index.
        .add_option(is_unsent.then(is_pending))
        .add_option(is_unwell.then(|| Expr::cust("state IN ('failed', 'dropped')")))
        .add_option(filter.after.map(|after| C::Id.lt(after.get())));
    let rows = notification::Entity::find().filter(matching).order_by_desc(C::Id).limit(filter.limit).all(database.connection()).await?;
    rows.into_iter().map(|row| from_row(notification::Model { message: None, ..row })).collect()
}

/// One message with what was sent.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn notification_get(database: &Database, id: NotificationId) -> Result<Option<Notification>, Error> {
    notification::Entity::find_by_id(id.get()).one(database.connection()).await?.map(from_row).transpose()
}

/// The alerts that each of these messages tells of, at most `most` of each, in order of the notices.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn notification_alerts(
    database: &Database,
    ids: &[NotificationId],
    most: usize,
) -> Result<BTreeMap<NotificationId, Vec<AlertId>>, Error> {
    use notification_item::Column as I;
    let mut alerts: BTreeMap<NotificationId, Vec<AlertId>> = BTreeMap::new();
    let query = notification_item::Entity::find().select_only().columns([I::NotificationId, I::AlertId]);
    let query = query.filter(I::NotificationId.is_in(ids.iter().map(|id| id.get()))).order_by_asc(I::NoticeId);
    let rows: Vec<(Uuid, Uuid)> = query.into_tuple().all(database.connection()).await?;
    for (id, alert) in rows {
        let of_message = alerts.entry(id.into()).or_default();
        let alert = AlertId::from(alert);
        if of_message.len() < most && !of_message.contains(&alert) {
            of_message.push(alert);
        }
    }
    Ok(alerts)
}

/// The attempts to send a message, oldest first: the last `limit`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn notification_attempts(database: &Database, id: NotificationId, limit: u64) -> Result<Vec<Attempt>, Error> {
    use notification_attempt::Column as C;
    let query = notification_attempt::Entity::find().filter(C::NotificationId.eq(id.get())).order_by_desc(C::Id).limit(limit);
    let mut rows = query.all(database.connection()).await?;
    rows.reverse();
    let attempt = |row: notification_attempt::Model| Attempt {
        at: row.at,
        is_taken: row.is_taken,
        took_ms: row.took_ms,
        status: row.status.and_then(|status| u16::try_from(status).ok()),
        answer: row.answer,
    };
    Ok(rows.into_iter().map(attempt).collect())
}

/// Has a message sent once more, now: one that was given up or dropped, or that waits. `None`: there is none; `false`: it was sent, or is being sent.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn notification_retry(
    database: &Database,
    change: &Change,
    id: NotificationId,
    now: DateTime<Utc>,
) -> Result<Option<bool>, Error> {
    database
        .in_transaction(async |txn| {
            let Some(row) = notification::Entity::find_by_id(id.get()).lock_exclusive().one(&txn.0).await? else { return Ok(None) };
            let before = from_row(row.clone())?;
            if matches!(before.state, NotificationState::Sent | NotificationState::Sending) {
                return Ok(Some(false));
            }
            let update = notification::ActiveModel {
                state: Set(NotificationState::Waiting.as_str().to_owned()),
                reason: Set(None),
                due_at: Set(now),
                give_up_at: Set(None),
                ended_at: Set(None),
                ..Default::default()
            };
            notification::Entity::update_many().set(update).filter(notification::Column::Id.eq(id.get())).exec(&txn.0).await?;
            lane_wake_in_txn(txn, before.channel_id, now).await?;
            let (was, is) = (json!({"state": before.state}), json!({"state": NotificationState::Waiting}));
            let target = Target::new("notification", id);
            audit_record_in_txn(txn, change, ("notification.retry", target), (Some(&was), Some(&is)), now).await?;
            Ok(Some(true))
        })
        .await
}

/// Keeps a trial of a channel in the log.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn notification_record_test(database: &Database, tested: &Tested<'_>) -> Result<(), Error> {
    let txn = database.begin().await?;
    let Tested { channel_id, message, outcome, at, took_ms } = tested;
    let (state, reason) = match outcome {
        Ok(_) => (NotificationState::Sent, None),
        Err(error) => (NotificationState::Failed, Some(error.message.clone())),
    };
    let (status, answer) = match outcome {
        Ok(receipt) => (receipt.status, receipt.answer.clone()),
        Err(error) => (error.status, error.message.clone()),
    };
    let (status, answer) = (status.map(i32::from), Some(answer));
    let row = notification::Model {
        id: message.id.get(),
        channel_id: channel_id.get(),
        kind: message.kind.as_str().to_owned(),
        group_key: None,
        state: state.as_str().to_owned(),
        reason,
        due_at: *at,
        attempts: 1,
        give_up_at: None,
        notices: 0,
        title: Some(message.title.clone()),
        message: Some(serde_json::to_value(message).map_err(|error| Error::Refused(error.to_string()))?),
        status,
        answer: answer.clone(),
        reference: outcome.as_ref().ok().and_then(|receipt| receipt.reference.clone()),
        created_at: *at,
        ended_at: Some(*at),
    };
    notification::Entity::insert(row.into_active_model().reset_all()).exec_without_returning(&txn.0).await?;
    let attempt = notification_attempt::Model {
        id: Uuid::now_v7(),
        notification_id: message.id.get(),
        at: *at,
        is_taken: Some(outcome.is_ok()),
        took_ms: Some(*took_ms),
        status,
        answer,
    };
    notification_attempt::Entity::insert(attempt.into_active_model().reset_all()).exec_without_returning(&txn.0).await?;
    txn.commit().await
}

/// Deletes at most `limit` messages that were planned before `before` and are not to be sent any more, with their attempts. Returns their number.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn retention_notifications(database: &Database, before: DateTime<Utc>, limit: u64) -> Result<u64, Error> {
    use notification::Column as C;
    let ended = Expr::col(C::EndedAt).is_not_null();
    let old = notification::Entity::find().select_only().column(C::Id).filter(C::Id.lt(first_id(before))).filter(ended);
    let old = old.order_by_asc(C::Id).limit(limit);
    let delete = notification::Entity::delete_many().filter(C::Id.in_subquery(old.into_query()));
    Ok(delete.exec(database.connection()).await?.rows_affected)
}
