//! From the outbox to messages: what a plan needs, and what it wrote.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::{
    alert::{Alert, AlertType, Resolution, Subject},
    automation::is_every_queue,
    ids::{AlertId, AutomationId, ChannelId, NotificationId},
    job::ErrorClass,
    notification::{
        NoticeKind, NotificationState,
        plan::{Item, Notice, Planned, Waiting},
        route::Routed,
    },
};
use sea_orm::{
    ActiveModelTrait as _,
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, LockType},
};
use uuid::Uuid;

use super::lane_wake_in_txn;
use crate::{
    Error, Transaction,
    alerts::alert_list_in_txn,
    dialect,
    entity::{alert, automation, notice, notification, notification_item, worker},
};

/// Rows of a statement, at most.
const ROWS: usize = 500;

/// What a plan is made from.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    /// What happened, in order, with what routing looks at. Notices of alerts that are gone have none.
    pub notices: Vec<(Notice, Option<Routed>)>,
    /// Messages that wait and were never tried.
    pub waiting: Vec<Waiting>,
    /// Who was, or is going to be, told of which of these alerts in a message that was tried.
    pub told: Vec<(ChannelId, AlertId)>,
}

/// The next notices that were not routed, at most `limit`, with what is needed to plan who is told. One transaction at a time reads them; it ends with
/// [`notification_put_in_txn`].
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn notification_read_in_txn(txn: &Transaction, limit: u64, now: DateTime<Utc>) -> Result<Batch, Error> {
    use notice::Column as C;
    let unrouted = || notice::Entity::find().filter(Expr::col((notice::Entity, C::RoutedAt)).is_null());
    if unrouted().limit(1).one(&txn.0).await?.is_none() {
        return Ok(Batch::default());
    }
    dialect::lock(&txn.0, "regente route").await?;
    let rows = unrouted().order_by_asc(C::Id).limit(limit).all(&txn.0).await?;
    let ids: BTreeSet<AlertId> = rows.iter().map(|row| row.alert_id.into()).collect();
    let ids: Vec<AlertId> = ids.into_iter().collect();
    let alerts: BTreeMap<AlertId, Alert> = alert_list_in_txn(txn, &ids).await?.into_iter().map(|alert| (alert.id, alert)).collect();
    let routed = routed(txn, &alerts, now).await?;
    let notices = rows.into_iter().map(|row| {
        let kind = NoticeKind::parse(&row.what).ok_or_else(|| Error::Corrupt(format!("notices.what of {}", row.id)))?;
        let alert_id = row.alert_id.into();
        // The hub was away when an alert is told long after what is wrong began.
        let began = alerts.get(&alert_id).map(|alert| alert.began_at).filter(|_| kind == NoticeKind::Opened);
        let at = Ord::min(began.unwrap_or(row.at), row.at);
        Ok((Notice { id: row.id, alert_id, kind, at }, routed.get(&alert_id).cloned()))
    });
    let notices = notices.collect::<Result<_, Error>>()?;
    let (waiting, told) = (waiting(txn, &ids).await?, told(txn, &ids).await?);
    Ok(Batch { notices, waiting, told })
}

/// Writes what was planned, and marks the notices.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn notification_put_in_txn(txn: &Transaction, notices: &[Uuid], planned: &[Planned], now: DateTime<Utc>) -> Result<(), Error> {
    for one in planned {
        put(txn, one, now).await?;
    }
    let removed: Vec<_> = planned.iter().flat_map(|one| one.removed.iter().map(|notice| (one.message.channel_id, *notice))).collect();
    for rows in removed.chunks(ROWS) {
        use notification_item::Column as C;
        let these = rows.iter().fold(Condition::any(), |these, (channel, notice)| {
            these.add(Condition::all().add(C::ChannelId.eq(channel.get())).add(C::NoticeId.eq(*notice)))
        });
        notification_item::Entity::delete_many().filter(these).exec(&txn.0).await?;
    }
    let added: Vec<_> = planned.iter().flat_map(|one| one.added.iter().map(|item| to_row(one, item))).collect();
    for rows in added.chunks(ROWS) {
        notification_item::Entity::insert_many(rows.to_vec()).exec_without_returning(&txn.0).await?;
    }
    let mut lanes: BTreeMap<ChannelId, DateTime<Utc>> = BTreeMap::new();
    for one in planned.iter().filter(|one| !one.is_empty()) {
        let at = lanes.entry(one.message.channel_id).or_insert(one.message.due_at);
        *at = Ord::min(one.message.due_at, *at);
    }
    for (channel, at) in lanes {
        lane_wake_in_txn(txn, channel, at).await?;
    }
    for rows in notices.chunks(ROWS) {
        let row = notice::ActiveModel { routed_at: Set(Some(now)), ..Default::default() };
        notice::Entity::update_many().set(row).filter(notice::Column::Id.is_in(rows.iter().copied())).exec(&txn.0).await?;
    }
    Ok(())
}

