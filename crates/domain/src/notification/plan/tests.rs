use super::*;
use crate::{
    alert::{AlertType, Severity},
    notification::route::tests::alert,
    schedule::Zones,
};

const NIGHT: &str = "2026-11-27T02:10:00Z";
const DAY: &str = "2026-11-27T15:00:00Z";
const WAIT: TimeDelta = TimeDelta::seconds(1);

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn channel(nth: u128, kind: ChannelKind) -> Station {
    Station { id: Uuid::from_u128(nth).into(), kind, routing: Routing::default(), quiet: None, wait: WAIT }
}

fn quiet(nth: u128, kind: ChannelKind) -> Station {
    let zone = Zones::bundled().get("America/Sao_Paulo").unwrap();
    let (from, until) = ("22:00:00".parse().unwrap(), "07:00:00".parse().unwrap());
    let quiet = QuietHours { timezone: zone.name().to_owned(), from, until, days: Vec::new(), break_through: Some(Severity::Critical) };
    Station { quiet: Some((quiet, zone)), ..channel(nth, kind) }
}

/// Notices by their alerts, planned one after the other from `waiting`.
fn plan_from(channels: &[Station], waiting: Vec<Waiting>, now: &str, notices: &[(NoticeKind, Routed)]) -> Vec<Planned> {
    let told = Vec::new();
    plan_told(channels, (waiting, told), now, notices)
}

fn plan_told(
    channels: &[Station],
    (waiting, told): (Vec<Waiting>, Vec<(ChannelId, AlertId)>),
    now: &str,
    notices: &[(NoticeKind, Routed)],
) -> Vec<Planned> {
    let now = at(now);
    let mut plan = Plan::new(channels, waiting, told, now);
    let mut ids = (1000..).map(|nth| NotificationId::from(Uuid::from_u128(nth)));
    plan.add(&at_once(now, notices), &mut || ids.next().unwrap());
    plan.finish()
}

/// Notices of what began at `at`.
fn at_once(at: DateTime<Utc>, notices: &[(NoticeKind, Routed)]) -> Vec<(Notice, Routed)> {
    let notice = |(kind, alert): &(NoticeKind, Routed)| (Notice { id: Uuid::now_v7(), alert_id: alert.id, kind: *kind, at }, alert.clone());
    notices.iter().map(notice).collect()
}

fn plan(channels: &[Station], now: &str, notices: &[(NoticeKind, Routed)]) -> Vec<Planned> {
    plan_from(channels, Vec::new(), now, notices)
}

fn kinds(planned: &[Planned]) -> Vec<(NoticeKind, usize)> {
    planned.iter().map(|planned| (planned.message.kind, planned.message.count)).collect()
}

use NoticeKind::{Acknowledged, Digest, Escalated, Opened, Reminded, Resolved};

#[test]
fn a_notice_goes_to_each_channel_that_takes_it_after_a_short_wait() {
    let none = Station { routing: Routing { types: vec![AlertType::Hub], ..Routing::default() }, ..channel(2, ChannelKind::Email) };
    let planned = plan(&[channel(1, ChannelKind::Slack), none, channel(3, ChannelKind::PagerDuty)], DAY, &[(Opened, alert(1))]);
    assert_eq!(kinds(&planned), [(Opened, 1), (Opened, 1)]);
    assert_eq!(
        (planned[0].message.due_at, planned[1].message.due_at),
        (at(DAY) + WAIT, at(DAY)),
        "one that takes each alert by itself at once"
    );
}

#[test]
fn notices_with_a_common_cause_are_one_message() {
    let worker = "r/WORKER_DOWN/worker:x".to_owned();
    let late = |nth: u128| (Opened, Routed { cause: Some(worker.clone()), rule_id: Some(Uuid::from_u128(nth).into()), ..alert(nth) });
    let gone = (Opened, Routed { key: worker.clone(), cause: Some(worker.clone()), alert_type: AlertType::WorkerDown, ..alert(99) });
    let all: Vec<_> = (1..=12).map(late).chain([gone]).collect();
    let planned = plan(&[channel(1, ChannelKind::Slack), channel(2, ChannelKind::Jira)], DAY, &all);
    let slack: Vec<_> = planned.iter().filter(|planned| planned.message.group.is_some()).collect();
    assert_eq!((slack.len(), slack[0].message.count, slack[0].message.kind), (1, 13, Opened));
    assert_eq!(planned.len(), 14, "Jira has an issue for each");
}

