//! Calendars: which days and hours schedules may fire in.
//!
//! A calendar is read and written whole. Each change counts its revision, by which caches know what they must read again; a change is made
//! to the revision that its maker has read, or not at all.

mod row;

use chrono::{DateTime, Utc};
use domain::{
    audit::{Change, Target},
    calendar::{Calendar, HolidaySet, Hours},
    ids::{AutomationId, CalendarId},
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, EntityTrait, FromQueryResult, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    prelude::{ChronoDateTimeUtc, Json, Uuid},
    sea_query::LockType,
};

use self::row::{Audited, from_row, read, to_row, week};
use crate::{
    Database, Error, Transaction,
    audit::{NONE, audit_record_in_txn},
    entity::{
        calendar::{Column, Entity},
        schedule,
    },
    schedules::schedule_wake_of_calendar_in_txn,
    slas::{sla_list_with_calendar_in_txn, sla_wake_of_calendar_in_txn},
};

/// How many of the schedules that use a calendar are named.
const MAX_NAMED: u64 = 20;

/// A calendar as it is stored.
#[derive(Clone, Debug, PartialEq)]
pub struct Stored {
    /// Its id.
    pub id: CalendarId,
    /// What it says.
    pub calendar: Calendar,
    /// How often it was changed, and 1.
    pub revision: i64,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Who changed it last; `None`: every hub begins with it.
    pub updated_by: Option<String>,
}

/// A calendar in a list: without its days and blackouts, of which there may be many.
#[derive(Clone, Debug, PartialEq)]
pub struct Summary {
    /// Its id.
    pub id: CalendarId,
    /// Its name.
    pub name: String,
    /// Working hours of each day of the week, from Sunday.
    pub week: [Hours; 7],
    /// Its sets of holidays.
    pub holidays: Vec<HolidaySet>,
    /// How many days of its own it has.
    pub days: u32,
    /// How many blackouts it has.
    pub blackouts: u32,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Who changed it last; `None`: every hub begins with it.
    pub updated_by: Option<String>,
}

/// Selects calendars of a list.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only the one with this name.
    pub name: Option<String>,
    /// Id of the last calendar of the previous page.
    pub after: Option<CalendarId>,
    /// Page size.
    pub limit: u64,
}

/// Outcome of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// It is made.
    Done(Box<Stored>),
    /// There is no such calendar.
    Missing,
    /// Somebody else changed it meanwhile.
    Outdated,
}

/// Outcome of a deletion.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Deletion {
    /// It is gone. With its name.
    Done(String),
    /// There is no such calendar.
    Missing,
    /// Schedules use it.
    Used {
        /// How many.
        count: u64,
        /// The first of them by name, each with its automation.
        schedules: Vec<(String, AutomationId)>,
    },
    /// SLA rules use it.
    UsedBySlas {
        /// How many.
        count: u64,
        /// The names of the first.
        names: Vec<String>,
    },
}

/// Adds a calendar.
///
/// # Errors
/// [`Error::Duplicate`] when the name is taken.
pub async fn calendar_insert(
    database: &Database,
    change: &Change,
    id: CalendarId,
    calendar: &Calendar,
    now: DateTime<Utc>,
) -> Result<Stored, Error> {
    let mut row = to_row(calendar)?;
    (row.id, row.revision) = (Set(id.get()), Set(1));
    (row.created_at, row.updated_at, row.updated_by) = (Set(now), Set(now), Set(Some(change.author().actor.clone())));
    let insert = async |txn: &Transaction| {
        let stored = from_row(row.clone().insert(&txn.0).await?)?;
        let after = Audited::new(&stored.calendar);
        audit_record_in_txn(txn, change, ("calendar.create", target(id)), (NONE, Some(&after)), now).await?;
        Ok(stored)
    };
    database.in_transaction(insert).await
}

