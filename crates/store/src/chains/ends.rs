//! Ended jobs, and what they count for.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use domain::{
    chain::{Ended, run_of},
    ids::{AutomationId, ChainId, JobId},
    job::{Status, Trigger},
};
use sea_orm::{
    ActiveValue::Set, ColumnTrait, Condition, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::OnConflict,
};
use serde_json::Value;
use uuid::Uuid;

use super::{Chain, from_row, uuids};
use crate::{
    Database, Error, Transaction,
    entity::{chain, chain_input, chain_mark, chain_run, job},
};

/// An end that counts under a key of a chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mark {
    /// The input.
    pub automation_id: AutomationId,
    /// Its job.
    pub job_id: JobId,
    /// When that ended.
    pub ended_at: DateTime<Utc>,
}

/// Since when ends count for any chain that is switched on; `None`: none is.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn chain_since_unscoped(database: &Database) -> Result<Option<DateTime<Utc>>, Error> {
    let query = chain::Entity::find().select_only().column(chain::Column::SinceAt).filter(chain::Column::Enabled.eq(true));
    Ok(query.order_by_asc(chain::Column::SinceAt).into_tuple().one(database.connection()).await?)
}

/// Id, automation, status, end, earlier attempt, trigger, idempotency key.
type Row = (Uuid, i32, String, DateTime<Utc>, Option<Uuid>, String, Option<String>);

/// The next `limit` ended jobs of automations that a chain which is switched on waits for, by time of the end and id, after those that `after`
/// names. Without their results, which can be large.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn chain_list_ended_unscoped(database: &Database, (at, id): (DateTime<Utc>, JobId), limit: u64) -> Result<Vec<Ended>, Error> {
    use job::Column as C;
    let inputs = chain_input::Entity::find().select_only().column(chain_input::Column::AutomationId);
    let inputs = inputs.inner_join(chain::Entity).filter(chain::Column::Enabled.eq(true));
    let same = Condition::all().add(C::CompletedAt.eq(at)).add(C::Id.gt(id.get()));
    let query = job::Entity::find()
        .select_only()
        .columns([C::Id, C::AutomationId, C::Status, C::CompletedAt, C::RetryOf, C::Trigger, C::IdempotencyKey])
        .filter(C::CompletedAt.gte(at))
        .filter(Condition::any().add(C::CompletedAt.gt(at)).add(same))
        .filter(C::AutomationId.in_subquery(inputs.into_query()))
        .order_by_asc(C::CompletedAt)
        .order_by_asc(C::Id)
        .limit(limit);
    let rows: Vec<Row> = query.into_tuple().all(database.connection()).await?;
    let failed = rows.iter().filter(|row| row.2 == Status::Failed.as_str()).map(|row| row.0);
    let retried = retried(database.connection(), failed.collect()).await?;
    let roots = roots(database.connection(), rows.iter().map(|row| (row.0, row.4, row.5.clone(), row.6.clone())).collect()).await?;
    rows.into_iter()
        .map(|(id, automation, status, at, ..)| {
            Ok(Ended {
                job_id: id.into(),
                automation_id: automation.into(),
                status: Status::parse(&status).ok_or_else(|| Error::Corrupt(format!("jobs.status of {id}")))?,
                at,
                is_retried: retried.contains(&id),
                root: roots.get(&id).copied().unwrap_or(id).into(),
                result: None,
            })
        })
        .collect()
}

/// Those of these jobs that are tried again.
async fn retried(connection: &impl ConnectionTrait, ids: Vec<Uuid>) -> Result<Vec<Uuid>, Error> {
    if ids.is_empty() {
        return Ok(ids);
    }
    let query = job::Entity::find().select_only().column(job::Column::RetryOf).filter(job::Column::RetryOf.is_in(ids));
    Ok(query.into_tuple().all(connection).await?)
}

/// Id, earlier attempt, trigger and idempotency key of a job.
type Made = (Uuid, Option<Uuid>, String, Option<String>);

