use domain::ids::JobId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{FinishRequest, Problem, StartRequest, StartResponse, WorkerJobResponse, examples};

/// A `start` or `finish` in a batch. A busy worker collects reports while its previous request is in flight and sends them together.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::report)]
pub struct Report {
    /// The job.
    #[schema(value_type = Uuid)]
    pub job_id: JobId,
    /// Lease token, as in the header `X-Lease-Token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub lease_token: Option<Uuid>,
    /// Body of `start`. Exactly one of `start` and `finish` is required.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub start: Option<StartRequest>,
    /// Body of `finish`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub finish: Option<FinishRequest>,
}

/// Outcome of a report, in the order of the request.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct ReportOutcome {
    /// HTTP status that the report would get as a request of its own.
    pub status: u16,
    /// Body that it would get.
    pub body: ReportBody,
}

/// Body of the answer to a report.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[serde(untagged)]
pub enum ReportBody {
    /// Answer to `start`.
    Start(StartResponse),
    /// Answer to `finish`.
    Finish(WorkerJobResponse),
    /// The report was refused.
    Problem(Problem),
}
