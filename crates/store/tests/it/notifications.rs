use chrono::{DateTime, TimeDelta, Utc};
use domain::{
    alert::{AlertSource, AlertType, Key, Observation, Resolution, Seen, Severity, Subject, Terms},
    ids::{AlertId, ChannelId, NotificationId},
    notification::{
        ChannelKind, Message, NoticeKind, NotificationState, Receipt,
        channel::Routing,
        plan::{Plan, Planned, Station},
    },
    policy::RateLimit,
    schedule::words::Language,
};
use store::{
    Database,
    alerts::alert_observe_in_txn,
    notifications::{
        Claimed, Filter, Finish, Notification, Sending, Step, lane_claim, lane_drop, lane_finish, lane_next, lane_next_wake_unscoped,
        notification_alerts, notification_attempts, notification_get, notification_keep_message, notification_list,
        notification_put_in_txn, notification_read_in_txn, notification_reference_unscoped, notification_retry, retention_notifications,
    },
};
use uuid::Uuid;

use crate::{
    case::Case,
    fixtures::{at, commit},
};

both!(
    a_notice_is_routed_once_and_two_routers_at_once_do_not_double_it,
    a_message_that_waits_takes_others_until_it_is_tried,
    what_is_over_before_it_was_sent_is_not_sent,
    a_lane_has_one_claim_and_a_lost_claim_writes_nothing,
    what_a_sender_left_behind_is_sent_again_as_it_was,
    a_message_waits_for_the_earlier_ones_of_its_incident_and_for_no_other,
    a_receivers_limit_holds_across_claims,
    a_message_that_is_planned_while_a_claim_is_given_up_is_not_forgotten,
    what_waits_for_a_channel_that_is_off_is_dropped,
    a_message_that_was_given_up_is_sent_once_more_when_somebody_asks,
    the_log_is_listed_by_channel_alert_and_state,
    what_was_sent_is_deleted_when_it_is_old,
    what_a_receiver_calls_an_alert_is_known_for_its_later_messages,
);

const MINUTE: TimeDelta = TimeDelta::minutes(1);

pub(crate) fn channel(nth: u128) -> ChannelId {
    Uuid::from_u128(nth).into()
}

pub(crate) fn station(nth: u128, kind: ChannelKind) -> Station {
    Station { id: channel(nth), kind, routing: Routing::default(), quiet: None, wait: TimeDelta::zero() }
}

fn look(nth: u32, seen: Seen) -> Observation {
    let key =
        Key { rule_id: Some(Uuid::from_u128(7).into()), alert_type: AlertType::WorkerDown, subject: Subject::Hub(format!("part {nth}")) };
    Observation { key, automation_id: None, source: AlertSource::Regente, terms: Terms::default(), seen, at: at(0) }
}

async fn observe(db: &Database, nth: u32, seen: Seen, now: DateTime<Utc>) -> AlertId {
    let look = look(nth, seen);
    let changes = commit(db, async |txn| alert_observe_in_txn(txn, &[look], now).await).await.unwrap();
    changes[0].alert.id
}

pub(crate) async fn open(db: &Database, nth: u32, now: DateTime<Utc>) -> AlertId {
    observe(db, nth, Seen::Breach(Box::default()), now).await
}

pub(crate) async fn end(db: &Database, nth: u32, now: DateTime<Utc>) -> AlertId {
    observe(db, nth, Seen::Gone(Resolution::RuleChanged), now).await
}

/// Plans what waits in the outbox.
pub(crate) async fn route(db: &Database, stations: &[Station], now: DateTime<Utc>) -> Vec<Planned> {
    let planned = commit(db, async |txn| {
        let batch = notification_read_in_txn(txn, 1000, now).await?;
        let ids: Vec<_> = batch.notices.iter().map(|(notice, _)| notice.id).collect();
        let notices: Vec<_> = batch.notices.into_iter().filter_map(|(notice, alert)| Some((notice, alert?))).collect();
        let mut plan = Plan::new(stations, batch.waiting, batch.told, now);
        plan.add(&notices, &mut || Uuid::now_v7().into());
        let planned = plan.finish();
        notification_put_in_txn(txn, &ids, &planned, now).await?;
        Ok(planned)
    });
    planned.await.unwrap()
}

