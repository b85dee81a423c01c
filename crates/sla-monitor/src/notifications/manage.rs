//! What was sent, for people who wonder whether they were told; and what a message would say.

use api_types::{NotificationDetail, NotificationPreview, NotificationText};
use auth::Permitted;
use domain::{
    Fault,
    alert::AlertType,
    ids::NotificationId,
    notification::{Brief, NoticeKind},
    schedule::words::Language,
};
use runtime::{Editor, Failure};
use store::{
    channels::channel_get,
    notifications::{Filter, notification_alerts, notification_attempts, notification_get, notification_list, notification_retry},
};
use uuid::Uuid;

use super::{Notifications, convert, render, templates};

/// Alerts that are shown of a message.
const MAX_ALERTS: usize = 20;
/// Attempts that are shown of a message.
const MAX_ATTEMPTS: u64 = 100;
/// Alerts of a preview.
const MAX_PREVIEWED: u32 = 100;
/// Templates of a preview, and the length of one in bytes.
const MAX_TEMPLATES: (usize, usize) = (50, 16 * 1024);

impl Notifications {
    pub(crate) async fn list(&self, by: &Permitted, filter: &Filter) -> Result<Vec<api_types::Notification>, Failure> {
        by.require_everywhere()?;
        let rows = notification_list(&self.database, filter).await?;
        let ids: Vec<NotificationId> = rows.iter().map(|row| row.id).collect();
        let mut alerts = notification_alerts(&self.database, &ids, MAX_ALERTS).await?;
        Ok(rows.iter().map(|row| convert::notification(row, alerts.remove(&row.id).unwrap_or_default())).collect())
    }

    pub(crate) async fn get(&self, by: &Permitted, id: NotificationId) -> Result<NotificationDetail, Failure> {
        by.require_everywhere()?;
        let row = notification_get(&self.database, id).await?.ok_or_else(|| missing(id))?;
        let attempts = notification_attempts(&self.database, id, MAX_ATTEMPTS).await?;
        Ok(convert::detail(row, self.alerts(id).await?, attempts))
    }

    /// Has a message sent once more.
    pub(crate) async fn retry(&self, by: &Editor, id: NotificationId) -> Result<api_types::Notification, Failure> {
        by.require_everywhere()?;
        match notification_retry(&self.database, by.change(), id, (self.clock)()).await? {
            None => return Err(missing(id)),
            Some(false) => {
                return Err(Failure::conflict("already_sent", format!("notification {id} was sent, or is being sent at this moment")));
            }
            Some(true) => self.planned.notify_one(),
        }
        tracing::info!(notification.id = %id, "a message is sent once more");
        let row = notification_get(&self.database, id).await?.ok_or_else(|| missing(id))?;
        Ok(convert::notification(&row, self.alerts(id).await?))
    }

    /// What a message would say.
    pub(crate) async fn preview(&self, by: &Permitted, request: NotificationPreview) -> Result<NotificationText, Failure> {
        by.require_everywhere()?;
        let faults = faults(&request);
        if !faults.is_empty() {
            return Err(Failure::Invalid(faults));
        }
        let channel = match request.channel_id {
            Some(id) => {
                let fault = || Failure::Invalid(vec![Fault::new("channel_id", "there is no such channel")]);
                Some(channel_get(&self.database, id).await?.ok_or_else(fault)?)
            }
            None => None,
        };
        let now = (self.clock)();
        let mut voice = match &channel {
            Some(channel) => self.renderer.voice(channel, now),
            None => self.renderer.voice_of(Language::default(), None, now),
        };
        voice.language = request.language.unwrap_or(voice.language);
        let templates = request.templates.or(channel.map(|channel| channel.draft.templates)).unwrap_or_default();
        let kind = request.kind.unwrap_or(NoticeKind::Opened);
        let alert = templates::example(request.alert_type.unwrap_or(AlertType::Late), kind, &voice);
        let alerts: Vec<Brief> = vec![alert; if kind == NoticeKind::Test { 0 } else { request.alerts.unwrap_or(1) as usize }];
        let draft = render::Draft { id: Uuid::nil().into(), kind, voice: &voice, templates: &templates, alerts, more: 0, reference: None };
        Ok(convert::text(self.renderer.compose(draft)))
    }

    async fn alerts(&self, id: NotificationId) -> Result<Vec<domain::ids::AlertId>, Failure> {
        Ok(notification_alerts(&self.database, &[id], MAX_ALERTS).await?.remove(&id).unwrap_or_default())
    }
}

fn faults(request: &NotificationPreview) -> Vec<Fault> {
    let mut faults = Vec::new();
    if request.alerts.is_some_and(|alerts| !(1..=MAX_PREVIEWED).contains(&alerts)) {
        faults.push(Fault::new("alerts", format!("must be 1 to {MAX_PREVIEWED}")));
    }
    if request.kind == Some(NoticeKind::Report) {
        faults.push(Fault::new("kind", "reports have no preview"));
    }
    let Some(templates) = &request.templates else { return faults };
    let (most, longest) = MAX_TEMPLATES;
    if templates.len() > most || templates.values().any(|source| source.len() > longest) {
        faults.push(Fault::new("templates", format!("must be at most {most}, each of at most {longest} bytes")));
        return faults;
    }
    faults.extend(templates::faults(templates));
    faults
}

fn missing(id: NotificationId) -> Failure {
    Failure::NotFound(format!("notification {id}"))
}
