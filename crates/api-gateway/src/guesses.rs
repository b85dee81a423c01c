//! Slows password guessing, without letting a stranger lock anybody out.
//!
//! Failures are counted for the account and for the address they come from. Beyond a few, each further attempt has to wait, twice as long as the
//! last time, up to a bound. Where an account signed in before, from an address or on a device that shows its session, only the failures of
//! that account from there count: what others do elsewhere does not reach it. What must hold: an attempt counts before its
//! password is checked, so that many at once gain nothing; memory is bounded, and entries that are still blocked are evicted last.

use std::{
    collections::HashMap,
    hash::Hash,
    sync::{Mutex, PoisonError},
};

use chrono::{DateTime, TimeDelta, Utc};
use domain::ids::{SessionId, UserId};
use runtime::Origin;

/// Counters of one kind that are kept.
const MOST: usize = 10_000;

/// How attempts are slowed.
#[derive(Clone, Copy, Debug)]
struct Policy {
    /// Failures that cost nothing.
    free: u32,
    /// The longest wait.
    most: TimeDelta,
    /// Nothing is remembered after this long without a failure.
    forget: TimeDelta,
}

/// An account that is attacked from many addresses is slowed a little for those that it never signed in from.
const ACCOUNT: Policy = Policy { free: 10, most: TimeDelta::seconds(30), forget: TimeDelta::minutes(15) };
const ADDRESS: Policy = Policy { free: 20, most: TimeDelta::minutes(15), forget: TimeDelta::hours(1) };
/// An account together with an address or device that signed in to it before.
const KNOWN: Policy = Policy { free: 10, most: TimeDelta::seconds(30), forget: TimeDelta::minutes(15) };

/// The account that is tried: a user, or a name that nobody has.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Account {
    User(UserId),
    /// In lower case.
    Nobody(String),
}

/// How long to wait before the next attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Wait(pub(crate) TimeDelta);

/// Counts failed attempts. One process counts for itself.
#[derive(Debug, Default)]
pub(crate) struct Guesses {
    accounts: Counters<Account>,
    addresses: Counters<Origin>,
    known: Counters<(Account, Known)>,
}

/// From where an account signed in before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Known {
    Address(Origin),
    /// By a session of it.
    Device(SessionId),
}

impl Guesses {
    /// Counts an attempt as failed until it has succeeded.
    pub(crate) fn attempt(&self, account: &Account, origin: Origin, now: DateTime<Utc>) -> Result<(), Wait> {
        // An attempt that one counter blocks is not counted by the other.
        self.addresses.would_wait(&origin, ADDRESS, now)?;
        self.accounts.attempt(account.clone(), ACCOUNT, now)?;
        self.addresses.attempt(origin, ADDRESS, now)
    }

    /// The same for an account that signed in from there before.
    pub(crate) fn attempt_known(&self, account: &Account, known: Known, now: DateTime<Utc>) -> Result<(), Wait> {
        self.known.attempt((account.clone(), known), KNOWN, now)
    }

    /// Takes an attempt back that succeeded. What others failed stays.
    pub(crate) fn succeeded(&self, account: &Account, origin: Origin) {
        self.accounts.take_back(account);
        self.addresses.take_back(&origin);
    }

    /// The same for one of [`Guesses::attempt_known`].
    pub(crate) fn succeeded_known(&self, account: &Account, known: Known) {
        self.known.forget(&(account.clone(), known));
    }
}

#[derive(Debug)]
struct Counters<K>(Mutex<HashMap<K, Counter>>);

#[derive(Clone, Copy, Debug)]
struct Counter {
    failures: u32,
    last: DateTime<Utc>,
}

impl Counter {
    /// When the next attempt is looked at.
    fn next_at(&self, policy: Policy) -> DateTime<Utc> {
        let over = self.failures.saturating_sub(policy.free);
        if over == 0 {
            return self.last;
        }
        let seconds = 1_i64.checked_shl(over - 1).unwrap_or(i64::MAX).min(policy.most.num_seconds());
        self.last + TimeDelta::seconds(seconds)
    }
}

