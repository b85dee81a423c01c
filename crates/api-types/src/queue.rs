use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::examples;

/// A queue: pending jobs are dispatched to workers through it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::queue)]
pub struct Queue {
    /// Name.
    pub name: String,
    /// Pending jobs.
    pub waiting: i64,
    /// Jobs that run or are paused.
    pub running: i64,
    /// When it was paused; its pending jobs do not start. Null: not paused.
    pub paused_at: Option<DateTime<Utc>>,
    /// When the pause ends; null: when somebody resumes it.
    pub paused_until: Option<DateTime<Utc>>,
    /// Why it is paused.
    pub paused_reason: Option<String>,
    /// Who paused it.
    pub paused_by: Option<String>,
}

/// Query of the list of queues.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct QueueFilter {
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Name of the last queue of the previous page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub after: Option<String>,
}

/// Body of the requests that pause an automation or a queue; optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"reason": "Maintenance of the portal"}))]
pub struct PauseRequest {
    /// When the pause ends; must be in the future. Absent: when somebody resumes it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
    /// Reason, for people; at most 500 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 500, pattern = r"^[^\u0000-\u001f\u007f-\u009f]*$")]
    pub reason: Option<String>,
}
