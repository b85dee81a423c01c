use std::{path::Path, time::Duration};

use anyhow::{Result, ensure};
use api_types::AutomationCreate;
use domain::automation::QueueProfile;
use serde::Serialize;
use tokio::{process::Command, time::Instant};

use super::load;
use crate::{
    child::Process,
    context::{Bench, WORKER_KEY, WorkerPlan},
    hub::Hub,
    procfs::{Memory, memory},
};

const SCRIPT: &str = include_str!("../../assets/fibo.py");
const QUEUE: &str = "bench-published";
const SLEEP_QUEUE: &str = "bench-sleep";
const SLEEP_SLOTS: u32 = 100;
/// Between two looks whether the one running job has ended.
const LOOK_EVERY: Duration = Duration::from_millis(1);

/// Pieces of work for which others have published figures.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Published {
    /// Seconds for 40 times `fibo(10)`, one of each round.
    pub(crate) light_s: Vec<f64>,
    /// Seconds for 10 times `fibo(33)`.
    pub(crate) long_s: Vec<f64>,
    /// The same programs without any orchestrator.
    pub(crate) bare_light_s: Vec<f64>,
    pub(crate) bare_long_s: Vec<f64>,
    /// Jobs that sleep 100 ms on 100 slots, in the worker's own process.
    pub(crate) sleep_jobs_per_s: Vec<f64>,
    /// Of `regente worker` after these jobs.
    pub(crate) worker_memory: Memory,
}

pub(crate) async fn measure(bench: &Bench) -> Result<Published> {
    let script = bench.folder("published")?.join("fibo.py");
    std::fs::write(&script, SCRIPT)?;
    let python = interpreter().await?;
    let hub = Hub::start(bench, &bench.site("published").await?).await?;
    let (light, long) = (automation_create(&hub, "light", &script).await?, automation_create(&hub, "long", &script).await?);
    let worker = worker(bench, &hub, &python)?;
    let mut published = Published {
        light_s: Vec::new(),
        long_s: Vec::new(),
        bare_light_s: Vec::new(),
        bare_long_s: Vec::new(),
        sleep_jobs_per_s: Vec::new(),
        worker_memory: memory(worker.pid)?,
    };
    one_after_the_other(&hub, light, LIGHT, 2).await?;
    for _ in 0..bench.options.rounds {
        published.light_s.push(one_after_the_other(&hub, light, LIGHT, 40).await?);
        published.bare_light_s.push(bare((&python, &script), "10", 40).await?);
        published.long_s.push(one_after_the_other(&hub, long, LONG, 10).await?);
        published.bare_long_s.push(bare((&python, &script), "33", 10).await?);
    }
    published.worker_memory = memory(worker.pid)?;
    worker.stop().await?;
    published.sleep_jobs_per_s = sleeping(bench, &hub).await?;
    hub.stop().await?;
    Ok(published)
}

const LIGHT: &str = r#"{"n":10}"#;
const LONG: &str = r#"{"n":33}"#;

async fn automation_create(hub: &Hub, name: &str, script: &Path) -> Result<i32> {
    let create = AutomationCreate {
        name: format!("{QUEUE}-{name}"),
        queue_name: Some(QUEUE.to_owned()),
        queue_profile: Some(QueueProfile::Regente),
        script_path: script.display().to_string(),
        ..AutomationCreate::default()
    };
    hub.api.automation_create(&create).await
}

/// The program that people install, with one slot.
fn worker(bench: &Bench, hub: &Hub, python: &str) -> Result<Process> {
    let folder = bench.folder("published-worker")?;
    let mut command = Command::new(&bench.regente);
    command
        .args(["worker", "--server", &hub.api.base, "--queue", QUEUE, "--slots", "1"])
        .arg("--scripts")
        .arg(bench.folder("published")?)
        .env("REGENTE_AMQP_URL", &bench.servers.amqp_url)
        .env("REGENTE_WORKER_KEY", WORKER_KEY)
        .env("REGENTE_PYTHON", python)
        .env("XDG_STATE_HOME", &folder)
        .current_dir(&folder)
        .stdout(bench.log_file("published-worker-output")?)
        .stderr(bench.log_file("published-worker")?);
    Process::spawn_without_output("regente worker", &mut command)
}

async fn one_after_the_other(hub: &Hub, automation: i32, parameters: &'static str, jobs: usize) -> Result<f64> {
    let begun = Instant::now();
    let mut ids = Vec::new();
    for _ in 0..jobs {
        let job = hub.api.execute(automation, parameters).await?;
        hub.await_ended(&[job], LOOK_EVERY).await?;
        ids.push(job);
    }
    let seconds = begun.elapsed().as_secs_f64();
    hub.check_completed(&ids).await?;
    Ok(seconds)
}

/// The interpreter itself: `python3` may be a launcher that takes longer than the job.
async fn interpreter() -> Result<String> {
    let output = Command::new("python3").args(["-c", "import sys; print(sys.executable)"]).output().await?;
    ensure!(output.status.success(), "python3: {}", output.status);
    Ok(String::from_utf8(output.stdout)?.trim().to_owned())
}

async fn bare((python, script): (&str, &Path), n: &str, runs: usize) -> Result<f64> {
    let begun = Instant::now();
    for _ in 0..runs {
        let output = Command::new(python).arg(script).env("PARAM_N", n).output().await?;
        ensure!(output.status.success(), "python3 {}: {}", script.display(), output.status);
    }
    Ok(begun.elapsed().as_secs_f64())
}

async fn sleeping(bench: &Bench, hub: &Hub) -> Result<Vec<f64>> {
    let automations = load::automations_create(&hub.api, SLEEP_QUEUE, 1).await?;
    let plan = WorkerPlan { kind: "noop-worker", queue: SLEEP_QUEUE, queues: 1, slots: SLEEP_SLOTS, sleep_ms: 100, stamps: false };
    let worker = bench.worker(hub, &plan)?;
    hub.await_worker(SLEEP_QUEUE).await?;
    let submitters = bench.options.submitters;
    load::run(hub, &automations, 300, submitters).await?;
    let mut jobs_per_s = Vec::new();
    for _ in 0..bench.options.rounds {
        let (all, _, ids) = load::run(hub, &automations, bench.options.jobs, submitters).await?;
        hub.check_completed(&ids).await?;
        #[expect(clippy::cast_precision_loss, reason = "a count of jobs")]
        jobs_per_s.push(bench.options.jobs as f64 / all.as_secs_f64());
    }
    worker.stop().await?;
    Ok(jobs_per_s)
}
