use domain::ids::JobId;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// An error, as RFC 9457 `application/problem+json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({"type": "urn:regente:problem:invalid", "title": "Unprocessable Entity", "status": 422, "detail": "priority: must be 0 to 9", "code": "invalid", "error": "priority: must be 0 to 9", "errors": [{"field": "priority", "message": "must be 0 to 9"}]}))]
pub struct Problem {
    /// URI that identifies the kind of problem.
    #[serde(rename = "type")]
    pub kind: String,
    /// Text of the HTTP status.
    pub title: String,
    /// HTTP status.
    pub status: u16,
    /// Cause of the error and what to do about it, for people.
    pub detail: String,
    /// Code of the error, for programs: `not_found`, `stale_lease` …
    pub code: String,
    /// `detail` again, for clients that read this key.
    pub error: String,
    /// The job in the way, of `overlap_skipped`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<uuid::Uuid>)]
    pub job_id: Option<JobId>,
    /// The answer's `X-Request-Id`: what the hub's log calls the request.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request_id: Option<String>,
    /// The id of the trace that the request is part of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<String>,
    /// Invalid fields.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<FieldError>,
}

/// An invalid field.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct FieldError {
    /// Path in the body, such as `retry_policy/max_attempts`; empty: the whole body.
    pub field: String,
    /// Why it is invalid.
    pub message: String,
}
