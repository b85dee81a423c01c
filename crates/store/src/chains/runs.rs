//! Runs of chains.

use chrono::{DateTime, Utc};
use domain::{
    Scope,
    chain::RunState,
    ids::{AutomationId, ChainId, JobId},
};
use sea_orm::{
    ActiveValue::Set,
    ColumnTrait, Condition, EntityTrait, QueryFilter, QueryOrder, QuerySelect, QueryTrait,
    sea_query::{Expr, ExprTrait, OnConflict},
};
use serde_json::{Map, Value};

use super::from_json;
use crate::{
    Database, Error, Transaction,
    entity::{chain_mark, chain_run},
    scope,
};

/// A run of a chain.
#[derive(Clone, Debug, PartialEq)]
pub struct Run {
    /// The chain.
    pub chain_id: ChainId,
    /// What its ends have in common; unique in the chain.
    pub key: String,
    /// The automation that runs.
    pub automation_id: AutomationId,
    /// The job that began the work.
    pub root_id: JobId,
    /// The job that ended last.
    pub after_job_id: JobId,
    /// When its job is asked for.
    pub due_at: DateTime<Utc>,
    /// What became of it.
    pub state: RunState,
    /// Why it has no job, for programs.
    pub reason: Option<String>,
    /// The same for people.
    pub detail: Option<String>,
    /// Its job; of a skipped run, the job in its way.
    pub job_id: Option<JobId>,
    /// When its last input was found to have ended.
    pub created_at: DateTime<Utc>,
    /// Parameters of its job, while it waits.
    pub parameters: Map<String, Value>,
}

/// A run that is due.
#[derive(Clone, Debug, PartialEq)]
pub struct NewRun<'a> {
    /// The chain.
    pub chain_id: ChainId,
    /// What its ends have in common.
    pub key: &'a str,
    /// The automation that runs.
    pub automation_id: AutomationId,
    /// The job that began the work.
    pub root_id: JobId,
    /// The job that ended last.
    pub after_job_id: JobId,
    /// When its job is asked for.
    pub due_at: DateTime<Utc>,
    /// Parameters of its job, or why it gets none: the reason for programs, and for people.
    pub parameters: Result<Map<String, Value>, (String, String)>,
}

/// What became of a run that was due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Outcome {
    /// Not waiting.
    pub state: RunState,
    /// Why it has no job.
    pub reason: Option<(String, String)>,
    /// Its job, or the one in its way.
    pub job_id: Option<JobId>,
}

/// Selects runs of a list.
#[derive(Clone, Debug)]
pub struct RunFilter {
    /// The chain.
    pub chain_id: ChainId,
    /// Only those in this state.
    pub state: Option<RunState>,
    /// Page size.
    pub limit: u64,
    /// Time and key of the last run of the page before.
    pub before: Option<(DateTime<Utc>, String)>,
}

/// Writes a run, once for each key; `false` when there is one. The chain must be locked.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn chain_start_run_in_txn(txn: &Transaction, run: NewRun<'_>, now: DateTime<Utc>) -> Result<bool, Error> {
    use chain_run::Column as C;
    let (state, decided_at) = if run.parameters.is_ok() { (RunState::Waiting, None) } else { (RunState::Refused, Some(now)) };
    let (parameters, (reason, detail)) = match run.parameters {
        Ok(parameters) => (Some(Value::Object(parameters)), (None, None)),
        Err((reason, detail)) => (None, (Some(reason), Some(detail))),
    };
    let row = chain_run::ActiveModel {
        chain_id: Set(run.chain_id.get()),
        key: Set(run.key.to_owned()),
        automation_id: Set(run.automation_id.get()),
        root_id: Set(run.root_id.get()),
        after_job_id: Set(run.after_job_id.get()),
        parameters: Set(parameters),
        due_at: Set(run.due_at),
        state: Set(state.as_str().to_owned()),
        reason: Set(reason),
        detail: Set(detail),
        job_id: Set(None),
        created_at: Set(now),
        decided_at: Set(decided_at),
    };
    let once = OnConflict::columns([C::ChainId, C::Key]).do_nothing().to_owned();
    Ok(chain_run::Entity::insert(row).on_conflict(once).exec_without_returning(&txn.0).await? == 1)
}

