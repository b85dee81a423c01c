//! Jobs and workers that must stop.

use std::time::Duration;

use domain::job::{ErrorClass, Status};
use worker_agent::{Auth, Error};

use crate::{
    hub::Mode,
    support::{Bed, runs, until},
};

const LONG: &str = "echo $$ > pid; exec sleep 1000";

#[tokio::test]
async fn a_canceled_job_is_notified_and_ended() {
    let bed = Bed::with_agent().await;
    let job = bed.shell("trap 'cp control.json seen.json; kill $!; exit 0' TERM; echo $$ > pid; sleep 1000 & wait");
    let pid = bed.pid_in(job, "pid").await;
    bed.hub.state().cancel.insert(job);
    assert_eq!(bed.end_of(job).await.status, Status::Canceled);
    assert!(!runs(pid));
    assert_eq!(
        std::fs::read_to_string(bed.folder(job).join("seen.json")).unwrap().replace([' ', '\n'], ""),
        r#"{"cancel":true,"paused":false}"#
    );
}

#[tokio::test]
async fn a_job_whose_lease_is_lost_is_killed_and_not_reported() {
    let mut bed = Bed::with_agent().await;
    let job = bed.shell(LONG);
    let pid = bed.pid_in(job, "pid").await;
    bed.hub.state().stale.insert(job);
    until(|| (!runs(pid)).then_some(())).await;
    let next = bed.shell("true");
    bed.end_of(next).await;
    bed.stop().await.unwrap();
    assert!(!bed.hub.state().ends.contains_key(&job));
    assert!(bed.log_of(job).is_empty());
}

#[tokio::test]
async fn a_heartbeat_that_is_not_answered_is_given_up_for_the_next() {
    let mut bed = Bed::new().await;
    let mut settings = bed.settings();
    settings.request_timeout = Duration::from_secs(3600);
    bed.start(settings, None);
    bed.hub.state().hanging_heartbeats = 2;
    until(|| (bed.hub.state().hanging_heartbeats == 0).then_some(())).await;
    let before = bed.hub.state().heartbeats.len();
    until(|| (bed.hub.state().heartbeats.len() > before).then_some(())).await;
}

#[tokio::test]
async fn a_lease_lost_at_a_log_request_kills_the_job_too() {
    let bed = Bed::with_agent().await;
    let job = bed.shell("echo $$ > pid; while :; do echo line; sleep 0.05; done");
    let pid = bed.pid_in(job, "pid").await;
    bed.hub.state().given.get_mut(&job).unwrap().lease_token = uuid::Uuid::now_v7();
    until(|| (!runs(pid)).then_some(())).await;
}

#[tokio::test]
async fn a_stop_waits_for_jobs_and_then_kills_them() {
    let mut bed = Bed::new().await;
    let mut settings = bed.settings();
    settings.drain = Duration::from_millis(300);
    bed.start(settings, None);
    let long = bed.shell(LONG);
    let pid = bed.pid_in(long, "pid").await;
    bed.stop().await.unwrap();
    assert!(!runs(pid));
    let end = bed.end_of(long).await;
    assert_eq!((end.error_class, end.error_message.as_deref()), (Some(ErrorClass::Killed), Some("the worker was stopped")));
}

#[tokio::test]
async fn a_stop_lets_short_jobs_finish() {
    let mut bed = Bed::with_agent().await;
    let job = bed.shell("echo $$ > pid; sleep 0.3; echo done");
    bed.pid_in(job, "pid").await;
    bed.stop().await.unwrap();
    assert_eq!(bed.hub.state().ends[&job].status, Status::Completed);
}

#[tokio::test]
async fn a_dropped_agent_leaves_no_program() {
    let mut bed = Bed::with_agent().await;
    let job = bed.shell("setsid sh -c 'echo $$ > far; exec sleep 1000' & echo $$ > pid; wait");
    let pids = [bed.pid_in(job, "pid").await, bed.pid_in(job, "far").await];
    bed.crash().await;
    for pid in pids {
        until(|| (!runs(pid)).then_some(())).await;
    }
}

#[tokio::test]
async fn a_refused_key_is_fatal_and_an_unreachable_hub_is_not() {
    let mut bed = Bed::new().await;
    bed.hub.set(Mode::Locked);
    let mut settings = bed.settings();
    settings.auth = Auth::WorkerKey("secret-key".to_owned().into());
    bed.start(settings, None);
    let error = bed.agent_end().await.unwrap_err();
    assert!(matches!(error, Error::Refused(_)), "{error}");
    assert!(!error.to_string().contains("secret-key"));
    bed.hub.set(Mode::Away);
    bed.hub.state().turned_away = 0;
    bed.start(bed.settings(), None);
    let job = bed.shell("true");
    until(|| (bed.hub.state().turned_away >= 2).then_some(())).await;
    bed.hub.set(Mode::Works);
    assert_eq!(bed.end_of(job).await.status, Status::Completed);
}

#[tokio::test]
async fn a_worker_whose_registration_is_gone_registers_again() {
    let bed = Bed::with_agent().await;
    until(|| (bed.hub.state().registered == 1).then_some(())).await;
    bed.hub.state().forget_worker = true;
    until(|| (bed.hub.state().registered >= 2).then_some(())).await;
    let job = bed.shell("true");
    assert_eq!(bed.end_of(job).await.status, Status::Completed);
}

#[tokio::test]
async fn heartbeats_list_the_held_jobs() {
    let bed = Bed::with_agent().await;
    let job = bed.shell("while [ ! -e go ]; do sleep 0.02; done");
    let token = until(|| bed.hub.state().given.get(&job).map(|given| given.lease_token)).await;
    let held = until(|| bed.hub.state().heartbeats.last()?.jobs.first().cloned()).await;
    assert_eq!((held.job_id, held.lease_token), (job, token));
    std::fs::write(bed.folder(job).join("go"), "").unwrap();
    bed.end_of(job).await;
}

#[tokio::test]
async fn two_workers_do_not_share_a_folder() {
    let mut bed = Bed::with_agent().await;
    let job = bed.shell("true");
    bed.end_of(job).await;
    let second = worker_agent::Agent::new(bed.settings(), None).unwrap();
    let error = second.run(std::future::pending()).await.unwrap_err();
    assert!(error.to_string().contains("another worker"), "{error}");
    bed.stop().await.unwrap();
}