async fn all(db: &Database) -> Vec<Notification> {
    let mut found = notification_list(db, &Filter { limit: 1000, ..Filter::default() }).await.unwrap();
    found.reverse();
    found
}

async fn states(db: &Database) -> Vec<(NoticeKind, NotificationState, u32)> {
    all(db).await.into_iter().map(|one| (one.kind, one.state, one.notices)).collect()
}

pub(crate) async fn claim(db: &Database, now: DateTime<Utc>) -> Vec<Claimed> {
    lane_claim(db, (now, now + MINUTE), 10).await.unwrap()
}

async fn next(db: &Database, claimed: Claimed, now: DateTime<Utc>) -> Step {
    lane_next(db, claimed, None, (now, now + MINUTE, now + TimeDelta::hours(24))).await.unwrap()
}

pub(crate) async fn take(db: &Database, claimed: Claimed, now: DateTime<Utc>) -> Sending {
    match next(db, claimed, now).await {
        Step::Send(sending) => *sending,
        other => panic!("{other:?}"),
    }
}

pub(crate) fn receipt(reference: Option<&str>) -> Receipt {
    Receipt { status: Some(200), answer: "ok".to_owned(), reference: reference.map(str::to_owned) }
}

pub(crate) async fn sent(db: &Database, claimed: Claimed, sending: &Sending, now: DateTime<Utc>) -> bool {
    lane_finish(db, claimed, sending, (&Finish::Sent(receipt(None)), 5), now).await.unwrap()
}

pub(crate) fn message(id: NotificationId) -> Message {
    Message {
        id,
        kind: NoticeKind::Opened,
        at: at(1),
        language: Language::Pt,
        severity: Severity::Error,
        title: "title".to_owned(),
        text: "text".to_owned(),
        html: None,
        alerts: Vec::new(),
        more: 0,
        url: None,
        reference: None,
    }
}

async fn a_notice_is_routed_once_and_two_routers_at_once_do_not_double_it(db: Case) {
    for nth in 0..20 {
        open(&db, nth, at(1)).await;
    }
    let (stations, other) = ([station(1, ChannelKind::PagerDuty), station(2, ChannelKind::Jira)], db.other_hub().await);
    let (mine, theirs) = tokio::join!(route(&db, &stations, at(2)), route(&other, &stations, at(2)));
    assert_eq!(mine.len() + theirs.len(), 40);
    assert_eq!(all(&db).await.len(), 40);
    assert_eq!(route(&db, &stations, at(3)).await, []);
    other.close().await.unwrap();
}

async fn a_message_that_waits_takes_others_until_it_is_tried(db: Case) {
    let stations = [station(1, ChannelKind::Slack)];
    for nth in 0..2 {
        open(&db, nth, at(1)).await;
        route(&db, &stations, at(2)).await;
    }
    // Each worker is a cause of its own: what both have in common is the rule, and a worker that is gone explains itself.
    assert_eq!(states(&db).await.len(), 2);
    let claimed = claim(&db, at(3)).await[0];
    let first = take(&db, claimed, at(3)).await;
    assert_eq!((first.items.len(), first.notification.attempts), (1, 1));
    // The outbox has a notice more of the alert that is being told.
    end(&db, 0, at(4)).await;
    route(&db, &stations, at(4)).await;
    let kinds: Vec<_> = states(&db).await.into_iter().map(|(kind, ..)| kind).collect();
    assert_eq!(kinds, [NoticeKind::Opened, NoticeKind::Opened, NoticeKind::Resolved], "what is tried is not changed");
}