/// Changes a calendar that has this revision; the schedules and SLA rules that use it are looked at at once. `action` is what the audit trail calls it.
///
/// # Errors
/// [`Error::Duplicate`] when the name is taken.
pub async fn calendar_update(
    database: &Database,
    (change, action): (&Change, &'static str),
    (id, revision): (CalendarId, i64),
    calendar: &Calendar,
    now: DateTime<Utc>,
) -> Result<Update, Error> {
    let mut row = to_row(calendar)?;
    (row.id, row.revision) = (Unchanged(id.get()), Set(revision + 1));
    (row.updated_at, row.updated_by) = (Set(now), Set(Some(change.author().actor.clone())));
    let update = async |txn: &Transaction| {
        // Schedules may begin to use it meanwhile.
        let found = Entity::find_by_id(id.get()).lock(LockType::NoKeyUpdate).one(&txn.0).await?;
        let Some(before) = found else { return Ok(Update::Missing) };
        if before.revision != revision {
            return Ok(Update::Outdated);
        }
        let (before, after) = (from_row(before)?, from_row(row.clone().update(&txn.0).await?)?);
        schedule_wake_of_calendar_in_txn(txn, id).await?;
        sla_wake_of_calendar_in_txn(txn, id).await?;
        let [was, is] = Audited::both(&before.calendar, &after.calendar);
        audit_record_in_txn(txn, change, (action, target(id)), (Some(&was), Some(&is)), now).await?;
        Ok(Update::Done(Box::new(after)))
    };
    database.in_transaction(update).await
}

/// Deletes a calendar that no schedule and no SLA rule uses.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn calendar_delete(database: &Database, change: &Change, id: CalendarId, now: DateTime<Utc>) -> Result<Deletion, Error> {
    let delete = async |txn: &Transaction| {
        // Whoever makes a schedule use it waits from here on, and then finds it gone: see `calendar_hold_in_txn`.
        let Some(row) = Entity::find_by_id(id.get()).lock_exclusive().one(&txn.0).await? else { return Ok(Deletion::Missing) };
        let used = schedule::Entity::find().filter(schedule::Column::CalendarId.eq(id.get()));
        let count = used.clone().count(&txn.0).await?;
        if count > 0 {
            let names = used.select_only().columns([schedule::Column::Name, schedule::Column::AutomationId]);
            let names = names.order_by_asc(schedule::Column::Name).order_by_asc(schedule::Column::Id).limit(MAX_NAMED);
            let names: Vec<(String, i32)> = names.into_tuple().all(&txn.0).await?;
            return Ok(Deletion::Used { count, schedules: names.into_iter().map(|(name, id)| (name, id.into())).collect() });
        }
        let (count, names) = sla_list_with_calendar_in_txn(txn, id, MAX_NAMED).await?;
        if count > 0 {
            return Ok(Deletion::UsedBySlas { count, names });
        }
        Entity::delete_by_id(id.get()).exec(&txn.0).await?;
        let before = from_row(row)?.calendar;
        audit_record_in_txn(txn, change, ("calendar.delete", target(id)), (Some(&Audited::new(&before)), NONE), now).await?;
        Ok(Deletion::Done(before.name))
    };
    database.in_transaction(delete).await
}

/// Keeps a calendar from being deleted until the transaction ends; `false` when there is none. For whoever makes a schedule use it, before the
/// schedule's row is locked: a change of a calendar locks in the same order.
pub(crate) async fn calendar_hold_in_txn(txn: &Transaction, id: CalendarId) -> Result<bool, Error> {
    let held = Entity::find_by_id(id.get()).select_only().column(Column::Id).lock(LockType::KeyShare);
    Ok(held.into_tuple::<Uuid>().one(&txn.0).await?.is_some())
}

/// One calendar. Calendars are the hub's: who may read any automation reads all of them.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn calendar_get_unscoped(database: &Database, id: CalendarId) -> Result<Option<Stored>, Error> {
    Entity::find_by_id(id.get()).one(database.connection()).await?.map(from_row).transpose()
}

/// Calendars by id.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn calendar_list_unscoped(database: &Database, filter: &Filter) -> Result<Vec<Summary>, Error> {
    let columns = [
        Column::Id,
        Column::Name,
        Column::Week,
        Column::Holidays,
        Column::DayCount,
        Column::BlackoutCount,
        Column::CreatedAt,
        Column::UpdatedAt,
        Column::UpdatedBy,
    ];
    let mut query = Entity::find().select_only().columns(columns).order_by_asc(Column::Id).limit(filter.limit);
    if let Some(name) = &filter.name {
        query = query.filter(Column::Name.eq(name));
    }
    if let Some(after) = filter.after {
        query = query.filter(Column::Id.gt(after.get()));
    }
    let rows = query.into_model::<SummaryRow>().all(database.connection()).await?;
    rows.into_iter().map(SummaryRow::read).collect()
}

/// The revisions of these calendars; those that do not exist are missing.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn calendar_list_revisions_unscoped(database: &Database, ids: &[CalendarId]) -> Result<Vec<(CalendarId, i64)>, Error> {
    let query = Entity::find().select_only().columns([Column::Id, Column::Revision]);
    let query = query.filter(Column::Id.is_in(ids.iter().map(|id| id.get())));
    let found: Vec<(Uuid, i64)> = query.into_tuple().all(database.connection()).await?;
    Ok(found.into_iter().map(|(id, revision)| (id.into(), revision)).collect())
}

#[derive(FromQueryResult)]
struct SummaryRow {
    id: Uuid,
    name: String,
    week: Json,
    holidays: Json,
    day_count: i32,
    blackout_count: i32,
    created_at: ChronoDateTimeUtc,
    updated_at: ChronoDateTimeUtc,
    updated_by: Option<String>,
}

impl SummaryRow {
    fn read(self) -> Result<Summary, Error> {
        let Self { id, name, week: cell, holidays, day_count, blackout_count, created_at, updated_at, updated_by } = self;
        let corrupt = |column: &str| Error::Corrupt(format!("calendars.{column} of {id}"));
        Ok(Summary {
            id: id.into(),
            name,
            week: week(cell).ok_or_else(|| corrupt("week"))?,
            holidays: read(holidays).ok_or_else(|| corrupt("holidays"))?,
            days: u32::try_from(day_count).map_err(|_| corrupt("day_count"))?,
            blackouts: u32::try_from(blackout_count).map_err(|_| corrupt("blackout_count"))?,
            created_at,
            updated_at,
            updated_by,
        })
    }
}

fn target(id: CalendarId) -> Target {
    Target::new("calendar", id)
}
