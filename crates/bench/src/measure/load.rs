//! The load generator: submitters that run in this process.

use std::time::Duration;

use anyhow::Result;
use api_types::AutomationCreate;
use domain::{automation::QueueProfile, ids::JobId};
use tokio::{task::JoinSet, time::Instant};

use crate::{api::Api, cli::queue_names, hub::Hub};

/// Between two queries for ended jobs.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(5);
/// What each job gets; the floor sends the same.
pub(crate) const PARAMETERS: &str = r#"{"n":1}"#;

/// Registers one automation per queue.
pub(crate) async fn automations_create(api: &Api, queue: &str, queues: usize) -> Result<Vec<i32>> {
    let mut ids = Vec::with_capacity(queues);
    for name in queue_names(queue, queues) {
        let create = AutomationCreate {
            name: name.clone(),
            queue_name: Some(name),
            queue_profile: Some(QueueProfile::Regente),
            script_path: "noop.py".to_owned(),
            ..AutomationCreate::default()
        };
        ids.push(api.automation_create(&create).await?);
    }
    Ok(ids)
}

/// Submits `jobs` jobs, in turn for each of `automations`, by `submitters` at once.
pub(crate) async fn submit(api: &Api, automations: &[i32], jobs: usize, submitters: usize) -> Result<Vec<JobId>> {
    let mut tasks = JoinSet::new();
    for submitter in 0..submitters {
        let mine: Vec<i32> = (submitter..jobs).step_by(submitters).map(|number| automations[number % automations.len()]).collect();
        let api = api.clone();
        tasks.spawn(async move {
            let mut ids = Vec::with_capacity(mine.len());
            for automation in mine {
                ids.push(api.execute(automation, PARAMETERS).await?);
            }
            anyhow::Ok(ids)
        });
    }
    let mut ids = Vec::with_capacity(jobs);
    while let Some(ended) = tasks.join_next().await {
        ids.extend(ended??);
    }
    // Ids are in the order of time: the oldest end first.
    ids.sort_unstable();
    Ok(ids)
}

/// From the first submit to the end of the last job, and to the end of the last submit.
pub(crate) async fn run(hub: &Hub, automations: &[i32], jobs: usize, submitters: usize) -> Result<(Duration, Duration, Vec<JobId>)> {
    let begun = Instant::now();
    let ids = submit(&hub.api, automations, jobs, submitters).await?;
    let submitted = begun.elapsed();
    hub.await_ended(&ids, LOOK_EVERY).await?;
    Ok((begun.elapsed(), submitted, ids))
}
