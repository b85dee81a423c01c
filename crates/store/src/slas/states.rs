//! What is remembered of each expectation of each subject.

use domain::{
    Scope,
    alert::{AlertType, Key, Subject},
    ids::{AutomationId, SlaId},
    sla::{Known, Standing},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use uuid::Uuid;

use crate::{
    Database, Error, Transaction,
    entity::{sla_end, sla_state},
    scope,
};

/// Rows of one statement: databases bound its parameters.
const MOST_ROWS: usize = 500;

/// An expectation of a subject.
#[derive(Clone, Debug, PartialEq)]
pub struct State {
    /// Rule, type and subject.
    pub key: Key,
    /// The automation that the subject belongs to.
    pub automation_id: Option<AutomationId>,
    /// What is remembered.
    pub known: Known,
}

/// What is remembered of these rules.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_list_states_unscoped(database: &Database, ids: &[SlaId]) -> Result<Vec<State>, Error> {
    list(database.connection(), ids).await
}

/// What is remembered of a rule, of the subjects in scope.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_list_states(database: &Database, scope: &Scope, id: SlaId) -> Result<Vec<State>, Error> {
    use sla_state::Column as C;
    let matching = Condition::all().add(C::SlaId.eq(id.get())).add_option(scope::has(scope, C::AutomationId));
    let query = sla_state::Entity::find().filter(matching).order_by_asc(C::AlertType).order_by_asc(C::SubjectKind);
    query.order_by_asc(C::SubjectName).all(database.connection()).await?.into_iter().map(from_row).collect()
}

pub(super) async fn list(connection: &impl ConnectionTrait, ids: &[SlaId]) -> Result<Vec<State>, Error> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let query = sla_state::Entity::find().filter(sla_state::Column::SlaId.is_in(ids.iter().map(|id| id.get())));
    query.all(connection).await?.into_iter().map(from_row).collect()
}

/// The automations of which runs ended that these rules have not looked at.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_list_ends_unscoped(database: &Database, ids: &[SlaId]) -> Result<Vec<(SlaId, AutomationId)>, Error> {
    let query = sla_end::Entity::find().filter(sla_end::Column::SlaId.is_in(ids.iter().map(|id| id.get())));
    let rows = query.all(database.connection()).await?;
    Ok(rows.into_iter().map(|row| (row.sla_id.into(), row.automation_id.into())).collect())
}

pub(super) async fn ends_delete_in_txn(txn: &Transaction, ends: &[(SlaId, AutomationId)]) -> Result<(), Error> {
    use sla_end::Column::{AutomationId as Automation, SlaId as Sla};
    for ends in ends.chunks(MOST_ROWS) {
        let those = ends.iter().map(|(sla, automation)| Expr::tuple([Expr::val(sla.get()), Expr::val(automation.get())]));
        let key = Expr::tuple([Expr::col(Sla), Expr::col(Automation)]);
        sla_end::Entity::delete_many().filter(key.is_in(those)).exec(&txn.0).await?;
    }
    Ok(())
}

/// Writes what is to be remembered.
pub(super) async fn put_in_txn(txn: &Transaction, states: &[&State]) -> Result<(), Error> {
    use sla_state::Column as C;
    for states in states.chunks(MOST_ROWS) {
        let again = OnConflict::columns([C::SlaId, C::AlertType, C::SubjectKind, C::SubjectName])
            .update_columns([
                C::AutomationId,
                C::Standing,
                C::BreachedAt,
                C::ToldAt,
                C::FineSince,
                C::DueAt,
                C::IsUntilDue,
                C::SinceAt,
                C::BreachOf,
            ])
            .to_owned();
        let rows = states.iter().map(|state| to_row(state));
        sla_state::Entity::insert_many(rows).on_conflict(again).exec_without_returning(&txn.0).await?;
    }
    Ok(())
}

/// Forgets these.
pub(super) async fn delete_in_txn(txn: &Transaction, keys: &[&Key]) -> Result<(), Error> {
    use sla_state::Column as C;
    for keys in keys.chunks(MOST_ROWS / 2) {
        let one = |key: &&Key| {
            let (kind, name) = key.subject.parts();
            let subject = Condition::all().add(C::SubjectKind.eq(kind)).add(C::SubjectName.eq(name));
            subject.add(C::SlaId.eq(rule(key))).add(C::AlertType.eq(key.alert_type.as_str()))
        };
        let those = keys.iter().map(one).fold(Condition::any(), Condition::add);
        sla_state::Entity::delete_many().filter(those).exec(&txn.0).await?;
    }
    Ok(())
}

fn rule(key: &Key) -> Uuid {
    key.rule_id.unwrap_or_default().get()
}

fn to_row(State { key, automation_id, known }: &State) -> sla_state::ActiveModel {
    let (kind, name) = key.subject.parts();
    sla_state::ActiveModel {
        sla_id: Set(rule(key)),
        alert_type: Set(key.alert_type.as_str().to_owned()),
        subject_kind: Set(kind.to_owned()),
        subject_name: Set(name),
        automation_id: Set(automation_id.map(AutomationId::get)),
        standing: Set(known.standing.as_str().to_owned()),
        breached_at: Set(known.at),
        told_at: Set(known.told_at),
        fine_since: Set(known.fine_since),
        due_at: Set(known.due_at),
        is_until_due: Set(known.is_until_due),
        since_at: Set(known.since),
        breach_of: Set(known.breach_of),
    }
}

fn from_row(row: sla_state::Model) -> Result<State, Error> {
    let corrupt = |column: &str| Error::Corrupt(format!("sla_states.{column} of {}", row.sla_id));
    let key = Key {
        rule_id: Some(row.sla_id.into()),
        alert_type: AlertType::parse(&row.alert_type).ok_or_else(|| corrupt("alert_type"))?,
        subject: Subject::from_parts(&row.subject_kind, &row.subject_name).ok_or_else(|| corrupt("subject_kind"))?,
    };
    let known = Known {
        standing: Standing::parse(&row.standing).ok_or_else(|| corrupt("standing"))?,
        at: row.breached_at,
        told_at: row.told_at,
        fine_since: row.fine_since,
        due_at: row.due_at,
        is_until_due: row.is_until_due,
        since: row.since_at,
        breach_of: row.breach_of,
    };
    Ok(State { key, automation_id: row.automation_id.map(Into::into), known })
}
