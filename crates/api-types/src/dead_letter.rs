use chrono::{DateTime, Utc};
use domain::ids::{DeadLetterId, JobId};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::examples;

/// A message that the broker gave up.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetter {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: DeadLetterId,
    /// Queue it was meant for.
    pub queue_name: String,
    /// The job it names, when it names one; the hub may not know that job.
    #[schema(value_type = Option<Uuid>)]
    pub job_id: Option<JobId>,
    /// `rejected`, `expired`, `maxlen` or `delivery_limit`.
    pub reason: String,
    /// When the hub took it from the dead-letter queue.
    pub received_at: DateTime<Utc>,
    /// When it was sent again.
    pub replayed_at: Option<DateTime<Utc>>,
    /// Who sent it again.
    pub replayed_by: Option<String>,
    /// The job that runs in the place of the one it names.
    #[schema(value_type = Option<Uuid>)]
    pub new_job_id: Option<JobId>,
}

/// A dead letter whole.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterDetail {
    /// The letter.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// The message; what is not text is replaced.
    pub body: String,
    /// `body` is the message to the byte. Only such a message can be sent to its queue again.
    pub body_is_whole: bool,
    /// Its headers that are strings.
    pub headers: Option<Value>,
    /// Path of the job it names, when the hub knows it.
    pub job: Option<String>,
}

/// Query of the list of dead letters, newest first.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeadLetterFilter {
    /// Only those meant for this queue.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub queue: Option<String>,
    /// Only those that name this job.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub job_id: Option<JobId>,
    /// Only those that were (`true`) or were not (`false`) sent again.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replayed: Option<bool>,
    /// Most items of the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the page before. The header `Link` of that page has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<DeadLetterId>,
}

/// Sends dead letters again, the oldest first.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::replay)]
pub struct ReplayRequest {
    /// Only those meant for this queue.
    #[schema(pattern = r"^[^\u0000]*$")]
    pub queue: Option<String>,
    /// At most so many, 1 to 1000 (default 100).
    #[schema(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Only those received after this one: `last` of the answer before.
    #[schema(value_type = Option<Uuid>)]
    pub after: Option<DeadLetterId>,
    /// Only counts.
    pub dry_run: bool,
}

/// What became of the letters.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ReplayResponse {
    /// Nothing was sent.
    pub dry_run: bool,
    /// Letters that match and were not sent again before this request, without the limit.
    pub matched: u64,
    /// Letters sent again.
    pub replayed: u64,
    /// Letters that cannot be sent again, at most as many as the limit.
    pub refused: Vec<DeadLetterRefusal>,
    /// The last letter looked at; null when there was none.
    #[schema(value_type = Option<Uuid>)]
    pub last: Option<DeadLetterId>,
}

/// Why a letter was not sent again.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct DeadLetterRefusal {
    /// The letter.
    #[schema(value_type = Uuid)]
    pub id: DeadLetterId,
    /// Why, for programs.
    pub code: String,
    /// Why, for people.
    pub detail: String,
}
