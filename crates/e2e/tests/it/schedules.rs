//! Schedules from their row to the jobs, in each shape: with several schedulers, which share the work.

use std::collections::BTreeSet;

use api_types::{Health, Job};
use chrono::Utc;
use domain::{
    Scope,
    policy::Overrides,
    schedule::{Misfire, MisfirePolicy},
};
use e2e::{Delivery, World};
use serde_json::{Map, json};
use store::{
    Database,
    schedules::{Draft, Fire, FireState, Spec, fire_list_last, schedule_insert},
};
use test_support::eventually;
use uuid::Uuid;

/// The world's database, past the hub.
async fn database(world: &World) -> Database {
    let settings = &world.settings.database;
    let schema = Some(settings.schema.clone()).filter(|schema| !schema.is_empty());
    let url = secrecy::ExposeSecret::expose_secret(&settings.url).to_owned();
    Database::connect(&store::Settings { schema, ..store::Settings::new(&url) }).await.unwrap()
}

async fn every_second(delivery: Delivery) {
    let world = World::start(delivery).await;
    let database = database(&world).await;
    let automation = world.client.automation(&json!({"name": "s", "queue_name": world.queue("schedules"), "script_path": "x"})).await;
    let draft = Draft {
        automation_id: automation.id,
        name: "every second".to_owned(),
        spec: Spec::Cron("* * * * * *".to_owned()),
        timezone: "America/Sao_Paulo".to_owned(),
        calendar: None,
        window: None,
        jitter_s: 0,
        start_at: None,
        end_at: None,
        enabled: true,
        misfire: Misfire { policy: MisfirePolicy::All, ..Misfire::default() },
        parameters: Map::from_iter([("day".to_owned(), json!("{{today|yyyy-MM-dd}}"))]),
        job: Overrides::default(),
        version_id: None,
        environment: None,
    };
    let id = Uuid::now_v7().into();
    schedule_insert(&database, &test_support::change(), id, &draft, Utc::now()).await.unwrap();
    let mut fires: Vec<Fire> = eventually("it fires", async || {
        let fires = fire_list_last(&database, &Scope::All, id, 100).await.unwrap();
        (fires.len() >= 4).then_some(fires)
    })
    .await;
    fires.reverse();
    assert!(fires.iter().all(|fire| fire.state == FireState::Created), "{fires:?}");
    let seconds: Vec<i64> = fires.iter().map(|fire| fire.slot_at.timestamp()).collect();
    assert_eq!(seconds, (seconds[0]..).take(seconds.len()).collect::<Vec<_>>(), "none is missing");
    let jobs: Vec<Job> = world.client.get("/api/v1/jobs?trigger=SCHEDULED&limit=1000").await.expect(200).json();
    let of_fires: BTreeSet<_> = fires.iter().map(|fire| fire.job_id.unwrap()).collect();
    assert_eq!(of_fires.len(), fires.len());
    for job in jobs.iter().filter(|job| of_fires.contains(&job.id)) {
        assert_eq!((job.schedule_id, job.requested_by.as_deref()), (Some(id), Some("service:scheduler")));
        assert_eq!(job.parameters["day"].as_str().unwrap().len(), 10);
    }
    assert!(of_fires.is_subset(&jobs.iter().map(|job| job.id).collect()));
    database.close().await.unwrap();
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_fires_each_second_once_without_a_broker() {
    every_second(Delivery::Pull).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_schedule_fires_each_second_once_with_a_broker() {
    every_second(Delivery::Queue).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_health_has_the_zones() {
    let world = World::start(Delivery::Pull).await;
    let health: Health = world.client.get("/api/v1/health").await.expect(200).json();
    let zones = health.time_zones.unwrap();
    assert_eq!((zones.version.as_str(), zones.source.as_str()), (domain::schedule::Zones::bundled().version(), "bundled"));
    world.end().await;
}
