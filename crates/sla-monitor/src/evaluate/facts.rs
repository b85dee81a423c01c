//! Reads what the items of a batch are judged by, together.

use std::collections::{BTreeSet, HashMap};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    alert::{AlertType, Key, Subject},
    ids::{AutomationId, SlaId},
    notification::channel::Channel,
    schedule::ScheduleState,
    sla::{Deadline, ForecastFacts, Hold, HubPart, LateFacts, QueueFacts, Run, RunningJob, Target},
};
use futures_util::{StreamExt as _, TryStreamExt as _, stream};
use store::{
    Database, Error,
    channels::{Filter, channel_list},
    reconcilers::{Reconciler, reconciler_list},
    slas::{
        LastRuns, SuccessOf, sla_list_running_unscoped, sla_list_runs_unscoped, sla_list_successes_unscoped, sla_list_waiting_unscoped,
    },
};

use super::{
    baselines::{Baselines, Histories},
    batch::{Batch, Shared},
    catalog::Catalog,
    plan::Item,
};

/// Reads at the same time.
const AT_ONCE: usize = 4;

/// What was read.
#[derive(Default)]
pub(crate) struct Facts {
    pub(super) late: HashMap<Key, LateFacts>,
    pub(super) runs: HashMap<(SlaId, AutomationId), Vec<Run>>,
    pub(super) running: HashMap<AutomationId, Vec<RunningJob>>,
    pub(super) histories: Histories,
    pub(super) ahead: HashMap<Key, ForecastFacts>,
    queues: HashMap<String, QueueFacts>,
    automations: HashMap<AutomationId, QueueFacts>,
}

impl Facts {
    /// The waiting jobs of a queue or an automation.
    pub(super) fn waiting(&self, subject: &Subject) -> QueueFacts {
        let found = match subject {
            Subject::Queue(name) => self.queues.get(name),
            Subject::Automation(id) => self.automations.get(id),
            _ => None,
        };
        found.copied().unwrap_or_default()
    }
}

impl Batch {
    pub(crate) async fn facts(&self, database: &Database, catalog: &Catalog, baselines: &Baselines) -> Result<Facts, Error> {
        let (late, runs, running, (queues, automations), (histories, ahead)) = tokio::try_join!(
            self.late(database, catalog),
            self.runs(database),
            self.running(database),
            self.backlogs(database, catalog),
            self.histories(database, catalog, baselines),
        )?;
        Ok(Facts { late, runs, running, histories, ahead, queues, automations })
    }

    async fn late(&self, database: &Database, catalog: &Catalog) -> Result<HashMap<Key, LateFacts>, Error> {
        let (mut facts, mut asked, mut keys) = (HashMap::new(), Vec::new(), Vec::new());
        for (plan, times, item) in self.items().filter(|(.., item)| item.key.alert_type == AlertType::Late) {
            let Some(automation_id) = item.automation_id else { continue };
            let hold = hold(automation_id, catalog, &self.shared, self.now);
            facts.insert(item.key.clone(), LateFacts { hold, ..LateFacts::default() });
            let deadline = self.look(plan, times).deadline(item.known.as_ref());
            let Some(of) = success_of(automation_id, item, deadline).filter(|_| hold == Hold::None) else { continue };
            asked.push(of);
            keys.push(&item.key);
        }
        for (key, found) in keys.into_iter().zip(sla_list_successes_unscoped(database, &asked).await?) {
            if let Some(facts) = facts.get_mut(key) {
                (facts.success_at, facts.last_success_at) = (found.counts_at, found.last_at);
            }
        }
        Ok(facts)
    }

