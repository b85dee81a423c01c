//! Reads what is judged by earlier runs: histories, and what is on its way to a deadline.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    alert::{AlertType, Key},
    forecast::{MAX_AHEAD, Takes},
    ids::{AutomationId, ScheduleId},
    schedule::{ScheduleState, Zone},
    sla::{Deadline, ForecastFacts, History, Hold, Line, Look, ScheduleFacts, Times},
};
use store::{
    Database, Error,
    slas::{Coming, Watched, sla_list_front_unscoped, sla_list_running_of_unscoped, sla_list_successes_unscoped},
};

use super::{
    baselines::{Baselines, Histories, Of},
    batch::Batch,
    catalog::Catalog,
    facts::{Facts, hold, success_of},
    plan::{Item, Plan},
};

/// Jobs at the front of a queue that are looked at, and running ones.
const FRONT: u64 = MAX_AHEAD as u64;
/// A worker that was heard of so lately works.
const HEARD: TimeDelta = TimeDelta::minutes(2);
/// A schedule that is looked at sooner fires now, or a scheduler has claimed it.
const NOW: TimeDelta = TimeDelta::seconds(30);

/// A deadline that is forecast.
struct Expected<'a> {
    plan: &'a Plan,
    times: &'a Times,
    item: &'a Item,
    automation_id: AutomationId,
    deadline: Deadline,
}

/// Jobs of a queue, and who works on them.
struct Queue {
    front: Vec<Coming>,
    running: Vec<Coming>,
    slots: usize,
}

impl Of {
    fn new(automation_id: AutomationId, look: &Look<'_>) -> Self {
        let rule = look.rule;
        Self { automation_id, zone: rule.timezone.clone(), sensitivity: rule.expect.sensitivity() }
    }
}

impl Facts {
    pub(super) fn history(&self, look: &Look<'_>, item: &Item) -> Option<&History> {
        self.histories.get(&Of::new(item.automation_id?, look)).map(Arc::as_ref)
    }
}

impl Expected<'_> {
    /// Whether a job that ends now or later counts for the deadline, as [`Look::late`] has it.
    fn counts(&self, job: &Coming) -> bool {
        match self.deadline {
            Deadline::Daily { previous, .. } => !job.is_scheduled || job.created_at > previous,
            Deadline::Interval { .. } | Deadline::Ahead => true,
        }
    }
}

