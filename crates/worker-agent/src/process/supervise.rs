use std::{io, process::ExitStatus, time::Duration};

use serde_json::json;
use tokio::{process::Child, time::Instant};

use super::tree::Tree;
use crate::{Job, RunContext, job::Stop};

/// How a program ended.
pub(super) enum Ended {
    /// By itself, or by somebody else's signal.
    Exit(ExitStatus),
    /// Killed here: it ran too long.
    TimedOut,
    /// Killed here: it had to stop.
    Stopped(Stop),
    /// The system does not say.
    Unknown(io::Error),
}

/// How often the end of killed processes is looked for.
const POLL: Duration = Duration::from_millis(25);

/// Waits for the end of the program, and brings it about when it has to end. Afterwards none of its process group is left, and after a
/// kill none of its descendants.
pub(super) async fn supervise((child, tree): (&mut Child, &Tree), job: &Job, context: &RunContext, grace: Duration) -> Ended {
    let mut stop = context.stop.clone();
    let ended = tokio::select! {
        biased;
        ended = exit(child) => {
            tree.kill_group();
            return ended;
        }
        reason = stop.stopped() => Ended::Stopped(reason),
        () = too_long(job.timeout_s) => Ended::TimedOut,
    };
    if matches!(ended, Ended::Stopped(Stop::Cancel))
        && let Err(error) = context.folder.write_json("control.json", &json!({"cancel": true}))
    {
        tracing::warn!(job.id = %job.id, %error, "control.json cannot be written");
    }
    terminate(child, tree, grace).await;
    ended
}

async fn exit(child: &mut Child) -> Ended {
    child.wait().await.map_or_else(Ended::Unknown, Ended::Exit)
}

async fn too_long(timeout_s: u32) {
    match timeout_s {
        0 => std::future::pending().await,
        seconds => tokio::time::sleep(Duration::from_secs(seconds.into())).await,
    }
}

/// TERM for the whole tree, and KILL for what is left of it after `grace`.
async fn terminate(child: &mut Child, tree: &Tree, grace: Duration) {
    let deadline = Instant::now() + grace;
    let known = tree.terminate();
    let mut exited = false;
    while Instant::now() < deadline && !(exited && known.iter().all(|process| !process.is_alive())) {
        if exited {
            tokio::time::sleep(POLL).await;
        } else {
            exited = tokio::time::timeout(POLL, child.wait()).await.is_ok();
        }
    }
    tree.kill(&known);
    // A program in an uninterruptible system call is waited for: its slot is not free before.
    let _status = child.wait().await;
    tree.kill(&known);
}
