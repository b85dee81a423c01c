//! How large JSON may be that comes from outside.

/// Values inside each other that JSON may have where others read it: what Rust's and most other readers take.
pub const READABLE_DEPTH: usize = 128;

/// Values inside each other that a request may have. What was sent travels on inside lists, messages and answers of its own, each of which
/// must stay within [`READABLE_DEPTH`].
pub const MOST_DEPTH: usize = 112;

/// Values and names that a request may have. Each takes many bytes of memory, however few it has on the wire.
pub const MOST_VALUES: usize = 500_000;
