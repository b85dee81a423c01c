use chrono::{DateTime, Utc};
use domain::ids::{SessionId, UserId};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::{automation::present, examples, schema};

/// A user.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::user)]
pub struct User {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: UserId,
    /// User name.
    pub username: String,
    /// E-mail address, which they may sign in with too.
    pub email: Option<String>,
    /// What people call them.
    pub display_name: Option<String>,
    /// Whether they may sign in.
    pub is_active: bool,
    /// Whether they may only change their password until they have.
    pub must_change_password: bool,
    /// Whether they have a password. Whom an identity provider signs in has none, unless an administrator gives them one.
    #[serde(default = "yes")]
    pub has_password: bool,
    /// When they were added.
    pub created_at: DateTime<Utc>,
}

/// The users of an earlier hub have a password.
const fn yes() -> bool {
    true
}

/// A new user.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = examples::user_create)]
pub struct UserCreate {
    /// User name. It cannot be changed later.
    #[schema(value_type = schema::Username)]
    pub username: String,
    /// E-mail address, which nobody else has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Email>)]
    pub email: Option<String>,
    /// What people call them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::GivenName>)]
    pub display_name: Option<String>,
    /// First password. Absent: one is generated, and shown once in the answer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Password>)]
    pub password: Option<String>,
    /// Whether they have to choose another password when they sign in first (default true).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub must_change_password: Option<bool>,
}

/// A new user, with the password if it was generated.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct UserCreated {
    /// The generated password, shown only in this answer; null if the request had one.
    pub password: Option<String>,
    /// The user.
    #[serde(flatten)]
    pub user: User,
}

/// A change to a user. Absent fields keep their values; null clears one.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::user_update)]
pub struct UserUpdate {
    /// New e-mail address.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Email>)]
    pub email: Option<Option<String>>,
    /// What people call them from now on.
    #[serde(deserialize_with = "present", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::GivenName>)]
    pub display_name: Option<Option<String>>,
}

/// Gives a user another password.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
#[schema(example = examples::password_reset)]
pub struct PasswordReset {
    /// The password. Absent: one is generated, and shown once in the answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<schema::Password>)]
    pub password: Option<String>,
    /// Whether they have to choose another password when they sign in next (default true).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub must_change_password: Option<bool>,
}

/// Query of the list of users, in order of their names.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct UserFilter {
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// User name of the last item of the previous page. That page's `Link` header has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200, pattern = r"^[^\u0000]*$")]
    pub after: Option<String>,
    /// Only the one of this name, exactly.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200, pattern = r"^[^\u0000]*$")]
    pub username: Option<String>,
    /// Only those with this text in their user name, e-mail address or display name, whatever its case; at most 200 characters.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 200, pattern = r"^[^\u0000]*$")]
    pub search: Option<String>,
    /// Only those who may sign in (`true`), or may not (`false`).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub is_active: Option<bool>,
}

/// Query of a list of sessions, the newest first.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct SessionFilter {
    /// Maximum number of items in the page, 1 to 1000. Each list has its own default.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Id of the last item of the previous page. That page's `Link` header has the address of the next one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(value_type = Option<Uuid>)]
    pub after: Option<SessionId>,
}
