//! Registers, changes and archives automations.

use api_types::{AutomationCreate, AutomationUpdate};
use auth::Permitted;
use domain::{Fault, Scope, ids::AutomationId};
use runtime::{Editor, Failure};
use serde_json::Value;
use store::automations::{Automation, Draft, Filter};

use super::{Automations, convert, draft};
use crate::catalog::not_found;

impl Automations {
    pub(crate) async fn create(&self, by: &Editor, request: AutomationCreate) -> Result<Automation, Failure> {
        let draft = self.changed(by, draft::empty(&request, self.queue_profile), request.into()).await?;
        let created = store::automations::automation_insert(&self.database, by.change(), &draft, (self.clock)()).await;
        let automation = created.map_err(|error| name_taken(error, &draft.name))?;
        self.settle(&automation).await;
        self.announcer.automation("automation.created", &automation);
        Ok(automation)
    }

    pub(crate) async fn update(&self, by: &Editor, id: AutomationId, request: AutomationUpdate) -> Result<Automation, Failure> {
        let current = self.get(by.scope(), id).await?;
        check_unchanged(&request, &convert::automation(&current, (self.clock)()))?;
        let draft = self.changed(by, current.draft, request).await?;
        let updated = store::automations::automation_update(&self.database, by.change(), id, &draft, (self.clock)()).await;
        let automation = updated.map_err(|error| name_taken(error, &draft.name))?.ok_or_else(|| not_found(id))?;
        self.settle(&automation).await;
        self.announcer.automation("automation.updated", &automation);
        Ok(automation)
    }

    /// The draft with the changes of the request, validated.
    async fn changed(&self, by: &Permitted, draft: Draft, mut request: AutomationUpdate) -> Result<Draft, Failure> {
        let mut faults = Vec::new();
        if let Some(Some(schema)) = request.parameter_schema.take_if(|schema| schema.is_some()) {
            match self.usable_schema(schema).await {
                Ok(schema) => request.parameter_schema = Some(Some(schema)),
                Err(Failure::Invalid(found)) => faults = found,
                Err(failure) => return Err(failure),
            }
        }
        Ok(Draft { updated_by: Some(by.name()), ..draft::changed(draft, request, faults)? })
    }

    async fn usable_schema(&self, schema: Value) -> Result<Value, Failure> {
        self.catalog.check_schema(draft::stored_schema(schema).map_err(Failure::Invalid)?).await
    }

    pub(crate) async fn archive(&self, by: &Editor, id: AutomationId) -> Result<(), Failure> {
        self.get(by.scope(), id).await?;
        store::automations::automation_archive(&self.database, by.change(), id, (self.clock)()).await?;
        let automation = self.get(by.scope(), id).await?;
        self.announcer.automation("automation.archived", &automation);
        self.catalog.put(automation);
        Ok(())
    }

    pub(crate) async fn get(&self, scope: &Scope, id: AutomationId) -> Result<Automation, Failure> {
        store::automations::automation_get(&self.database, scope, id).await?.ok_or_else(|| not_found(id))
    }

    pub(crate) async fn list(&self, by: &Permitted, filter: &Filter) -> Result<Vec<Automation>, Failure> {
        Ok(store::automations::automation_list(&self.database, by.scope(), filter).await?)
    }

    /// Caches it, and declares its queue if there is a broker.
    async fn settle(&self, automation: &Automation) {
        self.catalog.put(automation.clone());
        let queue = &automation.draft.queue_name;
        match automation.draft.queue_profile.filter(|_| automation.archived_at.is_none()) {
            Some(_) => self.broker_queues.check_now(queue).await,
            None => self.broker_queues.request_check(queue),
        }
    }

    /// Converts it for the API.
    pub(crate) fn shown(&self, automation: &Automation) -> api_types::Automation {
        let warnings = self.broker_queues.warning(automation).into_iter().collect();
        api_types::Automation { warnings, ..convert::automation(automation, (self.clock)()) }
    }
}

fn name_taken(error: store::Error, name: &str) -> Failure {
    match error {
        store::Error::Duplicate(_) => Failure::conflict("name_taken", format!("an automation named \"{name}\" exists")),
        other => other.into(),
    }
}

/// Checks that fields which this request cannot change have their current values.
fn check_unchanged(request: &AutomationUpdate, shown: &api_types::Automation) -> Result<(), Failure> {
    let shown = serde_json::to_value(shown).map_err(|error| Failure::Internal(error.to_string()))?;
    let differs = |(name, given): &(&str, Option<&Value>)| given.is_some_and(|given| *given != shown[*name]);
    let mut faults = Vec::new();
    for (name, _) in request.unchanged().into_iter().filter(differs) {
        if name == "updated_at" {
            return Err(Failure::conflict(
                "changed_meanwhile",
                format!("automation {} was changed since it was read; read it again", shown["id"]),
            ));
        }
        faults.push(Fault::new(name, format!("is {} and not changed by this request", shown[name])));
    }
    if faults.is_empty() { Ok(()) } else { Err(Failure::Invalid(faults)) }
}