    async fn runs(&self, database: &Database) -> Result<HashMap<(SlaId, AutomationId), Vec<Run>>, Error> {
        let mut asked: HashMap<(SlaId, AutomationId), LastRuns> = HashMap::new();
        for (plan, times, item) in self.items() {
            let is_of_runs = match item.key.alert_type {
                AlertType::Failure | AlertType::FailureStreak => true,
                AlertType::Duration => plan.sla.rule.expect.min_duration_s.is_some(),
                // What was fine is still, unless a run ended.
                AlertType::DurationAnomaly => !item.was_fine || item.has_ended,
                _ => false,
            };
            if let (true, Some(automation_id)) = (is_of_runs, item.automation_id) {
                let (limit, since) = self.look(plan, times).runs_wanted();
                asked.insert((plan.sla.id, automation_id), LastRuns { automation_id, since, limit: limit.unsigned_abs() });
            }
        }
        let read = |(key, of): ((SlaId, AutomationId), LastRuns)| async move {
            Ok::<_, Error>((key, sla_list_runs_unscoped(database, &of).await?))
        };
        stream::iter(asked).map(read).buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn running(&self, database: &Database) -> Result<HashMap<AutomationId, Vec<RunningJob>>, Error> {
        let limited = self.items().filter(|(plan, _, item)| match item.key.alert_type {
            AlertType::Duration => plan.sla.rule.expect.max_duration_s.is_some(),
            alert_type => alert_type == AlertType::DurationAnomaly,
        });
        let automations: BTreeSet<AutomationId> = limited.filter_map(|(.., item)| item.automation_id).collect();
        sla_list_running_unscoped(database, &Vec::from_iter(automations)).await
    }

    /// Waiting jobs by queue and by automation.
    async fn backlogs(
        &self,
        database: &Database,
        catalog: &Catalog,
    ) -> Result<(HashMap<String, QueueFacts>, HashMap<AutomationId, QueueFacts>), Error> {
        let (mut names, mut queues, mut automations) = (BTreeSet::new(), HashMap::new(), HashMap::new());
        for (.., item) in self.items().filter(|(.., item)| item.key.alert_type == AlertType::QueueBacklog) {
            match &item.key.subject {
                Subject::Queue(name) => {
                    let is_paused = catalog.is_queue_paused(name, self.now);
                    queues.insert(name.clone(), QueueFacts { is_paused, ..QueueFacts::default() });
                    names.insert(name.clone());
                }
                Subject::Automation(id) => {
                    let is_paused = catalog.hold(*id, self.now) != Hold::None;
                    automations.insert(*id, QueueFacts { is_paused, ..QueueFacts::default() });
                    names.extend(catalog.queues_of(&Target::Automation(*id)));
                }
                _ => {}
            }
        }
        if names.is_empty() {
            return Ok((queues, automations));
        }
        for waiting in sla_list_waiting_unscoped(database, Some(&names), self.now).await? {
            let add = |facts: &mut QueueFacts| {
                facts.waiting += waiting.jobs;
                facts.oldest_at = Some(facts.oldest_at.map_or(waiting.oldest_at, |oldest| oldest.min(waiting.oldest_at)));
            };
            queues.get_mut(&waiting.queue).map(add);
            automations.get_mut(&waiting.automation_id).map(add);
        }
        Ok((queues, automations))
    }
}

/// Which success counts for a deadline; `None`: there is none yet.
pub(super) fn success_of(automation_id: AutomationId, item: &Item, deadline: Deadline) -> Option<SuccessOf> {
    Some(match deadline {
        Deadline::Ahead => return None,
        // A success before the time from which the interval counts does not matter, but one that ends a breach does.
        Deadline::Interval { since } => {
            let since = item.known.as_ref().and_then(|known| known.at).map_or(since, |at| at.min(since));
            SuccessOf { automation_id, previous: since, early: since, since: since - TimeDelta::days(366) }
        }
        Deadline::Daily { previous, early, .. } => {
            SuccessOf { automation_id, previous, early, since: previous.min(early) - TimeDelta::days(30) }
        }
    })
}

/// Whether an automation, its queue, or every schedule of it that is switched on is paused.
pub(super) fn hold(id: AutomationId, catalog: &Catalog, shared: &Shared, now: DateTime<Utc>) -> Hold {
    let hold = catalog.hold(id, now);
    if hold != Hold::None {
        return hold;
    }
    let mut enabled = shared.schedules.get(&id).into_iter().flatten().filter(|(_, facts)| facts.enabled).peekable();
    let are_paused = enabled.peek().is_some() && enabled.all(|(_, facts)| facts.state == ScheduleState::Paused);
    if are_paused { Hold::Paused(None) } else { Hold::None }
}

/// The parts of the hub: its reconcilers, and the channels, which it switches off when they refuse everything.
pub(super) async fn hub_parts(database: &Database, now: DateTime<Utc>) -> Result<Vec<HubPart>, Error> {
    let every = Filter { limit: u32::MAX.into(), ..Filter::default() };
    let (reconcilers, channels) = tokio::try_join!(reconciler_list(database), channel_list(database, &every))?;
    let reconciler = |one: Reconciler| {
        let last_at = one.last_succeeded_at.or(one.last_finished_at.filter(|_| one.last_error.is_none()));
        // One without an interval was never started by a replica of this version.
        Some(HubPart { name: one.name, last_at, every: one.interval?, error: one.last_error })
    };
    let channel = |one: Channel| {
        let last_at = if one.disabled_reason.is_some() { one.updated_at } else { now };
        HubPart {
            name: format!("channel {}", one.draft.name),
            last_at: Some(last_at),
            every: TimeDelta::zero(),
            error: one.disabled_reason,
        }
    };
    Ok(reconcilers.into_iter().filter_map(reconciler).chain(channels.into_iter().map(channel)).collect())
}
