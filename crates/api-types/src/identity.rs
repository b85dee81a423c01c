use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::examples;

/// Signs a person in.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::login)]
pub struct LoginRequest {
    /// User name.
    pub username: String,
    /// Password.
    pub password: String,
}

/// What a sign-in gives.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct LoginResponse {
    /// JWT for the header `Authorization: Bearer …`.
    pub access_token: String,
    /// `bearer`.
    pub token_type: String,
    /// Seconds until the token ends.
    pub expires_in: u64,
}
