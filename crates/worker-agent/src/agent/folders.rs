//! The agent's work folder: what an earlier run has left, and how long job folders stay.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use uuid::Uuid;

use super::core::Core;
use crate::{
    Error, JobFolder, Settings,
    held::Hold,
    process::{tree, was_running},
    report::{FINISH_FILE, SavedEnd},
};

const CLEAN_EVERY: Duration = Duration::from_secs(3600);

/// An end on disk that the hub does not have.
pub(super) type Unsent = (JobFolder, SavedEnd);

/// Makes the work folder and keeps other agents out of it for as long as the file is open.
pub(super) fn lock(settings: &Settings) -> Result<File, Error> {
    let failed = |source| Error::WorkFolder { path: settings.work_dir.display().to_string(), source };
    JobFolder::at(settings.work_dir.clone()).create_private().map_err(failed)?;
    let file = File::create(settings.work_dir.join("agent.lock")).map_err(failed)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(failed(io::Error::other("another worker uses it; give each its own"))),
        Err(TryLockError::Error(error)) => Err(failed(error)),
    }
}

/// Kills programs of an agent that died: the hub gives their jobs again, or has given them to somebody else.
pub(super) fn end_left_programs(core: &Core) {
    for (job, folder) in job_folders(&core.settings.jobs_dir()) {
        if was_running(&folder) {
            let killed = tree::kill_marked(job);
            if killed > 0 {
                tracing::warn!(job.id = %job, processes = killed, "killed what an earlier worker had left running");
            }
        }
    }
}

/// The ends that an earlier agent could not send; they are held from now on.
pub(super) fn unsent(core: &Core) -> Vec<(Hold, Unsent)> {
    let mut found = Vec::new();
    for (job, folder) in job_folders(&core.settings.jobs_dir()) {
        match SavedEnd::read(&folder) {
            Ok(end) => found.extend(core.held.hold(job, Some(end.lease_token)).map(|hold| (hold, (folder, end)))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => tracing::warn!(job.id = %job, %error, "the saved end of a job cannot be read"),
        }
    }
    found
}

/// Removes old folders every hour until the agent ends.
pub(super) async fn keep_clean(core: Arc<Core>) {
    loop {
        tokio::select! {
            () = core.aborted() => return,
            () = tokio::time::sleep(CLEAN_EVERY) => clean(&core),
        }
    }
}

/// Removes the folders that are neither among the newest nor young enough. Those of running jobs and of unsent ends stay.
pub(super) fn clean(core: &Core) {
    let mut folders: Vec<_> = entries(&core.settings.jobs_dir())
        .into_iter()
        .filter(|(name, folder)| !held(core, name) && !folder.file(FINISH_FILE).exists())
        .map(|(_, folder)| (modified(&folder), folder))
        .collect();
    folders.sort_by_key(|(modified, _)| std::cmp::Reverse(*modified));
    let oldest = SystemTime::now().checked_sub(core.settings.keep_for).unwrap_or(SystemTime::UNIX_EPOCH);
    for (index, (modified, folder)) in folders.into_iter().enumerate() {
        if (index >= core.settings.keep_folders || modified < oldest)
            && let Err(error) = folder.remove()
        {
            tracing::warn!(folder = %folder.path().display(), %error, "an old job folder cannot be removed");
        }
    }
}

fn held(core: &Core, name: &str) -> bool {
    Uuid::parse_str(name).is_ok_and(|job| core.held.contains(job))
}

fn modified(folder: &JobFolder) -> SystemTime {
    fs::metadata(folder.path()).and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH)
}

fn job_folders(jobs_dir: &Path) -> Vec<(Uuid, JobFolder)> {
    entries(jobs_dir).into_iter().filter_map(|(name, folder)| Some((Uuid::parse_str(&name).ok()?, folder))).collect()
}

fn entries(jobs_dir: &Path) -> Vec<(String, JobFolder)> {
    let Ok(entries) = fs::read_dir(jobs_dir) else { return Vec::new() };
    let named = |entry: fs::DirEntry| Some((entry.file_name().into_string().ok()?, JobFolder::at(entry.path())));
    entries.filter_map(|entry| named(entry.ok()?)).collect()
}