async fn what_is_over_before_it_was_sent_is_not_sent(db: Case) {
    let stations = [station(1, ChannelKind::PagerDuty), station(2, ChannelKind::Slack)];
    open(&db, 1, at(1)).await;
    route(&db, &stations, at(1)).await;
    assert_eq!(all(&db).await.len(), 2);
    end(&db, 1, at(2)).await;
    route(&db, &stations, at(2)).await;
    assert_eq!(all(&db).await, []);
    let claimed = claim(&db, at(3)).await;
    assert_eq!(claimed.len(), 2, "their lanes were to be looked at");
    for claimed in claimed {
        assert_eq!(next(&db, claimed, at(3)).await, Step::Wait);
    }
    assert_eq!(lane_next_wake_unscoped(&db).await.unwrap(), None);
}

async fn a_lane_has_one_claim_and_a_lost_claim_writes_nothing(db: Case) {
    open(&db, 1, at(1)).await;
    route(&db, &[station(1, ChannelKind::Email)], at(1)).await;
    let mine = claim(&db, at(2)).await[0];
    assert_eq!(claim(&db, at(3)).await, []);
    let sending = take(&db, mine, at(3)).await;
    // It takes longer than its claim.
    let later = at(3) + MINUTE + TimeDelta::seconds(1);
    let theirs = claim(&db, later).await[0];
    assert_eq!((theirs.channel_id, theirs.fence), (mine.channel_id, mine.fence + 1));
    assert!(!sent(&db, mine, &sending, later).await);
    assert_eq!(next(&db, mine, later).await, Step::Lost);
    let again = take(&db, theirs, later).await;
    assert_eq!((again.notification.id, again.notification.attempts), (sending.notification.id, 2));
    assert!(sent(&db, theirs, &again, later).await);
    let attempts = notification_attempts(&db, sending.notification.id, 10).await.unwrap();
    assert_eq!(attempts.iter().map(|attempt| attempt.is_taken).collect::<Vec<_>>(), [None, Some(true)]);
}

async fn what_a_sender_left_behind_is_sent_again_as_it_was(db: Case) {
    open(&db, 1, at(1)).await;
    route(&db, &[station(1, ChannelKind::Email)], at(1)).await;
    let claimed = claim(&db, at(2)).await[0];
    let sending = take(&db, claimed, at(2)).await;
    let kept = message(sending.notification.id);
    notification_keep_message(&db, kept.id, &kept).await.unwrap();
    notification_keep_message(&db, kept.id, &Message { title: "other".to_owned(), ..kept.clone() }).await.unwrap();
    let later = at(2) + MINUTE;
    let claimed = claim(&db, later).await[0];
    let again = take(&db, claimed, later).await;
    assert_eq!(again.notification.message, Some(kept));
    assert_eq!(again.notification.give_up_at, sending.notification.give_up_at);
    assert_eq!(again.items, sending.items);
}

async fn a_message_waits_for_the_earlier_ones_of_its_incident_and_for_no_other(db: Case) {
    let stations = [station(1, ChannelKind::PagerDuty)];
    open(&db, 1, at(1)).await;
    route(&db, &stations, at(1)).await;
    let claimed = claim(&db, at(2)).await[0];
    let opened = take(&db, claimed, at(2)).await;
    let again = at(2) + TimeDelta::seconds(30);
    let finish = Finish::Again(again, Some(503), "no".to_owned());
    assert!(lane_finish(&db, claimed, &opened, (&finish, 5), at(3)).await.unwrap());
    end(&db, 1, at(4)).await;
    open(&db, 2, at(4)).await;
    route(&db, &stations, at(4)).await;
    let other = take(&db, claimed, at(5)).await;
    assert_eq!(other.items[0].kind, NoticeKind::Opened);
    assert_ne!(other.notification.id, opened.notification.id);
    assert!(sent(&db, claimed, &other, at(5)).await);
    assert_eq!(next(&db, claimed, at(6)).await, Step::Wait, "the end waits for the beginning");
    assert_eq!(lane_next_wake_unscoped(&db).await.unwrap(), Some(again));
    let claimed = claim(&db, again).await[0];
    let repeated = take(&db, claimed, again).await;
    assert_eq!((repeated.notification.id, repeated.notification.reason.as_deref()), (opened.notification.id, Some("no")));
    assert!(sent(&db, claimed, &repeated, again).await);
    assert_eq!(take(&db, claimed, again).await.items[0].kind, NoticeKind::Resolved);
}

