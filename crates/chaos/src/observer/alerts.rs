//! Alerts and their messages as the database has them.

use anyhow::Result;
use domain::ids::{AlertId, JobId, NotificationId, SlaId};
use uuid::Uuid;

use super::Observer;

/// A job that ended. Times are microseconds of UTC.
#[derive(Clone, Debug)]
pub(crate) struct Ended {
    pub(crate) job: JobId,
    pub(crate) automation: i32,
    pub(crate) status: String,
    pub(crate) at: i64,
    /// Another job tries it again.
    pub(crate) is_retried: bool,
}

/// An alert.
#[derive(Clone, Debug)]
pub(crate) struct AlertRow {
    pub(crate) id: AlertId,
    /// Its incident: rule, type and subject.
    pub(crate) key: String,
    pub(crate) rule: Option<SlaId>,
    pub(crate) alert_type: String,
    pub(crate) automation: Option<i32>,
    pub(crate) is_open: bool,
    /// When the latest breach began.
    pub(crate) breach_at: i64,
}

/// That an alert opened, or was resolved.
#[derive(Clone, Debug)]
pub(crate) struct Turn {
    pub(crate) alert: AlertId,
    pub(crate) key: String,
    pub(crate) is_open: bool,
}

/// What people are to be told of an alert, and the message that does.
#[derive(Clone, Debug)]
pub(crate) struct Notice {
    pub(crate) alert: AlertId,
    /// `opened`, `resolved`…
    pub(crate) what: String,
    pub(crate) is_routed: bool,
    /// The message and its state.
    pub(crate) message: Option<(NotificationId, String)>,
}

/// All of it at one moment.
#[derive(Clone, Debug, Default)]
pub(crate) struct Alerts {
    /// Rules, and since when runs count.
    pub(crate) rules: Vec<(SlaId, i64)>,
    pub(crate) ended: Vec<Ended>,
    pub(crate) alerts: Vec<AlertRow>,
    /// In the order of their commits.
    pub(crate) turns: Vec<Turn>,
    pub(crate) notices: Vec<Notice>,
}

type AlertColumns = (Uuid, String, Option<Uuid>, String, Option<i32>, bool, i64);

/// Alert, what is told, whether it was routed, and the message with its state.
type NoticeColumns = (Uuid, String, bool, Option<Uuid>, Option<String>);

impl Observer {
    /// Rules, ended jobs, alerts and messages in one snapshot.
    pub(crate) async fn alerts(&self) -> Result<Alerts> {
        let mut txn = self.pool.begin().await?;
        sqlx::query("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ").execute(&mut *txn).await?;
        let statement = "SELECT id, (extract(epoch FROM since_at) * 1000000)::bigint FROM slas";
        let rules: Vec<(Uuid, i64)> = sqlx::query_as(statement).fetch_all(&mut *txn).await?;
        let statement = "SELECT id, automation_id, status, (extract(epoch FROM completed_at) * 1000000)::bigint,
            EXISTS (SELECT FROM jobs AS retry WHERE retry.retry_of = jobs.id) FROM jobs WHERE completed_at IS NOT NULL";
        let ended: Vec<(Uuid, i32, String, i64, bool)> = sqlx::query_as(statement).fetch_all(&mut *txn).await?;
        let statement = "SELECT id, key, rule_id, alert_type, automation_id, resolved_at IS NULL,
            (extract(epoch FROM breach_at) * 1000000)::bigint FROM alerts ORDER BY id";
        let alerts: Vec<AlertColumns> = sqlx::query_as(statement).fetch_all(&mut *txn).await?;
        let statement = "SELECT alert_id, key, is_open FROM chaos_alerts ORDER BY seq";
        let turns: Vec<(Uuid, String, bool)> = sqlx::query_as(statement).fetch_all(&mut *txn).await?;
        let statement = "SELECT notices.alert_id, what, routed_at IS NOT NULL, notification_id, state FROM notices
            LEFT JOIN notification_items ON notice_id = notices.id
            LEFT JOIN notifications ON notifications.id = notification_id ORDER BY notices.id";
        let notices: Vec<NoticeColumns> = sqlx::query_as(statement).fetch_all(&mut *txn).await?;
        txn.commit().await?;
        let ended = ended.into_iter().map(|(job, automation, status, at, is_retried)| Ended {
            job: job.into(),
            automation,
            status,
            at,
            is_retried,
        });
        let alert = |(id, key, rule, alert_type, automation, is_open, breach_at): AlertColumns| AlertRow {
            id: id.into(),
            key,
            rule: rule.map(Into::into),
            alert_type,
            automation,
            is_open,
            breach_at,
        };
        let notice = |(alert, what, is_routed, message, state): (Uuid, String, bool, Option<Uuid>, Option<String>)| Notice {
            alert: alert.into(),
            what,
            is_routed,
            message: message.map(|id| (id.into(), state.unwrap_or_default())),
        };
        Ok(Alerts {
            rules: rules.into_iter().map(|(id, since)| (id.into(), since)).collect(),
            ended: ended.collect(),
            alerts: alerts.into_iter().map(alert).collect(),
            turns: turns.into_iter().map(|(alert, key, is_open)| Turn { alert: alert.into(), key, is_open }).collect(),
            notices: notices.into_iter().map(notice).collect(),
        })
    }
}
