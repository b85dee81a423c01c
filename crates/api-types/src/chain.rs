use chrono::{DateTime, Utc};
use domain::{
    chain::{ChainState, ChainStateReason, Ending, Join, RunState},
    condition::Operator,
    ids::{AutomationId, ChainId, JobId},
};
use serde::{Deserialize, Serialize, de::IgnoredAny};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::{
    automation::{given, present},
    examples, schema,
};

/// A chain: an automation that runs after others have ended.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::chain)]
pub struct Chain {
    /// Id, UUID v7.
    #[schema(value_type = Uuid)]
    pub id: ChainId,
    /// The automation that it runs.
    #[schema(value_type = i32)]
    pub automation_id: AutomationId,
    /// Name of the automation.
    pub automation_name: String,
    /// Name, unique among the chains of the automation.
    pub name: String,
    /// Whether it runs.
    pub enabled: bool,
    /// What it waits for.
    pub inputs: Vec<ChainInput>,
    /// How many of the inputs must have ended.
    #[schema(value_type = schema::ChainJoin)]
    pub join: Join,
    /// Its jobs are created at this time of day or later, as `HH:MM` or `HH:MM:SS`; null: at once.
    pub not_before: Option<String>,
    /// Time zone of `not_before` and of the join `all_today`.
    pub timezone: String,
    /// Parameters of its jobs.
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
    /// Parameters that are taken from results; they override `parameters`.
    pub parameters_from: Vec<ChainParameter>,
    /// Whether it is going to run: `active`, `disabled` or `blocked`.
    #[schema(value_type = schema::ChainState)]
    pub state: ChainState,
    /// Why it is in its state; null: nothing keeps it from running.
    #[schema(value_type = Option<schema::ChainStateReason>)]
    pub state_reason: Option<ChainStateReason>,
    /// Ends before this time do not count: it was created or switched on then, or its inputs were changed.
    pub since_at: DateTime<Utc>,
    /// Number of its changes. A change that names an outdated one is answered 409.
    pub revision: i64,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Who created or last changed it.
    pub updated_by: Option<String>,
}

/// An automation whose ends count for a chain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChainInput {
    /// The automation.
    #[serde(alias = "automationId")]
    #[schema(value_type = i32)]
    pub automation_id: AutomationId,
    /// Name of the automation; null: the caller cannot see it. Ignored in requests.
    #[serde(default)]
    pub automation_name: Option<String>,
    /// Which ends count.
    #[serde(default)]
    #[schema(value_type = schema::ChainEnding)]
    pub on: Ending,
    /// What the job's result must say; null: anything.
    #[serde(default)]
    pub condition: Option<ChainCondition>,
}

/// A condition on the result of a job.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChainCondition {
    /// JSON pointer to the value; empty: the whole result.
    #[schema(max_length = 512)]
    pub pointer: String,
    /// How it is compared.
    #[schema(value_type = schema::ConditionOperator)]
    pub operator: Operator,
    /// With what.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

/// A parameter that is taken from a result.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChainParameter {
    /// Its name.
    #[schema(min_length = 1, max_length = 200)]
    pub parameter: String,
    /// JSON pointer into the result; empty: the whole result. What it does not lead to is left out.
    #[schema(max_length = 512)]
    pub pointer: String,
    /// The input whose result is meant; null: the job that ended last.
    #[serde(default, alias = "automationId")]
    #[schema(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
}

/// A new chain.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::chain_create)]
pub struct ChainCreate {
    /// The automation that it runs.
    #[serde(alias = "automationId")]
    #[schema(value_type = i32)]
    pub automation_id: AutomationId,
    /// Its name; unique among the chains of the automation.
    #[schema(value_type = schema::GivenName)]
    pub name: String,
    /// Whether it runs; absent: it does.
    #[serde(default, alias = "is_enabled", alias = "isEnabled")]
    pub enabled: Option<bool>,
    /// What it waits for; each automation once.
    #[schema(min_items = 1, max_items = 50)]
    pub inputs: Vec<ChainInput>,
    /// How many of the inputs must have ended; absent: any.
    #[serde(default)]
    #[schema(value_type = schema::ChainJoin)]
    pub join: Join,
    /// Its jobs are created at this time of day or later; absent: at once. An end after it starts its job at once.
    #[serde(default, alias = "notBefore")]
    #[schema(value_type = Option<schema::TimeOfDay>)]
    pub not_before: Option<String>,
    /// IANA time zone of `not_before` and of the join `all_today`; absent: the hub's setting `time.zone`.
    #[serde(default)]
    #[schema(max_length = 100)]
    pub timezone: Option<String>,
    /// Parameters of its jobs.
    #[serde(default)]
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
    /// Parameters that are taken from results; they override `parameters`.
    #[serde(default, alias = "parametersFrom")]
    #[schema(max_items = 100)]
    pub parameters_from: Vec<ChainParameter>,
}

