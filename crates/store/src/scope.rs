//! A [`Scope`] as query conditions. Jobs are filtered by their automation's id. Queues are in scope if an automation in scope names them,
//! and so are workers, tokens and pauses, which refer to queues only.

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

/// Condition that `column`, an automation's id, is in scope; `None`: every id is.
pub(crate) fn has(scope: &Scope, column: impl ColumnTrait) -> Option<Expr> {
    match scope {
        Scope::All => None,
        Scope::Automations(ids) => Some(column.is_in(ids.iter().map(|id| id.get()))),
    }
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
