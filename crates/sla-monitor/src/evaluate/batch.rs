//! Rules that are judged together, so that they share what is read: pure but for the reads.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    alert::{AlertType, Observation, Subject},
    calendar::Calendar,
    ids::{AutomationId, CalendarId, ScheduleId, SlaId},
    schedule::Zones,
    sla::{HubPart, Look, ScheduleFacts, Times, Verdict, gone, settle},
};
use store::{
    Database, Error,
    slas::{
        Judged, Sla, State, Watched, sla_list_ends_unscoped, sla_list_schedules_unscoped, sla_list_states_unscoped,
        sla_list_workers_unscoped,
    },
};

use super::{
    catalog::Catalog,
    facts::{Facts, hub_parts},
    plan::{Item, Plan},
};

/// When a rule that cannot be used is looked at again.
const UNUSABLE: TimeDelta = TimeDelta::hours(1);
/// How often rules whose subjects come and go are looked at: workers, schedules and queues that are new.
const MEMBERS: TimeDelta = TimeDelta::seconds(60);

/// What several subjects are found by.
#[derive(Default)]
pub(crate) struct Shared {
    pub(crate) workers: Vec<Watched>,
    pub(crate) schedules: HashMap<AutomationId, Vec<(ScheduleId, ScheduleFacts)>>,
    pub(crate) hub: Vec<HubPart>,
}

/// Rules and what is judged of them.
pub(crate) struct Batch {
    pub(super) plans: Vec<Plan>,
    pub(super) shared: Shared,
    pub(super) now: DateTime<Utc>,
}

impl Batch {
    pub(crate) async fn read(
        database: &Database,
        claimed: Vec<Sla>,
        (zones, calendars): (&Zones, &HashMap<CalendarId, Arc<Calendar>>),
        catalog: &Catalog,
        now: DateTime<Utc>,
    ) -> Result<Self, Error> {
        let ids: Vec<SlaId> = claimed.iter().map(|sla| sla.id).collect();
        let (states, ends, shared) = tokio::try_join!(
            sla_list_states_unscoped(database, &ids),
            sla_list_ends_unscoped(database, &ids),
            shared(database, &claimed, catalog, now),
        )?;
        let mut states_of: HashMap<SlaId, Vec<State>> = HashMap::new();
        for state in states {
            states_of.entry(state.key.rule_id.unwrap_or_default()).or_default().push(state);
        }
        let mut ends_of: HashMap<SlaId, Vec<AutomationId>> = HashMap::new();
        for (id, automation) in ends {
            ends_of.entry(id).or_default().push(automation);
        }
        let plan = |sla: Sla| {
            let own = (states_of.remove(&sla.id).unwrap_or_default(), ends_of.remove(&sla.id).unwrap_or_default());
            let times = times(&sla, zones, calendars);
            Plan::new(sla, times, own, (catalog, &shared), now)
        };
        Ok(Self { plans: claimed.into_iter().map(plan).collect(), shared, now })
    }

    /// The items of all rules that are judged.
    pub(super) fn items(&self) -> impl Iterator<Item = (&Plan, &Times, &Item)> {
        let usable = self.plans.iter().filter_map(|plan| Some((plan, plan.times.as_ref()?)));
        usable.flat_map(|(plan, times)| plan.items.iter().map(move |item| (plan, times, item)))
    }

    pub(super) fn look<'a>(&self, plan: &'a Plan, times: &'a Times) -> Look<'a> {
        Look { rule: &plan.sla.rule, times, since: plan.sla.since_at, now: self.now }
    }

    /// What is found, and what is told of it.
    pub(crate) fn judge(&self, facts: &Facts) -> Vec<Judged> {
        self.plans.iter().map(|plan| self.judge_one(plan, facts)).collect()
    }

    fn judge_one(&self, plan: &Plan, facts: &Facts) -> Judged {
        let (rule, now) = (&plan.sla.rule, self.now);
        let over = plan.gone.iter().map(|(state, why)| gone(rule, (state.key.clone(), state.automation_id), *why, now));
        let mut observations: Vec<Observation> = over.collect();
        let mut states = Vec::new();
        let Some(times) = &plan.times else { return unusable(plan, observations, now) };
        let look = self.look(plan, times);
        for item in &plan.items {
            let verdict = self.verdict(&look, item, facts);
            let (observation, known) = settle(rule, (&item.key, item.automation_id), item.known.as_ref(), verdict, now);
            observations.extend(observation);
            states.push(State { key: item.key.clone(), automation_id: item.automation_id, known });
        }
        let all = || states.iter().chain(&plan.rest);
        let is_open = |state: &State| state.key.alert_type == AlertType::Late && state.known.standing == domain::sla::Standing::Breached;
        let follows = rule.enabled && (rule.expect.follows_runs() || all().any(is_open));
        let wake_at = all().filter_map(|state| state.known.due_at).chain(members(plan, now)).min();
        // What was claimed is looked at later, never at once.
        let wake_at = wake_at.filter(|_| rule.enabled).map(|at| at.max(now + TimeDelta::milliseconds(1)));
        let gone = plan.gone.iter().map(|(state, _)| state.key.clone()).collect();
        Judged { id: plan.sla.id, wake_at, follows, observations, states, gone, ends: plan.ends.clone() }
    }

