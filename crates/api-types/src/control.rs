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

/// Body of `cancel`, `pause` and `resume`; may be absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"reason": "The portal is down"}))]
pub struct ControlRequest {
    /// Why, for the job's events; at most 1000 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
}

/// Body of `retry`; may be absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = json!({"parameters": {"cnpj": "12345678000195"}}))]
pub struct RetryRequest {
    /// Parameters of the new job, whole; absent: those of the job.
    #[schema(value_type = Option<Object>)]
    #[serde(skip_serializing_if = "Option::is_none")]
    pub parameters: Option<Map<String, Value>>,
    /// Priority of the new job, 0 to 9; absent: that of the job.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 9)]
    pub priority: Option<i32>,
}

/// Which jobs to cancel or retry. All conditions must hold; at least one of them beside `status` must be there.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::bulk)]
pub struct BulkRequest {
    /// Only these statuses. Absent: all that can be canceled, or `failed` and `canceled` for retry.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(value_type = Vec<schema::JobStatus>)]
    pub status: Vec<String>,
    /// Only this automation.
    #[serde(alias = "automationId", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// Only this queue.
    #[serde(alias = "queueName", skip_serializing_if = "Option::is_none")]
    #[schema(pattern = r"^[^\u0000]*$")]
    pub queue_name: Option<String>,
    /// Only this trigger.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::JobTrigger>)]
    pub trigger: Option<String>,
    /// Only jobs that failed with this class.
    #[serde(alias = "errorClass", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ErrorClass>)]
    pub error_class: Option<String>,
    /// Accepted at this time or later: RFC 3339, or a date for its start in UTC.
    #[serde(deserialize_with = "crate::moment::optional", alias = "createdFrom", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Moment>)]
    pub created_from: Option<DateTime<Utc>>,
    /// Accepted before this time: RFC 3339, or a date for its start in UTC.
    #[serde(deserialize_with = "crate::moment::optional", alias = "createdTo", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Moment>)]
    pub created_to: Option<DateTime<Utc>>,
    /// Only these jobs, at most 1000.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(max_items = 1000, value_type = Vec<Uuid>)]
    pub ids: Vec<JobId>,
    /// Only count.
    #[serde(alias = "dryRun")]
    pub dry_run: bool,
    /// Why, for the jobs' events.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 1000)]
    pub reason: Option<String>,
}

/// [`BulkRequest`] as cancel takes it.
#[derive(Debug)]
pub struct BulkCancelRequest;

/// [`BulkRequest`] as retry takes it.
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

/// The schema of [`BulkRequest`] with the statuses of jobs that can be acted on.
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

/// What became of the jobs.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct BulkResponse {
    /// Nothing was done.
    pub dry_run: bool,
    /// Jobs that meet the conditions. A job that was retried before is not retried again.
    pub matched: u64,
    /// Jobs that were canceled, asked to stop, or retried.
    pub done: u64,
    /// Jobs that could not be, because they changed meanwhile.
    pub refused: u64,
    /// More jobs meet the conditions than a request takes: send it again.
    pub more: bool,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_bulk_request_takes_the_statuses_it_can_act_on() {
        let statuses = |schema: RefOr<Schema>| json!(schema)["properties"]["status"]["items"]["enum"].clone();
        assert_eq!(statuses(BulkCancelRequest::schema()), json!(["pending", "running", "paused"]));
        assert_eq!(statuses(BulkRetryRequest::schema()), json!(["completed", "completed_no_invoices", "failed", "canceled"]));
    }
}
