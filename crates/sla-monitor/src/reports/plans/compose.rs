//! The mails of a plan.

use std::collections::HashMap;

use api_types::ActivityReport;
use chrono::{DateTime, Utc};
use domain::{
    Scope,
    alert::Severity,
    ids::ChannelId,
    notification::{Message, NoticeKind, channel::Channel, words::Voice},
    report::Plan,
    schedule::{input, words::Language},
};
use runtime::Failure;
use store::{channels::channel_get, domains::domain_get};
use uuid::Uuid;

use super::{
    super::{Subject, page},
    Plans,
};

impl Plans {
    /// A message for each channel of the plan that is on, about the last period that is over at `now`.
    pub(super) async fn messages(&self, plan: &Plan, now: DateTime<Utc>) -> Result<Vec<(ChannelId, Message)>, Failure> {
        let reports = &self.reports;
        let mut channels: Vec<Channel> = Vec::new();
        for id in &plan.channels {
            channels.extend(channel_get(&reports.database, *id).await?.filter(|channel| channel.enabled));
        }
        if channels.is_empty() {
            return Ok(Vec::new());
        }
        let zone = input::zone(&plan.timezone, &reports.zones).map_err(|fault| Failure::Invalid(vec![fault]))?;
        let Some(span) = plan.period.last(now, &zone) else { return Ok(Vec::new()) };
        let domain = match plan.domain_id {
            Some(id) => domain_get(&reports.database, &Scope::All, id).await?.map(|domain| domain.slug),
            None => None,
        };
        let report = reports.made(&Scope::All, Subject { domain, period: plan.period, zone, span }).await?;
        let mut by_language: HashMap<Language, Message> = HashMap::new();
        let mut messages = Vec::with_capacity(channels.len());
        for channel in channels {
            let language = channel.draft.language;
            let message = match by_language.get(&language) {
                Some(message) => message.clone(),
                None => {
                    let voice = reports.voice(&report, language)?;
                    let message = report_message(&report, &voice, &reports.public_url)?;
                    by_language.insert(language, message.clone());
                    message
                }
            };
            messages.push((channel.id, Message { id: Uuid::now_v7().into(), ..message }));
        }
        Ok(messages)
    }
}

/// A report as a message of no channel.
pub(crate) fn report_message(report: &ActivityReport, voice: &Voice, url: &str) -> Result<Message, Failure> {
    let html = page::page(report, voice, url).map_err(|error| Failure::Internal(error.to_string()))?;
    Ok(Message {
        id: Uuid::nil().into(),
        kind: NoticeKind::Report,
        at: voice.now,
        language: voice.language,
        severity: Severity::Info,
        title: page::title(report, voice.language),
        text: page::text(report, voice),
        html: Some(html),
        alerts: Vec::new(),
        more: 0,
        url: page::address(report, url),
        reference: None,
    })
}