impl<K> Default for Counters<K> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<K: Clone + Eq + Hash> Counters<K> {
    fn would_wait(&self, key: &K, policy: Policy, now: DateTime<Utc>) -> Result<(), Wait> {
        let next_at = self.with(|counters| counters.get(key).map(|counter| counter.next_at(policy)));
        match next_at {
            Some(at) if now < at => Err(Wait(at - now)),
            _ => Ok(()),
        }
    }

    fn attempt(&self, key: K, policy: Policy, now: DateTime<Utc>) -> Result<(), Wait> {
        self.with(|counters| {
            if !counters.contains_key(&key) && counters.len() >= MOST {
                make_room(counters, policy, now);
            }
            let counter = counters.entry(key).or_insert(Counter { failures: 0, last: now });
            if now - counter.last > policy.forget {
                counter.failures = 0;
            }
            let at = counter.next_at(policy);
            if counter.failures > policy.free && now < at {
                return Err(Wait(at - now));
            }
            *counter = Counter { failures: counter.failures.saturating_add(1), last: now };
            Ok(())
        })
    }

    fn take_back(&self, key: &K) {
        self.with(|counters| {
            if let Some(counter) = counters.get_mut(key) {
                counter.failures = counter.failures.saturating_sub(1);
            }
        });
    }

    fn forget(&self, key: &K) {
        self.with(|counters| counters.remove(key));
    }

