//! Pauses and resumes schedules: one, by conditions, or all.

use api_types::{PauseRequest, ScheduleBulkResponse, SchedulePauseRequest, ScheduleResumeRequest};
use chrono::{DateTime, Utc};
use domain::{
    Fault, Scope,
    ids::ScheduleId,
    policy::{Pause, pause_faults},
};
use runtime::{Editor, Failure};
use store::schedules::{Filter, schedule_count, schedule_list_pauses, schedule_pause, schedule_resume};

use super::{Schedules, manage::not_found};

/// Upper bound of the ids of a request.
const MAX_IDS: usize = 1000;

impl Schedules {
    /// Pauses it: it does not fire. An existing pause is changed and keeps its beginning.
    pub(crate) async fn pause(&self, by: &Editor, id: ScheduleId, request: PauseRequest) -> Result<api_types::Schedule, Failure> {
        self.get(by, id).await?;
        let now = (self.clock)();
        let mut pause = pause((request.until, request.reason), by, now)?;
        // The schedule was found in scope.
        let before = schedule_list_pauses(&self.database, &Scope::All, &[id]).await?;
        let before = before.into_iter().map(|paused| paused.pause).find(|pause| pause.at <= now && pause.holds(now));
        pause.at = before.map_or(now, |before| before.at);
        schedule_pause(&self.database, (by.scope(), by.change()), &only(id), &pause).await?;
        self.after(by, id).await
    }

    /// Ends its pause.
    pub(crate) async fn resume(&self, by: &Editor, id: ScheduleId) -> Result<api_types::Schedule, Failure> {
        self.get(by, id).await?;
        if schedule_resume(&self.database, (by.scope(), by.change()), &only(id), (self.clock)()).await?.is_empty() {
            return Err(Failure::conflict("wrong_state", format!("schedule {id} is not paused")));
        }
        self.after(by, id).await
    }

    /// Pauses those that meet the conditions.
    pub(crate) async fn pause_all(&self, by: &Editor, request: SchedulePauseRequest) -> Result<ScheduleBulkResponse, Failure> {
        let SchedulePauseRequest { ids, automation_id, domain, all, until, reason, dry_run } = request;
        let filter = conditions(all, Filter { ids, automation_id, domain, ..Filter::default() })?;
        let pause = pause((until, reason), by, (self.clock)())?;
        if all && pause.until.is_none() {
            return Err(Failure::field("until", "must be given with all: a pause of everything must have an end"));
        }
        let matched = schedule_count(&self.database, by.scope(), &filter).await?;
        let done = if dry_run { 0 } else { schedule_pause(&self.database, (by.scope(), by.change()), &filter, &pause).await?.len() };
        self.nudge.notify_one();
        tracing::info!(user.name = pause.by, schedules = done, dry_run, "schedules paused");
        Ok(ScheduleBulkResponse { dry_run, matched, done: done as u64 })
    }

    /// Ends the pauses of those that meet the conditions.
    pub(crate) async fn resume_all(&self, by: &Editor, request: ScheduleResumeRequest) -> Result<ScheduleBulkResponse, Failure> {
        let ScheduleResumeRequest { ids, automation_id, domain, all, dry_run } = request;
        let filter = conditions(all, Filter { ids, automation_id, domain, ..Filter::default() })?;
        let matched = schedule_count(&self.database, by.scope(), &filter).await?;
        let now = (self.clock)();
        let done = if dry_run { 0 } else { schedule_resume(&self.database, (by.scope(), by.change()), &filter, now).await?.len() };
        self.nudge.notify_one();
        tracing::info!(user.name = %by.actor, schedules = done, dry_run, "schedules resumed");
        Ok(ScheduleBulkResponse { dry_run, matched, done: done as u64 })
    }

    /// The schedule after its pause changed; the loop tells others what it makes of it.
    async fn after(&self, by: &Editor, id: ScheduleId) -> Result<api_types::Schedule, Failure> {
        self.nudge.notify_one();
        let schedule = store::schedules::schedule_get(&self.database, by.scope(), id).await?.ok_or_else(|| not_found(id))?;
        self.shown(by, &schedule).await
    }
}

fn only(id: ScheduleId) -> Filter {
    Filter { ids: vec![id], ..Filter::default() }
}

fn pause((until, reason): (Option<DateTime<Utc>>, Option<String>), by: &Editor, now: DateTime<Utc>) -> Result<Pause, Failure> {
    let reason = reason.map(|reason| reason.trim().to_owned()).filter(|reason| !reason.is_empty());
    let faults = pause_faults(until, reason.as_deref(), now);
    if faults.is_empty() { Ok(Pause { at: now, until, reason, by: by.name() }) } else { Err(Failure::Invalid(faults)) }
}

/// The filter of a bulk request, which has a condition or says that it means all.
fn conditions(all: bool, filter: Filter) -> Result<Filter, Failure> {
    if filter.ids.len() > MAX_IDS {
        return Err(Failure::Invalid(vec![Fault::new("ids", format!("must have at most {MAX_IDS} items"))]));
    }
    let has_condition = !filter.ids.is_empty() || filter.automation_id.is_some() || filter.domain.is_some();
    if all == has_condition {
        let message = if all { "must be omitted with another condition" } else { "must be true without another condition" };
        return Err(Failure::field("all", message));
    }
    Ok(filter)
}
