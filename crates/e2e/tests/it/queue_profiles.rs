//! Who declares a queue, and with which arguments.

use std::{process::Stdio, sync::Arc};

use api_types::Automation;
use broker::{Broker, QueueProfile};
use domain::{automation::QueueProfile as Named, ids::JobId, job::Status, waiting::WaitingCode};
use e2e::{Delivery, GatedRunner, World};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use test_support::eventually;
use tokio::process::{Child, Command};

use crate::support::world_with;

/// A robot that declares its queue without checking the existing one.
const ROBOT: &str = r#"
import json, os, pika, requests
URL, QUEUE = os.environ["MAESTRO_URL"], os.environ["QUEUE_NAME"]
HEADERS = {"X-Worker-API-Key": os.environ["MAESTRO_WORKER_API_KEY"]}
channel = pika.BlockingConnection(pika.URLParameters(os.environ["RABBITMQ_URL"])).channel()
channel.queue_declare(QUEUE, durable=True, arguments=json.loads(os.environ["ARGUMENTS"]))
def work(channel, method, properties, body):
    job = json.loads(body)["job_id"]
    for what, report in [("start", {}), ("finish", {"status": "completed"})]:
        requests.post(f"{URL}/jobs/{job}/{what}", json=report, headers=HEADERS, timeout=30).raise_for_status()
    channel.basic_ack(method.delivery_tag)
channel.basic_consume(QUEUE, work)
channel.start_consuming()
"#;

