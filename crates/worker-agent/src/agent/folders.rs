//! The agent's work folder: what an earlier run has left, and how long job folders stay.

use std::{
    fs::{self, TryLockError},
    io,
    os::unix::fs::{MetadataExt as _, PermissionsExt as _},
    path::Path,
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use nix::sys::statvfs::statvfs;
use uuid::Uuid;

use super::core::Core;
use crate::{Error, FolderLock, JobFolder, Settings, lease_file::LeaseFile, report::FINISH_FILE};

/// Between two looks at the room that is left.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const CLEAN_EVERY: Duration = Duration::from_secs(3600);

/// Makes the work folder and keeps other agents out of it until the lock is dropped.
pub(super) fn lock(settings: &Settings) -> Result<FolderLock, Error> {
    let failed = |cause| Error::WorkFolder { path: settings.work_dir.display().to_string(), cause };
    JobFolder::at(settings.work_dir.clone()).create_private().map_err(failed)?;
    if settings.run_as.is_some() {
        JobFolder::at(settings.jobs_dir()).create_private().map_err(failed)?;
        // Programs of another user have to reach their own folder, and may not look into this one.
        for folder in [settings.work_dir.clone(), settings.jobs_dir()] {
            fs::set_permissions(folder, fs::Permissions::from_mode(0o711)).map_err(failed)?;
        }
    }
    FolderLock::take(&settings.work_dir.join("agent.lock")).map_err(|error| match error {
        TryLockError::WouldBlock => failed(io::Error::other("another worker uses it; give each its own")),
        TryLockError::Error(error) => failed(error),
    })
}

/// Looks after the room in the work folder until the agent ends: what is too old goes every hour, and whatever nobody needs when room is short.
/// Without room no job is started.
pub(super) async fn keep_clean(core: Arc<Core>) {
    let mut cleaned = Instant::now();
    loop {
        tokio::select! {
            () = core.aborted() => return,
            () = tokio::time::sleep(LOOK_EVERY) => {}
        }
        if cleaned.elapsed() > CLEAN_EVERY {
            clean_beside(core.clone()).await;
            cleaned = Instant::now();
        }
        look_for_room(&core).await;
    }
}

/// Makes room when it is short, and says whether there is some.
pub(super) async fn look_for_room(core: &Arc<Core>) {
    if !has_room(&core.settings) {
        let this = core.clone();
        beside(move || make_room(&this)).await;
    }
    core.set_cramped(!has_room(&core.settings));
}

/// Waits until a job can be started.
pub(super) async fn await_room(core: &Core) {
    // The disk may have become full since the last look.
    if !has_room(&core.settings) {
        core.set_cramped(true);
    }
    core.has_room().await;
}

fn has_room(settings: &Settings) -> bool {
    // A disk that does not say is taken for one with room: the job itself will say what is wrong.
    statvfs(&settings.work_dir).map_or(true, |disk| disk.blocks_available().saturating_mul(disk.fragment_size()) >= settings.least_free)
}

/// Removes the oldest folders that nobody needs until there is room.
fn make_room(core: &Core) {
    let looked = entries(&core.settings.jobs_dir()).into_iter().map(|(name, folder)| Kept::look(core, &name, folder));
    let mut folders: Vec<_> = looked.filter(|kept| !kept.needed).collect();
    folders.sort_by_key(|kept| kept.modified);
    for kept in folders {
        if has_room(&core.settings) {
            return;
        }
        kept.remove();
    }
}

/// Removes old folders beside the loop: many take long to look at, and heartbeats must not wait for it.
pub(super) async fn clean_beside(core: Arc<Core>) {
    beside(move || clean(&core)).await;
}

async fn beside(work: impl FnOnce() + Send + 'static) {
    if let Err(error) = tokio::task::spawn_blocking(work).await {
        tracing::warn!(%error, "old job folders could not be removed");
    }
}

/// Removes the folders that are too old, and the oldest beyond the number and the size to keep. Those of running jobs and of ends that the
/// hub does not have stay, and count for the size.
fn clean(core: &Core) {
    let settings = &core.settings;
    let looked = entries(&settings.jobs_dir()).into_iter().map(|(name, folder)| Kept::look(core, &name, folder));
    let (needed, mut folders): (Vec<_>, Vec<_>) = looked.partition(|kept| kept.needed);
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

/// A job folder as the cleaning sees it.
struct Kept {
    folder: JobFolder,
    needed: bool,
    modified: SystemTime,
    bytes: u64,
}

impl Kept {
    fn look(core: &Core, name: &str, folder: JobFolder) -> Self {
        let unreported = || folder.has(FINISH_FILE) || LeaseFile::exists(&folder);
        let needed = Uuid::parse_str(name).is_ok_and(|job| core.held.contains(job) || unreported());
        let modified = fs::symlink_metadata(folder.path()).and_then(|data| data.modified()).unwrap_or(SystemTime::UNIX_EPOCH);
        Self { needed, modified, bytes: size(folder.path()), folder }
    }

    fn remove(&self) {
        if let Err(error) = self.folder.remove() {
            tracing::warn!(folder = %self.folder.path().display(), %error, "an old job folder cannot be removed");
        }
    }
}

/// Bytes on the disk of a folder with all that is in it; links are not followed.
fn size(folder: &Path) -> u64 {
    // No recursion: a program can make its folders as deep as it likes.
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

pub(super) fn job_folders(jobs_dir: &Path) -> Vec<(Uuid, JobFolder)> {
    entries(jobs_dir).into_iter().filter_map(|(name, folder)| Some((Uuid::parse_str(&name).ok()?, folder))).collect()
}

fn entries(jobs_dir: &Path) -> Vec<(String, JobFolder)> {
    let Ok(entries) = fs::read_dir(jobs_dir) else { return Vec::new() };
    let named = |entry: fs::DirEntry| Some((entry.file_name().into_string().ok()?, JobFolder::at(entry.path())));
    entries.filter_map(|entry| named(entry.ok()?)).collect()
}
