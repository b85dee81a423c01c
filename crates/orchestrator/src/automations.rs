//! Registering, changing and archiving automations.

use api_types::{AutomationCreate, AutomationUpdate};
use domain::{
    Fault,
    automation::{DEFAULT_PRIORITY, Limits, default_queue_name},
};
use runtime::Failure;
use serde_json::{Map, Value};
use store::automations::{Automation, Draft, Filter};

use crate::{Orchestrator, catalog, publisher::queue_profile, text};

impl Orchestrator {
    pub(crate) async fn automation_create(&self, request: AutomationCreate) -> Result<Automation, Failure> {
        let draft = draft(request)?;
        let created = store::automations::automation_insert(&self.database, &draft, (self.clock)()).await;
        let automation = created.map_err(|error| name_taken(error, &draft.name))?;
        self.settle(&automation);
        Ok(automation)
    }

    pub(crate) async fn automation_update(&self, id: i32, request: AutomationUpdate) -> Result<Automation, Failure> {
        let current = self.automation(id).await?;
        let draft = changed(current.draft, request)?;
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

fn draft(request: AutomationCreate) -> Result<Draft, Failure> {
    let queue_name = request.queue_name.unwrap_or_else(|| default_queue_name(&request.name));
    let draft = Draft {
        name: request.name.trim().to_owned(),
        description: request.description.unwrap_or_default(),
        queue_name,
        queue_profile: request.queue_profile.unwrap_or_default(),
        entrypoint_type: request.entrypoint_type.unwrap_or_default(),
        script_path: request.script_path,
        parameter_schema: request.parameter_schema.filter(|schema| !schema.is_null()),
        default_params: request.default_params.unwrap_or_default(),
        timeout_s: request.timeout_s,
        max_concurrency: request.max_concurrency,
        priority: request.priority.unwrap_or(DEFAULT_PRIORITY),
        retry_policy: request.retry_policy.unwrap_or_default(),
    };
    checked(draft)
}

fn changed(mut draft: Draft, request: AutomationUpdate) -> Result<Draft, Failure> {
    fn set<T>(place: &mut T, value: Option<T>) {
        if let Some(value) = value {
            *place = value;
        }
    }
    set(&mut draft.name, request.name.map(|name| name.trim().to_owned()));
    set(&mut draft.description, request.description);
    set(&mut draft.queue_name, request.queue_name);
    set(&mut draft.queue_profile, request.queue_profile);
    set(&mut draft.entrypoint_type, request.entrypoint_type);
    set(&mut draft.script_path, request.script_path);
    set(&mut draft.parameter_schema, request.parameter_schema);
    set(&mut draft.default_params, request.default_params);
    set(&mut draft.timeout_s, request.timeout_s);
    set(&mut draft.max_concurrency, request.max_concurrency);
    set(&mut draft.priority, request.priority);
    set(&mut draft.retry_policy, request.retry_policy);
    checked(draft)
}

fn checked(mut draft: Draft) -> Result<Draft, Failure> {
    let limits = Limits {
        name: &draft.name,
        queue_name: &draft.queue_name,
        script_path: &draft.script_path,
        priority: draft.priority,
        timeout_s: draft.timeout_s,
        max_concurrency: draft.max_concurrency,
    };
    let mut faults = limits.faults();
    let policy_faults = draft.retry_policy.faults().into_iter();
    faults.extend(policy_faults.map(|fault| Fault::new(format!("retry_policy/{}", fault.field), fault.message)));
    if draft.description.contains('\0') {
        faults.push(Fault::new("description", "must not contain NUL characters"));
    }
    faults.extend(nul_fault("default_params", &draft.default_params));
    if let Some(schema) = draft.parameter_schema.take() {
        match usable_schema(schema) {
            Ok(schema) => draft.parameter_schema = Some(schema),
            Err(schema_faults) => faults.extend(schema_faults),
        }
    }
    if faults.is_empty() { Ok(draft) } else { Err(Failure::Invalid(faults)) }
}

pub(crate) fn nul_fault(field: &str, parameters: &Map<String, Value>) -> Option<Fault> {
    let path = text::nul_path(&Value::Object(parameters.clone()))?;
    Some(Fault::new(format!("{field}/{path}").trim_start_matches('/'), "must not contain NUL characters"))
}

fn usable_schema(schema: Value) -> Result<Value, Vec<Fault>> {
    let under = |fault: Fault| Fault::new(format!("parameter_schema/{}", fault.field).trim_end_matches('/'), fault.message);
    let schema = domain::schema::normalise(schema).map_err(|faults| faults.into_iter().map(under).collect::<Vec<_>>())?;
    if let Some(path) = text::nul_path(&schema) {
        return Err(vec![under(Fault::new(path, "must not contain NUL characters"))]);
    }
    catalog::compile(&schema)?;
    Ok(schema)
}