impl Batch {
    /// What earlier runs say, and what is on its way.
    pub(super) async fn histories(
        &self,
        database: &Database,
        catalog: &Catalog,
        baselines: &Baselines,
    ) -> Result<(Histories, HashMap<Key, ForecastFacts>), Error> {
        let mut asked: HashMap<Of, Zone> = HashMap::new();
        for (plan, times, item) in self.items() {
            let is_by_history = matches!(item.key.alert_type, AlertType::DurationAnomaly | AlertType::SlaForecast);
            if let Some(id) = item.automation_id.filter(|_| is_by_history) {
                asked.insert(Of::new(id, &self.look(plan, times)), times.zone.clone());
            }
        }
        let histories = baselines.get(database, asked, self.now).await?;
        let (mut ahead, expected) = self.expected(database, catalog).await?;
        let needs = |expected: &Expected<'_>| {
            let look = self.look(expected.plan, expected.times);
            let history = histories.get(&Of::new(expected.automation_id, &look));
            let known = expected.item.known.as_ref();
            history.zip(ahead.get(&expected.item.key)).is_some_and(|(history, facts)| look.forecast_needs_jobs(known, facts, history))
        };
        let near: Vec<Expected<'_>> = expected.into_iter().filter(needs).collect();
        self.coming(database, (catalog, baselines), &near, &mut ahead).await?;
        Ok((histories, ahead))
    }

    /// The deadlines that are forecast, and whether they are met.
    async fn expected(&self, database: &Database, catalog: &Catalog) -> Result<(HashMap<Key, ForecastFacts>, Vec<Expected<'_>>), Error> {
        let (mut facts, mut asked, mut expected) = (HashMap::new(), Vec::new(), Vec::new());
        for (plan, times, item) in self.items().filter(|(.., item)| item.key.alert_type == AlertType::SlaForecast) {
            let Some(automation_id) = item.automation_id else { continue };
            let hold = hold(automation_id, catalog, &self.shared, self.now);
            facts.insert(item.key.clone(), ForecastFacts { hold, ..ForecastFacts::default() });
            let deadline = self.look(plan, times).deadline_ahead(item.known.as_ref());
            let Some(of) = success_of(automation_id, item, deadline).filter(|_| hold == Hold::None) else { continue };
            asked.push(of);
            expected.push(Expected { plan, times, item, automation_id, deadline });
        }
        for (expected, found) in expected.iter().zip(sla_list_successes_unscoped(database, &asked).await?) {
            if let Some(facts) = facts.get_mut(&expected.item.key) {
                (facts.success_at, facts.last_success_at) = (found.counts_at, found.last_at);
            }
        }
        Ok((facts, expected))
    }

    /// The jobs that are on their way to these deadlines.
    async fn coming(
        &self,
        database: &Database,
        (catalog, baselines): (&Catalog, &Baselines),
        near: &[Expected<'_>],
        facts: &mut HashMap<Key, ForecastFacts>,
    ) -> Result<(), Error> {
        let ids: BTreeSet<AutomationId> = near.iter().map(|expected| expected.automation_id).collect();
        let mut running: HashMap<AutomationId, Vec<Coming>> = HashMap::new();
        for job in sla_list_running_of_unscoped(database, &Vec::from_iter(ids), FRONT).await? {
            running.entry(job.automation_id).or_default().push(job);
        }
        let mut queues: HashMap<String, Queue> = HashMap::new();
        for expected in near {
            let Some(facts) = facts.get_mut(&expected.item.key) else { continue };
            let own = running.get(&expected.automation_id).into_iter().flatten();
            facts.running = own.filter(|job| expected.counts(job)).filter_map(|job| job.running).collect();
            facts.comes_at = self.next_fire(expected.automation_id);
            let Some(entry) = catalog.get(expected.automation_id).filter(|_| facts.running.is_empty()) else { continue };
            if !queues.contains_key(&entry.queue) {
                queues.insert(entry.queue.clone(), self.queue(database, catalog, &entry.queue).await?);
            }
            let Some(queue) = queues.get(&entry.queue) else { continue };
            let is_own = |job: &&Coming| job.automation_id == expected.automation_id && expected.counts(job);
            let Some(own) = queue.front.iter().find(is_own) else { continue };
            match own.not_before.filter(|at| *at > self.now) {
                Some(at) => facts.comes_at = Some(facts.comes_at.map_or(at, |fire| fire.min(at))),
                None => facts.line = Some(self.line(database, baselines, expected, (own, queue)).await?),
            }
        }
        Ok(())
    }

    /// When a schedule of the automation fires next.
    fn next_fire(&self, id: AutomationId) -> Option<DateTime<Utc>> {
        let is_live = |facts: &ScheduleFacts| facts.enabled && facts.state == ScheduleState::Active;
        let of = self.shared.schedules.get(&id).into_iter().flatten();
        of.filter_map(|(_, facts): &(ScheduleId, ScheduleFacts)| facts.next_at.filter(|at| is_live(facts) && *at > self.now + NOW)).min()
    }

    async fn queue(&self, database: &Database, catalog: &Catalog, name: &str) -> Result<Queue, Error> {
        let automations = catalog.in_queues(&BTreeSet::from([name.to_owned()]));
        let mut running = sla_list_running_of_unscoped(database, &automations, FRONT).await?;
        running.retain(|job| job.queue == name);
        let works = |worker: &&Watched| {
            let life = worker.facts.life;
            let serves = domain::automation::is_every_queue(&worker.queues) || worker.queues.iter().any(|queue| queue == name);
            serves && life.stopped_at.is_none() && life.paused_at.is_none() && life.last_seen_at > self.now - HEARD
        };
        let slots = self.shared.workers.iter().filter(works).map(|worker| usize::try_from(worker.slots).unwrap_or_default()).sum();
        Ok(Queue { front: sla_list_front_unscoped(database, name, FRONT).await?, running, slots })
    }

    /// What is in front of a job, and how long it takes. Of automations with too few runs it takes as long as the job itself.
    async fn line(
        &self,
        database: &Database,
        baselines: &Baselines,
        expected: &Expected<'_>,
        (own, queue): (&Coming, &Queue),
    ) -> Result<Line, Error> {
        let look = self.look(expected.plan, expected.times);
        let may_start = |job: &&Coming| job.not_before.is_none_or(|at| at <= self.now);
        let ahead: Vec<&Coming> = queue.front.iter().take_while(|job| job.job_id != own.job_id).filter(may_start).collect();
        let others = ahead.iter().copied().chain(&queue.running).chain([own]);
        let asked = others.map(|job| (Of::new(job.automation_id, &look), expected.times.zone.clone())).collect();
        let histories = baselines.get(database, asked, self.now).await?;
        let takes = |id| histories.get(&Of::new(id, &look)).and_then(|history| history.takes(&expected.times.zone, self.now));
        let usual = takes(expected.automation_id).unwrap_or(Takes { median: 60.0, deviation: 1.0 });
        let of = |job: &Coming| takes(job.automation_id).unwrap_or(usual);
        #[expect(clippy::cast_precision_loss, reason = "a year has fewer milliseconds than a mantissa")]
        let elapsed = |job: &Coming| job.running.map(|running| running.took(self.now).num_milliseconds() as f64 / 1000.0);
        Ok(Line {
            job_id: own.job_id,
            ahead: ahead.into_iter().map(of).collect(),
            running: queue.running.iter().filter_map(|job| Some((of(job), elapsed(job)?))).collect(),
            slots: queue.slots,
        })
    }
}
