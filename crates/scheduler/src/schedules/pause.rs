//! Pauses and resumes schedules: one, by conditions, or all.

use api_types::{PauseRequest, ScheduleBulkResponse, SchedulePauseRequest, ScheduleResumeRequest, ScheduleSelection};
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
        let asked = (request.until, request.reason.clone());
        let selected = selected(request.into())?;
        let pause = pause(asked, by, (self.clock)())?;
        if selected.all && pause.until.is_none() {
            return Err(Failure::field("until", "must be given with all: a pause of everything must have an end"));
        }
        self.bulk(by, selected, "schedules paused", async |filter| {
            schedule_pause(&self.database, (by.scope(), by.change()), filter, &pause).await.map(|paused| paused.len())
        })
        .await
    }

    /// Ends the pauses of those that meet the conditions.
    pub(crate) async fn resume_all(&self, by: &Editor, request: ScheduleResumeRequest) -> Result<ScheduleBulkResponse, Failure> {
        let now = (self.clock)();
        self.bulk(by, selected(request.into())?, "schedules resumed", async |filter| {
            schedule_resume(&self.database, (by.scope(), by.change()), filter, now).await.map(|resumed| resumed.len())
        })
        .await
    }

    /// Counts those that are selected and, unless that is all, does with them what `change` does, which returns how many it changed.
    async fn bulk(
        &self,
        by: &Editor,
        Selected { filter, dry_run, .. }: Selected,
        what: &str,
        change: impl AsyncFnOnce(&Filter) -> Result<usize, store::Error>,
    ) -> Result<ScheduleBulkResponse, Failure> {
        let matched = schedule_count(&self.database, by.scope(), &filter).await?;
        let done = if dry_run { 0 } else { change(&filter).await? };
        self.nudge.notify_one();
        tracing::info!(user.name = %by.name(), schedules = done, dry_run, "{what}");
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

/// What a request about several schedules selects.
struct Selected {
    filter: Filter,
    all: bool,
    dry_run: bool,
}

/// What is selected, by conditions or by saying that all are meant.
fn selected(ScheduleSelection { ids, automation_id, domain, all, dry_run }: ScheduleSelection) -> Result<Selected, Failure> {
    if ids.len() > MAX_IDS {
        return Err(Failure::Invalid(vec![Fault::new("ids", format!("must have at most {MAX_IDS} items"))]));
    }
    let has_condition = !ids.is_empty() || automation_id.is_some() || domain.is_some();
    if all == has_condition {
        let message = if all { "must be omitted with another condition" } else { "must be true without another condition" };
        return Err(Failure::field("all", message));
    }
    Ok(Selected { filter: Filter { ids, automation_id, domain, ..Filter::default() }, all, dry_run })
}
