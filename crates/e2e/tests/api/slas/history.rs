//! What is judged by earlier runs: unusual durations, and deadlines that will be missed.

use std::sync::{
    Arc,
    atomic::{AtomicI64, Ordering},
};

use api_types::Automation;
use chrono::TimeDelta;
use domain::{
    alert::{Alert, AlertType, Resolution},
    sla::Standing,
};
use e2e::{Delivery, World, on_both};
use serde_json::json;
use test_support::eventually;

use super::{alerts, ask, completed, create, get, run, standing, with_clock};
use crate::support::{automation, calm, fields, report, start};

on_both!(
    an_unusual_run_is_found_while_it_runs_and_when_it_has_ended,
    a_missed_deadline_is_forecast_until_it_is_missed_or_met,
    what_cannot_be_judged_by_history_is_named_by_field,
);

/// Runs that are enough to judge others by.
const ENOUGH: i64 = 31;

/// A clock that is put forward.
struct Ahead(Arc<AtomicI64>);

impl Ahead {
    fn by(&self, seconds: i64) {
        self.0.fetch_add(seconds, Ordering::SeqCst);
    }
}

/// Runs, of about so many seconds each, one a while after the other.
async fn history(world: &World, automation: &Automation, ahead: &Ahead, seconds: i64) {
    for nth in 0..ENOUGH {
        run_for(world, automation, ahead, seconds + nth % 5).await;
        ahead.by(300);
    }
}

async fn run_for(world: &World, automation: &Automation, ahead: &Ahead, seconds: i64) {
    let job = world.client.execute(automation, &json!({})).await;
    start(world, job.id).await;
    ahead.by(seconds);
    let _ended = report(world, job.id, "finish", &completed()).await.expect(200);
}

fn brief(alerts: &[Alert]) -> Vec<(AlertType, i64, Option<Resolution>)> {
    alerts.iter().map(|alert| (alert.key.alert_type, alert.count, alert.resolved.as_ref().map(|end| end.why))).collect()
}

async fn an_unusual_run_is_found_while_it_runs_and_when_it_has_ended(delivery: Delivery) {
    use AlertType::DurationAnomaly;
    let (world, ahead) = with_clock(delivery).await;
    let (invoices, ahead) = (automation(&world, "invoices").await, Ahead(ahead));
    let sla = create(&world, &invoices, json!({"duration_anomaly": {"sensitivity": "normal"}})).await;
    let learning = standing(&world, &sla, DurationAnomaly, Standing::Learning).await;
    assert_eq!(learning.due_at, None, "the end of a run is a reason to look");
    history(&world, &invoices, &ahead, 600).await;
    let fine = standing(&world, &sla, DurationAnomaly, Standing::Fine).await;
    assert!(fine.due_at.is_some());
    assert_eq!(alerts(&world, &sla).await, []);

    let hangs = world.client.execute(&invoices, &json!({})).await;
    start(&world, hangs.id).await;
    ahead.by(3600);
    let over = standing(&world, &sla, DurationAnomaly, Standing::Breached).await;
    let open = alerts(&world, &sla).await;
    assert_eq!(brief(&open), [(DurationAnomaly, 1, None)], "while it runs");
    let facts = &open[0].facts;
    assert_eq!(facts.job_ids, [hangs.id]);
    assert!(facts.measured >= Some(3600.0) && facts.limit > Some(610.0) && facts.limit < Some(1800.0), "{facts:?}");
    let started = world.client.job(hangs.id).await.started_at.unwrap();
    assert!(over.breached_at > Some(started + TimeDelta::seconds(610)) && over.breached_at < Some(started + TimeDelta::seconds(1800)));
    let _ended = report(&world, hangs.id, "finish", &completed()).await.expect(200);
    run_for(&world, &invoices, &ahead, 602).await;
    let _fine = standing(&world, &sla, DurationAnomaly, Standing::Fine).await;
    assert_eq!(brief(&alerts(&world, &sla).await), [(DurationAnomaly, 1, Some(Resolution::Recovered))], "one run is one breach");

    let short = run(&world, &invoices, completed()).await;
    let _over = standing(&world, &sla, DurationAnomaly, Standing::Breached).await;
    let found = alerts(&world, &sla).await;
    assert_eq!(brief(&found[1..]), [(DurationAnomaly, 1, None)]);
    assert_eq!(found[1].facts.job_ids, [short.id]);
    assert!(found[1].facts.measured < found[1].facts.limit, "{:?}", found[1].facts);
    run_for(&world, &invoices, &ahead, 603).await;
    let _fine = standing(&world, &sla, DurationAnomaly, Standing::Fine).await;
    assert_eq!(brief(&alerts(&world, &sla).await[1..]), [(DurationAnomaly, 1, Some(Resolution::Recovered))]);
    world.end().await;
}

