//! The processes that run a service, which of them gets a request, and how they stand.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use chrono::{DateTime, TimeDelta, Utc};
use runtime::Clock;

use super::{
    breaker::{Admission, Breaker, Outcome, State, Terms},
    stats::Stats,
};
use crate::Settings;

/// The upstreams of one service.
pub(crate) struct Pool {
    pub(super) service: &'static str,
    pub(super) upstreams: Vec<Upstream>,
    pub(super) settings: Arc<Settings>,
    pub(super) clock: Clock,
    standings: Mutex<Vec<Standing>>,
    /// Which of several equals is next.
    turn: AtomicUsize,
}

/// One process.
pub(super) struct Upstream {
    /// Its address, without a slash at the end.
    pub(super) base: String,
    pub(super) outstanding: AtomicUsize,
    pub(super) stats: Stats,
}

/// State of an upstream.
pub(super) struct Standing {
    pub(super) breaker: Breaker,
    pub(super) health: Health,
}

/// What checks found.
#[derive(Clone, Debug)]
pub(super) struct Health {
    pub(super) is_healthy: bool,
    /// Checks in a row that succeeded, or failed.
    good: u32,
    bad: u32,
    pub(super) last_error: Option<String>,
    pub(super) checked_at: Option<DateTime<Utc>>,
}

/// No upstream takes a request before then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Away {
    pub(super) retry_after: Duration,
}

impl Pool {
    pub(super) fn new(service: &'static str, addresses: &[String], settings: Arc<Settings>, clock: Clock) -> Arc<Self> {
        let rest = TimeDelta::from_std(settings.eject_for).unwrap_or(TimeDelta::MAX);
        let terms = Terms { failures: settings.eject_after, rest };
        let upstream =
            |base: &String| Upstream { base: base.trim_end_matches('/').to_owned(), outstanding: AtomicUsize::new(0), stats: Stats::new() };
        let unchecked = Health { is_healthy: true, good: 0, bad: 0, last_error: None, checked_at: None };
        let standing = |_: &String| Standing { breaker: Breaker::new(terms), health: unchecked.clone() };
        Arc::new(Self {
            service,
            upstreams: addresses.iter().map(upstream).collect(),
            standings: Mutex::new(addresses.iter().map(standing).collect()),
            settings,
            clock,
            turn: AtomicUsize::new(0),
        })
    }

    /// The upstream with the fewest requests under way. One that is to be probed comes first for a request that can be sent elsewhere should it
    /// fail (`is_repeatable`), and last for any other. Those in `tried` come only when nothing else is left, and `again` allows it.
    pub(super) fn pick(self: &Arc<Self>, is_repeatable: bool, tried: &[usize], again: bool) -> Result<Lease, Away> {
        let now = (self.clock)();
        let mut standings = self.standings();
        let turn = self.turn.fetch_add(1, Relaxed);
        let count = self.upstreams.len();
        let rank = |index: usize| {
            let was_tried = tried.contains(&index);
            let standing = &standings[index];
            if !standing.health.is_healthy || (was_tried && !again) {
                return None;
            }
            let place = match standing.breaker.admission(now) {
                Admission::Probe if is_repeatable => 0,
                Admission::Free => 1,
                Admission::Probe => 2,
                Admission::Refused(_) => return None,
            };
            Some((was_tried, place, self.upstreams[index].outstanding.load(Relaxed)))
        };
        let ranked = (0..count).map(|step| (turn + step) % count).filter_map(|index| Some((rank(index)?, index)));
        let Some((_, index)) = ranked.min_by_key(|(rank, _)| *rank) else {
            return Err(Away { retry_after: self.retry_after(&standings, now) });
        };
        let is_probe = standings[index].breaker.admission(now) == Admission::Probe;
        if is_probe {
            standings[index].breaker.begin_probe();
        }
        drop(standings);
        self.upstreams[index].outstanding.fetch_add(1, Relaxed);
        Ok(Lease { pool: self.clone(), index, is_probe, is_reported: false })
    }

