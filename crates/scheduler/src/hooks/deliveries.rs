//! What came to a hook, for people who look for what is missing.

use api_types::{HookAnswer, HookDelivery};
use auth::Permitted;
use domain::{
    hook::Outcome,
    ids::{HookDeliveryId, HookId},
};
use runtime::{Editor, Failure};
use serde_json::json;
use store::{
    audit::audit_insert,
    hooks::{Delivery, delivery_get_unscoped, delivery_list_unscoped, target},
};

use super::{
    Hooks, convert,
    receive::{Requester, blank},
};

/// Selects deliveries of a list.
pub(crate) struct Wanted {
    pub(crate) outcome: Option<Outcome>,
    pub(crate) after: Option<HookDeliveryId>,
    pub(crate) limit: u32,
}

impl Hooks {
    pub(crate) async fn deliveries(&self, by: &Permitted, id: HookId, wanted: &Wanted) -> Result<Vec<HookDelivery>, Failure> {
        let hook = self.find(by, id).await?;
        let page = (wanted.outcome, wanted.after, wanted.limit.into());
        Ok(delivery_list_unscoped(&self.database, hook.id, page).await?.into_iter().map(convert::delivery).collect())
    }

    pub(crate) async fn delivery(&self, by: &Permitted, id: HookId, delivery: HookDeliveryId) -> Result<HookDelivery, Failure> {
        let hook = self.find(by, id).await?;
        Ok(convert::delivery(self.kept(hook.id, delivery).await?))
    }

    /// Handles a kept request again, by the rules of now. Its sender was proved when it came; a pause does not hold it back.
    pub(crate) async fn redeliver(&self, by: &Editor, id: HookId, delivery: HookDeliveryId) -> Result<(u16, HookAnswer), Failure> {
        let hook = self.find(by, id).await?;
        let kept = self.kept(hook.id, delivery).await?;
        if kept.body.is_none() {
            let why = "its body is not kept: the sender was not proved, the body was too large, or it is among the older ones";
            return Err(Failure::conflict("body_not_kept", format!("delivery {delivery} cannot be handled again: {why}")));
        }
        let now = (self.clock)();
        let request_id = runtime::current_request().map(|ids| ids.request_id.clone());
        let Delivery { headers, body, body_bytes, .. } = kept;
        let again = Delivery { headers, body, body_bytes, request_id, redelivery_of: Some(delivery), ..blank(&hook, now) };
        let entry = json!({"delivery_id": delivery, "redelivery_id": again.id});
        audit_insert(&self.database, &by.change().entry("hook.redeliver", target(hook.id), None, Some(entry)), now).await?;
        self.repeat(&hook, again, Requester { name: by.name(), traceparent: None }).await
    }

    async fn kept(&self, hook: HookId, id: HookDeliveryId) -> Result<Delivery, Failure> {
        let found = delivery_get_unscoped(&self.database, hook, id).await?;
        found.ok_or_else(|| Failure::NotFound(format!("delivery {id} of hook {hook}")))
    }
}
