//! Rows as the API shows them.

use api_types::{NotificationAttempt, NotificationDetail, NotificationText};
use domain::{ids::AlertId, notification::Message};
use store::notifications::{Attempt, Notification};

/// A message with the alerts that it tells of.
pub(super) fn notification(row: &Notification, alert_ids: Vec<AlertId>) -> api_types::Notification {
    api_types::Notification {
        id: row.id,
        channel_id: row.channel_id,
        kind: row.kind,
        state: row.state,
        reason: row.reason.clone(),
        title: row.title.clone(),
        alert_ids,
        notices: row.notices,
        due_at: row.due_at,
        attempts: row.attempts,
        status: row.status,
        answer: row.answer.clone(),
        reference: row.reference.clone(),
        created_at: row.created_at,
        ended_at: row.ended_at,
    }
}

pub(super) fn text(message: Message) -> NotificationText {
    NotificationText { title: message.title, text: message.text, html: message.html }
}

pub(super) fn detail(row: Notification, alert_ids: Vec<AlertId>, attempts: Vec<Attempt>) -> NotificationDetail {
    let attempt = |Attempt { at, is_taken, took_ms, status, answer }| NotificationAttempt { at, taken: is_taken, took_ms, status, answer };
    NotificationDetail {
        notification: notification(&row, alert_ids),
        message: row.message.map(text),
        tries: attempts.into_iter().map(attempt).collect(),
    }
}
