//! Jobs that ended, and the rules that look at them.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use domain::ids::{AutomationId, JobId};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, sea_query::OnConflict};
use uuid::Uuid;

use super::{AT_ONCE, literally};
use crate::{
    Database, Error, Transaction,
    entity::{automation, job, sla, sla_end},
};

/// Rows of one statement: databases bound its parameters.
const MOST_ROWS: usize = 5_000;

/// A job that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EndedJob {
    /// When.
    pub at: DateTime<Utc>,
    /// The job.
    pub job_id: JobId,
    /// Its automation.
    pub automation_id: AutomationId,
}

/// Whether any rule looks at runs that end.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_any_follows_unscoped(database: &Database) -> Result<bool, Error> {
    let query = sla::Entity::find().select_only().column(sla::Column::Id).filter(literally("follows")).limit(1);
    Ok(query.into_tuple::<Uuid>().one(database.connection()).await?.is_some())
}

/// The next `limit` jobs that ended, by time of the end and id, after those that `after` names.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_list_ended_unscoped(database: &Database, (at, id): (DateTime<Utc>, JobId), limit: u64) -> Result<Vec<EndedJob>, Error> {
    use job::Column as C;
    let same = Condition::all().add(C::CompletedAt.eq(at)).add(C::Id.gt(id.get()));
    let query = job::Entity::find()
        .select_only()
        .columns([C::CompletedAt, C::Id, C::AutomationId])
        .filter(C::CompletedAt.gte(at))
        .filter(Condition::any().add(C::CompletedAt.gt(at)).add(same))
        .order_by_asc(C::CompletedAt)
        .order_by_asc(C::Id)
        .limit(limit);
    let rows: Vec<(DateTime<Utc>, Uuid, i32)> = query.into_tuple().all(database.connection()).await?;
    Ok(rows.into_iter().map(|(at, id, automation)| EndedJob { at, job_id: id.into(), automation_id: automation.into() }).collect())
}

/// Notes for the rules that look at ended runs that some of these automations did, and wakes them. Returns how many.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn sla_note_ended_in_txn(txn: &Transaction, automations: &BTreeSet<AutomationId>) -> Result<usize, Error> {
    let mut concerned = rules_of(txn, automations).await?;
    concerned.sort_unstable();
    for pairs in concerned.chunks(MOST_ROWS) {
        let rows = pairs.iter().map(|(rule, automation)| sla_end::ActiveModel { sla_id: Set(*rule), automation_id: Set(*automation) });
        let once = OnConflict::columns([sla_end::Column::SlaId, sla_end::Column::AutomationId]).do_nothing().to_owned();
        sla_end::Entity::insert_many(rows).on_conflict(once).exec_without_returning(&txn.0).await?;
    }
    let rules: Vec<Uuid> = BTreeSet::from_iter(concerned.into_iter().map(|(rule, _)| rule)).into_iter().collect();
    for rules in rules.chunks(MOST_ROWS) {
        // In one order, so that two monitors do not wait for each other.
        let locked = sla::Entity::find().select_only().column(sla::Column::Id).filter(sla::Column::Id.is_in(rules.iter().copied()));
        let _: Vec<Uuid> = locked.order_by_asc(sla::Column::Id).lock_exclusive().into_tuple().all(&txn.0).await?;
        let row = sla::ActiveModel { wake_at: Set(Some(AT_ONCE)), ..Default::default() };
        sla::Entity::update_many().set(row).filter(sla::Column::Id.is_in(rules.iter().copied())).exec(&txn.0).await?;
    }
    Ok(rules.len())
}

/// The rules that look at ended runs of these automations, each with the automation.
async fn rules_of(txn: &Transaction, automations: &BTreeSet<AutomationId>) -> Result<Vec<(Uuid, i32)>, Error> {
    use sla::Column as C;
    let follows = || sla::Entity::find().select_only().filter(C::Follows.eq(true)).filter(C::Enabled.eq(true));
    let ids = || automations.iter().map(|id| id.get());
    let own = follows().columns([C::Id, C::AutomationId]).filter(C::AutomationId.is_in(ids()));
    let mut concerned: Vec<(Uuid, i32)> = own.into_tuple().all(&txn.0).await?;
    let wide = follows().columns([C::Id, C::QueueName, C::DomainId]).filter(C::AutomationId.is_null());
    let wide: Vec<(Uuid, Option<String>, Option<Uuid>)> = wide.into_tuple().all(&txn.0).await?;
    if wide.is_empty() {
        return Ok(concerned);
    }
    use automation::Column as A;
    let places = automation::Entity::find().select_only().columns([A::Id, A::QueueName, A::DomainId]).filter(A::Id.is_in(ids()));
    let places: Vec<(i32, String, Option<Uuid>)> = places.into_tuple().all(&txn.0).await?;
    let places: HashMap<i32, (String, Option<Uuid>)> = places.into_iter().map(|(id, queue, domain)| (id, (queue, domain))).collect();
    for (rule, queue, domain) in wide {
        let is_of =
            |of: &(String, Option<Uuid>)| queue.as_ref().is_none_or(|name| *name == of.0) && domain.is_none_or(|id| of.1 == Some(id));
        concerned.extend(places.iter().filter(|(_, of)| is_of(of)).map(|(id, _)| (rule, *id)));
    }
    Ok(concerned)
}
