//! People stop, pause and resume running jobs.

use std::{
    path::{Path, PathBuf},
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use domain::{Scope, ids::JobId, job::Status};
use e2e::{Delivery, World, on_both};
use serde_json::{Value, json};
use test_support::eventually;

use crate::support::{act, heartbeats, is_suspended, listens, pid_in, runs, shell, worker_named, world_with};

on_both!(
    a_canceled_program_can_clean_up,
    a_program_that_ignores_term_is_killed_with_its_whole_tree,
    a_paused_job_is_suspended_and_its_clocks_stop,
    a_pause_outlives_a_restart_of_the_hub,
    a_paused_job_can_be_canceled,
);

/// A hub with frequent heartbeats where they are the only way, and with rare ones beside a control queue, so that they cannot be what acts.
async fn world(delivery: Delivery) -> World {
    world_with(delivery, move |settings| {
        settings.lease.agent = Duration::from_secs(300);
        settings.lease.heartbeat = match delivery {
            Delivery::Pull => Duration::from_millis(200),
            Delivery::Queue => Duration::from_secs(100),
        };
    })
    .await
}

/// The folders of a worker's jobs, after its start and, with a broker, after its subscription to the control queue.
struct Jobs {
    worker: e2e::RunningWorker,
    name: String,
    folder: PathBuf,
}

impl Jobs {
    async fn start(world: &World, queue: &str) -> Self {
        let mut settings = world.worker_settings(&[queue], 4);
        // Large enough that no kill in time comes from this.
        settings.kill_grace = Duration::from_secs(1000);
        let (name, folder) = (settings.name.clone().unwrap(), settings.work_dir.join("jobs"));
        let worker = world.worker_with(settings, None);
        let id = worker_named(world, &name).await.id;
        if world.delivery == Delivery::Queue {
            listens(world, id).await;
        }
        Self { worker, name, folder }
    }

    fn file(&self, job: JobId, name: &str) -> PathBuf {
        self.folder.join(job.to_string()).join(name)
    }
}

fn json_of(file: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(file).unwrap_or_default()).unwrap_or_default()
}

/// The targets are 200 ms over the control queue and one heartbeat over HTTP; a slow machine does not fail the test.
#[expect(clippy::print_stdout, reason = "the figure is for whoever runs the test")]
async fn timed(world: &World, what: &str, seen: impl Fn() -> bool) {
    let start = Instant::now();
    eventually(what, async || seen().then_some(())).await;
    let took = start.elapsed();
    println!("{what} ({:?}): {} ms", world.delivery, took.as_millis());
    assert!(took < Duration::from_secs(10), "{took:?}");
}

async fn a_canceled_program_can_clean_up(delivery: Delivery) {
    let world = world(delivery).await;
    let queue = world.queue("tidy");
    let script = "trap 'cp control.json seen.json; echo tidied; exit 0' TERM; echo $$ > pid; while :; do sleep 0.02; done\n";
    let automation = shell(&world, &queue, script, json!({"cancel_grace_s": 3600})).await;
    let jobs = Jobs::start(&world, &queue).await;
    let job = world.client.execute(&automation, &json!({})).await.id;
    let pid = pid_in(&jobs.file(job, "pid")).await;
    let asked = act(&world.client, job, "cancel").await;
    assert!(asked.cancellation_requested_at.is_some());
    timed(&world, "cancel", || !runs(pid)).await;
    let ended = world.client.ended(job).await;
    assert_eq!((ended.status, ended.error_class), (Status::Canceled, None));
    assert_eq!(json_of(&jobs.file(job, "seen.json")), json!({"cancel": true, "paused": false}));
    assert!(world.client.logs(job).await.iter().any(|line| line.message == "tidied"), "its last words are kept");
    jobs.worker.stop().await;
    world.end().await;
}

async fn a_program_that_ignores_term_is_killed_with_its_whole_tree(delivery: Delivery) {
    let world = world(delivery).await;
    let queue = world.queue("deaf");
    let script = "trap '' TERM
setsid sh -c \"trap '' TERM; echo \\$\\$ > far; while :; do sleep 0.02; done\" &
sh -c \"trap '' TERM; echo \\$\\$ > near; while :; do sleep 0.02; done\" &
echo $$ > pid; while :; do sleep 0.02; done\n";
    let short = shell(&world, &queue, script, json!({"cancel_grace_s": 1})).await;
    let long = shell(&world, &queue, script, json!({"cancel_grace_s": 3600})).await;
    let jobs = Jobs::start(&world, &queue).await;
    let of_automation = world.client.execute(&short, &json!({})).await.id;
    let own = json!({"automation_id": long.id, "cancel_grace_s": 2});
    let of_job = world.client.post("/api/v1/jobs", &own).await.expect(202).json::<api_types::Job>().id;
    for (job, grace) in [(of_automation, Duration::from_secs(1)), (of_job, Duration::from_secs(2))] {
        let mut tree = Vec::new();
        for name in ["pid", "near", "far"] {
            tree.push(pid_in(&jobs.file(job, name)).await);
        }
        let start = Instant::now();
        let _asked = act(&world.client, job, "cancel").await;
        let ended = world.client.ended(job).await;
        assert!(start.elapsed() >= grace, "killed before its grace was over: {:?}", start.elapsed());
        assert_eq!(ended.status, Status::Canceled);
        eventually("its whole tree is gone", async || (!tree.iter().any(|pid| runs(*pid))).then_some(())).await;
    }
    jobs.worker.stop().await;
    world.end().await;
}

