use api_types::{
    BulkRequest, BulkResponse, ControlRequest, IDEMPOTENCY_REPLAYED_HEADER, Job, JobCreate, JobEvent, JobEventFilter, JobFilter, LogFilter,
    LogLine, RetryRequest,
};
use domain::ids::JobId;

use crate::{Call, Client, Error, List};

/// A job that was requested.
#[derive(Clone, Debug, PartialEq)]
pub struct Requested {
    /// The job.
    pub job: Job,
    /// It was there before: accepted under the same key, or waiting where its automation joins requests.
    pub existed: bool,
}

/// A job has one next attempt, and as many retries as people asked for.
const MOST_RETRIES: usize = 1000;

impl Client {
    /// [`Client::job_create`], for somebody who wants to know whether the job is new.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn job_request(&self, request: &JobCreate) -> Result<Requested, Error> {
        let call = self.job_create(request);
        let answer = call.answer().await?;
        Ok(Requested { job: call.read(&answer)?, existed: answer.headers.contains_key(IDEMPOTENCY_REPLAYED_HEADER) })
    }

    /// Requests a job. Repeated after a lost answer only with an idempotency key.
    pub fn job_create(&self, request: &JobCreate) -> Call<Job> {
        let call = self.post(&["jobs"]).json(request);
        if request.idempotency_key.is_some() { call.repeatable() } else { call }
    }

    /// Jobs, newest first.
    pub fn jobs(&self, filter: &JobFilter) -> List<Job> {
        self.list(&["jobs"], filter)
    }

    /// One job.
    pub fn job(&self, id: JobId) -> Call<Job> {
        self.get(&["jobs", &id.to_string()])
    }

    /// The job that runs a failed one again because its automation's retry policy says so, or because its dead letter was replayed. It is there
    /// as soon as the failure is. A retry that a person asked for is none: it begins to count anew.
    ///
    /// # Errors
    /// See [`Error`].
    pub async fn job_next_attempt(&self, failed: &Job) -> Result<Option<Job>, Error> {
        let retries = self.jobs(&JobFilter { retry_of: Some(failed.id), ..JobFilter::default() }).take(MOST_RETRIES).await?;
        Ok(retries.into_iter().filter(|retry| retry.attempt > failed.attempt).min_by_key(|retry| retry.id))
    }

    /// A job's stored log lines, oldest first. [`Client::job_follow`] continues with new ones.
    pub fn job_logs(&self, id: JobId, filter: &LogFilter) -> List<LogLine> {
        self.list(&["jobs", &id.to_string(), "logs"], filter)
    }

    /// A job's events, oldest first.
    pub fn job_events(&self, id: JobId, filter: &JobEventFilter) -> List<JobEvent> {
        self.list(&["jobs", &id.to_string(), "events"], filter)
    }

    /// Cancels a job.
    pub fn job_cancel(&self, id: JobId, request: &ControlRequest) -> Call<Job> {
        self.post(&["jobs", &id.to_string(), "cancel"]).json(request)
    }

    /// Suspends a job's processes.
    pub fn job_pause(&self, id: JobId, request: &ControlRequest) -> Call<Job> {
        self.post(&["jobs", &id.to_string(), "pause"]).json(request)
    }

    /// Resumes a paused job.
    pub fn job_resume(&self, id: JobId, request: &ControlRequest) -> Call<Job> {
        self.post(&["jobs", &id.to_string(), "resume"]).json(request)
    }

    /// Retries an ended job as a new job.
    pub fn job_retry(&self, id: JobId, request: &RetryRequest) -> Call<Job> {
        self.post(&["jobs", &id.to_string(), "retry"]).json(request)
    }

    /// Cancels every job that meets the conditions.
    pub fn jobs_cancel(&self, request: &BulkRequest) -> Call<BulkResponse> {
        self.post(&["jobs", "bulk", "cancel"]).repeatable().json(request)
    }

    /// Retries every ended job that meets the conditions. Repeatable: a job that has a retry is not retried again.
    pub fn jobs_retry(&self, request: &BulkRequest) -> Call<BulkResponse> {
        self.post(&["jobs", "bulk", "retry"]).repeatable().json(request)
    }

    pub(crate) fn log_stream(&self, id: JobId) -> Call<()> {
        self.get(&["jobs", &id.to_string(), "logs", "stream"])
    }
}