#[test]
fn one_rule_over_many_subjects_is_one_message_and_other_rules_are_not_in_it() {
    let other = Routed { rule_id: Some(Uuid::from_u128(2).into()), ..alert(3) };
    let planned = plan(&[channel(1, ChannelKind::Email)], DAY, &[(Opened, alert(1)), (Opened, alert(2)), (Opened, other)]);
    assert_eq!(kinds(&planned), [(Opened, 2), (Opened, 1)]);
    let later = plan_from(&[channel(1, ChannelKind::Email)], vec![planned[0].message.clone()], DAY, &[(Opened, alert(4))]);
    assert_eq!((later.len(), later[0].is_new, later[0].message.count, later[0].added.len()), (1, false, 3, 1));
}

#[test]
fn quiet_hours_hold_back_until_they_end_and_then_there_is_one_digest() {
    let opened = plan(&[quiet(1, ChannelKind::Email)], NIGHT, &[(Opened, alert(1)), (Opened, Routed { rule_id: None, ..alert(2) })]);
    assert_eq!(kinds(&opened), [(Digest, 2)]);
    assert_eq!(opened[0].message.due_at, at("2026-11-27T10:00:00Z"));
    let waiting = || vec![opened[0].message.clone()];
    let reminded = plan_from(&[quiet(1, ChannelKind::Email)], waiting(), "2026-11-27T05:00:00Z", &[(Reminded, alert(1))]);
    assert_eq!(reminded, [], "it is told once");
    let resolved = plan_from(&[quiet(1, ChannelKind::Email)], waiting(), "2026-11-27T06:00:00Z", &[(Resolved, alert(1))]);
    assert_eq!((kinds(&resolved), resolved[0].removed.len(), resolved[0].added.len()), (vec![(Digest, 1)], 1, 0), "neither");
    let both = [(Resolved, alert(1)), (Resolved, alert(2))];
    let resolved = plan_from(&[quiet(1, ChannelKind::Email)], waiting(), "2026-11-27T06:00:00Z", &both);
    assert!(resolved[0].is_empty(), "{resolved:?}");
}

#[test]
fn a_single_alert_is_held_back_too_and_keeps_its_kind() {
    let opened = plan(&[quiet(1, ChannelKind::PagerDuty)], NIGHT, &[(Opened, alert(1))]);
    assert_eq!((kinds(&opened), opened[0].message.due_at), (vec![(Opened, 1)], at("2026-11-27T10:00:00Z")));
    let resolved = plan_from(&[quiet(1, ChannelKind::PagerDuty)], vec![opened[0].message.clone()], NIGHT, &[(Resolved, alert(1))]);
    assert!(resolved[0].is_empty());
}

#[test]
fn what_is_severe_enough_breaks_through_also_when_it_becomes_so() {
    let channels = [quiet(1, ChannelKind::Email)];
    let critical = |nth| Routed { severity: Severity::Critical, ..alert(nth) };
    let at_once = plan(&channels, NIGHT, &[(Opened, critical(1))]);
    assert_eq!((kinds(&at_once), at_once[0].message.due_at), (vec![(Opened, 1)], at(NIGHT) + WAIT));
    let held = plan(&channels, NIGHT, &[(Opened, alert(1)), (Opened, alert(2))]);
    let escalated = plan_from(&channels, vec![held[0].message.clone()], NIGHT, &[(Escalated, critical(1))]);
    assert_eq!(kinds(&escalated), [(Digest, 1), (Opened, 1)], "told as new, because nobody was told of it");
    assert_eq!(escalated[1].message.due_at, at(NIGHT) + WAIT);
}

#[test]
fn what_is_over_before_it_was_sent_is_not_told() {
    let slack = [channel(1, ChannelKind::Slack)];
    assert_eq!(plan(&slack, DAY, &[(Opened, alert(1)), (Escalated, alert(1)), (Resolved, alert(1))]), []);
    let told = vec![(slack[0].id, alert(1).id)];
    let replaced = plan_told(&slack, (Vec::new(), told.clone()), DAY, &[(Escalated, alert(1)), (Resolved, alert(1))]);
    assert_eq!(kinds(&replaced), [(Resolved, 1)], "the reminder is of no use any more");
    let tried = plan_told(&slack, (Vec::new(), told), DAY, &[(Resolved, alert(1))]);
    assert_eq!(kinds(&tried), [(Resolved, 1)], "what was tried may have arrived");
}

