//! Collects the facts for [`why_waiting`]: for a page of jobs with a bounded number of queries, whatever the number of jobs.

use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    sync::Arc,
    time::Duration,
};

use broker::Broker;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    Scope,
    automation::is_every_queue,
    ids::{AutomationId, JobId, WorkerId},
    job::{Status, Trigger},
    waiting::{Facts, Full, LiveWorker, MOST_NAMED, Unstarted, WaitingCode, WaitingReason, why_waiting},
};
use runtime::Clock;
use store::{
    Database, Error,
    jobs::{ActiveJob, FullJob, JobRow},
};

use super::convert;
use crate::{catalog::Catalog, dispatch::BrokerQueues};

/// Maximum number of running and dispatched jobs that are read.
const MOST_ACTIVE: u64 = 50_000;
/// Maximum number of jobs ahead that are counted.
const MOST_AHEAD: u64 = 1000;
/// Time limit for the broker to report consumers.
const PATIENCE: Duration = Duration::from_millis(500);

/// Explains why jobs are pending. Clones share it.
#[derive(Clone)]
pub(crate) struct WaitingReasons {
    pub(crate) database: Database,
    pub(crate) catalog: Arc<Catalog>,
    pub(crate) broker: Option<Arc<Broker>>,
    pub(crate) broker_queues: BrokerQueues,
    /// How long a registered worker's lease lasts.
    pub(crate) lease: TimeDelta,
    pub(crate) clock: Clock,
}

/// Facts that pending jobs share.
struct Surroundings {
    now: DateTime<Utc>,
    broker_unreachable: bool,
    /// By queue.
    workers: HashMap<String, Vec<LiveWorker>>,
    consumers: BTreeMap<String, u32>,
    lines: HashMap<String, Vec<JobId>>,
    given_out: Vec<ActiveJob>,
    tats: HashMap<AutomationId, Option<DateTime<Utc>>>,
    unstarted: HashMap<JobId, Unstarted>,
}

impl WaitingReasons {
    /// The waiting reason of each of these jobs that is pending. It names jobs in scope only.
    pub(crate) async fn of(&self, scope: &Scope, rows: &[&JobRow]) -> Result<HashMap<JobId, WaitingReason>, Error> {
        let pending: Vec<&JobRow> = rows.iter().copied().filter(|row| row.job.status == Status::Pending).collect();
        if pending.is_empty() {
            return Ok(HashMap::new());
        }
        let surroundings = self.surroundings(&pending).await?;
        Ok(pending.into_iter().map(|row| (row.job.id, why_waiting(&self.facts(scope, row, &surroundings)))).collect())
    }

    async fn surroundings(&self, pending: &[&JobRow]) -> Result<Surroundings, Error> {
        let now = (self.clock)();
        let queues: BTreeSet<&str> = pending.iter().map(|row| row.queue_name.as_str()).collect();
        let given_out = store::jobs::job_list_active_unscoped(&self.database, MOST_ACTIVE).await?;
        let mut workers: HashMap<String, Vec<LiveWorker>> = HashMap::new();
        let seen = store::workers::worker_list_seen_unscoped(&self.database, now - self.lease).await?;
        let mut running: HashMap<WorkerId, u32> = HashMap::new();
        given_out.iter().filter_map(|job| job.worker_id).for_each(|id| *running.entry(id).or_default() += 1);
        for worker in seen.into_iter().filter(|worker| worker.life.state(self.lease, now).is_alive()) {
            let served: Vec<&str> = match is_every_queue(&worker.queues) {
                true => queues.iter().copied().collect(),
                false => worker.queues.iter().filter_map(|queue| queues.get(queue.as_str()).copied()).collect(),
            };
            if served.is_empty() {
                continue;
            }
            let live = LiveWorker {
                name: worker.name,
                labels: worker.labels,
                paused: worker.life.paused_at.is_some(),
                slots: u32::try_from(worker.slots).unwrap_or(0),
                running: running.get(&worker.id).copied().unwrap_or(0),
                uses_broker: worker.uses_broker,
            };
            for queue in served {
                workers.entry(queue.to_owned()).or_default().push(live.clone());
            }
        }
        let mut lines = HashMap::new();
        for queue in &queues {
            lines.insert((*queue).to_owned(), store::jobs::job_list_waiting_unscoped(&self.database, queue, MOST_AHEAD).await?);
        }
        let has_rate =
            |id: &AutomationId| self.catalog.cached().get(*id).is_some_and(|entry| entry.automation.draft.policy.rate_limit.is_some());
        let limited: BTreeSet<AutomationId> = pending.iter().map(|row| row.automation_id).filter(has_rate).collect();
        let limited: Vec<AutomationId> = limited.into_iter().collect();
        let tats = match limited.is_empty() {
            true => HashMap::new(),
            false => store::automations::automation_list_rates_unscoped(&self.database, &limited).await?.into_iter().collect(),
        };
        let ids: Vec<JobId> = pending.iter().map(|row| row.job.id).collect();
        let unstarted = store::jobs::job_list_unstarted_unscoped(&self.database, &ids).await?.into_iter().collect();
        let unserved = queues.iter().filter(|queue| !workers.contains_key(**queue));
        let consumers = self.consumers(unserved.copied(), pending).await;
        let broker_unreachable = self.broker.as_ref().is_some_and(|broker| !broker.is_connected());
        Ok(Surroundings { now, broker_unreachable, workers, consumers, lines, given_out, tats, unstarted })
    }