    fn with<T>(&self, work: impl FnOnce(&mut HashMap<K, Counter>) -> T) -> T {
        work(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Removes what is forgotten anyhow; when that is not a tenth, those as well that may try again soonest.
fn make_room<K: Clone + Eq + Hash>(counters: &mut HashMap<K, Counter>, policy: Policy, now: DateTime<Utc>) {
    counters.retain(|_, counter| now - counter.last <= policy.forget);
    let room = MOST - MOST / 10;
    if counters.len() <= room {
        return;
    }
    let mut soonest: Vec<(u32, DateTime<Utc>, K)> =
        counters.iter().map(|(key, counter)| (counter.failures, counter.next_at(policy), key.clone())).collect();
    soonest.sort_unstable_by_key(|(failures, next_at, _)| (*failures, *next_at));
    for (_, _, key) in soonest.into_iter().take(counters.len() - room) {
        counters.remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> DateTime<Utc> {
        DateTime::from_timestamp(1_800_000_000 + seconds, 0).unwrap()
    }

    fn from(address: &str) -> Origin {
        Origin::of(address.parse().unwrap())
    }

    fn ana() -> Account {
        Account::User(UserId::default())
    }

    fn nobody(nth: u32) -> Account {
        Account::Nobody(nth.to_string())
    }

    #[test]
    fn each_further_guess_at_an_account_waits_longer_up_to_a_bound() {
        let guesses = Guesses::default();
        let mut now = 0;
        for nth in 0..11 {
            assert_eq!(guesses.attempt(&ana(), from(&format!("10.0.0.{nth}")), at(now)), Ok(()), "{nth}");
        }
        for seconds in [1, 2, 4, 8, 16, 30, 30] {
            let fresh = from(&format!("10.0.1.{}", now % 200));
            assert_eq!(guesses.attempt(&ana(), fresh, at(now)), Err(Wait(TimeDelta::seconds(seconds))));
            now += seconds;
            assert_eq!(guesses.attempt(&ana(), fresh, at(now)), Ok(()));
        }
        assert_eq!(guesses.attempt(&nobody(1), from("10.0.2.1"), at(now)), Ok(()), "others are not concerned");
        assert_eq!(guesses.attempt(&ana(), from("10.0.2.1"), at(now + 901)), Ok(()), "forgotten");
    }

    #[test]
    fn an_address_that_tries_many_accounts_waits() {
        let guesses = Guesses::default();
        for nth in 0..21 {
            assert_eq!(guesses.attempt(&nobody(nth), from("10.0.0.1"), at(0)), Ok(()));
        }
        assert_eq!(guesses.attempt(&ana(), from("10.0.0.1"), at(0)), Err(Wait(TimeDelta::seconds(1))));
        assert_eq!(guesses.attempt(&ana(), from("10.0.0.2"), at(0)), Ok(()));
        let mut now = 1;
        for nth in 0..30 {
            match guesses.attempt(&nobody(nth), from("10.0.0.1"), at(now)) {
                Ok(()) => {}
                Err(Wait(wait)) => {
                    assert!(wait <= TimeDelta::minutes(15));
                    now += wait.num_seconds();
                }
            }
        }
        assert!(now > 3600, "thirty guesses took {now} s");
    }

    #[test]
    fn who_is_known_somewhere_is_not_locked_out_by_guesses_from_elsewhere() {
        let guesses = Guesses::default();
        for nth in 0..200 {
            let _slowed = guesses.attempt(&ana(), from(&format!("10.0.0.{nth}")), at(nth));
        }
        assert!(guesses.attempt(&ana(), from("10.1.0.1"), at(199)).is_err());
        let here = Known::Address(from("10.1.0.1"));
        for _ in 0..50 {
            assert_eq!(guesses.attempt_known(&ana(), here, at(199)), Ok(()));
            guesses.succeeded_known(&ana(), here);
        }
        // Its own failures count.
        for _ in 0..11 {
            assert_eq!(guesses.attempt_known(&ana(), here, at(199)), Ok(()));
        }
        assert_eq!(guesses.attempt_known(&ana(), here, at(199)), Err(Wait(TimeDelta::seconds(1))));
        let device = Known::Device(SessionId::default());
        assert_eq!(guesses.attempt_known(&ana(), device, at(199)), Ok(()), "who shares the address does not reach it");
    }

    #[test]
    fn success_takes_back_its_own_attempt_alone() {
        let guesses = Guesses::default();
        for _ in 0..11 {
            assert_eq!(guesses.attempt(&ana(), from("10.0.0.1"), at(0)), Ok(()));
        }
        assert!(guesses.attempt(&ana(), from("10.0.0.1"), at(0)).is_err());
        for _ in 0..500 {
            assert_eq!(guesses.attempt(&nobody(1), from("10.0.0.3"), at(0)), Ok(()));
            guesses.succeeded(&nobody(1), from("10.0.0.3"));
        }
        assert!(guesses.attempt(&ana(), from("10.0.0.3"), at(0)).is_err(), "another account's success does not help");
    }

    #[test]
    fn a_network_of_ipv6_is_one_and_a_mapped_address_is_itself() {
        let guesses = Guesses::default();
        for nth in 0..21_u32 {
            assert_eq!(guesses.attempt(&nobody(nth), from(&format!("2001:db8:1:2::{nth:x}")), at(0)), Ok(()));
        }
        assert!(guesses.attempt(&nobody(99), from("2001:db8:1:2:ffff::1"), at(0)).is_err());
        assert_eq!(guesses.attempt(&nobody(99), from("2001:db8:1:3::1"), at(0)), Ok(()));
        assert_eq!(from("::ffff:10.0.0.1"), from("10.0.0.1"));
        assert_eq!((from("10.0.0.1").to_string(), from("2001:db8:1:2::9").to_string()), ("10.0.0.1".into(), "2001:db8:1:2::/64".into()));
    }

    #[test]
    fn memory_is_bounded_and_whoever_waits_is_forgotten_last() {
        let guesses = Guesses::default();
        for nth in 0..21 {
            assert_eq!(guesses.attempt(&nobody(nth), from("192.0.2.1"), at(0)), Ok(()));
        }
        for nth in 0..100_000_u32 {
            let address = Origin::of(std::net::Ipv4Addr::from(0x0a00_0000 + nth).into());
            assert_eq!(guesses.attempt(&nobody(nth), address, at(0)), Ok(()));
        }
        assert!(guesses.addresses.with(|counters| counters.len()) <= MOST);
        assert!(guesses.accounts.with(|counters| counters.len()) <= MOST);
        assert!(guesses.attempt(&ana(), from("192.0.2.1"), at(0)).is_err(), "it still waits");
    }
}
