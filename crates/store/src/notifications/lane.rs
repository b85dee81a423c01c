//! The lane of a channel: who sends to it, and what is next.

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    ids::{ChannelId, NotificationId},
    notification::{Message, NotificationState, Receipt, plan::Item},
    policy::RateLimit,
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, IntoActiveModel, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait, LockBehavior, LockType, Query},
};
use uuid::Uuid;

use super::{Notification, from_row, is_pending, route::to_item};
use crate::{
    Database, Error, Transaction,
    entity::{notice, notification, notification_attempt, notification_item, notification_lane},
};

/// A claim of a lane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claimed {
    /// The channel.
    pub channel_id: ChannelId,
    /// Counts the claims of the lane.
    pub fence: i64,
}

/// A message that is to be sent now.
#[derive(Clone, Debug, PartialEq)]
pub struct Sending {
    /// The message. Its attempts include this one.
    pub notification: Notification,
    /// The attempt.
    pub attempt_id: Uuid,
    /// The notices that it tells, in order.
    pub items: Vec<Item>,
}

/// What is next on a lane.
#[derive(Clone, Debug, PartialEq)]
pub enum Step {
    /// This message.
    Send(Box<Sending>),
    /// Nothing now; the claim is given up.
    Wait,
    /// Another one has claimed it.
    Lost,
}

/// What became of an attempt.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Finish {
    /// The receiver took it.
    Sent(Receipt),
    /// It is sent again at this time.
    Again(DateTime<Utc>, Option<u16>, String),
    /// It is given up.
    Failed(Option<u16>, String),
    /// There is nothing to send any more.
    Dropped(String),
}

/// When a lane must be looked at next; `None`: when a message is planned.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn lane_next_wake_unscoped(database: &Database) -> Result<Option<DateTime<Utc>>, Error> {
    use notification_lane::Column as C;
    // The end of a claim, if that is later: whoever has it looks by itself.
    let later = Expr::case(Expr::col(C::ClaimedUntil).gt(Expr::col(C::NextAt)), Expr::col(C::ClaimedUntil));
    let at: Expr = later.finally(Expr::col(C::NextAt)).into();
    let query = notification_lane::Entity::find().select_only().expr_as(at.clone(), "at").filter(C::NextAt.is_not_null());
    let next: Option<Option<DateTime<Utc>>> =
        query.order_by(at, sea_orm::Order::Asc).limit(1).into_tuple().one(database.connection()).await?;
    Ok(next.flatten())
}

/// Claims lanes with something to send, those first that wait longest, without those that another replica has claimed.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn lane_claim(database: &Database, (now, until): (DateTime<Utc>, DateTime<Utc>), limit: u64) -> Result<Vec<Claimed>, Error> {
    use notification_lane::Column as C;
    let is_free = Condition::any().add(C::ClaimedUntil.is_null()).add(C::ClaimedUntil.lte(now));
    let txn = database.begin().await?;
    let due = notification_lane::Entity::find()
        .filter(C::NextAt.lte(now))
        .filter(is_free)
        .order_by_asc(C::NextAt)
        .limit(limit)
        .lock_with_behavior(LockType::NoKeyUpdate, LockBehavior::SkipLocked);
    let rows = due.all(&txn.0).await?;
    let mut claimed = Vec::with_capacity(rows.len());
    for row in rows {
        let fence = row.fence + 1;
        claimed.push(Claimed { channel_id: row.channel_id.into(), fence });
        let row = notification_lane::ActiveModel { claimed_until: Set(Some(until)), fence: Set(fence), ..row.into_active_model() };
        row.update(&txn.0).await?;
    }
    txn.commit().await?;
    Ok(claimed)
}

/// Takes the next message of a lane, if one is due and the receiver's limit admits it, and extends the claim to `until`. Otherwise gives the claim up,
/// and notes when to look again.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn lane_next(
    database: &Database,
    claimed: Claimed,
    rate: Option<RateLimit>,
    (now, until, give_up_at): (DateTime<Utc>, DateTime<Utc>, DateTime<Utc>),
) -> Result<Step, Error> {
    let txn = database.begin().await?;
    let Some(lane) = lock(&txn, claimed).await? else { return Ok(Step::Lost) };
    let Some(head) = head(&txn, claimed.channel_id).await? else {
        return release(txn, lane, None).await.map(|()| Step::Wait);
    };
    let admitted = rate.map(|rate| rate.admit(lane.rate_tat, now)).transpose();
    let at = match &admitted {
        Ok(_) => head.due_at,
        Err(allowed_at) => Ord::max(head.due_at, *allowed_at),
    };
    let (Ok(tat), true) = (admitted, at <= now) else {
        return release(txn, lane, Some(at)).await.map(|()| Step::Wait);
    };
    let lane = notification_lane::ActiveModel { claimed_until: Set(Some(until)), rate_tat: Set(tat), ..lane.into_active_model() };
    lane.update(&txn.0).await?;
    let sending = begin(&txn, head, now, give_up_at).await?;
    txn.commit().await?;
    Ok(Step::Send(Box::new(sending)))
}

