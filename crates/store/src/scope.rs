//! A [`Scope`] as query conditions. Jobs are filtered by their automation's id. Queues are in scope if an automation in scope names them,
//! and so are workers, tokens and pauses, which refer to queues only.
//!
//! The database looks up which automations are in scope, so that the size of a query depends on the grants, not on the automations.

use std::collections::BTreeSet;

use ::domain::{Scope, scope::Places};
use sea_orm::{
    ColumnTrait, Condition, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, LikeExpr, Query, SelectStatement},
};

use crate::{
    Database, Error,
    entity::{automation, dead_letter, domain, job},
};

/// Condition that `column`, an automation's id, is in scope; `None`: every id is.
pub(crate) fn has(scope: &Scope, column: impl ColumnTrait) -> Option<Expr> {
    let automations = automation::Entity::find().select_only().column(automation::Column::Id);
    Some(column.in_subquery(automations.filter(has_automation(scope)?).into_query()))
}

/// Condition on an automation's own row that it is in scope; `None`: every automation is.
pub(crate) fn has_automation(scope: &Scope) -> Option<Condition> {
    let Scope::Only(places) = scope else { return None };
    Some(is_in(places))
}

fn is_in(Places { domains, automations, labels, within }: &Places) -> Condition {
    use automation::Column as C;
    // At least one condition, which nothing meets if there is no place.
    let mut any = Condition::any().add(C::Id.is_in(automations.iter().map(|id| id.get())));
    if !domains.is_empty() {
        any = any.add(C::DomainId.is_in(domains.iter().map(|id| id.get())));
    }
    let any = labels.iter().fold(any, |any, label| any.add(has_label(label)));
    Condition::all().add(any).add_option(within.as_deref().map(is_in))
}

/// Condition on an automation's own row that it has this label, which must be normalised: it is stored in quotes, of which it has none.
pub(crate) fn has_label(label: &str) -> Expr {
    let literal = label.replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
    let stored = Expr::col((automation::Entity, automation::Column::Labels)).cast_as("text");
    stored.like(LikeExpr::new(format!("%\"{literal}\"%")).escape('\\'))
}

/// Condition on an automation's own row that it belongs to the domain with this slug.
pub(crate) fn is_of_domain(slug: &str) -> Expr {
    automation::Column::DomainId.in_subquery(domain_named(slug))
}

/// The id of the domain with this slug.
pub(crate) fn domain_named(slug: &str) -> SelectStatement {
    domain::Entity::find().select_only().column(domain::Column::Id).filter(domain::Column::Slug.eq(slug)).into_query()
}

/// Condition that `column` is the id of an automation of the domain with this slug.
pub(crate) fn has_domain(slug: &str, column: impl ColumnTrait) -> Expr {
    let owned = automation::Entity::find().select_only().column(automation::Column::Id).filter(is_of_domain(slug));
    column.in_subquery(owned.into_query())
}

/// Condition that an automation in scope, archived or not, names the queue in `column`.
pub(crate) fn has_queue(scope: &Scope, column: impl ColumnTrait) -> Option<Expr> {
    Some(column.in_subquery(queues_of(scope)?))
}

/// Condition that a dead letter is in scope: by the job that it names, or by its queue if there is no such job.
pub(crate) fn has_dead_letter(scope: &Scope) -> Option<Expr> {
    use dead_letter::Column as C;
    let named = || {
        let named = Expr::col((job::Entity, job::Column::Id)).equals((dead_letter::Entity, C::JobId));
        Query::select().expr(Expr::val(1)).from(job::Entity).and_where(named).to_owned()
    };
    let reached = named().and_where(has(scope, job::Column::AutomationId)?).to_owned();
    Some(Expr::exists(reached).or(Expr::exists(named()).not().and(has_queue(scope, C::QueueName)?)))
}

/// The queues in scope; `None`: every queue.
pub(crate) async fn queues(database: &Database, scope: &Scope) -> Result<Option<BTreeSet<String>>, Error> {
    let Some(condition) = has_automation(scope) else { return Ok(None) };
    let names: Vec<String> = names().filter(condition).into_tuple().all(database.connection()).await?;
    Ok(Some(names.into_iter().collect()))
}

/// The queues that automations in scope name, and no other automation; `None`: every queue.
pub(crate) async fn queues_within(database: &Database, scope: &Scope) -> Result<Option<BTreeSet<String>>, Error> {
    let Some(outside) = outside(scope) else { return Ok(None) };
    let shared: Vec<String> = names().filter(outside).into_tuple().all(database.connection()).await?;
    let reached = queues(database, scope).await?;
    Ok(reached.map(|reached| reached.into_iter().filter(|name| !shared.contains(name)).collect()))
}

/// Condition on an automation's own row that it is out of scope; `None`: none is. A row without domain or labels is out of scope, too.
pub(crate) fn outside(scope: &Scope) -> Option<Condition> {
    let inside = automation::Entity::find().select_only().column(automation::Column::Id).filter(has_automation(scope)?);
    Some(Condition::all().add(automation::Column::Id.not_in_subquery(inside.into_query())))
}

fn queues_of(scope: &Scope) -> Option<SelectStatement> {
    Some(names().filter(has_automation(scope)?).into_query())
}

fn names() -> Select<automation::Entity> {
    automation::Entity::find().select_only().column(automation::Column::QueueName).distinct()
}