async fn a_receivers_limit_holds_across_claims(db: Case) {
    let (stations, rate) = ([station(1, ChannelKind::Jira)], Some(RateLimit { max: 1, per_s: 1.0 }));
    for nth in 0..2 {
        open(&db, nth, at(1)).await;
    }
    route(&db, &stations, at(1)).await;
    let next = async |claimed, now| lane_next(&db, claimed, rate, (now, now + MINUTE, now + TimeDelta::hours(24))).await.unwrap();
    let claimed = claim(&db, at(10)).await[0];
    let Step::Send(first) = next(claimed, at(10)).await else { panic!("limited") };
    assert!(sent(&db, claimed, &first, at(20)).await);
    assert_eq!(next(claimed, at(20)).await, Step::Wait);
    assert_eq!(lane_next_wake_unscoped(&db).await.unwrap(), Some(at(1010)));
    assert_eq!(claim(&db, at(1009)).await, []);
    let claimed = claim(&db, at(1010)).await[0];
    assert!(matches!(next(claimed, at(1010)).await, Step::Send(_)));
}

async fn a_message_that_is_planned_while_a_claim_is_given_up_is_not_forgotten(db: Case) {
    let (stations, other) = ([station(1, ChannelKind::PagerDuty)], db.other_hub().await);
    for nth in 0..20 {
        open(&db, nth, at(1)).await;
        let (_, ()) = tokio::join!(route(&db, &stations, at(1)), async {
            for claimed in claim(&other, at(1)).await {
                while let Step::Send(sending) = next(&other, claimed, at(1)).await {
                    assert!(sent(&other, claimed, &sending, at(1)).await);
                }
            }
        });
        let waits = all(&db).await.iter().any(|one| one.state == NotificationState::Waiting);
        assert_eq!(lane_next_wake_unscoped(&db).await.unwrap(), waits.then(|| at(1)), "round {nth}");
    }
    other.close().await.unwrap();
}

async fn what_waits_for_a_channel_that_is_off_is_dropped(db: Case) {
    open(&db, 1, at(1)).await;
    route(&db, &[station(1, ChannelKind::Email), station(2, ChannelKind::Email)], at(1)).await;
    let claimed = claim(&db, at(2)).await;
    assert_eq!(lane_drop(&db, claimed[0], "off", at(3)).await.unwrap(), 1);
    let dropped = notification_list(&db, &Filter { state: Some(NotificationState::Dropped), limit: 9, ..Filter::default() }).await.unwrap();
    assert_eq!((dropped.len(), dropped[0].reason.as_deref(), dropped[0].ended_at), (1, Some("off"), Some(at(3))));
    // Nobody is told that it is over of which he was not told that it began.
    assert!(matches!(next(&db, claimed[1], at(3)).await, Step::Send(_)));
    end(&db, 1, at(4)).await;
    let planned = route(&db, &[station(1, ChannelKind::Email), station(2, ChannelKind::Email)], at(4)).await;
    assert_eq!(planned.iter().map(|one| one.message.channel_id).collect::<Vec<_>>(), [claimed[1].channel_id]);
}

