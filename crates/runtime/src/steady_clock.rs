//! The hub's time. Leases and time-outs compare it with what is stored, so that it follows elapsed time: a step of the system's clock, or a
//! suspended machine, must not make an hour of a second. What it is behind or ahead it makes up for slowly.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};

/// A second is made up for in twenty: leases and time-outs are off by five in a hundred meanwhile.
const MAKES_UP: i32 = 20;
/// What is further off is adopted at once.
const MOST_OFF: TimeDelta = TimeDelta::hours(1);
/// A hub that runs asks for the time more often than this; what is longer it did not live through.
const MOST_UNSEEN: Duration = Duration::from_secs(15);
/// A smaller jump is not worth a word.
const WORTH_A_WORD: TimeDelta = TimeDelta::seconds(2);

/// Tells the time.
type Wall = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;
/// Tells how long something runs, whatever becomes of the clock.
type Elapsed = Arc<dyn Fn() -> Duration + Send + Sync>;

/// A clock that follows the system's without its steps. Clones are the same one.
#[derive(Clone)]
pub struct SteadyClock(Arc<Inner>);

struct Inner {
    wall: Wall,
    elapsed: Elapsed,
    beside_others: AtomicBool,
    last: Mutex<Reading>,
}

/// What the clock said last.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reading {
    now: DateTime<Utc>,
    elapsed: Duration,
    /// How far the system's clock was ahead.
    ahead: TimeDelta,
}

impl Default for SteadyClock {
    fn default() -> Self {
        let started = Instant::now();
        Self::new(Arc::new(Utc::now), Arc::new(move || started.elapsed()))
    }
}

impl SteadyClock {
    /// Follows `wall`; `elapsed` counts from any moment on, and need not count while the machine is suspended.
    #[must_use]
    pub fn new(wall: Wall, elapsed: Elapsed) -> Self {
        let last = Mutex::new(Reading { now: wall(), elapsed: elapsed(), ahead: TimeDelta::zero() });
        Self(Arc::new(Inner { wall, elapsed, beside_others: AtomicBool::new(false), last }))
    }

    /// The time, in microseconds: what both databases keep, so that an answer says what is stored.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let mut last = self.0.last.lock().unwrap_or_else(PoisonError::into_inner);
        let next = last.after((self.0.wall)(), (self.0.elapsed)(), self.0.beside_others.load(Ordering::Relaxed));
        if (next.ahead - last.ahead).abs() > WORTH_A_WORD {
            let jump_s = (next.ahead - last.ahead).as_seconds_f64();
            tracing::warn!(jump_s, "the system's clock was set, or the hub was suspended; its time follows slowly");
        }
        *last = next;
        next.now.trunc_subsecs(6)
    }

    /// Says whether other hubs work on the same database. One that was suspended has to be with them at once: they have lived through it.
    pub fn set_beside_others(&self, beside_others: bool) {
        self.0.beside_others.store(beside_others, Ordering::Relaxed);
    }
}

impl Reading {
    fn after(self, wall: DateTime<Utc>, elapsed: Duration, beside_others: bool) -> Self {
        let lived = elapsed.saturating_sub(self.elapsed);
        let lived = TimeDelta::from_std(if beside_others { lived } else { lived.min(MOST_UNSEEN) }).unwrap_or_default();
        let steady = self.now + lived;
        let off = wall - steady;
        let makes_up = lived / MAKES_UP;
        let now =
            if off.abs() > MOST_OFF || (beside_others && off > WORTH_A_WORD) { wall } else { steady + off.clamp(-makes_up, makes_up) };
        Self { now, elapsed, ahead: wall - now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds by which the clock goes on while `lived` seconds pass, asked for every second, after the system's clock jumped by `step`.
    fn goes_on(step: i64, lived: u64, beside_others: bool) -> f64 {
        let start = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        let mut reading = Reading { now: start, elapsed: Duration::ZERO, ahead: TimeDelta::zero() };
        for second in 1..=lived {
            let wall = start + TimeDelta::seconds(step) + TimeDelta::seconds(i64::try_from(second).unwrap());
            reading = reading.after(wall, Duration::from_secs(second), beside_others);
        }
        (reading.now - start).as_seconds_f64()
    }

    #[test]
    fn a_step_is_made_up_for_slowly_and_in_whole() {
        for (step, lived, expected) in [
            (0, 100, 100.0),
            (45, 3, 3.15),
            (45, 900, 945.0),
            (45, 1000, 1045.0),
            (-600, 3, 2.85),
            (-600, 20_000, 19_400.0),
            // So much is no step: the machine was told the time at last.
            (4000, 3, 4003.0),
            (-4000, 3, -3997.0),
        ] {
            let goes_on = goes_on(step, lived, false);
            assert!((goes_on - expected).abs() < 0.001, "{step} s, then {lived} s: {goes_on}");
        }
    }

    #[test]
    fn a_suspended_hub_has_not_lived_through_it_unless_others_did() {
        let start = DateTime::UNIX_EPOCH;
        let reading = Reading { now: start, elapsed: Duration::ZERO, ahead: TimeDelta::zero() };
        let wall = start + TimeDelta::seconds(300);
        // A stopped process, whose clocks go on; a suspended machine, where one stands still.
        for (elapsed, alone) in [(300, 15.75), (1, 1.05)] {
            let after = |beside_others| reading.after(wall, Duration::from_secs(elapsed), beside_others).now - start;
            assert_eq!((after(false).as_seconds_f64(), after(true)), (alone, wall - start), "{elapsed}");
        }
    }

    #[test]
    fn it_never_goes_back_for_a_step() {
        let start = Utc::now();
        let (step, lived) = (Arc::new(Mutex::new(TimeDelta::zero())), Arc::new(Mutex::new(Duration::ZERO)));
        let (wall, elapsed) = (step.clone(), lived.clone());
        let clock = SteadyClock::new(Arc::new(move || start + *wall.lock().unwrap()), Arc::new(move || *elapsed.lock().unwrap()));
        let mut last = clock.now();
        for seconds in [45, -45, -600, 600, -3000, 10] {
            *step.lock().unwrap() += TimeDelta::seconds(seconds);
            *lived.lock().unwrap() += Duration::from_secs(1);
            let now = clock.now();
            assert!(now > last && now < last + TimeDelta::seconds(2), "{seconds}: {}", now - last);
            last = now;
        }
    }
}
