//! The floor: the minimum cost of a job when each of its steps is a commit of its own, written by hand without anything else. One process
//! contains the submitters and the consumers; it reads commands on standard input and answers each with one line of JSON.

mod consumer;
mod database;
mod submitter;

use std::{sync::Arc, time::Duration};

use anyhow::{Context as _, Result, ensure};
use serde::{Deserialize, Serialize};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncWriteExt as _, BufReader},
    sync::mpsc,
    time::Instant,
};

use self::{database::Database, submitter::Submitter};
use crate::{
    cli::{FloorOptions, queue_names},
    clock::now_us,
};

/// Queue of the floor; with several, the prefix of their names.
const QUEUE: &str = "bench-floor";
/// Pause between jobs of the latency measurement, so that each meets an idle machine.
pub(crate) const PAUSE: Duration = Duration::from_millis(20);

/// Commands of the floor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Order {
    /// Runs this many jobs as fast as possible.
    Throughput(usize),
    /// Runs this many jobs one after the other.
    Latency(usize),
}

/// Answers of the floor.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    /// Connected and consuming.
    Ready,
    /// From the first submit to the end of the last job, and to the end of the last submit.
    Throughput { seconds: f64, submit_seconds: f64 },
    /// From submit, in microseconds.
    Latency { received_us: Vec<i64>, started_us: Vec<i64> },
}

/// Times at which a job reached the measured steps.
#[derive(Clone, Copy, Debug)]
struct Steps {
    received_us: i64,
    started_us: i64,
}

pub(crate) async fn run(options: FloorOptions) -> Result<()> {
    let database = Database::open(&options.database, options.submitters + usize::from(options.slots)).await?;
    let (done, mut finished) = mpsc::unbounded_channel();
    let queues = queue_names(QUEUE, options.queues);
    let connection = submitter::connect(&options.amqp, &queues).await?;
    let submitter = Arc::new(Submitter::open(&connection, &queues, database.clone()).await?);
    consumer::start(&connection, &queues, options.slots, (database, done)).await?;
    let mut input = BufReader::new(tokio::io::stdin()).lines();
    answer(&Answer::Ready).await?;
    while let Some(line) = input.next_line().await? {
        let reply = match serde_json::from_str(&line)? {
            Order::Throughput(jobs) => throughput(&submitter, jobs, options.submitters, &mut finished).await?,
            Order::Latency(jobs) => latency(&submitter, jobs, &mut finished).await?,
        };
        answer(&reply).await?;
    }
    Ok(())
}

async fn throughput(
    submitter: &Arc<Submitter>,
    jobs: usize,
    submitters: usize,
    finished: &mut mpsc::UnboundedReceiver<Steps>,
) -> Result<Answer> {
    let begun = Instant::now();
    let mut tasks = tokio::task::JoinSet::new();
    for first in 0..submitters {
        let submitter = submitter.clone();
        tasks.spawn(async move {
            for number in (first..jobs).step_by(submitters) {
                submitter.submit(number).await?;
            }
            anyhow::Ok(())
        });
    }
    let submitted = async {
        while let Some(ended) = tasks.join_next().await {
            ended??;
        }
        anyhow::Ok(begun.elapsed())
    };
    let all_finished = async {
        for _ in 0..jobs {
            finished.recv().await.context("the consumer ended")?;
        }
        anyhow::Ok(begun.elapsed())
    };
    let (submit, all) = tokio::try_join!(submitted, all_finished)?;
    Ok(Answer::Throughput { seconds: all.as_secs_f64(), submit_seconds: submit.as_secs_f64() })
}

/// All for one queue, the one in the middle, as Regente's latency is measured.
async fn latency(submitter: &Submitter, jobs: usize, finished: &mut mpsc::UnboundedReceiver<Steps>) -> Result<Answer> {
    let (mut received_us, mut started_us) = (Vec::new(), Vec::new());
    for _ in 0..jobs {
        tokio::time::sleep(PAUSE).await;
        let begun = now_us();
        submitter.submit(submitter.queues() / 2).await?;
        let steps = finished.recv().await.context("the consumer ended")?;
        ensure!(steps.received_us >= begun, "a job of an earlier measurement came late");
        received_us.push(steps.received_us - begun);
        started_us.push(steps.started_us - begun);
    }
    Ok(Answer::Latency { received_us, started_us })
}

async fn answer(answer: &Answer) -> Result<()> {
    let mut line = serde_json::to_vec(answer)?;
    line.push(b'\n');
    let mut output = tokio::io::stdout();
    output.write_all(&line).await?;
    output.flush().await?;
    Ok(())
}
