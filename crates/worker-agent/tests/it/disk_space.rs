//! A worker whose disk is full.

use std::fs;

use domain::{ids::JobId, job::Status};
use uuid::Uuid;

use crate::support::{Bed, until};

#[tokio::test]
async fn a_worker_without_disk_space_takes_no_job_and_resumes_with_space() {
    let mut bed = Bed::new().await;
    let job = bed.shell("true");
    let mut settings = bed.settings();
    settings.least_free = u64::MAX;
    bed.start(settings, None);
    until(|| (bed.hub.state().heartbeats.len() > 5).then_some(())).await;
    assert_eq!(bed.hub.state().waiting.len(), 1, "it is left to other workers");
    bed.stop().await.unwrap();
    let mut settings = bed.settings();
    settings.least_free = 0;
    bed.start(settings, None);
    assert_eq!(bed.end_of(job).await.status, Status::Completed);
}

#[tokio::test]
async fn unneeded_folders_are_removed_when_space_is_short() {
    let mut bed = Bed::new().await;
    let [old, unreported] = [(), ()].map(|()| JobId::new(Uuid::now_v7()));
    for job in [old, unreported] {
        fs::create_dir_all(bed.folder(job)).unwrap();
    }
    fs::write(bed.folder(unreported).join("finish.json"), "not an end").unwrap();
    let mut settings = bed.settings();
    settings.least_free = u64::MAX;
    bed.start(settings, None);
    until(|| (bed.hub.state().registered == 1).then_some(())).await;
    assert!(!bed.folder(old).exists(), "it is not needed");
    assert!(bed.folder(unreported).exists(), "the hub does not have its end");
}
