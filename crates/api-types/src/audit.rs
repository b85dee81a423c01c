use chrono::{DateTime, Utc};
use domain::{
    audit::{ActorKind, Filter, Recorded},
    ids::AuditId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::{examples, moment, schema};

/// An entry of the audit trail: one change.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::audit_entry)]
pub struct AuditEntry {
    /// Id of the entry.
    #[schema(value_type = Uuid)]
    pub id: AuditId,
    /// When the change was made.
    pub at: DateTime<Utc>,
    /// Who made it.
    pub actor: String,
    /// What they are: `user`, `api_key`, `service`, `worker`; `local` (a command at the machine), `hub` (the hub by itself), `anybody` (not identified).
    #[schema(value_type = String)]
    pub actor_kind: ActorKind,
    /// Which credential they showed: `session:<id>`, `api-key:<id>`.
    pub credential: Option<String>,
    /// Address that the request came from.
    pub address: Option<String>,
    /// Id of the request.
    pub request_id: Option<String>,
    /// What was done, as `automation.update`.
    pub action: String,
    /// Kind of what was changed.
    pub target_kind: String,
    /// Its id or name.
    pub target_id: String,
    /// The changed fields as they were. Secrets are masked.
    pub before: Option<Value>,
    /// The changed fields as they are since. Secrets are masked.
    pub after: Option<Value>,
    /// Number in the hash chain, from 1 without gaps; null: not sealed yet, which takes some seconds.
    pub seq: Option<i64>,
    /// Hash of the link before.
    pub prev_hash: Option<String>,
    /// SHA-256 over `prev_hash` and the entry.
    pub hash: Option<String>,
}

impl From<Recorded> for AuditEntry {
    /// An entry that is not sealed.
    fn from(entry: Recorded) -> Self {
        let Recorded { id, at, actor, actor_kind, credential, address, request_id, action, target_kind, target_id, before, after } = entry;
        // What somebody changed past the hub is shown as it is.
        let json = |text: String| serde_json::from_str(&text).unwrap_or(Value::String(text));
        let (before, after) = (before.map(json), after.map(json));
        let (seq, prev_hash, hash) = (None, None, None);
        Self {
            id,
            at,
            actor,
            actor_kind,
            credential,
            address,
            request_id,
            action,
            target_kind,
            target_id,
            before,
            after,
            seq,
            prev_hash,
            hash,
        }
    }
}

/// Query of the audit trail, newest first.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditFilter {
    /// Only changes of this actor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub actor: Option<String>,
    /// Only this action, as `automation.update`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub action: Option<String>,
    /// Only changes of this kind of target, as `automation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub target_kind: Option<String>,
    /// Only changes of the target with this id or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub target_id: Option<String>,
    /// Only changes at this time or later: RFC 3339, or a date (UTC).
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "moment::optional")]
    #[param(value_type = Option<schema::Moment>)]
    pub from: Option<DateTime<Utc>>,
    /// Only changes before this time: RFC 3339, or a date (UTC).
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "moment::optional")]
    #[param(value_type = Option<schema::Moment>)]
    pub to: Option<DateTime<Utc>>,
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the previous page. That page's `Link` header has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<AuditId>,
}

/// Query of an export of the audit trail, in the order of its hash chain.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct AuditExportFilter {
    /// Only changes of this actor.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub actor: Option<String>,
    /// Only this action, as `automation.update`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub action: Option<String>,
    /// Only changes of this kind of target, as `automation`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub target_kind: Option<String>,
    /// Only changes of the target with this id or name.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub target_id: Option<String>,
    /// Only changes at this time or later: RFC 3339, or a date (UTC).
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "moment::optional")]
    #[param(value_type = Option<schema::Moment>)]
    pub from: Option<DateTime<Utc>>,
    /// Only changes before this time: RFC 3339, or a date (UTC).
    #[serde(skip_serializing_if = "Option::is_none", deserialize_with = "moment::optional")]
    #[param(value_type = Option<schema::Moment>)]
    pub to: Option<DateTime<Utc>>,
    /// Only entries after the one with this `seq`, the last one of an earlier export.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0)]
    pub after: Option<i64>,
}

impl From<AuditFilter> for Filter {
    /// Which entries; not which page of them.
    fn from(AuditFilter { actor, action, target_kind, target_id, from, to, limit: _, after: _ }: AuditFilter) -> Self {
        Self { actor, action, target_kind, target_id, from, to }
    }
}

impl From<AuditExportFilter> for Filter {
    /// Which entries; not behind which.
    fn from(AuditExportFilter { actor, action, target_kind, target_id, from, to, after: _ }: AuditExportFilter) -> Self {
        Self { actor, action, target_kind, target_id, from, to }
    }
}
