//! SLA rules, and what is remembered of what they expect.
//!
//! A rule's `wake_at` says when a monitor must look at it, and nothing else does: whoever changes what a rule says sets it to [`AT_ONCE`], and the
//! monitor that looks decides and writes the next one. While it does, `wake_at` is when its claim ends, which is also the fence of what it writes: of
//! a rule that somebody woke meanwhile, or another replica took over, nothing is written, and it is judged again. The `due_at` of a state says the
//! same of one expectation of one subject.

mod claim;
mod ends;
mod facts;
mod history;
mod row;
mod states;
mod wake;

use chrono::{DateTime, Utc};
use domain::{
    Scope,
    alert::Resolution,
    audit::{Change, Target as Audited},
    ids::{AutomationId, CalendarId, DomainId, SlaId},
    scope::Places,
    sla::{Rule, Target, gone},
};
use sea_orm::{
    ActiveModelTrait,
    ActiveValue::{Set, Unchanged},
    ColumnTrait, Condition, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect,
    sea_query::Expr,
};

use self::row::{from_row, to_row};
pub(crate) use self::wake::sla_wake_of_calendar_in_txn;
pub use self::{
    claim::{Claim, Judged, sla_claim, sla_finish},
    ends::{EndedJob, sla_any_follows_unscoped, sla_list_ended_unscoped, sla_note_ended_in_txn},
    facts::{
        LastRuns, Success, SuccessOf, Waiting, Watched, sla_list_running_unscoped, sla_list_runs_unscoped, sla_list_schedules_unscoped,
        sla_list_successes_unscoped, sla_list_waiting_unscoped, sla_list_workers_unscoped,
    },
    history::{Coming, sla_list_front_unscoped, sla_list_history_unscoped, sla_list_last_ends_unscoped, sla_list_running_of_unscoped},
    states::{State, sla_list_ends_unscoped, sla_list_states, sla_list_states_unscoped},
    wake::{sla_lateness_unscoped, sla_monitor_state, sla_monitor_state_put, sla_next_wake_unscoped, sla_wake_of_automations},
};
pub use crate::schedules::AT_ONCE;
use crate::{
    Database, Error, Transaction,
    alerts::{AlertChange, alert_observe_in_txn},
    audit::{NONE, audit_record_in_txn},
    calendars::calendar_hold_in_txn,
    domains::domain_hold_in_txn,
    entity::{automation, sla},
    scope,
    search::has_text,
};

/// A rule.
#[derive(Clone, Debug, PartialEq)]
pub struct Sla {
    /// Id, UUID v7.
    pub id: SlaId,
    /// What people set.
    pub rule: Rule,
    /// What was before does not count: the rule was created, switched on, or expected something else.
    pub since_at: DateTime<Utc>,
    /// When a monitor looks at it next; `None`: when something changes.
    pub wake_at: Option<DateTime<Utc>>,
    /// Number of its version: a change names the one that it is based on.
    pub revision: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When somebody last changed it.
    pub updated_at: DateTime<Utc>,
    /// Who did.
    pub updated_by: Option<String>,
}

/// Selects rules.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only those of this automation.
    pub automation_id: Option<AutomationId>,
    /// Only those of this queue.
    pub queue: Option<String>,
    /// Only those of the domain with this slug.
    pub domain: Option<String>,
    /// Only those that are switched on, or off.
    pub enabled: Option<bool>,
    /// Only the one with this name.
    pub name: Option<String>,
    /// Only those with this text in their name, in upper or lower case.
    pub search: Option<String>,
    /// Page size.
    pub limit: u64,
    /// The last rule of the page before.
    pub after: Option<SlaId>,
}

/// Outcome of a change.
#[derive(Clone, Debug, PartialEq)]
pub enum Update {
    /// It is done. With the rule as it is now.
    Done(Box<Sla>),
    /// There is no such rule in scope.
    Missing,
    /// Somebody changed it since: its revision is another one.
    Stale(i64),
}