async fn begin(txn: &Transaction, row: notification::Model, now: DateTime<Utc>, give_up_at: DateTime<Utc>) -> Result<Sending, Error> {
    use notification_item::Column as I;
    let id = row.id;
    let changed = notification::Model {
        state: NotificationState::Sending.as_str().to_owned(),
        attempts: row.attempts + 1,
        give_up_at: row.give_up_at.or(Some(give_up_at)),
        ..row.clone()
    };
    let update = notification::ActiveModel {
        state: Set(changed.state.clone()),
        attempts: Set(changed.attempts),
        give_up_at: Set(changed.give_up_at),
        ..row.into_active_model()
    };
    update.update(&txn.0).await?;
    let attempt_id = Uuid::now_v7();
    let attempt = notification_attempt::Model {
        id: attempt_id,
        notification_id: id,
        at: now,
        is_taken: None,
        took_ms: None,
        status: None,
        answer: None,
    };
    notification_attempt::Entity::insert(attempt.into_active_model().reset_all()).exec_without_returning(&txn.0).await?;
    let items = notification_item::Entity::find().filter(I::NotificationId.eq(id)).order_by_asc(I::NoticeId).all(&txn.0).await?;
    let items = items.into_iter().map(to_item).collect::<Result<_, _>>()?;
    Ok(Sending { notification: from_row(changed)?, attempt_id, items })
}

/// Keeps the message as it is sent, so that every attempt sends the same.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn notification_keep_message(database: &Database, id: NotificationId, message: &Message) -> Result<(), Error> {
    use notification::Column as C;
    let json = serde_json::to_value(message).map_err(|error| Error::Refused(error.to_string()))?;
    let row = notification::ActiveModel { message: Set(Some(json)), title: Set(Some(message.title.clone())), ..Default::default() };
    let unsent = notification::Entity::update_many().set(row).filter(C::Id.eq(id.get())).filter(C::Message.is_null());
    unsent.exec(database.connection()).await?;
    Ok(())
}

/// Writes what became of an attempt. `false`: the claim was lost, and whoever has it now sends the message again.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn lane_finish(
    database: &Database,
    claimed: Claimed,
    sending: &Sending,
    (finish, took_ms): (&Finish, i64),
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let txn = database.begin().await?;
    if lock(&txn, claimed).await?.is_none() {
        return Ok(false);
    }
    let (is_taken, status, answer) = match finish {
        Finish::Sent(receipt) => (true, receipt.status, receipt.answer.clone()),
        Finish::Again(_, status, answer) | Finish::Failed(status, answer) => (false, *status, answer.clone()),
        Finish::Dropped(reason) => (false, None, reason.clone()),
    };
    let (state, ended_at, due_at, reason) = match finish {
        Finish::Sent(_) => (NotificationState::Sent, Some(now), None, None),
        Finish::Again(at, _, error) => (NotificationState::Waiting, None, Some(*at), Some(error.clone())),
        Finish::Failed(_, error) => (NotificationState::Failed, Some(now), None, Some(error.clone())),
        Finish::Dropped(reason) => (NotificationState::Dropped, Some(now), None, Some(reason.clone())),
    };
    let (status, answer) = (status.map(i32::from), Some(answer));
    let mut row = notification::ActiveModel {
        id: Set(sending.notification.id.get()),
        state: Set(state.as_str().to_owned()),
        reason: Set(reason),
        ended_at: Set(ended_at),
        status: Set(status),
        answer: Set(answer.clone()),
        ..Default::default()
    };
    if let Some(at) = due_at {
        row.due_at = Set(at);
    }
    if let Finish::Sent(Receipt { reference: Some(reference), .. }) = finish {
        row.reference = Set(Some(reference.clone()));
    }
    row.update(&txn.0).await?;
    let attempt = notification_attempt::ActiveModel {
        id: Set(sending.attempt_id),
        is_taken: Set(Some(is_taken)),
        took_ms: Set(Some(took_ms)),
        status: Set(status),
        answer: Set(answer),
        ..Default::default()
    };
    attempt.update(&txn.0).await?;
    txn.commit().await?;
    Ok(true)
}

