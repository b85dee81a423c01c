//! Jobs that come as messages, from a real RabbitMQ whose URL is in `TEST_AMQP_URL`.

use std::time::Duration;

use api_types::JobAssignment;
use broker::{Broker, QueueProfile, Topology};
use domain::job::{ErrorClass, Status};
use serde_json::json;
use uuid::Uuid;
use worker_agent::Settings;

use crate::{
    hub::Mode,
    support::{Bed, until},
};

pub(crate) struct QueueBed {
    pub(crate) bed: Bed,
    pub(crate) broker: Broker,
    pub(crate) queue: String,
    dead_letters: String,
}

impl QueueBed {
    async fn new() -> Self {
        Self::with(|_| {}).await
    }

    /// With an agent whose settings are changed.
    pub(crate) async fn with(change: impl FnOnce(&mut Settings)) -> Self {
        Self::beside(Bed::new().await, change).await
    }

    /// With this bed's hub.
    pub(crate) async fn beside(mut bed: Bed, change: impl FnOnce(&mut Settings)) -> Self {
        let url = std::env::var("TEST_AMQP_URL").unwrap_or_else(|_| panic!("TEST_AMQP_URL must hold the URL of a RabbitMQ"));
        let unique = Uuid::now_v7();
        let topology = Topology { dead_letter_queue: format!("agent-dead-{unique}"), ..Topology::default() };
        let (queue, dead_letters) = (format!("agent-{unique}"), topology.dead_letter_queue.clone());
        let broker = Broker::connect_with(&url, "agent-test", topology).unwrap();
        broker.watch_connected().wait_for(|connected| *connected).await.unwrap();
        broker.ensure_queue(&queue, QueueProfile::Regente).await.unwrap();
        let mut settings = bed.settings();
        settings.queues = vec![queue.clone()];
        settings.amqp = Some(url);
        change(&mut settings);
        bed.start(settings, None);
        Self { bed, broker, queue, dead_letters }
    }

    /// Adds a job to the hub, not yet to the queue.
    pub(crate) fn job(&self, script: &str) -> JobAssignment {
        let id = self.bed.shell(script);
        let mut state = self.bed.hub.state();
        let job = state.waiting.pop_back().unwrap();
        state.given.insert(id, job.clone());
        job
    }

    pub(crate) async fn publish(&self, job: &JobAssignment) {
        let body = json!({
            "job_id": job.job_id, "automation_id": 7, "script_path": job.script_path, "parameters": {"n": 1},
            "entrypoint_type": job.entrypoint_type, "timeout_s": 0,
        });
        self.send(body.to_string()).await;
    }

    async fn send(&self, body: String) {
        let trace = [("traceparent".to_owned(), "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01".to_owned())];
        self.broker.publish(&self.queue, body.into(), &trace).await.unwrap();
    }

    /// Stops the agent and returns the number of messages left in the queue.
    pub(crate) async fn left(mut self) -> u64 {
        self.bed.stop().await.unwrap();
        self.broker.queue_depth(&self.queue).await.unwrap().messages.into()
    }
}

#[tokio::test]
async fn a_message_is_run_and_acknowledged() {
    let queue = QueueBed::new().await;
    let job = queue.job("echo $PARAM_N $TRACEPARENT");
    queue.publish(&job).await;
    assert_eq!(queue.bed.end_of(job.job_id).await.status, Status::Completed);
    assert!(queue.bed.log_of(job.job_id)[0].message.starts_with("1 00-4bf9"));
    assert_eq!(queue.left().await, 0);
}

#[tokio::test]
async fn a_message_delivered_twice_is_run_once() {
    let queue = QueueBed::new().await;
    let job = queue.job("echo ran; while [ ! -e go ]; do sleep 0.02; done");
    queue.publish(&job).await;
    queue.publish(&job).await;
    until(|| (queue.bed.log_of(job.job_id).len() == 1).then_some(())).await;
    // The second has been dropped once a third message, of another job, has been run after it.
    let other = queue.job("true");
    queue.publish(&other).await;
    queue.bed.end_of(other.job_id).await;
    std::fs::write(queue.bed.folder(job.job_id).join("go"), "").unwrap();
    queue.bed.end_of(job.job_id).await;
    queue.publish(&job).await;
    let log = queue.bed.log_of(job.job_id);
    assert_eq!(log.len(), 1, "{log:?}");
    until(|| (queue.bed.hub.state().calls["start"] >= 3).then_some(())).await;
    assert_eq!(queue.left().await, 0);
}

/// As after a broken connection, over which the first copy cannot be requeued.
#[tokio::test]
async fn a_redelivered_message_is_kept_until_the_first_has_started_its_job() {
    let queue = QueueBed::with(|settings| settings.drain = Duration::ZERO).await;
    until(|| (queue.bed.hub.state().registered == 1).then_some(())).await;
    queue.bed.hub.set(Mode::Away);
    let job = queue.job("true");
    queue.publish(&job).await;
    queue.publish(&job).await;
    queue.bed.hub.state().turned_away = 0;
    until(|| (queue.bed.hub.state().turned_away >= 3).then_some(())).await;
    let (broker, name) = (queue.broker.clone(), queue.queue.clone());
    queue.left().await;
    let both = async {
        while broker.queue_depth(&name).await.unwrap().messages != 2 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(5), both).await.expect("both messages are back in their queue");
}

#[tokio::test]
async fn unusable_messages_are_dead_letters_and_unknown_jobs_are_dropped() {
    let queue = QueueBed::new().await;
    queue.send("not json".into()).await;
    queue.send(r#"{"job_id":"7"}"#.into()).await;
    queue.send(json!({"job_id": Uuid::now_v7(), "script_path": "x"}).to_string()).await;
    let job = queue.job("true");
    queue.publish(&job).await;
    queue.bed.end_of(job.job_id).await;
    let (broker, dead_letters) = (queue.broker.clone(), queue.dead_letters.clone());
    assert_eq!(queue.left().await, 0);
    while broker.queue_depth(&dead_letters).await.unwrap().messages != 2 {
        tokio::task::yield_now().await;
    }
}

#[tokio::test]
async fn a_message_whose_parameters_cannot_be_parsed_fails_its_job() {
    let queue = QueueBed::new().await;
    let unreadable = queue.job("true");
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    queue
        .send(format!("{{\"job_id\":\"{}\",\"automation_id\":7,\"script_path\":\"x\",\"parameters\":{{\"a\":{deep}}}}}", unreadable.job_id))
        .await;
    let job = queue.job("true");
    queue.publish(&job).await;
    assert_eq!(queue.bed.end_of(job.job_id).await.status, Status::Completed);
    let end = queue.bed.end_of(unreadable.job_id).await;
    assert_eq!(end.error_class, Some(ErrorClass::InvalidParameters));
    assert!(end.error_message.as_deref().unwrap().contains("recursion limit"), "{end:?}");
    assert_eq!(queue.left().await, 0);
}

#[tokio::test]
async fn a_message_waits_while_the_hub_is_busy() {
    let queue = QueueBed::new().await;
    until(|| (queue.bed.hub.state().registered == 1).then_some(())).await;
    queue.bed.hub.set(Mode::Away);
    queue.bed.hub.state().turned_away = 0;
    let job = queue.job("true");
    queue.publish(&job).await;
    until(|| (queue.bed.hub.state().turned_away >= 3).then_some(())).await;
    queue.bed.hub.set(Mode::Works);
    assert_eq!(queue.bed.end_of(job.job_id).await.status, Status::Completed);
    assert_eq!(queue.left().await, 0);
}
