//! Reads alerts.

use chrono::{DateTime, Utc};
use domain::{
    Scope,
    alert::{Alert, AlertEventKind, AlertSource, AlertStatus, AlertType, Severity},
    ids::{AlertId, AutomationId, SlaId},
};
use sea_orm::{
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, PaginatorTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::Expr,
};
use uuid::Uuid;

use super::row::from_row;
use crate::{
    Database, Error, Transaction,
    entity::{
        alert::{Column, Entity},
        alert_event,
    },
    scope,
};

/// Selects alerts. One must meet every condition; an empty list is none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Filter {
    /// Only these.
    pub ids: Vec<AlertId>,
    /// Only those in one of these states.
    pub statuses: Vec<AlertStatus>,
    /// Only those of one of these types.
    pub types: Vec<AlertType>,
    /// Only those of this severity.
    pub severities: Vec<Severity>,
    /// Only those of this automation.
    pub automation_id: Option<AutomationId>,
    /// Only those of automations of the domain with this slug.
    pub domain: Option<String>,
    /// Only those of this source.
    pub source: Option<AlertSource>,
    /// Only those of this rule.
    pub rule_id: Option<SlaId>,
    /// The last alert of the page before.
    pub after: Option<AlertId>,
    /// Page size.
    pub limit: u64,
}

/// A line of the story.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StoryLine {
    /// When; of repetitions, the last.
    pub at: DateTime<Utc>,
    /// What happened.
    pub what: AlertEventKind,
    /// Who did it; `None`: the hub.
    pub by: Option<String>,
    /// What there is to say of it.
    pub text: Option<String>,
}

/// One alert.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn alert_get(database: &Database, scope: &Scope, id: AlertId) -> Result<Option<Alert>, Error> {
    Entity::find_by_id(id.get()).filter(in_scope(scope)).one(database.connection()).await?.map(from_row).transpose()
}

/// Alerts, newest first.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn alert_list(database: &Database, scope: &Scope, filter: &Filter) -> Result<Vec<Alert>, Error> {
    let query = Entity::find().filter(matching(scope, filter)).order_by_desc(Column::Id).limit(filter.limit);
    query.all(database.connection()).await?.into_iter().map(from_row).collect()
}

/// How many alerts there are.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn alert_count(database: &Database, scope: &Scope, filter: &Filter) -> Result<u64, Error> {
    Ok(Entity::find().filter(matching(scope, filter)).count(database.connection()).await?)
}

/// Ids of alerts in scope, oldest first.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn alert_list_ids(database: &Database, scope: &Scope, filter: &Filter) -> Result<Vec<AlertId>, Error> {
    let query = Entity::find().select_only().column(Column::Id).filter(matching(scope, filter)).order_by_asc(Column::Id);
    let ids: Vec<Uuid> = query.limit(filter.limit).into_tuple().all(database.connection()).await?;
    Ok(ids.into_iter().map(AlertId::from).collect())
}

/// How many alerts are open, acknowledged or not, by type and severity.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn alert_count_open_unscoped(database: &Database) -> Result<Vec<(AlertType, Severity, AlertStatus, i64)>, Error> {
    let columns = [Column::AlertType, Column::Severity, Column::Status];
    let query = Entity::find().select_only().columns(columns).column_as(Column::Id.count(), "alerts").filter(Column::ResolvedAt.is_null());
    let query = columns.into_iter().fold(query, QuerySelect::group_by);
    let rows: Vec<(String, String, String, i64)> = query.into_tuple().all(database.connection()).await?;
    let parsed = |(kind, severity, status, alerts): (String, String, String, i64)| {
        Some((AlertType::parse(&kind)?, Severity::parse(&severity)?, AlertStatus::parse(&status)?, alerts))
    };
    Ok(rows.into_iter().filter_map(parsed).collect())
}

/// The story of an alert, whose scope the caller has checked, oldest first: the last `limit` lines.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn alert_list_story_unscoped(database: &Database, id: AlertId, limit: u64) -> Result<Vec<StoryLine>, Error> {
    use alert_event::Column as C;
    let query = alert_event::Entity::find().filter(C::AlertId.eq(id.get())).order_by_desc(C::Id).limit(limit);
    let mut rows = query.all(database.connection()).await?;
    rows.reverse();
    let line = |row: alert_event::Model| {
        let what = AlertEventKind::parse(&row.what).ok_or_else(|| Error::Corrupt(format!("alert_events.what of {}", row.id)))?;
        Ok(StoryLine { at: row.at, what, by: row.actor, text: row.detail })
    };
    rows.into_iter().map(line).collect()
}

fn matching(scope: &Scope, filter: &Filter) -> Condition {
    let Filter { ids, statuses, types, severities, automation_id, domain, source, rule_id, after, limit: _ } = filter;
    let is_open = !statuses.is_empty() && !statuses.contains(&AlertStatus::Resolved);
    in_scope(scope)
        .add_option((!ids.is_empty()).then(|| Column::Id.is_in(ids.iter().map(|id| id.get()))))
        // The same in the words of the index.
        .add_option(is_open.then(|| Column::ResolvedAt.is_null()))
        .add_option((!statuses.is_empty()).then(|| Column::Status.is_in(statuses.iter().map(|status| status.as_str()))))
        .add_option(one_of("alert_type", types.iter().map(|kind| kind.as_str())))
        .add_option(one_of("severity", severities.iter().map(|severity| severity.as_str())))
        .add_option(automation_id.map(|id| Column::AutomationId.eq(id.get())))
        .add_option(domain.as_deref().map(|slug| scope::has_domain(slug, Column::AutomationId)))
        .add_option(one_of("source", source.iter().map(|source| source.as_str())))
        .add_option(rule_id.map(|id| Column::RuleId.eq(id.get())))
        .add_option(after.map(|after| Column::Id.lt(after.get())))
}

/// Condition that a column has one of these words of the wire, if there are any; as literals, so that the planner knows which are rare.
fn one_of<'a>(column: &str, words: impl Iterator<Item = &'a str>) -> Option<Expr> {
    let words: Vec<String> = words.map(|word| format!("'{word}'")).collect();
    (!words.is_empty()).then(|| Expr::cust(format!("{column} IN ({})", words.join(", "))))
}

/// An alert of no automation is seen by those who see everything.
pub(super) fn in_scope(scope: &Scope) -> Condition {
    Condition::all().add_option(scope::has(scope, Column::AutomationId))
}

/// These alerts, in order of opening.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn alert_list_unscoped(database: &Database, ids: &[AlertId]) -> Result<Vec<Alert>, Error> {
    these(database.connection(), ids).await
}

/// These alerts, in order of opening, as this transaction sees them.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn alert_list_in_txn(txn: &Transaction, ids: &[AlertId]) -> Result<Vec<Alert>, Error> {
    these(&txn.0, ids).await
}

async fn these(connection: &impl ConnectionTrait, ids: &[AlertId]) -> Result<Vec<Alert>, Error> {
    let mut alerts = Vec::with_capacity(ids.len());
    for ids in ids.chunks(1000) {
        let query = Entity::find().filter(Column::Id.is_in(ids.iter().map(|id| id.get()))).order_by_asc(Column::Id);
        alerts.extend(query.all(connection).await?.into_iter().map(from_row).collect::<Result<Vec<_>, _>>()?);
    }
    Ok(alerts)
}
