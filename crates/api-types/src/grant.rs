use chrono::{DateTime, Utc};
use domain::{
    ids::{AutomationId, DomainId, GrantId},
    permission::{GrantSource, Right},
};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{examples, schema};

/// What somebody may do, and where: on the automations of a domain, on one automation, or on those with a label. All three null: everywhere.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::grant)]
pub struct Grant {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: GrantId,
    /// A role or a permission.
    #[schema(value_type = schema::RightName)]
    pub right: Right,
    /// Only on automations of this domain.
    #[schema(value_type = Option<Uuid>)]
    pub domain_id: Option<DomainId>,
    /// Only on this automation.
    #[schema(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// Only on automations with this label.
    pub label: Option<String>,
    /// `manual`, or `oidc`: it follows the groups that the identity provider tells at each sign-in.
    #[serde(default = "by_hand")]
    #[schema(value_type = String)]
    pub source: GrantSource,
    /// Who granted it.
    pub granted_by: String,
    /// When.
    pub granted_at: DateTime<Utc>,
}

/// What the grants of an earlier hub are.
const fn by_hand() -> GrantSource {
    GrantSource::Manual
}

/// A new grant. At most one of `domain_id`, `automation_id` and `label` narrows it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::grant_create)]
pub struct GrantCreate {
    /// A role (`viewer`, `operator`, `maintainer`, `admin`) or a permission, such as `run.cancel`.
    #[schema(value_type = schema::RightName)]
    pub right: String,
    /// Only on automations of this domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub domain_id: Option<DomainId>,
    /// Only on this automation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// Only on automations with this label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Label>)]
    pub label: Option<String>,
}
