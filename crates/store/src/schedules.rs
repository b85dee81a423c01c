//! Schedules, with what they became.
//!
//! A schedule's `wake_at` says when a scheduler must look at it, and nothing else does: whoever changes what a schedule does sets it to
//! [`AT_ONCE`], and the scheduler that looks decides and writes the next one. While it does, `wake_at` is when its claim ends, which is also the
//! fence of what it writes: a row that somebody woke meanwhile, or another replica took over, keeps its own, and is decided again.

mod claim;
mod fires;
mod pause;
mod row;
mod wake;

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Scope,
    audit::{Change, Target},
    calendar::{DayRule, OnBlackout},
    ids::{AutomationId, CalendarId, ScheduleId, VersionId},
    policy::Overrides,
    schedule::{Misfire, ScheduleState, StateReason, Window},
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
};
use serde_json::{Map, Value};
use uuid::Uuid;

pub use domain::schedule::FireState;

use self::row::{from_row, to_row};
pub use self::{
    claim::{Claim, Decided, schedule_claim, schedule_finish},
    fires::{Fire, FireFilter, fire_list, fire_list_last, fire_list_newest},
    pause::{Paused, schedule_list_pauses, schedule_list_pauses_unscoped, schedule_pause, schedule_resume},
    wake::{
        Standing, automation_list_standing_unscoped, schedule_any_ahead_unscoped, schedule_next_wake_unscoped, schedule_wake_changed,
        schedule_wake_of_calendar_in_txn, schedule_wake_page, scheduler_state, scheduler_state_put,
    },
};
use crate::{
    Database, Error, Transaction,
    audit::{NONE, audit_record_in_txn},
    calendars::calendar_hold_in_txn,
    dialect,
    entity::{automation, schedule, schedule_fire},
    scope,
    search::has_text,
};

/// The `wake_at` of a schedule that a scheduler must look at whatever the clock says.
pub const AT_ONCE: DateTime<Utc> = DateTime::UNIX_EPOCH;

/// When a schedule is due, as it is written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Spec {
    /// By an expression.
    Cron(String),
    /// Every so many seconds from the anchor on.
    Interval {
        /// Seconds from slot to slot.
        seconds: i64,
        /// The first slot.
        anchor: DateTime<Utc>,
    },
    /// Once.
    Once(DateTime<Utc>),
}

/// A schedule's calendar, and what it means to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CalendarUse {
    /// The calendar.
    pub id: CalendarId,
    /// What its days mean.
    pub rule: DayRule,
    /// What its blackouts do.
    pub on_blackout: OnBlackout,
}

/// What people set of a schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Draft {
    /// The automation whose jobs it asks for.
    pub automation_id: AutomationId,
    /// Its name; unique among the schedules of the automation.
    pub name: String,
    /// When it is due.
    pub spec: Spec,
    /// IANA name of its zone.
    pub timezone: String,
    /// The calendar that it obeys.
    pub calendar: Option<CalendarUse>,
    /// The hours in which it fires.
    pub window: Option<Window>,
    /// Each run starts up to so many seconds after its slot.
    pub jitter_s: i64,
    /// No slot before this instant.
    pub start_at: Option<DateTime<Utc>>,
    /// No slot at this instant or later.
    pub end_at: Option<DateTime<Utc>>,
    /// Whether it fires at all.
    pub enabled: bool,
    /// What happens to missed slots.
    pub misfire: Misfire,
    /// Parameters of its jobs, with placeholders.
    pub parameters: Map<String, Value>,
    /// Settings of its jobs.
    pub job: Overrides,
    /// Version that its jobs run.
    pub version_id: Option<VersionId>,
    /// Environment of its jobs.
    pub environment: Option<String>,
}

impl Draft {
    /// Whether it is due at other times than `other`, or again. The delay of runs and what happens to missed slots do not count.
    #[must_use]
    pub fn differs_in_times(&self, other: &Self) -> bool {
        let times = |draft: &Self| (draft.calendar, draft.window, draft.start_at, draft.end_at, draft.enabled);
        self.spec != other.spec || self.timezone != other.timezone || times(self) != times(other)
    }
}

/// A schedule.
#[derive(Clone, Debug, PartialEq)]
pub struct Schedule {
    /// Id, UUID v7.
    pub id: ScheduleId,
    /// What people set.
    pub draft: Draft,
    /// The last decided slot, or when its times were saved.
    pub cursor_at: DateTime<Utc>,
    /// When a scheduler looks at it next; `None`: when somebody changes something.
    pub wake_at: Option<DateTime<Utc>>,
    /// The last slot that became a job.
    pub last_slot_at: Option<DateTime<Utc>>,
    /// Its state when a scheduler last looked.
    pub state: ScheduleState,
    /// Why it is in that state.
    pub state_reason: Option<StateReason>,
    /// Number of its version: a change names the one that it is based on.
    pub revision: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When somebody last changed it.
    pub updated_at: DateTime<Utc>,
    /// Who did.
    pub updated_by: Option<String>,
}

