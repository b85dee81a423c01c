use chrono::DateTime;
use domain::{
    ids::{AutomationId, JobId},
    job::Trigger,
    policy::Overlap,
};
use store::jobs::{NewJob, Origin, Terms};

/// A first run of automation 7 on `queue` without parameters, requested by a program when its id was generated.
#[must_use]
pub fn new_job(id: JobId, queue: &str) -> NewJob {
    let millis = i64::try_from(id.get().as_u128() >> 80).unwrap_or_default();
    NewJob {
        id,
        automation_id: AutomationId::new(7),
        queue_name: queue.to_owned(),
        trigger: Trigger::Api,
        priority: 5,
        parameters: serde_json::Map::new(),
        attempt: 1,
        retry_of: None,
        idempotency_key: None,
        request_digest: None,
        created_at: DateTime::from_timestamp_millis(millis).unwrap_or_default(),
        not_before: None,
        dispatch_started_at: None,
        overlap: Overlap::Queue,
        origin: Origin::default(),
        terms: Terms::default(),
    }
}
