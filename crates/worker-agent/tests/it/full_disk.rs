//! A disk that fills up while a job runs, and has space again.

use std::{fs, path::PathBuf, process::Command};

use domain::job::Status;

use crate::{
    hub::Mode,
    support::{Bed, until},
};

/// A small tmpfs, mounted until this is dropped.
struct Disk(PathBuf);

impl Disk {
    /// `None` where mounting is not allowed.
    fn mount(path: PathBuf) -> Option<Self> {
        fs::create_dir_all(&path).unwrap();
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", "size=4m,mode=700", "tmpfs"]).arg(&path).output();
        mounted.is_ok_and(|mounted| mounted.status.success()).then_some(Self(path))
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        let _unmounted = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

#[tokio::test]
async fn a_full_disk_loses_no_job_and_the_log_counts_the_lost_lines() {
    let mut bed = Bed::new().await;
    let Some(disk) = Disk::mount(bed.dir.path().join("work")) else {
        println!("skipped: this user cannot mount a file system");
        return;
    };
    // What is in pipes when space returns must not fill the disk again, and take the place of the end.
    let filler = disk.0.join("filler");
    fs::write(&filler, vec![0; 3_500_000]).unwrap();
    let mut settings = bed.settings();
    settings.least_free = 0;
    bed.start(settings, None);
    let go = |name: &str| bed.dir.path().join(name);
    let wait = |name: &str| format!("while [ ! -e {} ]; do sleep 0.02; done", go(name).display());
    let script = format!(
        "seq 1 100; {}; seq 101 60000; echo > {}; {}; seq 60001 60100; echo '[1]' > result.json",
        wait("go"),
        go("full").display(),
        wait("on")
    );
    let job = bed.shell(&script);
    until(|| (bed.log_of(job).len() == 100).then_some(())).await;
    bed.hub.set(Mode::Away);
    fs::write(go("go"), "").unwrap();
    until(|| go("full").exists().then_some(())).await;
    fs::remove_file(&filler).unwrap();
    fs::write(go("on"), "").unwrap();
    until(|| bed.folder(job).join("finish.json").exists().then_some(())).await;
    bed.hub.set(Mode::Works);
    let end = bed.end_of(job).await;
    assert_eq!((end.status, end.result), (Status::Completed, Some(serde_json::json!([1]))));
    assert!(bed.hub.state().gaps.is_empty());

    let (mut next, mut notes) = (1, 0);
    for line in bed.log_of(job) {
        let lost = line.message.strip_suffix(" log lines were lost: No space left on device (os error 28)");
        notes += u32::from(lost.is_some());
        next += lost.map_or(1, |lost| lost.parse().unwrap());
        assert!(lost.is_some() || line.message == (next - 1).to_string(), "{} is not {}", line.message, next - 1);
    }
    assert!(notes > 0, "the disk was never full");
    assert_eq!(next, 60_101, "each line is there once, or counted as lost");
    let file = fs::read_to_string(bed.folder(job).join("logs/rpa.log")).unwrap();
    let mut next = 1;
    for line in file.lines() {
        match line.strip_prefix("-- ") {
            Some(gap) => next += gap.split(' ').next().unwrap().parse::<u32>().unwrap(),
            None => {
                assert!(line.ends_with(&format!(" INFO {next}")), "{} is not {next}", line.chars().take(80).collect::<String>());
                next += 1;
            }
        }
    }
    assert_eq!(next, 60_101);
    let job = bed.shell("echo fine");
    assert_eq!(bed.end_of(job).await.status, Status::Completed);
    bed.stop().await.unwrap();
}
