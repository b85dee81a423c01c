//! From what happened to alerts to the messages that tell it: which channel, in which message, when.
//!
//! What must hold:
//! - A channel is told of a notice once at most, in one message.
//! - Nobody is told that something is over of which he was never told that it began; and who was told that it began is told that it is over.
//! - A message that was tried is never changed: its receiver may have it.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use uuid::Uuid;

use super::{
    ChannelKind, NoticeKind,
    channel::{QuietHours, Routing},
    route::{Routed, is_for},
};
use crate::{
    ids::{AlertId, ChannelId, NotificationId},
    schedule::Zone,
};

/// Notices that are older are told in one digest when they are of more than [`FEW`] causes: the hub was away.
pub const OLD: TimeDelta = TimeDelta::minutes(10);
/// Causes that are told one by one, however old they are: a rule may give grace.
pub const FEW: usize = 3;
/// Messages that may wait for a channel before further ones become a digest.
pub const FLOOD: usize = 10;

/// What happened to an alert.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Notice {
    /// Its id, in order of what happened.
    pub id: Uuid,
    /// The alert.
    pub alert_id: AlertId,
    /// What happened.
    pub kind: NoticeKind,
    /// When: of an alert that opened, when what is wrong began.
    pub at: DateTime<Utc>,
}

/// A channel, as routing sees it. It is switched on.
#[derive(Clone, Debug)]
pub struct Station {
    /// The channel.
    pub id: ChannelId,
    /// Its kind.
    pub kind: ChannelKind,
    /// What it is for.
    pub routing: Routing,
    /// When it is quiet, and on whose clock.
    pub quiet: Option<(QuietHours, Zone)>,
    /// How long a message waits for others with the same cause.
    pub wait: TimeDelta,
}

/// A notice in a message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Item {
    /// The notice.
    pub notice_id: Uuid,
    /// The alert.
    pub alert_id: AlertId,
    /// Its incident.
    pub key: String,
    /// What happened.
    pub kind: NoticeKind,
    /// When.
    pub at: DateTime<Utc>,
}

/// A message that waits and was never tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Waiting {
    /// Its id.
    pub id: NotificationId,
    /// The channel.
    pub channel_id: ChannelId,
    /// What it tells.
    pub kind: NoticeKind,
    /// What its notices have in common; `None`: it takes no other.
    pub group: Option<String>,
    /// When it is sent.
    pub due_at: DateTime<Utc>,
    /// How many notices it has.
    pub count: usize,
    /// Those of them that are about alerts of this plan.
    pub items: Vec<Item>,
}

/// A message as planned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Planned {
    /// As it is now.
    pub message: Waiting,
    /// Whether it is a new one.
    pub is_new: bool,
    /// Notices that it takes.
    pub added: Vec<Item>,
    /// Notices that it loses.
    pub removed: Vec<Uuid>,
}

impl Planned {
    /// Whether nothing is left of it.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.message.count == 0
    }

    fn is_changed(&self) -> bool {
        !self.added.is_empty() || !self.removed.is_empty()
    }

    fn take(&mut self, item: Item) {
        self.message.count += 1;
        self.message.items.push(item.clone());
        self.added.push(item);
    }

    /// Removes what it has of this alert.
    fn release(&mut self, alert: AlertId) {
        let (gone, kept) = std::mem::take(&mut self.message.items).into_iter().partition::<Vec<_>, _>(|item| item.alert_id == alert);
        self.message.items = kept;
        self.message.count = self.message.count.saturating_sub(gone.len());
        for item in gone {
            let added = self.added.len();
            self.added.retain(|one| one.notice_id != item.notice_id);
            if self.added.len() == added {
                self.removed.push(item.notice_id);
            }
        }
    }
}

/// What a plan works with.
pub struct Plan<'a> {
    channels: &'a [Station],
    messages: Vec<Planned>,
    /// Who was, or is going to be, told of which alert in a message that cannot be changed any more.
    told: Vec<(ChannelId, AlertId)>,
    now: DateTime<Utc>,
    /// Whether the hub was away.
    catches_up: bool,
}

