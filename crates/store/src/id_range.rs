//! Ids are UUIDs v7, which begin with the millisecond in which they were made: a period is a range of ids.

use chrono::{DateTime, Utc};
use uuid::Uuid;

/// The lowest id of the millisecond of `at`.
pub(crate) fn first_id(at: DateTime<Utc>) -> Uuid {
    let millis = Ord::min(u64::try_from(at.timestamp_millis()).unwrap_or(0), 0xffff_ffff_ffff);
    Uuid::from_u128(u128::from(millis) << 80)
}

/// The highest id of the millisecond of `at`.
pub(crate) fn last_id(at: DateTime<Utc>) -> Uuid {
    Uuid::from_u128(first_id(at).as_u128() | ((1 << 80) - 1))
}
