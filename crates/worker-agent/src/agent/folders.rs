//! The agent's work folder: its lock, the space on its disk, and how long job folders stay.
//!
//! One process owns the folder at a time. A folder that is still needed is never removed, however full the disk: that of a held job, and
//! one whose end the hub has not received. Sizes are measured and trees removed on blocking threads, because robots make them as large as
//! they like and heartbeats must not wait.

use std::{
    fs::{self, TryLockError},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use domain::ids::JobId;
use nix::sys::statvfs::statvfs;

use super::core::Core;
use crate::{Error, FolderLock, JobFolder, Settings, lease_file::LeaseFile, report::FINISH_FILE};

/// Between two checks of the free space.
const CHECK_EVERY: Duration = Duration::from_secs(1);
const CLEAN_EVERY: Duration = Duration::from_secs(3600);

/// Creates the work folder and locks other agents out until the lock is dropped.
pub(super) fn lock(settings: &Settings) -> Result<FolderLock, Error> {
    let failed = |cause| Error::WorkFolder { path: settings.work_dir.display().to_string(), cause };
    JobFolder::at(settings.work_dir.clone()).create_private().map_err(failed)?;
    if settings.run_as.is_some() {
        JobFolder::at(settings.jobs_dir()).create_private().map_err(failed)?;
        // Programs of another user must reach their own folder, but not list this one.
        for folder in [settings.work_dir.clone(), settings.jobs_dir()] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o711)).map_err(failed)?;
        }
    }
    FolderLock::take(&settings.work_dir.join("agent.lock")).map_err(|error| match error {
        TryLockError::WouldBlock => failed(io::Error::other("another worker uses it; give each worker its own with --work-dir")),
        TryLockError::Error(error) => failed(error),
    })
}

/// Keeps space free in the work folder until the agent ends: removes expired folders every hour, and unneeded ones when space is short.
/// Without space no job is started.
pub(super) async fn keep_clean(core: Arc<Core>) {
    let mut cleaned = Instant::now();
    loop {
        tokio::select! {
            () = core.aborted() => return,
            () = tokio::time::sleep(CHECK_EVERY) => {}
        }
        if cleaned.elapsed() > CLEAN_EVERY {
            clean_in_background(core.clone()).await;
            cleaned = Instant::now();
        }
        check_space(&core).await;
    }
}

/// Frees space when it is short, and sets whether there is enough.
pub(super) async fn check_space(core: &Arc<Core>) {
    if !has_space(&core.settings) {
        let this = core.clone();
        in_background(move || free_space(&this)).await;
    }
    core.set_disk_full(!has_space(&core.settings));
}

/// Waits until a job can be started.
pub(super) async fn wait_for_space(core: &Core) {
    // The disk may have filled up since the last check.
    if !has_space(&core.settings) {
        core.set_disk_full(true);
    }
    core.has_space().await;
}

fn has_space(settings: &Settings) -> bool {
    // A disk that does not report its space counts as free: the job itself will show the fault.
    statvfs(&settings.work_dir).map_or(true, |disk| disk.blocks_available().saturating_mul(disk.fragment_size()) >= settings.least_free)
}

/// Removes unneeded folders, oldest first, until there is space.
fn free_space(core: &Core) {
    let inspected = entries(&core.settings.jobs_dir()).into_iter().map(|(name, folder)| Kept::inspect(core, &name, folder));
    let mut folders: Vec<_> = inspected.filter(|kept| !kept.needed).collect();
    folders.sort_by_key(|kept| kept.modified);
    for kept in folders {
        if has_space(&core.settings) {
            return;
        }
        kept.remove();
    }
}

/// Removes old folders on a blocking thread: many take long to inspect, and heartbeats must not wait.
pub(super) async fn clean_in_background(core: Arc<Core>) {
    in_background(move || clean(&core)).await;
}

async fn in_background(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        tracing::warn!(%error, "old job folders could not be removed");
    }
}

/// Removes expired folders, and the oldest beyond the number and the size to keep. Folders of running jobs, and of ends that the hub has
/// not received, stay and count towards the size.
fn clean(core: &Core) {
    let settings = &core.settings;
    let inspected = entries(&settings.jobs_dir()).into_iter().map(|(name, folder)| Kept::inspect(core, &name, folder));
    let (needed, mut folders): (Vec<_>, Vec<_>) = inspected.partition(|kept| kept.needed);
    folders.sort_by_key(|kept| std::cmp::Reverse(kept.modified));
    let oldest = SystemTime::now().checked_sub(settings.keep_for).unwrap_or(SystemTime::UNIX_EPOCH);
    let mut bytes: u64 = needed.iter().map(|kept| kept.bytes).sum();
    for (index, kept) in folders.into_iter().enumerate() {
        bytes += kept.bytes;
        if index < settings.keep_folders && kept.modified >= oldest && bytes <= settings.keep_bytes {
            continue;
        }
        bytes -= kept.bytes;
        kept.remove();
    }
}

/// A job folder, as inspected for the clean-up.
struct Kept {
    folder: JobFolder,
    needed: bool,
    modified: SystemTime,
    bytes: u64,
}

impl Kept {
    fn inspect(core: &Core, name: &str, folder: JobFolder) -> Self {
        let unreported = || folder.has(FINISH_FILE) || LeaseFile::exists(&folder);
        let needed = name.parse().is_ok_and(|job| core.held.contains(job) || unreported());
        let modified = fs::symlink_metadata(folder.path()).and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        Self { needed, modified, bytes: size(folder.path()), folder }
    }

    fn remove(&self) {
        if let Err(error) = self.folder.remove() {
            tracing::warn!(folder = %self.folder.path().display(), %error, "an old job folder cannot be removed");
        }
    }
}

/// Bytes that a folder and its content take on disk; links are not followed.
fn size(folder: &Path) -> u64 {
    // No recursion: a program can nest folders to any depth.
    let (mut bytes, mut folders) = (0, vec![folder.to_owned()]);
    while let Some(folder) = folders.pop() {
        let Ok(entries) = fs::read_dir(folder) else { continue };
        for entry in entries.filter_map(Result::ok) {
            match entry.metadata() {
                Ok(data) if data.is_dir() => folders.push(entry.path()),
                Ok(data) => bytes += data.blocks() * 512,
                Err(_) => {}
            }
        }
    }
    bytes
}

pub(super) fn job_folders(jobs_dir: &Path) -> Vec<(JobId, JobFolder)> {
    entries(jobs_dir).into_iter().filter_map(|(name, folder)| Some((name.parse().ok()?, folder))).collect()
}

fn entries(jobs_dir: &Path) -> Vec<(String, JobFolder)> {
    let Ok(entries) = fs::read_dir(jobs_dir) else { return Vec::new() };
    let named = |entry: fs::DirEntry| Some((entry.file_name().into_string().ok()?, JobFolder::at(entry.path())));
    entries.filter_map(|entry| named(entry.ok()?)).collect()
}
