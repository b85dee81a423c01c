//! Report plans: when a report is sent by itself, and where.
//!
//! What must hold: a plan's period is sent once. What is sent is written with the next time, by who finds the row as it was read.

use chrono::{DateTime, Utc};
use domain::{
    audit::{Change, Target},
    ids::{ChannelId, DomainId, ReportPlanId},
    notification::{Message, channel::Weekday},
    report::{Period, Plan},
    schedule::input,
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, IntoActiveModel, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::{Expr, ExprTrait},
};

use crate::{
    Database, Error, Transaction,
    audit::{NONE, audit_record_in_txn},
    domains::domain_hold_in_txn,
    entity::report_plan::{ActiveModel, Column, Entity, Model},
    notifications::notification_put_message_in_txn,
};

/// A plan as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Id.
    pub id: ReportPlanId,
    /// What people set.
    pub plan: Plan,
    /// When it is sent next; `None`: it is off.
    pub due_at: Option<DateTime<Utc>>,
    /// When it was sent last.
    pub last_sent_at: Option<DateTime<Utc>>,
    /// Counts its changes.
    pub revision: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Who created it.
    pub created_by: String,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Who changed it last.
    pub updated_by: String,
}

/// Selects plans of a list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only that with this name.
    pub name: Option<String>,
    /// Only those that are on, or off.
    pub enabled: Option<bool>,
    /// The last plan of the previous page.
    pub after: Option<ReportPlanId>,
    /// Page size.
    pub limit: u64,
}

/// Adds a plan.
///
/// # Errors
/// [`Error::Duplicate`] when another has its name, [`Error::Dangling`] when there is no such domain.
pub async fn report_plan_insert_in_txn(txn: &Transaction, change: &Change, stored: &Stored) -> Result<(), Error> {
    hold_domain(txn, &stored.plan).await?;
    let row = to_row(stored)?;
    Entity::insert(row.clone().into_active_model().reset_all()).exec_without_returning(&txn.0).await?;
    audit_record_in_txn(txn, change, ("report_plan.create", target(stored.id)), (NONE, Some(&row)), stored.created_at).await
}

/// A plan, which stays as it is until the transaction ends.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn report_plan_lock_in_txn(txn: &Transaction, id: ReportPlanId) -> Result<Option<Stored>, Error> {
    Entity::find_by_id(id.get()).lock_exclusive().one(&txn.0).await?.map(from_row).transpose()
}

/// Writes a plan that [`report_plan_lock_in_txn`] returned as `before`, with the revision after its.
///
/// # Errors
/// As [`report_plan_insert_in_txn`].
pub async fn report_plan_update_in_txn(txn: &Transaction, change: &Change, (before, after): (&Stored, &Stored)) -> Result<(), Error> {
    hold_domain(txn, &after.plan).await?;
    let (before, row) = (to_row(before)?, Model { revision: before.revision + 1, ..to_row(after)? });
    row.clone().into_active_model().reset_all().update(&txn.0).await?;
    audit_record_in_txn(txn, change, ("report_plan.update", target(after.id)), (Some(&before), Some(&row)), after.updated_at).await
}

/// Deletes a plan that [`report_plan_lock_in_txn`] returned.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn report_plan_delete_in_txn(txn: &Transaction, change: &Change, stored: &Stored, now: DateTime<Utc>) -> Result<(), Error> {
    Entity::delete_by_id(stored.id.get()).exec(&txn.0).await?;
    audit_record_in_txn(txn, change, ("report_plan.delete", target(stored.id)), (Some(&to_row(stored)?), NONE), now).await
}

/// One plan.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn report_plan_get(database: &Database, id: ReportPlanId) -> Result<Option<Stored>, Error> {
    Entity::find_by_id(id.get()).one(database.connection()).await?.map(from_row).transpose()
}

/// Plans in order of creation.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn report_plan_list(database: &Database, filter: &Filter) -> Result<Vec<Stored>, Error> {
    let wanted = Condition::all()
        .add_option(filter.name.as_ref().map(|name| Column::Name.eq(name)))
        .add_option(filter.enabled.map(|enabled| Column::Enabled.eq(enabled)))
        .add_option(filter.after.map(|after| Column::Id.gt(after.get())));
    let rows = Entity::find().filter(wanted).order_by_asc(Column::Id).limit(filter.limit).all(database.connection()).await?;
    rows.into_iter().map(from_row).collect()
}

/// Plans that must be sent, those first that wait longest.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn report_plan_list_due_unscoped(database: &Database, now: DateTime<Utc>, limit: u64) -> Result<Vec<Stored>, Error> {
    let due = Entity::find().filter(Column::DueAt.lte(now)).order_by_asc(Column::DueAt).limit(limit);
    due.all(database.connection()).await?.into_iter().map(from_row).collect()
}

