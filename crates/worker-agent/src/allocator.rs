//! Settings of the system's allocator, for a small resident memory.

use std::{env, os::unix::process::CommandExt, process::Command};

/// glibc's settings: two arenas instead of one per thread, and separate large blocks that return to the system at once. With glibc's
/// defaults the hub keeps a third more memory.
const SETTINGS: [(&str, &str); 3] = [("MALLOC_ARENA_MAX", "2"), ("MALLOC_MMAP_THRESHOLD_", "131072"), ("MALLOC_TRIM_THRESHOLD_", "131072")];

/// Re-executes this program in the same process with glibc's settings in its environment, because glibc reads them there, and only at the
/// start (<https://sourceware.org/glibc/manual/latest/html_node/Memory-Allocation-Tunables.html>). Does nothing if one of them is set
/// already. Robots do not inherit them. Call it before anything else.
pub fn settle() {
    let decided = SETTINGS.iter().any(|(name, _)| env::var_os(name).is_some());
    if decided || !cfg!(all(target_os = "linux", target_env = "gnu")) {
        return;
    }
    let Ok(program) = env::current_exe() else { return };
    // `exec` returns only on failure; then the program continues without the settings.
    let error = Command::new(program).args(env::args_os().skip(1)).envs(SETTINGS).exec();
    tracing::debug!(%error, "the allocator keeps its own settings");
}