/// Selects schedules.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only these; empty: all.
    pub ids: Vec<ScheduleId>,
    /// Only those of this automation.
    pub automation_id: Option<AutomationId>,
    /// Only those of automations of the domain with this slug.
    pub domain: Option<String>,
    /// Only those with this calendar.
    pub calendar_id: Option<CalendarId>,
    /// Only those that are switched on, or off.
    pub enabled: Option<bool>,
    /// Only those in one of these states; empty: all.
    pub states: Vec<ScheduleState>,
    /// Only the one with this name, of each automation.
    pub name: Option<String>,
    /// Only those with this text in their name, in upper or lower case.
    pub search: Option<String>,
    /// Page size; 0: all.
    pub limit: u64,
    /// The last schedule of the page before.
    pub after: Option<ScheduleId>,
}

/// Outcome of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// It is done. With the schedule as it is now.
    Done(Box<Schedule>),
    /// There is no such schedule in scope.
    Missing,
    /// Somebody changed it since: its revision is another one.
    Stale(i64),
}

/// Creates a schedule. Slots after `now` count; a scheduler looks at it at once.
///
/// # Errors
/// [`Error::Duplicate`] when the automation has one of this name, [`Error::Dangling`] when there is no such automation or calendar.
pub async fn schedule_insert(
    database: &Database,
    change: &Change,
    id: ScheduleId,
    draft: &Draft,
    now: DateTime<Utc>,
) -> Result<Schedule, Error> {
    database.in_transaction(async |txn| schedule_insert_in_txn(txn, change, id, draft, now).await).await
}

/// [`schedule_insert`] in the caller's transaction.
///
/// # Errors
/// As [`schedule_insert`]; the transaction must then be dropped.
pub async fn schedule_insert_in_txn(
    txn: &Transaction,
    change: &Change,
    id: ScheduleId,
    draft: &Draft,
    now: DateTime<Utc>,
) -> Result<Schedule, Error> {
    schedule_lock_in_txn(txn).await?;
    hold_calendar(txn, draft).await?;
    check_automation(txn, draft.automation_id).await?;
    let row = schedule::ActiveModel {
        id: Set(id.get()),
        cursor_at: Set(now),
        wake_at: Set(Some(AT_ONCE)),
        state: Set(ScheduleState::Active.as_str().to_owned()),
        revision: Set(1),
        created_at: Set(now),
        updated_at: Set(now),
        updated_by: Set(Some(change.author().actor.clone())),
        ..to_row(draft)?
    };
    let row = row.insert(&txn.0).await?;
    audit_record_in_txn(txn, change, ("schedule.create", target(id)), (NONE, Some(&row)), now).await?;
    from_row(row)
}

/// Changes a schedule in scope; `revision`: only if it is still this one. If its times change, slots after `now` count, else those that are not
/// decided yet. A scheduler looks at it at once.
///
/// # Errors
/// As [`schedule_insert`].
pub async fn schedule_update(
    database: &Database,
    (scope, change): (&Scope, &Change),
    (id, revision): (ScheduleId, Option<i64>),
    draft: &Draft,
    now: DateTime<Utc>,
) -> Result<Update, Error> {
    database.in_transaction(async |txn| schedule_update_in_txn(txn, (scope, change), (id, revision), draft, now).await).await
}

/// [`schedule_update`] in the caller's transaction.
///
/// # Errors
/// As [`schedule_insert`]; the transaction must then be dropped.
pub async fn schedule_update_in_txn(
    txn: &Transaction,
    (scope, change): (&Scope, &Change),
    (id, revision): (ScheduleId, Option<i64>),
    draft: &Draft,
    now: DateTime<Utc>,
) -> Result<Update, Error> {
    hold_calendar(txn, draft).await?;
    let find = schedule::Entity::find_by_id(id.get()).filter(in_scope(scope)).lock_exclusive();
    let Some(before) = find.one(&txn.0).await? else { return Ok(Update::Missing) };
    if revision.is_some_and(|revision| revision != before.revision) {
        return Ok(Update::Stale(before.revision));
    }
    if draft.automation_id.get() != before.automation_id {
        check_automation(txn, draft.automation_id).await?;
    }
    let is_elsewhen = from_row(before.clone())?.draft.differs_in_times(draft);
    let row = schedule::ActiveModel {
        id: Unchanged(id.get()),
        cursor_at: Set(if is_elsewhen { now } else { before.cursor_at }),
        wake_at: Set(Some(AT_ONCE)),
        revision: Set(before.revision + 1),
        updated_at: Set(now),
        updated_by: Set(Some(change.author().actor.clone())),
        ..to_row(draft)?
    };
    let after = row.update(&txn.0).await?;
    audit_record_in_txn(txn, change, ("schedule.update", target(id)), (Some(&before), Some(&after)), now).await?;
    Ok(Update::Done(Box::new(from_row(after)?)))
}

/// Deletes a schedule in scope with its pauses and fires; its jobs stay. `false` when there is none.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn schedule_delete(
    database: &Database,
    (scope, change): (&Scope, &Change),
    id: ScheduleId,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    database.in_transaction(async |txn| schedule_delete_in_txn(txn, (scope, change), id, now).await).await
}

