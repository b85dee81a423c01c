//! What a rule is about: the expectations of each subject, and which of them are judged now.

use std::collections::{BTreeMap, BTreeSet};

use chrono::{DateTime, Utc};
use domain::{
    alert::{AlertType, Key, Resolution, Subject},
    ids::AutomationId,
    sla::{Known, Standing, Target, Times},
};
use store::slas::{AT_ONCE, Sla, State};

use super::{batch::Shared, catalog::Catalog};

/// One expectation of one subject that is judged now.
#[derive(Clone, Debug)]
pub(crate) struct Item {
    pub(crate) key: Key,
    pub(crate) automation_id: Option<AutomationId>,
    pub(crate) known: Option<Known>,
    /// Whether a run of its automation ended.
    pub(crate) has_ended: bool,
    /// Whether it was as expected, and nothing else has changed since.
    pub(crate) was_fine: bool,
}

/// A rule and what is judged of it.
pub(crate) struct Plan {
    pub(crate) sla: Sla,
    /// `None`: its zone or calendar cannot be used any more.
    pub(crate) times: Option<Times>,
    pub(crate) items: Vec<Item>,
    /// What is remembered and not judged now.
    pub(crate) rest: Vec<State>,
    /// What does not apply any more, and why.
    pub(crate) gone: Vec<(State, Resolution)>,
    /// The automations of which runs ended.
    pub(crate) ends: Vec<AutomationId>,
}

/// What applies to the subjects of a rule.
type Wanted = BTreeMap<Key, Option<AutomationId>>;

impl Plan {
    pub(crate) fn new(
        sla: Sla,
        times: Option<Times>,
        (states, ends): (Vec<State>, Vec<AutomationId>),
        (catalog, shared): (&Catalog, &Shared),
        now: DateTime<Utc>,
    ) -> Self {
        let mut wanted = if sla.rule.enabled { wanted(&sla, catalog, shared) } else { Wanted::new() };
        let has_ended: BTreeSet<AutomationId> = ends.iter().copied().collect();
        let mut plan = Self { sla, times, items: Vec::new(), rest: Vec::new(), gone: Vec::new(), ends };
        for state in states {
            let Some(automation_id) = wanted.remove(&state.key) else {
                let why = why_gone(&plan.sla, &state, catalog);
                plan.gone.push((state, why));
                continue;
            };
            let is_due = state.known.due_at.is_some_and(|due| due <= now);
            let has_ended = automation_id.is_some_and(|id| has_ended.contains(&id));
            if is_due || has_ended {
                let was_fine = state.known.standing == Standing::Fine && state.known.due_at != Some(AT_ONCE);
                plan.items.push(Item { key: state.key, automation_id, known: Some(state.known), has_ended, was_fine });
            } else {
                plan.rest.push(state);
            }
        }
        let new = |(key, automation_id)| Item { key, automation_id, known: None, has_ended: false, was_fine: false };
        plan.items.extend(wanted.into_iter().map(new));
        plan
    }
}

fn why_gone(sla: &Sla, state: &State, catalog: &Catalog) -> Resolution {
    let is_archived = state.automation_id.and_then(|id| catalog.get(id)).is_some_and(|entry| entry.is_archived);
    if sla.rule.enabled && is_archived { Resolution::Archived } else { Resolution::RuleChanged }
}

fn wanted(sla: &Sla, catalog: &Catalog, shared: &Shared) -> Wanted {
    let (rule, expect) = (&sla.rule, &sla.rule.expect);
    let mut wanted = Wanted::new();
    let mut want = |alert_type, subject, automation_id| {
        wanted.insert(Key { rule_id: Some(sla.id), alert_type, subject }, automation_id);
    };
    let by_automation = matches!(rule.target, Target::Automation(_) | Target::Domain(_));
    for (id, _) in catalog.of(&rule.target) {
        let types = [
            (expect.has_deadline(), AlertType::Late),
            (expect.alert_on_failure || expect.failure_rate.is_some(), AlertType::Failure),
            (expect.failure_streak.is_some(), AlertType::FailureStreak),
            (expect.has_durations(), AlertType::Duration),
            (expect.duration_anomaly.is_some(), AlertType::DurationAnomaly),
            (expect.forecast, AlertType::SlaForecast),
            (expect.has_backlog() && by_automation, AlertType::QueueBacklog),
        ];
        for (_, alert_type) in types.into_iter().filter(|(is_wanted, _)| *is_wanted) {
            want(alert_type, Subject::Automation(id), Some(id));
        }
        if expect.alert_on_dead_schedule {
            for (schedule, _) in shared.schedules.get(&id).into_iter().flatten() {
                want(AlertType::ScheduleDead, Subject::Schedule(*schedule), Some(id));
            }
        }
    }
    let queues =
        if expect.has_backlog() || expect.worker_gone_after_s.is_some() { catalog.queues_of(&rule.target) } else { BTreeSet::new() };
    if expect.has_backlog() && !by_automation {
        for name in &queues {
            want(AlertType::QueueBacklog, Subject::Queue(name.clone()), None);
        }
    }
    if expect.worker_gone_after_s.is_some() {
        let serves = |names: &[String]| {
            rule.target == Target::Everything || domain::automation::is_every_queue(names) || names.iter().any(|name| queues.contains(name))
        };
        for worker in shared.workers.iter().filter(|worker| serves(&worker.queues)) {
            want(AlertType::WorkerDown, Subject::Worker(worker.id), None);
        }
    }
    if expect.watch_hub {
        for part in &shared.hub {
            want(AlertType::Hub, Subject::Hub(part.name.clone()), None);
        }
    }
    wanted
}
