//! Who somebody is and what they may do: principals and permissions, password hashes, access tokens, shared keys;
//! and how secrets are sealed.
//!
//! Knows nothing of HTTP or of where hashes are kept.
//!
//! ```
//! let hash = auth::password_hash("correct horse")?;
//! assert!(auth::password_matches("correct horse", &hash));
//! assert!(!auth::password_matches("battery", &hash));
//! # Ok::<(), auth::Error>(())
//! ```

mod api_key;
mod browser_secret;
pub mod chain;
mod hook_signature;
mod key;
mod password;
mod permission;
mod principal;
mod refresh;
pub mod secrets;
mod token;
mod webhook_signature;
mod worker_limits;
mod worker_token;

pub use self::{
    api_key::{API_KEY_PREFIX, HOOK_TOKEN_PREFIX, api_key, api_key_shown, hook_token, is_api_key, is_hook_token},
    browser_secret::{BrowserSecret, code_challenge, code_verifier_matches},
    hook_signature::{SignatureFault, hook_secret, hook_secret_fault, verify_hook},
    key::{SharedKey, random_secret},
    password::{password_hash, password_matches},
    permission::{Need, need},
    principal::{Actor, Denied, Permitted, Principal},
    refresh::{Presented, REFRESH_TOKEN_PREFIX, RefreshKey, RefreshToken},
    token::{Bearer, Claims, Kind, SigningKey, VerifyingKey, key_id},
    webhook_signature::sign_standard_webhook,
    worker_limits::WorkerLimits,
    worker_token::{TokenDigest, WORKER_TOKEN_PREFIX, worker_token},
};

/// What can go wrong.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The password cannot be hashed.
    #[error("the password cannot be hashed: {0}")]
    Hash(String),
    /// The key of this id is none of Ed25519.
    #[error("the key {0} is none of Ed25519")]
    Key(String),
    /// The token cannot be made.
    #[error("the token cannot be made: {0}")]
    Token(String),
    /// The token is not ours, was changed, or has ended.
    #[error("the token is not valid: {0}")]
    InvalidToken(String),
}