#[test]
fn who_was_never_told_is_not_told_that_it_is_over_and_who_was_is_however_it_is_routed_now() {
    let channels = [channel(1, ChannelKind::Slack), channel(2, ChannelKind::Email)];
    let told = vec![(channels[1].id, alert(1).id)];
    let changed = Routed { channels: vec![channels[0].id], is_muted: true, ..alert(1) };
    for (kind, expected) in [(Resolved, vec![channels[1].id]), (Acknowledged, vec![]), (Reminded, vec![])] {
        let planned = plan_told(&channels, (Vec::new(), told.clone()), DAY, &[(kind, changed.clone())]);
        assert_eq!(planned.iter().map(|planned| planned.message.channel_id).collect::<Vec<_>>(), expected, "{kind}");
    }
}

#[test]
fn what_is_muted_is_not_told() {
    assert_eq!(plan(&[channel(1, ChannelKind::Slack)], DAY, &[(Opened, Routed { is_muted: true, ..alert(1) })]), []);
}

#[test]
fn what_waits_tells_how_the_alert_is_by_then() {
    let notices = [(Opened, alert(1)), (Escalated, alert(1)), (Acknowledged, alert(1)), (Reminded, alert(1))];
    assert_eq!(kinds(&plan(&[channel(1, ChannelKind::Teams)], DAY, &notices)), [(Opened, 1)]);
    let single = plan(&[channel(1, ChannelKind::PagerDuty)], DAY, &notices);
    assert_eq!(kinds(&single), [(Opened, 1), (Acknowledged, 1)], "the vendor keeps the incident");
}

#[test]
fn what_is_old_and_what_is_too_much_is_a_digest() {
    let slack = [channel(1, ChannelKind::Slack)];
    let of_rule = |nth| (Opened, Routed { rule_id: Some(Uuid::from_u128(nth).into()), ..alert(nth) });
    let old = |count| {
        let mut plan = Plan::new(&slack, Vec::new(), Vec::new(), at(DAY));
        plan.add(&at_once(at(DAY) - OLD - WAIT, &(1..=count).map(of_rule).collect::<Vec<_>>()), &mut || Uuid::now_v7().into());
        kinds(&plan.finish())
    };
    assert_eq!(old(4), [(Digest, 4)], "the hub was away");
    assert_eq!(old(1), [(Opened, 1)], "a rule gave grace");

    let of_rules: Vec<_> = (1..=40).map(of_rule).collect();
    let planned = self::plan(&slack, DAY, &of_rules);
    assert_eq!((planned.len(), planned.last().unwrap().message.kind, planned.last().unwrap().message.count), (FLOOD + 1, Digest, 30));
    assert_eq!(self::plan(&[channel(2, ChannelKind::PagerDuty)], DAY, &of_rules).len(), 40);
}

#[test]
fn a_notice_is_in_one_message_of_a_channel() {
    let all = [(Opened, alert(1)), (Opened, alert(2)), (Escalated, alert(2)), (Opened, Routed { rule_id: None, ..alert(3) })];
    for planned in [plan(&[quiet(1, ChannelKind::Email)], NIGHT, &all), plan(&[channel(1, ChannelKind::Email)], DAY, &all)] {
        let mut notices: Vec<_> = planned.iter().flat_map(|planned| &planned.added).map(|item| item.notice_id).collect();
        let all = notices.len();
        notices.sort_unstable();
        notices.dedup();
        assert_eq!((all, notices.len()), (3, 3));
    }
}

#[test]
fn people_are_not_told_of_the_end_of_what_another_alert_continues() {
    let channels = [
        channel(1, ChannelKind::Slack),
        channel(2, ChannelKind::Email),
        channel(3, ChannelKind::PagerDuty),
        channel(4, ChannelKind::Webhook),
    ];
    let told: Vec<(ChannelId, AlertId)> = channels.iter().map(|channel| (channel.id, alert(1).id)).collect();
    let superseded = Routed { is_superseded: true, ..alert(1) };
    let planned = plan_told(&channels, (Vec::new(), told), DAY, &[(Resolved, superseded.clone())]);
    let of: Vec<ChannelId> = planned.iter().map(|planned| planned.message.channel_id).collect();
    assert_eq!(of, [channels[2].id, channels[3].id], "systems close what they opened");
    // What waits is not told any more.
    assert_eq!(plan(&channels, DAY, &[(Opened, alert(1)), (Resolved, superseded)]), []);
}
