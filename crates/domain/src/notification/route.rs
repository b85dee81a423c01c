//! Which channels a notice goes to.

use super::{ChannelKind, channel::Routing};
use crate::{
    alert::{AlertSource, AlertType, Severity},
    ids::{AlertId, AutomationId, ChannelId, DomainId, SlaId},
    policy::RateLimit,
};

/// What routing looks at.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Routed {
    /// The alert.
    pub id: AlertId,
    /// Its incident.
    pub key: String,
    /// What is wrong.
    pub alert_type: AlertType,
    /// How bad it is.
    pub severity: Severity,
    /// Who found it.
    pub source: AlertSource,
    /// Its rule.
    pub rule_id: Option<SlaId>,
    /// Its automation.
    pub automation_id: Option<AutomationId>,
    /// The domain of the automation.
    pub domain_id: Option<DomainId>,
    /// Labels of the automation.
    pub labels: Vec<String>,
    /// Channels of the rule; empty: routing decides.
    pub channels: Vec<ChannelId>,
    /// Whether somebody muted the alert or its rule.
    pub is_muted: bool,
    /// Whether another alert continues it, of which people are told.
    pub is_superseded: bool,
    /// The incident that it follows from: the key of a worker that is gone.
    pub cause: Option<String>,
}

impl Routing {
    /// Whether the channel is for this alert.
    #[must_use]
    pub fn takes(&self, alert: &Routed) -> bool {
        fn has<T: PartialEq>(wanted: &[T], value: &T) -> bool {
            wanted.is_empty() || wanted.contains(value)
        }
        alert.severity >= self.min_severity
            && has(&self.types, &alert.alert_type)
            && has(&self.sources, &alert.source)
            && (self.domains.is_empty() || alert.domain_id.is_some_and(|domain| self.domains.contains(&domain)))
            && (self.labels.is_empty() || alert.labels.iter().any(|label| self.labels.contains(label)))
    }
}

/// Whether a channel takes an alert: the rule's own channels do, and if it names none, those whose routing does.
#[must_use]
pub fn is_for(alert: &Routed, channel: ChannelId, routing: &Routing) -> bool {
    if alert.channels.is_empty() { routing.takes(alert) } else { alert.channels.contains(&channel) }
}

impl AlertType {
    /// Whether a worker that is gone may be what it follows from.
    #[must_use]
    pub const fn may_follow_from_worker(self) -> bool {
        matches!(self, Self::Late | Self::SlaForecast | Self::QueueBacklog | Self::Failure)
    }
}

impl ChannelKind {
    /// How many messages the vendor takes; `None`: as many as there are.
    #[must_use]
    pub const fn rate_limit(self) -> Option<RateLimit> {
        match self {
            Self::Slack | Self::Telegram => Some(RateLimit { max: 1, per_s: 1.0 }),
            Self::Teams => Some(RateLimit { max: 4, per_s: 1.0 }),
            Self::PagerDuty => Some(RateLimit { max: 120, per_s: 60.0 }),
            Self::Jira => Some(RateLimit { max: 5, per_s: 1.0 }),
            Self::Email | Self::Webhook => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use uuid::Uuid;

    use super::*;

    pub(in super::super) fn alert(nth: u128) -> Routed {
        Routed {
            id: Uuid::from_u128(nth).into(),
            key: format!("r/LATE/automation:{nth}"),
            alert_type: AlertType::Late,
            severity: Severity::Error,
            source: AlertSource::Regente,
            rule_id: Some(Uuid::from_u128(1).into()),
            automation_id: Some(AutomationId::new(7)),
            domain_id: None,
            labels: vec!["fiscal".to_owned(), "sap".to_owned()],
            channels: Vec::new(),
            is_muted: false,
            is_superseded: false,
            cause: None,
        }
    }

    #[test]
    fn a_channel_without_a_filter_takes_all_and_each_filter_leaves_out() {
        let domain: DomainId = Uuid::from_u128(5).into();
        let in_domain = Routed { domain_id: Some(domain), ..alert(1) };
        assert!(Routing::default().takes(&alert(1)));
        let severe = Routing { min_severity: Severity::Error, ..Routing::default() };
        assert!(severe.takes(&alert(1)) && !severe.takes(&Routed { severity: Severity::Warning, ..alert(1) }));
        let late = Routing { types: vec![AlertType::Late, AlertType::Failure], ..Routing::default() };
        assert!(late.takes(&alert(1)) && !late.takes(&Routed { alert_type: AlertType::Hub, ..alert(1) }));
        let of_domain = Routing { domains: vec![domain], ..Routing::default() };
        assert!(of_domain.takes(&in_domain) && !of_domain.takes(&alert(1)));
        let labelled = Routing { labels: vec!["sap".to_owned()], ..Routing::default() };
        assert!(labelled.takes(&alert(1)) && !labelled.takes(&Routed { labels: Vec::new(), ..alert(1) }));
        let hub = Routing { sources: vec![AlertSource::Prometheus], ..Routing::default() };
        assert!(!hub.takes(&alert(1)) && hub.takes(&Routed { source: AlertSource::Prometheus, ..alert(1) }));
        let both = Routing { labels: vec!["sap".to_owned()], types: vec![AlertType::Hub], ..Routing::default() };
        assert!(!both.takes(&alert(1)), "every part must match");
    }

    #[test]
    fn the_rules_own_channels_come_before_every_routing() {
        let (own, other): (ChannelId, ChannelId) = (Uuid::from_u128(1).into(), Uuid::from_u128(2).into());
        let named = Routed { channels: vec![own], ..alert(1) };
        let takes_none = Routing { types: vec![AlertType::Hub], ..Routing::default() };
        assert!(is_for(&named, own, &takes_none) && !is_for(&named, other, &Routing::default()));
        assert!(is_for(&alert(1), other, &Routing::default()) && !is_for(&alert(1), own, &takes_none));
    }
}
