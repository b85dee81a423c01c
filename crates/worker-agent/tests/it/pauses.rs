//! Paused jobs and paused workers.

use std::{
    fs,
    time::{Duration, Instant},
};

use domain::{
    ids::JobId,
    job::{ErrorClass, Status},
};
use serde_json::{Value, json};

use crate::support::{Bed, is_suspended, runs, until};

fn control(bed: &Bed, job: JobId) -> Value {
    let text = fs::read(bed.folder(job).join("control.json")).unwrap_or_default();
    serde_json::from_slice(&text).unwrap_or_default()
}

fn status(bed: &Bed, job: JobId) -> Value {
    let text = fs::read(bed.folder(job).join("status.json")).unwrap();
    serde_json::from_slice::<Value>(&text).unwrap()["status"].clone()
}

#[tokio::test]
async fn a_paused_job_is_suspended_with_all_its_processes_until_it_is_resumed() {
    let bed = Bed::with_agent().await;
    let script = "setsid sh -c 'echo $$ > far; while [ ! -e go ]; do sleep 0.02; done; echo far' &
sh -c 'echo $$ > near; while [ ! -e go ]; do sleep 0.02; done; echo near' &
echo $$ > pid; wait";
    let job = bed.shell(script);
    let other = bed.shell("while [ ! -e go ]; do echo $$ > pid; sleep 0.02; done");
    let mut pids = Vec::new();
    for name in ["pid", "near", "far"] {
        pids.push(bed.pid_in(job, name).await);
    }
    let other_pid = bed.pid_in(other, "pid").await;
    bed.hub.state().paused.insert(job);
    until(|| pids.iter().all(|pid| is_suspended(*pid)).then_some(())).await;
    until(|| (status(&bed, job) == "paused").then_some(())).await;
    assert_eq!(control(&bed, job), json!({"cancel": false, "paused": true}));
    // It is in state `D` at times, when it starts a program.
    until(|| (!is_suspended(other_pid)).then_some(())).await;
    fs::write(bed.folder(job).join("go"), "").unwrap();
    let before = bed.hub.state().heartbeats.len();
    until(|| (bed.hub.state().heartbeats.len() > before + 3).then_some(())).await;
    assert!(pids.iter().all(|pid| is_suspended(*pid)));
    bed.hub.state().paused.clear();
    assert_eq!(bed.end_of(job).await.status, Status::Completed);
    assert_eq!(control(&bed, job), json!({"cancel": false, "paused": false}));
    let mut log: Vec<_> = bed.log_of(job).into_iter().map(|line| line.message).collect();
    log.sort();
    assert!(log[0] == "far" && log[1] == "near" && log[2].contains("paused") && log[3].contains("resumed"), "{log:?}");
    fs::write(bed.folder(other).join("go"), "").unwrap();
    assert_eq!(bed.end_of(other).await.status, Status::Completed);
}

#[tokio::test]
async fn the_time_out_clock_stops_while_the_job_is_paused() {
    let bed = Bed::with_agent().await;
    let job = bed.shell_with("echo $$ > pid; exec sleep 1000", 1, json!({}));
    let pid = bed.pid_in(job, "pid").await;
    bed.hub.state().paused.insert(job);
    until(|| is_suspended(pid).then_some(())).await;
    let paused = Instant::now();
    until(|| (paused.elapsed() > Duration::from_millis(1500)).then_some(())).await;
    assert!(is_suspended(pid) && !bed.hub.state().ends.contains_key(&job));
    bed.hub.state().paused.clear();
    assert_eq!(bed.end_of(job).await.error_class, Some(ErrorClass::JobTimeout));
}

#[tokio::test]
async fn a_paused_job_is_resumed_to_react_to_its_cancellation() {
    let bed = Bed::with_agent().await;
    let script = "trap 'echo tidy; cp control.json seen.json; exit 0' TERM; echo $$ > pid; while :; do sleep 0.02; done";
    let job = bed.shell_as(script, |job| job.cancel_grace_s = Some(30));
    let pid = bed.pid_in(job, "pid").await;
    bed.hub.state().paused.insert(job);
    until(|| is_suspended(pid).then_some(())).await;
    bed.hub.state().cancel.insert(job);
    assert_eq!(bed.end_of(job).await.status, Status::Canceled);
    assert!(bed.log_of(job).iter().any(|line| line.message == "tidy"));
    let seen: Value = serde_json::from_slice(&fs::read(bed.folder(job).join("seen.json")).unwrap()).unwrap();
    assert_eq!(seen, json!({"cancel": true, "paused": false}));
}

