//! A worker is a process, not a name.

use std::time::Duration;

use domain::job::Status;
use e2e::{Delivery, World, on_both};
use serde_json::json;

use test_support::{Proxy, eventually};
use worker_agent::{Agent, Error};

use crate::{
    drain::assert_each_once,
    support::{UNTIL_GO, begun, shell, submit, worker_named, world_with},
};

on_both!(
    a_second_agent_with_the_name_of_a_live_one_ends_and_no_job_runs_twice,
    a_killed_agent_restarts_at_once_with_its_identity,
    an_agent_whose_name_was_taken_over_ends,
    agents_without_a_name_get_different_names,
);

async fn a_second_agent_with_the_name_of_a_live_one_ends_and_no_job_runs_twice(delivery: Delivery) {
    let world = World::start(delivery).await;
    let (queue, dir) = (world.queue("twins"), tempfile::tempdir().unwrap());
    let automation = shell(&world, &queue, UNTIL_GO, json!({})).await;
    let settings = world.worker_settings(&[&queue], 2);
    let (name, mut twin) = (settings.name.clone().unwrap(), settings.clone());
    twin.work_dir = world.folder.path().join("twin");
    let worker = world.worker_with(settings, None);
    let id = worker_named(&world, &name).await.id;
    let ended = Agent::new(twin, None).unwrap().run(std::future::pending()).await;
    let Err(error @ Error::NameTaken(_)) = ended else { unreachable!("{ended:?}") };
    let line = error.to_string();
    for words in [name.as_str(), &worker_agent::hostname(), &format!("process {}", std::process::id())] {
        assert!(line.contains(words) && !line.contains('\n'), "{line}");
    }
    let jobs = submit(&world, &automation, dir.path(), 0..4).await;
    begun(dir.path(), 2).await;
    std::fs::write(dir.path().join("go"), "").unwrap();
    for job in &jobs {
        let ended = world.client.ended(*job).await;
        assert_eq!((ended.status, ended.worker_id), (Status::Completed, Some(id)));
    }
    assert_each_once(dir.path(), 4);
    worker.stop().await;
    world.end().await;
}

async fn a_killed_agent_restarts_at_once_with_its_identity(delivery: Delivery) {
    let world = world_with(delivery, |settings| settings.lease.agent = Duration::from_secs(300)).await;
    let queue = world.queue("again");
    let settings = world.worker_settings(&[&queue], 1);
    let name = settings.name.clone().unwrap();
    let worker = world.worker_with(settings.clone(), None);
    let before = worker_named(&world, &name).await;
    worker.kill().await;
    let worker = world.worker_with(settings, None);
    let after = eventually("it is alive again", async || {
        Some(worker_named(&world, &name).await).filter(|worker| worker.last_heartbeat_at > before.last_heartbeat_at)
    })
    .await;
    assert_eq!((after.id, after.instance_id.is_some()), (before.id, true));
    worker.stop().await;
    world.end().await;
}

async fn an_agent_whose_name_was_taken_over_ends(delivery: Delivery) {
    let world = world_with(delivery, |settings| {
        settings.lease.agent = Duration::from_secs(2);
        settings.lease.heartbeat = Duration::from_millis(200);
    })
    .await;
    let queue = world.queue("heirs");
    let way = Proxy::start(world.hub.url().trim_start_matches("http://").to_owned()).await.unwrap();
    let mut settings = world.worker_settings(&[&queue], 1);
    settings.server = format!("http://{}", way.address());
    let (name, mut heir) = (settings.name.clone().unwrap(), world.worker_settings(&[&queue], 1));
    heir.name = Some(name.clone());
    let first = tokio::spawn(Agent::new(settings, None).unwrap().run(std::future::pending()));
    let old = worker_named(&world, &name).await.id;
    way.cut().await;
    let heir = eventually("the first is lost and its name free", async || {
        let worker = world.worker_with(heir.clone(), None);
        eventually("it has the name, or has ended", async || {
            let taken = worker_named(&world, &name).await.id != old;
            (taken || worker.has_ended()).then_some(())
        })
        .await;
        (!worker.has_ended()).then_some(worker)
    })
    .await;
    way.restore();
    let ended = first.await.unwrap();
    assert!(matches!(&ended, Err(Error::NameTaken(line)) if line.contains(&name)), "{ended:?}");
    let new = worker_named(&world, &name).await;
    assert!(new.id != old && new.state.is_alive(), "it did not sign off for the other");
    heir.stop().await;
    world.end().await;
}

async fn agents_without_a_name_get_different_names(delivery: Delivery) {
    let world = World::start(delivery).await;
    let mut workers = Vec::new();
    for queue in ["one", "two"] {
        let mut settings = world.worker_settings(&[&world.queue(queue)], 1);
        settings.name = None;
        workers.push(world.worker_with(settings, None));
    }
    let names = eventually("both are registered", async || {
        let listed: Vec<api_types::Worker> = world.client.get("/api/v1/workers").await.expect(200).json();
        (listed.len() == 2).then(|| listed.into_iter().map(|worker| worker.name).collect::<Vec<_>>())
    })
    .await;
    assert!(names[0] != names[1] && names.iter().all(|name| name.starts_with(&worker_agent::hostname())), "{names:?}");
    for worker in workers {
        worker.stop().await;
    }
    world.end().await;
}