impl<'a> Plan<'a> {
    /// With the messages that wait, and who was told of which alert before.
    #[must_use]
    pub fn new(channels: &'a [Station], waiting: Vec<Waiting>, told: Vec<(ChannelId, AlertId)>, now: DateTime<Utc>) -> Self {
        let old = |message| Planned { message, is_new: false, added: Vec::new(), removed: Vec::new() };
        Self { channels, messages: waiting.into_iter().map(old).collect(), told, now, catches_up: false }
    }

    /// Plans who is told of these notices, in their order.
    pub fn add(&mut self, notices: &[(Notice, Routed)], new_id: &mut impl FnMut() -> NotificationId) {
        let old = notices.iter().filter(|(notice, _)| self.is_old(notice.kind, notice.at));
        let causes: BTreeSet<String> = old.map(|(_, alert)| common(alert)).collect();
        self.catches_up = causes.len() > FEW;
        for (notice, alert) in notices {
            for channel in self.channels {
                if self.is_told_of(channel, notice, alert) {
                    self.tell(channel, notice, alert, new_id);
                }
            }
        }
    }

    fn is_old(&self, kind: NoticeKind, at: DateTime<Utc>) -> bool {
        kind != NoticeKind::Reminded && self.now - at > OLD
    }

    /// The messages that are new or changed.
    #[must_use]
    pub fn finish(self) -> Vec<Planned> {
        self.messages.into_iter().filter(|planned| planned.is_changed() && !(planned.is_new && planned.is_empty())).collect()
    }

    fn is_told_of(&self, channel: &Station, notice: &Notice, alert: &Routed) -> bool {
        match notice.kind {
            // However it was routed when it opened, and muted or not.
            NoticeKind::Resolved => self.knows(channel.id, alert.id),
            NoticeKind::Acknowledged => !alert.is_muted && self.knows(channel.id, alert.id),
            _ => !alert.is_muted && is_for(alert, channel.id, &channel.routing),
        }
    }

    fn knows(&self, channel: ChannelId, alert: AlertId) -> bool {
        self.told.contains(&(channel, alert)) || self.of(channel, alert).next().is_some()
    }

    fn of(&self, channel: ChannelId, alert: AlertId) -> impl Iterator<Item = (&Planned, &Item)> {
        let here = self.messages.iter().filter(move |planned| planned.message.channel_id == channel);
        here.flat_map(move |planned| {
            planned.message.items.iter().filter(move |item| item.alert_id == alert).map(move |item| (planned, item))
        })
    }

    fn tell(&mut self, channel: &Station, notice: &Notice, alert: &Routed, new_id: &mut impl FnMut() -> NotificationId) {
        let held = channel.quiet.as_ref().and_then(|(quiet, zone)| quiet.holds(zone, alert.severity, self.now));
        let waiting: Vec<NoticeKind> = self.of(channel.id, alert.id).map(|(_, item)| item.kind).collect();
        let is_held = self.of(channel.id, alert.id).any(|(planned, _)| planned.message.due_at > self.now + channel.wait);
        let item = |kind| Item { notice_id: notice.id, alert_id: alert.id, key: alert.key.clone(), kind, at: notice.at };
        if notice.kind == NoticeKind::Resolved && alert.is_superseded && channel.kind.is_read_by_people() {
            return self.release(channel.id, alert.id);
        }
        match supersede(&waiting, notice.kind, channel.kind.is_single()) {
            // It was held by quiet hours, and has become severe enough.
            Verdict::Absorb if is_held && held.is_none() && notice.kind == NoticeKind::Escalated => {
                let kind = if waiting.contains(&NoticeKind::Opened) { NoticeKind::Opened } else { notice.kind };
                self.release(channel.id, alert.id);
                self.put(channel, (item(kind), alert), held, new_id);
            }
            Verdict::Absorb => {}
            Verdict::Cancel => self.release(channel.id, alert.id),
            Verdict::Replace => {
                self.release(channel.id, alert.id);
                self.put(channel, (item(notice.kind), alert), held, new_id);
            }
            Verdict::Add => self.put(channel, (item(notice.kind), alert), held, new_id),
        }
    }

