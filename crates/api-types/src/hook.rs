use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use domain::{
    hook::{Dedup, Filter, Mapped, Outcome, Rotated, Signature},
    ids::{AutomationId, HookDeliveryId, HookId, JobId},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::{examples, schema};

/// An inbound webhook: an address at which requests of another system start jobs of an automation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::hook)]
pub struct Hook {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: HookId,
    /// The automation whose jobs it starts.
    #[schema(value_type = i32)]
    pub automation_id: AutomationId,
    /// What it is for.
    pub name: String,
    /// The beginning of its token, by which you recognise it.
    pub token_prefix: String,
    /// Until when the token before this one counts; null: it does not.
    pub old_token_until: Option<DateTime<Utc>>,
    /// How senders prove themselves.
    #[schema(value_type = schema::HookSignature)]
    pub signature: Signature,
    /// Until when the secret before this one counts; null: it does not.
    pub old_secret_until: Option<DateTime<Utc>>,
    /// Parameters that every job of it gets.
    #[schema(value_type = Object)]
    pub parameters: Map<String, Value>,
    /// Parameters that are taken from the request, by name; they override `parameters`.
    #[schema(value_type = BTreeMap<String, schema::HookMapped>)]
    pub mapping: BTreeMap<String, Mapped>,
    /// Conditions that a request must meet, all of them, to start a job.
    #[schema(value_type = Vec<schema::HookFilter>)]
    pub filter: Vec<Filter>,
    /// What makes two requests the same one.
    #[schema(value_type = schema::HookDedup)]
    pub dedup: Dedup,
    /// Since when it is paused; null: it is not.
    pub paused_at: Option<DateTime<Utc>>,
    /// Who paused it.
    pub paused_by: Option<String>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// Who created it.
    pub created_by: String,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
    /// Who changed it last.
    pub updated_by: String,
}

/// A new hook.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::hook_create)]
pub struct HookCreate {
    /// The automation whose jobs it starts.
    #[serde(alias = "automationId")]
    #[schema(value_type = i32)]
    pub automation_id: AutomationId,
    /// What it is for.
    #[schema(value_type = schema::GivenName)]
    pub name: String,
    /// How senders prove themselves. Absent: they need the address alone.
    #[serde(default)]
    #[schema(value_type = Option<schema::HookSignature>)]
    pub signature: Option<Signature>,
    /// The secret that the sender has or gives. Absent: the hub makes one, and shows it in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 16, max_length = 256)]
    pub secret: Option<String>,
    /// Parameters that every job of it gets.
    #[serde(default)]
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Map<String, Value>>,
    /// Parameters that are taken from the request, by name; they override `parameters`. At most 100.
    #[serde(default)]
    #[schema(value_type = Option<BTreeMap<String, schema::HookMapped>>)]
    pub mapping: Option<BTreeMap<String, Mapped>>,
    /// Conditions that a request must meet, all of them, to start a job; others are answered 200, without one.
    #[serde(default)]
    #[schema(value_type = Option<Vec<schema::HookFilter>>, max_items = 20)]
    pub filter: Option<Vec<Filter>>,
    /// What makes two requests the same one. Absent: each is one of its own.
    #[serde(default)]
    #[schema(value_type = Option<schema::HookDedup>)]
    pub dedup: Option<Dedup>,
}

/// Changes of a hook. Absent fields keep their values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::hook_update)]
pub struct HookUpdate {
    /// What it is for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::GivenName>)]
    pub name: Option<String>,
    /// How senders prove themselves. Another scheme has another secret, and the one before counts no more.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::HookSignature>)]
    pub signature: Option<Signature>,
    /// The secret for another scheme. Absent: the hub makes one, and shows it in the answer. To replace the secret of the same scheme, rotate it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 16, max_length = 256)]
    pub secret: Option<String>,
    /// Parameters that every job of it gets.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Map<String, Value>>,
    /// Parameters that are taken from the request, by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<BTreeMap<String, schema::HookMapped>>)]
    pub mapping: Option<BTreeMap<String, Mapped>>,
    /// Conditions that a request must meet, all of them, to start a job.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Vec<schema::HookFilter>>, max_items = 20)]
    pub filter: Option<Vec<Filter>>,
    /// What makes two requests the same one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::HookDedup>)]
    pub dedup: Option<Dedup>,
}

/// What to replace.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::hook_rotate)]
pub struct HookRotate {
    /// The token (default), the secret, or both.
    #[serde(default)]
    #[schema(value_type = schema::HookRotated, required = false)]
    pub what: Rotated,
    /// The new secret, when the sender gives it. Absent: the hub makes one, and shows it in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(min_length = 16, max_length = 256)]
    pub secret: Option<String>,
    /// Seconds for which the old one still counts, 0 to 604800. Absent: a day. One that an earlier rotation left ends now.
    #[serde(default, alias = "keepOldS", skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0, maximum = 604_800)]
    pub keep_old_s: Option<u32>,
}

/// A hook with what was made for it. Shown only in this answer: the hub keeps a hash of the token, and the secret sealed.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::hook_shown)]
pub struct HookShown {
    /// The new token. Senders send to `POST /api/v1/hooks/{token}`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub token: Option<String>,
    /// The new secret, to be set where the sender signs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret: Option<String>,
    /// The hook as it is listed.
    #[serde(flatten)]
    pub hook: Hook,
}

/// The answer to a sender.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::hook_answer)]
pub struct HookAnswer {
    /// What became of the request.
    #[schema(value_type = schema::HookOutcome)]
    pub outcome: Outcome,
    /// Its job; null: it started none.
    #[schema(value_type = Option<Uuid>)]
    pub job_id: Option<JobId>,
}

/// What came to a hook, and what became of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::hook_delivery)]
pub struct HookDelivery {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: HookDeliveryId,
    /// When it was received.
    pub received_at: DateTime<Utc>,
    /// What became of it.
    #[schema(value_type = schema::HookOutcome)]
    pub outcome: Outcome,
    /// The status that was answered; 0: none yet.
    pub status: u16,
    /// Why.
    pub reason: Option<String>,
    /// What makes it the same as others.
    pub dedup_key: Option<String>,
    /// Its job.
    #[schema(value_type = Option<Uuid>)]
    pub job_id: Option<JobId>,
    /// Parameters that the job was requested with.
    #[schema(value_type = Option<Object>)]
    pub parameters: Option<Map<String, Value>>,
    /// Address that it came from.
    pub address: Option<String>,
    /// Id of the request, which the hub's log has too.
    pub request_id: Option<String>,
    /// The headers that the hook names, and two that say what sent it.
    pub headers: BTreeMap<String, String>,
    /// Size of its body in bytes.
    pub body_bytes: i64,
    /// The delivery that it repeats.
    #[schema(value_type = Option<Uuid>)]
    pub redelivery_of: Option<HookDeliveryId>,
    /// The body as text. Only in the answer with one delivery; null: it was larger than 256 KiB, or its sender was not proved.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub body: Option<String>,
}

/// Query of the list of hooks, in order of creation.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HookFilter {
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the previous page. That page's `Link` header has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<HookId>,
    /// Hooks of this automation.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// Hooks with this name, exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub name: Option<String>,
}

/// Query of the list of deliveries, newest first.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct HookDeliveryFilter {
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the previous page. That page's `Link` header has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<HookDeliveryId>,
    /// Deliveries of which this became.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<schema::HookOutcome>)]
    pub outcome: Option<Outcome>,
}
