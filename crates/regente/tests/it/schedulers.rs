//! Schedulers in processes of their own, on PostgreSQL and RabbitMQ.

use std::{collections::BTreeSet, time::Duration};

use api_types::Schedule;
use chrono::{DateTime, TimeDelta, Utc};
use domain::{Scope, job::Trigger, schedule::FireState};
use serde_json::json;
use store::{
    Database,
    jobs::{Filter, Payload, job_list_page},
    schedules::{Fire, fire_list_last},
};
use test_support::{Backend, TestDatabase, eventually, eventually_within};

use crate::{
    client::{Client, PASSWORD},
    process::Place,
};

/// Schedules that are due each second: the more, the likelier one of them is being decided when a process fails.
const SCHEDULES: usize = 5;
/// Longer than a scheduler's claim.
const CLAIM: TimeDelta = TimeDelta::seconds(22);

/// What became of a schedule's slots so far, in order. From the database: a frozen process answers nobody.
async fn fires(database: &Database, schedule: &Schedule) -> Vec<Fire> {
    let mut fires = fire_list_last(database, &Scope::All, schedule.id, 1000).await.unwrap();
    fires.reverse();
    fires
}

/// Waits until each schedule has a fire of this time or later.
async fn fired(database: &Database, schedules: &[Schedule], what: &str, at: DateTime<Utc>) {
    for schedule in schedules {
        let has_fired = async || fires(database, schedule).await.last().is_some_and(|fire| fire.slot_at >= at).then_some(());
        eventually_within(Duration::from_secs(90), what, has_fired).await;
    }
}

#[tokio::test]
async fn every_slot_has_one_job_though_a_scheduler_is_killed_and_another_one_frozen() {
    let database = TestDatabase::empty(Backend::Postgres).await.unwrap();
    let (url, schema) = (database.settings().url.clone(), database.settings().schema.clone().unwrap());
    let place = Place::new()
        .with("REGENTE__ADMIN__PASSWORD", PASSWORD)
        .with("REGENTE__DATABASE__URL", &url)
        .with("REGENTE__DATABASE__SCHEMA", &schema)
        .with("REGENTE__BROKER__URL", &test_support::amqp_url().unwrap())
        .with("REGENTE_MASTER_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=");
    let mut orchestrator = place.start(&["orchestrator"]);
    let place = place.with("REGENTE__SERVICES__ORCHESTRATOR", &orchestrator.address().await);
    let [mut freezes, mut dies] = [(); 2].map(|()| place.start(&["scheduler"]));
    let schedulers = format!("{},{}", freezes.address().await, dies.address().await);
    let place = place.with("REGENTE__SERVICES__SCHEDULER", &schedulers);
    let mut gateway = place.start(&["api-gateway"]);
    let client = Client::new(&gateway.address().await, PASSWORD).await;

    let rows = database.open().await.unwrap();
    let automation = client.shell(&format!("schedulers-{schema}"), "x").await;
    let mut schedules: Vec<Schedule> = Vec::new();
    for _ in 0..SCHEDULES {
        let body =
            json!({"automation_id": automation.id, "cron_expression": "* * * * * *", "misfire_policy": "all", "misfire_limit": 1000});
        let created = client.post("/api/v1/schedules", &body).await;
        assert_eq!(created.status(), 201);
        schedules.push(created.json().await.unwrap());
    }
    fired(&rows, &schedules, "both run", Utc::now() + TimeDelta::seconds(2)).await;
    freezes.signal("STOP");
    fired(&rows, &schedules, "the other one goes on", Utc::now() + CLAIM).await;
    freezes.signal("CONT");
    fired(&rows, &schedules, "both run again", Utc::now() + TimeDelta::seconds(2)).await;
    dies.kill();
    fired(&rows, &schedules, "the one that thawed goes on", Utc::now() + CLAIM).await;

    assert_eq!(client.post("/api/v1/schedules/bulk/pause", &json!({"automation_id": automation.id})).await.status(), 200);
    for schedule in &schedules {
        let (fires, jobs) = eventually("every job is known", async || {
            let fires = fires(&rows, schedule).await;
            let filter = Filter { trigger: Some(Trigger::Scheduled), limit: 1000, ..Filter::default() };
            let jobs = job_list_page(&rows, &Scope::All, &filter, Payload::Parameters, u64::MAX).await.unwrap().rows;
            let jobs = jobs.into_iter().filter(|(row, _)| row.origin.schedule_id == Some(schedule.id));
            let jobs: Vec<_> = jobs.map(|(row, _)| row.job.id).collect();
            (fires.len() == jobs.len()).then_some((fires, jobs))
        })
        .await;
        assert!(fires.iter().all(|fire| fire.state == FireState::Created), "{fires:?}");
        let slots: Vec<i64> = fires.iter().map(|fire| fire.slot_at.timestamp()).collect();
        assert_eq!(slots, (slots[0]..).take(slots.len()).collect::<Vec<_>>(), "none is missing");
        let of_fires: BTreeSet<_> = fires.iter().filter_map(|fire| fire.job_id).collect();
        assert_eq!(of_fires, jobs.into_iter().collect::<BTreeSet<_>>(), "each has a job of its own");
        assert_eq!(of_fires.len(), fires.len());
    }
    for process in [gateway, freezes, orchestrator] {
        process.stop().await;
    }
    rows.close().await.unwrap();
    database.close().await.unwrap();
}