    /// When the first of them may take requests again, in whole seconds: an ejection ends at its time, or when checks succeed, which takes them as
    /// long as it takes to bring back one that is unhealthy.
    fn retry_after(&self, standings: &[Standing], now: DateTime<Utc>) -> Duration {
        let interval = self.settings.health_interval;
        let by_checks = if interval.is_zero() { Duration::MAX } else { interval.saturating_mul(self.settings.healthy_after) };
        let wait = |standing: &Standing| match standing.breaker.admission(now) {
            _ if !standing.health.is_healthy => by_checks,
            Admission::Refused(Some(until)) => (until - now).to_std().unwrap_or_default().min(by_checks),
            _ => Duration::ZERO,
        };
        let least = standings.iter().map(wait).min().unwrap_or_default();
        Duration::from_secs(least.as_secs() + u64::from(least.subsec_nanos() > 0)).max(Duration::from_secs(1))
    }

    /// Records the outcome of a health check; returns whether the health changed.
    pub(super) fn checked(&self, index: usize, found: Result<(), String>) -> bool {
        let now = (self.clock)();
        let mut standings = self.standings();
        let Some(Standing { breaker, health }) = standings.get_mut(index) else { return false };
        let before = health.is_healthy;
        health.note(found, &self.settings, now);
        // What checks saw is newer than what requests saw.
        if health.good >= self.settings.healthy_after && !matches!(breaker.state(), State::Closed { .. }) {
            breaker.reset();
        }
        before != health.is_healthy
    }

    pub(super) fn standings(&self) -> MutexGuard<'_, Vec<Standing>> {
        self.standings.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Health {
    fn note(&mut self, found: Result<(), String>, settings: &Settings, now: DateTime<Utc>) {
        self.checked_at = Some(now);
        match found {
            Ok(()) => (self.good, self.bad, self.last_error) = (self.good.saturating_add(1), 0, None),
            Err(error) => (self.good, self.bad, self.last_error) = (0, self.bad.saturating_add(1), Some(error)),
        }
        if self.bad >= settings.unhealthy_after {
            self.is_healthy = false;
        } else if self.good >= settings.healthy_after {
            self.is_healthy = true;
        }
    }
}

/// A request at an upstream: it counts as outstanding while this lives.
pub(super) struct Lease {
    pool: Arc<Pool>,
    pub(super) index: usize,
    is_probe: bool,
    is_reported: bool,
}

impl Lease {
    pub(super) fn upstream(&self) -> &Upstream {
        &self.pool.upstreams[self.index]
    }

    /// Counts bytes that the upstream was sent.
    pub(super) fn sent(&self) -> impl Fn(usize) + Send + use<> {
        let (pool, index) = (self.pool.clone(), self.index);
        move |bytes| pool.upstreams[index].stats.sent(bytes)
    }