/// Writes the messages of a plan that was due, and when it is due next. `false`: somebody else has, or changed it meanwhile; nothing is written.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn report_plan_send(
    database: &Database,
    stored: &Stored,
    (messages, next_at): (&[(ChannelId, Message)], Option<DateTime<Utc>>),
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let txn = database.begin().await?;
    let found = report_plan_lock_in_txn(&txn, stored.id).await?;
    if found.is_none_or(|found| found.due_at != stored.due_at || found.revision != stored.revision) {
        return Ok(false);
    }
    for (channel, message) in messages {
        notification_put_message_in_txn(&txn, *channel, message, now).await?;
    }
    let row = ActiveModel { id: Set(stored.id.get()), due_at: Set(next_at), last_sent_at: Set(Some(now)), ..Default::default() };
    row.update(&txn.0).await?;
    txn.commit().await?;
    Ok(true)
}

/// Writes messages of a plan that somebody asked for, besides its times.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn report_plan_send_now(
    database: &Database,
    change: &Change,
    (stored, messages): (&Stored, &[(ChannelId, Message)]),
    now: DateTime<Utc>,
) -> Result<(), Error> {
    let txn = database.begin().await?;
    for (channel, message) in messages {
        notification_put_message_in_txn(&txn, *channel, message, now).await?;
    }
    let row = to_row(stored)?;
    audit_record_in_txn(&txn, change, ("report_plan.send", target(stored.id)), (Some(&row), Some(&row)), now).await?;
    txn.commit().await
}

/// Names of the plans that are sent over this channel, the first ten by name.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn report_plan_list_of_channel_in_txn(txn: &Transaction, id: ChannelId) -> Result<Vec<String>, Error> {
    // As a text: the two databases have no operator for this in common.
    let channels = Expr::col(Column::Channels).cast_as("text");
    let query = Entity::find().select_only().column(Column::Name).filter(channels.like(format!("%\"{id}\"%")));
    Ok(query.order_by_asc(Column::Name).limit(10).into_tuple().all(&txn.0).await?)
}

/// How many plans are about a domain, and the names of the first ones.
pub(crate) async fn report_plan_list_of_domain_in_txn(txn: &Transaction, id: DomainId, limit: u64) -> Result<(u64, Vec<String>), Error> {
    let about = Entity::find().filter(Column::DomainId.eq(id.get()));
    let count = about.clone().count(&txn.0).await?;
    let names = about.select_only().column(Column::Name).order_by_asc(Column::Name).limit(limit);
    Ok((count, names.into_tuple().all(&txn.0).await?))
}

/// A plan in the audit trail.
fn target(id: ReportPlanId) -> Target {
    Target::new("report_plan", id)
}

async fn hold_domain(txn: &Transaction, plan: &Plan) -> Result<(), Error> {
    match plan.domain_id {
        Some(id) if !domain_hold_in_txn(txn, id).await? => Err(Error::Dangling("domain_id")),
        _ => Ok(()),
    }
}

fn to_row(stored: &Stored) -> Result<Model, Error> {
    let Stored { id, plan, due_at, last_sent_at, revision, created_at, created_by, updated_at, updated_by } = stored.clone();
    let Plan { name, period, weekday, at, timezone, domain_id, channels, enabled } = plan;
    Ok(Model {
        id: id.get(),
        name,
        period: period.as_str().to_owned(),
        weekday: weekday.map(|weekday| weekday.as_str().to_owned()),
        at: input::time_of_day_text(at),
        timezone,
        domain_id: domain_id.map(DomainId::get),
        channels: serde_json::to_value(channels).map_err(|error| Error::Refused(error.to_string()))?,
        enabled,
        due_at,
        last_sent_at,
        revision,
        created_at,
        created_by,
        updated_at,
        updated_by,
    })
}

fn from_row(row: Model) -> Result<Stored, Error> {
    let corrupt = |column: &str| Error::Corrupt(format!("report_plans.{column} of {}", row.id));
    let plan = Plan {
        period: Period::parse(&row.period).ok_or_else(|| corrupt("period"))?,
        weekday: row.weekday.as_deref().map(|text| Weekday::parse(text).ok_or_else(|| corrupt("weekday"))).transpose()?,
        at: input::time_of_day("at", &row.at).map_err(|_| corrupt("at"))?,
        domain_id: row.domain_id.map(DomainId::from),
        channels: serde_json::from_value(row.channels).map_err(|_| corrupt("channels"))?,
        name: row.name,
        timezone: row.timezone,
        enabled: row.enabled,
    };
    Ok(Stored {
        id: row.id.into(),
        plan,
        due_at: row.due_at,
        last_sent_at: row.last_sent_at,
        revision: row.revision,
        created_at: row.created_at,
        created_by: row.created_by,
        updated_at: row.updated_at,
        updated_by: row.updated_by,
    })
}