    fn verdict(&self, look: &Look<'_>, item: &Item, facts: &Facts) -> Verdict {
        let runs =
            || item.automation_id.and_then(|id| facts.runs.get(&(item.key.rule_id.unwrap_or_default(), id))).map_or(&[][..], Vec::as_slice);
        match (item.key.alert_type, &item.key.subject) {
            (AlertType::Late, _) => look.late(item.known.as_ref(), &facts.late.get(&item.key).copied().unwrap_or_default()),
            (AlertType::Failure, _) => look.failures(runs()),
            (AlertType::FailureStreak, _) => look.streak(runs()),
            (AlertType::Duration, _) => {
                let running = item.automation_id.and_then(|id| facts.running.get(&id)).map_or(&[][..], Vec::as_slice);
                look.durations(running, runs())
            }
            (AlertType::DurationAnomaly, _) => {
                let running = item.automation_id.and_then(|id| facts.running.get(&id)).map_or(&[][..], Vec::as_slice);
                facts.history(look, item).map_or_else(Verdict::fine, |history| look.unusual(item.known.as_ref(), running, runs(), history))
            }
            (AlertType::SlaForecast, _) => {
                let found = facts.history(look, item).zip(facts.ahead.get(&item.key));
                found.map_or_else(Verdict::fine, |(history, ahead)| look.forecast(item.known.as_ref(), ahead, history))
            }
            (AlertType::QueueBacklog, subject) => look.backlog(&facts.waiting(subject)),
            (AlertType::WorkerDown, Subject::Worker(id)) => {
                let found = self.shared.workers.iter().find(|worker| worker.id == *id);
                found.map_or_else(Verdict::fine, |worker| look.worker(&worker.facts))
            }
            (AlertType::ScheduleDead, Subject::Schedule(id)) => {
                let of = item.automation_id.and_then(|automation| self.shared.schedules.get(&automation));
                let found = of.into_iter().flatten().find(|(schedule, _)| schedule == id);
                found.map_or_else(Verdict::fine, |(_, facts)| look.schedule(facts))
            }
            (AlertType::Hub, Subject::Hub(name)) => {
                let found = self.shared.hub.iter().find(|part| part.name == *name);
                found.map_or_else(Verdict::fine, |part| look.hub(part))
            }
            _ => Verdict::fine(),
        }
    }
}

/// When subjects may have come that nothing is remembered of.
fn members(plan: &Plan, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
    let expect = &plan.sla.rule.expect;
    (expect.worker_gone_after_s.is_some() || expect.alert_on_dead_schedule || expect.watch_hub).then(|| now + MEMBERS)
}

fn unusable(plan: &Plan, observations: Vec<Observation>, now: DateTime<Utc>) -> Judged {
    tracing::warn!(sla.id = %plan.sla.id, "an SLA rule cannot be judged: its zone or calendar is not known any more");
    let gone = plan.gone.iter().map(|(state, _)| state.key.clone()).collect();
    let ends = plan.ends.clone();
    Judged { id: plan.sla.id, wake_at: Some(now + UNUSABLE), follows: false, observations, states: Vec::new(), gone, ends }
}

fn times(sla: &Sla, zones: &Zones, calendars: &HashMap<CalendarId, Arc<Calendar>>) -> Option<Times> {
    let zone = zones.get(&sla.rule.timezone).ok()?;
    let calendar = match sla.rule.calendar_id {
        Some(id) => Some(calendars.get(&id)?.clone()),
        None => None,
    };
    Some(Times { zone, calendar })
}

/// Reads what subjects are found by, as far as a rule needs it.
async fn shared(database: &Database, claimed: &[Sla], catalog: &Catalog, now: DateTime<Utc>) -> Result<Shared, Error> {
    let expects =
        |what: fn(&domain::sla::Expectations) -> bool| claimed.iter().filter(move |sla| sla.rule.enabled && what(&sla.rule.expect));
    let mut shared = Shared::default();
    if expects(|expect| expect.worker_gone_after_s.is_some() || expect.forecast).next().is_some() {
        shared.workers = sla_list_workers_unscoped(database).await?;
    }
    let with_schedules = expects(|expect| expect.alert_on_dead_schedule || expect.has_deadline());
    let automations: BTreeSet<AutomationId> =
        with_schedules.flat_map(|sla| catalog.of(&sla.rule.target).into_iter().map(|(id, _)| id)).collect();
    if !automations.is_empty() {
        shared.schedules = sla_list_schedules_unscoped(database, &Vec::from_iter(automations)).await?;
    }
    if expects(|expect| expect.watch_hub).next().is_some() {
        shared.hub = hub_parts(database, now).await?;
    }
    Ok(shared)
}
