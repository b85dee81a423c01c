//! A job whose runner does nothing costs only its requests.

use std::sync::Arc;

use async_trait::async_trait;
use domain::log::Level;
use serde_json::json;
use worker_agent::{Job, Outcome, RunContext, Runner};

use crate::support::{Bed, until};

struct Nothing;

#[async_trait]
impl Runner for Nothing {
    async fn run(&self, _job: &Job, context: RunContext) -> Outcome {
        context.outbox.log(Level::Info, "done");
        Outcome::completed(Some(json!({"ok": true})))
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_request_per_job_and_no_files() {
    let mut bed = Bed::new().await;
    for _ in 0..2000 {
        bed.hub.job("EXE", "x", 0, json!({}));
    }
    let mut settings = bed.settings();
    settings.slots = 64;
    bed.start(settings, Some(Arc::new(Nothing)));
    until(|| (bed.hub.state().ends.len() == 2000).then_some(())).await;
    bed.stop().await.unwrap();
    let state = bed.hub.state();
    assert!(state.logs.values().all(|lines| lines.len() == 1));
    assert_eq!((state.calls["finish"], state.calls.get("log")), (2000, None));
    assert!(!bed.dir.path().join("work/jobs").exists());
}
