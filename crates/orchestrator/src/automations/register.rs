//! Registers, changes and archives automations.

use api_types::{AutomationArchived, AutomationCreate, AutomationUpdate, DependentChain, DependentHook, DependentSchedule};
use auth::Permitted;
use domain::{
    Fault, Scope,
    ids::{AutomationId, DomainId},
    permission::Permission,
    scope::Place,
};
use runtime::{Editor, Failure, reach};
use serde_json::Value;
use store::{
    automations::{Automation, Draft, Filter},
    chains, hooks, schedules,
};

use super::{Automations, convert, draft};
use crate::catalog::not_found;

/// Maximum number of chains and of hooks that an archived automation is answered with.
const DEPENDENTS: u64 = 1000;

impl Automations {
    pub(crate) async fn create(&self, by: &Editor, request: AutomationCreate) -> Result<Automation, Failure> {
        let draft = self.changed(by, draft::empty(&request, self.queue_profile), request.into()).await?;
        if !by.scope().has_domain(draft.domain_id) {
            return Err(by.denied(owner(draft.domain_id)).into());
        }
        let created = store::automations::automation_insert(&self.database, by.scope(), by.change(), &draft, (self.clock)()).await;
        let automation = created.map_err(|error| not_written(by, error, &draft))?;
        self.settle(&automation).await;
        self.announcer.automation("automation.created", &automation);
        Ok(automation)
    }

    pub(crate) async fn update(&self, by: &Editor, id: AutomationId, request: AutomationUpdate) -> Result<Automation, Failure> {
        let current = self.get(by, id).await?;
        check_unchanged(&request, &convert::automation(&current, (self.clock)()))?;
        let domain_before = current.draft.domain_id;
        let draft = self.changed(by, current.draft, request).await?;
        check_move(by, id, domain_before, &draft)?;
        let updated = store::automations::automation_update(&self.database, (by.scope(), by.change()), id, &draft, (self.clock)()).await;
        let automation = updated.map_err(|error| not_written(by, error, &draft))?.ok_or_else(|| not_found(id))?;
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

    /// Archives it, and tells which schedules, chains and webhooks create no jobs of it any more.
    pub(crate) async fn archive(&self, by: &Editor, id: AutomationId) -> Result<AutomationArchived, Failure> {
        self.get(by, id).await?;
        store::automations::automation_archive(&self.database, by.change(), id, (self.clock)()).await?;
        let automation = self.get(by, id).await?;
        self.announcer.automation("automation.archived", &automation);
        self.catalog.put(automation);
        self.dependents(by, id).await
    }

    /// What creates jobs of an automation, and the chains that wait for it, as far as the caller sees them.
    async fn dependents(&self, by: &Editor, id: AutomationId) -> Result<AutomationArchived, Failure> {
        let seen = by.sees_more(Permission::RobotRead).unwrap_or_else(|| by.scope());
        let filter = schedules::Filter { automation_id: Some(id), ..schedules::Filter::default() };
        let found = schedules::schedule_list(&self.database, seen, &filter).await?;
        let schedules = found.into_iter().map(|schedule| DependentSchedule { id: schedule.id, name: schedule.draft.name });
        let filter = hooks::Filter { automation_id: Some(id), name: None, after: None, limit: DEPENDENTS };
        let found = hooks::hook_list(&self.database, seen, &filter).await?;
        let hooks = found.into_iter().map(|hook| DependentHook { id: hook.id, name: hook.name });
        let runs_it = chains::Filter { automation_id: Some(id), limit: DEPENDENTS, ..chains::Filter::default() };
        let waits = chains::Filter { input_id: Some(id), limit: DEPENDENTS, ..chains::Filter::default() };
        let mut found = chains::chain_list(&self.database, seen, &runs_it).await?;
        found.extend(chains::chain_list(&self.database, seen, &waits).await?);
        let chain =
            |chain: chains::Chain| DependentChain { id: chain.id, name: chain.draft.name, automation_id: chain.draft.automation_id };
        let chains = found.into_iter().map(chain).collect();
        Ok(AutomationArchived { schedules: schedules.collect(), chains, hooks: hooks.collect() })
    }

    /// The automation, where the caller may do what the request does.
    pub(crate) async fn get(&self, by: &Permitted, id: AutomationId) -> Result<Automation, Failure> {
        let find = async |scope: &Scope| store::automations::automation_get(&self.database, scope, id).await;
        reach(by, Permission::RobotRead, format_args!("automation {id}"), find).await
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

/// Whom a new automation concerns: the domain's people, or everybody.
fn owner(domain: Option<DomainId>) -> String {
    domain.map_or_else(|| "automations without a domain".to_owned(), |id| format!("domain {id}"))
}

/// Checks that an automation stays where the caller may change it, and goes to no domain that is not the caller's.
fn check_move(by: &Permitted, id: AutomationId, before: Option<DomainId>, draft: &Draft) -> Result<(), Failure> {
    let moved_to = draft.domain_id.filter(|id| Some(*id) != before);
    if moved_to.is_some() && !by.scope().has_domain(moved_to) {
        return Err(by.denied(owner(moved_to)).into());
    }
    if !by.scope().has(&Place { automation: Some(id), ..draft.place() }) {
        let what = format!("automation {id} with this domain_id and these labels: the change would take it out of your reach");
        return Err(by.denied(what).into());
    }
    Ok(())
}

/// Why an automation was not written.
fn not_written(by: &Permitted, error: store::Error, Draft { name, queue_name, .. }: &Draft) -> Failure {
    match error {
        store::Error::Duplicate(_) => Failure::conflict("name_taken", format!("an automation named \"{name}\" exists")),
        store::Error::Dangling(field) => Failure::field(field, "is no domain"),
        store::Error::OutOfScope(_) => by.denied(format!("every automation of queue \"{queue_name}\"")).into(),
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
