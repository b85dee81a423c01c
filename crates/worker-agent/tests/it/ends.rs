//! How a program's end becomes a job's.

use std::time::{Duration, Instant};

use domain::job::{ErrorClass, Status};
use serde_json::json;

use crate::support::{Bed, runs, until};

#[tokio::test]
async fn exit_codes_and_signals() {
    let bed = Bed::with_agent().await;
    let table = [
        ("exit 0", Status::Completed, None, ""),
        (r#"echo '{"status":"completed_no_invoices"}' > result.json"#, Status::CompletedNoInvoices, None, ""),
        ("echo fine; echo 'the reason' >&2; exit 7", Status::Failed, Some(ErrorClass::RobotError), "exit code 7: the reason"),
        ("exit 64", Status::Failed, Some(ErrorClass::RobotError), "exit code 64"),
        ("kill -SEGV $$", Status::Failed, Some(ErrorClass::Killed), "SIGSEGV"),
        ("kill -KILL $$", Status::Failed, Some(ErrorClass::Killed), "SIGKILL"),
    ];
    for (script, status, class, words) in table {
        let job = bed.shell(script);
        let end = bed.end_of(job).await;
        assert_eq!((end.status, end.error_class), (status, class), "{script}");
        assert!(end.error_message.unwrap_or_default().contains(words), "{script}");
    }
}

#[tokio::test]
async fn what_cannot_be_started_says_why() {
    let mut bed = Bed::new().await;
    let mut settings = bed.settings();
    settings.python = "no-such-python".into();
    bed.start(settings, None);
    bed.script("robot.py", "");
    bed.script("no-interpreter", "#!/no/such/thing\n");
    std::fs::write(bed.dir.path().join("plain"), "x").unwrap();
    let table = [
        ("PYTHON", "missing.py", "file not found: /"),
        ("PYTHON", "robot.py", "no Python: \"no-such-python\""),
        ("SHELL", "/no/such/script.sh", "file not found: /no/such/script.sh"),
        ("EXE", "plain", "not executable: /"),
        ("EXE", "no-interpreter", "interpreter"),
        ("EXE", ".", "is a folder"),
        ("EXE", "", "no script_path"),
        ("COBOL", "plain", "unknown entry point type"),
    ];
    for (kind, script, words) in table {
        let job = bed.hub.job(kind, script, 0, json!({}));
        let end = bed.end_of(job).await;
        assert_eq!(end.error_class, Some(ErrorClass::LaunchFailed), "{kind} {script}");
        let message = end.error_message.unwrap();
        assert!(message.contains(words), "{kind} {script}: {message}");
    }
}

#[tokio::test]
async fn a_time_out_kills_the_whole_tree() {
    let bed = Bed::with_agent().await;
    let script = "setsid sh -c 'trap \"\" TERM; echo $$ > far; while :; do sleep 1; done' &
sh -c 'trap \"\" TERM; echo $$ > near; while :; do sleep 1; done' &
env -i setsid sh -c 'echo $$ > unmarked; exec sleep 1000' &
wait";
    let job = bed.shell_with(script, 1, json!({}));
    let mut pids = Vec::new();
    for name in ["far", "near", "unmarked"] {
        pids.push(bed.pid_in(job, name).await);
    }
    let end = bed.end_of(job).await;
    assert_eq!(end.error_class, Some(ErrorClass::JobTimeout), "{:?}", end.error_message);
    for pid in pids {
        until(|| (!runs(pid)).then_some(())).await;
    }
}

#[tokio::test]
async fn term_gives_time_to_tidy_up() {
    let mut bed = Bed::new().await;
    let mut settings = bed.settings();
    settings.kill_grace = Duration::from_secs(20);
    bed.start(settings, None);
    let job = bed.shell_with("trap 'echo tidy; exit 0' TERM; sleep 1000 & wait", 1, json!({}));
    assert_eq!(bed.end_of(job).await.error_class, Some(ErrorClass::JobTimeout));
    assert_eq!(bed.log_of(job)[0].message, "tidy");
}

#[tokio::test]
async fn what_is_left_of_the_group_dies_with_the_program() {
    let bed = Bed::with_agent().await;
    let job = bed.shell("sleep 1000 & echo $! > left; echo done");
    assert_eq!(bed.end_of(job).await.status, Status::Completed);
    let pid = bed.pid_in(job, "left").await;
    until(|| (!runs(pid)).then_some(())).await;
}

#[tokio::test]
async fn a_daemon_that_keeps_the_output_open_does_not_block_the_end() {
    let bed = Bed::with_agent().await;
    let start = Instant::now();
    let job = bed.shell("setsid sh -c 'echo $$ > daemon; exec sleep 30' & while [ ! -s daemon ]; do sleep 0.01; done; echo done");
    assert_eq!(bed.end_of(job).await.status, Status::Completed);
    assert!(start.elapsed() < Duration::from_secs(20));
    let log = bed.log_of(job);
    assert_eq!(log[0].message, "done");
    assert!(log[1].message.contains("left behind"), "{log:?}");
    let pid = bed.pid_in(job, "daemon").await;
    std::process::Command::new("kill").arg(pid.to_string()).status().unwrap();
}
