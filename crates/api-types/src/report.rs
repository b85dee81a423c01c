use domain::ids::JobId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{FinishRequest, Problem, StartRequest, StartResponse, WorkerJobResponse, examples};

/// One of several reports in a request: a `start` or a `finish`. A worker that has many sends what gathered while its last request was under
/// way.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::report)]
pub struct Report {
    /// The job.
    #[schema(value_type = Uuid)]
    pub job_id: JobId,
    /// Token of its lease, as in the header `X-Lease-Token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_token: Option<Uuid>,
    /// Body of `start`; exactly one of `start` and `finish` is there.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartRequest>,
    /// Body of `finish`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<FinishRequest>,
}

/// What became of one report, in the order of the request.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReportOutcome {
    /// The status that the report alone would have got.
    pub status: u16,
    /// The body that it alone would have got.
    pub body: ReportBody,
}

/// Body of a report's answer.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ReportBody {
    /// Of `start`.
    Start(StartResponse),
    /// Of `finish`.
    Finish(WorkerJobResponse),
    /// Of one that was refused.
    Problem(Problem),
}
