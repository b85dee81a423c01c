//! The end of a run: the system becomes idle, and nothing is left over.

use std::{fs, path::Path, time::Duration};

use anyhow::Result;
use broker::Broker;
use tokio::time::{Instant, sleep};

use crate::{
    check::{Alerting, incidents},
    foreign,
    hostile::SLEEPER,
    servers::lives,
    world::{DEAD_LETTERS, QUEUES, World},
};

/// How often the remaining work is printed.
const TOLD_EVERY: Duration = Duration::from_secs(5);

/// Waits until no schedule is due, no job waits or runs, the broker has no message, and what is wrong was told; returns how long that took, and
/// leaves what was seen of the rules last in `alerting`.
///
/// # Errors
/// Lists what is stuck.
pub(crate) async fn await_rest(world: &World, limit: Duration, alerting: &mut Alerting) -> Result<Duration> {
    let broker = Broker::connect(&world.servers.amqp_url, "chaos")?;
    let begun = Instant::now();
    let mut told_at = begun;
    let queues: Vec<&str> = QUEUES.into_iter().chain([foreign::QUEUE, DEAD_LETTERS]).collect();
    let outcome = loop {
        let left = left_over(world, &broker, &queues, alerting).await;
        if let Ok(left) = &left
            && !left.is_empty()
            && told_at.elapsed() > TOLD_EVERY
        {
            told_at = Instant::now();
            world.journal.say(&format!("not idle: {}", left.join("; ")));
        }
        match left {
            Ok(left) if left.is_empty() => break Ok(begun.elapsed()),
            left if begun.elapsed() > limit => break Err(anyhow::anyhow!("not idle after {limit:?}: {}", left?.join("; "))),
            _ => sleep(Duration::from_millis(200)).await,
        }
    };
    broker.close().await;
    outcome
}

async fn left_over(world: &World, broker: &Broker, queues: &[&str], alerting: &mut Alerting) -> Result<Vec<String>> {
    let open = world.observer.open_jobs().await?;
    let mut left: Vec<String> = open
        .iter()
        .take(20)
        .map(|(id, status, queue, sent, lease_over, age)| {
            let sent = if *sent { ", dispatched" } else { "" };
            let lease = if *lease_over == Some(true) { ", lease expired" } else { "" };
            format!("job {id} of {queue} is {status} after {age:.0} s{sent}{lease}")
        })
        .collect();
    if open.len() > left.len() {
        left.push(format!("{} jobs in all", open.len()));
    }
    for (name, state, wake_s) in world.observer.open_schedules().await? {
        left.push(format!("schedule \"{name}\" is {state}, to be looked at in {wake_s:.0} s"));
    }
    for queue in queues {
        let messages = match broker.queue_depth(queue).await {
            Ok(depth) => depth.messages,
            // Nothing was ever published there.
            Err(broker::Error::QueueNotFound { .. }) => 0,
            Err(error) => return Err(error.into()),
        };
        if messages > 0 {
            left.push(format!("{messages} messages in {queue}"));
        }
    }
    if left.is_empty() {
        let found = world.observer.alerts().await?;
        *alerting = Alerting { rules: world.rules.clone(), found, messages: world.inbox.messages()? };
        let faults = incidents::faults(alerting);
        left.extend(faults.iter().take(5).map(ToString::to_string));
    }
    Ok(left)
}

/// Programs of robots that still run, identified by the folder of their books or by their own path.
pub(crate) fn programs_left(books: &Path) -> Vec<i32> {
    let mark = format!("PARAM_BOOKS={}", books.display());
    let sleeper = books.with_file_name(SLEEPER);
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    let marked = |pid: &i32| {
        let environment = fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
        let asleep = fs::read_link(format!("/proc/{pid}/exe")).is_ok_and(|path| path == sleeper);
        lives(*pid) && (asleep || environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes()))
    };
    pids.filter(marked).collect()
}