/// The next `limit` runs that wait and are due, longest due first, after this one.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn chain_list_waiting_unscoped(
    database: &Database,
    now: DateTime<Utc>,
    after: Option<&Run>,
    limit: u64,
) -> Result<Vec<Run>, Error> {
    use chain_run::Column as C;
    let rest = after.map(|run| {
        let key = Condition::all().add(C::ChainId.eq(run.chain_id.get())).add(C::Key.gt(&run.key));
        let chain = Condition::any().add(C::ChainId.gt(run.chain_id.get())).add(key);
        Condition::any().add(C::DueAt.gt(run.due_at)).add(Condition::all().add(C::DueAt.eq(run.due_at)).add(chain))
    });
    let query = chain_run::Entity::find().filter(Expr::cust("state = 'waiting'")).filter(C::DueAt.lte(now));
    let query = query.filter(Condition::all().add_option(rest));
    let query = query.order_by_asc(C::DueAt).order_by_asc(C::ChainId).order_by_asc(C::Key).limit(limit);
    query.all(database.connection()).await?.into_iter().map(from_row).collect()
}

/// Writes what became of a run that waits; `false` when that was written before.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn chain_finish_run(
    database: &Database,
    (chain, key): (ChainId, &str),
    outcome: &Outcome,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    use chain_run::Column as C;
    let (reason, detail) = outcome.reason.clone().unzip();
    let row = chain_run::ActiveModel {
        state: Set(outcome.state.as_str().to_owned()),
        reason: Set(reason),
        detail: Set(detail),
        job_id: Set(outcome.job_id.map(JobId::get)),
        parameters: Set(None),
        decided_at: Set(Some(now)),
        ..Default::default()
    };
    let update = chain_run::Entity::update_many().set(row).filter(C::ChainId.eq(chain.get())).filter(C::Key.eq(key));
    Ok(update.filter(Expr::cust("state = 'waiting'")).exec(database.connection()).await?.rows_affected == 1)
}

/// Runs of a chain, newest first.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn chain_list_runs(database: &Database, scope: &Scope, filter: &RunFilter) -> Result<Vec<Run>, Error> {
    use chain_run::Column as C;
    let before = filter.before.as_ref().map(|(at, key)| {
        let same = Condition::all().add(C::CreatedAt.eq(*at)).add(C::Key.lt(key));
        Condition::any().add(C::CreatedAt.lt(*at)).add(same)
    });
    let matching = Condition::all()
        .add(C::ChainId.eq(filter.chain_id.get()))
        .add_option(scope::has(scope, C::AutomationId))
        .add_option(before)
        .add_option(filter.state.map(|state| C::State.eq(state.as_str())));
    let query = chain_run::Entity::find().filter(matching).order_by_desc(C::CreatedAt).order_by_desc(C::Key).limit(filter.limit);
    query.all(database.connection()).await?.into_iter().map(from_row).collect()
}

/// Deletes at most `limit` runs and as many counted ends that are older than `before`. Returns their number.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn chain_prune(database: &Database, before: DateTime<Utc>, limit: u64) -> Result<u64, Error> {
    let runs = {
        use chain_run::Column as C;
        let old = chain_run::Entity::find().select_only().columns([C::ChainId, C::Key]).filter(C::CreatedAt.lt(before));
        let old = old.filter(Expr::cust("state <> 'waiting'")).order_by_asc(C::CreatedAt).limit(limit);
        let key = Expr::tuple([Expr::col(C::ChainId), Expr::col(C::Key)]);
        chain_run::Entity::delete_many().filter(key.in_subquery(old.into_query())).exec(database.connection()).await?.rows_affected
    };
    use chain_mark::Column as C;
    let old = chain_mark::Entity::find().select_only().columns([C::ChainId, C::Key, C::AutomationId]).filter(C::EndedAt.lt(before));
    let old = old.order_by_asc(C::EndedAt).limit(limit);
    let key = Expr::tuple([Expr::col(C::ChainId), Expr::col(C::Key), Expr::col(C::AutomationId)]);
    let marks = chain_mark::Entity::delete_many().filter(key.in_subquery(old.into_query())).exec(database.connection()).await?;
    Ok(runs + marks.rows_affected)
}

fn from_row(row: chain_run::Model) -> Result<Run, Error> {
    let corrupt = |column: &str| Error::Corrupt(format!("chain_runs.{column} of {} {}", row.chain_id, row.key));
    Ok(Run {
        chain_id: row.chain_id.into(),
        automation_id: row.automation_id.into(),
        root_id: row.root_id.into(),
        after_job_id: row.after_job_id.into(),
        due_at: row.due_at,
        state: RunState::parse(&row.state).ok_or_else(|| corrupt("state"))?,
        job_id: row.job_id.map(Into::into),
        created_at: row.created_at,
        parameters: row.parameters.map_or_else(|| Ok(Map::new()), |value| from_json(value).ok_or_else(|| corrupt("parameters")))?,
        key: row.key,
        reason: row.reason,
        detail: row.detail,
    })
}
