//! Replicas that die, freeze and work at once, and a monitor that was away.

use chrono::TimeDelta;
use domain::{
    ids::SlaId,
    job::{Status, Trigger},
    sla::{Expectations, Target},
};
use store::slas::{Claim, Sla, sla_claim, sla_lateness_unscoped};
use test_support::Backend;

use super::{
    super::{BATCH, CLAIM},
    world::{Hub, Monitor, Ran, at},
};
use crate::notifications::tests::both;

both!(
    replicas_tell_each_breach_once,
    what_a_dead_replica_had_claimed_is_judged_by_another,
    a_replica_that_was_frozen_writes_nothing,
    a_monitor_that_does_not_judge_is_late,
    after_a_downtime_a_channel_gets_one_message,
    an_early_run_by_hand_does_not_hide_that_the_run_of_the_day_is_missing,
);

const NOW: &str = "2026-11-26T12:00:00Z";

/// Rules whose automation never runs: late after an hour.
async fn late_in_an_hour(hub: &Hub, rules: usize) -> Vec<SlaId> {
    let mut ids = Vec::new();
    for nth in 0..rules {
        let automation = hub.automation(&format!("robot {nth}")).await;
        let expect = Expectations { expected_run_every_minutes: Some(60), ..Expectations::default() };
        ids.push(hub.rule(Target::Automation(automation), None, expect).await);
    }
    ids
}

async fn claimed(hub: &Hub) -> (Claim, Vec<Sla>) {
    let claim = Claim { now: hub.now(), until: hub.now() + CLAIM, limit: BATCH };
    (claim, sla_claim(&hub.database, &claim).await.unwrap())
}

async fn replicas_tell_each_breach_once(backend: Backend) {
    let hub = Hub::start(backend, NOW).await;
    late_in_an_hour(&hub, 40).await;
    let (mut one, mut two, mut three) = (Monitor::start(&hub), Monitor::start(&hub), Monitor::start(&hub));
    one.work().await;
    hub.later(TimeDelta::hours(1));
    tokio::join!(one.work(), two.work(), three.work());
    let found: Vec<_> = hub.alerts().await.into_iter().map(|alert| (alert.count, alert.opened_at)).collect();
    assert_eq!(found, vec![(1, hub.now()); 40]);
    hub.end().await;
}

async fn what_a_dead_replica_had_claimed_is_judged_by_another(backend: Backend) {
    let hub = Hub::start(backend, NOW).await;
    late_in_an_hour(&hub, 3).await;
    let mut monitor = Monitor::start(&hub);
    monitor.work().await;
    hub.later(TimeDelta::hours(1));
    let (_claim, dead) = claimed(&hub).await;
    assert_eq!(dead.len(), 3);
    monitor.work().await;
    assert_eq!(hub.alerts().await, [], "another replica has them");
    hub.later(CLAIM);
    monitor.work().await;
    assert_eq!(hub.alerts().await.len(), 3);
    hub.end().await;
}

async fn a_replica_that_was_frozen_writes_nothing(backend: Backend) {
    let hub = Hub::start(backend, NOW).await;
    late_in_an_hour(&hub, 1).await;
    let (mut frozen, mut other) = (Monitor::start(&hub), Monitor::start(&hub));
    frozen.work().await;
    hub.later(TimeDelta::hours(1));
    let (claim, rules) = claimed(&hub).await;
    let judged = frozen.evaluate.judge(rules, &frozen.catalog, claim.now).await.unwrap();
    assert_eq!(judged[0].observations.len(), 1);
    hub.later(CLAIM);
    other.work().await;
    let found = hub.alerts().await;
    assert_eq!(found.len(), 1);
    assert_eq!(frozen.evaluate.finish(claim.until, &judged, claim.now).await.unwrap(), []);
    assert_eq!(hub.alerts().await, found);
    hub.end().await;
}

async fn a_monitor_that_does_not_judge_is_late(backend: Backend) {
    let hub = Hub::start(backend, NOW).await;
    let lateness = async || sla_lateness_unscoped(&hub.database, hub.now(), CLAIM).await.unwrap();
    assert_eq!(lateness().await, TimeDelta::zero());
    late_in_an_hour(&hub, 2).await;
    let mut monitor = Monitor::start(&hub);
    monitor.work().await;
    hub.later(TimeDelta::minutes(59));
    assert_eq!(lateness().await, TimeDelta::zero());
    hub.later(TimeDelta::minutes(1));
    // It claims again and again, and fails each time.
    for _ in 0..9 {
        assert_eq!(claimed(&hub).await.1.len(), 2);
        hub.later(CLAIM);
    }
    assert_eq!(lateness().await, CLAIM * 9);
    monitor.work().await;
    assert_eq!(lateness().await, TimeDelta::zero());
    hub.end().await;
}

async fn after_a_downtime_a_channel_gets_one_message(backend: Backend) {
    let hub = Hub::start(backend, NOW).await;
    let mail = hub.channel("email", None).await;
    late_in_an_hour(&hub, 30).await;
    Monitor::start(&hub).work().await;
    hub.set(at("2026-11-26T18:00:00Z"));
    Monitor::start(&hub).work().await;
    hub.work_until("2026-11-26T18:10:00Z").await;
    let got = hub.receiver.all(mail);
    assert_eq!(got.iter().map(|message| message.alerts.len()).collect::<Vec<_>>(), [30]);
    hub.end().await;
}

/// The rule is of 10:00 in São Paulo, which is 13:00 UTC, with an hour of grace.
async fn an_early_run_by_hand_does_not_hide_that_the_run_of_the_day_is_missing(backend: Backend) {
    let hub = Hub::start(backend, "2026-11-26T14:30:00Z").await;
    let automation = hub.automation("robot").await;
    let by = Some("10:00:00".parse().unwrap());
    let expect = Expectations { expected_daily_time: by, late_after_minutes: 60, ..Expectations::default() };
    hub.rule(Target::Automation(automation), None, expect).await;
    let runs = async |from: &str, until: &str| {
        hub.set(at(from));
        let job = hub.job(&Ran { automation, queue: "robot", created: hub.now(), trigger: Trigger::Manual, retry_of: None }).await;
        hub.begins(job).await;
        hub.set(at(until));
        hub.ends(job, Status::Completed).await;
    };
    let (mut monitor, deadline) = (Monitor::start(&hub), at("2026-11-27T14:00:00Z"));
    monitor.work().await;
    runs("2026-11-27T09:00:00Z", "2026-11-27T09:04:00Z").await;
    monitor.work_until(&hub, deadline - TimeDelta::seconds(1)).await;
    assert_eq!(hub.alerts().await, []);
    monitor.work_until(&hub, deadline).await;
    let opened = hub.alerts().await;
    assert_eq!(opened.iter().map(|alert| alert.opened_at).collect::<Vec<_>>(), [deadline]);
    for minutes in 1..=240 {
        if minutes == 120 {
            monitor = Monitor::start(&hub);
        }
        hub.set(deadline + TimeDelta::minutes(minutes));
        monitor.work().await;
    }
    assert_eq!(hub.alerts().await, opened, "it is told once");
    runs("2026-11-27T18:10:00Z", "2026-11-27T18:20:00Z").await;
    monitor.work().await;
    let over: Vec<_> = hub.alerts().await.into_iter().map(|alert| (alert.id, alert.resolved.map(|end| end.at))).collect();
    assert_eq!(over, [(opened[0].id, Some(at("2026-11-27T18:20:00Z")))]);
    hub.end().await;
}