/// The root of each of these jobs: of its first attempt; of what a chain made, that of the run.
async fn roots(connection: &impl ConnectionTrait, jobs: Vec<Made>) -> Result<HashMap<Uuid, Uuid>, Error> {
    use job::Column as C;
    let mut known: HashMap<Uuid, Made> = jobs.iter().map(|made| (made.0, made.clone())).collect();
    loop {
        let missing: Vec<Uuid> = known.values().filter_map(|made| made.1).filter(|earlier| !known.contains_key(earlier)).collect();
        if missing.is_empty() {
            break;
        }
        let query = job::Entity::find().select_only().columns([C::Id, C::RetryOf, C::Trigger, C::IdempotencyKey]);
        let found: Vec<Made> = query.filter(C::Id.is_in(missing.iter().copied())).into_tuple().all(connection).await?;
        // An earlier attempt that is not kept any more was the first that is known.
        known.extend(missing.into_iter().map(|id| (id, (id, None, String::new(), None))));
        known.extend(found.into_iter().map(|made| (made.0, made)));
    }
    let of_chains = known.values().filter(|made| made.2 == Trigger::Chain.as_str());
    let runs: HashSet<(ChainId, &str)> = of_chains.filter_map(|made| run_of(made.3.as_deref()?)).collect();
    let of_runs = run_roots(connection, &runs).await?;
    let root_of = |id: Uuid| {
        let mut first = id;
        while let Some(earlier) = known.get(&first).and_then(|made| made.1) {
            first = earlier;
        }
        let run = known.get(&first).and_then(|made| run_of(made.3.as_deref()?));
        run.and_then(|(chain, key)| of_runs.get(&(chain, key.to_owned()))).copied().unwrap_or(first)
    };
    Ok(jobs.iter().map(|made| (made.0, root_of(made.0))).collect())
}

/// The roots of these runs.
async fn run_roots(connection: &impl ConnectionTrait, runs: &HashSet<(ChainId, &str)>) -> Result<HashMap<(ChainId, String), Uuid>, Error> {
    use chain_run::Column as C;
    if runs.is_empty() {
        return Ok(HashMap::new());
    }
    let one = |(chain, key): &(ChainId, &str)| Condition::all().add(C::ChainId.eq(chain.get())).add(C::Key.eq(*key));
    let those = runs.iter().map(one).fold(Condition::any(), Condition::add);
    let query = chain_run::Entity::find().select_only().columns([C::ChainId, C::Key, C::RootId]).filter(those);
    let found: Vec<(Uuid, String, Uuid)> = query.into_tuple().all(connection).await?;
    Ok(found.into_iter().map(|(chain, key, root)| ((chain.into(), key), root)).collect())
}

/// The chains that are switched on and wait for one of these automations, locked until the transaction ends.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn chain_lock_in_txn(txn: &Transaction, automations: &[AutomationId]) -> Result<Vec<Chain>, Error> {
    let those = chain_input::Entity::find().select_only().column(chain_input::Column::ChainId);
    let those = those.filter(chain_input::Column::AutomationId.is_in(automations.iter().map(|id| id.get())));
    let query = chain::Entity::find().filter(chain::Column::Enabled.eq(true)).filter(chain::Column::Id.in_subquery(those.into_query()));
    // In one order, so that two schedulers do not wait for each other.
    query.order_by_asc(chain::Column::Id).lock_exclusive().all(&txn.0).await?.into_iter().map(from_row).collect()
}

/// Counts an end under a key, and returns all that counted under it, by time of the end; `None`: the input has counted before, the first end does.
/// The chain must be locked.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn chain_count_in_txn(txn: &Transaction, chain: ChainId, key: &str, ended: &Ended) -> Result<Option<Vec<Mark>>, Error> {
    use chain_mark::Column as C;
    let row = chain_mark::ActiveModel {
        chain_id: Set(chain.get()),
        key: Set(key.to_owned()),
        automation_id: Set(ended.automation_id.get()),
        job_id: Set(ended.job_id.get()),
        ended_at: Set(ended.at),
    };
    let once = OnConflict::columns([C::ChainId, C::Key, C::AutomationId]).do_nothing().to_owned();
    if chain_mark::Entity::insert(row).on_conflict(once).exec_without_returning(&txn.0).await? == 0 {
        return Ok(None);
    }
    let counted = chain_mark::Entity::find().filter(C::ChainId.eq(chain.get())).filter(C::Key.eq(key));
    let counted = counted.order_by_asc(C::EndedAt).order_by_asc(C::AutomationId).all(&txn.0).await?;
    let to_mark =
        |row: chain_mark::Model| Mark { automation_id: row.automation_id.into(), job_id: row.job_id.into(), ended_at: row.ended_at };
    Ok(Some(counted.into_iter().map(to_mark).collect()))
}

/// The results of these jobs.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn chain_results_in_txn(txn: &Transaction, ids: &[JobId]) -> Result<HashMap<JobId, Option<Value>>, Error> {
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let query = job::Entity::find().select_only().columns([job::Column::Id, job::Column::Result]);
    let found: Vec<(Uuid, Option<Value>)> = query.filter(job::Column::Id.is_in(uuids(ids))).into_tuple().all(&txn.0).await?;
    Ok(found.into_iter().map(|(id, result)| (id.into(), result)).collect())
}