#[tokio::test]
async fn a_job_may_have_its_own_grace() {
    let mut bed = Bed::new().await;
    let mut settings = bed.settings();
    settings.kill_grace = Duration::from_secs(1000);
    bed.start(settings, None);
    let job = bed.shell_as("trap '' TERM; echo $$ > pid; while :; do sleep 0.02; done", |job| job.cancel_grace_s = Some(0));
    let pid = bed.pid_in(job, "pid").await;
    bed.hub.state().cancel.insert(job);
    assert_eq!(bed.end_of(job).await.status, Status::Canceled);
    assert!(!runs(pid));
}

#[tokio::test]
async fn a_job_paused_before_its_program_starts_is_suspended_from_the_start() {
    let bed = Bed::with_agent().await;
    let job = {
        let job = bed.shell("while [ ! -e go ]; do sleep 0.02; done; echo $$ > pid");
        bed.hub.state().paused.insert(job);
        job
    };
    until(|| (bed.folder(job).join("status.json").exists() && status(&bed, job) == "paused").then_some(())).await;
    fs::write(bed.folder(job).join("go"), "").unwrap();
    bed.hub.state().paused.clear();
    assert_eq!(bed.end_of(job).await.status, Status::Completed);
}

#[tokio::test]
async fn a_paused_worker_finishes_its_jobs_and_takes_no_new_ones() {
    let bed = Bed::with_agent().await;
    let job = bed.shell("echo $$ > pid; while [ ! -e go ]; do sleep 0.02; done");
    bed.pid_in(job, "pid").await;
    bed.hub.state().drain = true;
    let before = bed.hub.state().heartbeats.len();
    until(|| (bed.hub.state().heartbeats.len() > before + 1).then_some(())).await;
    let waiting = bed.shell("true");
    fs::write(bed.folder(job).join("go"), "").unwrap();
    assert_eq!(bed.end_of(job).await.status, Status::Completed);
    // The claim under way ends empty, and no other follows it.
    let claims = || bed.hub.state().calls.get("claim").copied().unwrap_or_default();
    let (seen, start) = (claims(), Instant::now());
    until(|| (start.elapsed() > Duration::from_secs(3)).then_some(())).await;
    assert_eq!(claims(), seen);
    assert!(!bed.hub.state().ends.contains_key(&waiting));
    bed.hub.state().drain = false;
    assert_eq!(bed.end_of(waiting).await.status, Status::Completed);
}

#[tokio::test]
async fn a_worker_that_is_paused_when_it_starts_claims_nothing() {
    let mut bed = Bed::new().await;
    bed.hub.state().drain = true;
    bed.start(bed.settings(), None);
    until(|| (bed.hub.state().heartbeats.len() > 3).then_some(())).await;
    assert_eq!(bed.hub.state().calls.get("claim"), None);
    let job = bed.shell("true");
    bed.hub.state().drain = false;
    assert_eq!(bed.end_of(job).await.status, Status::Completed);
}

#[tokio::test]
async fn registration_and_heartbeats_carry_labels_and_load() {
    let mut bed = Bed::new().await;
    let mut settings = bed.settings();
    settings.labels = vec!["windows".into(), "sap".into()];
    bed.start(settings, None);
    let heartbeat = until(|| bed.hub.state().heartbeats.last().cloned()).await;
    assert!(heartbeat.cpu_percent.is_some_and(|percent| (0.0..=100.0).contains(&percent)), "{heartbeat:?}");
    assert!(heartbeat.memory_bytes.is_some_and(|bytes| bytes > 1 << 20), "{heartbeat:?}");
    assert_eq!(bed.hub.state().registration.as_ref().unwrap().labels, ["windows", "sap"]);
}
