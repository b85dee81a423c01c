use chrono::{DateTime, Utc};
use domain::{ids::AutomationId, policy::Pause};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition};

use super::write;
use crate::{Database, Error, entity::automation};

/// Pauses an automation or changes its pause; `false` when there is none or it is archived.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_pause(database: &Database, id: AutomationId, pause: &Pause) -> Result<bool, Error> {
    let row = automation::ActiveModel {
        paused_at: Set(Some(pause.at)),
        paused_until: Set(pause.until),
        paused_reason: Set(pause.reason.clone()),
        paused_by: Set(Some(pause.by.clone())),
        ..Default::default()
    };
    write(database, id, row, Condition::all().add(automation::Column::ArchivedAt.is_null())).await
}

/// Ends a pause; `false` when none is in effect at `now`. `by` becomes the one who changed the automation last.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_resume(database: &Database, id: AutomationId, by: &str, now: DateTime<Utc>) -> Result<bool, Error> {
    use automation::Column::{PausedAt, PausedUntil};
    let row = automation::ActiveModel {
        paused_at: Set(None),
        paused_until: Set(None),
        paused_reason: Set(None),
        paused_by: Set(None),
        updated_at: Set(now),
        updated_by: Set(Some(by.to_owned())),
        ..Default::default()
    };
    let lasts = Condition::any().add(PausedUntil.is_null()).add(PausedUntil.gt(now));
    write(database, id, row, Condition::all().add(PausedAt.is_not_null()).add(lasts)).await
}
