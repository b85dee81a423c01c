use chrono::{DateTime, Utc};
use domain::{audit::Change, ids::AutomationId, policy::Pause};
use sea_orm::{ActiveValue::Set, ColumnTrait, Condition};

use super::{unchecked, write};
use crate::{Database, Error, entity::automation};

/// Pauses an automation or changes its pause; `false` when there is none or it is archived.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_pause(
    database: &Database,
    change: &Change,
    id: AutomationId,
    pause: &Pause,
    now: DateTime<Utc>,
) -> Result<bool, Error> {
    let row = automation::ActiveModel {
        paused_at: Set(Some(pause.at)),
        paused_until: Set(pause.until),
        paused_reason: Set(pause.reason.clone()),
        paused_by: Set(Some(pause.by.clone())),
        ..Default::default()
    };
    let when = Condition::all().add(automation::Column::ArchivedAt.is_null());
    write(database, (change, "automation.pause"), id, (row, when, unchecked), now).await
}

/// Ends a pause; `false` when none is in effect at `now`. The change's author becomes the one who changed the automation last.
///
/// # Errors
/// Any [`Error`] of the database.
pub async fn automation_resume(database: &Database, change: &Change, id: AutomationId, now: DateTime<Utc>) -> Result<bool, Error> {
    use automation::Column::{PausedAt, PausedUntil};
    let row = automation::ActiveModel {
        paused_at: Set(None),
        paused_until: Set(None),
        paused_reason: Set(None),
        paused_by: Set(None),
        updated_at: Set(now),
        updated_by: Set(Some(change.author().actor.clone())),
        ..Default::default()
    };
    let lasts = Condition::any().add(PausedUntil.is_null()).add(PausedUntil.gt(now));
    let when = Condition::all().add(PausedAt.is_not_null()).add(lasts);
    write(database, (change, "automation.resume"), id, (row, when, unchecked), now).await
}
