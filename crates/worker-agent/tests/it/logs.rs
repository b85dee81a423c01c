//! Log lines: each arrives once, in order.

use std::{sync::Arc, time::Instant};

use async_trait::async_trait;
use domain::log::Level;
use worker_agent::{Job, Outcome, RunContext, Runner};

use crate::{
    hub::Mode,
    support::{Bed, until},
};

#[tokio::test]
async fn long_and_binary_lines() {
    let bed = Bed::with_agent().await;
    bed.script("out.py", "import os\nos.write(1, b'x' * 100000 + b'\\n' + b'a\\x00b\\xff\\x1bc\\td\\r\\n' + b'no end')");
    let job = bed.hub.job("PYTHON", "out.py", 0, serde_json::json!({}));
    bed.end_of(job).await;
    let log = bed.log_of(job);
    assert!(log[0].message.len() <= 65536);
    let kept = log[0].message.chars().filter(|c| *c == 'x').count();
    assert!(log[0].message.ends_with(&format!(" … [{} bytes cut]", 100_000 - kept)));
    assert_eq!((log[1].message.as_str(), log[2].message.as_str()), ("a\u{fffd}b\u{fffd}\u{fffd}c\td", "no end"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn very_many_lines() {
    let bed = Bed::with_agent().await;
    let job = bed.shell("seq 1 200000");
    let start = Instant::now();
    bed.end_of(job).await;
    let log = bed.log_of(job);
    assert_eq!(log.len(), 200_000, "after {:?}", start.elapsed());
    assert!(log.iter().enumerate().all(|(n, line)| line.message == (n + 1).to_string()));
    assert!(bed.hub.state().gaps.is_empty());
}

#[tokio::test]
async fn an_endless_log_keeps_its_first_and_its_last_part() {
    let mut bed = Bed::new().await;
    let mut settings = bed.settings();
    (settings.log_lines, settings.log_bytes) = (3000, 1 << 20);
    bed.start(settings, None);
    let job = bed.shell("seq 1 300000");
    bed.end_of(job).await;
    let log: Vec<_> = bed.log_of(job).into_iter().map(|line| line.message).collect();
    assert_eq!((log.len(), log[0].as_str(), log[1999].as_str()), (3002, "1", "2000"));
    assert!(log[2000].contains("from here on only its last 1000 lines are kept"), "{}", log[2000]);
    assert!(log[2001].starts_with("297000 lines of "), "{}", log[2001]);
    assert_eq!((log[2002].as_str(), log[3001].as_str()), ("299001", "300000"));
    let file = std::fs::metadata(bed.folder(job).join("logs/rpa.log")).unwrap().len();
    assert!(file <= (1 << 20) + 100, "{file}");
    assert!(bed.hub.state().gaps.is_empty());
}

#[tokio::test]
async fn lines_are_sent_while_the_job_runs() {
    let bed = Bed::with_agent().await;
    let job = bed.shell("echo first; while [ ! -e go ]; do sleep 0.02; done; echo ERROR second");
    until(|| bed.log_of(job).first().cloned()).await;
    std::fs::write(bed.folder(job).join("go"), "").unwrap();
    bed.end_of(job).await;
    let log: Vec<_> = bed.log_of(job).into_iter().map(|line| (line.level, line.message)).collect();
    assert_eq!(log, [(Level::Info, "first".to_owned()), (Level::Error, "ERROR second".to_owned())]);
}

/// Runs a job of 5000 lines through a failure of the hub.
async fn through(mode: Mode) {
    let bed = Bed::with_agent().await;
    let job = bed.shell("seq 1 100; while [ ! -e go ]; do sleep 0.02; done; seq 101 4900; touch gone; while [ ! -e end ]; do sleep 0.02; done; seq 4901 5000");
    until(|| (bed.log_of(job).len() == 100).then_some(())).await;
    bed.hub.set(mode);
    let folder = bed.folder(job);
    std::fs::write(folder.join("go"), "").unwrap();
    until(|| folder.join("gone").exists().then_some(())).await;
    std::fs::write(folder.join("end"), "").unwrap();
    until(|| folder.join("finish.json").exists().then_some(())).await;
    bed.hub.set(Mode::Works);
    bed.end_of(job).await;
    let log: Vec<_> = bed.log_of(job).into_iter().map(|line| line.message).collect();
    assert_eq!(log, (1..=5000).map(|n| n.to_string()).collect::<Vec<_>>());
    assert!(bed.hub.state().gaps.is_empty());
    until(|| (!folder.join("finish.json").exists()).then_some(())).await;
}

#[tokio::test]
async fn each_line_arrives_once_after_the_hub_was_unreachable() {
    through(Mode::Away).await;
}

#[tokio::test]
async fn each_line_arrives_once_after_the_hub_was_busy() {
    through(Mode::Busy).await;
}

#[tokio::test]
async fn each_line_arrives_once_when_answers_are_lost() {
    through(Mode::LosesAnswers).await;
}

struct Talker;

#[async_trait]
impl Runner for Talker {
    async fn run(&self, _job: &Job, context: RunContext) -> Outcome {
        for n in 0..10_000 {
            context.outbox.log(Level::Info, format!("line {n}"));
        }
        Outcome::completed(None)
    }
}

#[tokio::test]
async fn a_runner_in_memory_may_be_faster_than_the_hub() {
    let mut bed = Bed::new().await;
    bed.start(bed.settings(), Some(Arc::new(Talker)));
    let job = bed.hub.job("EXE", "x", 0, serde_json::json!({}));
    bed.end_of(job).await;
    let log = bed.log_of(job);
    assert_eq!(log.len(), 10_000);
    assert!(log.iter().enumerate().all(|(n, line)| line.message == format!("line {n}")));
}
