//! What survives a crash or a restart of the agent.

use std::{fs, os::unix::process::CommandExt as _, time::Duration};

use domain::{
    ids::JobId,
    job::{ErrorClass, Status},
};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::{
    hub::{Mode, assignment},
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
async fn a_stop_without_a_hub_keeps_the_end() {
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
async fn a_job_cut_short_is_reported_with_its_unsent_lines() {
    let mut bed = Bed::with_agent().await;
    let job = bed.shell("seq 1 20; echo $$ > pid; while [ ! -e go ]; do sleep 0.02; done; seq 21 3000; echo $$ > all; sleep 1000");
    until(|| (bed.log_of(job).len() == 20).then_some(())).await;
    bed.hub.set(Mode::Away);
    fs::write(bed.folder(job).join("go"), "").unwrap();
    let pid = bed.pid_in(job, "all").await;
    let log = bed.folder(job).join("logs/rpa.log");
    until(|| (fs::read_to_string(&log).unwrap().lines().count() == 3000).then_some(())).await;
    bed.crash().await;
    until(|| (!runs(pid)).then_some(())).await;
    bed.hub.set(Mode::Works);
    bed.start(bed.settings(), None);
    let end = bed.end_of(job).await;
    assert_eq!((end.status, end.error_class), (Status::Failed, Some(ErrorClass::Killed)));
    assert!(end.error_message.as_deref().unwrap().contains("ended meanwhile without a result"), "{:?}", end.error_message);
    let log: Vec<_> = bed.log_of(job).into_iter().map(|line| line.message).collect();
    assert_eq!(log[..3000], (1..=3000).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(log.len() == 3001 && log[3000].contains("the worker was restarted"), "{:?}", &log[3000..]);
    assert!(bed.hub.state().gaps.is_empty());
    until(|| (!bed.folder(job).join("lease.json").exists()).then_some(())).await;
    let status: Value = serde_json::from_slice(&fs::read(bed.folder(job).join("status.json")).unwrap()).unwrap();
    assert_eq!((&status["status"], &status["error_class"]), (&json!("failed"), &json!("KILLED")));
}

/// The folder of an agent that was killed while it ran a job dispatched by the hub.
fn left_behind(bed: &Bed, program: Value) -> JobId {
    let job = assignment("SHELL", "x.sh", 0, serde_json::Map::new());
    let (id, lease) = (job.job_id, job.lease_token);
    bed.hub.state().given.insert(id, job);
    fs::create_dir_all(bed.folder(id).join("logs")).unwrap();
    let file = json!({"job_id": id, "lease_token": lease, "started_at": chrono::Utc::now(), "program": program});
    fs::write(bed.folder(id).join("lease.json"), file.to_string()).unwrap();
    fs::write(bed.folder(id).join("status.json"), r#"{"status":"running"}"#).unwrap();
    id
}

#[tokio::test]
async fn a_program_that_ended_meanwhile_ends_its_job_by_the_result_it_left() {
    let mut bed = Bed::new().await;
    let table = [
        (r#"{"n": 1}"#, Status::Completed, ""),
        (r#"{"status": "completed_no_invoices"}"#, Status::CompletedNoInvoices, ""),
        (r#"{"status": "failed", "error": "portal is closed"}"#, Status::Failed, "portal is closed"),
        (r#"{"status": "failed", "error": "no password", "error_class": "CREDENTIAL_INVALID"}"#, Status::Failed, "no password"),
        ("half a res", Status::Failed, "without a result"),
    ];
    let jobs = table.map(|(result, ..)| {
        let job = left_behind(&bed, Value::Null);
        fs::write(bed.folder(job).join("result.json"), result).unwrap();
        job
    });
    let known = left_behind(&bed, Value::Null);
    let status = r#"{"status":"failed","message":"exit code 3: no","error_class":"ROBOT_ERROR"}"#;
    fs::write(bed.folder(known).join("status.json"), status).unwrap();
    bed.start(bed.settings(), None);
    for (job, (result, status, words)) in jobs.into_iter().zip(table) {
        let end = bed.end_of(job).await;
        if result.contains("error_class") {
            assert_eq!(end.error_class, Some(ErrorClass::CredentialInvalid));
        }
        assert_eq!((end.status, end.result), (status, serde_json::from_str(result).ok()), "{result}");
        assert!(end.error_message.unwrap_or_default().contains(words), "{result}");
        assert!(bed.log_of(job).last().unwrap().message.contains("restarted"), "{result}");
    }
    let end = bed.end_of(known).await;
    assert_eq!((end.error_class, end.error_message.as_deref()), (Some(ErrorClass::RobotError), Some("exit code 3: no")));
}

#[tokio::test]
async fn a_program_that_an_agent_left_running_is_killed_and_reported_as_killed() {
    let mut bed = Bed::new().await;
    let mut left = std::process::Command::new("sleep").arg("1000").process_group(0).spawn().unwrap();
    let pid = left.id().cast_signed();
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let started: u64 = stat.rsplit_once(')').unwrap().1.split_whitespace().nth(19).unwrap().parse().unwrap();
    let boot = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap();
    let job = left_behind(&bed, json!({"pid": pid, "started": started, "boot_id": boot.trim()}));
    // Outside the group, found by its environment.
    let mut far = std::process::Command::new("sleep").arg("1000").env("REGENTE_JOB_ID", job.to_string()).spawn().unwrap();
    let far_pid = far.id().cast_signed();
    // For a moment after its start others cannot read a process's environment.
    until(|| fs::read_to_string(format!("/proc/{far_pid}/environ")).unwrap().contains(&job.to_string()).then_some(())).await;
    let mut display = std::process::Command::new("sleep").arg("1000").env("REGENTE_DISPLAY_OF", job.to_string()).spawn().unwrap();
    let display_pid = display.id().cast_signed();
    until(|| fs::read_to_string(format!("/proc/{display_pid}/environ")).unwrap().contains(&job.to_string()).then_some(())).await;
    // Its process id was reused meanwhile.
    let mut innocent = std::process::Command::new("sleep").arg("1000").spawn().unwrap();
    let reused = left_behind(&bed, json!({"pid": innocent.id(), "started": 1, "boot_id": boot.trim()}));
    bed.start(bed.settings(), None);
    let end = bed.end_of(job).await;
    assert_eq!((end.status, end.error_class), (Status::Failed, Some(ErrorClass::Killed)));
    assert!(end.error_message.as_deref().unwrap().contains("killed the unsupervised program"), "{:?}", end.error_message);
    assert!(!runs(pid) && !runs(far_pid) && !runs(display_pid));
    assert!(bed.end_of(reused).await.error_message.unwrap().contains("ended meanwhile"));
    assert!(runs(innocent.id().cast_signed()));
    innocent.kill().unwrap();
    for child in [&mut left, &mut far, &mut display, &mut innocent] {
        child.wait().unwrap();
    }
}

#[tokio::test]
async fn nothing_is_reported_about_a_job_that_another_worker_has_by_now() {
    let mut bed = Bed::new().await;
    let job = left_behind(&bed, Value::Null);
    bed.hub.state().stale.insert(job);
    bed.start(bed.settings(), None);
    until(|| (!bed.folder(job).join("lease.json").exists()).then_some(())).await;
    assert!(!bed.hub.state().ends.contains_key(&job));
}

#[tokio::test]
async fn old_folders_are_removed() {
    let mut bed = Bed::new().await;
    let jobs: Vec<_> = (0..5).map(|_| JobId::new(Uuid::now_v7())).collect();
    for job in &jobs {
        fs::create_dir_all(bed.folder(*job)).unwrap();
    }
    fs::write(bed.folder(jobs[0]).join("finish.json"), "not an end").unwrap();
    fs::write(bed.folder(jobs[1]).join("lease.json"), "not a lease").unwrap();
    let mut settings = bed.settings();
    settings.keep_folders = 2;
    bed.start(settings, None);
    until(|| (bed.hub.state().registered == 1).then_some(())).await;
    let left = jobs.iter().filter(|job| bed.folder(**job).exists()).count();
    assert_eq!(left, 4);
    assert!(bed.folder(jobs[0]).exists() && bed.folder(jobs[1]).exists());
}

#[tokio::test]
async fn the_newest_folders_are_kept_up_to_their_size_and_age() {
    let mut bed = Bed::new().await;
    // From the oldest to the newest.
    let jobs: Vec<_> = [(40, 0), (30, 300_000), (20, 300_000), (10, 300_000), (5, 2_000_000)]
        .map(|(age, bytes)| {
            let job = JobId::new(Uuid::now_v7());
            fs::create_dir_all(bed.folder(job).join("logs")).unwrap();
            fs::write(bed.folder(job).join("logs/rpa.log"), vec![b'x'; bytes]).unwrap();
            let time = std::time::SystemTime::now() - Duration::from_secs(age);
            fs::File::open(bed.folder(job)).unwrap().set_modified(time).unwrap();
            job
        })
        .into();
    fs::write(bed.folder(jobs[4]).join("finish.json"), "not an end").unwrap();
    fs::File::open(bed.folder(jobs[4])).unwrap().set_modified(std::time::SystemTime::now()).unwrap();
    let mut settings = bed.settings();
    settings.keep_bytes = 2_800_000;
    settings.keep_for = Duration::from_secs(35);
    bed.start(settings, None);
    until(|| (bed.hub.state().registered == 1).then_some(())).await;
    let left: Vec<_> = jobs.iter().map(|job| bed.folder(*job).exists()).collect();
    assert_eq!(left, [false, false, true, true, true], "too old, too much, kept, kept, unreported");
}