    /// Number of consumers of queues without registered workers.
    async fn consumers(&self, queues: impl Iterator<Item = &str>, pending: &[&JobRow]) -> BTreeMap<String, u32> {
        let mut consumers = BTreeMap::new();
        let Some(broker) = &self.broker else { return consumers };
        let sent_to = |queue: &str| pending.iter().any(|row| row.queue_name == queue && row.dispatch_started_at.is_some());
        let asking = async {
            for queue in queues {
                // A queue with a dispatched job exists, even if this hub has not checked it yet.
                if sent_to(queue) {
                    let _ = broker.adopt_queue(queue).await;
                }
                if let Ok(Some(depth)) = broker.queue_depth_if_ensured(queue).await {
                    consumers.insert(queue.to_owned(), depth.consumers);
                }
            }
        };
        // Answers that arrived in time count.
        let _ = tokio::time::timeout(PATIENCE, asking).await;
        consumers
    }

    fn facts(&self, scope: &Scope, row: &JobRow, around: &Surroundings) -> Facts {
        let entry = self.catalog.cached().get(row.automation_id);
        let draft = entry.as_ref().map(|entry| &entry.automation.draft);
        let full = |limit: i64, same: &dyn Fn(&ActiveJob) -> bool| {
            let holding: Vec<&ActiveJob> = around.given_out.iter().filter(|job| same(job)).collect();
            let is_full = i64::try_from(holding.len()).unwrap_or(i64::MAX) >= limit;
            // Automations share concurrency keys.
            let is_seen = |job: &&&ActiveJob| {
                let entry = || self.catalog.cached().get(job.automation_id);
                *scope == Scope::All || entry().is_some_and(|entry| scope.has(&entry.automation.place()))
            };
            let held_by = || holding.iter().filter(is_seen).map(|job| job.id);
            is_full.then(|| Full { limit, held_by: held_by().take(MOST_NAMED).collect() })
        };
        let concurrency = draft.and_then(|draft| draft.max_concurrency);
        let key = row.terms.concurrency_key.as_ref();
        let key_limit = draft.map_or(1, |draft| draft.policy.concurrency_key_limit);
        let rate = draft.and_then(|draft| draft.policy.rate_limit);
        let line = around.lines.get(&row.queue_name).map_or(&[][..], Vec::as_slice);
        let place = line.iter().position(|id| *id == row.job.id).unwrap_or(line.len());
        Facts {
            now: around.now,
            queue: row.queue_name.clone(),
            not_before: row.not_before,
            is_retry: row.trigger == Trigger::Retry,
            queue_pause: self.catalog.cached().queue_pause(&row.queue_name, around.now),
            automation_pause: self.catalog.cached().automation_pause(row.automation_id, around.now),
            concurrency: concurrency.and_then(|limit| full(limit, &|job| job.automation_id == row.automation_id)),
            concurrency_key: key.and_then(|key| Some((key.clone(), full(key_limit, &|job| job.concurrency_key.as_ref() == Some(key))?))),
            schedule_concurrency: row
                .origin
                .schedule_id
                .zip(row.terms.max_concurrency)
                .and_then(|(id, limit)| full(limit.into(), &|job| job.automation_id == row.automation_id && job.schedule_id == Some(id))),
            rate_next_at: rate.and_then(|rate| rate.admit(around.tats.get(&row.automation_id).copied().flatten(), around.now).err()),
            broker_unreachable: around.broker_unreachable,
            queue_missing: self.broker_queues.is_missing(&row.queue_name),
            dispatched: row.dispatch_started_at.is_some(),
            unstarted: around.unstarted.get(&row.job.id).cloned().unwrap_or_default(),
            requires: row.terms.requires.clone(),
            workers: around.workers.get(&row.queue_name).cloned().unwrap_or_default(),
            consumers: around.consumers.get(&row.queue_name).copied().unwrap_or(0),
            jobs_ahead: place as u64,
        }
    }

    /// The next job of each queue, and why it is pending.
    pub(crate) async fn of_queues(&self) -> Result<BTreeMap<String, (JobId, WaitingReason)>, Error> {
        let mut next = BTreeMap::new();
        for queue in store::jobs::job_queues_waiting(&self.database).await? {
            let Some(job) = store::jobs::job_next_unscoped(&self.database, &queue).await? else { continue };
            let reason = self.of(&Scope::All, &[&job.row]).await?.remove(&job.row.job.id);
            next.extend(reason.map(|reason| (queue, (job.row.job.id, reason))));
        }
        Ok(next)
    }

    /// Whether jobs of the queue are dispatched that no worker has started.
    pub(crate) async fn has_dispatched(&self, queue: &str) -> Result<bool, Error> {
        store::jobs::job_has_dispatched_unscoped(&self.database, queue).await
    }

    /// Logs why the next job of each queue is pending, when the reason has changed.
    pub(crate) async fn log(&self, logged: &mut BTreeMap<String, WaitingCode>) -> Result<(), Error> {
        let next = self.of_queues().await?;
        logged.retain(|queue, _| next.contains_key(queue));
        for (queue, (job, reason)) in next {
            if logged.insert(queue.clone(), reason.code()) != Some(reason.code()) {
                tracing::info!(queue.name = queue, job.id = %job, reason.code = reason.code().as_str(), %reason, "the next job of the queue is pending");
            }
        }
        Ok(())
    }
}

/// A job for the API, with its waiting reason, if there is one.
pub(crate) fn with_reason(job: FullJob, reasons: &HashMap<JobId, WaitingReason>) -> api_types::Job {
    let reason = reasons.get(&job.row.job.id).map(waiting_reason);
    api_types::Job { waiting_reason: reason, ..convert::job(job) }
}

fn waiting_reason(reason: &WaitingReason) -> api_types::WaitingReason {
    let facts = match serde_json::to_value(reason) {
        Ok(serde_json::Value::Object(mut facts)) => {
            facts.remove("code");
            facts
        }
        _ => serde_json::Map::new(),
    };
    api_types::WaitingReason { code: reason.code(), message: reason.to_string(), facts }
}
