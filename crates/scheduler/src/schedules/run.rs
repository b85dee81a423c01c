//! Runs a schedule now, whatever its times are.

use api_types::Job;
use domain::{
    ids::ScheduleId,
    job::{IdempotencyKey, Origin, Request, Trigger},
    schedule::placeholder::{Dates, fill},
};
use runtime::{Ask, Editor, Failure, Intake};
use serde_json::Value;
use store::audit::audit_insert;

use super::{Schedules, compile, manage::calendar_ids};

impl Schedules {
    /// The job, and whether it existed before: accepted with the same key. Its placeholders are those of now.
    pub(crate) async fn run(
        &self,
        by: &Editor,
        id: ScheduleId,
        (key, traceparent): (Option<String>, Option<String>),
    ) -> Result<(Job, bool), Failure> {
        let schedule = self.get(by, id).await?;
        let now = (self.clock)();
        let calendars = self.calendars.get(&calendar_ids([&schedule.draft])).await?;
        let compiled = compile(id, &schedule.draft, &self.zones, &calendars).map_err(Failure::Invalid)?;
        let dates = Dates {
            due: compiled.zone.local(now),
            previous: schedule.last_slot_at.map(|at| compiled.zone.local(at)),
            calendar: compiled.calendar.as_ref().map(|calendar| &*calendar.calendar),
        };
        let parameters = match fill(&Value::Object(schedule.draft.parameters.clone()), &dates) {
            Ok(Value::Object(parameters)) => parameters,
            Ok(_) => serde_json::Map::new(),
            Err(fault) => return Err(Failure::Invalid(vec![fault])),
        };
        let request = Request {
            parameters,
            overrides: schedule.draft.job.clone(),
            trigger: Trigger::Manual,
            version_id: schedule.draft.version_id,
            environment: schedule.draft.environment.clone(),
            origin: Origin { requested_by: Some(by.name()), schedule_id: Some(id), traceparent },
        };
        let key = key.map(|key| IdempotencyKey::parse(format!("schedule/{id}/run/{key}"))).transpose();
        let key = key.map_err(|fault| Failure::BadRequest(format!("the header Idempotency-Key {}", fault.message)))?;
        let accepted = self.intake.accept(Ask { automation_id: schedule.draft.automation_id, request, key }).await?;
        let (job, existed) = match accepted {
            Intake::Accepted(job) => (job, false),
            Intake::Existing(job) => (job, true),
            Intake::Skipped(job) => return Err(Failure::overlap_skipped(job)),
        };
        if !existed {
            let entry = by.change().entry("schedule.run", store::schedules::target(id), None, Some(serde_json::json!({"job_id": job.id})));
            audit_insert(&self.database, &entry, now).await?;
        }
        Ok((job, existed))
    }
}
