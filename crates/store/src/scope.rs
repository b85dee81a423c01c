//! A [`Scope`] as conditions of a query. What belongs to an automation directly, its jobs, is chosen by its id; queues belong to whoever's
//! automations name them, and with the queues what is known by these alone.

use std::collections::BTreeSet;

use domain::Scope;
use sea_orm::{
    ColumnTrait, EntityTrait, QueryFilter, QuerySelect, QueryTrait, Select,
    sea_query::{Expr, ExprTrait, Query, SelectStatement},
};

use crate::{
    Database, Error,
    entity::{automation, dead_letter, job},
};

/// Whether `column`, an automation's id, is in scope; `None`: it is, whatever it says.
pub(crate) fn has(scope: &Scope, column: impl ColumnTrait) -> Option<Expr> {
    match scope {
        Scope::All => None,
        Scope::Automations(ids) => Some(column.is_in(ids.iter().map(|id| id.get()))),
    }
}

/// Whether `column`, a queue's name, is one that an automation in scope names, archived or not.
pub(crate) fn has_queue(scope: &Scope, column: impl ColumnTrait) -> Option<Expr> {
    Some(column.in_subquery(queues_of(scope)?))
}

/// Whether a dead letter is in scope: by the job that it names, or by its queue when there is no such job.
pub(crate) fn has_dead_letter(scope: &Scope) -> Option<Expr> {
    use dead_letter::Column as C;
    let named = || {
        let named = Expr::col((job::Entity, job::Column::Id)).equals((dead_letter::Entity, C::JobId));
        Query::select().expr(Expr::val(1)).from(job::Entity).and_where(named).to_owned()
    };
    let reached = named().and_where(has(scope, job::Column::AutomationId)?).to_owned();
    Some(Expr::exists(reached).or(Expr::exists(named()).not().and(has_queue(scope, C::QueueName)?)))
}

/// The queues in scope; `None`: every one.
pub(crate) async fn queues(database: &Database, scope: &Scope) -> Result<Option<BTreeSet<String>>, Error> {
    let Some(condition) = has(scope, automation::Column::Id) else { return Ok(None) };
    let names: Vec<String> = names().filter(condition).into_tuple().all(database.connection()).await?;
    Ok(Some(names.into_iter().collect()))
}

fn queues_of(scope: &Scope) -> Option<SelectStatement> {
    Some(names().filter(has(scope, automation::Column::Id)?).into_query())
}

fn names() -> Select<automation::Entity> {
    automation::Entity::find().select_only().column(automation::Column::QueueName).distinct()
}
