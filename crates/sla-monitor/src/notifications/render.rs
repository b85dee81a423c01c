//! A message from the alerts that it tells of, as they are when it is first sent.

use std::{cmp::Reverse, collections::BTreeMap, sync::Arc};

use chrono::{DateTime, Utc};
use domain::{
    alert::{AlertStatus, Severity},
    ids::{AlertId, NotificationId},
    notification::{Brief, Message, NoticeKind, channel::Channel, words::Voice},
    schedule::{Zone, Zones, words::Language},
};
use runtime::Context;
use store::{
    Database, Error,
    notifications::{Named, Sending, alert_list_named_unscoped, notification_reference_unscoped},
};

use super::{email, templates};

/// Alerts that a message describes; further ones are counted.
const MAX_BRIEFS: usize = 100;
/// Alerts of a message that are read.
const MAX_READ: usize = 500;

/// Renders messages. Clones share everything.
#[derive(Clone)]
pub(crate) struct Renderer {
    pub(crate) database: Database,
    pub(crate) zones: Arc<Zones>,
    pub(crate) zone: Zone,
    /// Address of the hub for browsers, without a slash at its end; `None`: messages have no links.
    pub(crate) public_url: Option<String>,
}

/// What a message is made of.
pub(crate) struct Draft<'a> {
    pub(crate) id: NotificationId,
    pub(crate) kind: NoticeKind,
    pub(crate) voice: &'a Voice,
    pub(crate) templates: &'a BTreeMap<String, String>,
    pub(crate) alerts: Vec<Brief>,
    pub(crate) more: usize,
    pub(crate) reference: Option<String>,
}

impl Renderer {
    pub(crate) fn new(context: &Context, public_url: Option<String>) -> Self {
        let Context { database, zones, zone, .. } = context.clone();
        Self { database, zones, zone, public_url }
    }

    /// The message that is sent; `None`: its alerts were deleted.
    pub(crate) async fn message(&self, channel: &Channel, sending: &Sending, now: DateTime<Utc>) -> Result<Option<Message>, Error> {
        let kind = sending.notification.kind;
        let mut ids: Vec<AlertId> = Vec::new();
        for item in &sending.items {
            if !ids.contains(&item.alert_id) {
                ids.push(item.alert_id);
            }
            if ids.len() == MAX_READ {
                break;
            }
        }
        let named = alert_list_named_unscoped(&self.database, &ids).await?;
        let unread = usize::try_from(sending.notification.notices).unwrap_or_default().saturating_sub(sending.items.len().min(MAX_READ));
        let voice = self.voice(channel, now);
        let mut alerts: Vec<Brief> = named.into_iter().map(|named| self.brief(named, kind, &voice)).collect();
        alerts.sort_by_key(|alert| (alert.status == AlertStatus::Resolved, Reverse(alert.severity), alert.opened_at));
        let more = unread + alerts.len().saturating_sub(MAX_BRIEFS);
        alerts.truncate(MAX_BRIEFS);
        let Some(first) = alerts.first() else { return Ok(None) };
        let reference = match channel.kind().is_single() {
            true => notification_reference_unscoped(&self.database, channel.id, first.id).await?,
            false => None,
        };
        let draft =
            Draft { id: sending.notification.id, kind, voice: &voice, templates: &channel.draft.templates, alerts, more, reference };
        Ok(Some(self.compose(draft)))
    }

    /// The message of a draft.
    pub(crate) fn compose(&self, draft: Draft<'_>) -> Message {
        compose(self.public_url.as_deref(), draft)
    }

    /// Whose times and words a channel's messages use.
    pub(crate) fn voice(&self, channel: &Channel, now: DateTime<Utc>) -> Voice {
        let zone = channel.draft.quiet_hours.as_ref().and_then(|quiet| self.zones.get(&quiet.timezone).ok());
        self.voice_of(channel.draft.language, zone, now)
    }

    pub(crate) fn voice_of(&self, language: Language, zone: Option<Zone>, now: DateTime<Utc>) -> Voice {
        Voice { language, zone: zone.unwrap_or_else(|| self.zone.clone()), now }
    }

    fn brief(&self, named: Named, kind: NoticeKind, voice: &Voice) -> Brief {
        let Named { alert, subject, domain, labels, rule } = named;
        let is_told_open = !matches!(kind, NoticeKind::Resolved | NoticeKind::Digest);
        // It ended just now, and that is the next message.
        let status = match alert.status() {
            AlertStatus::Resolved if is_told_open => AlertStatus::Open,
            status => status,
        };
        let by = match status {
            AlertStatus::Resolved => alert.resolved.as_ref().and_then(|end| end.by.clone()),
            _ => alert.acknowledged.as_ref().map(|(_, by)| by.clone()),
        };
        let page = |path: String| self.public_url.as_ref().map(|public| format!("{public}{path}"));
        let over = alert.resolved.as_ref().filter(|_| status == AlertStatus::Resolved);
        let mut brief = Brief {
            id: alert.id,
            key: alert.key.to_string(),
            alert_type: alert.key.alert_type,
            severity: alert.severity,
            status,
            source: alert.source,
            title: String::new(),
            subject,
            automation_id: alert.automation_id,
            domain,
            labels,
            rule,
            opened_at: alert.opened_at,
            resolved_at: over.map(|end| end.at),
            resolution: over.map(|end| end.why),
            by,
            count: alert.count,
            note: alert.terms.note.clone(),
            url: page(format!("/alerts/{}", alert.id)),
            job_urls: alert.facts.job_ids.iter().filter_map(|job| page(format!("/jobs/{job}"))).collect(),
            facts: alert.facts,
        };
        brief.title = voice.title(&brief);
        brief
    }
}

/// Title, text and HTML, by the channel's templates where it has some. A template that fails is not used: a message that says less is better than
/// none.
pub(crate) fn compose(public_url: Option<&str>, draft: Draft<'_>) -> Message {
    let Draft { id, kind, voice, templates, alerts, more, reference } = draft;
    let url = public_url.map(|public| match alerts.as_slice() {
        [one] if more == 0 => one.url.clone().unwrap_or_else(|| public.to_owned()),
        _ => format!("{public}/alerts"),
    });
    let severity = alerts.iter().map(|alert| alert.severity).max().unwrap_or(Severity::Info);
    let (title, text) = (voice.headline(kind, &alerts, more), voice.text(kind, &alerts, more));
    let mut message =
        Message { id, kind, at: voice.now, language: voice.language, severity, title, text, html: None, alerts, more, url, reference };
    if let Err(error) = templates::apply(templates, voice, &mut message) {
        tracing::warn!(notification.id = %id, error, "a template of a channel failed; the built-in text is sent");
    }
    message.html = Some(email::html(voice, &message)).filter(|html| !html.is_empty());
    message
}