    fn release(&mut self, channel: ChannelId, alert: AlertId) {
        self.messages.iter_mut().filter(|planned| planned.message.channel_id == channel).for_each(|planned| planned.release(alert));
    }

    fn put(
        &mut self,
        channel: &Station,
        (item, alert): (Item, &Routed),
        held: Option<DateTime<Utc>>,
        new_id: &mut impl FnMut() -> NotificationId,
    ) {
        let is_single = channel.kind.is_single();
        let (mut kind, mut group) = if is_single { (item.kind, None) } else { self.group(&item, alert, held) };
        let is_new_group = group.as_ref().is_some_and(|group| self.find(channel.id, group).is_none());
        if is_new_group && kind != NoticeKind::Digest && self.waiting(channel.id) >= FLOOD {
            (kind, group) = (NoticeKind::Digest, Some("digest/flood".to_owned()));
        }
        let found = group.as_ref().and_then(|group| self.find(channel.id, group));
        let at = found.unwrap_or_else(|| {
            let due_at = held.unwrap_or(if is_single { self.now } else { self.now + channel.wait });
            let message = Waiting { id: new_id(), channel_id: channel.id, kind, group, due_at, count: 0, items: Vec::new() };
            self.messages.push(Planned { message, is_new: true, added: Vec::new(), removed: Vec::new() });
            self.messages.len() - 1
        });
        if let Some(planned) = self.messages.get_mut(at) {
            planned.take(item);
        }
    }

    /// What a notice has in common with others, and what their message tells.
    fn group(&self, item: &Item, alert: &Routed, held: Option<DateTime<Utc>>) -> (NoticeKind, Option<String>) {
        if let Some(end) = held {
            return (NoticeKind::Digest, Some(format!("digest/quiet/{}", end.timestamp())));
        }
        if self.catches_up && self.is_old(item.kind, item.at) {
            return (NoticeKind::Digest, Some("digest/old".to_owned()));
        }
        (item.kind, Some(format!("{}/{}", item.kind, common(alert))))
    }

    fn find(&self, channel: ChannelId, group: &str) -> Option<usize> {
        self.messages.iter().position(|planned| planned.message.channel_id == channel && planned.message.group.as_deref() == Some(group))
    }

    fn waiting(&self, channel: ChannelId) -> usize {
        let here = self.messages.iter().filter(|planned| planned.message.channel_id == channel && !planned.is_empty());
        here.filter(|planned| planned.message.kind != NoticeKind::Digest).count()
    }
}

/// What an alert has in common with those that are told with it: the incident that it follows from, its rule, or its source.
fn common(alert: &Routed) -> String {
    match (&alert.cause, alert.rule_id) {
        (Some(cause), _) => cause.clone(),
        (None, Some(rule)) => format!("{rule}/{}", alert.alert_type),
        (None, None) => alert.source.as_str().to_owned(),
    }
}

/// What becomes of a notice whose alert is already in messages that wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Verdict {
    /// It is told as well.
    Add,
    /// What waits tells it: a message is made of how its alerts are when it is sent.
    Absorb,
    /// It is told, and what waits is not.
    Replace,
    /// Neither is told.
    Cancel,
}

/// What becomes of a notice, after notices of the same alert that `waiting` messages tell.
fn supersede(waiting: &[NoticeKind], new: NoticeKind, is_single: bool) -> Verdict {
    use NoticeKind::{Acknowledged, Escalated, Opened, Reminded, Resolved};
    let waits = |kinds: &[NoticeKind]| waiting.iter().any(|kind| kinds.contains(kind));
    match new {
        Resolved if waits(&[Opened]) => Verdict::Cancel,
        Resolved if !waiting.is_empty() => Verdict::Replace,
        Escalated if waits(&[Opened, Escalated]) => Verdict::Absorb,
        Escalated if waits(&[Reminded]) => Verdict::Replace,
        Reminded if waits(&[Opened, Escalated, Reminded]) => Verdict::Absorb,
        // A vendor that keeps the incident is told of each step; people see in the message that it is taken.
        Acknowledged if !is_single && waits(&[Opened, Escalated, Reminded]) => Verdict::Absorb,
        _ => Verdict::Add,
    }
}

#[cfg(test)]
mod tests;
