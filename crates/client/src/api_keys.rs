use api_types::{ApiKey, ApiKeyCreate, ApiKeyCreated, ApiKeyFilter};
use domain::ids::ApiKeyId;

use crate::{Call, Client, List};

impl Client {
    /// API keys in order of creation.
    pub fn api_keys(&self, filter: &ApiKeyFilter) -> List<ApiKey> {
        self.list(&["api-keys"], filter)
    }

    /// One API key.
    pub fn api_key(&self, id: ApiKeyId) -> Call<ApiKey> {
        self.get(&["api-keys", &id.to_string()])
    }

    /// Creates an API key. Only this answer contains the key.
    pub fn api_key_create(&self, request: &ApiKeyCreate) -> Call<ApiKeyCreated> {
        self.post(&["api-keys"]).json(request)
    }

    /// Revokes an API key.
    pub fn api_key_revoke(&self, id: ApiKeyId) -> Call<()> {
        self.delete(&["api-keys", &id.to_string()])
    }
}