async fn a_missed_deadline_is_forecast_until_it_is_missed_or_met(delivery: Delivery) {
    use AlertType::{Late, SlaForecast};
    let (world, ahead) = with_clock(delivery).await;
    let (invoices, ahead) = (automation(&world, "invoices").await, Ahead(ahead));
    let sla = create(&world, &invoices, json!({"expected_run_every_minutes": 60, "late_after_minutes": 10, "forecast": true})).await;
    assert!(get(&world, &sla).await.forecast);
    let _learning = standing(&world, &sla, SlaForecast, Standing::Learning).await;
    history(&world, &invoices, &ahead, 1800).await;
    let _fine = standing(&world, &sla, SlaForecast, Standing::Fine).await;
    assert_eq!(alerts(&world, &sla).await, []);

    // 55 minutes after the last run one begins, of half an hour: it is late by a quarter of an hour.
    ahead.by(50 * 60);
    let slow = world.client.execute(&invoices, &json!({})).await;
    start(&world, slow.id).await;
    let told = standing(&world, &sla, SlaForecast, Standing::Breached).await;
    let found = alerts(&world, &sla).await;
    assert_eq!(brief(&found), [(SlaForecast, 1, None)], "before the deadline");
    let facts = &found[0].facts;
    assert_eq!((facts.expected_at, told.breached_at), (told.breached_at, facts.expected_at));
    assert!(facts.predicted_at > facts.expected_at.map(|at| at + TimeDelta::minutes(10)) && facts.certainty >= Some(0.8), "{facts:?}");
    assert!(found[0].opened_at < facts.expected_at.unwrap());
    ahead.by(20 * 60);
    let late = standing(&world, &sla, Late, Standing::Breached).await;
    let _over = standing(&world, &sla, SlaForecast, Standing::Fine).await;
    assert_eq!(late.breached_at, facts.expected_at.map(|at| at + TimeDelta::minutes(10)));
    let found = alerts(&world, &sla).await;
    assert_eq!(brief(&found), [(SlaForecast, 1, Some(Resolution::Superseded)), (Late, 1, None)]);
    let _ended = report(&world, slow.id, "finish", &completed()).await.expect(200);
    let _came = standing(&world, &sla, Late, Standing::Fine).await;

    // Nobody has started the next one when it can hardly be in time any more, and then one is quick.
    ahead.by(50 * 60);
    let _told = standing(&world, &sla, SlaForecast, Standing::Breached).await;
    let _quick = run(&world, &invoices, completed()).await;
    let _met = standing(&world, &sla, SlaForecast, Standing::Fine).await;
    let over = async || Some(alerts(&world, &sla).await).filter(|all| all.iter().all(|alert| alert.resolved.is_some()));
    let found = eventually("all are over", over).await;
    assert_eq!(brief(&found[1..]), [(Late, 1, Some(Resolution::Recovered)), (SlaForecast, 1, Some(Resolution::Recovered))]);
    world.end().await;
}

async fn what_cannot_be_judged_by_history_is_named_by_field(delivery: Delivery) {
    let world = calm(delivery).await;
    let invoices = automation(&world, "invoices").await;
    for (body, field) in [
        (json!({"forecast": true}), "forecast"),
        (json!({"alert_on_failure": true, "forecast": true}), "forecast"),
        (json!({"duration_anomaly": {"sensitivity": "extreme"}}), "duration_anomaly/sensitivity"),
        (json!({"duration_anomaly": {"deviations": 3}}), "duration_anomaly/deviations"),
        (json!({"duration_anomaly": "high"}), "duration_anomaly"),
        (json!({"expected_daily_time": "10:00", "forecast": "yes"}), "forecast"),
    ] {
        let problem = ask(&world, &invoices, body.clone()).await.problem(422);
        assert_eq!(fields(&problem), [field], "{body}");
    }
    let both = json!({"duration_anomaly": {}, "expected_daily_time": "10:00", "forecast": true});
    let sla = create(&world, &invoices, both).await;
    assert_eq!(sla.duration_anomaly, Some(api_types::SlaDurationAnomaly::default()));
    let cleared: api_types::Sla = super::put(&world, &sla, &json!({"duration_anomaly": null, "forecast": false})).await.expect(200).json();
    assert_eq!((cleared.duration_anomaly, cleared.forecast), (None, false));
    world.end().await;
}
