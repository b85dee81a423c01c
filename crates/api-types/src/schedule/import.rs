use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use crate::examples;

/// Query of an import of schedules.
#[derive(Clone, Debug, Default, Deserialize, Serialize, IntoParams)]
#[serde(default, deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ScheduleImportQuery {
    /// Say what would change, and change nothing.
    #[serde(alias = "dryRun", skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
    /// `basis` of an earlier answer: the import is refused with 409 if schedules of its automations changed since.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(max_length = 64)]
    pub basis: Option<String>,
}

/// What an import of schedules changes, or has changed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[schema(example = examples::schedule_import)]
pub struct ScheduleImport {
    /// Whether nothing was changed.
    pub dry_run: bool,
    /// Stands for the schedules before the import.
    pub basis: String,
    /// Schedules that are created.
    pub created: Vec<ScheduleNamed>,
    /// Schedules whose fields change.
    pub changed: Vec<ScheduleChange>,
    /// Schedules that are removed: their automation is in the document, they are not.
    pub removed: Vec<ScheduleNamed>,
    /// Number of schedules that stay as they are.
    pub unchanged: usize,
}

/// A schedule by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleNamed {
    /// Name of its automation.
    pub automation: String,
    /// Its name.
    pub name: String,
}

/// A schedule that changes.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleChange {
    /// Name of its automation.
    pub automation: String,
    /// Its name.
    pub name: String,
    /// Fields that change.
    pub fields: Vec<ScheduleFieldChange>,
}

/// A field that changes. Null: its default.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ScheduleFieldChange {
    /// Name of the field.
    pub field: String,
    /// Its value before.
    pub before: Value,
    /// Its value afterwards.
    pub after: Value,
}
