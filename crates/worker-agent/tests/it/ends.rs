//! How a program's end becomes a job's.

use std::{fs, time::Duration};

use domain::job::{ErrorClass, Status};
use serde_json::json;

use crate::support::{Bed, runs, until, zombies};

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
async fn a_program_that_cannot_start_gives_the_reason() {
    let mut bed = Bed::new().await;
    let mut settings = bed.settings();
    settings.python = "no-such-python".into();
    bed.start(settings, None);
    bed.script("robot.py", "");
    bed.script("no-interpreter", "#!/no/such/thing\n");
    bed.script("lost.sh", "#!/no/such/thing\n");
    fs::write(bed.dir.path().join("plain"), "x").unwrap();
    let table = [
        ("PYTHON", "missing.py", "file not found: /"),
        ("PYTHON", "robot.py", "no Python: \"no-such-python\""),
        ("SHELL", "/no/such/script.sh", "--scripts /no/such"),
        ("SHELL", "/etc/passwd", "/etc/passwd is in none of this worker's script folders"),
        ("SHELL", "lost.sh", "its interpreter \"/no/such/thing\" is not found"),
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
async fn a_shell_script_runs_with_the_interpreter_of_its_first_line() {
    let bed = Bed::with_agent().await;
    bed.script("names.sh", "#!/usr/bin/env python3\nimport sys\nprint(len(sys.argv), sys.argv[1])\n");
    let named = bed.hub.job("SHELL", "names.sh", 0, json!({}));
    let arrays = bed.shell("#!/bin/bash\nwords=(a b)\n[[ ${#words[@]} = 2 ]] && echo \"two\"");
    assert_eq!((bed.end_of(named).await.status, bed.end_of(arrays).await.status), (Status::Completed, Status::Completed));
    assert_eq!((bed.log_of(named)[0].message.as_str(), bed.log_of(arrays)[0].message.as_str()), ("3 --config", "two"));
}

#[tokio::test]
async fn paths_are_those_of_the_agent_s_folder_not_of_the_job_s() {
    let mut bed = Bed::new().await;
    let here = std::env::current_dir().unwrap();
    let up: std::path::PathBuf = here.components().skip(1).map(|_| "..").collect();
    let relative = |path: &std::path::Path| up.join(path.strip_prefix("/").unwrap());
    let python = std::process::Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().unwrap();
    let mut settings = bed.settings();
    settings.python = relative(std::path::Path::new(String::from_utf8(python.stdout).unwrap().trim())).display().to_string();
    settings.work_dir = relative(&settings.work_dir);
    settings.base_dir = relative(&settings.base_dir);
    bed.start(settings, None);
    bed.script("robot.py", "import json, sys\nprint(json.load(open(sys.argv[2])))");
    let job = bed.hub.job("PYTHON", "robot.py", 0, json!({"n": 1}));
    let end = bed.end_of(job).await;
    assert_eq!(end.status, Status::Completed, "{:?}", end.error_message);
    assert_eq!(bed.log_of(job)[0].message, "{'n': 1}");
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
async fn term_leaves_time_to_clean_up() {
    let mut bed = Bed::new().await;
    let mut settings = bed.settings();
    settings.kill_grace = Duration::from_secs(20);
    bed.start(settings, None);
    let job = bed.shell_with("trap 'echo tidy; exit 0' TERM; sleep 1000 & wait", 1, json!({}));
    assert_eq!(bed.end_of(job).await.error_class, Some(ErrorClass::JobTimeout));
    assert_eq!(bed.log_of(job)[0].message, "tidy");
}

#[tokio::test]
async fn the_rest_of_the_group_dies_with_the_program() {
    let bed = Bed::with_agent().await;
    let job = bed.shell("sleep 1000 & echo $! > left; echo done");
    assert_eq!(bed.end_of(job).await.status, Status::Completed);
    let pid = bed.pid_in(job, "left").await;
    until(|| (!runs(pid)).then_some(())).await;
}

/// A fork whose parent is gone, in a session of its own, with nothing in its environment, output closed.
const ESCAPE: &str = "(env -i setsid sh -c 'sh -c \"trap : TERM; echo \\$\\$ > NAME; while :; do sleep 0.1; done\" &' > /dev/null 2>&1 &)";

#[tokio::test]
async fn nothing_that_a_job_started_outlives_it() {
    let bed = Bed::with_agent().await;
    let wait = "until [ -s escaped ]; do sleep 0.02; done";
    let escape = ESCAPE.replace("NAME", "escaped");
    let innocent = bed.shell(&format!("{escape}; {wait}; while [ ! -e go ]; do sleep 0.02; done; kill -0 $(cat escaped) && echo lives"));
    let innocent_helper = bed.pid_in(innocent, "escaped").await;
    for end in ["exit 0", "exit 3", "kill -9 $$"] {
        let job = bed.shell(&format!("{escape}; {wait}; {end}"));
        bed.end_of(job).await;
        assert!(!runs(bed.pid_in(job, "escaped").await), "{end}");
    }
    let canceled = bed.shell(&format!("{escape}; {wait}; sleep 1000"));
    let helper = bed.pid_in(canceled, "escaped").await;
    bed.hub.state().cancel.insert(canceled);
    assert_eq!(bed.end_of(canceled).await.status, Status::Canceled);
    assert!(!runs(helper));
    assert!(runs(innocent_helper), "another job's helper is not touched");
    fs::write(bed.folder(innocent).join("go"), "").unwrap();
    bed.end_of(innocent).await;
    assert_eq!(bed.log_of(innocent)[0].message, "lives");
    assert!(!runs(innocent_helper));
    // Zombies of other tests in this process exist for a moment.
    until(|| (zombies() == 0).then_some(())).await;
}

#[tokio::test]
async fn helpers_get_term_before_kill() {
    let mut bed = Bed::new().await;
    let mut settings = bed.settings();
    settings.kill_grace = Duration::from_secs(30);
    bed.start(settings, None);
    let job = bed.shell("setsid sh -c 'trap \"echo tidy; exit\" TERM; echo $$ > helper; while :; do sleep 0.05; done' & until [ -s helper ]; do sleep 0.02; done");
    bed.end_of(job).await;
    assert_eq!(bed.log_of(job)[0].message, "tidy");
}

#[tokio::test]
async fn a_job_whose_supervisor_is_killed_fails_and_its_group_is_killed() {
    let bed = Bed::with_agent().await;
    let job = bed.shell("sleep 1000 & echo $! > helper; until grep -q running status.json; do sleep 0.02; done; kill -9 $PPID; wait");
    let helper = bed.pid_in(job, "helper").await;
    let end = bed.end_of(job).await;
    assert!(end.error_message.as_deref().unwrap().contains("supervisor was killed"), "{end:?}");
    assert!(!runs(helper));
}

#[tokio::test]
async fn an_executable_that_is_not_a_supervisor_fails_the_job() {
    let mut bed = Bed::new().await;
    let mut settings = bed.settings();
    settings.supervisor = "true".into();
    bed.start(settings, None);
    let job = bed.shell("exit 0");
    let end = bed.end_of(job).await;
    assert_eq!(end.error_class, Some(ErrorClass::LaunchFailed));
    assert!(end.error_message.unwrap().contains("its supervisor does not work"));
}

#[tokio::test]
async fn a_daemon_does_not_block_the_end() {
    let bed = Bed::with_agent().await;
    let job = bed.shell("setsid sh -c 'echo $$ > daemon; exec sleep 1000' & while [ ! -s daemon ]; do sleep 0.01; done; echo done");
    assert_eq!(bed.end_of(job).await.status, Status::Completed);
    let log: Vec<_> = bed.log_of(job).into_iter().map(|line| line.message).collect();
    assert_eq!(log, ["done"]);
    assert!(!runs(bed.pid_in(job, "daemon").await));
}