/// [`schedule_delete`] in the caller's transaction.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn schedule_delete_in_txn(
    txn: &Transaction,
    (scope, change): (&Scope, &Change),
    id: ScheduleId,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let find = schedule::Entity::find_by_id(id.get()).filter(in_scope(scope)).lock_exclusive();
    let Some(before) = find.one(&txn.0).await? else { return Ok(false) };
    schedule_fire::Entity::delete_many().filter(schedule_fire::Column::ScheduleId.eq(id.get())).exec(&txn.0).await?;
    schedule::Entity::delete_by_id(id.get()).exec(&txn.0).await?;
    audit_record_in_txn(txn, change, ("schedule.delete", target(id)), (Some(&before), NONE), now).await?;
    Ok(true)
}

/// One schedule.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn schedule_get(database: &Database, scope: &Scope, id: ScheduleId) -> Result<Option<Schedule>, Error> {
    schedule::Entity::find_by_id(id.get()).filter(in_scope(scope)).one(database.connection()).await?.map(from_row).transpose()
}

/// Schedules by id: in the order in which they were created.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn schedule_list(database: &Database, scope: &Scope, filter: &Filter) -> Result<Vec<Schedule>, Error> {
    let mut query = schedule::Entity::find().filter(matching(scope, filter)).order_by_asc(schedule::Column::Id);
    if let Some(after) = filter.after {
        query = query.filter(schedule::Column::Id.gt(after.get()));
    }
    if filter.limit > 0 {
        query = query.limit(filter.limit);
    }
    query.all(database.connection()).await?.into_iter().map(from_row).collect()
}

/// Keeps schedules from being added until the transaction ends, so that what it has read of all of them stays all.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn schedule_lock_in_txn(txn: &Transaction) -> Result<(), Error> {
    Ok(dialect::lock(&txn.0, "regente schedules").await?)
}

/// Ids and revisions of the schedules of these automations.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn schedule_list_revisions_in_txn(txn: &Transaction, automations: &[AutomationId]) -> Result<Vec<(ScheduleId, i64)>, Error> {
    use schedule::Column::{AutomationId as Automation, Id, Revision};
    let mut all = Vec::new();
    for ids in automations.chunks(5_000) {
        let query = schedule::Entity::find().select_only().columns([Id, Revision]);
        let rows: Vec<(Uuid, i64)> = query.filter(Automation.is_in(ids.iter().map(|id| id.get()))).into_tuple().all(&txn.0).await?;
        all.extend(rows.into_iter().map(|(id, revision)| (id.into(), revision)));
    }
    Ok(all)
}

/// The number of schedules that match the filter, whatever its page.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn schedule_count(database: &Database, scope: &Scope, filter: &Filter) -> Result<u64, Error> {
    Ok(schedule::Entity::find().filter(matching(scope, filter)).count(database.connection()).await?)
}

/// A schedule in the audit trail.
#[must_use]
pub fn target(id: ScheduleId) -> Target {
    Target::new("schedule", id)
}

/// Of the filter, all but its page.
fn matching(scope: &Scope, filter: &Filter) -> Condition {
    use schedule::Column as C;
    let among = |ids: &[ScheduleId]| (!ids.is_empty()).then(|| C::Id.is_in(ids.iter().map(|id| id.get())));
    let states = (!filter.states.is_empty()).then(|| C::State.is_in(filter.states.iter().map(|state| state.as_str())));
    in_scope(scope)
        .add_option(among(&filter.ids))
        .add_option(states)
        .add_option(filter.automation_id.map(|id| C::AutomationId.eq(id.get())))
        .add_option(filter.domain.as_deref().map(|slug| scope::has_domain(slug, C::AutomationId)))
        .add_option(filter.calendar_id.map(|id| C::CalendarId.eq(id.get())))
        .add_option(filter.enabled.map(|enabled| C::Enabled.eq(enabled)))
        .add_option(filter.name.as_ref().map(|name| C::Name.eq(name)))
        .add_option(filter.search.as_ref().map(|text| has_text(C::Name, text)))
}

fn in_scope(scope: &Scope) -> Condition {
    Condition::all().add_option(scope::has(scope, schedule::Column::AutomationId))
}

/// Keeps its calendar from being deleted meanwhile.
async fn hold_calendar(txn: &Transaction, draft: &Draft) -> Result<(), Error> {
    match draft.calendar {
        Some(calendar) if !calendar_hold_in_txn(txn, calendar.id).await? => Err(Error::Dangling("calendar_id")),
        _ => Ok(()),
    }
}

/// Automations are archived, never deleted.
async fn check_automation(txn: &Transaction, id: AutomationId) -> Result<(), Error> {
    let found = automation::Entity::find_by_id(id.get()).count(&txn.0).await?;
    if found == 1 { Ok(()) } else { Err(Error::Dangling("automation_id")) }
}

/// `at` as both databases keep it.
pub(crate) fn to_micros(at: DateTime<Utc>) -> DateTime<Utc> {
    let excess = i64::from(at.timestamp_subsec_nanos() % 1000);
    at.checked_sub_signed(TimeDelta::nanoseconds(excess)).unwrap_or(at)
}