async fn a_message_that_was_given_up_is_sent_once_more_when_somebody_asks(db: Case) {
    open(&db, 1, at(1)).await;
    route(&db, &[station(1, ChannelKind::Email)], at(1)).await;
    let claimed = claim(&db, at(2)).await[0];
    let sending = take(&db, claimed, at(2)).await;
    let (id, change) = (sending.notification.id, test_support::change());
    let retry = async |id| notification_retry(&db, &change, id, at(9)).await.unwrap();
    assert_eq!(retry(id).await, Some(false), "it is being sent");
    assert!(lane_finish(&db, claimed, &sending, (&Finish::Failed(Some(400), "no".to_owned()), 5), at(3)).await.unwrap());
    assert_eq!(next(&db, claimed, at(3)).await, Step::Wait);
    let failed = notification_get(&db, id).await.unwrap().unwrap();
    assert_eq!((failed.state, failed.status, failed.answer.as_deref()), (NotificationState::Failed, Some(400), Some("no")));
    assert_eq!((retry(id).await, retry(Uuid::now_v7().into()).await), (Some(true), None));
    let claimed = claim(&db, at(9)).await[0];
    let again = take(&db, claimed, at(9)).await;
    assert_eq!((again.notification.id, again.notification.attempts), (id, 2));
    assert!(sent(&db, claimed, &again, at(10)).await);
    assert_eq!(retry(id).await, Some(false));
}

async fn the_log_is_listed_by_channel_alert_and_state(db: Case) {
    let stations = [station(1, ChannelKind::Slack), station(2, ChannelKind::Jira)];
    let (one, two) = (open(&db, 1, at(1)).await, open(&db, 2, at(1)).await);
    route(&db, &stations, at(1)).await;
    let list = async |filter: Filter| {
        let found = notification_list(&db, &Filter { limit: 10, ..filter }).await.unwrap();
        found.into_iter().map(|one| one.id).collect::<Vec<_>>()
    };
    let every = list(Filter::default()).await;
    assert!(every.is_sorted_by(|a, b| a > b), "newest first");
    assert_eq!(list(Filter { channel_id: Some(channel(2)), ..Filter::default() }).await.len(), 2);
    let of_one = list(Filter { channel_id: Some(channel(2)), alert_id: Some(one), ..Filter::default() }).await;
    assert_eq!(notification_alerts(&db, &of_one, 5).await.unwrap()[&of_one[0]], [one]);
    assert_eq!(list(Filter { state: Some(NotificationState::Waiting), ..Filter::default() }).await, every);
    assert_eq!(list(Filter { state: Some(NotificationState::Sent), ..Filter::default() }).await, []);
    assert_eq!(list(Filter { after: Some(every[0]), ..Filter::default() }).await, every[1..]);
    assert_ne!(one, two);
}

async fn what_was_sent_is_deleted_when_it_is_old(db: Case) {
    let now = Utc::now();
    open(&db, 1, now).await;
    route(&db, &[station(1, ChannelKind::Email), station(2, ChannelKind::Email)], now).await;
    let claimed = claim(&db, now).await;
    let sending = take(&db, claimed[0], now).await;
    assert!(sent(&db, claimed[0], &sending, now).await);
    let (before, after) = (now - MINUTE, now + MINUTE);
    assert_eq!(retention_notifications(&db, before, 10).await.unwrap(), 0);
    assert_eq!(retention_notifications(&db, after, 10).await.unwrap(), 1, "what waits stays");
    assert_eq!(notification_attempts(&db, sending.notification.id, 10).await.unwrap(), []);
    assert_eq!(all(&db).await.len(), 1);
}

async fn what_a_receiver_calls_an_alert_is_known_for_its_later_messages(db: Case) {
    let alert = open(&db, 1, at(1)).await;
    route(&db, &[station(1, ChannelKind::Jira), station(2, ChannelKind::Jira)], at(1)).await;
    let claimed = claim(&db, at(2)).await[0];
    let sending = take(&db, claimed, at(2)).await;
    assert!(lane_finish(&db, claimed, &sending, (&Finish::Sent(receipt(Some("OPS-7"))), 5), at(2)).await.unwrap());
    let reference = async |channel, alert| notification_reference_unscoped(&db, channel, alert).await.unwrap();
    let other = if claimed.channel_id == channel(1) { channel(2) } else { channel(1) };
    assert_eq!((reference(claimed.channel_id, alert).await.as_deref(), reference(other, alert).await), (Some("OPS-7"), None));
    assert_eq!(reference(claimed.channel_id, Uuid::now_v7().into()).await, None);
}
