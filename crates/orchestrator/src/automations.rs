//! Registering, changing and archiving automations.

mod draft;
mod pause;

use api_types::{AutomationCreate, AutomationUpdate};
use runtime::Failure;
use store::automations::{Automation, Filter};

pub(crate) use self::{draft::unkept, pause::pause};
use crate::{Orchestrator, publisher::queue_profile};

impl Orchestrator {
    pub(crate) async fn automation_create(&self, request: AutomationCreate) -> Result<Automation, Failure> {
        let draft = draft::created(request)?;
        let created = store::automations::automation_insert(&self.database, &draft, (self.clock)()).await;
        let automation = created.map_err(|error| name_taken(error, &draft.name))?;
        self.settle(&automation);
        Ok(automation)
    }

    pub(crate) async fn automation_update(&self, id: i32, request: AutomationUpdate) -> Result<Automation, Failure> {
        let current = self.automation(id).await?;
        let draft = draft::changed(current.draft, request)?;
        let updated = store::automations::automation_update(&self.database, id, &draft, (self.clock)()).await;
        let automation = updated.map_err(|error| name_taken(error, &draft.name))?.ok_or_else(|| not_found(id))?;
        self.settle(&automation);
        Ok(automation)
    }

    pub(crate) async fn automation_archive(&self, id: i32) -> Result<(), Failure> {
        self.automation(id).await?;
        store::automations::automation_archive(&self.database, id, (self.clock)()).await?;
        self.catalog.put(self.automation(id).await?);
        Ok(())
    }

    pub(crate) async fn automation(&self, id: i32) -> Result<Automation, Failure> {
        store::automations::automation_get(&self.database, id).await?.ok_or_else(|| not_found(id))
    }

    pub(crate) async fn automation_list(&self, filter: &Filter) -> Result<Vec<Automation>, Failure> {
        Ok(store::automations::automation_list(&self.database, filter).await?)
    }

    /// Makes it known here, and its queue to the broker, as far as that is there.
    fn settle(&self, automation: &Automation) {
        self.catalog.put(automation.clone());
        if let Some(broker) = self.broker.clone() {
            let (queue, profile) = (automation.draft.queue_name.clone(), queue_profile(automation.draft.queue_profile));
            tokio::spawn(async move {
                if let Err(error) = broker.ensure_queue(&queue, profile).await {
                    tracing::warn!(%error, queue.name = queue, "queue not declared yet; it is with its first job");
                }
            });
        }
    }
}

pub(crate) fn not_found(id: i32) -> Failure {
    Failure::NotFound(format!("automation {id}"))
}

fn name_taken(error: store::Error, name: &str) -> Failure {
    match error {
        store::Error::Duplicate(_) => Failure::conflict("name_taken", format!("an automation named \"{name}\" exists")),
        other => other.into(),
    }
}