/// Drops everything that waits on a lane, for this reason, and gives the claim up. Returns how many messages that were.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn lane_drop(database: &Database, claimed: Claimed, reason: &str, now: DateTime<Utc>) -> Result<u64, Error> {
    use notification::Column as C;
    let txn = database.begin().await?;
    let Some(lane) = lock(&txn, claimed).await? else { return Ok(0) };
    let row = notification::ActiveModel {
        state: Set(NotificationState::Dropped.as_str().to_owned()),
        reason: Set(Some(reason.to_owned())),
        ended_at: Set(Some(now)),
        ..Default::default()
    };
    let pending = notification::Entity::update_many().set(row).filter(C::ChannelId.eq(claimed.channel_id.get())).filter(is_pending());
    let dropped = pending.exec(&txn.0).await?.rows_affected;
    release(txn, lane, None).await?;
    Ok(dropped)
}

/// Gives a claim up without having looked; another may take it at `at`.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn lane_release(database: &Database, claimed: Claimed, at: DateTime<Utc>) -> Result<(), Error> {
    let txn = database.begin().await?;
    match lock(&txn, claimed).await? {
        Some(lane) => release(txn, lane, Some(at)).await,
        None => Ok(()),
    }
}

/// The lane, which stays as it is until the transaction ends, unless the claim was lost.
async fn lock(txn: &Transaction, claimed: Claimed) -> Result<Option<notification_lane::Model>, Error> {
    let lane = notification_lane::Entity::find_by_id(claimed.channel_id.get()).lock_exclusive().one(&txn.0).await?;
    Ok(lane.filter(|lane| lane.fence == claimed.fence))
}

async fn release(txn: Transaction, lane: notification_lane::Model, next_at: Option<DateTime<Utc>>) -> Result<(), Error> {
    let row = notification_lane::ActiveModel { next_at: Set(next_at), claimed_until: Set(None), ..lane.into_active_model() };
    row.update(&txn.0).await?;
    txn.commit().await
}

/// The first message that may be sent: one that a sender left behind, then by time, without those that wait for an earlier one of the same incident.
async fn head(txn: &Transaction, channel: ChannelId) -> Result<Option<notification::Model>, Error> {
    use notification::Column as N;
    use notification_item::Column as I;
    let of = |alias: &'static str, column: I| Expr::col((alias, column));
    let earlier = |column: N| Expr::col(("earlier", column));
    let blocking = Query::select()
        .expr(Expr::val(1))
        .from_as(notification_item::Entity, "mine")
        .from_as(notification_item::Entity, "theirs")
        .from_as(notification::Entity, "earlier")
        .and_where(of("mine", I::NotificationId).equals((notification::Entity, N::Id)))
        .and_where(of("theirs", I::ChannelId).equals(("mine", I::ChannelId)))
        .and_where(of("theirs", I::AlertKey).equals(("mine", I::AlertKey)))
        .and_where(earlier(N::Id).equals(("theirs", I::NotificationId)))
        // The few that wait are read, not all that told of the incident before.
        .and_where(earlier(N::ChannelId).equals((notification::Entity, N::ChannelId)))
        .and_where(earlier(N::Id).lt(Expr::col((notification::Entity, N::Id))))
        .and_where(Expr::cust("earlier.state in ('waiting', 'sending')"))
        .to_owned();
    let left_behind = notification::Entity::find().filter(N::ChannelId.eq(channel.get())).filter(is_pending());
    let left_behind = left_behind.filter(N::State.eq(NotificationState::Sending.as_str())).order_by_asc(N::Id).limit(1);
    if let Some(row) = left_behind.one(&txn.0).await? {
        return Ok(Some(row));
    }
    let query = notification::Entity::find().filter(N::ChannelId.eq(channel.get())).filter(is_pending());
    let query = query.filter(Expr::exists(blocking).not()).order_by_asc(N::DueAt).order_by_asc(N::Id).limit(1);
    Ok(query.one(&txn.0).await?)
}

/// How late the outbox is: since when the oldest notice waits to be routed, or a lane to be looked at.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn outbox_lateness_unscoped(database: &Database, now: DateTime<Utc>) -> Result<TimeDelta, Error> {
    use notice::Column as C;
    let unrouted = notice::Entity::find().select_only().column(C::At).filter(Expr::col((notice::Entity, C::RoutedAt)).is_null());
    let oldest: Option<DateTime<Utc>> = unrouted.order_by_asc(C::Id).limit(1).into_tuple().one(database.connection()).await?;
    let next = lane_next_wake_unscoped(database).await?;
    let since = oldest.into_iter().chain(next).min();
    Ok(since.map_or(TimeDelta::zero(), |since| Ord::max(now - since, TimeDelta::zero())))
}