async fn put(txn: &Transaction, planned: &Planned, now: DateTime<Utc>) -> Result<(), Error> {
    let message = &planned.message;
    let notices = i32::try_from(message.count).unwrap_or(i32::MAX);
    if planned.is_new {
        let row = notification::Model {
            id: message.id.get(),
            channel_id: message.channel_id.get(),
            kind: message.kind.as_str().to_owned(),
            group_key: message.group.clone(),
            state: NotificationState::Waiting.as_str().to_owned(),
            reason: None,
            due_at: message.due_at,
            attempts: 0,
            give_up_at: None,
            notices,
            title: None,
            message: None,
            status: None,
            answer: None,
            reference: None,
            created_at: now,
            ended_at: None,
        };
        notification::Entity::insert(row.into_active_model().reset_all()).exec_without_returning(&txn.0).await?;
        return Ok(());
    }
    if planned.is_empty() {
        // Its alerts are over before anybody was told of them.
        notification::Entity::delete_by_id(message.id.get()).exec(&txn.0).await?;
        return Ok(());
    }
    let row = notification::ActiveModel { notices: Set(notices), ..Default::default() };
    notification::Entity::update_many().set(row).filter(notification::Column::Id.eq(message.id.get())).exec(&txn.0).await?;
    Ok(())
}

/// Messages that wait and were never tried: those that take others, and those that tell of these alerts. They stay as they are until the transaction
/// ends.
async fn waiting(txn: &Transaction, alerts: &[AlertId]) -> Result<Vec<Waiting>, Error> {
    use notification::Column as N;
    use notification_item::Column as I;
    let of_these = || I::AlertId.is_in(alerts.iter().map(|id| id.get()));
    let tells = notification_item::Entity::find().select_only().column(I::NotificationId).filter(of_these());
    let takes = Condition::any().add(N::GroupKey.is_not_null()).add(N::Id.in_subquery(tells.into_query()));
    let untried = Condition::all().add(N::State.eq(NotificationState::Waiting.as_str())).add(N::Attempts.eq(0)).add(super::is_pending());
    let query = notification::Entity::find().filter(untried).filter(takes).order_by_asc(N::Id).lock(LockType::Update);
    let rows = query.all(&txn.0).await?;
    let mut items: BTreeMap<Uuid, Vec<Item>> = BTreeMap::new();
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    for ids in ids.chunks(ROWS) {
        let of_messages = I::NotificationId.is_in(ids.iter().copied());
        for row in notification_item::Entity::find().filter(of_these()).filter(of_messages).all(&txn.0).await? {
            items.entry(row.notification_id).or_default().push(to_item(row)?);
        }
    }
    let mut waiting = Vec::with_capacity(rows.len());
    for row in rows {
        waiting.push(Waiting {
            id: row.id.into(),
            channel_id: row.channel_id.into(),
            kind: NoticeKind::parse(&row.kind).ok_or_else(|| Error::Corrupt(format!("notifications.kind of {}", row.id)))?,
            group: row.group_key,
            due_at: row.due_at,
            count: usize::try_from(row.notices).unwrap_or_default(),
            items: items.remove(&row.id).unwrap_or_default(),
        });
    }
    Ok(waiting)
}

/// Who was told of which alert in a message that was tried and not given up.
async fn told(txn: &Transaction, alerts: &[AlertId]) -> Result<Vec<(ChannelId, AlertId)>, Error> {
    use notification::Column as N;
    use notification_item::Column as I;
    let tried = [NotificationState::Waiting, NotificationState::Sending, NotificationState::Sent].map(NotificationState::as_str);
    let tried = notification::Entity::find().select_only().column(N::Id).filter(N::Attempts.gt(0)).filter(N::State.is_in(tried));
    let query = notification_item::Entity::find()
        .select_only()
        .columns([I::ChannelId, I::AlertId])
        .distinct()
        .filter(I::AlertId.is_in(alerts.iter().map(|id| id.get())))
        .filter(I::NotificationId.in_subquery(tried.into_query()));
    let rows: Vec<(Uuid, Uuid)> = query.into_tuple().all(&txn.0).await?;
    Ok(rows.into_iter().map(|(channel, alert)| (channel.into(), alert.into())).collect())
}

