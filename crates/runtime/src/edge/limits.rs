//! How many requests a caller may make.
//!
//! One look-up a request: who showed a good credential is counted by it, everybody else by address, so that a crowd behind one address does not
//! cost those their turn who are signed in. Memory is bounded ([`Bounded`]). Times are the hub's clock.

use std::{hash::Hash, num::NonZeroU32, time::Duration};

use actix_web::http::header::{HeaderMap, HeaderName, HeaderValue};
use domain::ids::{ApiKeyId, HookId, TokenId, UserId};
use governor::{Quota, RateLimiter, clock::Clock as _, middleware::StateInformationMiddleware, nanos::Nanos};

use super::store::Bounded;
use crate::{Clock, EdgeSettings, Failure, Origin};

const LIMIT: HeaderName = HeaderName::from_static("ratelimit-limit");
const REMAINING: HeaderName = HeaderName::from_static("ratelimit-remaining");
const RESET: HeaderName = HeaderName::from_static("ratelimit-reset");
const POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");
const MINUTE: Duration = Duration::from_secs(60);

/// The limits of one process.
pub(crate) struct Limits {
    pub(crate) anonymous: Limit<Origin>,
    pub(crate) sign_in: Limit<Origin>,
    pub(crate) people: Limit<UserId>,
    pub(crate) machines: Limit<Machine>,
    pub(crate) hooks: Limit<HookId>,
}

/// A program with a credential of its own, or with one that many have.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Machine {
    Key(ApiKeyId),
    Token(TokenId),
    At(Origin),
}

impl Limits {
    pub(crate) fn new(settings: &EdgeSettings, clock: &Clock) -> Self {
        Self {
            anonymous: Limit::new(settings.anonymous_per_minute, clock),
            sign_in: Limit::new(settings.sign_ins_per_minute, clock),
            people: Limit::new(settings.person_per_minute, clock),
            machines: Limit::new(settings.key_per_minute, clock),
            hooks: Limit::new(settings.hook_per_minute, clock),
        }
    }
}

/// Requests a minute that each key may make, all at once if it likes.
pub(crate) struct Limit<K: Clone + Eq + Hash>(Option<Counted<K>>);

struct Counted<K: Clone + Eq + Hash> {
    per_minute: NonZeroU32,
    policy: HeaderValue,
    limiter: RateLimiter<K, Bounded<K>, HubClock, StateInformationMiddleware>,
}

/// What is left of a quota after a request.
#[derive(Clone, Debug)]
pub(crate) struct Standing {
    limit: u32,
    policy: HeaderValue,
    remaining: u32,
    /// Seconds until the next request is admitted if this one was not, else until the quota is whole.
    reset_s: u64,
}

impl<K: Clone + Eq + Hash> Limit<K> {
    /// 0: unlimited.
    fn new(per_minute: u32, clock: &Clock) -> Self {
        let counted = |per_minute| Counted {
            per_minute,
            policy: policy(per_minute),
            limiter: RateLimiter::new(Quota::per_minute(per_minute), Bounded::default(), HubClock(clock.clone())),
        };
        Self(NonZeroU32::new(per_minute).map(counted))
    }

    /// Counts a request; `None` when there is no limit.
    pub(crate) fn admit(&self, key: &K) -> Result<Option<Standing>, Standing> {
        let Some(Counted { per_minute, policy, limiter }) = &self.0 else { return Ok(None) };
        let standing = |remaining, reset_s| Standing { limit: per_minute.get(), policy: policy.clone(), remaining, reset_s };
        match limiter.check_key(key) {
            Ok(state) => {
                let remaining = state.remaining_burst_capacity();
                let used = u64::from(per_minute.get().saturating_sub(remaining));
                let reset_s = (used * MINUTE.as_secs()).div_ceil(u64::from(per_minute.get()));
                Ok(Some(standing(remaining, reset_s)))
            }
            Err(not_until) => {
                let wait = not_until.wait_time_from(limiter.clock().now());
                Err(standing(0, wait.as_secs() + u64::from(wait.subsec_nanos() > 0)))
            }
        }
    }
}

fn policy(per_minute: NonZeroU32) -> HeaderValue {
    HeaderValue::try_from(format!("{per_minute};w={}", MINUTE.as_secs())).unwrap_or_else(|_| HeaderValue::from_static(""))
}

impl Standing {
    /// Tells the caller, in the fields of draft-ietf-httpapi-ratelimit-headers-06.
    pub(crate) fn write(&self, headers: &mut HeaderMap) {
        headers.insert(LIMIT, self.limit.into());
        headers.insert(REMAINING, self.remaining.into());
        headers.insert(RESET, self.reset_s.into());
        headers.insert(POLICY, self.policy.clone());
    }

