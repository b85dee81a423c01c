use chrono::{DateTime, Utc};
use domain::{
    Scope,
    automation::{EntrypointType, QueueProfile},
    ids::{AutomationId, JobId, WorkerId},
    job::{Lease, Status},
    policy::Policy,
    retry::RetryPolicy,
};
use serde_json::{Map, Value, json};
use store::{
    Database, Error, Transaction,
    automations::Draft,
    job_logs::{Line, line_list, line_page},
    jobs::{
        CandidateFilter, Filter, FullJob, JobRow, NewJob, Payload, job_get, job_insert_many_in_txn, job_list_page,
        job_load_for_update_in_txn, job_load_payloads, job_update_many_in_txn,
    },
};
use uuid::{Builder, Uuid};

/// `millis` after the start of 2026.
pub(crate) fn at(millis: i64) -> DateTime<Utc> {
    DateTime::from_timestamp_millis(1_767_225_600_000 + millis).unwrap()
}

/// The id of the `nth` job accepted at `at(millis)`.
pub(crate) fn id_at<T: From<Uuid>>(millis: i64, nth: u32) -> T {
    let mut rest = [0; 10];
    rest[6..].copy_from_slice(&nth.to_be_bytes());
    Builder::from_unix_timestamp_millis(at(millis).timestamp_millis().unsigned_abs(), &rest).into_uuid().into()
}

pub(crate) fn object(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        other => panic!("not an object: {other}"),
    }
}

pub(crate) fn draft(name: &str) -> Draft {
    Draft {
        name: name.to_owned(),
        description: "Sends invoices".to_owned(),
        queue_name: "invoices".to_owned(),
        queue_profile: Some(QueueProfile::Regente),
        entrypoint_type: EntrypointType::Python,
        script_path: "bots/invoices.py".to_owned(),
        parameter_schema: Some(json!({"type": "object"})),
        default_params: object(json!({"month": 1})),
        timeout_s: Some(60),
        max_concurrency: Some(2),
        manual_minutes: Some(15),
        priority: 5,
        retry_policy: RetryPolicy::default(),
        policy: Policy::default(),
        domain_id: None,
        labels: Vec::new(),
        updated_by: Some("ana".into()),
    }
}

/// The `nth` job, accepted `nth` milliseconds after the start of 2026.
pub(crate) fn new_job(nth: u32) -> NewJob {
    NewJob {
        automation_id: AutomationId::new(1),
        parameters: object(json!({"nth": nth})),
        created_at: at(i64::from(nth)),
        ..test_support::new_job(id_at(i64::from(nth), nth), "invoices")
    }
}

/// Runs `work` in a transaction and commits it.
pub(crate) async fn commit<T>(database: &Database, work: impl AsyncFnOnce(&Transaction) -> Result<T, Error>) -> Result<T, Error> {
    let txn = database.begin().await?;
    let value = work(&txn).await?;
    txn.commit().await?;
    Ok(value)
}

pub(crate) async fn insert(database: &Database, jobs: &[NewJob]) {
    let jobs: Vec<&NewJob> = jobs.iter().collect();
    commit(database, async |txn| job_insert_many_in_txn(txn, &jobs).await).await.unwrap();
}

/// Jobs whole, as one page has them.
pub(crate) async fn list(database: &Database, filter: &Filter) -> Vec<FullJob> {
    let page = job_list_page(database, &Scope::All, filter, Payload::All, u64::MAX).await.unwrap();
    let rows = page.rows.into_iter().map(|(row, _)| row).collect();
    job_load_payloads(database, rows, Payload::All).await.unwrap()
}

/// Log lines after this one, at most so many.
pub(crate) async fn read_lines(database: &Database, job_id: JobId, after: i64, limit: usize) -> Vec<(i64, Line)> {
    let page = line_page(database, job_id, after, limit, usize::MAX).await.unwrap();
    line_list(database, job_id, &page.parts).await.unwrap()
}

/// Waiting jobs of the queue "invoices".
pub(crate) const fn wanted(except_automations: &[AutomationId], now: DateTime<Utc>, limit: u64) -> CandidateFilter<'_> {
    CandidateFilter { queue: "invoices", now, limit, except_automations, except_keys: &[], except_schedules: &[], requires: None }
}

/// Chooses these jobs for the broker.
pub(crate) async fn mark_dispatched(txn: &Transaction, ids: &[JobId], when: DateTime<Utc>) -> Result<(), Error> {
    let mut rows = job_load_for_update_in_txn(txn, ids).await?;
    rows.iter_mut().for_each(|row| row.dispatch_started_at = Some(when));
    job_update_many_in_txn(txn, &rows.iter().collect::<Vec<_>>()).await
}

/// Loads a job, lets `change` change it, and writes it.
pub(crate) async fn change(database: &Database, id: JobId, change: impl FnOnce(&mut JobRow)) {
    commit(database, async |txn| {
        let mut rows = job_load_for_update_in_txn(txn, &[id]).await?;
        change(&mut rows[0]);
        job_update_many_in_txn(txn, &[&rows[0]]).await
    })
    .await
    .unwrap();
}

pub(crate) async fn set_status(database: &Database, id: JobId, status: Status) {
    change(database, id, |row| row.job.status = status).await;
}

/// Lets `worker_id` hold the job until `expires_at`.
pub(crate) async fn hold(database: &Database, id: JobId, worker_id: Option<WorkerId>, expires_at: DateTime<Utc>) {
    change(database, id, |row| {
        row.job.status = Status::Running;
        row.job.lease = Some(Lease { token: Uuid::now_v7(), worker_id, expires_at });
    })
    .await;
}

pub(crate) async fn row(database: &Database, id: JobId) -> JobRow {
    job_get(database, &Scope::All, id).await.unwrap().unwrap().row
}

/// One job in each status, and those that wait in each stage of their way to the broker: `(what, id)`.
pub(crate) async fn one_of_each(database: &Database) -> Vec<(&'static str, JobId)> {
    let mut all = Vec::new();
    for (nth, what) in (1..).zip(["waiting", "chosen", "confirmed"].into_iter().chain(Status::ALL.into_iter().skip(1).map(Status::as_str)))
    {
        let new = new_job(nth);
        insert(database, std::slice::from_ref(&new)).await;
        change(database, new.id, |row| {
            row.job.status = Status::parse(what).unwrap_or(Status::Pending);
            row.dispatch_started_at = (what != "waiting").then(|| at(100));
            row.dispatched_at = (!["waiting", "chosen"].contains(&what)).then(|| at(200));
        })
        .await;
        all.push((what, new.id));
    }
    all
}

pub(crate) fn sorted<T: Ord>(mut items: Vec<T>) -> Vec<T> {
    items.sort();
    items
}

/// No jobs.
pub(crate) const NONE: [JobId; 0] = [];
