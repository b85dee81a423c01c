use chrono::{DateTime, Utc};
use domain::ids::{DeadLetterId, JobId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::examples;

/// A message that the broker dead-lettered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// Id of the dead letter.
    #[schema(value_type = Uuid)]
    pub id: DeadLetterId,
    /// Queue that it was published to.
    pub queue_name: String,
    /// Job that it names; the hub may not know that job. Null: it names none.
    #[schema(value_type = Option<Uuid>)]
    pub job_id: Option<JobId>,
    /// `rejected`, `expired`, `maxlen` or `delivery_limit`.
    pub reason: String,
    /// When the hub consumed it from the dead-letter queue.
    pub received_at: DateTime<Utc>,
    /// When it was replayed.
    pub replayed_at: Option<DateTime<Utc>>,
    /// Who replayed it.
    pub replayed_by: Option<String>,
    /// Job that replaces the one that it names.
    #[schema(value_type = Option<Uuid>)]
    pub new_job_id: Option<JobId>,
}

/// A dead letter with its message.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterDetail {
    /// The dead letter.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// Body of the message as text; bytes that are not UTF-8 are replaced.
    pub body: String,
    /// Whether `body` is the exact message. Only then can it be published to its queue again.
    pub body_is_whole: bool,
    /// Headers of the message that are strings.
    pub headers: Option<Value>,
    /// Path of the job that it names; null when the hub does not know that job.
    pub job: Option<String>,
}

/// Query of the list of dead letters, newest first.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeadLetterFilter {
    /// Only those published to this queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub queue: Option<String>,
    /// Only those that name this job.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub job_id: Option<JobId>,
    /// Only those that were (`true`) or were not (`false`) replayed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed: Option<bool>,
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the previous page. That page's `Link` header has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<DeadLetterId>,
}

/// Selects dead letters to replay, oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::replay)]
pub struct ReplayRequest {
    /// Only those published to this queue.
    #[schema(pattern = r"^[^\u0000]*$")]
    pub queue: Option<String>,
    /// Maximum number of dead letters, 1 to 1000 (default 100).
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Only those received after this one: `last` of the previous answer.
    #[schema(value_type = Option<Uuid>)]
    pub after: Option<DeadLetterId>,
    /// Count the dead letters, replay none.
    pub dry_run: bool,
}

/// Outcome of a replay.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplayResponse {
    /// Whether dead letters were only counted.
    pub dry_run: bool,
    /// Dead letters that match and were not replayed before this request, regardless of the limit.
    pub matched: u64,
    /// Dead letters that were replayed.
    pub replayed: u64,
    /// Dead letters that cannot be replayed, at most as many as the limit.
    pub refused: Vec<DeadLetterRefusal>,
    /// The last dead letter that was examined; null: none.
    #[schema(value_type = Option<Uuid>)]
    pub last: Option<DeadLetterId>,
}

/// Why a dead letter was not replayed.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterRefusal {
    /// The dead letter.
    #[schema(value_type = Uuid)]
    pub id: DeadLetterId,
    /// Reason, for programs.
    pub code: String,
    /// Reason, for people.
    pub detail: String,
}
