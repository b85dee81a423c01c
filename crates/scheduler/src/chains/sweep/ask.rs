//! Requests the jobs of runs that are due.

use std::{collections::HashMap, time::Instant};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Scope,
    chain::{RunState, idempotency_key},
    ids::ChainId,
    job::{Origin, Request, Trigger},
    policy::Overrides,
};
use futures_util::{StreamExt as _, stream};
use runtime::{Ask, Counts, Failure, Intake, OVERLAP_SKIPPED, TaskError};
use serde_json::Value;
use store::{
    Error,
    chains::{Chain, Filter, Outcome, Run, chain_finish_run, chain_list, chain_list_waiting_unscoped},
};

use super::{BATCH, LIMIT, STEP, Sweep};
use crate::chains::event;

/// Requests at the same time.
const AT_ONCE: usize = 32;

impl Sweep {
    /// Requests the jobs of the runs that are due, those of the longest due first.
    pub(super) async fn ask(&self, now: DateTime<Utc>) -> Result<Counts, TaskError> {
        let (mut created, mut others, begun, mut after) = (0, 0, Instant::now(), None::<Run>);
        while begun.elapsed() < STEP && !self.shutdown.is_triggered() {
            let page = chain_list_waiting_unscoped(&self.database, now, after.as_ref(), BATCH).await?;
            let Some(last) = page.last().cloned() else { break };
            let is_last = (page.len() as u64) < BATCH;
            let chains = self.chains_of(&page).await?;
            let asked = stream::iter(page).map(|run| self.ask_one(run, &chains, now)).buffer_unordered(AT_ONCE);
            let states: Vec<Option<RunState>> = asked.collect::<Vec<_>>().await.into_iter().collect::<Result<_, Error>>()?;
            created += states.iter().filter(|state| **state == Some(RunState::Created)).count();
            others += states.iter().flatten().filter(|state| **state != RunState::Created).count();
            // Nothing was answered: the orchestrator is away.
            if is_last || states.iter().all(Option::is_none) {
                break;
            }
            after = Some(last);
        }
        Ok(Counts::from([("jobs_created", created as u64), ("runs_without_job", others as u64)]))
    }

    async fn chains_of(&self, runs: &[Run]) -> Result<HashMap<ChainId, Chain>, Error> {
        let mut ids: Vec<ChainId> = runs.iter().map(|run| run.chain_id).collect();
        ids.sort_unstable();
        ids.dedup();
        let filter = Filter { limit: BATCH, ids, ..Filter::default() };
        Ok(chain_list(&self.database, &Scope::All, &filter).await?.into_iter().map(|chain| (chain.id, chain)).collect())
    }

    /// What became of the run; `None`: nothing yet, it is requested again.
    async fn ask_one(&self, run: Run, chains: &HashMap<ChainId, Chain>, now: DateTime<Utc>) -> Result<Option<RunState>, Error> {
        // Deleted meanwhile, with its runs.
        let Some(chain) = chains.get(&run.chain_id) else { return Ok(None) };
        let outcome = if chain.draft.enabled { self.request(&run, chain, now).await } else { Some(switched_off()) };
        let Some(outcome) = outcome else { return Ok(None) };
        let state = outcome.state;
        if chain_finish_run(&self.database, (run.chain_id, &run.key), &outcome, (self.clock)()).await? {
            self.publish(chain, &run, &outcome);
        }
        Ok(Some(state))
    }

    async fn request(&self, run: &Run, chain: &Chain, now: DateTime<Utc>) -> Option<Outcome> {
        // Another replica runs by now: a frozen process must not request what that one has decided.
        if (self.clock)() - now >= TimeDelta::from_std(LIMIT).unwrap_or(TimeDelta::MAX) {
            return None;
        }
        let key = idempotency_key(run.chain_id, &run.key).ok()?;
        let request = Request {
            parameters: run.parameters.clone(),
            overrides: Overrides::default(),
            trigger: Trigger::Chain,
            version_id: None,
            environment: None,
            origin: Origin { requested_by: Some(format!("chain:{}", chain.draft.name)), ..Origin::default() },
        };
        let refused = |reason: &str, detail: String| {
            tracing::warn!(chain.id = %run.chain_id, run.key, reason, detail, "the job of a chain was refused");
            Some(Outcome { state: RunState::Refused, reason: Some((reason.to_owned(), detail)), job_id: None })
        };
        match self.intake.accept(Ask { automation_id: run.automation_id, request, key: Some(key) }).await {
            Ok(Intake::Accepted(job) | Intake::Existing(job)) => {
                Some(Outcome { state: RunState::Created, reason: None, job_id: Some(job.id) })
            }
            Ok(Intake::Skipped(other)) => {
                let reason = (OVERLAP_SKIPPED.to_owned(), format!("job {other} is pending or running"));
                Some(Outcome { state: RunState::Skipped, reason: Some(reason), job_id: Some(other) })
            }
            Err(failure @ Failure::Invalid(_)) => refused("invalid", failure.to_string()),
            Err(Failure::Conflict { code, detail, .. }) => refused(code, detail),
            Err(failure @ Failure::NotFound(_)) => refused("not_found", failure.to_string()),
            Err(failure) => {
                tracing::warn!(error = %failure, chain.id = %run.chain_id, run.key, "a job was not accepted yet; it is requested again");
                None
            }
        }
    }

    fn publish(&self, chain: &Chain, run: &Run, outcome: &Outcome) {
        if !self.events.has_receivers() {
            return;
        }
        let kind = if outcome.state == RunState::Created { "chain.fired" } else { "chain.refused" };
        let reason = outcome.reason.as_ref().map(|(reason, _)| reason.clone());
        let job = outcome.job_id.filter(|_| outcome.state == RunState::Created).map(|id| id.to_string());
        let more = [
            ("key", Value::from(run.key.clone())),
            ("after_job_id", run.after_job_id.to_string().into()),
            ("job_id", job.into()),
            ("reason", reason.into()),
        ];
        self.events.publish(event(kind, chain, &self.clock, more));
    }
}

/// The outcome of a run whose chain was switched off before it was due.
fn switched_off() -> Outcome {
    let reason = ("switched_off".to_owned(), "the chain was switched off".to_owned());
    Outcome { state: RunState::Skipped, reason: Some(reason), job_id: None }
}
