//! Control messages over a real RabbitMQ (`TEST_AMQP_URL`), and claims for labels beside a queue.

use std::{
    fs,
    time::{Duration, Instant},
};

use domain::{ids::JobId, job::Status};
use messages::{WorkerControl, worker_control::Command};
use uuid::Uuid;

use crate::{
    queue::QueueBed,
    support::{Bed, is_suspended, runs, until},
};

const RUNS: &str = "echo $$ > pid; while [ ! -e go ]; do sleep 0.02; done";

/// An agent that learns nothing by heartbeat.
async fn quiet() -> QueueBed {
    let bed = Bed::new().await;
    bed.hub.state().heartbeat_interval_s = Some(300.0);
    QueueBed::beside(bed, |_| {}).await
}

impl QueueBed {
    async fn control(&self, command: Command, job: Option<JobId>) {
        let message = WorkerControl { command: command.into(), job_id: job.map(|job| job.to_string()).unwrap_or_default() };
        self.send_control(serde_json::to_vec(&message).unwrap()).await;
    }

    /// Waits for the queue: the agent may not have declared it yet.
    async fn send_control(&self, body: Vec<u8>) {
        let queue = format!("regente.control.{}", self.bed.hub.worker);
        let start = Instant::now();
        while let Err(error) = self.broker.publish(&queue, body.clone().into(), &[]).await {
            assert!(start.elapsed() < Duration::from_secs(30), "{error}");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// Waits until the queue of jobs holds this many messages.
    async fn expect_depth(&self, messages: u32) {
        let start = Instant::now();
        while self.broker.queue_depth(&self.queue).await.unwrap().messages != messages {
            assert!(
                start.elapsed() < Duration::from_secs(30),
                "the queue does not reach {messages} messages: {:?} {:?}",
                self.broker.queue_depth(&self.queue).await,
                self.bed.hub.state().calls
            );
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    async fn starts(&self, script: &str) -> (JobId, i32) {
        let job = self.job(script);
        self.publish(&job).await;
        (job.job_id, self.bed.pid_in(job.job_id, "pid").await)
    }
}

/// Waits for it and prints how long it took. The target is less than 200 ms; a slow machine does not fail the test.
#[expect(clippy::print_stdout, reason = "the figure is for whoever runs the test")]
async fn timed<T>(what: &str, start: Instant, look: impl FnMut() -> Option<T>) {
    until(look).await;
    println!("{what}: {} ms", start.elapsed().as_millis());
}

#[tokio::test]
async fn control_messages_act_at_once() {
    let queue = quiet().await;
    let (job, pid) = queue.starts("trap 'exit 0' TERM; echo $$ > pid; while :; do sleep 0.02; done").await;
    queue.control(Command::Take, None).await;
    let start = Instant::now();
    queue.control(Command::Pause, Some(job)).await;
    timed("pause", start, || is_suspended(pid).then_some(())).await;
    let start = Instant::now();
    queue.control(Command::Resume, Some(job)).await;
    timed("resume", start, || (!is_suspended(pid)).then_some(())).await;
    let start = Instant::now();
    queue.control(Command::Cancel, Some(job)).await;
    timed("cancel", start, || (!runs(pid)).then_some(())).await;
    assert_eq!(queue.bed.end_of(job).await.status, Status::Canceled);
    assert_eq!(queue.left().await, 0);
}

#[tokio::test]
async fn unreadable_control_messages_change_nothing() {
    let queue = quiet().await;
    let (job, pid) = queue.starts(RUNS).await;
    for body in ["no json", "{}", r#"{"command":"CANCEL","job_id":"7"}"#, r#"{"command":"EXPLODE"}"#] {
        queue.send_control(body.into()).await;
    }
    queue.control(Command::Cancel, Some(Uuid::now_v7().into())).await;
    queue.control(Command::Pause, Some(job)).await;
    until(|| is_suspended(pid).then_some(())).await;
    queue.control(Command::Resume, Some(job)).await;
    fs::write(queue.bed.folder(job).join("go"), "").unwrap();
    assert_eq!(queue.bed.end_of(job).await.status, Status::Completed);
}

#[tokio::test]
async fn a_paused_worker_requeues_the_messages_it_has_not_started() {
    let bed = Bed::new().await;
    bed.hub.state().heartbeat_interval_s = Some(300.0);
    let queue = QueueBed::beside(bed, |settings| (settings.slots, settings.labels) = (2, vec!["sap".into()])).await;
    let claimed = queue.bed.shell(RUNS);
    queue.bed.pid_in(claimed, "pid").await;
    let (first, _) = queue.starts(RUNS).await;
    let second = queue.job(RUNS);
    queue.publish(&second).await;
    // Fetched, and waits for a slot.
    queue.expect_depth(0).await;
    queue.control(Command::Drain, None).await;
    let start = Instant::now();
    queue.expect_depth(1).await;
    println!("requeued: {} ms", start.elapsed().as_millis());
    for job in [claimed, first] {
        fs::write(queue.bed.folder(job).join("go"), "").unwrap();
        assert_eq!(queue.bed.end_of(job).await.status, Status::Completed);
    }
    assert_eq!(queue.bed.hub.state().calls["start"], 1);
    queue.expect_depth(1).await;
    queue.control(Command::Take, None).await;
    queue.bed.pid_in(second.job_id, "pid").await;
    fs::write(queue.bed.folder(second.job_id).join("go"), "").unwrap();
    assert_eq!(queue.bed.end_of(second.job_id).await.status, Status::Completed);
    assert_eq!(queue.left().await, 0);
}

#[tokio::test]
async fn a_worker_with_labels_takes_jobs_from_its_queue_and_by_claim() {
    let queue = QueueBed::with(|settings| (settings.slots, settings.labels) = (1, vec!["sap".into()])).await;
    let claimed = queue.bed.shell("echo claimed");
    assert_eq!(queue.bed.end_of(claimed).await.status, Status::Completed);
    let (fetched, _) = queue.starts(RUNS).await;
    // While the only slot is taken no claim is open: another worker may have a free one.
    let waiting = queue.bed.shell("true");
    let claims = || queue.bed.hub.state().calls.get("claim").copied().unwrap_or_default();
    let before = claims();
    let start = Instant::now();
    until(|| (start.elapsed() > Duration::from_millis(2500)).then_some(())).await;
    assert_eq!(claims(), before);
    fs::write(queue.bed.folder(fetched).join("go"), "").unwrap();
    assert_eq!(queue.bed.end_of(fetched).await.status, Status::Completed);
    assert_eq!(queue.bed.end_of(waiting).await.status, Status::Completed);
    assert_eq!(queue.left().await, 0);
}

#[tokio::test]
async fn a_worker_without_labels_does_not_claim_beside_its_queue() {
    let queue = QueueBed::with(|_| {}).await;
    let job = queue.job("true");
    queue.publish(&job).await;
    queue.bed.end_of(job.job_id).await;
    assert_eq!(queue.bed.hub.state().calls.get("claim"), None);
}
