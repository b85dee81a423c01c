//! Robots that leave what an agent must not open, read or write through.

use std::fs;

use domain::job::{ErrorClass, Status};
use serde_json::json;

use crate::support::{Bed, until};

/// Ways to replace the file `$1` by something else, and whether the system may refuse it for a name in use.
const PLANTS: [&str; 6] = [
    "rm -rf $1; mkfifo $1",
    "rm -rf $1; ln -s /dev/zero $1",
    "rm -rf $1; ln -s \"$VICTIM\" $1",
    "rm -rf $1; mkdir $1; touch $1/x",
    "rm -rf $1; truncate -s 900G $1",
    "rm -rf $1; ln -s $1 $1",
];

const NAMES: [&str; 9] = [
    "result.json",
    "progress.json",
    ".status.json.new",
    "status.json",
    "control.json",
    "config.json",
    "finish.json",
    "logs/rpa.log",
    "logs/outbox.jsonl",
];

fn plants(victim: &std::path::Path) -> String {
    let mut script = format!("VICTIM='{}'\n", victim.display());
    for (number, plant) in PLANTS.iter().enumerate() {
        script.push_str(&format!("plant{number}() {{ {plant}; }}\n"));
    }
    script
}

/// One job for each file and kind, and one beside them that must not be disturbed.
#[tokio::test]
async fn whatever_a_robot_plants_its_job_and_others_end() {
    let bed = Bed::with_agent().await;
    let victim = bed.dir.path().join("victim");
    fs::write(&victim, "as it was").unwrap();
    let innocent = bed.shell("while [ ! -e go ]; do sleep 0.02; done; echo '{\"n\": 1}' > result.json");
    let mut jobs = Vec::new();
    for name in NAMES {
        for plant in 0..PLANTS.len() {
            // More lines than fit into memory, after the plant: some are written to the outbox in the folder.
            let script = format!("{}plant{plant} {name}\nseq 1 1200\nsleep 0.3", plants(&victim));
            jobs.push((name, plant, bed.shell(&script)));
        }
    }
    for (name, plant, job) in jobs {
        let end = bed.end_of(job).await;
        assert_eq!((end.status, end.result), (Status::Completed, None), "{name} {plant}");
        let log = bed.log_of(job);
        let numbers = log.iter().filter(|line| line.message.parse::<u32>().is_ok()).count();
        assert!(numbers == 1200 || log.iter().any(|line| line.message.contains("lines were lost")), "{name} {plant}: {numbers}");
        let noted = log.iter().any(|line| line.message.contains("result.json is not reported"));
        assert_eq!(noted, name == "result.json", "{name} {plant}: {:?}", log.last());
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "as it was");
    fs::write(bed.folder(innocent).join("go"), "").unwrap();
    assert_eq!(bed.end_of(innocent).await.result, Some(json!({"n": 1})));
}

#[tokio::test]
async fn a_folder_replaced_by_a_link_is_not_written_through() {
    let bed = Bed::with_agent().await;
    let outside = bed.dir.path().join("outside");
    fs::create_dir(&outside).unwrap();
    let lines = "seq 1 3000; echo '{\"n\": 1}' > result.json";
    let logs = bed.shell(&format!("mv logs old; ln -s '{}' logs; {lines}", outside.display()));
    let whole = bed.shell(&format!("cd ..; mv $REGENTE_JOB_ID old; ln -s '{}' $REGENTE_JOB_ID; cd old; {lines}", outside.display()));
    assert_eq!(bed.end_of(logs).await.result, Some(json!({"n": 1})));
    assert_eq!(bed.end_of(whole).await.status, Status::Completed);
    assert_eq!(fs::read_dir(&outside).unwrap().count(), 0);
}

#[tokio::test]
async fn what_was_planted_does_not_stop_the_next_agent_either() {
    let mut bed = Bed::new().await;
    let mut settings = bed.settings();
    // A job without a lease file is dispatched again, and stays.
    settings.slots = 32;
    bed.start(settings.clone(), None);
    let victim = bed.dir.path().join("victim");
    fs::write(&victim, "as it was").unwrap();
    let mut jobs = Vec::new();
    for names in [&["result.json", "status.json", ".status.json.new"][..], &["logs/rpa.log", "finish.json"], &["lease.json"]] {
        for plant in 0..PLANTS.len() {
            let planting: String = names.iter().map(|name| format!("plant{plant} {name}\n")).collect();
            jobs.push((names, bed.shell(&format!("{}{planting}echo $$ > pid; exec sleep 1000", plants(&victim)))));
            if jobs.len() % 3 == 0 {
                let started: Vec<_> = jobs[jobs.len() - 3..].iter().map(|(_, job)| *job).collect();
                for job in started {
                    bed.pid_in(job, "pid").await;
                }
                bed.crash().await;
                bed.start(settings.clone(), None);
            }
        }
    }
    for (names, job) in &jobs {
        // Without its lease file the hub ends the job.
        if !names.contains(&"lease.json") {
            let end = bed.end_of(*job).await;
            assert_eq!((end.status, end.error_class), (Status::Failed, Some(ErrorClass::Killed)), "{names:?}");
        }
    }
    let next = bed.shell("true");
    assert_eq!(bed.end_of(next).await.status, Status::Completed);
    assert_eq!(fs::read_to_string(&victim).unwrap(), "as it was");
}

/// A lease file as a robot would forge it, to have other processes killed.
#[tokio::test]
async fn a_forged_lease_of_another_job_is_ignored() {
    let mut bed = Bed::new().await;
    let job = uuid::Uuid::now_v7();
    fs::create_dir_all(bed.folder(job.into())).unwrap();
    let mut innocent =
        std::process::Command::new("sleep").arg("1000").env("REGENTE_JOB_ID", uuid::Uuid::nil().to_string()).spawn().unwrap();
    let forged = json!({"job_id": uuid::Uuid::nil(), "lease_token": job, "started_at": chrono::Utc::now()});
    fs::write(bed.folder(job.into()).join("lease.json"), forged.to_string()).unwrap();
    bed.start(bed.settings(), None);
    until(|| (bed.hub.state().registered == 1).then_some(())).await;
    assert!(innocent.try_wait().unwrap().is_none());
    innocent.kill().unwrap();
    innocent.wait().unwrap();
}
