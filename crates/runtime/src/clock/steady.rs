//! The hub's clock. Leases and time-outs compare it with stored times, so it follows elapsed time: a step of the system's clock or a
//! suspended machine must not expire every lease at once. It slews towards the clock that it follows. Hubs of one PostgreSQL follow the
//! database's clock, so that they agree whatever their own clocks say.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use chrono::{DateTime, SubsecRound, TimeDelta, Utc};
use rustix::time::{ClockId, clock_gettime};

/// Slew rate: one second is corrected in twenty; leases and time-outs are 5 % off meanwhile.
const MAKES_UP: i32 = 20;
/// A larger difference is adopted at once.
const MOST_OFF: TimeDelta = TimeDelta::hours(1);
/// A running hub reads the clock more often than this; after a longer gap it was suspended.
const MOST_UNSEEN: Duration = Duration::from_secs(15);
/// Clocks with a smaller difference agree: reading the database's clock takes time.
const AGREES: TimeDelta = TimeDelta::milliseconds(500);
/// A smaller jump is not logged.
const WORTH_A_WORD: TimeDelta = TimeDelta::seconds(2);

/// Returns the time of day.
type Wall = Arc<dyn Fn() -> DateTime<Utc> + Send + Sync>;
/// Returns monotonic elapsed time.
type Elapsed = Arc<dyn Fn() -> Duration + Send + Sync>;

/// A clock that follows the system's or the database's without its steps. Clones share it.
#[derive(Clone)]
pub struct SteadyClock(Arc<Inner>);

struct Inner {
    wall: Wall,
    elapsed: Elapsed,
    beside_others: AtomicBool,
    state: Mutex<State>,
}

struct State {
    last: Reading,
    /// The database's time and when it was read, while `wall` disagrees with it: it is then followed instead of `wall`.
    database: Option<(DateTime<Utc>, Duration)>,
    /// Whether the database's clock was read.
    compared: bool,
}

/// The last reading of the clock.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Reading {
    now: DateTime<Utc>,
    elapsed: Duration,
    /// How far the followed clock was ahead.
    ahead: TimeDelta,
}

impl Default for SteadyClock {
    fn default() -> Self {
        Self::new(Arc::new(Utc::now), Arc::new(uptime))
    }
}

/// Time since boot, which cannot be set; it counts while the machine is suspended.
fn uptime() -> Duration {
    let time = clock_gettime(ClockId::Boottime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or_default(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

impl SteadyClock {
    /// Follows `wall`; `elapsed` may start at any value.
    #[must_use]
    pub fn new(wall: Wall, elapsed: Elapsed) -> Self {
        let last = Reading { now: wall(), elapsed: elapsed(), ahead: TimeDelta::zero() };
        let state = Mutex::new(State { last, database: None, compared: false });
        Self(Arc::new(Inner { wall, elapsed, beside_others: AtomicBool::new(false), state }))
    }

    /// The time, in microseconds: the resolution of both databases, so that answers and stored values are equal.
    #[must_use]
    pub fn now(&self) -> DateTime<Utc> {
        let mut state = self.state();
        let elapsed = (self.0.elapsed)();
        let wall = match state.database {
            Some((time, at)) => time + TimeDelta::from_std(elapsed.saturating_sub(at)).unwrap_or_default(),
            None => (self.0.wall)(),
        };
        let next = state.last.after(wall, elapsed, self.0.beside_others.load(Ordering::Relaxed));
        let jump = next.ahead - state.last.ahead;
        if jump.abs() > WORTH_A_WORD {
            tracing::warn!(jump_s = jump.as_seconds_f64(), "the clock was set, or the hub was suspended; its time follows slowly");
        }
        state.last = next;
        next.now.trunc_subsecs(6)
    }

    /// Compares with the database's clock, which reads `time`, and follows it until the next comparison unless the system's clock agrees
    /// with it. The first reading is adopted at once.
    pub fn compare(&self, time: DateTime<Utc>) {
        let mut state = self.state();
        let elapsed = (self.0.elapsed)();
        let agrees = (time - (self.0.wall)()).abs() < AGREES;
        state.database = (!agrees).then_some((time, elapsed));
        if !std::mem::replace(&mut state.compared, true) && !agrees {
            state.last = Reading { now: time, elapsed, ahead: TimeDelta::zero() };
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets whether other hubs use the same database. A hub that was suspended must then catch up at once, because their clocks went on.
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
        let now = if off.abs() > MOST_OFF { wall } else { steady + off.clamp(-makes_up, makes_up) };
        Self { now, elapsed, ahead: wall - now }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds by which the clock advances while `lived` seconds pass, read every second, after the system's clock jumped by `step`.
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
    fn a_step_is_corrected_slowly_and_completely() {
        for (step, lived, expected) in [
            (0, 100, 100.0),
            (45, 3, 3.15),
            (45, 900, 945.0),
            (45, 1000, 1045.0),
            (-600, 3, 2.85),
            (-600, 20_000, 19_400.0),
            // So large a difference is not a step: the machine's clock was set for the first time.
            (4000, 3, 4003.0),
            (-4000, 3, -3997.0),
        ] {
            let goes_on = goes_on(step, lived, false);
            assert!((goes_on - expected).abs() < 0.001, "{step} s, then {lived} s: {goes_on}");
        }
    }

    #[test]
    fn a_suspended_hub_catches_up_only_beside_others() {
        let start = DateTime::UNIX_EPOCH;
        let reading = Reading { now: start, elapsed: Duration::ZERO, ahead: TimeDelta::zero() };
        let wall = start + TimeDelta::seconds(300);
        let after = |beside_others| reading.after(wall, Duration::from_secs(300), beside_others).now - start;
        assert_eq!((after(false).as_seconds_f64(), after(true)), (15.75, wall - start));
    }

    #[test]
    fn hubs_that_follow_the_database_agree_whatever_their_own_clocks_say() {
        let start = DateTime::UNIX_EPOCH + TimeDelta::days(20_000);
        for own in [0, 45, -600, 7200] {
            let (lived, step) = (Arc::new(Mutex::new(Duration::ZERO)), Arc::new(Mutex::new(TimeDelta::seconds(own))));
            let (elapsed, wall) = (lived.clone(), step.clone());
            let clock = SteadyClock::new(Arc::new(move || start + *wall.lock().unwrap()), Arc::new(move || *elapsed.lock().unwrap()));
            clock.compare(start);
            assert_eq!(clock.now(), start, "{own}");
            *lived.lock().unwrap() = Duration::from_secs(3);
            *step.lock().unwrap() += TimeDelta::seconds(45);
            clock.compare(start + TimeDelta::seconds(3));
            assert_eq!(clock.now(), start + TimeDelta::seconds(3), "{own}");
            // The database's own clock was set: corrected slowly.
            clock.compare(start + TimeDelta::seconds(48));
            *lived.lock().unwrap() = Duration::from_secs(5);
            assert_eq!((clock.now() - start).as_seconds_f64(), 5.1, "{own}");
        }
    }

    #[test]
    fn it_never_goes_back_after_a_step() {
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
