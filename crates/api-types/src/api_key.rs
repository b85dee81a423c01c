use chrono::{DateTime, Utc};
use domain::{
    ids::{ApiKeyId, AutomationId, DomainId, UserId},
    permission::Right,
};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{examples, schema};

/// What an API key may do, and where: everywhere, or in one place.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct KeyGrant {
    /// A role or a permission.
    #[schema(value_type = schema::RightName)]
    pub right: Right,
    /// Only on the automations of this domain.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub domain_id: Option<DomainId>,
    /// Only on this automation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<i32>)]
    pub automation_id: Option<AutomationId>,
    /// Only on the automations with this label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Label>)]
    pub label: Option<String>,
}

/// A new API key, which acts for its owner.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::api_key_create)]
pub struct ApiKeyCreate {
    /// What it is for.
    #[schema(value_type = schema::GivenName)]
    pub name: String,
    /// What it may do, as far as its owner may do it too.
    #[schema(min_items = 1, max_items = 100)]
    pub grants: Vec<KeyGrant>,
    /// When it expires. Absent: it is good until it is revoked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<DateTime<Utc>>,
    /// For whom it acts. Absent: for you; for others you need `admin.manage`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<Uuid>)]
    pub owner_id: Option<UserId>,
}

/// An API key, without its secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::api_key)]
pub struct ApiKey {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: ApiKeyId,
    /// For whom it acts.
    #[schema(value_type = Uuid)]
    pub owner_id: UserId,
    /// Their user name.
    pub owner: String,
    /// What it is for.
    pub name: String,
    /// The beginning of the key, by which you recognise it.
    pub prefix: String,
    /// What it may do, as far as its owner may do it too.
    pub grants: Vec<KeyGrant>,
    /// When it was created.
    pub created_at: DateTime<Utc>,
    /// When it expires; null: it is good until it is revoked.
    pub expires_at: Option<DateTime<Utc>>,
    /// When it was revoked.
    pub revoked_at: Option<DateTime<Utc>>,
    /// Who revoked it.
    pub revoked_by: Option<String>,
    /// When it was last used, to the minute.
    pub last_used_at: Option<DateTime<Utc>>,
}

/// A new API key with its secret.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct ApiKeyCreated {
    /// The key, for the header `X-API-Key` or as bearer token. Shown only in this answer: the hub stores its hash.
    pub key: String,
    /// The key as it is listed.
    #[serde(flatten)]
    pub kept: ApiKey,
}

/// Query of the list of API keys, in order of creation.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ApiKeyFilter {
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the previous page. That page's `Link` header has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<ApiKeyId>,
    /// Keys of this user; of others than yourself you need `admin.manage`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub owner_id: Option<UserId>,
    /// Keys of everybody; you need `admin.manage`.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub all: bool,
}