async fn deadline(world: &World, job: JobId) -> chrono::DateTime<chrono::Utc> {
    store::jobs::job_get(world.hub.database(), &Scope::All, job).await.unwrap().unwrap().row.deadline_at.unwrap()
}

/// Appends a line every 20 ms until there is a file `go`.
const BEATS: &str = "echo $$ > pid; while [ ! -e go ]; do echo x >> beats; sleep 0.02; done\n";

async fn a_paused_job_is_suspended_and_its_clocks_stop(delivery: Delivery) {
    let world = world(delivery).await;
    let queue = world.queue("still");
    let automation = shell(&world, &queue, BEATS, json!({"timeout_s": 3})).await;
    let jobs = Jobs::start(&world, &queue).await;
    let job = world.client.execute(&automation, &json!({})).await.id;
    let pid = pid_in(&jobs.file(job, "pid")).await;
    let beats = || std::fs::metadata(jobs.file(job, "beats")).map_or(0, |data| data.len());
    eventually("it works", async || (beats() > 0).then_some(())).await;
    let before = deadline(&world, job).await;
    let paused = act(&world.client, job, "pause").await;
    assert!(paused.status == Status::Paused && paused.paused_at.is_some());
    timed(&world, "pause", || is_suspended(pid)).await;
    let seen = beats();
    // Longer than it may run.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(beats(), seen, "not a line while it is paused");
    assert_eq!(json_of(&jobs.file(job, "control.json")), json!({"cancel": false, "paused": true}));
    assert_eq!(act(&world.client, job, "resume").await.status, Status::Running);
    timed(&world, "resume", || beats() > seen).await;
    let moved = deadline(&world, job).await - before;
    assert!(moved >= TimeDelta::seconds(4), "the hub's own limit moves too: {moved}");
    std::fs::write(jobs.file(job, "go"), "").unwrap();
    let ended = world.client.ended(job).await;
    assert_eq!(ended.status, Status::Completed, "{:?}", ended.error_message);
    jobs.worker.stop().await;
    world.end().await;
}

async fn a_pause_outlives_a_restart_of_the_hub(delivery: Delivery) {
    let world = world_with(delivery, |settings| settings.lease.agent = Duration::from_secs(300)).await;
    let queue = world.queue("outlives");
    let automation = shell(&world, &queue, BEATS, json!({})).await;
    let jobs = Jobs::start(&world, &queue).await;
    let job = world.client.execute(&automation, &json!({})).await.id;
    let pid = pid_in(&jobs.file(job, "pid")).await;
    let _paused = act(&world.client, job, "pause").await;
    eventually("it is suspended", async || is_suspended(pid).then_some(())).await;
    let world = world.restart().await;
    heartbeats(&world, &jobs.name, 3).await;
    assert!(is_suspended(pid), "the new hub keeps it paused");
    assert_eq!(world.client.job(job).await.status, Status::Paused);
    let _resumed = act(&world.client, job, "resume").await;
    eventually("it is resumed", async || (!is_suspended(pid)).then_some(())).await;
    std::fs::write(jobs.file(job, "go"), "").unwrap();
    assert_eq!(world.client.ended(job).await.status, Status::Completed);
    jobs.worker.stop().await;
    world.end().await;
}

async fn a_paused_job_can_be_canceled(delivery: Delivery) {
    let world = world(delivery).await;
    let queue = world.queue("both");
    let script = "trap 'echo tidied; exit 0' TERM; echo $$ > pid; while :; do sleep 0.02; done\n";
    let automation = shell(&world, &queue, script, json!({"cancel_grace_s": 3600})).await;
    let jobs = Jobs::start(&world, &queue).await;
    let job = world.client.execute(&automation, &json!({})).await.id;
    let pid = pid_in(&jobs.file(job, "pid")).await;
    let _paused = act(&world.client, job, "pause").await;
    eventually("it is suspended", async || is_suspended(pid).then_some(())).await;
    let _asked = act(&world.client, job, "cancel").await;
    assert_eq!(world.client.ended(job).await.status, Status::Canceled);
    assert!(world.client.logs(job).await.iter().any(|line| line.message == "tidied"), "it could react");
    jobs.worker.stop().await;
    world.end().await;
}

/// Without a broker the hub cannot notify the worker at once: the heartbeat carries the desired state.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_heartbeat_brings_what_the_control_queue_did_not() {
    let world = world_with(Delivery::Queue, |settings| settings.lease.agent = Duration::from_secs(300)).await;
    let queue = world.queue("lost-order");
    let automation = shell(&world, &queue, BEATS, json!({})).await;
    let jobs = Jobs::start(&world, &queue).await;
    let mut settings = world.settings.clone();
    settings.broker.url = String::new().into();
    settings.data_dir = world.folder.path().join("mute");
    let mute = regente::Hub::start(settings, regente::HubOptions::default()).await.unwrap();
    let client = e2e::Client::new(mute.url(), mute.access_token().await.unwrap(), String::new()).unwrap();
    let job = world.client.execute(&automation, &json!({})).await.id;
    let pid = pid_in(&jobs.file(job, "pid")).await;
    let _paused = act(&client, job, "pause").await;
    eventually("it is suspended", async || is_suspended(pid).then_some(())).await;
    let _resumed = act(&client, job, "resume").await;
    eventually("it is resumed", async || (!is_suspended(pid)).then_some(())).await;
    let _asked = act(&client, job, "cancel").await;
    assert_eq!(world.client.ended(job).await.status, Status::Canceled);
    mute.stop().await;
    jobs.worker.stop().await;
    world.end().await;
}
