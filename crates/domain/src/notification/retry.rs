//! When a message that was not taken is sent again.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};

/// How long a message is tried.
pub const GIVE_UP_AFTER: TimeDelta = TimeDelta::hours(24);
/// Delay after the first attempt.
const BASE_S: f64 = 5.0;
/// The longest delay.
const MAX_S: f64 = 1800.0;
/// Part of a delay by which it varies either way.
const JITTER: f64 = 0.2;
/// The longest time that a receiver may ask for.
const MAX_ASKED: Duration = Duration::from_secs(3600);

/// When attempt `attempts + 1` is due, after attempt `attempts` failed at `now`; `None`: at `give_up_at` it would be too late. `asked` is what the
/// receiver asked for; `random` in 0–1 places the delay within its jitter.
#[must_use]
pub fn next_attempt(
    attempts: u32,
    (now, give_up_at): (DateTime<Utc>, DateTime<Utc>),
    asked: Option<Duration>,
    random: f64,
) -> Option<DateTime<Utc>> {
    let doublings = i32::try_from(attempts.saturating_sub(1).min(20)).unwrap_or(20);
    let delay_s = (BASE_S * 2_f64.powi(doublings)).min(MAX_S) * (1.0 + JITTER * (2.0 * random.clamp(0.0, 1.0) - 1.0));
    let delay = TimeDelta::from_std(Duration::from_secs_f64(delay_s)).unwrap_or_default();
    let asked = TimeDelta::from_std(asked.unwrap_or_default().min(MAX_ASKED)).unwrap_or_default();
    Some(now + delay.max(asked)).filter(|at| *at < give_up_at)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_half_an_hour_and_end_after_a_day() {
        let begun: DateTime<Utc> = "2026-11-27T12:00:00Z".parse().unwrap();
        let (mut now, mut delays) = (begun, Vec::new());
        while let Some(next) = next_attempt(u32::try_from(delays.len()).unwrap() + 1, (now, begun + GIVE_UP_AFTER), None, 0.5) {
            delays.push((next - now).num_seconds());
            now = next;
        }
        assert_eq!(delays[..10], [5, 10, 20, 40, 80, 160, 320, 640, 1280, 1800]);
        assert!(delays[10..].iter().all(|delay| *delay == 1800));
        assert!((GIVE_UP_AFTER - (now - begun)) < TimeDelta::seconds(1801), "{}", now - begun);
    }

    #[test]
    fn a_receiver_may_ask_for_longer_but_not_for_ever_and_jitter_spreads_both_ways() {
        let now: DateTime<Utc> = "2026-11-27T12:00:00Z".parse().unwrap();
        let at = |asked: Option<u64>, random| {
            let next = next_attempt(1, (now, now + GIVE_UP_AFTER), asked.map(Duration::from_secs), random).unwrap();
            (next - now).num_milliseconds()
        };
        assert_eq!((at(None, 0.0), at(None, 1.0)), (4000, 6000));
        assert_eq!((at(Some(30), 0.5), at(Some(1), 0.5), at(Some(u64::MAX), 0.5)), (30_000, 5000, 3_600_000));
        assert_eq!(next_attempt(u32::MAX, (now, now + TimeDelta::minutes(10)), None, 0.5), None);
    }
}