/// Creates a rule, which a monitor looks at at once.
///
/// # Errors
/// [`Error::Duplicate`] when there is one of this name, [`Error::Dangling`] when there is no such automation, domain or calendar.
pub async fn sla_insert(database: &Database, change: &Change, id: SlaId, rule: &Rule, now: DateTime<Utc>) -> Result<Sla, Error> {
    let insert = async |txn: &Transaction| {
        check(txn, rule).await?;
        let row = sla::ActiveModel {
            id: Set(id.get()),
            since_at: Set(now),
            wake_at: Set(Some(AT_ONCE)),
            revision: Set(1),
            created_at: Set(now),
            updated_at: Set(now),
            updated_by: Set(Some(change.author().actor.clone())),
            ..to_row(rule)?
        };
        let row = row.insert(&txn.0).await?;
        audit_record_in_txn(txn, change, ("sla.create", target(id)), (NONE, Some(&row)), now).await?;
        from_row(row)
    };
    database.in_transaction(insert).await
}

/// Changes a rule in scope; `revision`: only if it is still this one. A monitor looks at it at once; if it expects something else, nothing counts
/// that was before `now`.
///
/// # Errors
/// As [`sla_insert`].
pub async fn sla_update(
    database: &Database,
    (scope, change): (&Scope, &Change),
    (id, revision): (SlaId, Option<i64>),
    rule: &Rule,
    now: DateTime<Utc>,
) -> Result<Update, Error> {
    let update = async |txn: &Transaction| {
        check(txn, rule).await?;
        let find = sla::Entity::find_by_id(id.get()).filter(in_scope(scope)).lock_exclusive();
        let Some(before) = find.one(&txn.0).await? else { return Ok(Update::Missing) };
        if revision.is_some_and(|revision| revision != before.revision) {
            return Ok(Update::Stale(before.revision));
        }
        let was = from_row(before.clone())?.rule;
        let row = sla::ActiveModel {
            id: Unchanged(id.get()),
            since_at: Set(if expects_else(&was, rule) { now } else { before.since_at }),
            wake_at: Set(Some(AT_ONCE)),
            revision: Set(before.revision + 1),
            updated_at: Set(now),
            updated_by: Set(Some(change.author().actor.clone())),
            ..to_row(rule)?
        };
        let after = row.update(&txn.0).await?;
        wake::states_wake_in_txn(txn, &[id]).await?;
        audit_record_in_txn(txn, change, ("sla.update", target(id)), (Some(&before), Some(&after)), now).await?;
        Ok(Update::Done(Box::new(from_row(after)?)))
    };
    database.in_transaction(update).await
}

/// Deletes a rule in scope, and resolves its alerts, which it returns; `None` when there is no such rule.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_delete(
    database: &Database,
    (scope, change): (&Scope, &Change),
    id: SlaId,
    now: DateTime<Utc>,
) -> Result<Option<Vec<AlertChange>>, Error> {
    let delete = async |txn: &Transaction| {
        let find = sla::Entity::find_by_id(id.get()).filter(in_scope(scope)).lock_exclusive();
        let Some(before) = find.one(&txn.0).await? else { return Ok(None) };
        let rule = from_row(before.clone())?.rule;
        let states = states::list(&txn.0, &[id]).await?;
        let over = states.into_iter().map(|state| gone(&rule, (state.key, state.automation_id), Resolution::RuleChanged, now));
        let changes = alert_observe_in_txn(txn, &over.collect::<Vec<_>>(), now).await?;
        sla::Entity::delete_by_id(id.get()).exec(&txn.0).await?;
        audit_record_in_txn(txn, change, ("sla.delete", target(id)), (Some(&before), NONE), now).await?;
        Ok(Some(changes))
    };
    database.in_transaction(delete).await
}

/// One rule.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_get(database: &Database, scope: &Scope, id: SlaId) -> Result<Option<Sla>, Error> {
    sla::Entity::find_by_id(id.get()).filter(in_scope(scope)).one(database.connection()).await?.map(from_row).transpose()
}