/// What routing looks at of these alerts.
async fn routed(txn: &Transaction, alerts: &BTreeMap<AlertId, Alert>, now: DateTime<Utc>) -> Result<BTreeMap<AlertId, Routed>, Error> {
    use automation::Column as A;
    let automations: BTreeSet<i32> = alerts.values().filter_map(|alert| alert.automation_id).map(AutomationId::get).collect();
    let query = automation::Entity::find().select_only().columns([A::Id, A::DomainId, A::Labels, A::QueueName]);
    type Row = (i32, Option<Uuid>, Option<serde_json::Value>, String);
    let rows: Vec<Row> = query.filter(A::Id.is_in(automations)).into_tuple().all(&txn.0).await?;
    let rows: BTreeMap<i32, Row> = rows.into_iter().map(|row| (row.0, row)).collect();
    let gone = gone_workers(txn).await?;
    let routed = alerts.values().map(|alert| {
        let automation = alert.automation_id.and_then(|id| rows.get(&id.get()));
        let labels = automation.and_then(|row| serde_json::from_value(row.2.clone()?).ok()).unwrap_or_default();
        let is_muted = [alert.muted_until, alert.terms.muted_until].into_iter().flatten().any(|until| now < until);
        let queue = match &alert.key.subject {
            Subject::Queue(name) => Some(name.as_str()),
            _ => automation.map(|row| row.3.as_str()),
        };
        let routed = Routed {
            id: alert.id,
            key: alert.key.to_string(),
            alert_type: alert.key.alert_type,
            severity: alert.severity,
            source: alert.source,
            rule_id: alert.key.rule_id,
            automation_id: alert.automation_id,
            domain_id: automation.and_then(|row| row.1).map(Into::into),
            labels,
            channels: alert.terms.channels.clone(),
            is_muted,
            is_superseded: alert.resolved.as_ref().is_some_and(|end| end.why == Resolution::Superseded),
            cause: cause(alert, queue, &gone),
        };
        (alert.id, routed)
    });
    Ok(routed.collect())
}

/// A worker that is gone, by the key of its alert.
struct Gone {
    key: String,
    queues: Vec<String>,
}

/// Workers that are gone and are told of.
async fn gone_workers(txn: &Transaction) -> Result<Vec<Gone>, Error> {
    use alert::Column as C;
    let open = alert::Entity::find().select_only().columns([C::Key, C::SubjectName]).filter(C::ResolvedAt.is_null());
    let open: Vec<(String, String)> = open.filter(C::AlertType.eq(AlertType::WorkerDown.as_str())).into_tuple().all(&txn.0).await?;
    let ids: BTreeMap<Uuid, String> = open.into_iter().filter_map(|(key, name)| Some((name.parse().ok()?, key))).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    use worker::Column as W;
    let query = worker::Entity::find().select_only().columns([W::Id, W::Queues]).filter(W::Id.is_in(ids.keys().copied()));
    let rows: Vec<(Uuid, serde_json::Value)> = query.into_tuple().all(&txn.0).await?;
    let gone =
        rows.into_iter().filter_map(|(id, queues)| Some(Gone { key: ids.get(&id)?.clone(), queues: serde_json::from_value(queues).ok()? }));
    Ok(gone.collect())
}

/// The worker whose absence explains an alert: its automation's or its own queue is one that the worker serves.
fn cause(alert: &Alert, queue: Option<&str>, gone: &[Gone]) -> Option<String> {
    match alert.key.alert_type {
        AlertType::WorkerDown => return Some(alert.key.to_string()),
        AlertType::Failure if alert.facts.error_class.as_deref() != Some(ErrorClass::WorkerLost.as_str()) => return None,
        other if !other.may_follow_from_worker() => return None,
        _ => {}
    }
    let queue = queue?;
    let serves = |gone: &&Gone| is_every_queue(&gone.queues) || gone.queues.iter().any(|name| name == queue);
    gone.iter().find(serves).map(|gone| gone.key.clone())
}

fn to_row(planned: &Planned, item: &Item) -> notification_item::ActiveModel {
    notification_item::ActiveModel {
        channel_id: Set(planned.message.channel_id.get()),
        notice_id: Set(item.notice_id),
        notification_id: Set(NotificationId::get(planned.message.id)),
        alert_id: Set(item.alert_id.get()),
        alert_key: Set(item.key.clone()),
        kind: Set(item.kind.as_str().to_owned()),
        at: Set(item.at),
    }
}

pub(super) fn to_item(row: notification_item::Model) -> Result<Item, Error> {
    let kind = NoticeKind::parse(&row.kind).ok_or_else(|| Error::Corrupt(format!("notification_items.kind of {}", row.notice_id)))?;
    Ok(Item { notice_id: row.notice_id, alert_id: row.alert_id.into(), key: row.alert_key, kind, at: row.at })
}
