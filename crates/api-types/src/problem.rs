use domain::ids::JobId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error, as RFC 9457 `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"type": "urn:regente:problem:invalid", "title": "Unprocessable Entity", "status": 422, "detail": "priority: must be 0 to 9", "code": "invalid", "error": "priority: must be 0 to 9", "errors": [{"field": "priority", "message": "must be 0 to 9"}]}))]
pub struct Problem {
    /// URI of the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// The HTTP status in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong, for people.
    pub detail: String,
    /// What is wrong, for programs: `not_found`, `stale_lease` …
    pub code: String,
    /// `detail` again, for clients that read this key.
    pub error: String,
    /// The job in the way, of `overlap_skipped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    pub job_id: Option<JobId>,
    /// What is wrong with which field.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// What is wrong with one field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Path inside the body: `retry_policy/max_attempts`; empty for the whole.
    pub field: String,
    /// What is wrong with it.
    pub message: String,
}
