use chrono::{DateTime, Utc};
use domain::{
    ids::{AutomationId, JobId},
    job::Status,
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{
    PartialSchema, ToSchema,
    openapi::{
        RefOr, Schema,
        schema::{ArrayItems, ObjectBuilder, Type},
    },
};

use crate::{examples, schema};

/// Body of `cancel`, `pause` and `resume`; optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"reason": "The portal is down"}))]
pub struct ControlRequest {
    /// Reason, recorded in the job's events; at most 1000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
}

/// Body of `retry`; optional.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"parameters": {"cnpj": "12345678000195"}}))]
pub struct RetryRequest {
    /// All parameters of the new job. Absent: those of the original job.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Map<String, Value>>,
    /// Priority of the new job, 0 to 9. Absent: that of the original job.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 9)]
    pub priority: Option<i32>,
}

/// Selects jobs to cancel or retry. A job must meet every condition; at least one condition besides `status` is required.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::bulk)]
pub struct BulkRequest {
    /// Only these statuses. Absent: every status that can be canceled; for retry, `failed` and `canceled`.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::JobStatus>)]
    pub status: Vec<String>,
    /// Only jobs of this automation.
    #[serde(alias = "automationId", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// Only jobs of automations of the domain with this slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Slug>)]
    pub domain: Option<String>,
    /// Only jobs of this queue.
    #[serde(alias = "queueName", skip_serializing_if = "Option::is_none")]
    #[schema(pattern = r"^[^\u0000]*$")]
    pub queue_name: Option<String>,
    /// Only jobs with this trigger.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::JobTrigger>)]
    pub trigger: Option<String>,
    /// Only jobs that failed with this error class.
    #[serde(alias = "errorClass", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ErrorClass>)]
    pub error_class: Option<String>,
    /// Only jobs accepted at this time or later: RFC 3339, or a date, which means 00:00 UTC.
    #[serde(deserialize_with = "crate::moment::optional", alias = "createdFrom", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Moment>)]
    pub created_from: Option<DateTime<Utc>>,
    /// Only jobs accepted before this time: RFC 3339, or a date, which means 00:00 UTC.
    #[serde(deserialize_with = "crate::moment::optional", alias = "createdTo", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Moment>)]
    pub created_to: Option<DateTime<Utc>>,
    /// Only these jobs, at most 1000.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000, value_type = Vec<Uuid>)]
    pub ids: Vec<JobId>,
    /// Count the jobs, change nothing.
    #[serde(alias = "dryRun")]
    pub dry_run: bool,
    /// Reason, recorded in the jobs' events; at most 1000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
}

/// [`BulkRequest`] with the statuses that can be canceled.
#[derive(Debug)]
pub struct BulkCancelRequest;

/// [`BulkRequest`] with the statuses that can be retried.
#[derive(Debug)]
pub struct BulkRetryRequest;

impl PartialSchema for BulkCancelRequest {
    fn schema() -> RefOr<Schema> {
        bulk_of(Status::ALL.into_iter().filter(|status| !status.is_terminal()))
    }
}

impl PartialSchema for BulkRetryRequest {
    fn schema() -> RefOr<Schema> {
        bulk_of(Status::ALL.into_iter().filter(|status| status.is_terminal()))
    }
}

impl ToSchema for BulkCancelRequest {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        BulkRequest::schemas(schemas);
    }
}

impl ToSchema for BulkRetryRequest {
    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        BulkRequest::schemas(schemas);
    }
}

/// The schema of [`BulkRequest`] restricted to `statuses`.
fn bulk_of(statuses: impl Iterator<Item = Status>) -> RefOr<Schema> {
    let mut schema = BulkRequest::schema();
    if let RefOr::T(Schema::Object(request)) = &mut schema
        && let Some(RefOr::T(Schema::Array(list))) = request.properties.get_mut("status")
    {
        let status = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(statuses.map(Status::as_str)));
        list.items = ArrayItems::RefOrSchema(Box::new(status.into()));
    }
    schema
}

/// Outcome of a bulk request.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BulkResponse {
    /// Whether jobs were only counted.
    pub dry_run: bool,
    /// Jobs that meet the conditions. A job that already has a retry does not count.
    pub matched: u64,
    /// Jobs that were canceled, were asked to stop, or were retried.
    pub done: u64,
    /// Jobs that changed meanwhile and no longer could be.
    pub refused: u64,
    /// Whether more jobs meet the conditions than one request handles; repeat the request.
    pub more: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_bulk_request_accepts_the_statuses_it_can_change() {
        let statuses = |schema: RefOr<Schema>| json!(schema)["properties"]["status"]["items"]["enum"].clone();
        assert_eq!(statuses(BulkCancelRequest::schema()), json!(["pending", "running", "paused"]));
        assert_eq!(statuses(BulkRetryRequest::schema()), json!(["completed", "completed_no_invoices", "failed", "canceled"]));
    }
}
