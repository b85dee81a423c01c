//! Slots that do not run. Before they are recorded as skipped, their jobs are looked for: a replica may have asked for one, and died before it wrote
//! that.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chrono::{DateTime, Utc};
use domain::ids::{JobId, ScheduleId};
use store::{
    Error,
    jobs::{KeySpan, job_list_keyed_unscoped},
};

use super::{
    Due,
    plan::{Plan, SkippedSlots, key, skip},
};

/// Jobs of slots by schedule.
type Found = HashMap<ScheduleId, BTreeMap<DateTime<Utc>, JobId>>;

impl Due {
    /// Records the slots that do not run, and those of them that have a job after all.
    pub(super) async fn record_skipped(&self, plans: &mut [Plan], now: DateTime<Utc>) -> Result<(), Error> {
        let found = self.jobs_of_skipped(plans).await?;
        let none = BTreeMap::new();
        for plan in plans {
            let Some(skipped) = plan.skipped.take() else { continue };
            let id = plan.schedule.id;
            self.record(plan, &skipped, found.get(&id).unwrap_or(&none), now);
        }
        Ok(())
    }

    fn record(&self, plan: &mut Plan, skipped: &SkippedSlots, found: &BTreeMap<DateTime<Utc>, JobId>, now: DateTime<Utc>) {
        let SkippedSlots { groups, schedule } = skipped;
        let id = plan.schedule.id;
        if found.is_empty() {
            plan.decided.fires.extend(groups.iter().map(|group| skip(id, group, now)));
            return;
        }
        let runs = plan.runs.iter().map(|(slot, _)| slot.at);
        let ran: BTreeSet<_> = found.keys().copied().chain(runs).collect();
        let left = groups.iter().flat_map(|group| schedule.without(group, &ran));
        plan.decided.fires.extend(left.map(|group| skip(id, &group, now)));
        for (at, job_id) in found {
            // The slot itself says when it was due to run.
            if let Some(slot) = schedule.slots_between(*at - domain::schedule::SECOND, *at).next() {
                plan.decided.fires.push(self.created(&plan.schedule, slot, *job_id));
            }
        }
        plan.decided.last_slot_at = plan.decided.last_slot_at.max(found.keys().next_back().copied());
        tracing::info!(schedule.id = %id, slots = found.len(), "slots that are late have jobs already");
    }

    /// The jobs of slots that are not to run. Nearly always there are no such slots, and nothing is read.
    async fn jobs_of_skipped(&self, plans: &[Plan]) -> Result<Found, Error> {
        let (mut spans, mut found) = (Vec::new(), Found::new());
        for plan in plans {
            let (id, automation_id) = (plan.schedule.id, plan.schedule.draft.automation_id);
            let groups = plan.skipped.iter().flat_map(|skipped| &skipped.groups);
            spans.extend(groups.map(|group| KeySpan { automation_id, first: key(id, group.first), last: key(id, group.last) }));
        }
        for job in job_list_keyed_unscoped(&self.database, &spans).await? {
            let Some((id, slot)) = job.key.strip_prefix("schedule/").and_then(|rest| rest.split_once('/')) else { continue };
            if let (Ok(id), Ok(slot)) = (id.parse(), slot.parse()) {
                found.entry(id).or_default().insert(slot, job.job_id);
            }
        }
        Ok(found)
    }
}