/// A change to a chain. Absent fields keep their values; null clears `not_before`. The answer of `GET` can be sent back: what it computes is
/// ignored, and an outdated `revision` is answered 409.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::chain_update)]
pub struct ChainUpdate {
    /// The automation that it runs; accepted with its current value.
    #[serde(alias = "automationId", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// New name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::GivenName>)]
    pub name: Option<String>,
    /// Whether it runs.
    #[serde(alias = "is_enabled", alias = "isEnabled", skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// New inputs, in the place of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(min_items = 1, max_items = 50)]
    pub inputs: Option<Vec<ChainInput>>,
    /// New join.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::ChainJoin>)]
    pub join: Option<Join>,
    /// New time of day; null: at once.
    #[serde(alias = "notBefore", deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::TimeOfDay>)]
    pub not_before: Option<Option<String>>,
    /// New time zone.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(max_length = 100)]
    pub timezone: Option<String>,
    /// New parameters, in the place of all.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Map<String, Value>>,
    /// New parameters that are taken from results, in the place of all.
    #[serde(alias = "parametersFrom", skip_serializing_if = "Option::is_none")]
    #[schema(max_items = 100)]
    pub parameters_from: Option<Vec<ChainParameter>>,
    /// The revision that is changed; an outdated one is answered 409. Absent: whatever is current.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub revision: Option<i64>,
    /// Accepted with its current value; not changed by this request.
    #[serde(deserialize_with = "given", skip_serializing_if = "Option::is_none")]
    #[schema(ignore)]
    pub id: Option<Value>,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub automation_name: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub state: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub state_reason: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub since_at: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub created_at: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub updated_at: IgnoredAny,
    /// Ignored.
    #[serde(skip_serializing)]
    #[schema(ignore)]
    pub updated_by: IgnoredAny,
}

/// A run of a chain.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::chain_run)]
pub struct ChainRun {
    /// What the ends have in common: of the join `any` the job that ended, of `all` the job that began the work, of `all_today` the date. A chain
    /// has one run of each key.
    pub key: String,
    /// The job that began the work.
    #[schema(value_type = Uuid)]
    pub root_job_id: JobId,
    /// The job that ended last.
    #[schema(value_type = Uuid)]
    pub after_job_id: JobId,
    /// When its job is created: when its last input ended, or at `not_before`.
    pub due_at: DateTime<Utc>,
    /// `waiting`, `created`, `skipped` or `refused`.
    #[schema(value_type = schema::ChainRunState)]
    pub state: RunState,
    /// Why it has no job, for programs: `overlap_skipped`, `switched_off`, `too_large`, `invalid`, or a code of the orchestrator such as
    /// `automation_archived`.
    pub reason: Option<String>,
    /// The same for people.
    pub detail: Option<String>,
    /// Its job; of a run that the overlap rule skipped, the job because of which it did.
    #[schema(value_type = Option<Uuid>)]
    pub job_id: Option<JobId>,
    /// When its last input was found to have ended.
    pub created_at: DateTime<Utc>,
}

/// Query of the list of chains.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChainFilter {
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Only those that run this automation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// Only those that wait for this automation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i32>)]
    pub input_id: Option<AutomationId>,
    /// Only those with this name, exactly: one at most of each automation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200, pattern = r"^[^\u0000]*$")]
    pub name: Option<String>,
    /// Id of the last item of the previous page. That page's `Link` header has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<ChainId>,
}

/// Query of the runs of a chain.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ChainRunFilter {
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Only those in this state.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::ChainRunState>)]
    pub state: Option<RunState>,
    /// End of the previous page. That page's `Link` header has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub after: Option<String>,
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_answer_can_be_sent_back() {
        let answer = examples::chain();
        let read: ChainUpdate = serde_json::from_value(answer.clone()).unwrap();
        let sent = serde_json::to_value(&read).unwrap();
        for field in ["id", "automation_id", "name", "enabled", "inputs", "join", "not_before", "parameters", "parameters_from", "revision"]
        {
            assert_eq!(sent[field], answer[field], "{field}");
        }
        assert_eq!(sent.get("state"), None);
        assert!(serde_json::from_value::<ChainUpdate>(json!({"input": []})).is_err());
    }

    #[test]
    fn the_spellings_of_older_clients_are_accepted() {
        let read: ChainCreate = serde_json::from_value(json!({
            "automationId": 9, "name": "n", "isEnabled": false, "notBefore": "07:30", "inputs": [{"automationId": 7}],
            "parametersFrom": [{"parameter": "p", "pointer": "", "automationId": 7}]
        }))
        .unwrap();
        assert_eq!((read.enabled, read.join, read.inputs[0].on), (Some(false), Join::Any, Ending::Completed));
        assert_eq!(read.parameters_from[0].automation_id, Some(7.into()));
    }
}
