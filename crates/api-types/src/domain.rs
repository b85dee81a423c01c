use chrono::{DateTime, Utc};
use domain::ids::DomainId;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{examples, schema};

/// A business area. It owns automations; grants and lists can be narrowed to it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::domain)]
pub struct Domain {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: DomainId,
    /// Unique name for programs.
    pub slug: String,
    /// Name for people.
    pub name: String,
    /// When it was added.
    pub created_at: DateTime<Utc>,
    /// When it was last changed.
    pub updated_at: DateTime<Utc>,
}

/// A new domain.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::domain_create)]
pub struct DomainCreate {
    /// Unique name for programs: letters a to z, digits and hyphens.
    #[schema(value_type = schema::Slug)]
    pub slug: String,
    /// Name for people.
    #[schema(value_type = schema::GivenName)]
    pub name: String,
}

/// A change to a domain. Absent fields keep their values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::domain_update)]
pub struct DomainUpdate {
    /// New unique name for programs.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Slug>)]
    pub slug: Option<String>,
    /// New name for people.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::GivenName>)]
    pub name: Option<String>,
}

/// Query of the list of domains.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DomainFilter {
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Only the one with this slug.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub slug: Option<String>,
    /// Slug of the last domain of the previous page.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(pattern = r"^[^\u0000]*$")]
    pub after: Option<String>,
}
