//! What survives the agent.

use std::{fs, time::Duration};

use domain::job::Status;

use crate::{
    hub::Mode,
    support::{Bed, runs, until},
};

#[tokio::test]
async fn an_unsent_end_is_sent_by_the_next_agent() {
    let mut bed = Bed::with_agent().await;
    let job = bed.shell("seq 1 50; while [ ! -e go ]; do sleep 0.02; done; seq 51 3000; echo '[1]' > result.json; exit 0");
    until(|| (bed.log_of(job).len() == 50).then_some(())).await;
    bed.hub.set(Mode::Away);
    fs::write(bed.folder(job).join("go"), "").unwrap();
    let saved = bed.folder(job).join("finish.json");
    until(|| saved.exists().then_some(())).await;
    bed.crash().await;
    bed.hub.set(Mode::Works);
    assert!(!bed.hub.state().ends.contains_key(&job));
    bed.start(bed.settings(), None);
    let end = bed.end_of(job).await;
    assert_eq!((end.status, end.result), (Status::Completed, Some(serde_json::json!([1]))));
    let log: Vec<_> = bed.log_of(job).into_iter().map(|line| line.message).collect();
    assert_eq!(log, (1..=3000).map(|n| n.to_string()).collect::<Vec<_>>());
    until(|| (!saved.exists()).then_some(())).await;
    assert_eq!(bed.hub.state().given.len(), 1);
}

#[tokio::test]
async fn a_stop_without_hub_keeps_the_end() {
    let mut bed = Bed::new().await;
    let mut settings = bed.settings();
    settings.drain = Duration::from_millis(100);
    settings.kill_grace = Duration::from_millis(100);
    bed.start(settings, None);
    let job = bed.shell("echo $$ > pid; exec sleep 1000");
    bed.pid_in(job, "pid").await;
    bed.hub.set(Mode::Away);
    bed.stop().await.unwrap();
    assert!(bed.folder(job).join("finish.json").exists());
    bed.hub.set(Mode::Works);
    bed.start(bed.settings(), None);
    assert_eq!(bed.end_of(job).await.error_message.as_deref(), Some("the worker was stopped"));
}

#[tokio::test]
async fn a_job_cut_short_runs_again_and_loses_no_lines() {
    let mut bed = Bed::with_agent().await;
    let job = bed.shell("echo one; echo two; [ -e ../../again ] || { touch ../../again; sleep 1000; }; echo three");
    until(|| (bed.log_of(job).len() == 2).then_some(())).await;
    bed.crash().await;
    bed.start(bed.settings(), None);
    assert_eq!(bed.end_of(job).await.status, Status::Completed);
    let log: Vec<_> = bed.log_of(job).into_iter().map(|line| line.message).collect();
    assert_eq!(
        (log.len(), &log[..2], &log[3..]),
        (6, &["one".to_owned(), "two".into()][..], &["one".to_owned(), "two".into(), "three".into()][..])
    );
    assert!(bed.hub.state().gaps.is_empty());
}

#[tokio::test]
async fn programs_of_a_dead_agent_are_killed() {
    let mut bed = Bed::new().await;
    let id = uuid::Uuid::now_v7();
    let folder = bed.folder(id);
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("status.json"), r#"{"status":"running"}"#).unwrap();
    let mut left = std::process::Command::new("sleep").arg("1000").env("REGENTE_JOB_ID", id.to_string()).spawn().unwrap();
    let pid = left.id().cast_signed();
    // For a moment after its start a process has no environment that others can read.
    until(|| fs::read_to_string(format!("/proc/{pid}/environ")).unwrap().contains(&id.to_string()).then_some(())).await;
    bed.start(bed.settings(), None);
    until(|| (!runs(pid)).then_some(())).await;
    left.wait().unwrap();
}

#[tokio::test]
async fn old_folders_are_removed() {
    let mut bed = Bed::new().await;
    let jobs: Vec<_> = (0..5).map(|_| uuid::Uuid::now_v7()).collect();
    for job in &jobs {
        fs::create_dir_all(bed.folder(*job)).unwrap();
    }
    fs::write(bed.folder(jobs[0]).join("finish.json"), "not an end").unwrap();
    let mut settings = bed.settings();
    settings.keep_folders = 2;
    bed.start(settings, None);
    until(|| (bed.hub.state().registered == 1).then_some(())).await;
    let left = jobs.iter().filter(|job| bed.folder(**job).exists()).count();
    assert_eq!(left, 3);
    assert!(bed.folder(jobs[0]).exists());
}