    /// How the request went.
    pub(super) fn report(&mut self, outcome: Outcome) {
        if std::mem::replace(&mut self.is_reported, true) {
            return;
        }
        let now = (self.pool.clock)();
        let mut standings = self.pool.standings();
        let breaker = &mut standings[self.index].breaker;
        let was_closed = matches!(breaker.state(), State::Closed { .. });
        breaker.ended(self.is_probe, outcome, now);
        if was_closed && matches!(breaker.state(), State::Open { .. }) {
            tracing::warn!(service = self.pool.service, upstream = self.upstream().base, "an upstream is ejected: its requests fail");
        }
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        self.report(Outcome::Unknown);
        self.upstream().outstanding.fetch_sub(1, Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicI64;

    use runtime::{Section, SectionSettings as _};

    use super::*;

    struct World {
        pool: Arc<Pool>,
        seconds: Arc<AtomicI64>,
    }

    fn world(upstreams: usize) -> World {
        world_with(upstreams, |_| {})
    }

    fn world_with(upstreams: usize, change: impl FnOnce(&mut Settings)) -> World {
        let settings = runtime::Settings::load_with(None, &[Section::of::<Settings>()]).unwrap().section::<Settings>().unwrap();
        let mut settings = Settings::clone(&settings);
        change(&mut settings);
        assert!(settings.faults().is_empty());
        let settings = Arc::new(settings);
        let seconds = Arc::new(AtomicI64::new(0));
        let time = seconds.clone();
        let clock: Clock = Arc::new(move || DateTime::UNIX_EPOCH + TimeDelta::seconds(time.load(Relaxed)));
        let addresses: Vec<String> = (0..upstreams).map(|nth| format!("http://u{nth}/")).collect();
        World { pool: Pool::new("toys", &addresses, settings, clock), seconds }
    }

    impl World {
        fn eject(&self, index: usize) {
            for _ in 0..5 {
                let others: Vec<usize> = (0..self.pool.upstreams.len()).filter(|other| *other != index).collect();
                self.pool.pick(false, &others, false).unwrap().report(Outcome::Bad);
            }
        }
    }

    /// What somebody is told who finds none.
    fn away(world: &World) -> u64 {
        world.pool.pick(false, &[], false).map(|lease| lease.index).unwrap_err().retry_after.as_secs()
    }

    #[test]
    fn the_one_with_the_fewest_requests_is_next() {
        let world = world(3);
        let held: Vec<Lease> = (0..6).map(|_| world.pool.pick(false, &[], false).unwrap()).collect();
        let mut count = [0; 3];
        held.iter().for_each(|lease| count[lease.index] += 1);
        assert_eq!(count, [2, 2, 2]);
        let free = held[0].index;
        drop(held.into_iter().filter(|lease| lease.index == free).collect::<Vec<_>>());
        assert_eq!(world.pool.upstreams[free].outstanding.load(Relaxed), 0, "leases give back what they took");
    }

    #[test]
    fn a_repeated_request_goes_elsewhere() {
        let world = world(2);
        let first = world.pool.pick(true, &[], false).unwrap().index;
        assert_eq!(world.pool.pick(true, &[first], true).unwrap().index, 1 - first);
        assert!(world.pool.pick(true, &[0, 1], false).is_err());
        assert!(world.pool.pick(true, &[0, 1], true).is_ok());
    }

    #[test]
    fn an_ejected_one_is_probed_by_what_can_be_repeated() {
        let world = world(2);
        world.eject(0);
        assert!((0..4).all(|_| world.pool.pick(true, &[], false).unwrap().index == 1));
        world.seconds.store(30, Relaxed);
        assert_eq!(world.pool.pick(false, &[], false).unwrap().index, 1, "a change waits for no probe");
        let mut probe = world.pool.pick(true, &[], false).unwrap();
        assert_eq!((probe.index, world.pool.pick(true, &[], false).unwrap().index), (0, 1));
        probe.report(Outcome::Good);
        let both = [world.pool.pick(false, &[1], false).is_ok(), world.pool.pick(false, &[0], false).is_ok()];
        assert_eq!(both, [true, true]);
    }

    #[test]
    fn the_only_one_is_probed_by_anything_and_others_wait() {
        let world = world_with(1, |settings| settings.health_interval = Duration::ZERO);
        world.eject(0);
        assert_eq!(away(&world), 30);
        world.seconds.store(30, Relaxed);
        let probe = world.pool.pick(false, &[], false).unwrap();
        assert_eq!(away(&world), 1);
        drop(probe);
        assert!(world.pool.pick(false, &[], false).is_ok(), "a probe that was given up");
    }

    #[test]
    fn whoever_is_refused_waits_no_longer_than_checks_need() {
        let world = world(1);
        world.eject(0);
        assert_eq!(away(&world), 2, "two checks end the ejection");
        world.seconds.store(29, Relaxed);
        assert_eq!(away(&world), 1, "it ends by itself");
        assert!(!world.pool.checked(0, Err("no answer".to_owned())) && world.pool.checked(0, Err("no answer".to_owned())));
        assert_eq!(away(&world), 2, "two checks bring it back");
    }

    #[test]
    fn checks_take_out_and_bring_back_whatever_requests_saw() {
        let world = world(1);
        world.eject(0);
        let bad = || Err("no answer".to_owned());
        assert!(!world.pool.checked(0, bad()) && world.pool.checked(0, bad()), "the second one decides");
        world.seconds.store(60, Relaxed);
        assert!(world.pool.pick(true, &[], false).is_err(), "unhealthy");
        assert!(!world.pool.checked(0, Ok(())) && world.pool.checked(0, Ok(())));
        assert!(world.pool.pick(true, &[], false).is_ok(), "neither waits for the other");
    }
}
