//! Shared by the tests with real robots: starting them, and checking their processes and files.

use std::path::Path;

use api_types::{Automation, Job, Worker};
use broker::Broker;
use domain::ids::{JobId, WorkerId};
use e2e::{Client, Delivery, Options, Robots, World};
use messages::{WorkerControl, worker_control::Command};
use secrecy::ExposeSecret;
use serde_json::{Value, json};
use test_support::eventually;
use uuid::Uuid;

/// A robot that records its begin and runs until there is a file `go`.
pub(crate) const UNTIL_GO: &str = "echo \"$PARAM_N\" >> \"$PARAM_DIR/begun\"; while [ ! -e \"$PARAM_DIR/go\" ]; do sleep 0.02; done\n";

/// A hub with other settings.
pub(crate) async fn world_with(delivery: Delivery, change: impl FnOnce(&mut runtime::Settings) + Send + 'static) -> World {
    World::start_with(delivery, Options { settings: Some(Box::new(change)), ..Options::default() }).await
}

/// An automation that runs this shell script; `more` is laid over its description.
pub(crate) async fn shell(world: &World, queue: &str, script: &str, more: Value) -> Automation {
    let name = format!("{queue}-{}", Uuid::new_v4().simple());
    let script = Robots::new(world.folder.path()).shell(&format!("{}.sh", Uuid::new_v4().simple()), script);
    let mut body = json!({"name": name, "queue_name": queue, "entrypoint_type": "SHELL", "script_path": script});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    world.client.automation(&body).await
}

/// `cancel`, `pause` or `resume` of a running job.
pub(crate) async fn act(client: &Client, job: JobId, what: &str) -> Job {
    let status = if what == "cancel" { 202 } else { 200 };
    client.post(&format!("/api/v1/jobs/{job}/{what}"), &json!({})).await.expect(status).json()
}

/// Jobs `0..count` of an automation, with their number and the folder that they write into.
pub(crate) async fn submit(world: &World, automation: &Automation, dir: &Path, numbers: std::ops::Range<usize>) -> Vec<JobId> {
    let mut jobs = Vec::new();
    for n in numbers {
        jobs.push(world.client.execute(automation, &json!({"n": n, "dir": dir})).await.id);
    }
    jobs
}

/// Lines of a file that robots append to; none when it is not there yet.
pub(crate) fn lines(file: &Path) -> Vec<String> {
    std::fs::read_to_string(file).unwrap_or_default().lines().map(str::to_owned).collect()
}

/// Waits until this many robots have begun.
pub(crate) async fn begun(dir: &Path, robots: usize) {
    let file = dir.join("begun");
    eventually(&format!("{robots} robots begin"), async || (lines(&file).len() >= robots).then_some(())).await;
}

/// The worker of this name.
pub(crate) async fn worker_named(world: &World, name: &str) -> Worker {
    eventually(&format!("worker {name} registers"), async || {
        let all: Vec<Worker> = world.client.get("/api/v1/workers").await.expect(200).json();
        all.into_iter().find(|worker| worker.name == name)
    })
    .await
}

/// Waits until a worker consumes its control queue.
pub(crate) async fn listens(world: &World, worker: WorkerId) {
    let broker = Broker::connect(world.settings.broker_url().unwrap().expose_secret(), "test").unwrap();
    let nothing_new = serde_json::to_vec(&WorkerControl { command: Command::Take.into(), job_id: String::new() }).unwrap();
    let queue = format!("regente.control.{worker}");
    eventually("the worker listens", async || broker.publish(&queue, nothing_new.clone().into(), &[]).await.ok()).await;
    broker.close().await;
}

/// Waits for this many more heartbeats of a worker.
pub(crate) async fn heartbeats(world: &World, name: &str, count: usize) {
    let mut last = worker_named(world, name).await.last_heartbeat_at;
    for _ in 0..count {
        last = eventually("a heartbeat", async || Some(worker_named(world, name).await.last_heartbeat_at).filter(|at| *at > last)).await;
    }
}

/// Waits for a process id that a robot writes.
pub(crate) async fn pid_in(file: &Path) -> i32 {
    eventually(&format!("{} has a process id", file.display()), async || std::fs::read_to_string(file).ok()?.trim().parse().ok()).await
}

/// Whether the process runs; a zombie does not.
pub(crate) fn runs(pid: i32) -> bool {
    state(pid).is_some_and(|state| state != 'Z')
}

/// Whether the process is suspended.
pub(crate) fn is_suspended(pid: i32) -> bool {
    match state(pid) {
        Some('T') => true,
        // It waits for a program that it is starting and that is suspended already.
        Some('D') => children(pid).into_iter().any(|child| state(child) == Some('T')),
        _ => false,
    }
}

fn children(pid: i32) -> Vec<i32> {
    let list = std::fs::read_to_string(format!("/proc/{pid}/task/{pid}/children")).unwrap_or_default();
    list.split_whitespace().filter_map(|child| child.parse().ok()).collect()
}

fn state(pid: i32) -> Option<char> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    stat.rsplit_once(')')?.1.trim().chars().next()
}
