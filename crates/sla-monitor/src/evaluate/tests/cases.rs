//! Replicas that die, freeze and work at once, and a monitor that was away.

use chrono::TimeDelta;
use domain::{
    ids::SlaId,
    sla::{Expectations, Target},
};
use store::slas::{Claim, Sla, sla_claim, sla_lateness_unscoped};
use test_support::Backend;

use super::{
    super::{BATCH, CLAIM},
    world::{Hub, Monitor, at},
};
use crate::notifications::tests::both;

both!(
    replicas_tell_each_breach_once,
    what_a_dead_replica_had_claimed_is_judged_by_another,
    a_replica_that_was_frozen_writes_nothing,
    a_monitor_that_does_not_judge_is_late,
    after_a_downtime_a_channel_gets_one_message,
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