fn robot(world: &World, queue: &str, arguments: &Value) -> Child {
    let python = std::env::var("TEST_PYTHON").expect("TEST_PYTHON is not set: run the tests with `make test`");
    Command::new(python)
        .args(["-c", ROBOT])
        .env("QUEUE_NAME", queue)
        .env("ARGUMENTS", arguments.to_string())
        .env("RABBITMQ_URL", world.settings.broker_url().unwrap().expose_secret())
        .env("MAESTRO_URL", format!("{}/api/v1/worker", world.hub.url()))
        .env("MAESTRO_WORKER_API_KEY", world.hub.worker_key().expose_secret())
        .stdout(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .unwrap()
}

/// A hub as it is without settings, connected to its broker.
async fn hub() -> (World, Broker) {
    let world = world_with(Delivery::Queue, |settings| settings.dispatch.queue_profile = None).await;
    eventually("the hub has its broker", async || {
        let health: api_types::Health = world.client.get("/api/v1/health").await.expect(200).json();
        (health.broker == domain::health::Broker::Ok).then_some(())
    })
    .await;
    let broker = Broker::connect(world.settings.broker_url().unwrap().expose_secret(), "test").unwrap();
    broker.watch_connected().wait_for(|connected| *connected).await.unwrap();
    (world, broker)
}

async fn register(world: &World, queue: &str, more: Value) -> Automation {
    let mut body = json!({"name": queue, "queue_name": queue, "script_path": "x"});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.client.automation(&body).await
}

async fn put(world: &World, automation: &Automation, body: &Value) -> Automation {
    let request = world.client.request(Method::PUT, &format!("/api/v1/automations/{}", automation.id)).json(body);
    world.client.send(request).await.expect(200).json()
}

/// Whether the queue has the arguments of this profile. The check does not change it, because it has a consumer meanwhile.
async fn has(broker: &Broker, queue: &str, profile: QueueProfile) -> bool {
    let consumer = broker.consume(queue, 1);
    eventually("it is consumed", async || broker.queue_depth(queue).await.ok().filter(|depth| depth.consumers > 0)).await;
    let has = broker.apply_profile(queue, profile).await.unwrap().is_none();
    drop(consumer);
    eventually("it is not consumed", async || broker.queue_depth(queue).await.ok().filter(|depth| depth.consumers == 0)).await;
    has
}

async fn waits_for_its_queue(world: &World, job: JobId, queue: &str) {
    let reason = eventually("the job waits for its queue", async || {
        world.client.job(job).await.waiting_reason.filter(|reason| reason.code == WaitingCode::QueueNotDeclared)
    })
    .await;
    assert!(reason.message.contains(queue) && reason.message.contains("queue_profile"), "{reason:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_robot_decides_how_its_queue_is_declared() {
    let (world, broker) = hub().await;
    for (name, arguments) in [("maestro", json!({"x-dead-letter-exchange": "maestro.dlx"})), ("plain", json!({}))] {
        let queue = world.queue(name);
        let automation = register(&world, &queue, json!({})).await;
        assert_eq!((automation.queue_profile, automation.warnings.len()), (None, 0));
        let before = world.client.execute(&automation, &json!({})).await;
        waits_for_its_queue(&world, before.id, &queue).await;
        assert!(broker.adopt_queue(&queue).await.is_err(), "the hub does not declare it");
        let mut robot = robot(&world, &queue, &arguments);
        assert_eq!(world.client.ended(before.id).await.status, Status::Completed, "{name}");
        let after = world.client.execute(&automation, &json!({})).await;
        assert_eq!(world.client.ended(after.id).await.status, Status::Completed, "{name}");
        robot.kill().await.unwrap();
    }
    broker.close().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_agent_declares_the_queues_that_it_consumes() {
    let (world, broker) = hub().await;
    let queue = world.queue("agent");
    let automation = register(&world, &queue, json!({})).await;
    let job = world.client.execute(&automation, &json!({})).await;
    waits_for_its_queue(&world, job.id, &queue).await;
    let runner = GatedRunner::default();
    runner.open(1);
    let worker = world.worker_with(world.worker_settings(&[&queue], 1), Some(Arc::new(runner)));
    assert_eq!(world.client.ended(job.id).await.status, Status::Completed);
    worker.stop().await;
    assert!(has(&broker, &queue, QueueProfile::Regente).await);
    broker.close().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_named_profile_is_declared_at_once_and_again_when_the_queue_is_gone() {
    let (world, broker) = hub().await;
    let queue = world.queue("named");
    let automation = register(&world, &queue, json!({"queue_profile": "maestro"})).await;
    assert!(has(&broker, &queue, QueueProfile::Maestro).await, "for a robot that only consumes");
    let url = world.settings.broker_url().unwrap().expose_secret().to_owned();
    let python = std::env::var("TEST_PYTHON").expect("TEST_PYTHON is not set: run the tests with `make test`");
    let delete = "import pika, sys; pika.BlockingConnection(pika.URLParameters(sys.argv[1])).channel().queue_delete(sys.argv[2])";
    assert!(Command::new(python).args(["-c", delete, &url, &queue]).status().await.unwrap().success());
    let job = world.client.execute(&automation, &json!({})).await;
    let mut robot = robot(&world, &queue, &json!({"x-dead-letter-exchange": "maestro.dlx"}));
    assert_eq!(world.client.ended(job.id).await.status, Status::Completed);
    robot.kill().await.unwrap();
    broker.close().await;
    world.end().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_changed_profile_takes_effect_when_the_queue_is_empty_and_says_so_until_then() {
    let (world, broker) = hub().await;
    let queue = world.queue("changed");
    let automation = register(&world, &queue, json!({"queue_profile": "regente"})).await;
    let changed = put(&world, &automation, &json!({"queue_profile": "plain"})).await;
    assert_eq!(changed.queue_profile, Some(Named::Plain));
    let get = async || world.client.get(&format!("/api/v1/automations/{}", automation.id)).await.expect(200).json::<Value>();
    // An orchestrator that has not heard of the change yet may declare the queue as it was.
    world.everywhere("it was empty", async || get().await.get("warnings").is_none()).await;
    assert!(has(&broker, &queue, QueueProfile::Plain).await, "it was empty");

    let job = world.client.execute(&automation, &json!({})).await;
    eventually("its message is there", async || broker.queue_depth(&queue).await.ok().filter(|depth| depth.messages == 1)).await;
    let changed = put(&world, &automation, &json!({"queue_profile": "maestro"})).await;
    assert!(changed.warnings.len() == 1 && changed.warnings[0].contains("messages: 1"), "{:?}", changed.warnings);
    world.everywhere("each replica warns", async || get().await["warnings"] == json!(changed.warnings)).await;
    let shown = get().await;
    assert_eq!(put(&world, &automation, &shown).await.warnings, changed.warnings, "what was read can be sent back");

    let mut consumer = broker.consume(&queue, 1);
    let delivery = consumer.next().await.unwrap();
    let _ = world.client.report(&format!("/jobs/{}/start", job.id), None, &json!({})).await.expect(200);
    let _ = world.client.report(&format!("/jobs/{}/finish", job.id), None, &json!({"status": "completed"})).await.expect(200);
    delivery.ack().await.unwrap();
    drop(consumer);
    eventually("it takes effect", async || {
        let shown: Automation = world.client.get(&format!("/api/v1/automations/{}", automation.id)).await.expect(200).json();
        shown.warnings.is_empty().then_some(())
    })
    .await;
    assert!(has(&broker, &queue, QueueProfile::Maestro).await);

    let unnamed = put(&world, &automation, &json!({"queue_profile": null})).await;
    assert_eq!((unnamed.queue_profile, unnamed.warnings), (None, vec![]));
    assert!(has(&broker, &queue, QueueProfile::Maestro).await, "no other profile is requested");
    broker.close().await;
    world.end().await;
}
