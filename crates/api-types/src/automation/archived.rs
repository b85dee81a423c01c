use domain::ids::{AutomationId, ChainId, HookId, ScheduleId};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// What an archived automation leaves behind: they create no jobs any more. What the caller can see, and of chains and webhooks the first 1000.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(example = json!({
    "schedules": [{"id": "019ac1f3-2e4a-7d06-b1c8-9f0a7b6d5c43", "name": "Every weekday"}],
    "chains": [{"id": "019ac1d9-3b77-7f20-b5d1-90c2a4e6f816", "name": "After both", "automation_id": 9}],
    "hooks": [{"id": "019ac1d9-3b77-7f20-b5d1-90c2a4e6f815", "name": "GitHub: pushes to main"}]
}))]
pub struct AutomationArchived {
    /// Its schedules.
    pub schedules: Vec<DependentSchedule>,
    /// Chains that run it, and those that wait for it.
    pub chains: Vec<DependentChain>,
    /// Its webhooks.
    pub hooks: Vec<DependentHook>,
}

/// A chain that runs an archived automation or waits for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DependentChain {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: ChainId,
    /// Name.
    pub name: String,
    /// The automation that it runs.
    #[schema(value_type = i32)]
    pub automation_id: AutomationId,
}

/// A webhook of an archived automation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DependentHook {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: HookId,
    /// Name.
    pub name: String,
}

/// A schedule of an archived automation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DependentSchedule {
    /// Id.
    #[schema(value_type = Uuid)]
    pub id: ScheduleId,
    /// Name.
    pub name: String,
}
