//! How the system's allocator shares memory between threads.

use std::{env, os::unix::process::CommandExt, process::Command};

/// What glibc is told: two arenas instead of one for each thread, and large blocks of their own that go back to the system at once. With its
/// own choice the hub keeps a third more memory.
const SETTINGS: [(&str, &str); 3] = [("MALLOC_ARENA_MAX", "2"), ("MALLOC_MMAP_THRESHOLD_", "131072"), ("MALLOC_TRIM_THRESHOLD_", "131072")];

/// Starts this program once more in the same process with glibc's settings in its environment, which is where they are read and only at the
/// start (<https://sourceware.org/glibc/manual/latest/html_node/Memory-Allocation-Tunables.html>). Whoever set one of them decides. Robots do
/// not inherit them. To be called before anything else is done.
pub fn settle() {
    let decided = SETTINGS.iter().any(|(name, _)| env::var_os(name).is_some());
    if decided || !cfg!(all(target_os = "linux", target_env = "gnu")) {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    // It returns only when it cannot be done; then it goes on as it is.
    let error = Command::new(program).args(env::args_os().skip(1)).envs(SETTINGS).exec();
    tracing::debug!(%error, "the allocator keeps its own settings");
}
