//! Events of jobs on `regente.events`, each after its commit.

use std::process::Stdio;

use api_types::Job;
use chrono::{DateTime, Utc};
use domain::job::Status;
use e2e::{Delivery, Shape, World};
use messages::{EventBatch, JobEvent};
use reqwest::Method;
use secrecy::ExposeSecret;
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader, Lines},
    process::{Child, ChildStdout, Command},
    time::{Duration, timeout},
};

/// A foreign consumer: it writes a line once it is subscribed, and then each message.
const LISTENER: &str = r#"
import os, pika
channel = pika.BlockingConnection(pika.URLParameters(os.environ["AMQP_URL"])).channel()
channel.exchange_declare("regente.events", "topic", durable=True)
queue = channel.queue_declare("", exclusive=True).method.queue
channel.queue_bind(queue, "regente.events", "jobs")
channel.basic_consume(queue, lambda channel, method, properties, body: print(body.decode(), flush=True), auto_ack=True)
print(flush=True)
channel.start_consuming()
"#;

struct Listener {
    _program: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

impl Listener {
    async fn start(world: &World) -> Self {
        let python = std::env::var("TEST_PYTHON").expect("TEST_PYTHON is not set: run the tests with `make test`");
        let mut command = Command::new(python);
        command.args(["-c", LISTENER]).env("AMQP_URL", world.settings.broker_url().unwrap().expose_secret());
        let mut program = command.stdout(Stdio::piped()).kill_on_drop(true).spawn().unwrap();
        let lines = BufReader::new(program.stdout.take().unwrap()).lines();
        let mut listener = Self { _program: program, lines };
        assert_eq!(listener.line().await, "");
        listener
    }

    async fn line(&mut self) -> String {
        timeout(Duration::from_secs(30), self.lines.next_line()).await.unwrap().unwrap().unwrap()
    }

    /// Those of one job, from its first to its end, by their time: two orchestrators publish each their own, and neither waits for the other.
    async fn events_of(&mut self, job: &str) -> Vec<JobEvent> {
        let mut events: Vec<JobEvent> = Vec::new();
        let has = |events: &[JobEvent], kinds: &[&str]| events.iter().any(|event| kinds.contains(&event.r#type.as_str()));
        while !(has(&events, &["job.created"]) && has(&events, &["job.started"]) && has(&events, &["job.completed", "job.failed"])) {
            let batch: EventBatch = serde_json::from_str(&self.line().await).unwrap();
            events.extend(batch.events.into_iter().filter(|event| event.job_id == job));
        }
        if Shape::of_environment() == Shape::Apart {
            events.sort_by_key(|event| event.occurred_at.parse::<DateTime<Utc>>().unwrap());
        }
        events
    }
}

const TRACE: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_caller_s_trace_is_in_the_events_and_in_the_program_over_both_ways() {
    for claims in [false, true] {
        let world = World::start(Delivery::Queue).await;
        let mut listener = Listener::start(&world).await;
        let queue = world.queue("trace");
        let mut settings = world.worker_settings(&[&queue], 1);
        if claims {
            settings.amqp = None;
        }
        let worker = world.worker_with(settings, None);
        let (folder, script) = (tempfile::tempdir().unwrap(), "trace.sh");
        std::fs::write(folder.path().join(script), "echo trace $TRACEPARENT").unwrap();
        let script = folder.path().join(script);
        let body = json!({"name": "t", "queue_name": queue, "entrypoint_type": "SHELL", "script_path": script});
        let automation = world.client.automation(&body).await;
        for (sent, expected) in [(TRACE, TRACE), ("00-0-0-00", "")] {
            let path = format!("/api/v1/automations/{}/execute", automation.id);
            let request = world.client.request(Method::POST, &path).header("traceparent", sent).json(&json!({}));
            let job: Job = world.client.send(request).await.expect(202).json();
            let events = listener.events_of(&job.id.to_string()).await;
            // What is no trace context is none. A gateway is a step of its own in the trace, and begins one where there is none.
            let by_gateway = events[0].traceparent.clone();
            let expected = if world.gateways.is_empty() { expected } else { by_gateway.as_str() };
            assert!(expected.is_empty() || sent != TRACE || expected[..36] == TRACE[..36], "{expected}");
            assert!(events.len() == 3 && events.iter().all(|event| event.traceparent == expected), "{events:?}");
            let lines = world.client.logs(job.id).await;
            assert!(lines.iter().any(|line| line.message.trim() == format!("trace {expected}").trim()), "{lines:?}");
        }
        worker.stop().await;
        world.end().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_change_of_a_job_is_published_after_its_commit() {
    let world = World::start(Delivery::Queue).await;
    let mut listener = Listener::start(&world).await;
    let queue = world.queue("events");
    let worker = world.worker(&[&queue], 1);
    let body = json!({"name": "t", "queue_name": queue, "entrypoint_type": "EXE", "script_path": "/bin/false"});
    let automation = world.client.automation(&body).await;
    let job = world.client.execute(&automation, &json!({})).await;
    let events = listener.events_of(&job.id.to_string()).await;
    let kinds: Vec<_> = events.iter().map(|event| (event.r#type.as_str(), event.status.as_str())).collect();
    assert_eq!(kinds, [("job.created", "pending"), ("job.started", "running"), ("job.failed", "failed")]);
    let ended = world.client.job(job.id).await;
    assert_eq!(ended.status, Status::Failed, "the event follows the commit");
    assert!(events.iter().all(|event| event.automation_id == automation.id.get()));
    assert_eq!(events[2].error_class, serde_json::to_value(ended.error_class).unwrap());
    let at: Vec<DateTime<Utc>> = events.iter().map(|event| event.occurred_at.parse().unwrap()).collect();
    assert!(job.created_at <= at[0] && ended.started_at.unwrap() <= at[1] && ended.completed_at.unwrap() <= at[2], "{events:?}");
    assert!(at.is_sorted(), "{events:?}");
    worker.stop().await;
    world.end().await;
}
