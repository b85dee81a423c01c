//! Messages to channels: planned from the outbox, claimed by whoever sends, and kept as the log of what was sent.
//!
//! What must hold:
//! - A notice is routed once: it is marked in the transaction that writes the messages which tell it, and a channel has each notice once.
//! - Of a channel one message is sent at a time, whichever replica sends: its lane is claimed, and a claim that was lost writes nothing.
//! - Of an incident a channel is told in order: a message waits for the earlier ones of the same incident.
//! - Whatever writes a message that waits has written its lane in the same transaction, so that nobody sleeps past it.

mod lane;
mod list;
mod read;
mod route;

use chrono::{DateTime, Utc};
use domain::{
    ids::{ChannelId, NotificationId},
    notification::{Message, NoticeKind, NotificationState},
};
use sea_orm::{
    ActiveValue::Set,
    EntityTrait,
    sea_query::{Expr, ExprTrait, OnConflict},
};

pub use self::{
    lane::{
        Claimed, Finish, Sending, Step, lane_claim, lane_drop, lane_finish, lane_next, lane_next_wake_unscoped, lane_release,
        notification_keep_message, outbox_lateness_unscoped,
    },
    list::{
        Attempt, Filter, Tested, notification_alerts, notification_attempts, notification_get, notification_list, notification_record_test,
        notification_retry, retention_notifications,
    },
    read::{Named, alert_list_named_unscoped, notification_reference_unscoped},
    route::{Batch, notification_put_in_txn, notification_read_in_txn},
};
use crate::{
    Error, Transaction,
    entity::{notification, notification_lane},
};

/// A message to a channel.
#[derive(Clone, Debug, PartialEq)]
pub struct Notification {
    /// Id, UUID v7: the same at each attempt.
    pub id: NotificationId,
    /// The channel, which may have been deleted since.
    pub channel_id: ChannelId,
    /// What it tells.
    pub kind: NoticeKind,
    /// What became of it.
    pub state: NotificationState,
    /// Why it was not sent, for people.
    pub reason: Option<String>,
    /// When it is sent, or sent again.
    pub due_at: DateTime<Utc>,
    /// How often it was tried.
    pub attempts: u32,
    /// When it is given up.
    pub give_up_at: Option<DateTime<Utc>>,
    /// How many notices it tells.
    pub notices: u32,
    /// Its title, once it was tried.
    pub title: Option<String>,
    /// It as it is sent, once it was tried.
    pub message: Option<Message>,
    /// Status of the last answer.
    pub status: Option<u16>,
    /// Beginning of the last answer.
    pub answer: Option<String>,
    /// What the receiver calls it.
    pub reference: Option<String>,
    /// When it was planned.
    pub created_at: DateTime<Utc>,
    /// When it was sent, or given up.
    pub ended_at: Option<DateTime<Utc>>,
}

/// Writes a message that is made already, to be sent at once: a report.
///
/// # Errors
/// Any [`Error`] of the database.
pub(crate) async fn notification_put_message_in_txn(
    txn: &Transaction,
    channel: ChannelId,
    message: &Message,
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let row = notification::ActiveModel {
        id: Set(message.id.get()),
        channel_id: Set(channel.get()),
        kind: Set(message.kind.as_str().to_owned()),
        state: Set(NotificationState::Waiting.as_str().to_owned()),
        due_at: Set(now),
        attempts: Set(0),
        notices: Set(0),
        title: Set(Some(message.title.clone())),
        message: Set(Some(serde_json::to_value(message).map_err(|error| Error::Refused(error.to_string()))?)),
        created_at: Set(now),
        ..Default::default()
    };
    notification::Entity::insert(row).exec_without_returning(&txn.0).await?;
    lane_wake_in_txn(txn, channel, now).await
}

/// Sees to it that the lane of this channel is looked at by `at`.
async fn lane_wake_in_txn(txn: &Transaction, channel: ChannelId, at: DateTime<Utc>) -> Result<(), Error> {
    use notification_lane::Column as C;
    let row = notification_lane::ActiveModel {
        channel_id: Set(channel.get()),
        next_at: Set(Some(at)),
        claimed_until: Set(None),
        fence: Set(0),
        rate_tat: Set(None),
    };
    let known = || Expr::col((notification_lane::Entity, C::NextAt));
    let earlier: Expr = Expr::case(known().is_null().or(known().gt(at)), Expr::val(at)).finally(known()).into();
    let merged = OnConflict::column(C::ChannelId).value(C::NextAt, earlier).to_owned();
    notification_lane::Entity::insert(row).on_conflict(merged).exec_without_returning(&txn.0).await?;
    Ok(())
}

fn from_row(row: notification::Model) -> Result<Notification, Error> {
    let corrupt = |column: &str| Error::Corrupt(format!("notifications.{column} of {}", row.id));
    Ok(Notification {
        id: row.id.into(),
        channel_id: row.channel_id.into(),
        kind: NoticeKind::parse(&row.kind).ok_or_else(|| corrupt("kind"))?,
        state: NotificationState::parse(&row.state).ok_or_else(|| corrupt("state"))?,
        reason: row.reason,
        due_at: row.due_at,
        attempts: row.attempts.unsigned_abs(),
        give_up_at: row.give_up_at,
        notices: row.notices.unsigned_abs(),
        title: row.title,
        message: row.message.map(serde_json::from_value).transpose().map_err(|_| corrupt("message"))?,
        status: row.status.and_then(|status| u16::try_from(status).ok()),
        answer: row.answer,
        reference: row.reference,
        created_at: row.created_at,
        ended_at: row.ended_at,
    })
}

/// States in which a message is still to be sent: the words of the partial index.
fn is_pending() -> Expr {
    Expr::cust("notifications.state in ('waiting', 'sending')")
}
