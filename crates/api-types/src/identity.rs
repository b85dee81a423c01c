use chrono::{DateTime, Utc};
use domain::ids::{AutomationId, DomainId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::examples;

/// Credentials of a user: a user name or an e-mail address, and the password.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::login)]
pub struct LoginRequest {
    /// User name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// E-mail address, in the place of the user name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Password.
    pub password: String,
    /// A refresh token of an earlier sign-in, also one that has ended: it shows a device that is known, which guesses made elsewhere do not slow.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

/// Signs a person in as OAuth 2 does (RFC 6749, password and refresh token grants), as a form.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct TokenForm {
    /// `password` (the default) or `refresh_token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grant_type: Option<String>,
    /// User name, or e-mail address; for `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub username: Option<String>,
    /// Password; for `password`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub password: Option<String>,
    /// Refresh token; for `refresh_token`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

/// An access token, and a refresh token for the next one.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct LoginResponse {
    /// JWT for the header `Authorization: Bearer …`.
    pub access_token: String,
    /// `bearer`.
    pub token_type: String,
    /// Seconds until the access token expires.
    pub expires_in: u64,
    /// For the next access token, once. A hub of an earlier version gives none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
    /// Seconds until the refresh token expires, unless it is used before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_expires_in: Option<u64>,
    /// Whether the password must be changed before anything else: other requests are refused with 403 until then.
    #[serde(default)]
    pub must_change_password: bool,
}

/// Asks for the next access token of a session.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::refresh)]
pub struct RefreshRequest {
    /// The refresh token that came with the last access token.
    pub refresh_token: String,
}

/// Ends a session.
#[derive(Clone, Default, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::refresh)]
pub struct LogoutRequest {
    /// The session's refresh token, in the place of an access token in the header.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refresh_token: Option<String>,
}

/// Replaces one's own password.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::change_password)]
pub struct ChangePasswordRequest {
    /// The one so far.
    pub current_password: String,
    /// The new one, of 12 to 256 characters.
    #[schema(min_length = 12, max_length = 256)]
    pub new_password: String,
}

/// Who makes a request.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Me {
    /// The name that is kept with what one changes.
    pub name: String,
    /// What one may do, somewhere, as `robot.read`.
    pub permissions: Vec<String>,
    /// Where one may do it: each permission is in one of these.
    #[serde(default)]
    pub reach: Vec<Reach>,
    /// The person; `null` for a worker, a service, and where nobody signs in.
    pub user: Option<MyAccount>,
}

/// Permissions, and where one has them.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Reach {
    /// The permissions.
    pub permissions: Vec<String>,
    /// On automations that are in each of these; empty: everywhere. A key has two where it and its owner have it in different places.
    pub within: Vec<Places>,
}

/// Automations: these, those of these domains, and those with one of these labels.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Places {
    /// Ids of domains.
    #[schema(value_type = Vec<Uuid>)]
    pub domain_ids: Vec<DomainId>,
    /// Ids of automations.
    #[schema(value_type = Vec<i32>)]
    pub automation_ids: Vec<AutomationId>,
    /// Labels.
    pub labels: Vec<String>,
}

/// A person's own account.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct MyAccount {
    /// Id.
    pub id: Uuid,
    /// User name.
    pub username: String,
    /// E-mail address.
    pub email: Option<String>,
    /// What people call them.
    pub display_name: Option<String>,
    /// Whether they have to change their password before anything else.
    #[serde(default)]
    pub must_change_password: bool,
    /// The session of this request.
    pub session_id: Uuid,
}

/// Somebody signed in on one device.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Session {
    /// Id.
    pub id: Uuid,
    /// When it began.
    pub created_at: DateTime<Utc>,
    /// When it last got an access token.
    pub last_used_at: DateTime<Utc>,
    /// When it ends unless it is used.
    pub expires_at: DateTime<Utc>,
    /// Address that it began from; of IPv6 the network.
    pub address: Option<String>,
    /// Program that it began with, as that called itself.
    pub device: Option<String>,
    /// The identity provider that signed them in; `null`: a password did.
    #[serde(default)]
    pub provider: Option<String>,
    /// Whether it is the one of this request.
    pub is_current: bool,
}
