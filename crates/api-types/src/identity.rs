use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::examples;

/// Credentials of a user.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::login)]
pub struct LoginRequest {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

/// An access token.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct LoginResponse {
    /// JWT for the header `Authorization: Bearer …`.
    pub access_token: String,
    /// `bearer`.
    pub token_type: String,
    /// Seconds until the token expires.
    pub expires_in: u64,
}
