//! Converts rows to API types.

use chrono::{DateTime, Utc};
use store::queues::Queue;

/// A queue at `now`; omits an expired pause.
pub(crate) fn queue(from: Queue, now: DateTime<Utc>) -> api_types::Queue {
    let pause = from.pause.filter(|pause| pause.holds(now));
    api_types::Queue {
        name: from.name,
        waiting: from.waiting,
        running: from.running,
        paused_at: pause.as_ref().map(|pause| pause.at),
        paused_until: pause.as_ref().and_then(|pause| pause.until),
        paused_reason: pause.as_ref().and_then(|pause| pause.reason.clone()),
        paused_by: pause.map(|pause| pause.by),
    }
}
