//! Who may see an event: whoever may read what it is about.

use auth::{Permission, Principal};
use domain::ids::{AutomationId, JobId};
use runtime::events::Event;
use serde_json::Value;

/// Each noun of events, with the permission to read it.
const NOUNS: [(&str, Permission); 5] = [
    ("job", Permission::JobsRead),
    ("automation", Permission::AutomationsRead),
    ("queue", Permission::QueuesRead),
    ("worker", Permission::WorkersRead),
    ("dead_letter", Permission::DeadLettersRead),
];

/// What an event is about.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Subject {
    pub(super) kind: String,
    pub(super) job: Option<JobId>,
    /// The automations that it concerns; `None`: not known yet, they are those of these queues.
    pub(super) automations: Option<Vec<AutomationId>>,
    pub(super) queues: Vec<String>,
}

impl Subject {
    pub(super) fn of(event: &Event) -> Self {
        let text = |key: &str| event.data.get(key).and_then(Value::as_str);
        let automation = event.data.get("automation_id").and_then(Value::as_i64).and_then(|id| i32::try_from(id).ok());
        let mut queues: Vec<String> = text("queue_name").map(str::to_owned).into_iter().collect();
        let several = event.data.get("queues").and_then(Value::as_array).into_iter().flatten();
        queues.extend(several.filter_map(Value::as_str).map(str::to_owned));
        let automations = match automation {
            Some(id) => Some(vec![AutomationId::new(id)]),
            None if queues.is_empty() => Some(Vec::new()),
            None => None,
        };
        Self { kind: event.kind.to_string(), job: text("job_id").and_then(|id| id.parse().ok()), automations, queues }
    }
}

/// Whether events of any kind may be seen.
pub(super) fn sees_any(principal: &Principal) -> bool {
    NOUNS.iter().any(|(_, permission)| principal.permissions.has(*permission))
}

/// Whether this one may be.
pub(super) fn sees(principal: &Principal, subject: &Subject) -> bool {
    let noun = subject.kind.split('.').next().unwrap_or_default();
    let permission = NOUNS.iter().find(|(name, _)| *name == noun).map(|(_, permission)| *permission);
    if !permission.is_some_and(|permission| principal.permissions.has(permission)) {
        return false;
    }
    match (&principal.scope, &subject.automations) {
        (domain::Scope::All, _) => true,
        (scope, Some(ids)) => ids.iter().any(|id| scope.has(*id)),
        (domain::Scope::Automations(_), None) => false,
    }
}