    /// The refusal of the request that did not fit. Answers with it have both kinds of headers.
    pub(crate) fn refusal(&self) -> Failure {
        Failure::TooMany { detail: "too many requests; wait for the seconds in Retry-After", retry_after_s: self.reset_s.max(1) }
    }
}

/// The hub's clock as the limiter reads it.
#[derive(Clone)]
struct HubClock(Clock);

impl std::fmt::Debug for HubClock {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("HubClock")
    }
}

impl governor::clock::Clock for HubClock {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        let now = (self.0)();
        now.timestamp_nanos_opt().and_then(|nanos| u64::try_from(nanos).ok()).unwrap_or_default().into()
    }
}

#[cfg(test)]
mod tests {
    use std::{
        net::{Ipv4Addr, Ipv6Addr},
        sync::{
            Arc,
            atomic::{AtomicI64, Ordering::SeqCst},
        },
    };

    use chrono::{DateTime, TimeDelta};

    use super::{super::store::MOST, *};

    struct World {
        limit: Limit<Origin>,
        millis: Arc<AtomicI64>,
    }

    fn world(per_minute: u32) -> World {
        let millis = Arc::new(AtomicI64::new(1_000_000));
        let time = millis.clone();
        let clock: Clock = Arc::new(move || DateTime::UNIX_EPOCH + TimeDelta::milliseconds(time.load(SeqCst)));
        World { limit: Limit::new(per_minute, &clock), millis }
    }

    impl World {
        fn admit(&self, address: impl Into<std::net::IpAddr>) -> Result<Standing, Standing> {
            self.limit.admit(&Origin::of(address.into())).map(Option::unwrap)
        }

        fn keys(self) -> usize {
            self.limit.0.unwrap().limiter.into_state_store().len()
        }

        fn pass(&self, millis: i64) {
            self.millis.fetch_add(millis, SeqCst);
        }
    }

    #[test]
    fn a_network_of_64_bits_is_one_caller() {
        let world = world(5);
        let refused = (0..100_000_u128).filter(|host| world.admit(Ipv6Addr::from((0x2001_0db8_0001_0002 << 64) + host)).is_err()).count();
        assert_eq!((refused, world.keys()), (99_995, 1));
    }

    #[test]
    fn who_is_blocked_stays_so_while_any_number_of_others_come_by() {
        let world = world(5);
        let blocked = Ipv4Addr::new(192, 0, 2, 1);
        assert_eq!((0..6).map(|_| world.admit(blocked).is_ok()).collect::<Vec<_>>(), [true, true, true, true, true, false]);
        for other in 0..100_000_u32 {
            assert!(world.admit(Ipv4Addr::from((10 << 24) + other)).is_ok());
        }
        assert!(world.admit(blocked).is_err());
        world.pass(11_999);
        assert!(world.admit(blocked).is_err());
        world.pass(1);
        assert_eq!((world.admit(blocked).is_ok(), world.admit(blocked).is_ok()), (true, false));
        assert!(world.keys() <= MOST);
    }

    #[test]
    fn times_are_seconds_to_wait() {
        let world = world(5);
        let left: Vec<(u32, u64)> =
            (0..5).map(|_| world.admit(Ipv4Addr::LOCALHOST).unwrap()).map(|at| (at.remaining, at.reset_s)).collect();
        assert_eq!(left, [(4, 12), (3, 24), (2, 36), (1, 48), (0, 60)]);
        world.pass(1000);
        let refused = world.admit(Ipv4Addr::LOCALHOST).unwrap_err();
        assert_eq!((refused.limit, refused.remaining, refused.reset_s), (5, 0, 11));
        let mut headers = HeaderMap::new();
        refused.write(&mut headers);
        let shown = ["limit", "remaining", "reset", "policy"]
            .map(|name| headers.get(format!("ratelimit-{name}")).unwrap().to_str().unwrap().to_owned());
        assert_eq!(shown, ["5", "0", "11", "5;w=60"]);
        world.pass(60_000);
        assert_eq!(world.admit(Ipv4Addr::LOCALHOST).unwrap().remaining, 4);
    }

    #[test]
    fn a_quota_of_nothing_is_no_limit() {
        let world = world(0);
        assert!((0..1000).all(|_| world.limit.admit(&Origin::of(Ipv4Addr::LOCALHOST.into())).unwrap().is_none()));
    }
}
