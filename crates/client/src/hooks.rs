use api_types::{Hook, HookAnswer, HookCreate, HookDelivery, HookDeliveryFilter, HookFilter, HookRotate, HookShown, HookUpdate};
use domain::ids::{HookDeliveryId, HookId};

use crate::{Call, Client, List};

impl Client {
    /// Hooks in order of creation.
    pub fn hooks(&self, filter: &HookFilter) -> List<Hook> {
        self.list(&["hooks"], filter)
    }

    /// One hook.
    pub fn hook(&self, id: HookId) -> Call<Hook> {
        self.get(&["hooks", &id.to_string()])
    }

    /// Creates a hook. Only this answer contains its token and secret.
    pub fn hook_create(&self, request: &HookCreate) -> Call<HookShown> {
        self.post(&["hooks"]).json(request)
    }

    /// Changes a hook.
    pub fn hook_update(&self, id: HookId, request: &HookUpdate) -> Call<HookShown> {
        self.put(&["hooks", &id.to_string()]).json(request)
    }

    /// Deletes a hook with its deliveries.
    pub fn hook_delete(&self, id: HookId) -> Call<()> {
        self.delete(&["hooks", &id.to_string()])
    }

    /// Replaces the token or the secret of a hook. Only this answer contains the new one.
    pub fn hook_rotate(&self, id: HookId, request: &HookRotate) -> Call<HookShown> {
        self.post(&["hooks", &id.to_string(), "rotate"]).json(request)
    }

    /// Pauses a hook: its requests are refused with 503.
    pub fn hook_pause(&self, id: HookId) -> Call<Hook> {
        self.post(&["hooks", &id.to_string(), "pause"]).repeatable()
    }

    /// Resumes a paused hook.
    pub fn hook_resume(&self, id: HookId) -> Call<Hook> {
        self.post(&["hooks", &id.to_string(), "resume"]).repeatable()
    }

    /// Deliveries to a hook, newest first.
    pub fn hook_deliveries(&self, id: HookId, filter: &HookDeliveryFilter) -> List<HookDelivery> {
        self.list(&["hooks", &id.to_string(), "deliveries"], filter)
    }

    /// One delivery, with its body.
    pub fn hook_delivery(&self, id: HookId, delivery: HookDeliveryId) -> Call<HookDelivery> {
        self.get(&["hooks", &id.to_string(), "deliveries", &delivery.to_string()])
    }

    /// Handles a kept delivery again, by the hook's rules of now.
    pub fn hook_redeliver(&self, id: HookId, delivery: HookDeliveryId) -> Call<HookAnswer> {
        self.post(&["hooks", &id.to_string(), "deliveries", &delivery.to_string(), "redeliver"])
    }
}
