//! What resolved alerts and notifications are kept for.

use runtime::{
    Context,
    reconcile::retention::{BATCH, Kind, Retention},
};
use store::{alerts::retention_alerts, notifications::retention_notifications};

use crate::Settings;

const ALERTS: &[Kind] =
    &[Kind { counted: "alerts_removed", remove: |database, before| Box::pin(retention_alerts(database, before, BATCH)) }];
const NOTIFICATIONS: &[Kind] =
    &[Kind { counted: "notifications_removed", remove: |database, before| Box::pin(retention_notifications(database, before, BATCH)) }];

/// Retention of resolved alerts, with their stories.
pub(crate) fn alerts(context: &Context, settings: &Settings) -> Retention {
    Retention::new(context, "retention_alerts", settings.alert_retention, ALERTS)
}

/// Retention of notifications that have ended.
pub(crate) fn notifications(context: &Context, settings: &Settings) -> Retention {
    Retention::new(context, "retention_notifications", settings.notification_retention, NOTIFICATIONS)
}