/// Rules by id: in the order in which they were created.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_list(database: &Database, scope: &Scope, filter: &Filter) -> Result<Vec<Sla>, Error> {
    use sla::Column as C;
    let matching = in_scope(scope)
        .add_option(filter.automation_id.map(|id| C::AutomationId.eq(id.get())))
        .add_option(filter.queue.as_ref().map(|name| C::QueueName.eq(name)))
        .add_option(filter.domain.as_deref().map(|slug| C::DomainId.in_subquery(scope::domain_named(slug))))
        .add_option(filter.enabled.map(|enabled| C::Enabled.eq(enabled)))
        .add_option(filter.name.as_ref().map(|name| C::Name.eq(name)))
        .add_option(filter.search.as_ref().map(|text| has_text(C::Name, text)))
        .add_option(filter.after.map(|after| C::Id.gt(after.get())));
    let query = sla::Entity::find().filter(matching).order_by_asc(C::Id).limit(filter.limit);
    query.all(database.connection()).await?.into_iter().map(from_row).collect()
}

/// The names of the rules with this calendar: how many there are, and the first.
///
/// # Errors
/// Any [`Error`] of the database.
pub(crate) async fn sla_list_with_calendar_in_txn(txn: &Transaction, id: CalendarId, limit: u64) -> Result<(u64, Vec<String>), Error> {
    let used = sla::Entity::find().filter(sla::Column::CalendarId.eq(id.get()));
    let count = used.clone().count(&txn.0).await?;
    let names = used.select_only().column(sla::Column::Name).order_by_asc(sla::Column::Name).limit(limit);
    Ok((count, names.into_tuple().all(&txn.0).await?))
}

/// How many rules are about a domain, and the names of the first ones.
pub(crate) async fn sla_list_of_domain_in_txn(txn: &Transaction, id: DomainId, limit: u64) -> Result<(u64, Vec<String>), Error> {
    let about = sla::Entity::find().filter(sla::Column::DomainId.eq(id.get()));
    let count = about.clone().count(&txn.0).await?;
    let names = about.select_only().column(sla::Column::Name).order_by_asc(sla::Column::Name).limit(limit);
    Ok((count, names.into_tuple().all(&txn.0).await?))
}

/// A rule in the audit trail.
#[must_use]
pub fn target(id: SlaId) -> Audited {
    Audited::new("sla", id)
}

/// Whether it is about something else, or expects something else.
fn expects_else(was: &Rule, is: &Rule) -> bool {
    let what = |rule: &Rule| (rule.target.clone(), rule.calendar_id, rule.timezone.clone(), rule.enabled);
    was.expect != is.expect || what(was) != what(is)
}

/// Condition that a rule is in scope: its automation is; its domain is, whole; or, of a wider one, everything is.
fn in_scope(scope: &Scope) -> Condition {
    use sla::Column as C;
    let Scope::Only(places) = scope else { return Condition::all() };
    let any = Condition::any().add_option(scope::has(scope, C::AutomationId));
    Condition::all().add(any.add(C::DomainId.is_in(whole_domains(places).map(DomainId::get))))
}

/// The domains that are in these places whole.
fn whole_domains(places: &Places) -> impl Iterator<Item = DomainId> + '_ {
    let scope = Scope::Only(places.clone());
    places.domains.iter().copied().filter(move |id| scope.has_domain(Some(*id)))
}

/// Checks that what it names is there, and keeps its calendar and domain from being deleted.
async fn check(txn: &Transaction, rule: &Rule) -> Result<(), Error> {
    if let Some(id) = rule.calendar_id
        && !calendar_hold_in_txn(txn, id).await?
    {
        return Err(Error::Dangling("calendar_id"));
    }
    let (is_there, field) = match &rule.target {
        Target::Automation(id) => (automation::Entity::find_by_id(id.get()).count(&txn.0).await? == 1, "automation_id"),
        Target::Domain(id) => (domain_hold_in_txn(txn, *id).await?, "domain_id"),
        Target::Queue(_) | Target::Everything => return Ok(()),
    };
    if is_there { Ok(()) } else { Err(Error::Dangling(field)) }
}

/// Literal conditions, so that the planner can use partial indexes.
fn literally(condition: &'static str) -> Expr {
    Expr::cust(condition)
}
